/* SPDX-License-Identifier: MIT */

#include "daemon/registry.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/limits.h"
#include "daemon/log.h"
#include "daemon/place.h"
#include "daemon/registry-private.h"

#define SWEEP_MS 1000
#define GONE_MS 5000	     /* a board that re-enumerates is back within this time (SMP §9) */
#define REBOOTING_MS 60000 /* ... and one that was told to reset */

/* --- observers ---------------------------------------------------------------------------------------------------- */

void registry_observe(struct registry *r, struct registry_observer *o)
{
	o->next = r->observers;
	r->observers = o;
}

void registry_unobserve(struct registry *r, struct registry_observer *o)
{
	for (struct registry_observer **at = &r->observers; *at; at = &(*at)->next)
		if (*at == o) {
			*at = o->next;
			return;
		}
}

uint64_t registry_number(const struct registry *r)
{
	return r->number;
}

const char *registry_event_name(enum registry_event event)
{
	static const char *const names[] = {
#define X(name, text) text,
		REGISTRY_EVENTS(X)
#undef X
	};
	return names[event];
}

void registry_tell(struct registry *r, const struct registry_change *change)
{
	struct registry_change told = *change;
	struct registry_observer *next;

	/* A board is told of from ADDED or ATTACHED to REMOVED, not before and not after. */
	if (told.event != REGISTRY_JOB && !told.hub && !told.device->private->announced)
		return;
	told.number = ++r->number;
	for (struct registry_observer *o = r->observers; o; o = next) {
		next = o->next;
		o->event(o, &told);
	}
	/* A job that ended, a board that is ready: somebody may have waited for that. */
	if (told.event != REGISTRY_JOB && lease_book_awaited(r->leases))
		lease_book_run(r->leases);
}

void registry_changed(struct registry *r, enum registry_event event, struct device *device, struct job *job)
{
	registry_tell(r, &(struct registry_change){.event = event, .device = device, .job = job});
}

/* --- devices ------------------------------------------------------------------------------------------------------ */

size_t registry_count(const struct registry *r)
{
	return r->device_count;
}

struct device *registry_at(struct registry *r, size_t index)
{
	return index < r->device_count ? r->devices[index] : NULL;
}

