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
	bool named, plainly;	   /* what these two are called: by the board alone, or with the interface */
	/* device-side.c: its port, while that does not carry the session */
	struct port *side;
	char *side_node;
	uv_timer_t side_retry;
	bool side_told; /* that it cannot be opened */
};

/* The line of the event that is being told; valid during registry_changed. */
struct device_marked {
	const struct device_console *console;
	struct console_line line;
};

int device_console_add(struct device *d, int interface, struct device_console **ret); /* -ENOMEM, -ENOSPC */
/* -ENOENT unless it is to be made. */
int device_console_find(struct device *d, int interface, bool make, struct device_console **ret);
/* That of this interface becomes d->main. */
void device_console_select(struct device *d, int interface);
/* The one that is meant when none is named: main, unless only another one was ever printed to. */
struct device_console *device_console_usual(const struct device *d);
/* As device_type. */
int device_console_type(struct device_console *dc, const uint8_t *data, size_t size, const char **ret_text);
/* Text that arrived on its port. */
void device_console_feed(struct device_console *dc, const uint8_t *data, size_t size);
void device_consoles_configure(struct device *d); /* by its section */
void device_consoles_close(struct device *d);	  /* with its handles: device_handle_closed */
void device_consoles_free(struct device *d);

/* device-side.c */
void device_sides_update(struct device *d); /* after its ports or the one of the session have changed */
/* The open port of a console, for the session; NULL: there is none. And back. */
struct port *device_side_take(struct device_console *dc, const char *node);
void device_side_give(struct device_console *dc, const char *node, struct port *port);
void device_side_close(struct device_console *dc);
struct port *device_side_let_go(struct device_console *dc); /* the caller closes it; NULL: there is none */
int device_side_type(struct device_console *dc, const uint8_t *data, size_t size, const char **ret_text);
