/* SPDX-License-Identifier: MIT */

#include "daemon/device-console.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "daemon/console-file.h"
#include "daemon/device-private.h"
#include "daemon/log.h"
#include "daemon/registry.h"
#include "daemon/terminal.h"

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

/* --- files and terminals ------------------------------------------------------------------------------------------ */

static size_t on_typed(void *user, const uint8_t *data, size_t size)
{
	const struct device_console *dc = user;
	const char *text;

	/* What a board cannot take at all is lost, as with a cable that is not plugged in. */
	return device_type(dc->device, data, size, &text) == -ENOBUFS ? 0 : size;
}

/* Of the socket: who may use the API may use the terminal. */
static gid_t group_of(const struct config *c)
{
	struct stat st;

	return c->socket && stat(c->socket, &st) == 0 && (st.st_mode & 0060) == 0060 ? st.st_gid : (gid_t)-1;
}

static void open_file(struct device_console *dc)
{
	const struct config *c = registry_config(dc->device->registry);
	const struct config_device *section = dc->device->config;
	_cleanup_free_ char *path = config_log_file(c, dc->device->id, dc == dc->device->consoles ? -1 : dc->interface);
	const struct console_file_settings settings = {
		.path = path, .max_bytes = section->log_size, .count = section->log_count};

	if (!path || console_file_new(dc->device->private->loop, dc->console, dc->device->id, &settings, &dc->file) < 0)
		log_warning(dc->device->id, "console", "no memory for its file");
}

static void open_terminal(struct device_console *dc)
{
	const struct config *c = registry_config(dc->device->registry);
	_cleanup_free_ char *path = config_terminal_link(c, dc->device->id, dc == dc->device->consoles ? -1 : dc->interface);
	const struct terminal_settings settings = {
		.name = dc->device->id, .link = path, .group = group_of(c), .typed = on_typed, .user = dc};
	int r = path ? terminal_new(dc->device->private->loop, dc->console, &settings, &dc->terminal) : -ENOMEM;

	if (r < 0)
		log_warning(dc->device->id, "terminal", "%s cannot be made: %s", path ? path : "it",
				r == -EEXIST ? "something else has that name" : strerror(-r));
}

static void configure(struct device_console *dc)
{
	const struct config_device *c = dc->device->config;

	if (console_set_size(dc->console, c->console_lines, c->console_bytes) < 0)
		log_warning(dc->device->id, "console", "no memory for a ring of %u lines", c->console_lines);
	console_file_close(TAKE_PTR(dc->file));
	if (c->console_log)
		open_file(dc);
	if (c->terminal && !dc->terminal)
		open_terminal(dc);
	else if (!c->terminal)
		terminal_close(TAKE_PTR(dc->terminal));
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
	for (struct device_console *dc = d->consoles; dc && d->config; dc = dc->next)
		configure(dc);
}

void device_consoles_close(struct device *d)
{
	for (struct device_console *dc = d->consoles; dc; dc = dc->next) {
		console_file_close(TAKE_PTR(dc->file));
		terminal_close(TAKE_PTR(dc->terminal));
		uv_close((uv_handle_t *)&dc->open_mark, device_handle_closed);
	}
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
