/* SPDX-License-Identifier: MIT */
#pragma once

/* The inside of libmcumgr: what a connection holds.
 *
 * Calls wait in a list in the order they were sent; replies always belong to the first. Whatever goes wrong on the
 * connection ends in client_fail(), which closes it and calls every waiting call back with the error: a call never
 * ends in silence. Callbacks may send and close; a generation number tells the code that called them. */

#include <stdint.h>

#include "libclient/mcumgr.h"
#include "proto/macro.h"
#include "proto/varlink.h"

/* Largest reply taken; the daemon's own limit is 16 MiB unless configured. */
#define CLIENT_MESSAGE_MAX (64u << 20)
#define CLIENT_CONNECT_MS 5000

struct client_call {
	struct client_call *next;
	mcumgr_reply_func func;
	void *user;
	bool more;
	unsigned int timeout_ms;
	uint64_t deadline; /* CLOCK_MONOTONIC in ms; UINT64_MAX: none */
};

struct mcumgr {
	int fd;
	char *path;
	char message[512];
	unsigned int timeout_ms;
	unsigned int generation; /* counts connections */
	unsigned int streaming;	 /* the generation whose stream's callback runs; 0: none does */
	bool closing;		 /* on purpose: no callback opens it again */
	struct varlink_stream *stream;
	char *output; /* not yet sent: output_size bytes from output_start */
	size_t output_start, output_size;
	struct client_call *calls, **calls_end;
};

uint64_t client_now(void);

/* Keeps a sentence for mcumgr_message() and returns error. */
int client_say(struct mcumgr *m, int error, const char *format, ...) _printf_(3, 4);

/* Closes and calls everybody back with error. Returns error. */
int client_fail(struct mcumgr *m, int error);

/* The next reply, or the failure, for the first call. Returns what the callback did. */
int client_reply(struct mcumgr *m, const struct mcumgr_reply *reply);

/* Where NULL connects to; malloc'd. */
char *client_default_path(void);

/* From a decoded error reply; NULL: out of memory. */
struct mcumgr_error *client_error_new(const struct varlink_reply *reply);

/* The string in a member of an object; NULL when it is absent, null or no string. */
const char *client_string(json_object *object, const char *key);
int64_t client_int(json_object *object, const char *key, int64_t otherwise);

/* mcumgr_call_stream() that waits for ever. */
int client_call_patient(struct mcumgr *m, const char *method, json_object *parameters, mcumgr_stream_func func,
	void *user, struct mcumgr_error **ret_error);
