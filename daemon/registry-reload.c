/* SPDX-License-Identifier: MIT */

/* Another configuration for boards that are there. What still holds for a board goes on without a break; what its port was
 * opened with (baud rate, flow control, DTR, RTS, framing, probing, pacing) or whether it is managed at all is changed as if
 * it were plugged again, and waits for the end of a job on it. Sections of an old configuration live as long as a board goes
 * by them. */

#include <errno.h>
#include <string.h>

#include "daemon/device-console.h"
#include "daemon/log.h"
#include "daemon/place.h"
#include "daemon/registry-private.h"

struct retired {
	struct retired *next;
	struct config *config;
};

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* For the port: nothing that the board could notice. */
static bool is_same_port(const struct config_device *a, const struct config_device *b)
{
	if (!a || !b)
		return a == b;
	return same_text(a->tty, b->tty) && a->baud == b->baud && a->rtscts == b->rtscts && a->dtr == b->dtr && a->rts == b->rts &&
		a->probe == b->probe && a->raw == b->raw && a->line_delay_ms == b->line_delay_ms;
}

static const struct config_device *find_named(const struct config *c, const char *name)
{
	for (size_t i = 0; i < c->device_count; i++)
		if (same_text(c->devices[i].name, name))
			return &c->devices[i];
	return NULL;
}

static bool was_at(const struct device *d, const char *path, bool below)
{
	_cleanup_free_ char *bus = place_bus_path(d->syspath);
	enum place_fit least = below ? PLACE_BELOW : PLACE_EXACT;

	return place_fits(path, d->path) >= least || place_fits(path, bus) >= least;
}

/* For a board that is not on USB now: by what it is known by, else the section of the same name. */
static const struct config_device *find_absent(const struct config *c, const struct device *d)
{
	const struct config_device *named = find_named(c, d->config->name);

	for (size_t i = 0; i < c->device_count; i++) {
		const struct config_device *s = &c->devices[i];
		if ((s->serial || s->path) && (!s->serial || same_text(s->serial, d->serial)) &&
			(!s->path || was_at(d, s->path, s->serial)))
			return s;
	}
	return named && same_text(named->tty, d->config->tty) && same_text(named->match, d->config->match) && !named->serial &&
			(!named->path || was_at(d, named->path, true))
		? named
		: NULL;
}

static const struct usb_port *port_of(const struct registry *r, const struct device_candidate *c)
{
	for (const struct usb_port *p = NULL; r->usb && (p = usb_next(r->usb, p));)
		if (strcmp(p->syspath, c->syspath) == 0)
			return p;
	return NULL;
}

static const struct config_device *section_of(struct registry *r, const struct config *config, const struct device_candidate *c)
{
	const struct usb_port *port = port_of(r, c);
	return port ? identity_section(r, config, port) : NULL;
}

static bool is_undisturbed(struct registry *r, const struct device *d, const struct config *config)
{
	const struct device_private *p = d->private;
	bool managed = p->candidates[p->candidate].config;

	for (size_t i = 0; i < p->candidate_count; i++) {
		const struct config_device *old = p->candidates[i].config, *new = section_of(r, config, &p->candidates[i]);
		bool aside = managed && i != p->candidate && (!old || !new); /* opened or closed beside the one with the session */
		if (!aside && !is_same_port(old, new))
			return false;
	}
	return true;
}

/* The same port, by another section, whose other settings hold from now on. */
static void apply(struct device *d, const struct config_device *section)
{
	d->config = section;
	if (!section || !d->session)
		return;
	if (d->tuning.timeout_ms < 0)
		session_set_timeout(d->session, section->timeout_ms);
	if (d->tuning.retries < 0)
		session_set_retries(d->session, section->retries);
	if (d->state == DEVICE_READY || d->state == DEVICE_RECOVERY)
		device_learn_parameters(d, NULL);
	device_consoles_configure(d);
}

