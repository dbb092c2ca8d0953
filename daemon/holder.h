/* SPDX-License-Identifier: MIT */
#pragma once

/* Who a client is, in words that people understand: looked up in a thread, because names come from name services and a
 * process's command line may have to be waited for. */

#include <uv.h>

#include "daemon/lease.h"
#include "daemon/peer.h"

struct holder_lookup {
	uv_work_t work;
	struct lease_holder holder; /* the result, reason apart; whoever takes it over leaves zeroes */
	bool other_namespace;	    /* its process numbers are not ours */
	void (*done)(struct holder_lookup *l); /* on the loop; the lookup may be freed */
	/* private */
	uv_loop_t *loop;
	struct holder_lookup *next; /* that waits for a thread */
	char *said;
};

/* said: the command as the client itself calls it, for a daemon that may not see the process; may be NULL. Frees nothing but its
 * own: holder_lookup_release afterwards. 0, -ENOMEM, or libuv's error; done() is not called then. */
int holder_look_up(uv_loop_t *loop, struct holder_lookup *l, const struct peer *peer, const char *said);
/* Nobody wants to know any more. true: it waited for a thread, and done() is not called; false: it is under way. */
bool holder_look_away(struct holder_lookup *l);
void holder_lookup_release(struct holder_lookup *l);
