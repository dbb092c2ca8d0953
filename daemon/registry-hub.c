/* SPDX-License-Identifier: MIT */

/* Hubs that sections name by `path`. What a path names is only known from what was there: a hub, as soon as one was seen in
 * that place or a board below it; a board's place again, as soon as a board is in it. That, and when it was last there, is
 * remembered in the state directory as long as a section names it. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/place.h"
#include "daemon/registry-private.h"

#define KIND "hubs"

struct hub {
	struct registry_hub told; /* first, so that it is what others get */
	struct hub *next;
	uint64_t seen_us; /* CLOCK_REALTIME: when it was last there */
};

/* --- what is in a place now --------------------------------------------------------------------------------------- */

static enum place_fit port_fit(const char *path, const struct usb_port *port)
{
	enum place_fit one = place_fits(path, port->path), other = place_fits(path, port->bus_path);
	return one > other ? one : other;
}

struct there {
	bool hub, board;
	uint64_t since_us; /* the hub, or the first board below it; 0: nothing */
};

static struct there look(const struct registry *r, const char *path)
{
	struct there t = {0};

	for (const struct usb_port *p = NULL; r->usb && (p = usb_next(r->usb, p));) {
		enum place_fit fit = port_fit(path, p);
		t.board |= fit == PLACE_EXACT;
		if (fit == PLACE_BELOW && (!t.hub || p->since_us < t.since_us))
			t.since_us = p->since_us;
		t.hub |= fit == PLACE_BELOW;
	}
	for (const struct usb_hub *h = NULL; r->usb && (h = usb_next_hub(r->usb, h));)
		if (place_fits(path, h->path) == PLACE_EXACT || place_fits(path, h->bus_path) == PLACE_EXACT) {
			t.hub = true;
			t.since_us = h->since_us;
		}
	return t;
}

/* --- the state directory ------------------------------------------------------------------------------------------ */