static void keep(struct registry *r, struct device *d)
{
	struct device_private *p = d->private;

	for (size_t i = 0; i < p->candidate_count; i++)
		p->candidates[i].config = section_of(r, r->config, &p->candidates[i]);
	if (p->candidates[p->candidate].config)
		apply(d, p->candidates[p->candidate].config);
	else
		device_forget_section(d); /* nobody's */
	device_sides_update(d);
	registry_changed(r, REGISTRY_CHANGED, d, NULL);
}

/* Unplugged and plugged again, for the daemon. */
static void replug(struct registry *r, struct device *d)
{
	const struct usb_port *ports[DEVICE_CANDIDATES_MAX];
	struct device_private *p = d->private;
	size_t count = 0;

	log_info(d->id, "registry", "the configuration of its port has changed");
	for (size_t i = 0; i < p->candidate_count; i++) {
		ports[count] = port_of(r, &p->candidates[i]);
		count += ports[count] != NULL;
		p->candidates[i].config = NULL; /* none is to be opened on the way */
	}
	if (d->state == DEVICE_BROKEN)
		device_set_state(d, DEVICE_ABSENT, "the configuration of its port has changed");
	while (p->candidate_count > 1) /* the one in use last */
		device_unplugged(d, p->candidates[p->candidate == 0].syspath);
	device_unplugged(d, p->candidates[0].syspath);
	device_forget_section(d);
	for (size_t i = 0; i < count; i++)
		registry_add_port(r, ports[i]);
}

/* A job, or a program that has its tty, goes by what was. */
static bool must_wait(const struct device *d)
{
	return d->job || d->state == DEVICE_RELEASED;
}

static void set_here(struct registry *r, const char *id, bool here)
{
	struct identity *i = identity_by_id(r, id);

	if (i)
		i->here = here;
}

static void reload_plugged(struct registry *r, struct device *d)
{
	set_here(r, d->id, device_is_wanted(d));
	if (is_undisturbed(r, d, r->config))
		keep(r, d);
	else if (must_wait(d))
		d->private->stale = true;
	else
		replug(r, d);
	set_here(r, d->id, false);
	if (d->private->stale)
		log_info(d->id, "registry", "its port keeps its settings until the job or the program that has it has ended");
}

/* false: it is nobody's any more. */
static bool reload_absent(struct registry *r, struct device *d)
{
	const struct config_device *section = d->config ? find_absent(r->config, d) : NULL;

	if (!section)
		return false;
	apply(d, section);
	registry_changed(r, REGISTRY_CHANGED, d, NULL);
	return true;
}

static void free_retired(struct registry *r)
{
	while (r->retired) {
		struct retired *one = r->retired;
		r->retired = one->next;
		config_free(one->config);
		free(one);
	}
}

bool registry_reload_rest(struct registry *r)
{
	bool more = false;

	for (size_t i = 0; i < r->device_count; i++) {
		struct device *d = r->devices[i];
		if (d->private->stale && !must_wait(d)) {
			d->private->stale = false;
			if (device_is_plugged(d) && !d->private->manual)
				reload_plugged(r, d);
			else if (!reload_absent(r, d))
				device_forget_section(d);
		}
		more |= d->private->stale;
	}
	if (!more)
		free_retired(r);
	return more;
}

int registry_reload(struct registry *r, struct config *old, const struct config *config)
{
	struct retired *one = calloc(1, sizeof(*one));

	if (!one)
		return -ENOMEM;
	*one = (struct retired){.next = r->retired, .config = old};
	r->retired = one;
	r->config = config;
	for (size_t i = r->device_count; i-- > 0;) {
		struct device *d = r->devices[i];
		if (device_is_plugged(d) && !d->private->manual)
			reload_plugged(r, d);
		else if (must_wait(d))
			d->private->stale = true;
		else if (!reload_absent(r, d))
			registry_remove_device(r, i);
	}
	registry_hubs_update(r);
	registry_expect(r);
	registry_ports_changed(r);
	if (registry_reload_rest(r))
		registry_sweep(r);
	/* Tags and aliases are others now, and so are the pools that somebody waits for a board of. */
	r->selectable++;
	lease_book_run(r->leases);
	return 0;
}

void registry_reload_free(struct registry *r)
{
	free_retired(r);
}
