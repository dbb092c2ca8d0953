/* SPDX-License-Identifier: MIT */
#pragma once

/* Inside the state directory.
 *
 *     state        opened, locked; records read, and written at once
 *     state-later  records that a thread of the pool writes
 */

#include <stdbool.h>
#include <unistd.h>

#include "daemon/state.h"

struct state {
	int directory; /* -1: remembers nothing */
	int lock;
};

static inline void state_fd_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

bool state_is_name(const char *name);
int state_open_kind(int directory, const char *kind); /* a descriptor, -errno */
int state_write(int directory, const char *name, const char *data, size_t size);
