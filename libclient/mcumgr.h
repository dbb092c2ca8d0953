/* SPDX-License-Identifier: MIT */
#pragma once

/* libmcumgr: talk to mcumgrd, which owns the serial ports of a rack of Zephyr and MCUboot boards.
 *
 * A `struct mcumgr` is one connection to the daemon. Calls on one connection are answered in order; parallel work is
 * parallel connections. Nothing here is shared between handles: one thread a handle needs no locks. After fork() one of the two
 * processes may go on with a handle, the other may only close and free it; the daemon sees the connection end when both have.
 *
 * Two ways of use, which may be mixed on one handle:
 * - blocking: mcumgr_call() and what is built on it. They return when the (last) reply is there.
 * - in a poll loop of your own: mcumgr_send() queues a call and returns at once. Poll mcumgr_fd() for mcumgr_events(),
 * at most mcumgr_wait_ms() long, then call mcumgr_process(), which calls back. Callbacks fire in mcumgr_process(), in
 *   mcumgr_close() and mcumgr_free() (with -ECANCELED), and in blocking calls on the same handle; never in
 * mcumgr_send().
 *
 * Errors: functions return 0 or a negative errno. -EREMOTEIO says that the daemon answered with a Varlink error, which
 * is then in the `struct mcumgr_error` that was asked for. For every other errno mcumgr_message() has a sentence. After
 * -ETIMEDOUT, -EPROTO, -ECONNRESET and after a stream that was stopped the connection is closed; mcumgr_connect() opens
 * it again. A connection that closes cancels its call at the next safe point, unless the call started a detached job.
 *
 * This header is the connection, for any method by its name and JSON. mcumgr-api.h has a C function for every method, with
 * structs for what goes in and what comes out, generated from io.mcumgr.varlink: start there.
 *
 * A name of a method without a dot is one of io.mcumgr. What boards say (names, versions, texts) is passed on as it came: clean it before it goes to a
 * terminal.
 *
 * json_object is json-c's: get and put references as json-c documents. */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Where a system's daemon listens. */
#define MCUMGR_SOCKET_SYSTEM "/run/mcumgr/io.mcumgr"

struct mcumgr;

/* ---- errors of the daemon ---- */

/* A Varlink error. Owned by whoever asked for it; all members are set but hint, which may be NULL. Members may be added
 * at the end. */
struct mcumgr_error {
	char *name;              /* "io.mcumgr.NoSuchDevice" */
	char *message;           /* a sentence for people */
	char *hint;              /* what could be done about it */
	json_object *parameters; /* the error's own fields, an object */
};

void mcumgr_error_free(struct mcumgr_error *error);

/* Whether the error has this name; a name without a dot is one of io.mcumgr. */
bool mcumgr_error_is(const struct mcumgr_error *error, const char *name);

/* ---- a connection ---- */

int mcumgr_new(struct mcumgr **ret);
void mcumgr_free(struct mcumgr *m); /* closes; NULL is fine; not from within a callback */

/* Connects to the socket at this path. NULL: $MCUMGR_SOCKET; else MCUMGR_SOCKET_SYSTEM, if it exists or the caller is
 * root; else $XDG_RUNTIME_DIR/mcumgr/io.mcumgr. An open connection is closed first. -ENOENT and -ECONNREFUSED: no
 * daemon there. -EACCES: not allowed to. -ETIMEDOUT: it does not take connections. -ENAMETOOLONG: no socket can have
 * such a path. With $MCUMGR_LEASE, which `mcumgrctl lock` sets, all calls are those of that lease's holder. */
int mcumgr_connect(struct mcumgr *m, const char *path);
void mcumgr_close(struct mcumgr *m);
bool mcumgr_connected(const struct mcumgr *m);

/* The path that the last mcumgr_connect() went to; "" before it. */
const char *mcumgr_socket(const struct mcumgr *m);

