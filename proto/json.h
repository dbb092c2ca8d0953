/* SPDX-License-Identifier: MIT */
#pragma once

/* Strict JSON in json-c's objects. json-c's own parser and printer are not strict enough, even when told to be: 2^64
 * saturates, NaN, lone surrogates and duplicate keys pass, a NUL cuts a key, invalid UTF-8 goes in and out. So the text is
 * read and written here, in one pass each: what is checked and what is built cannot differ. */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/macro.h"

#define JSON_DEPTH_MAX 24
/* Values in one text: "[]," is three bytes, but 350 in memory. */
#define JSON_VALUES_MAX 65536

/* Reads exactly one value. Refused: what is no JSON (RFC 8259), invalid UTF-8, duplicate keys, NUL in keys, lone surrogates,
 * integers beyond 64 bits (below -2^63, above 2^64-1), numbers beyond a double, more than the limits above.
 * 0; -EBADMSG with a sentence in *ret_text (static or in a thread-local buffer) saying what and at which byte; -ENOMEM. */
int json_parse(const char *text, size_t size, json_object **ret, const char **ret_text);

/* Serializes on one line. malloc'd, NUL-terminated; ret_size (without the NUL) may be NULL. Always valid JSON: bytes that are
 * no UTF-8 are written as U+FFFD, NaN and infinities as null. NULL: out of memory, or deeper than JSON_DEPTH_MAX. */
char *json_print(json_object *object, size_t *ret_size);

/* A number that prints as shortly as it can without losing a bit, always with a point or an exponent. NULL: out of memory. */
json_object *json_new_double(double number);

/* strtod in the C locale, whatever the program's is. */
double json_to_double(const char *text);

/* Length of the UTF-8 sequence at p (1 to 4), or 0: no valid one. */
size_t json_utf8_length(const char *p, size_t size);
bool json_utf8_valid(const char *p, size_t size);

static inline void json_putp(json_object **o)
{
	json_object_put(*o);
}
#define _cleanup_json_ _cleanup_(json_putp)
