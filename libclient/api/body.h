/* SPDX-License-Identifier: MIT */
#pragma once

/* The bodies of the generated functions. */

#include <errno.h>
#include <string.h>

#include "libclient/typed.h"

/* NAME(struct mcumgr *m, const struct ..._args *args, struct ..._reply **ret_reply, struct mcumgr_error **ret_error) */
#define CALL_BODY(name)                                                                                                \
	void *reply = NULL;                                                                                            \
	int r = typed_call(m, &method_##name, args, ret_reply ? &reply : NULL, ret_error);                             \
                                                                                                                       \
	if (r == 0 && ret_reply)                                                                                       \
		*ret_reply = reply;                                                                                    \
	return r;

/* A function is called by its own type, and by no other. */
#define STREAM_CALLBACK(name)                                                                                          \
	struct name##_stream {                                                                                         \
		mcumgr_##name##_func func;                                                                             \
		void *user;                                                                                            \
	};                                                                                                             \
                                                                                                                       \
	static int on_##name(struct mcumgr *m, const void *reply, void *user)                                          \
	{                                                                                                              \
		struct name##_stream *stream = user;                                                                   \
                                                                                                                       \
		return stream->func(m, reply, stream->user);                                                           \
	}

#define STREAM_BODY(name)                                                                                              \
	struct name##_stream stream = { func, user };                                                                  \
                                                                                                                       \
	return typed_stream(m, &method_##name, args, func ? on_##name : NULL, &stream, ret_error);

#define ERROR_FUNCTIONS                                                                                                \
	enum mcumgr_error_code mcumgr_error_code(const struct mcumgr_error *error)                                     \
	{                                                                                                              \
		size_t i;                                                                                              \
                                                                                                                       \
		for (i = 0; i < sizeof(error_names) / sizeof(error_names[0]); i++)                                     \
			if (mcumgr_error_is(error, error_names[i]))                                                    \
				return (enum mcumgr_error_code)(i + 1);                                                \
		return MCUMGR_ERROR_OTHER;                                                                             \
	}                                                                                                              \
                                                                                                                       \
	int mcumgr_error_info(const struct mcumgr_error *error, struct mcumgr_error_info **ret)                        \
	{                                                                                                              \
		static const struct typed_struct type = { sizeof(struct mcumgr_error_info), fields_mcumgr_error_info }; \
		char place[200];                                                                                       \
		void *info;                                                                                            \
		int r;                                                                                                 \
                                                                                                                       \
		if (!error)                                                                                            \
			return -EINVAL;                                                                                \
		r = typed_decode(&type, error->parameters, &info, place, sizeof(place));                               \
		if (r < 0)                                                                                             \
			return r;                                                                                      \
		*ret = info;                                                                                           \
		(*ret)->code = mcumgr_error_code(error);                                                               \
		return 0;                                                                                              \
	}                                                                                                              \
                                                                                                                       \
	void mcumgr_error_info_free(struct mcumgr_error_info *info)                                                    \
	{                                                                                                              \
		typed_free(info);                                                                                      \
	}
