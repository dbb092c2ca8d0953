/* SPDX-License-Identifier: MIT */
#pragma once

/* The consoles of a board: one for each of its ports, known by the USB interface number, so that text of before a re-plug and
 * of after it stand in the same ring. d->main is that of the port that carries the session.
 *
 * Lines with a mark are told as events (REGISTRY_CONSOLE, with d->marked) when they end, or when they stay open. */

#include "daemon/device.h"

#define DEVICE_CONSOLES_MAX 8
#define INTERFACE_NONE (-1)	  /* a tty that is not USB */
#define INTERFACE_UNASSIGNED (-2) /* no port yet */

struct device_console {
	struct device *device;
	struct device_console *next;
	int interface;
	struct console *console;
	uv_timer_t open_mark; /* a line with a mark that does not end */
	struct console_file *file; /* or NULL */
	struct terminal *terminal; /* or NULL */
};

/* The line of the event that is being told; valid during registry_changed. */
struct device_marked {
	const struct device_console *console;
	struct console_line line;
};

int device_console_add(struct device *d, int interface, struct device_console **ret); /* -ENOMEM, -ENOSPC */
/* Text that arrived on its port. */
void device_console_feed(struct device_console *dc, const uint8_t *data, size_t size);
void device_consoles_configure(struct device *d); /* by its section */
void device_consoles_close(struct device *d);	  /* with its handles: device_handle_closed */
void device_consoles_free(struct device *d);