/* Names of records have small letters, digits, dots and hyphens: anything else is written as _XX. */
static char *record_name(const char *path)
{
	char *name = malloc(3 * strlen(path) + 1), *out = name;

	for (const char *s = path; name && *s; s++) {
		if ((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9') || *s == '-' || (*s == '.' && s > path))
			*out++ = *s;
		else
			out += sprintf(out, "_%02x", (unsigned char)*s);
	}
	if (name)
		*out = '\0';
	return name;
}

static void save(struct registry *r, struct hub *h)
{
	_cleanup_(record_freep) struct record *record = NULL;
	_cleanup_free_ char *name = record_name(h->told.path);

	h->seen_us = registry_wall_us();
	int e = name ? record_new(&record) : -ENOMEM;
	if (e == 0)
		e = record_set(record, "path", h->told.path);
	if (e == 0)
		e = record_set_number(record, "seen_us", h->seen_us);
	if (e == 0)
		e = state_save_later(r->state, r->loop, KIND, name, record, NULL, NULL);
	if (e < 0)
		log_warning(NULL, "registry", "hub %s cannot be recorded in the state directory: %s", h->told.path, strerror(-e));
}

static void forget(struct registry *r, const char *path)
{
	_cleanup_free_ char *name = record_name(path);

	if (name)
		state_forget_later(r->state, r->loop, KIND, name);
}

/* --- the list ----------------------------------------------------------------------------------------------------- */

static bool is_named(const struct registry *r, const char *path)
{
	for (size_t i = 0; i < r->config->device_count; i++)
		if (r->config->devices[i].path && strcmp(r->config->devices[i].path, path) == 0)
			return true;
	return false;
}

/* Where it is, or belongs: they are in order of their paths. */
static struct hub **position(struct registry *r, const char *path)
{
	struct hub **at = &r->hubs;

	while (*at && strcmp((*at)->told.path, path) < 0)
		at = &(*at)->next;
	return at;
}

static struct hub *find(struct registry *r, const char *path)
{
	struct hub *h = *position(r, path);
	return h && strcmp(h->told.path, path) == 0 ? h : NULL;
}

static struct hub *add(struct registry *r, const char *path)
{
	struct hub *h = calloc(1, sizeof(*h)), **at = position(r, path);
	char *copy = h ? strdup(path) : NULL;

	if (!copy) {
		free(h);
		return NULL;
	}
	h->told.path = copy;
	h->next = *at;
	*at = h;
	return h;
}

static void hub_free(struct hub *h)
{
	free(h->told.path);
	free(h);
}

static void tell(struct registry *r, enum registry_event event, const struct hub *h, const char *what)
{
	log_info(NULL, "registry", "hub %s: %s", h->told.path, what);
	registry_tell(r, &(struct registry_change){.event = event, .hub = &h->told});
}

/* Of no section any more, or a board's place. */
static void drop(struct registry *r, struct hub **at, const char *why)
{
	struct hub *h = *at;

	*at = h->next;
	forget(r, h->told.path);
	tell(r, REGISTRY_HUB_REMOVED, h, why);
	hub_free(h);
}

/* There is a hub in the place where a board was expected. */
static void expect_nobody(struct registry *r, const char *path)
{
	for (size_t i = r->device_count; i-- > 0;) {
		struct device *d = r->devices[i];
		if (d->state != DEVICE_ABSENT || device_is_plugged(d) || d->job || !d->config || !d->config->path ||
			d->config->serial || strcmp(d->config->path, path) != 0 || place_fits(path, d->path) != PLACE_EXACT)
			continue;
		_cleanup_free_ char *id = strdup(d->id);
		registry_remove_device(r, i);
		if (id)
			identity_forget_unseen(r, id);
	}
}

static void change(struct registry *r, struct hub *h, const struct there *t)
{
	if (h->told.attached == t->hub)
		return;
	h->told.attached = t->hub;
	save(r, h);
	h->told.since_us = t->hub ? t->since_us : h->seen_us;
	if (t->hub)
		expect_nobody(r, h->told.path);
	tell(r, t->hub ? REGISTRY_HUB_ATTACHED : REGISTRY_HUB_DETACHED, h, t->hub ? "is there" : "is gone");
}

static void update(struct registry *r, const char *path)
{
	const struct there t = look(r, path);
	struct hub *h = find(r, path);

	if (t.board) {
		if (h)
			drop(r, position(r, path), "a board is in its place");
		return;
	}
	if (!h && t.hub)
		h = add(r, path);
	else if (!h && place_is_bus(path) && (h = add(r, path))) {
		save(r, h);
		h->told.since_us = h->seen_us;
		tell(r, REGISTRY_HUB_DETACHED, h, "is not there");
	}
	if (h)
		change(r, h, &t);
}

void registry_hubs_update(struct registry *r)
{
	const struct config *c = r->config;

	for (struct hub **at = &r->hubs; *at;)
		if (is_named(r, (*at)->told.path))
			at = &(*at)->next;
		else
			drop(r, at, "no section names it any more");
	for (size_t i = 0; i < c->device_count; i++)
		if (c->devices[i].path && place_may_be_hub(c->devices[i].path))
			update(r, c->devices[i].path);
}

bool registry_is_hub(struct registry *r, const char *path)
{
	return find(r, path);
}

/* --- from daemon to daemon ---------------------------------------------------------------------------------------- */

static void load(void *user, const char *name, const struct record *record, const char *problem)
{
	struct registry *r = user;
	const char *path = problem ? NULL : record_get(record, "path");

	if (!path || !is_named(r, path)) {
		state_forget_later(r->state, r->loop, KIND, name);
		return;
	}
	struct hub *h = find(r, path) ? NULL : add(r, path);
	if (!h)
		return;
	uint64_t now = registry_wall_us(), seen = record_number(record, "seen_us", now);
	h->seen_us = h->told.since_us = seen < now ? seen : now; /* the clock may have been set back since */
}

void registry_hubs_load(struct registry *r)
{
	int e = state_load(r->state, KIND, load, r);
	if (e < 0)
		log_warning(NULL, "registry", "the hubs of the state directory cannot be read: %s", strerror(-e));
}

void registry_hubs_save(struct registry *r)
{
	for (struct hub *h = r->hubs; h; h = h->next)
		if (h->told.attached)
			save(r, h);
}

void registry_hubs_free(struct registry *r)
{
	while (r->hubs) {
		struct hub *h = r->hubs;
		r->hubs = h->next;
		hub_free(h);
	}
}

/* --- for clients -------------------------------------------------------------------------------------------------- */

const struct registry_hub *registry_next_hub(const struct registry *r, const struct registry_hub *previous)
{
	const struct hub *h = previous ? ((const struct hub *)previous)->next : r->hubs;
	return h ? &h->told : NULL;
}

bool registry_hub_has(const struct registry_hub *hub, const struct device *d)
{
	const struct device_private *p = d->private;

	for (size_t i = 0; i < p->candidate_count; i++) {
		_cleanup_free_ char *bus = place_bus_path(p->candidates[i].syspath);
		if (place_fits(hub->path, p->candidates[i].path) == PLACE_BELOW || place_fits(hub->path, bus) == PLACE_BELOW)
			return true;
	}
	return false;
}
