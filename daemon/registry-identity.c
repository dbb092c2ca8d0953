/* SPDX-License-Identifier: MIT */

/* Who is who. A board is known by its USB serial number, or by its place where that is missing. An id is given once and kept.
 * Of two boards with one serial number the first keeps its id; the other one goes by its place. */

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/place.h"
#include "daemon/registry-private.h"

#define ID_MAX 64

static void release(struct identity *i)
{
	free(i->id);
	free(i->serial);
	free(i->hub);
	free(i->bus);
	free(i->section);
	free(i->trouble);
}

static void forget(struct registry *r, struct identity *i)
{
	state_forget_later(r->state, r->loop, "boards", i->id);
	release(i);
	*i = r->identities[--r->identity_count];
}

/* What was not seen for the longest time makes room; what is listed stays. */
static bool make_room(struct registry *r)
{
	struct identity *oldest = NULL;

	if (r->identity_count < IDENTITIES_MAX)
		return true;
	for (size_t i = 0; i < r->identity_count; i++) {
		struct identity *k = &r->identities[i];
		if ((!oldest || k->seen_us < oldest->seen_us) && !registry_by_id(r, k->id))
			oldest = k;
	}
	if (!oldest)
		return false;
	log_info(oldest->id, "registry", "is forgotten: %d boards are known", IDENTITIES_MAX);
	forget(r, oldest);
	return true;
}

struct identity *identity_add(struct registry *r)
{
	if (!make_room(r)) {
		log_warning(NULL, "registry", "%d boards are known: this one is not remembered", IDENTITIES_MAX);
		return NULL;
	}
	struct identity *grown = realloc(r->identities, (r->identity_count + 1) * sizeof(*grown));
	if (!grown)
		return NULL;
	r->identities = grown;
	grown[r->identity_count] = (struct identity){.learnt = {.line_delay = -1}};
	return &grown[r->identity_count++];
}

void identity_free_all(struct registry *r)
{
	for (size_t i = 0; i < r->identity_count; i++)
		release(&r->identities[i]);
	free(r->identities);
	r->identities = NULL;
	r->identity_count = 0;
}

static char *copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

