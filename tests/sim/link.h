/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The cable of a board: a pty (or a Unix socket), and the time bytes need on it.
 *
 * Bytes in both directions pass a queue in which each piece has a time of
 * arrival, from the baud rate (10 bits a byte) and the latency; without either
 * nothing waits. `received` gets what arrived at one instant.
 *
 * The pty is in the mode a CDC ACM tty has when it appears (cooked, echo): the
 * client has to set raw mode. As with a real tty, nobody receives what a board
 * says while nobody has it open; the first KiB waits in the board's buffer.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"
#include "settings.h"

struct piece;
struct tty_watch;

struct piece_queue {
	struct piece *first, **last;
	size_t bytes;
	uint64_t line_free; /* when the wire has sent everything queued so far */
	struct loop_timer timer;
};

struct link {
	struct loop *loop;
	struct tty_watch *ttys;
	const struct settings *set;
	char *path;    /* the symlink, or the socket */
	char *tty;     /* the pty's slave */
	struct loop_watch fd, listener;
	int inotify;   /* watch number of the slave, -1 when none */
	bool plugged, open, stalled, paused;
	struct piece_queue in, out;
	uint8_t held[1024]; /* said while nobody listened */
	size_t n_held;
	uint64_t opens, rx_bytes, tx_bytes, lost_bytes;
	void (*received)(void *user, const uint8_t *data, size_t len);
	void *user;
};

/* `dir` is where the symlink goes; `set` stays the board's. */
int link_init(struct link *l, struct loop *loop, struct tty_watch *ttys,
	      const struct settings *set, const char *dir, const char *name);
void link_clear(struct link *l);

/* Makes the tty appear or vanish. Plugging what is plugged does nothing. */
int link_plug(struct link *l);
void link_unplug(struct link *l);

/* Sends bytes to whoever has the tty open. */
void link_write(struct link *l, const void *data, size_t len);
/* Drops all that is under way in both directions: the board lost its power. */
void link_drop(struct link *l);
bool link_is_idle(const struct link *l);

/* One inotify descriptor tells for all ttys when they are opened and closed. */
int tty_watch_new(struct loop *loop, struct tty_watch **ret);
void tty_watch_free(struct tty_watch *w);
int tty_watch_add(struct tty_watch *w, struct link *l);
void tty_watch_remove(struct tty_watch *w, struct link *l);

/* For tty_watch: the tty of `l` was opened or closed. */
void link_opened_or_closed(struct link *l);

/* port.c: the descriptors behind a link */
int port_open_pty(const char *symlink_path, int *ret_fd, char **ret_tty);
int port_listen(const char *path, int *ret_fd);
/* Drops what the slave has to read. Opens it for a moment: the master's side does not reach it. */
void port_flush(const char *tty);
/* A socket, or with `tty` a symlink to that; nothing else, such as the symlink of a simulator that came later. */
void port_remove(const char *path, const char *tty);
bool port_is_served(const char *path); /* somebody listens on this socket */
