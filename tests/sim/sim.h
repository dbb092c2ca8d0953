/* SPDX-License-Identifier: MIT */
#pragma once

/* All boards of a process, and what they share. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "board.h"
#include "loop.h"

struct control;

struct sim {
	struct loop *loop;
	struct tty_watch *ttys;
	struct control *control;
	const char *dir;
	uint64_t seed;
	struct board *boards, **last_board;
};

struct board *sim_find(struct sim *s, const char *name);

/* Reads a file of at most `max` bytes; -EFBIG when it is larger. */
int file_read(const char *path, size_t max, uint8_t **ret, size_t *ret_len);
int file_write(const char *path, const void *data, size_t len);
