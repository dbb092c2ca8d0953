/* SPDX-License-Identifier: MIT */

#include "daemon/device-console.h"

#include <errno.h>
#include <string.h>
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
	struct device_console *dc = user;
	const char *text;

	/* What a board cannot take at all is lost, as with a cable that is not plugged in. */
	return device_console_type(dc, data, size, &text) == -ENOBUFS ? 0 : size;
}

static void open_file(struct device_console *dc)
{
	const struct config *c = registry_config(dc->device->registry);
	const struct config_device *section = dc->device->config;
	_cleanup_free_ char *path = config_log_file(c, dc->device->id, dc->plainly ? -1 : dc->interface);
	const struct console_file_settings settings = {
		.path = path, .max_bytes = section->log_size, .count = section->log_count};

	/* What it has not written yet shall not be lost, nor overtaken. */
	if (path && dc->file && console_file_is(dc->file, &settings))
		return;
	console_file_close(TAKE_PTR(dc->file));
	if (!path || console_file_new(dc->device->private->loop, dc->console, dc->device->id, &settings, &dc->file) < 0)
		log_warning(dc->device->id, "console", "no memory for its file");
}

static void open_terminal(struct device_console *dc)
{
	const struct registry *registry = dc->device->registry;
	_cleanup_free_ char *path =
		config_terminal_link(registry_config(registry), dc->device->id, dc->plainly ? -1 : dc->interface);
	const struct terminal_settings settings = {.name = dc->device->id, .link = path, .group = registry_socket_group(registry),
		.typed = on_typed, .user = dc};
	int r = path ? terminal_new(dc->device->private->loop, dc->console, &settings, &dc->terminal) : -ENOMEM;

	if (r < 0)
		log_warning(dc->device->id, "terminal", "%s cannot be made: %s", path ? path : "it",
				r == -EEXIST ? "something else has that name" : strerror(-r));
}

/* The first one goes by the name of the board, the others by their interface, too. */
static void name(struct device_console *dc)
{
	bool plainly = dc == dc->device->consoles;

	if (dc->named && dc->plainly != plainly)
		terminal_close(TAKE_PTR(dc->terminal));
	dc->named = true;
	dc->plainly = plainly;
}

static void configure(struct device_console *dc)
{
	const struct config_device *c = dc->device->config;

	if (console_set_size(dc->console, c->console_lines, c->console_bytes) < 0)
		log_warning(dc->device->id, "console", "no memory for a ring of %u lines", c->console_lines);
	name(dc);
	if (c->console_log)
		open_file(dc);
	else
		console_file_close(TAKE_PTR(dc->file));
	if (c->terminal && !dc->terminal)
		open_terminal(dc);
	else if (!c->terminal)
		terminal_close(TAKE_PTR(dc->terminal));
}

/* --- life --------------------------------------------------------------------------------------------------------- */

/* In order of their interfaces. */
static void insert(struct device *d, struct device_console *dc)
{
	struct device_console **at = &d->consoles;

	while (*at && (*at)->interface < dc->interface)
		at = &(*at)->next;
	dc->next = *at;
	*at = dc;
}

static void relabel(struct device_console *dc, int interface)
{
	struct device_console **at = &dc->device->consoles;

	while (*at != dc)
		at = &(*at)->next;
	*at = dc->next;
	dc->interface = interface;
	insert(dc->device, dc);
}

int device_console_add(struct device *d, int interface, struct device_console **ret)
{
	static const struct console_callbacks callbacks = {.seen = on_seen, .marked = on_marked};
	struct device_console *dc;
	size_t count = 0;

	for (dc = d->consoles; dc; dc = dc->next)
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
	uv_timer_init(d->private->loop, &dc->side_retry);
	device_add_handle(d, (uv_handle_t *)&dc->side_retry);
	insert(d, dc);
	*ret = dc;
	return 0;
}

int device_console_find(struct device *d, int interface, bool make, struct device_console **ret)
{
	for (struct device_console *dc = d->consoles; dc; dc = dc->next)
		if (dc->interface == interface) {
			*ret = dc;
			return 0;
		}
	int r = make ? device_console_add(d, interface, ret) : -ENOENT;
	if (make && r == 0)
		device_consoles_configure(d);
	return r;
}

static bool is_plugged(const struct device *d, int interface)
{
	for (size_t i = 0; i < d->private->candidate_count; i++)
		if (d->private->candidates[i].interface == interface)
			return true;
	return false;
}

void device_console_select(struct device *d, int interface)
{
	struct device_console *dc;

	if (d->main->interface == interface)
		return;
	if (device_console_find(d, interface, false, &dc) == 0)
		d->main = dc;
	/* A bootloader may number its interfaces in another way: a board with one port has one console. */
	else if (!is_plugged(d, d->main->interface) || device_console_add(d, interface, &dc) < 0)
		relabel(d->main, interface);
	else
		d->main = dc;
	d->console = d->main->console;
	device_consoles_configure(d);
}

static bool was_printed_to(const struct device_console *dc)
{
	return console_count(dc->console) > 0 || console_has_begun(dc->console);
}

struct device_console *device_console_usual(const struct device *d)
{
	if (was_printed_to(d->main))
		return d->main;
	for (struct device_console *dc = d->consoles; dc; dc = dc->next)
		if (was_printed_to(dc))
			return dc;
	return d->main;
}

int device_console_type(struct device_console *dc, const uint8_t *data, size_t size, const char **ret_text)
{
	if (dc == dc->device->main)
		return device_type(dc->device, data, size, ret_text);
	return device_side_type(dc, data, size, ret_text);
}

void device_consoles_configure(struct device *d)
{
	for (struct device_console *dc = d->consoles; dc; dc = dc->next) {
		if (d->config) {
			configure(dc);
			continue;
		}
		console_file_close(TAKE_PTR(dc->file));
		terminal_close(TAKE_PTR(dc->terminal));
	}
}

void device_consoles_close(struct device *d)
{
	for (struct device_console *dc = d->consoles; dc; dc = dc->next) {
		console_file_close(TAKE_PTR(dc->file));
		terminal_close(TAKE_PTR(dc->terminal));
		device_side_close(dc);
		uv_close((uv_handle_t *)&dc->open_mark, device_handle_closed);
		uv_close((uv_handle_t *)&dc->side_retry, device_handle_closed);
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