/* A sentence (no full stop) about the newest failure on this handle; "" if there was none. */
const char *mcumgr_message(const struct mcumgr *m);

/* The longest wait for the next reply of a call, counted from its sending or from its reply before; then the call fails
 * with -ETIMEDOUT. For calls made after this one. 0 (the default): wait for ever; the daemon has deadlines of its own.
 */
void mcumgr_set_timeout(struct mcumgr *m, unsigned int timeout_ms);

/* ---- blocking calls ---- */

/* parameters: an object, borrowed; NULL: none. ret_reply: the reply's parameters, an object to put; may be NULL.
 * ret_error: set with -EREMOTEIO only; may be NULL. -ENOTCONN: not connected. -EMSGSIZE: parameters that no JSON text
 * can hold. -EDEADLK: within a stream's callback. -ETIMEDOUT, -EPROTO, -ECONNRESET: see above. */
int mcumgr_call(struct mcumgr *m, const char *method, json_object *parameters, json_object **ret_reply,
	struct mcumgr_error **ret_error);

/* The same with JSON text both ways. -EBADMSG: parameters is no JSON object. ret_reply: to be freed with free(). */
int mcumgr_call_json(struct mcumgr *m, const char *method, const char *parameters, char **ret_reply,
	struct mcumgr_error **ret_error);

/* Calls with 'more': func gets the parameters of every reply (borrowed), the last one included. A non-zero return stops
 * the stream: Varlink's only way is to close the connection. func makes blocking calls on another
 * handle. Returns 0 at the end of the stream, what func returned, or an error as mcumgr_call(). */
typedef int (*mcumgr_stream_func)(struct mcumgr *m, json_object *reply, void *user);
int mcumgr_call_stream(struct mcumgr *m, const char *method, json_object *parameters, mcumgr_stream_func func,
	void *user, struct mcumgr_error **ret_error);

/* ---- calls in a loop of your own ---- */

enum mcumgr_send_flags {
	MCUMGR_MORE = 1,   /* ask for a stream of replies */
	MCUMGR_ONEWAY = 2, /* no reply is wanted; func is NULL */
};

/* One reply, or the end of a call without one. All borrowed, valid during the callback. */
struct mcumgr_reply {
	int result;                       /* 0; -EREMOTEIO: see error; -ETIMEDOUT, -EPROTO, -ECONNRESET, -ECANCELED */
	json_object *parameters;          /* with result 0: an object */
	const struct mcumgr_error *error; /* with -EREMOTEIO */
	bool continues;                   /* more replies to this call follow */
};

/* Non-zero from a reply that continues stops the stream by closing the connection (and is the last call of this func);
 * otherwise it means nothing. The callback may send, close, and connect anew (-ECANCELED: it is the handle's owner who closes,
 * connects or frees it), and must not free the handle. Blocking calls, and mcumgr_process(), in the callback of a stream
 * fail with -EDEADLK: they would wait for its end. Make them on another handle. */
typedef int (*mcumgr_reply_func)(struct mcumgr *m, const struct mcumgr_reply *reply, void *user);

/* Queues a call. timeout_ms: as mcumgr_set_timeout(), for this call; 0: for ever. func is called at least once, with
 * the last reply or a failure. */
int mcumgr_send(struct mcumgr *m, const char *method, json_object *parameters, unsigned int flags,
	unsigned int timeout_ms, mcumgr_reply_func func, void *user);

int mcumgr_fd(const struct mcumgr *m);       /* -1 when not connected; changes with every connect */
short mcumgr_events(const struct mcumgr *m); /* POLLIN, POLLOUT; ask before every poll */
int mcumgr_wait_ms(const struct mcumgr *m);  /* until the next deadline; -1: there is none */

/* Reads, writes, calls back, and looks at deadlines; never waits. Errors: the connection is closed now, and every
 * pending call was called back with that error; but for -EDEADLK, see above. */
int mcumgr_process(struct mcumgr *m);

#ifdef __cplusplus
}
#endif
