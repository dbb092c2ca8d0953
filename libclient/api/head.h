/* SPDX-License-Identifier: MIT */
#pragma once

/* Every method of the daemon's API as a C function. Generated from io.mcumgr.varlink, whose text is in the comments here.
 *
 *	struct mcumgr_file_hash_reply *sum;
 *	struct mcumgr_error *error = NULL;
 *
 *	r = mcumgr_file_hash(m, MCUMGR_ARGS(file_hash, .device = "amber", .path = "/lfs/a", .offset = MCUMGR_INT(512)), &sum, &error);
 *	if (r == 0) {
 *		printf("%s of %lld bytes: %s\n", sum->type, (long long)sum->length, sum->hash ? sum->hash : "a number");
 *		mcumgr_file_hash_reply_free(sum);
 *	}
 *
 * All functions have this one shape. They block as mcumgr_call() does, and have its errors; besides:
 * -EINVAL  an argument is missing; mcumgr_message() names it. Nothing was sent.
 * -E2BIG   the program was built with a newer library and uses what this one does not have. Nothing was sent.
 * -EPROTO  the reply is not what the API says; the connection stays open, unless that was in the middle of a stream.
 *
 * Arguments are members of struct mcumgr_NAME_args. What is zero is left out; NULL instead of the struct leaves out
 * everything. `size` is that of the struct (MCUMGR_ARGS sees to it). device, timeout_ms and lease come first where a method has
 * them.
 *
 * Replies are for mcumgr_NAME_reply_free(), which takes NULL; ret_reply may be NULL. Everything in a reply lives as long as it.
 * Every struct begins with `object`, the JSON that it was made of, in which also is what a newer daemon has to say. In them
 *
 *	string           const char *; NULL: null or absent
 *	?int, ?bool      struct mcumgr_int, struct mcumgr_bool: .set and .value
 *	int              int64_t; what is beyond 2^63-1 (counters of boards) is kept modulo 2^64: cast it to uint64_t
 *	base64           struct mcumgr_bytes, decoded: .data (NULL: absent) and .size
 *	enumerations     an enum whose 0 is OTHER, and a function ..._name() that says its word
 *	[]T              n_NAME and NAME[0] ...; NAME is NULL where the whole is null or absent. Structs are pointers
 *	[string]T        the same, with NAME_names[0] ... beside it
 *	type of the API  a pointer to its struct; NULL: null or absent
 *	object           json_object *, borrowed
 *
 * Methods that answer with a stream have a function mcumgr_NAME_stream() with a callback for each reply, the last one included:
 * it borrows the reply, and returning non-zero stops the stream by closing the connection, and is what the function returns.
 * func may be NULL. mcumgr_set_timeout() holds between two replies, but not where there is only the stream.
 *
 * Errors of the daemon are in ret_error as ever; mcumgr_error_code() makes a number of the name for a switch, and
 * mcumgr_error_info() a struct of what it says.
 *
 * Members keep their names, and are added at the ends of structs. */

#include <mcumgr.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mcumgr_int {
	bool set;
	int64_t value;
};
struct mcumgr_bool {
	bool set, value;
};
struct mcumgr_bytes {
	const void *data;
	size_t size;
};

#define MCUMGR_INT(v)                                                                                                  \
	{                                                                                                              \
		true, (v)                                                                                              \
	}
#define MCUMGR_BOOL(v)                                                                                                 \
	{                                                                                                              \
		true, (v)                                                                                              \
	}

/* A pointer to the arguments of mcumgr_NAME(): MCUMGR_ARGS(echo, .text = "hi"). C only. */
#define MCUMGR_ARGS(name, ...) (&(const struct mcumgr_##name##_args){ .size = sizeof(struct mcumgr_##name##_args), __VA_ARGS__ })
