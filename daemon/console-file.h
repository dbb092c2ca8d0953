/* SPDX-License-Identifier: MIT */
#pragma once

/* A console as a file of lines, rotated by size: PATH, PATH.1 (the newest of the old ones) to PATH.COUNT.
 *
 * It is a reader of the ring like others. Lines are written by a thread of libuv's pool, a batch at a time, while the ring holds
 * what comes meanwhile: a disk that is slow, full or gone never holds anything up, and what the ring had to drop is counted and
 * told in the file. After an error the batch is kept and tried again (with growing pauses, 1 to 60 s), so that a full disk or a
 * directory that comes back costs nothing but what the ring could not hold.
 *
 * A line of the file: time (UTC), "[MARK] " where there is one, and the text without control sequences. The file is opened for
 * each batch, so that it may be moved or removed by others; a symbolic link and what is no plain file are refused. */

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "daemon/console.h"

struct console_file_settings {
	char *path; /* borrowed in console_file_new */
	size_t max_bytes;
	unsigned int count; /* of old files kept; 0: none */
};

struct console_file;
/* name: of the board, for the log. Begins with what is printed from now on. */
int console_file_new(uv_loop_t *loop, struct console *console, const char *name, const struct console_file_settings *settings,
		struct console_file **ret);
/* It goes on as it is: these are its settings. */
bool console_file_is(const struct console_file *f, const struct console_file_settings *settings);
/* What waits is written as far as the disk takes it, without a second attempt; frees itself then. */
void console_file_close(struct console_file *f);
