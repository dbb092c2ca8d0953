/* SPDX-License-Identifier: MIT */

/* The ports of a board beside the one that carries its session: held open for what is printed on them. When the session moves
 * to another port, the ports change their places open as they are, so that nothing that is printed meanwhile gets lost and
 * no modem line moves. */

#include <errno.h>
#include <string.h>

#include "daemon/device-console.h"
#include "daemon/device-private.h"
#include "daemon/log.h"

#define RETRY_MS 5000 /* somebody else holds it, or it cannot be opened for another reason */

static void on_retry(uv_timer_t *timer)
{
	struct device_console *dc = container_of(timer, struct device_console, side_retry);

	if (dc->side)
		port_open(dc->side);
}

static void opened(void *user)
{
	struct device_console *dc = user;

	log_info(dc->device->id, "port", "%s is open for its console", dc->side_node);
	dc->side_told = false;
	console_break(dc->console);
}

static void failed(void *user, enum port_failure why, const char *reason)
{
	struct device_console *dc = user;

	(void)why;
	if (!dc->side_told)
		log_info(dc->device->id, "port", "%s", reason);
	dc->side_told = true;
	if (!dc->device->private->closing)
		uv_timer_start(&dc->side_retry, on_retry, RETRY_MS, 0);
}

static void received(void *user, const uint8_t *data, size_t size)
{
	device_console_feed(user, data, size);
}

static const struct port_callbacks callbacks = {.opened = opened, .failed = failed, .received = received};

struct port *device_side_let_go(struct device_console *dc)
{
	uv_timer_stop(&dc->side_retry);
	free(TAKE_PTR(dc->side_node));
	return TAKE_PTR(dc->side);
}

void device_side_close(struct device_console *dc)
{
	port_close(device_side_let_go(dc));
}

struct port *device_side_take(struct device_console *dc, const char *node)
{
	if (!dc->side || strcmp(dc->side_node, node) != 0)
		return NULL;
	/* One that is not open yet may be opened anew as well. */
	if (port_is_open(dc->side))
		return device_side_let_go(dc);
	device_side_close(dc);
	return NULL;
}

void device_side_give(struct device_console *dc, const char *node, struct port *port)
{
	device_side_close(dc);
	dc->side_node = strdup(node);
	if (!dc->side_node || !port_is_open(port)) {
		free(TAKE_PTR(dc->side_node));
		port_close(port);
		return;
	}
	dc->side = port;
	port_set_callbacks(port, &callbacks, dc);
}

/* Whether the session may have this candidate: it is no side then. */
static bool is_session(const struct device *d, size_t index)
{
	return index == d->private->candidate && !d->private->awaiting;
}

static bool is_wanted(const struct device_console *dc)
{
	const struct device_private *p = dc->device->private;

	for (size_t i = 0; i < p->candidate_count; i++)
		if (!is_session(dc->device, i) && p->candidates[i].config && p->candidates[i].interface == dc->interface &&
				strcmp(p->candidates[i].node, dc->side_node) == 0)
			return true;
	return false;
}

static void open_side(struct device_console *dc, const struct device_candidate *c)
{
	const struct port_settings settings = {
		.baud = c->config->baud, .rtscts = c->config->rtscts, .dtr = c->config->dtr, .rts = c->config->rts};

	dc->side_node = strdup(c->node);
	if (!dc->side_node || port_new(dc->device->private->loop, c->node, &settings, &callbacks, dc, &dc->side) < 0) {
		free(TAKE_PTR(dc->side_node));
		log_warning(dc->device->id, "port", "no memory for %s", c->node);
		return;
	}
	dc->side_told = false;
	port_open(dc->side);
}

void device_sides_update(struct device *d)
{
	struct device_private *p = d->private;

	for (struct device_console *dc = d->consoles; dc; dc = dc->next)
		if (dc->side && !is_wanted(dc))
			device_side_close(dc);
	/* All ports of a board that was handed over are. */
	if (p->closing || d->state == DEVICE_RELEASED)
		return;
	for (size_t i = 0; i < p->candidate_count; i++) {
		struct device_console *dc;
		if (is_session(d, i) || !p->candidates[i].config || device_console_find(d, p->candidates[i].interface, true, &dc) < 0)
			continue;
		if (dc != d->main && !dc->side)
			open_side(dc, &p->candidates[i]);
	}
}

int device_side_type(struct device_console *dc, const uint8_t *data, size_t size, const char **ret_text)
{
	struct device *d = dc->device;

	*ret_text = NULL;
	if (d->config && d->config->probe == PROBE_NEVER) {
		*ret_text = "its section says probe = never: nothing is sent to it";
		return -ENODEV;
	}
	if (!dc->side || !port_is_open(dc->side)) {
		*ret_text = "this port of the board is not open";
		return -ENODEV;
	}
	if (d->job && d->private->expecting) {
		*ret_text = "a job waits for it to boot, and keystrokes might keep it in its bootloader";
		return -ENODEV;
	}
	return port_type(dc->side, data, size);
}
