/* SPDX-License-Identifier: MIT */
#pragma once

/* A tty on the loop. The only file that knows termios.
 *
 * open and close can hang in the kernel (USB): each runs in a thread of its own and never delays the loop or another port.
 * The tty is held exclusively (flock; TIOCEXCL on real ttys), raw from the first moment, HUPCL cleared; what was in its
 * buffer is received like the rest. After failed() the port is closed by itself and may be opened again.
 * Ownership: a device owns its ports; port_close frees the port when the kernel is done with it, and no callback comes
 * after it. All callbacks run on the loop, never from inside a call to this interface. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/config.h"

struct port_settings {
	unsigned int baud;
	bool rtscts;
	enum line_level dtr, rts;
};

enum port_failure {
	PORT_BUSY,    /* somebody else holds it */
	PORT_REFUSED, /* permission */
	PORT_MISSING, /* no such tty */
	PORT_GONE,    /* hang-up: unplugged */
	PORT_ERROR,   /* anything else */
};

struct port_callbacks {
	void (*opened)(void *user);
	void (*failed)(void *user, enum port_failure why, const char *reason); /* a sentence */
	void (*received)(void *user, const uint8_t *data, size_t size);
	void (*sent)(void *user); /* everything given to port_send has been handed to the kernel */
};

struct port;
int port_new(uv_loop_t *loop, const char *tty, const struct port_settings *settings, const struct port_callbacks *callbacks,
		void *user, struct port **ret);
/* Somebody else is told from now on. */
void port_set_callbacks(struct port *p, const struct port_callbacks *callbacks, void *user);
void port_open(struct port *p);
bool port_is_open(const struct port *p);

/* Whether bytes take time on this line: a UART or a USB adapter with a baud rate. False for a pty and CDC ACM. */
bool port_paces_itself(const struct port *p);

/* Whether it was kept open since the daemon before: nothing happened to the board by opening it. And the name that this open has
 * with the service manager (port-store.h); false: none. */
bool port_was_kept(const struct port *p);
bool port_kept_name(const struct port *p, char *name, size_t size);

/* Queues bytes (copied). line_ends: offsets after which a pause of gap_ms is made (0: none). -ENOTCONN, -ENOBUFS. */
int port_send(struct port *p, const uint8_t *data, size_t size, const size_t *line_ends, size_t line_count,
		unsigned int gap_ms);
/* Queues keystrokes behind what is queued already; they stay when the rest is discarded. The same errors. */
int port_type(struct port *p, const uint8_t *data, size_t size);
/* A pause between what is queued and what will be. */
void port_pause(struct port *p, unsigned int ms);
void port_discard_unsent(struct port *p); /* what the kernel has not got yet, but keystrokes */
void port_close(struct port *p);
/* The same; closed is called on the loop, once the kernel has let go of the tty and others may open it: never, if a driver hangs. */
void port_close_then(struct port *p, void (*closed)(void *user), void *user);
