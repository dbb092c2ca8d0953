/* SPDX-License-Identifier: MIT */
#pragma once

/* Between port.c (a tty on the loop), port-open.c (open and close of a tty, which may hang), port-thread.c (the threads
 * that do it) and port-reason.c (sentences about what went wrong). */

#include "daemon/port.h"

struct port_result {
	int fd; /* -1: failed, then why and reason */
	bool paces_itself;
	int low_latency; /* 0, or -errno: it stays as it is */
	bool kept; /* it was open all the time (port-store.h) */
	enum port_failure why;
	char reason[320];
};

/* Both may sleep in the kernel for as long as it likes: never on the loop. */
void tty_open(const char *tty, const struct port_settings *settings, struct port_result *ret);
void tty_close(int fd);

/* Asks an adapter's driver to hand over at once what arrives, rather than to collect it (FTDI: for 16 ms). 0; -ENOTTY, -EINVAL:
 * it has no such thing (ptys, CDC ACM); -EPERM, other errno. */
int tty_set_low_latency(int fd);

/* Fills why and reason from an error of open() or flock(). fd may be -1. */
void port_explain(const char *tty, int fd, int error, struct port_result *ret);

/* One open under way. done is called on the loop, never from inside opening_start, and not after opening_abandon; the
 * opening frees itself after either. An abandoned one closes what it gets, whenever that may be. */
struct opening;
int opening_start(uv_loop_t *loop, const char *tty, const struct port_settings *settings,
		void (*done)(void *user, const struct port_result *result), void *user, struct opening **ret);
void opening_abandon(struct opening *o);

/* Closes in a thread; when too many hang already, later in one of theirs. */
void closing_start(int fd);
/* The same; done is called on the loop once the kernel has let go of it. */
void closing_start_then(uv_loop_t *loop, int fd, void (*done)(void *user), void *user);
