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
	if (!p->expecting)
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

/* --- for the state machine ---------------------------------------------------------------------------------------- */

void device_set_text(char **to, const char *text)
{
	char *copy = text ? strdup(text) : NULL;
	free(*to);
	*to = copy;
}

void device_port_timeout(struct device *d)
{
	if (!device_is_wanted(d) || device_await_over(d))
		return;
	if (d->private->manual && access(d->tty, F_OK) != 0) {
		await_tty(d);
		retry(d);
		return;
	}
	/* One that somebody else holds may be the console; the board may have a port for SMP beside it. */
	if (d->state != DEVICE_UNAVAILABLE || !device_open_other(d))
		device_open(d);
}

int device_set_tty(struct device *d, const struct config_device *config)
{
	d->private->manual = true;
	d->config = config;
	device_set_text(&d->tty, config->tty);
	if (!d->tty)
		return -ENOMEM;
	int r = device_new_session(d);
	if (r < 0)
		return r;
	device_open(d);
	return 0;
}
