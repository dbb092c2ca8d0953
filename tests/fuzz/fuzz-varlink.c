/* SPDX-License-Identifier: MIT */
/* Bytes of a client: cut into messages, read as calls and replies. What was read must be readable again once written. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json.h"
#include "proto/varlink.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void try_call(const char *text, size_t size)
{
	struct varlink_call call = { 0 }, again = { 0 };
	_cleanup_free_ char *written = NULL;
	size_t length;

	if (varlink_call_decode(text, size, &call, NULL) < 0)
		return;
	varlink_interface_length(call.method);
	check(varlink_call_encode(call.method, call.parameters, call.more, call.oneway, &written, &length) == 0);
	check(varlink_call_decode(written, length - 1, &again, NULL) == 0);
	check(strcmp(call.method, again.method) == 0 && call.more == again.more && call.oneway == again.oneway);
	check(json_object_equal(call.parameters, again.parameters));
	varlink_call_release(&again);
	varlink_call_release(&call);
}

static void try_reply(const char *text, size_t size)
{
	struct varlink_reply reply = { 0 }, again = { 0 };
	_cleanup_free_ char *written = NULL;
	size_t length;

	if (varlink_reply_decode(text, size, &reply, NULL) < 0)
		return;
	check(varlink_reply_encode(reply.error, reply.parameters, reply.continues, &written, &length) == 0);
	check(varlink_reply_decode(written, length - 1, &again, NULL) == 0);
	check(json_object_equal(reply.parameters, again.parameters));
	varlink_reply_release(&again);
	varlink_reply_release(&reply);
}

/* The first byte says in pieces of which size the rest arrives, and whether long messages are skipped. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(varlink_stream_freep) struct varlink_stream *s = NULL;
	size_t piece = size ? data[0] % 61U + 1 : 1, length;
	const char *text;
	int next;

	check(varlink_stream_new(size && data[0] & 1 ? 64 : 4096, &s) == 0);
	if (size && data[0] & 1)
		varlink_stream_skip(s);
	for (size_t at = 1; at < size; at += piece) {
		size_t n = size - at < piece ? size - at : piece;

		if (varlink_stream_feed(s, data + at, n) < 0)
			break;
		while ((next = varlink_stream_next(s, &text, &length)) != 0) {
			if (next < 0)
				continue;
			check(text[length] == 0 && length <= 4096);
			try_call(text, length);
			try_reply(text, length);
		}
	}
	return 0;
}
