/* SPDX-License-Identifier: MIT */
#pragma once

/* Strict JSON over json-c, which alone is not strict enough (architecture page, traps): text is checked first for valid
 * UTF-8, depth, duplicate keys, NUL in keys, lone surrogates, NaN and integers beyond 64 bits. */

#include <json-c/json.h>
#include <stddef.h>

#define JSON_DEPTH_MAX 24

/* 0; -EBADMSG with a sentence in *ret_text (static or in a thread-local buffer) saying what and at which byte; -ENOMEM. */
int json_parse(const char *text, size_t size, json_object **ret, const char **ret_text);

/* Serializes on one line. malloc'd, NUL-terminated. */
char *json_print(json_object *object, size_t *ret_size);

static inline void json_putp(json_object **o)
{
	json_object_put(*o);
}
#define _cleanup_json_ _cleanup_(json_putp)
