/* SPDX-License-Identifier: MIT */
/* Ports: what is plugged in, whether the configuration manages it or not. Hubs, as JSON. */
#include <stdlib.h>
#include <string.h>

#include "daemon/api-private.h"

static json_object *port_json(const struct registry *r, const struct usb_port *p)
{
	const struct config_device *section = registry_port_section(r, p);
	const struct device *d = registry_port_device(r, p);
	json_object *o = json_object_new_object();

	api_put_string(o, "tty", p->node);
	api_put_string(o, "path", p->path);
	if (p->vendor_id || p->product_id) {
		api_put_int(o, "vendorId", p->vendor_id);
		api_put_int(o, "productId", p->product_id);
	}
	if (p->interface >= 0)
		api_put_int(o, "interface", p->interface);
	api_put_string(o, "serial", p->serial);
	api_put_string(o, "manufacturer", p->manufacturer);
	api_put_string(o, "product", p->product);
	api_put_string(o, "driver", p->driver);
	api_put_time(o, "since", p->since_us);
	api_put_string(o, "section", section ? section->name : NULL);
	api_put_string(o, "device", d ? d->id : NULL);
	return o;
}

static json_object *section_json(const struct config_device *d)
{
	json_object *o = json_object_new_object();

	api_put_string(o, "name", d->name);
	api_put_string(o, "match", d->match);
	api_put_string(o, "serial", d->serial);
	api_put_string(o, "path", d->path);
	api_put_string(o, "tty", d->tty);
	api_put_string(o, "alias", d->alias);
	api_put_int(o, "baud", d->baud);
	return o;
}

/* NULL: out of memory. */
static json_object *ports_json(const struct registry *r)
{
	const struct config *config = registry_config(r);
	json_object *o, *ports, *sections;
	const struct usb_port **list;
	size_t count;

	if (registry_ports(r, &list, &count) < 0)
		return NULL;
	o = json_object_new_object();
	ports = json_object_new_array();
	sections = json_object_new_array();
	for (size_t i = 0; i < count && ports; i++)
		json_object_array_add(ports, port_json(r, list[i]));
	for (size_t i = 0; i < config->device_count && sections; i++)
		json_object_array_add(sections, section_json(&config->devices[i]));
	free(list);
	api_put(o, "ports", ports);
	api_put(o, "sections", sections);
	api_put_string(o, "configuration", config->file);
	return o;
}

static json_object *sections_of(const struct registry *r, const struct registry_hub *hub)
{
	const struct config *c = registry_config(r);
	json_object *names = json_object_new_array();

	for (size_t i = 0; i < c->device_count && names; i++)
		if (c->devices[i].path && strcmp(c->devices[i].path, hub->path) == 0)
			json_object_array_add(names, json_object_new_string(c->devices[i].name));
	return names;
}

static json_object *boards_below(struct registry *r, const struct registry_hub *hub)
{
	json_object *ids = json_object_new_array();

	for (size_t i = 0; i < registry_count(r) && ids; i++) {
		const struct device *d = registry_at(r, i);
		if (device_is_managed(d) && registry_hub_has(hub, d))
			json_object_array_add(ids, json_object_new_string(d->id));
	}
	return ids;
}

json_object *api_hub_json(struct registry *r, const struct registry_hub *hub)
{
	json_object *o = json_object_new_object();

	api_put_string(o, "path", hub->path);
	api_put(o, "sections", sections_of(r, hub));
	api_put_string(o, "state", hub->attached ? "attached" : "absent");
	api_put_time(o, "since", hub->since_us);
	api_put(o, "devices", boards_below(r, hub));
	return o;
}

/* A reader that falls behind gets the newest picture when it has caught up; the ones between are of no use to anybody. */
struct ports_watch {
	struct registry_port_observer observer;
	struct api *api;
	struct call *call;
	bool stale;
};

static void on_ports_changed(struct registry_port_observer *o)
{
	struct ports_watch *w = container_of(o, struct ports_watch, observer);

	if (w->api->stopping)
		return;
	w->stale = call_is_slow(w->call);
	if (!w->stale)
		call_continue(w->call, ports_json(w->api->registry));
}

static void ports_drained(struct call *call)
{
	struct ports_watch *w = call->user;

	if (w->stale)
		on_ports_changed(&w->observer);
}

static void ports_closed(struct call *call)
{
	struct ports_watch *w = call->user;

	registry_ports_unobserve(w->api->registry, &w->observer);
	free(w);
}

static void ports(struct api *api, struct call *call)
{
	struct ports_watch *w;

	if (!call->message.more) {
		call_reply(call, ports_json(api->registry));
		return;
	}
	w = calloc(1, sizeof(*w));
	if (!w) {
		api_fail_limit(call, "memory", 0, NULL, "the daemon is out of memory");
		return;
	}
	w->api = api;
	w->call = call;
	w->observer.changed = on_ports_changed;
	call->user = w;
	call->closed = ports_closed;
	call->drained = ports_drained;
	registry_ports_observe(api->registry, &w->observer);
	on_ports_changed(&w->observer);
}

const struct api_method api_port_methods[] = {
	{ "Ports", NULL, ports, ROLE_READ },
	{ NULL },
};