/* Where an id is, or belongs. */
static size_t position(const struct registry *r, const char *id)
{
	size_t low = 0, high = r->device_count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		if (strcmp(r->devices[middle]->id, id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct device *registry_by_id(struct registry *r, const char *id)
{
	size_t at = position(r, id);
	return at < r->device_count && strcmp(r->devices[at]->id, id) == 0 ? r->devices[at] : NULL;
}

static int make_room(struct registry *r)
{
	if (r->device_count < r->device_capacity)
		return 0;
	size_t capacity = r->device_capacity ? 2 * r->device_capacity : 16;
	struct device **grown = realloc(r->devices, capacity * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	r->devices = grown;
	r->device_capacity = capacity;
	return 0;
}

/* A board that is away for longer than it stays listed may be one that never comes to rest all the same. */
static void keep_trouble(struct registry *r, const struct device *d)
{
	struct identity *i = r->stopping ? NULL : identity_by_id(r, d->id);

	if (!i)
		return;
	free(i->trouble);
	i->trouble = device_trouble_copy(d);
	i->was_listed = device_is_managed(d);
}

static void recall_trouble(struct registry *r, struct device *d)
{
	struct identity *i = identity_by_id(r, d->id);

	if (!i || !i->trouble)
		return;
	d->private->trouble = *i->trouble;
	free(TAKE_PTR(i->trouble));
}

int registry_add_device(struct registry *r, const char *id, const struct device_learnt *learnt, struct device **ret)
{
	struct device *d;

	if (r->device_count >= LIMIT_DEVICES) {
		log_error(id, "registry", "is not managed: %d boards are enough", LIMIT_DEVICES);
		return -ENOSPC;
	}
	int e = make_room(r);
	if (e == 0)
		e = device_new(r, r->loop, id, learnt, &d);
	if (e < 0)
		return e;
	size_t at = position(r, id);
	memmove(&r->devices[at + 1], &r->devices[at], (r->device_count - at) * sizeof(*r->devices));
	r->devices[at] = d;
	r->device_count++;
	recall_trouble(r, d);
	*ret = d;
	return 0;
}

void registry_device_save(struct registry *r, struct device *d, const struct device_learnt *learnt)
{
	struct identity *i = identity_by_id(r, d->id);

	if (!i)
		return;
	i->learnt = *learnt;
	identity_save(r, i);
}

void registry_device_seen(struct registry *r, const struct device *d)
{
	struct identity *i = device_is_managed(d) ? identity_by_id(r, d->id) : NULL;

	if (i)
		identity_seen(r, i);
}

static void maybe_stopped(struct registry *r)
{
	if (!r->stopping || r->closing > 0 || r->open > 0 || !r->stopped)
		return;
	void (*stopped)(void *user) = r->stopped;
	r->stopped = NULL;
	stopped(r->stopped_user);
}

static void on_device_closed(void *user)
{
	struct registry *r = user;
	r->closing--;
	maybe_stopped(r);
}

void registry_remove_device(struct registry *r, size_t at)
{
	struct device *d = r->devices[at];

	registry_changed(r, REGISTRY_REMOVED, d, NULL);
	d->private->announced = false;
	keep_trouble(r, d);
	memmove(&r->devices[at], &r->devices[at + 1], (r->device_count - at - 1) * sizeof(*r->devices));
	r->device_count--;
	r->closing++;
	device_close(d, on_device_closed, r);
}

/* --- what comes and goes ------------------------------------------------------------------------------------------ */

static void announce(struct registry *r, struct device *d)
{
	d->private->announced = true;
	r->selectable++;
	registry_changed(r, d->state == DEVICE_ABSENT ? REGISTRY_ADDED : REGISTRY_ATTACHED, d, NULL);
	if (d->state == DEVICE_BROKEN) /* as soon as it is listed: that is worth an event of its own */
		registry_changed(r, REGISTRY_BROKEN, d, NULL);
}

static bool is_in_place(const struct device *d, const char *path)
{
	_cleanup_free_ char *bus = place_bus_path(d->syspath);
	return place_fits(path, d->path) == PLACE_EXACT || place_fits(path, bus) == PLACE_EXACT;
}

/* Another board is where this one was. */
static bool is_replaced(const struct registry *r, const struct device *d)
{
	_cleanup_free_ char *hub = identity_hub(d->path);

	for (size_t i = 0; hub && i < r->device_count; i++) {
		const struct device *other = r->devices[i];
		if (other != d && other->config == d->config && device_is_plugged(other) && is_in_place(other, hub))
			return true;
	}
	return false;
}

static bool is_pinned(struct registry *r, const struct device *d)
{
	const struct config *c = r->config;

	for (size_t i = 0; i < c->device_count; i++) {
		const struct config_device *s = &c->devices[i];
		if (s == d->config)
			return s->tty || s->serial ||
				(s->path && !registry_is_hub(r, s->path) && is_in_place(d, s->path) && !is_replaced(r, d));
	}
	return false;
}

static bool is_gone(struct registry *r, const struct device *d, uint64_t now_ms)
{
	if (device_is_plugged(d) || d->job || is_pinned(r, d) || d->state == DEVICE_BROKEN ||
		d->state == DEVICE_RELEASED)
		return false;
	return now_ms - d->private->since_ms >= (d->private->expecting ? REBOOTING_MS : GONE_MS);
}

static void on_sweep(uv_timer_t *timer)
{
	struct registry *r = timer->data;
	uint64_t now_ms = uv_hrtime() / 1000000; /* the clock on the wall may jump */
	bool more = registry_reload_rest(r);

	for (size_t i = r->device_count; i-- > 0;) {
		struct device *d = r->devices[i];
		if (is_gone(r, d, now_ms))
			registry_remove_device(r, i);
		else
			more |= !device_is_plugged(d) && !is_pinned(r, d);
	}
	if (!more)
		uv_timer_stop(timer);
}

/* One that was listed before is attached once more, which counts; for that it needs its section. */
static void is_back(struct device *d, const struct config_device *section)
{
	d->config = section;
	if (device_new_session(d) < 0)
		log_error(d->id, "registry", "out of memory");
}

void registry_add_port(struct registry *r, const struct usb_port *port)
{
	const struct config_device *config = identity_section(r, r->config, port);
	struct identity *i = identity_find(r, port);
	struct device *d = i ? registry_by_id(r, i->id) : NULL;

	if (!i)
		return;
	if (config)
		identity_managed(r, i, config, port);
	if (!d && registry_add_device(r, i->id, &i->learnt, &d) < 0)
		return;
	if (config && i->was_listed && !d->session)
		is_back(d, config);
	r->selectable++; /* it may have another product id than before */
	device_plugged(d, port, config);
	if (config && config->path) /* one that was expected there has been replaced, perhaps */
		registry_sweep(r);
	if (!d->private->announced && device_is_managed(d))
		announce(r, d);
	registry_jobs_adopt(r, d);
}

static void on_added(void *user, const struct usb_port *port)
{
	registry_add_port(user, port);
	registry_hubs_update(user);
	registry_ports_changed(user);
}

void registry_sweep(struct registry *r)
{
	if (!uv_is_active((uv_handle_t *)&r->sweep) && !r->stopping)
		uv_timer_start(&r->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
}

static void on_removed(void *user, const struct usb_port *port)
{
	struct registry *r = user;

	for (size_t i = 0; i < r->device_count; i++)
		device_unplugged(r->devices[i], port->syspath);
	registry_sweep(r);
	registry_hubs_update(r);
	registry_ports_changed(r);
}

static void on_hubs_changed(void *user)
{
	registry_hubs_update(user);
}

/* Not since this daemon runs: since the one before, or the one before that, has seen it. */
static void absent_since(struct registry *r, struct device *d, struct identity *i)
{
	if (!i->seen_us)
		identity_seen(r, i);
	d->since_us = i->seen_us;
}

/* A board that a section names by serial number or place is expected, and listed before it comes. */
static void expect(struct registry *r, const struct config_device *section)
{
	struct identity *i = identity_expected(r, section->serial, section->path);
	struct device *d;

	if (!i || registry_by_id(r, i->id) || registry_add_device(r, i->id, &i->learnt, &d) < 0)
		return;
	d->config = section;
	d->serial = section->serial ? strdup(section->serial) : NULL;
	d->path = section->path ? strdup(section->path) : NULL;
	d->reason = strdup("not plugged in");
	absent_since(r, d, i);
	if (device_new_session(d) < 0)
		log_error(d->id, "registry", "out of memory");
	announce(r, d);
}

static void open_tty(struct registry *r, const struct config_device *section)
{
	struct identity *i = identity_for_tty(r, section->name);
	struct device *d;

	if (!i || registry_by_id(r, i->id) || registry_add_device(r, i->id, &i->learnt, &d) < 0)
		return;
	if (device_set_tty(d, section) < 0)
		log_error(d->id, "registry", "out of memory");
	if (d->state == DEVICE_ABSENT)
		absent_since(r, d, i);
	announce(r, d);
	registry_jobs_adopt(r, d);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

int registry_new(uv_loop_t *loop, const struct config *config, struct image_store *images, struct registry **ret,
		char **ret_text)
{
	static const struct usb_callbacks usb_callbacks = {
		.added = on_added, .removed = on_removed, .hubs_changed = on_hubs_changed};
	struct registry *r = calloc(1, sizeof(*r));

	*ret_text = NULL;
	if (!r)
		return -ENOMEM;
	r->loop = loop;
	r->config = config;
	r->socket_group = (gid_t)-1;
	r->images = images;
	int e = registry_leases_new(r);
	if (e == 0)
		e = state_open(config->state_dir, &r->state, ret_text);
	if (e == 0) {
		e = usb_new(loop, &usb_callbacks, r, &r->usb);
		if (e < 0 && asprintf(ret_text, "USB cannot be watched: %s", strerror(-e)) < 0)
			*ret_text = NULL;
	}
	if (e < 0) {
		state_close(r->state);
		lease_book_free(r->leases);
		free(r);
		return e;
	}
	uv_timer_init(loop, &r->sweep);
	r->sweep.data = r;
	uv_unref((uv_handle_t *)&r->sweep);
	uv_prepare_init(loop, &r->writer);
	r->writer.data = r;
	uv_unref((uv_handle_t *)&r->writer);
	r->open = 2;
	identity_load(r);
	registry_hubs_load(r);
	registry_resume_load(r);
	*ret = r;
	return 0;
}

void registry_expect(struct registry *r)
{
	const struct config *c = r->config;

	for (size_t i = 0; i < c->device_count; i++) {
		if (c->devices[i].tty)
			open_tty(r, &c->devices[i]);
		else if (c->devices[i].serial || (c->devices[i].path && !registry_is_hub(r, c->devices[i].path)))
			expect(r, &c->devices[i]);
	}
}

int registry_start(struct registry *r)
{
	registry_jobs_resume(r);
	registry_hubs_update(r);
	registry_expect(r);
	return usb_start(r->usb);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct registry *r = handle->data;
	r->open--;
	maybe_stopped(r);
}

void registry_stop(struct registry *r, void (*done)(void *user), void *user)
{
	r->stopping = true;
	r->stopped = done;
	r->stopped_user = user;
	registry_hubs_save(r);
	registry_resume_save(r); /* before jobs leave their boards: one with a job is not at rest */
	registry_jobs_stop(r);
	if (r->usb)
		usb_close(TAKE_PTR(r->usb));
	for (size_t i = 0; i < r->device_count; i++)
		if (device_is_plugged(r->devices[i]) && r->devices[i]->state != DEVICE_ABSENT)
			registry_device_seen(r, r->devices[i]);
	while (r->device_count > 0)
		registry_remove_device(r, r->device_count - 1);
	identity_write(r);
	uv_close((uv_handle_t *)&r->sweep, on_handle_closed);
	uv_close((uv_handle_t *)&r->writer, on_handle_closed);
}

void registry_free(struct registry *r)
{
	if (!r)
		return;
	registry_jobs_free(r);
	lease_book_free(r->leases);
	registry_reload_free(r);
	registry_resume_free(r);
	registry_hubs_free(r);
	identity_free_all(r);
	state_close(r->state);
	free(r->devices);
	free(r);
}

struct image_store *registry_images(struct registry *r)
{
	return r->images;
}

uv_loop_t *registry_loop(struct registry *r)
{
	return r->loop;
}
