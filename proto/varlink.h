/* SPDX-License-Identifier: MIT */
#pragma once

/* Varlink: NUL-terminated JSON messages, call and reply envelopes (varlink.org). Sans-I/O, json-c. */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#include "proto/macro.h"

/* Cuts a byte stream into messages. */
struct varlink_stream;
int varlink_stream_new(size_t message_max, struct varlink_stream **ret);
void varlink_stream_free(struct varlink_stream *s);
DEFINE_FREEP(struct varlink_stream, varlink_stream_free)
/* From now on a message over the limit is read to its NUL and thrown away, and varlink_stream_next tells of it at its place. */
void varlink_stream_skip(struct varlink_stream *s);
/* 0, -E2BIG (a message over the limit; when they are skipped: a second one before the first was told), -ENOMEM. */
int varlink_stream_feed(struct varlink_stream *s, const void *data, size_t size);
/* 1 and the next whole message without its NUL (borrowed until the next call on s), 0, or -E2BIG: here was one over the
 * limit. */
int varlink_stream_next(struct varlink_stream *s, const char **ret, size_t *ret_size);
size_t varlink_stream_buffered(const struct varlink_stream *s);

struct varlink_call {
	char *method;		 /* "io.mcumgr.List" */
	json_object *parameters; /* an object, never NULL */
	bool oneway, more, upgrade;
};
/* 0, or -EBADMSG with a sentence: the envelope is no call; the connection must be closed. */
int varlink_call_decode(const char *text, size_t size, struct varlink_call *ret, const char **ret_text);
void varlink_call_release(struct varlink_call *call);

struct varlink_reply {
	char *error;		 /* NULL on success */
	json_object *parameters; /* an object, never NULL */
	bool continues;
};
int varlink_reply_decode(const char *text, size_t size, struct varlink_reply *ret, const char **ret_text);
void varlink_reply_release(struct varlink_reply *reply);

/* Messages with their NUL (counted in ret_size), malloc'd. parameters are borrowed; NULL: empty. */
int varlink_call_encode(const char *method, json_object *parameters, bool more, bool oneway, char **ret, size_t *ret_size);
int varlink_reply_encode(const char *error, json_object *parameters, bool continues, char **ret, size_t *ret_size);

/* Splits "io.mcumgr.List" at the last dot: length of the interface name, or 0 when malformed. */
size_t varlink_interface_length(const char *method);
