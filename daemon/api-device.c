/* SPDX-License-Identifier: MIT */
/* List and Watch, and boards as JSON. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "daemon/api-private.h"
#include "daemon/device-console.h"

#define FRAME_SIZE_MIN 32
#define FRAME_SIZE_MAX SMP_MESSAGE_MAX

static json_object *slot_json(const struct image_slot *s)
{
	json_object *o = json_object_new_object();

	api_put_int(o, "image", s->image);
	api_put_int(o, "slot", s->slot);
	api_put_string(o, "version", s->version);
	api_put_hex(o, "hash", s->hash, s->hash_size);
	api_put(o, "bootable", json_object_new_boolean(s->bootable));
	api_put(o, "pending", json_object_new_boolean(s->pending));
	api_put(o, "confirmed", json_object_new_boolean(s->confirmed));
	api_put(o, "active", json_object_new_boolean(s->active));
	api_put(o, "permanent", json_object_new_boolean(s->permanent));
	return o;
}

static void put_images(json_object *o, const struct device_info *info)
{
	json_object *slots;

	if (!info->has_images)
		return;
	for (size_t i = 0; i < info->image_count; i++)
		if (info->images[i].active && info->images[i].image == 0)
			api_put_string(o, "version", info->images[i].version);
	slots = json_object_new_array();
	for (size_t i = 0; i < info->image_count && slots; i++)
		json_object_array_add(slots, slot_json(&info->images[i]));
	api_put(o, "images", slots);
}

static void put_bootloader(json_object *o, const struct device_info *info)
{
	json_object *b;

	if (!info->bootloader[0])
		return;
	b = json_object_new_object();
	api_put_string(b, "name", info->bootloader);
	if (info->has_mode) {
		api_put_int(b, "mode", info->mode);
		api_put_string(b, "modeName", smp_bootloader_mode_name(info->mode));
		api_put(b, "noDowngrade", json_object_new_boolean(info->no_downgrade));
	}
	api_put(o, "bootloader", b);
}

static void put_groups(json_object *o, const struct device_info *info)
{
	json_object *groups;

	if (info->group_count == 0)
		return;
	groups = json_object_new_array();
	for (size_t i = 0; i < info->group_count && groups; i++)
		json_object_array_add(groups, json_object_new_int64(info->groups[i]));
	api_put(o, "groups", groups);
}

static void put_identity(json_object *o, const struct device *d)
{
	api_put_string(o, "tty", d->tty);
	api_put_string(o, "path", d->path);
	if (d->vendor_id || d->product_id) {
		api_put_int(o, "vendorId", d->vendor_id);
		api_put_int(o, "productId", d->product_id);
	}
	if (d->interface >= 0)
		api_put_int(o, "interface", d->interface);
	api_put_string(o, "serial", d->serial);
	api_put_string(o, "manufacturer", d->manufacturer);
	api_put_string(o, "product", d->product);
	api_put_string(o, "section", d->config ? d->config->name : NULL);
}

/* What is known of the line once the board has answered on it. */
static void put_session(json_object *o, const struct device *d)
{
	struct device_limits limits = { 0 };

	if (!d->session || !session_has_answered(d->session))
		return;
	device_limits(d, &limits);
	api_put_int(o, "smpVersion", session_version(d->session) == SMP_V1 ? 1 : 2);
	if (session_message_max(d->session) > 0)
		api_put_int(o, "frameSize", (int64_t)session_message_max(d->session));
	if (d->info.has_parameters) {
		api_put_int(o, "bufferSize", d->info.buffer_size);
		api_put_int(o, "bufferCount", d->info.buffer_count);
	}
	api_put_int(o, "lineDelayMs", session_line_delay(d->session));
	api_put_int(o, "window", limits.window_start);
}

json_object *api_device_json(const struct device *d)
{
	json_object *o = json_object_new_object();

	api_put_string(o, "id", d->id);
	api_put_string(o, "name", d->config ? d->config->alias : NULL);
	api_put_string(o, "state", device_state_name(d));
	api_put_string(o, "reason", d->reason);
	api_put_time(o, "since", d->since_us);
	put_identity(o, d);
	put_session(o, d);
	put_bootloader(o, &d->info);
	put_groups(o, &d->info);
	put_images(o, &d->info);
	if (d->job)
		api_put(o, "job", api_job_json(d->job));
	return o;
}

static void list(struct api *api, struct call *call)
{
	json_object *o = json_object_new_object(), *devices = json_object_new_array();
	size_t count = registry_count(api->registry);

	for (size_t i = 0; i < count && devices; i++)
		json_object_array_add(devices, api_device_json(registry_at(api->registry, i)));
	api_put(o, "devices", devices);
	call_reply(call, o);
}

