/* SPDX-License-Identifier: MIT */

#include "daemon/device-console.h"

#include <errno.h>
#include <time.h>

#include "daemon/device-private.h"
#include "daemon/log.h"
#include "daemon/registry.h"

#define OPEN_MARK_MS 300 /* then a line with a mark is told as far as it is there: who printed it may have stopped for good */

static uint64_t wall_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* --- marks -------------------------------------------------------------------------------------------------------- */

static void on_open_mark(uv_timer_t *timer)
{
	console_tell_mark(container_of(timer, struct device_console, open_mark)->console);
}

static void on_seen(void *user, enum console_mark mark)
{
	struct device_console *dc = user;

	if (!dc->device->private->closing)
		uv_timer_start(&dc->open_mark, on_open_mark, OPEN_MARK_MS, 0);
	if (dc == dc->device->main)
		device_boot_mark(dc->device, mark);
}

static void on_marked(void *user, const struct console_line *line)
{
	struct device_console *dc = user;
	struct device *d = dc->device;
	const struct device_marked marked = {.console = dc, .line = *line};

	if (d->private->closing)
		return;
	trace_event(d->trace, TRACE_MARK, 0, "%.*s", (int)line->size, line->text);
	d->marked = &marked;
	registry_changed(d->registry, REGISTRY_CONSOLE, d, NULL);
	d->marked = NULL;
}

/* --- text --------------------------------------------------------------------------------------------------------- */

void device_console_feed(struct device_console *dc, const uint8_t *data, size_t size)
{
	console_feed(dc->console, data, size, wall_us());
}

/* --- life --------------------------------------------------------------------------------------------------------- */

int device_console_add(struct device *d, int interface, struct device_console **ret)
{
	static const struct console_callbacks callbacks = {.seen = on_seen, .marked = on_marked};
	struct device_console **at = &d->consoles, *dc;
	size_t count = 0;

	for (; *at; at = &(*at)->next)
		count++;
	if (count == DEVICE_CONSOLES_MAX)
		return -ENOSPC;
	dc = calloc(1, sizeof(*dc));
	if (!dc || console_new(&callbacks, dc, &dc->console) < 0) {
		free(dc);
		return -ENOMEM;
	}
	dc->device = d;
	dc->interface = interface;
	uv_timer_init(d->private->loop, &dc->open_mark);
	device_add_handle(d, (uv_handle_t *)&dc->open_mark);
	*at = dc;
	*ret = dc;
	return 0;
}

void device_consoles_configure(struct device *d)
{
	const struct config_device *c = d->config;

	for (struct device_console *dc = d->consoles; dc && c; dc = dc->next)
		if (console_set_size(dc->console, c->console_lines, c->console_bytes) < 0)
			log_warning(d->id, "console", "no memory for a ring of %u lines", c->console_lines);
}

void device_consoles_close(struct device *d)
{
	for (struct device_console *dc = d->consoles; dc; dc = dc->next)
		uv_close((uv_handle_t *)&dc->open_mark, device_handle_closed);
}

void device_consoles_free(struct device *d)
{
	struct device_console *dc;

	while ((dc = d->consoles)) {
		d->consoles = dc->next;
		console_free(dc->console);
		free(dc);
	}
}
