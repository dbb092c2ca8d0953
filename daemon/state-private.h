/* SPDX-License-Identifier: MIT */
#pragma once

/* Inside the state directory.
 *
 *     state        opened, locked; records read
 *     state-later  and written, by a thread of the pool, in order
 */

#include <stdbool.h>
#include <unistd.h>

#include "daemon/state.h"

struct state {
	int directory; /* -1: remembers nothing */
	int lock;

	/* state-later */
	uv_loop_t *loop;
	uv_work_t work;
	struct change *making;	      /* by the thread; NULL: it rests */
	struct change *first, **last; /* after those */
	bool closed;		      /* once all of it is done */
};

static inline void state_fd_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

bool state_is_name(const char *name);
int state_open_kind(int directory, const char *kind); /* a descriptor, -errno */
int state_write(int directory, const char *name, const char *data, size_t size);
