/* SPDX-License-Identifier: MIT */

/* A board's tty: opened, lost, awaited. */

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/device-console.h"
#include "daemon/device-private.h"
#include "daemon/log.h"
#include "daemon/registry.h"

#define PAUSE_FIRST_MS 500
#define PAUSE_MAX_MS 10000

/* --- a tty that is not there yet ---------------------------------------------------------------------------------- */

static void on_watch(uv_fs_event_t *watch, const char *name, int events, int status)
{
	struct device *d = watch->data;
	_cleanup_free_ char *copy = d->tty ? strdup(d->tty) : NULL;

	(void)events;
	if (d->private->closing || !copy || d->state != DEVICE_ABSENT)
		return;
	if (status >= 0 && name && strcmp(name, basename(copy)) != 0)
		return;
	if (access(d->tty, F_OK) == 0)
		device_open(d);
}

/* Where the kernel tells of it, by event; the timer looks seldom, for directories that do not exist yet either. */
static void await_tty(struct device *d)
{
	struct device_private *p = d->private;
	_cleanup_free_ char *copy = strdup(d->tty);

	if (!p->watching && copy && uv_fs_event_start(&p->watch, on_watch, dirname(copy), 0) == 0)
		p->watching = true;
}

void device_stop_watching(struct device *d)
{
	if (d->private->watching)
		uv_fs_event_stop(&d->private->watch);
	d->private->watching = false;
}

static void retry(struct device *d)
{
	struct device_private *p = d->private;

	p->open_pause_ms = !p->open_pause_ms		       ? PAUSE_FIRST_MS
		: p->open_pause_ms * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS
							       : p->open_pause_ms * 2;
	device_arm(d, p->open_pause_ms);
}

/* --- the port's callbacks ----------------------------------------------------------------------------------------- */

static const char *level_name(enum line_level level)
{
	return level == LINE_ON ? "on" : level == LINE_OFF ? "off" : "as it was";
}

static bool resume(struct device *d)
{
	_cleanup_(record_freep) struct record *record = registry_resume_take(d->registry, d->id);

	if (!record || !port_was_kept(d->port))
		return false;
	session_attach(d->session, d->port);
	if (!device_resume(d, record))
		return false;
	trace_event(d->trace, TRACE_OPEN, 0, "%s, which was open all the time", d->tty);
	device_stop_watching(d);
	return true;
}

static void opened(void *user)
{
	struct device *d = user;
	struct device_private *p = d->private;

	p->open_pause_ms = p->probe_pause_ms = 0;
	p->recovery_reset = false;
	console_break(d->console);
	if (resume(d))
		return;
	d->boots++;
	log_info(d->id, "port", "%s is open", d->tty);
	trace_event(d->trace, TRACE_OPEN, 0, "%s", d->tty);
	if (d->config->dtr != LINE_KEEP || d->config->rts != LINE_KEEP)
		trace_event(d->trace, TRACE_LINES, 0, "DTR %s, RTS %s", level_name(d->config->dtr), level_name(d->config->rts));
	if (p->expecting)
		device_boot_seen(d, BOOT_SIGN_BACK);
	else
		p->boot = (struct boot){0};
	device_stop_watching(d);
	if (p->manual && device_trouble_attached(d))
		return;
	session_attach(d->session, d->port);
	device_quiet(d, device_quiet_ms(d));
}

static void lost(struct device *d, const char *reason)
{
	bool was_open = d->state >= DEVICE_QUIET && d->state <= DEVICE_UNRESPONSIVE;

	device_close_port(d, reason);
	if (d->private->manual && access(d->tty, F_OK) != 0) {
		device_set_state(d, DEVICE_ABSENT, "%s is not there", d->tty);
		await_tty(d);
		/* It may have come between the look and the watch. */
		if (access(d->tty, F_OK) == 0) {
			device_open(d);
			return;
		}
	} else {
		device_set_state(d, was_open ? DEVICE_ABSENT : DEVICE_UNAVAILABLE, "%s", reason);
	}
	retry(d);
}

static void failed(void *user, enum port_failure why, const char *reason)
{
	struct device *d = user;

	log_info(d->id, "port", "%s", reason);
	if (why == PORT_GONE)
		trace_event(d->trace, TRACE_HANG_UP, 0, "%s", reason);
	if (d->state == DEVICE_BROKEN) {
		device_close_port(d, reason);
		device_arm(d, d->config->broken_window_ms);
		return;
	}
	if (why == PORT_GONE || why == PORT_MISSING) {
		lost(d, reason);
		return;
	}
	device_close_port(d, reason);
	device_set_state(d, DEVICE_UNAVAILABLE, "%s", reason);
	retry(d);
}

static void received(void *user, const uint8_t *data, size_t size)
{
	struct device *d = user;
	/* Nobody talks to a broken board; what it prints is worth the more. */
	if (d->state == DEVICE_BROKEN)
		device_console_feed(d->main, data, size);
	else
		session_received(d->session, data, size);
}