static void get(struct api *api, struct call *call)
{
	struct device *d;

	if (api_device(api, call, &d)) {
		json_object *o = json_object_new_object();
		api_put(o, "device", api_device_json(d));
		call_reply(call, o);
	}
}

static void configure(struct api *api, struct call *call)
{
	const struct device_tuning tuning = {
		.frame_size = (int)api_int(call, "frameSize", -1),
		.timeout_ms = (int)api_int(call, "answerTimeMs", -1),
		.retries = (int)api_int(call, "retries", -1),
	};
	struct device *d;

	if (!api_device(api, call, &d))
		return;
	if (tuning.frame_size > 0 && tuning.frame_size < FRAME_SIZE_MIN) {
		api_invalid(call, "frameSize", "'frameSize' is 0 (from the board's parameters) or at least %d bytes",
				FRAME_SIZE_MIN);
		return;
	}
	api_audit(call, d, "Configure");
	device_tune(d, &tuning);
	registry_changed(api->registry, REGISTRY_CHANGED, d, NULL);
	call_reply(call, json_object_new_object());
}

/* A reader that falls behind loses changes, is told how many, and gets a new picture when it has caught up. */
struct watch {
	struct registry_observer observer;
	struct api *api;
	struct call *call;
	char *only; /* id of the one board that is watched; NULL: all */
	uint64_t missed;
};

static json_object *event_json(struct watch *w, const char *event, uint64_t number, const struct device *d, const struct job *job)
{
	json_object *o = json_object_new_object();
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	api_put_string(o, "event", event);
	api_put_int(o, "number", (int64_t)number);
	api_put_time(o, "time", (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
	if (d)
		api_put(o, "device", api_device_json(d));
	if (job)
		api_put(o, "job", api_job_json(job));
	if (w->missed > 0)
		api_put_int(o, "missed", (int64_t)w->missed);
	w->missed = 0;
	return o;
}

static void say(struct watch *w, const char *event, uint64_t number, const struct device *d, const struct job *job)
{
	call_continue(w->call, event_json(w, event, number, d, job));
}

static void say_mark(struct watch *w, uint64_t number, const struct device *d)
{
	const struct console_line *l = &d->marked->line;
	const struct console_piece piece = {
		.number = l->number, .time_us = l->time_us, .text = l->text, .size = l->size, .mark = l->mark};
	json_object *o = event_json(w, "console", number, d, NULL);

	api_put(o, "line", api_console_line_json(&piece));
	call_continue(w->call, o);
}

static bool is_watched(const struct watch *w, const char *id)
{
	return !w->only || (id && strcmp(w->only, id) == 0);
}

static void say_picture(struct watch *w)
{
	struct registry *r = w->api->registry;
	uint64_t number = registry_number(r);
	size_t count = registry_count(r);

	for (size_t i = 0; i < count; i++)
		if (is_watched(w, registry_at(r, i)->id))
			say(w, "present", number, registry_at(r, i), NULL);
	say(w, "current", number, NULL, NULL);
}

static void on_event(struct registry_observer *o, enum registry_event event, uint64_t number, struct device *d, struct job *job)
{
	static const char *const names[] = {
		[REGISTRY_ADDED] = "added",
		[REGISTRY_CHANGED] = "changed",
		[REGISTRY_REMOVED] = "removed",
		[REGISTRY_JOB] = "job",
	};
	struct watch *w = container_of(o, struct watch, observer);

	if (w->api->stopping || !is_watched(w, d ? d->id : job ? job->device_id : NULL))
		return;
	if (w->missed > 0 || call_is_slow(w->call))
		w->missed++;
	else if (event == REGISTRY_CONSOLE)
		say_mark(w, number, d);
	else
		say(w, names[event], number, d, job);
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

static const struct api_parameter get_parameters[] = { API_DEVICE, { NULL } };

static const struct api_parameter configure_parameters[] = {
	API_DEVICE,
	{ "frameSize", API_INT, .optional = true, .min = 0, .max = FRAME_SIZE_MAX },
	{ "answerTimeMs", API_INT, .optional = true, .min = 1, .max = LIMIT_TIMEOUT_MS },
	{ "retries", API_INT, .optional = true, .min = 0, .max = 255 },
	API_LEASE,
	{ NULL },
};

const struct api_method api_device_methods[] = {
	{ "List", NULL, list, ROLE_READ },
	{ "Get", get_parameters, get, ROLE_READ },
	{ "Configure", configure_parameters, configure, ROLE_CHANGE },
	{ "Watch", watch_parameters, watch, ROLE_READ, .needs_more = true },
	{ NULL },
};
