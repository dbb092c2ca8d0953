/* SPDX-License-Identifier: MIT */
#pragma once

/* A console as a pseudo-terminal, so that terminal programs and test tools go on working while the daemon has the real tty:
 * what the board prints can be read there, byte for byte, and what is typed there is given to typed(). LINK is a symbolic link
 * to it, replaced when it was left by a dead daemon of the same user; anything else that has the name is left alone.
 *
 * It is a reader of the ring: a program that does not read holds nothing up, and what the ring drops meanwhile is counted and
 * told in the log. While nobody has it open, nothing is kept for it: who opens it sees what is printed from then on. It
 * starts raw, and its programs may come and go. typed() says how many bytes it took; the rest is offered again. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "daemon/console.h"

struct terminal_settings {
	const char *name; /* of the board, for the log */
	const char *link; /* borrowed in terminal_new */
	gid_t group;	  /* that may use it, 0660; -1: the daemon's user alone */
	size_t (*typed)(void *user, const uint8_t *data, size_t size);
	void *user;
};

struct terminal;
int terminal_new(uv_loop_t *loop, struct console *console, const struct terminal_settings *settings, struct terminal **ret);
uint64_t terminal_dropped(const struct terminal *t); /* lines that no reader of it had, although there was one */
/* Removes the link, if it still is its own; frees itself then. */
void terminal_close(struct terminal *t);