static bool same(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

/* "pci-0000:00:14.0-usb-0:2.3:1.0" -> "pci-0000:00:14.0-usb-0:2.3": all ports of a board hang on one hub port. What has
 * no interface at its end stays as it is. */
char *identity_hub(const char *path)
{
	char *hub = copy(path), *colon = hub ? strrchr(hub, ':') : NULL, *place = hub ? strrchr(hub, '-') : NULL;
	char *port = hub ? strchr(place ? place : hub, ':') : NULL;

	if (colon && colon != port && isdigit((unsigned char)colon[1]) && strchr(colon, '.') &&
			colon[strspn(colon, ":.0123456789")] == '\0')
		*colon = '\0';
	return hub;
}

/* Where a board is, or is expected: ID_PATH and bus path without their interface, either perhaps NULL. */
struct place {
	char *hub, *bus;
};

static void place_release(struct place *p)
{
	free(p->hub);
	free(p->bus);
}

/* "1-1.4:1.0" -> "1-1.4". malloc'd. */
static char *bus_hub(const char *path)
{
	return path ? strndup(path, strcspn(path, ":")) : NULL;
}

static struct place place_of_port(const struct usb_port *port)
{
	return (struct place){.hub = identity_hub(port->path), .bus = bus_hub(port->bus_path)};
}

/* By the ID_PATH, since buses are numbered anew with each boot; by the bus where a section says it so. */
static bool is_at(const struct identity *i, const struct place *p)
{
	return i->hub && p->hub ? strcmp(i->hub, p->hub) == 0 : same(i->bus, p->bus);
}

struct identity *identity_by_id(struct registry *r, const char *id)
{
	for (size_t i = 0; i < r->identity_count; i++)
		if (strcmp(r->identities[i].id, id) == 0)
			return &r->identities[i];
	return NULL;
}

/* An id is never the name of a section: whoever reads either must know which it is. */
static bool names_section(const struct registry *r, const char *id)
{
	for (size_t i = 0; i < r->config->device_count; i++)
		if (r->config->devices[i].name && strcmp(r->config->devices[i].name, id) == 0)
			return true;
	return false;
}

/* Lowercase letters, digits, '.', '_' and '-'; not starting with a dot, and not one that is given already. */
static char *new_id(struct registry *r, const char *from)
{
	char base[ID_MAX + 1], id[ID_MAX + 16];
	size_t n = 0;

	for (; *from && n < ID_MAX; from++) {
		char c = (char)tolower((unsigned char)*from);
		bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || (c == '.' && n > 0);
		if (good)
			base[n++] = c;
		else if (n > 0 && base[n - 1] != '-')
			base[n++] = '-';
	}
	while (n > 0 && base[n - 1] == '-')
		n--;
	base[n] = '\0';
	if (n == 0)
		strcpy(base, "board");
	snprintf(id, sizeof(id), "%s", base);
	for (unsigned int i = 2; identity_by_id(r, id) || registry_by_id(r, id) || names_section(r, id); i++)
		snprintf(id, sizeof(id), "%s-%u", base, i);
	return strdup(id);
}

static struct identity *give(struct registry *r, const char *serial, const struct place *p, bool twin)
{
	char *id = new_id(r, serial && !twin ? serial : p->hub ? p->hub : p->bus ? p->bus : "board");
	struct identity *i = id ? identity_add(r) : NULL;

	if (!i) {
		free(id);
		return NULL;
	}
	i->id = id;
	i->serial = copy(serial);
	i->hub = copy(p->hub);
	i->bus = copy(p->bus);
	i->twin = twin;
	identity_save(r, i);
	return i;
}

/* place: a port's, or a section's, which may be that of a hub above the board. */
static bool is_elsewhere(struct registry *r, const struct identity *i, const struct place *p)
{
	struct device *d = registry_by_id(r, i->id);
	_cleanup_free_ char *bus = d && device_is_plugged(d) ? place_bus_path(d->syspath) : NULL;

	if (!d || !device_is_plugged(d))
		return false;
	if (p->hub && d->path)
		return place_fits(p->hub, d->path) == PLACE_ELSEWHERE;
	return p->bus && bus && place_fits(p->bus, bus) == PLACE_ELSEWHERE;
}

/* A section names this place alone, and what is in it has not been seen yet: the board that comes now is what was expected. */
static struct identity *expected_at(struct registry *r, const struct place *p)
{
	for (size_t i = 0; i < r->identity_count; i++) {
		struct identity *k = &r->identities[i];
		struct device *d = !k->serial && is_at(k, p) ? registry_by_id(r, k->id) : NULL;
		if (d && !device_is_plugged(d) && d->config && d->config->path && !d->config->serial)
			return k;
	}
	return NULL;
}

static struct identity *adopt(struct registry *r, struct identity *i, const char *serial, bool twin)
{
	i->serial = copy(serial);
	i->twin = twin;
	identity_save(r, i);
	return i;
}

/* The one that has this serial number for itself, or the twin in this place. */
static struct identity *known_by_serial(struct registry *r, const char *serial, const struct place *p)
{
	struct identity *first = NULL;

	for (size_t i = 0; i < r->identity_count; i++) {
		struct identity *k = &r->identities[i];
		if (!same(k->serial, serial))
			continue;
		if (k->twin && is_at(k, p))
			return k;
		if (!k->twin)
			first = k;
	}
	return first;
}

static struct identity *find_by_serial(struct registry *r, const char *serial, const struct place *p)
{
	struct identity *known = known_by_serial(r, serial, p);

	if (known && known->twin)
		return known;
	struct identity *expected = known && is_at(known, p) ? NULL : expected_at(r, p);
	if (expected)
		return adopt(r, expected, serial, known);
	if (!known)
		return give(r, serial, p, false);
	if (is_elsewhere(r, known, p)) {
		log_warning(known->id, "registry", "another board has the same serial number: it goes by its place, %s",
			p->hub ? p->hub : p->bus);
		return give(r, serial, p, true);
	}
	return known;
}

static struct identity *find_by_place(struct registry *r, const struct place *p)
{
	for (size_t i = 0; i < r->identity_count; i++)
		if (!r->identities[i].serial && is_at(&r->identities[i], p))
			return &r->identities[i];
	return give(r, NULL, p, false);
}

/* It is here now; what a section called its place, perhaps by one of the two names only, is known better. */
static void note_place(struct registry *r, struct identity *i, const struct place *p)
{
	if ((!p->hub || same(i->hub, p->hub)) && (!p->bus || same(i->bus, p->bus)))
		return;
	if (p->hub) {
		free(i->hub);
		i->hub = copy(p->hub);
	}
	free(i->bus);
	i->bus = copy(p->bus);
	identity_save(r, i);
}

struct identity *identity_find(struct registry *r, const struct usb_port *port)
{
	struct place p = place_of_port(port);
	bool has_serial = port->serial && *port->serial;
	struct identity *i = has_serial ? find_by_serial(r, port->serial, &p) : find_by_place(r, &p);

	if (i)
		note_place(r, i, &p);
	place_release(&p);
	return i;
}

static struct identity *expected(struct registry *r, const char *serial, const struct place *p)
{
	if (serial)
		return find_by_serial(r, serial, p);
	/* Who was there the last time is who is expected, serial number or not. */
	struct identity *last = NULL;
	for (size_t i = 0; i < r->identity_count; i++) {
		struct identity *k = &r->identities[i];
		if (is_at(k, p) && (!last || k->seen_us > last->seen_us))
			last = k;
	}
	return last ? last : find_by_place(r, p);
}

struct identity *identity_expected(struct registry *r, const char *serial, const char *path)
{
	struct place p = {0};

	if (path && place_is_bus_path(path))
		p.bus = bus_hub(path);
	else
		p.hub = identity_hub(path);
	struct identity *i = expected(r, serial, &p);
	place_release(&p);
	return i;
}

void identity_forget_unseen(struct registry *r, const char *id)
{
	struct identity *i = identity_by_id(r, id);

	if (!i || i->serial || i->section || i->learnt.firmware.version[0])
		return;
	forget(r, i);
}

struct identity *identity_for_tty(struct registry *r, const char *id)
{
	struct identity *i = identity_by_id(r, id);

	if (i)
		return i;
	char *name = strdup(id);
	i = name ? identity_add(r) : NULL;
	if (!i)
		free(name);
	else
		i->id = name;
	return i;
}

/* --- who manages it ----------------------------------------------------------------------------------------------- */

static unsigned int usb_of(const struct usb_port *port)
{
	return port->vendor_id << 16 | port->product_id;
}

/* By its serial number it is surely the same board. By its place only while a reset of ours is under way, or when it never
 * left: anything may be plugged in there. */
static bool is_same_board(struct registry *r, const struct identity *i, const struct usb_port *port, const char *hub)
{
	const struct device *d;

	if (!same(i->serial, port->serial) && (i->serial || port->serial))
		return false;
	if (i->serial && !i->twin)
		return true;
	d = registry_by_id(r, i->id);
	return same(i->hub, hub) && (i->serial || i->here || (d && d->private->expecting));
}

const struct config_device *identity_section(struct registry *r, const struct config *config, const struct usb_port *port)
{
	const struct config_device *fits = config_find(config, port);
	_cleanup_free_ char *hub = identity_hub(port->path);

	for (size_t n = 0; !fits && n < r->identity_count; n++) {
		const struct identity *i = &r->identities[n];
		if (!i->section || i->usb == usb_of(port) || !is_same_board(r, i, port, hub))
			continue;
		for (size_t k = 0; k < config->device_count && !fits; k++)
			if (!config->devices[k].tty && same(config->devices[k].name, i->section))
				fits = &config->devices[k];
	}
	return fits;
}

void identity_managed(struct registry *r, struct identity *i, const struct config_device *section, const struct usb_port *port)
{
	if (config_find(r->config, port) != section || (same(i->section, section->name) && i->usb == usb_of(port)))
		return;
	free(i->section);
	i->section = copy(section->name);
	i->usb = usb_of(port);
	identity_save(r, i);
}
