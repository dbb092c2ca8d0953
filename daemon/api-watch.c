/* SPDX-License-Identifier: MIT */
/* Watch: what is there, then everything that happens. */
#include <string.h>
#include <time.h>

#include "daemon/api-private.h"
#include "daemon/device-console.h"

/* A reader that falls behind loses changes, is told how many, and gets a new picture when it has caught up. */
struct watch {
	struct registry_observer observer;
	struct api *api;
	struct call *call;
	struct selector *selector; /* NULL: all boards */
	json_object *ids;	   /* boards that went by it: they are followed whatever they are called later */
	bool open;		   /* more boards may go by it */
	uint64_t missed;
};

static json_object *firmware_json(const struct firmware *f)
{
	json_object *o = json_object_new_object();

	api_put_string(o, "version", f->version);
	api_put_hex(o, "hash", f->hash, f->hash_size);
	return o;
}

static json_object *event_json(struct watch *w, const char *event, const struct registry_change *c)
{
	json_object *o = json_object_new_object();
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	api_put_string(o, "event", event);
	api_put_int(o, "number", (int64_t)c->number);
	api_put_time(o, "time", (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
	if (c->device)
		api_put(o, "device", api_device_json(c->device));
	if (c->job)
		api_put(o, "job", api_job_json(c->job));
	api_put_string(o, "reason", c->reason);
	if (c->before)
		api_put(o, "before", firmware_json(c->before));
	if (c->after)
		api_put(o, "after", firmware_json(c->after));
	if (w->missed > 0)
		api_put_int(o, "missed", (int64_t)w->missed);
	if (c->hub)
		api_put(o, "hub", api_hub_json(w->api->registry, c->hub));
	w->missed = 0;
	return o;
}

static json_object *marked_json(const struct device_marked *marked)
{
	const struct console_line *l = &marked->line;
	const struct console_piece piece = {
		.number = l->number, .time_us = l->time_us, .text = l->text, .size = l->size, .mark = l->mark};

	return api_console_line_json(&piece);
}

static void say(struct watch *w, const char *event, const struct registry_change *c)
{
	json_object *o = event_json(w, event, c);

	if (c->event == REGISTRY_CONSOLE && c->device)
		api_put(o, "line", marked_json(c->device->marked));
	call_continue(w->call, o);
}

static bool is_watched(struct watch *w, const struct device *d, const char *id)
{
	if (!w->selector)
		return true;
	if (!id || json_object_object_get_ex(w->ids, id, NULL))
		return id;
	if (!w->open || !d || !selector_matches(w->selector, d))
		return false;
	json_object_object_add(w->ids, id, json_object_new_boolean(true));
	return true;
}

static void say_picture(struct watch *w)
{
	struct registry *r = w->api->registry;
	struct registry_change c = { .number = registry_number(r) };
	size_t count = registry_count(r);

	for (size_t i = 0; i < count; i++) {
		c.device = registry_at(r, i);
		if (device_is_managed(c.device) && is_watched(w, c.device, c.device->id))
			say(w, "present", &c);
	}
	c.device = NULL;
	for (const struct registry_hub *h = NULL; !w->selector && (h = registry_next_hub(r, h));) {
		c.hub = h;
		say(w, "hubPresent", &c);
	}
	c.hub = NULL;
	say(w, "current", &c);
}

static void on_event(struct registry_observer *o, const struct registry_change *c)
{
	struct watch *w = container_of(o, struct watch, observer);

	if (w->api->stopping || !is_watched(w, c->device, c->device ? c->device->id : c->job ? c->job->device_id : NULL))
		return;
	if (w->missed > 0 || call_is_slow(w->call))
		w->missed++;
	else
		say(w, registry_event_name(c->event), c);
}

static void watch_drained(struct call *call)
{
	struct watch *w = call->user;

	if (w->missed > 0)
		say_picture(w);
}

static void watch_free(struct watch *w)
{
	if (!w)
		return;
	selector_free(w->selector);
	json_object_put(w->ids);
	free(w);
}
DEFINE_FREEP(struct watch, watch_free)

static void watch_closed(struct call *call)
{
	struct watch *w = call->user;

	registry_unobserve(w->api->registry, &w->observer);
	watch_free(w);
}

/* The boards that go by the selector now, by its first sort that any goes by. false: the call is answered. */
static bool take_selector(struct api *api, struct call *call, struct watch *w)
{
	const char *selector = api_string(call, "device");
	_cleanup_free_ struct device **matches = NULL;
	char text[200] = "";
	size_t count = 0;

	if (!selector)
		return true;
	int r = registry_select(api->registry, selector, &matches, &count, text, sizeof(text));
	if (r == 0)
		selector_new(selector, &w->selector, text, sizeof(text));
	w->ids = json_object_new_object();
	/* What is no expression is no name either, of whatever board may come. */
	if (r == -EINVAL)
		api_fail_selector(call, "device", selector, text);
	else if (r == 0 && count == 0 && !api_bool(call, "expect", false))
		api_fail_no_device(api, call, selector);
	else if (r == -ENOMEM || !w->ids || (!w->selector && selector_new(selector, &w->selector, text, sizeof(text)) == -ENOMEM))
		api_fail_limit(call, "memory", 0, NULL, "the daemon is out of memory");
	else {
		for (size_t i = 0; i < count; i++)
			json_object_object_add(w->ids, matches[i]->id, json_object_new_boolean(true));
		/* An id, alias or tty is one board's; who else has that tty later is another one. */
		w->open = count != 1 || !selector_is_exact(w->selector, matches[0]);
		return true;
	}
	return false;
}

static void watch(struct api *api, struct call *call)
{
	_cleanup_(watch_freep) struct watch *w = calloc(1, sizeof(*w));

	if (!w) {
		api_fail_limit(call, "memory", 0, NULL, "the daemon is out of memory");
		return;
	}
	if (!take_selector(api, call, w))
		return;
	w->api = api;
	w->call = call;
	call->user = w;
	call->closed = watch_closed;
	call->drained = watch_drained;
	w->observer.event = on_event;
	registry_observe(api->registry, &w->observer);
	say_picture(TAKE_PTR(w));
}

static const struct api_parameter watch_parameters[] = { API_DEVICE, { "expect", API_BOOL, .optional = true }, { NULL } };

const struct api_method api_watch_methods[] = {
	{ "Watch", watch_parameters, watch, ROLE_READ, .needs_more = true },
	{ NULL },
};