static const struct port_callbacks port_callbacks = {.opened = opened, .failed = failed, .received = received};

/* --- open and close ----------------------------------------------------------------------------------------------- */

void device_open(struct device *d)
{
	const struct config_device *c = d->config;
	const struct port_settings settings = {.baud = c->baud, .rtscts = c->rtscts, .dtr = c->dtr, .rts = c->rts};

	device_close_port(d, "the tty is opened again");
	d->port = device_side_take(d->main, d->tty);
	int r = d->port ? 0 : port_new(d->private->loop, d->tty, &settings, &port_callbacks, d, &d->port);
	if (r < 0) {
		device_set_state(d, DEVICE_UNAVAILABLE, "%s cannot be opened: %s", d->tty, strerror(-r));
		retry(d);
		return;
	}
	/* A link that comes and goes is not a change worth telling each time it is tried. */
	if (d->state != DEVICE_UNAVAILABLE)
		device_set_state(d, DEVICE_OPENING, NULL);
	session_hold(d->session);
	device_arm(d, 0);
	if (!port_is_open(d->port)) {
		port_open(d->port);
		return;
	}
	port_set_callbacks(d->port, &port_callbacks, d);
	opened(d);
}

struct port *device_take_port(struct device *d, const char *reason)
{
	struct port *port = TAKE_PTR(d->port);

	device_probe_cancel(d);
	device_boot_cancel(d);
	device_arm(d, 0);
	if (!port)
		return NULL;
	/* The job first: it tells a board that may be away from one that went. */
	trace_event(d->trace, TRACE_CLOSE, 0, "%s", reason);
	if (d->job)
		job_unplugged(d->job);
	session_hold(d->session);
	session_detach(d->session, reason);
	device_forget(d);
	return port;
}

void device_close_port(struct device *d, const char *reason)
{
	port_close(device_take_port(d, reason));
}

/* --- which port --------------------------------------------------------------------------------------------------- */

static void candidate_release(struct device_candidate *c)
{
	free(c->node);
	free(c->syspath);
	free(c->path);
	*c = (struct device_candidate){0};
}

void device_release_candidates(struct device *d)
{
	struct device_private *p = d->private;
	for (size_t i = 0; i < p->candidate_count; i++)
		candidate_release(&p->candidates[i]);
	p->candidate_count = p->candidate = 0;
}

bool device_is_plugged(const struct device *d)
{
	return d->private->manual || d->private->candidate_count > 0;
}

static void replace(char **to, const char *text)
{
	char *copy = text ? strdup(text) : NULL;
	free(*to);
	*to = copy;
}

static void use_candidate(struct device *d, size_t index)
{
	struct device_private *p = d->private;
	const struct device_candidate *c = &p->candidates[index];

	p->candidate = index;
	replace(&d->tty, c->node);
	replace(&d->syspath, c->syspath);
	replace(&d->path, c->path);
	d->vendor_id = c->vendor_id;
	d->product_id = c->product_id;
	d->interface = c->interface;
	d->config = c->config;
	device_console_select(d, c->interface);
}

/* The next candidate, in a circle, that the configuration wants opened; candidate_count: there is none. */
static size_t managed_after(const struct device_private *p, size_t from)
{
	for (size_t n = 1; n <= p->candidate_count; n++)
		if (p->candidates[(from + n) % p->candidate_count].config)
			return (from + n) % p->candidate_count;
	return p->candidate_count;
}

/* Any other one than that in use. */
static bool other_managed(const struct device_private *p, size_t *ret_index)
{
	size_t index = managed_after(p, p->candidate);

	if (index == p->candidate_count || index == p->candidate)
		return false;
	*ret_index = index;
	return true;
}

/* The candidate must be a managed one. */
static void open_candidate(struct device *d, size_t index)
{
	const struct config_device *before = d->config;

	use_candidate(d, index);
	if ((!d->session || d->config != before) && device_new_session(d) < 0) {
		device_set_state(d, DEVICE_UNAVAILABLE, "out of memory");
		return;
	}
	device_open(d);
	device_sides_update(d);
}

/* A session outlives the port it was made for, and needs the section it was made of. */
static void use_unmanaged(struct device *d, size_t index)
{
	const struct config_device *before = d->config;
	char identifier[32];

	use_candidate(d, index);
	d->config = d->session ? before : NULL;
	const struct usb_port port = {
		.vendor_id = d->vendor_id, .product_id = d->product_id, .interface = d->interface};
	usb_port_identifier(&port, identifier, sizeof(identifier));
	device_set_state(d, DEVICE_UNAVAILABLE,
			"no section of the configuration manages it; [device NAME] with match = %s would", identifier);
}

