/* SPDX-License-Identifier: MIT */
/* Release and Reclaim: ttys in other hands, as long as a connection lives. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/api-private.h"

struct release {
	struct api *api;
	struct call *call;
	struct device **devices; /* a released board stays listed */
	size_t count, closing;
};

static void release_free(struct release *r)
{
	free(r->devices);
	free(r);
}

void api_client_reclaim(struct api_client *c)
{
	struct device *d;

	for (size_t i = 0; i < c->released_count; i++) {
		d = registry_by_id(c->api->registry, c->released[i]);
		if (d && !c->api->stopping)
			device_reclaim(d);
		free(c->released[i]);
	}
	free(TAKE_PTR(c->released));
	c->released_count = 0;
}

/* The client has gone; its boards are taken back by api_client_reclaim. */
static void on_gone(struct call *call)
{
	struct release *r = call->user;

	/* A daemon that ends has closed its boards by now. */
	for (size_t i = 0; i < r->count && !r->api->stopping; i++)
		device_release_forget(r->devices[i]);
	release_free(r);
}

static json_object *ports_json(const struct release *r)
{
	json_object *ports = json_object_new_array(), *o;

	for (size_t i = 0; i < r->count; i++) {
		o = json_object_new_object();
		api_put_string(o, "device", r->devices[i]->id);
		/* That of one that is away may be another board's now. */
		api_put_string(o, "tty", device_is_plugged(r->devices[i]) ? r->devices[i]->tty : NULL);
		json_object_array_add(ports, o);
	}
	return ports;
}

static void on_released(void *user)
{
	struct release *r = user;
	struct call *call = r->call;
	json_object *o;

	if (--r->closing > 0)
		return;
	o = json_object_new_object();
	api_put(o, "ports", ports_json(r));
	call->closed = NULL;
	release_free(r);
	call_reply(call, o);
}

/* --- which ---------------------------------------------------------------------------------------------------------- */

static bool add(struct release *r, struct device *d)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->devices[i] == d)
			return true;
	r->devices[r->count++] = d;
	return true;
}

static bool find_boards(struct release *r)
{
	json_object *names = json_object_object_get(r->call->message.parameters, "devices");
	size_t n = names ? json_object_array_length(names) : 1, listed = registry_count(r->api->registry);
	struct device *d;

	if (api_bool(r->call, "all", false)) {
		for (size_t i = 0; i < listed; i++)
			if (registry_at(r->api->registry, i)->config)
				add(r, registry_at(r->api->registry, i));
		if (r->count == 0)
			api_fail_no_device(r->api, r->call, NULL);
		return r->count > 0;
	}
	for (size_t i = 0; i < n; i++)
		if (!api_resolve(r->api, r->call, "devices",
				    names ? json_object_get_string(json_object_array_get_idx(names, i)) : NULL, &d) ||
				!add(r, d))
			return false;
	return true;
}

/* All or none: nothing is closed before everything may be. */
static bool may_release(struct release *r)
{
	for (size_t i = 0; i < r->count; i++) {
		struct device *d = r->devices[i];
		if (!api_may_change(r->api, r->call, d->id))
			return false;
		if (d->state == DEVICE_RELEASED || !device_is_managed(d)) {
			api_fail_unavailable(r->call, d, NULL);
			return false;
		}
		if (d->job) {
			api_fail_job_start(r->call, d, -EBUSY, d->job->id);
			return false;
		}
	}
	return true;
}

/* Room for all ids, so that no board is released and then forgotten. */
static bool remember(struct release *r)
{
	struct api_client *c = api_client(r->api, r->call);
	char **grown = c ? realloc(c->released, (c->released_count + r->count) * sizeof(*grown)) : NULL;
	size_t before = c ? c->released_count : 0;

	if (!grown)
		return false;
	c->released = grown;
	for (size_t i = 0; i < r->count; i++) {
		c->released[c->released_count] = strdup(r->devices[i]->id);
		if (!c->released[c->released_count])
			break;
		c->released_count++;
	}
	if (c->released_count == before + r->count)
		return true;
	while (c->released_count > before)
		free(c->released[--c->released_count]);
	return false;
}

/* --- the calls ------------------------------------------------------------------------------------------------------ */

static void start(struct release *r)
{
	const struct peer *p = call_peer(r->call);
	const char *reason = api_string(r->call, "reason"), *text;
	char to[LIMIT_LEASE_TEXT_BYTES + 160];

	snprintf(to, sizeof(to), "its tty is handed over to process %d%s%s%s of user %u%s%s", (int)p->pid,
			p->command[0] ? " (" : "", p->command, p->command[0] ? ")" : "", (unsigned int)p->uid,
			reason ? ": " : "", reason ? reason : "");
	r->call->user = r;
	r->call->closed = on_gone;
	r->closing = 1; /* this function */
	for (size_t i = 0; i < r->count; i++) {
		api_audit(r->call, r->devices[i], "Release");
		/* Out of memory the rest stays open, and is told as it is. */
		if (device_release(r->devices[i], to, on_released, r, &text) == 0)
			r->closing++;
	}
	on_released(r);
}

static void release(struct api *api, struct call *call)
{
	struct release *r = calloc(1, sizeof(*r));

	if (r)
		r->devices = calloc(LIMIT_DEVICES, sizeof(*r->devices));
	if (!r || !r->devices) {
		free(r);
		api_fail_limit(call, "memory", 0, NULL, "the daemon is out of memory");
		return;
	}
	r->api = api;
	r->call = call;
	if (api_bool(call, "all", false) && json_object_object_get(call->message.parameters, "devices")) {
		api_invalid(call, "all", "'all' and 'devices' exclude each other");
	} else if (find_boards(r) && may_release(r)) {
		if (remember(r)) {
			start(r);
			return;
		}
		api_fail_limit(call, "memory", 0, NULL, "the daemon is out of memory");
	}
	release_free(r);
}

static void reclaim(struct api *api, struct call *call)
{
	struct api_client *c = api_client(api, call);
	json_object *o = json_object_new_object(), *ids = json_object_new_array();

	for (size_t i = 0; c && i < c->released_count; i++)
		json_object_array_add(ids, json_object_new_string(c->released[i]));
	if (c)
		api_client_reclaim(c);
	api_put(o, "devices", ids);
	call_reply(call, o);
}

static const struct api_parameter release_parameters[] = {
	{"devices", API_STRINGS, .optional = true, .min = 1, .max = LIMIT_DEVICES},
	{"all", API_BOOL, .optional = true},
	{"reason", API_STRING, .optional = true, .max = LIMIT_LEASE_TEXT_BYTES},
	API_LEASE,
	{NULL},
};

const struct api_method api_release_methods[] = {
	{"Release", release_parameters, release, ROLE_CHANGE},
	{"Reclaim", NULL, reclaim, ROLE_CHANGE},
	{NULL},
};
