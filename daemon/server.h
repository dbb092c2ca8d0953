/* SPDX-License-Identifier: MIT */
#pragma once

/* The listening Unix socket and its connections; Varlink messages in, one call at a time, replies out.
 *
 * Calls on one connection are answered in order: the next message is read when the call before has ended and what was said
 * has been sent, up to LIMIT_OUTPUT_BYTES. A message that is no call closes the connection. When the client goes away, or
 * the server stops, call->closed is called, and the call is gone when it returns. A client that only closes its sending side
 * still gets what it asked for.
 *
 * Ownership: server -> connection -> at most one call. Whoever handles a call keeps the pointer until its last reply
 * (call_reply, call_error) or until closed(), and not longer. Replying from inside the handler is fine. */

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "daemon/limits.h"
#include "daemon/peer.h"
#include "proto/varlink.h"

struct server;
struct connection;

/* What somebody keeps with a connection, embedded in it. */
struct connection_state {
	void (*closed)(struct connection_state *state); /* the connection is gone, and its call was told before */
};

struct call {
	struct varlink_call message;
	struct connection *connection;
	void (*closed)(struct call *call);  /* nobody waits for an answer any more: release what `user` is; set before returning
					       from the handler without a last reply */
	void (*drained)(struct call *call); /* call_is_slow() was true and is not any more; may be NULL */
	void *user;
};

/* handle: called for each call, on the loop. */
int server_new(uv_loop_t *loop, void (*handle)(void *user, struct call *call), void *user, struct server **ret);

/* Listens on path (0660, of the group when not NULL), or on the socket of the service manager when it gave one (LISTEN_FDS).
 * A socket file that nobody answers on is replaced. 0, or a negative errno and a sentence in ret_text. */
int server_open(struct server *s, const char *path, const char *group, char **ret_text);

/* The group whose members may connect, by the socket's file; (gid_t)-1: none, or nobody knows. */
gid_t server_group(const struct server *s);

/* Closes the socket and answers every call under way with io.mcumgr.Stopping; done when all is closed, a second at most. Frees
 * the server after done. */
void server_stop(struct server *s, void (*done)(void *user), void *user);

/* A reply that is not the last; only for calls that said `more`. parameters are taken over. */
void call_continue(struct call *call, json_object *parameters);
/* The last reply; the call is freed. parameters are taken over (NULL: none). */
void call_reply(struct call *call, json_object *parameters);
/* error: with its interface. */
void call_error(struct call *call, const char *error, json_object *parameters);

/* More than LIMIT_OUTPUT_BYTES are unsent: a stream leaves replies out and hears drained() later. */
bool call_is_slow(const struct call *call);
size_t call_unsent(const struct call *call);
const struct peer *call_peer(const struct call *call);
/* One for each connection, to be set; NULL at first. */
struct connection_state **call_state(const struct call *call);