void device_port_timeout(struct device *d)
{
	size_t other;

	if (!device_is_plugged(d))
		return;
	if (d->private->manual && access(d->tty, F_OK) != 0) {
		await_tty(d);
		retry(d);
		return;
	}
	/* One that somebody else holds may be the console; the board may have a port for SMP beside it. */
	if (d->state == DEVICE_UNAVAILABLE && other_managed(d->private, &other))
		open_candidate(d, other);
	else
		device_open(d);
}

bool device_next_candidate(struct device *d)
{
	size_t next;

	if (!other_managed(d->private, &next))
		return false;
	log_info(d->id, "port", "%s does not answer: trying %s", d->tty, d->private->candidates[next].node);
	struct port *port = device_take_port(d, "another port of the board is tried");
	if (port)
		device_side_give(d->main, d->tty, port);
	open_candidate(d, next);
	return true;
}

int device_set_tty(struct device *d, const struct config_device *config)
{
	d->private->manual = true;
	d->config = config;
	replace(&d->tty, config->tty);
	if (!d->tty)
		return -ENOMEM;
	int r = device_new_session(d);
	if (r < 0)
		return r;
	device_open(d);
	return 0;
}

void device_forget_section(struct device *d)
{
	if (d->session)
		session_close(TAKE_PTR(d->session));
	d->config = NULL;
	device_consoles_configure(d);
}

static bool add_candidate(struct device_private *p, const struct usb_port *port, const struct config_device *config)
{
	struct device_candidate c = {
		.node = strdup(port->node),
		.syspath = strdup(port->syspath),
		.path = port->path ? strdup(port->path) : NULL,
		.vendor_id = port->vendor_id,
		.product_id = port->product_id,
		.interface = port->interface,
		.config = config,
	};

	if (!c.node || !c.syspath || p->candidate_count == DEVICE_CANDIDATES_MAX) {
		candidate_release(&c);
		return false;
	}
	p->candidates[p->candidate_count++] = c;
	return true;
}

/* On the port in use; the session still knows what was before that was opened. */
static bool has_answered_here(const struct device *d)
{
	return d->port && port_is_open(d->port) && session_has_answered(d->session);
}

void device_plugged(struct device *d, const struct usb_port *port, const struct config_device *config)
{
	struct device_private *p = d->private;
	bool first = p->candidate_count == 0;

	if (!add_candidate(p, port, config))
		return;
	replace(&d->serial, port->serial);
	replace(&d->manufacturer, port->manufacturer);
	replace(&d->product, port->product);
	if (first)
		log_info(d->id, "usb", "plugged in: %s, %04x:%04x", port->node, port->vendor_id, port->product_id);
	else
		log_info(d->id, "usb", "%s is another port of this board", port->node);
	if (d->state == DEVICE_RELEASED)
		return;
	if (first && d->config && device_trouble_attached(d))
		return;
	if (d->state == DEVICE_BROKEN)
		return;
	if (first && !config)
		use_unmanaged(d, 0);
	else if (first || (config && !p->candidates[p->candidate].config)) /* the first one that is to be opened */
		open_candidate(d, p->candidate_count - 1);
	else if (config && port->interface + 1 == (int)p->learnt.interface && d->interface != port->interface &&
			!has_answered_here(d))
		open_candidate(d, p->candidate_count - 1); /* the others need not be asked first */
	else
		device_sides_update(d);
}

static void open_what_is_left(struct device *d)
{
	struct device_private *p = d->private;

	if (p->candidate_count == 0)
		return;
	size_t next = managed_after(p, p->candidate_count - 1);
	if (next == p->candidate_count)
		use_unmanaged(d, 0);
	else
		open_candidate(d, next);
}

void device_unplugged(struct device *d, const char *syspath)
{
	struct device_private *p = d->private;
	size_t i = 0;

	while (i < p->candidate_count && strcmp(p->candidates[i].syspath, syspath) != 0)
		i++;
	if (i == p->candidate_count)
		return;
	bool used = i == p->candidate;
	candidate_release(&p->candidates[i]);
	p->candidates[i] = p->candidates[--p->candidate_count];
	if (!used && p->candidate == p->candidate_count)
		p->candidate = i;
	if (!used) {
		device_sides_update(d);
		return;
	}
	if (d->state == DEVICE_RELEASED)
		return;
	device_close_port(d, "the board was unplugged");
	if (d->state == DEVICE_BROKEN) {
		device_arm(d, d->config->broken_window_ms);
		return;
	}
	device_set_state(d, DEVICE_ABSENT, "unplugged");
	open_what_is_left(d);
}

void device_look_again(struct device *d)
{
	struct device_private *p = d->private;

	if (d->port && port_is_open(d->port)) {
		session_attach(d->session, d->port);
		device_quiet(d, device_quiet_ms(d));
	} else if (p->manual) {
		device_open(d);
	} else if (p->candidate_count == 0) {
		device_set_state(d, DEVICE_ABSENT, "unplugged");
	} else {
		open_what_is_left(d);
	}
}
