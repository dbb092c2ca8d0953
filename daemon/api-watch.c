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
	char *only; /* id of the one board that is watched; NULL: all */
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

static bool is_watched(const struct watch *w, const char *id)
{
	return !w->only || (id && strcmp(w->only, id) == 0);
}

static void say_picture(struct watch *w)
{
	struct registry *r = w->api->registry;
	struct registry_change c = { .number = registry_number(r) };
	size_t count = registry_count(r);

	for (size_t i = 0; i < count; i++) {
		c.device = registry_at(r, i);
		if (is_watched(w, c.device->id))
			say(w, "present", &c);
	}
	c.device = NULL;
	say(w, "current", &c);
}

static void on_event(struct registry_observer *o, const struct registry_change *c)
{
	struct watch *w = container_of(o, struct watch, observer);

	if (w->api->stopping || !is_watched(w, c->device ? c->device->id : c->job ? c->job->device_id : NULL))
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

static void watch_closed(struct call *call)
{
	struct watch *w = call->user;

	registry_unobserve(w->api->registry, &w->observer);
	free(w->only);
	free(w);
}

static void watch(struct api *api, struct call *call)
{
	struct watch *w = calloc(1, sizeof(*w));
	struct device *d;

	if (api_string(call, "device")) {
		if (!api_device(api, call, &d)) {
			free(w);
			return;
		}
		if (w)
			w->only = strdup(d->id);
	}
	if (!w || (api_string(call, "device") && !w->only)) {
		free(w);
		api_fail_limit(call, "memory", 0, NULL, "the daemon is out of memory");
		return;
	}
	w->api = api;
	w->call = call;
	call->user = w;
	call->closed = watch_closed;
	call->drained = watch_drained;
	w->observer.event = on_event;
	registry_observe(api->registry, &w->observer);
	say_picture(w);
}

static const struct api_parameter watch_parameters[] = { API_DEVICE, { NULL } };

const struct api_method api_watch_methods[] = {
	{ "Watch", watch_parameters, watch, ROLE_READ, .needs_more = true },
	{ NULL },
};
