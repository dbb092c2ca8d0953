/* SPDX-License-Identifier: MIT */
#include "proto/json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct out {
	char *data;
	size_t size, capacity;
	unsigned int depth;
	bool failed;
};

static void put(struct out *o, const char *data, size_t size)
{
	if (o->failed)
		return;
	if (o->capacity - o->size < size) {
		size_t capacity = (o->size + size) * 2;
		char *p = realloc(o->data, capacity);

		if (!p) {
			o->failed = true;
			return;
		}
		o->data = p;
		o->capacity = capacity;
	}
	memcpy(o->data + o->size, data, size);
	o->size += size;
}

static void put_text(struct out *o, const char *text)
{
	put(o, text, strlen(text));
}

/* Bytes from p that need no escape: whole UTF-8 sequences. */
static size_t plain_length(const char *p, size_t size)
{
	size_t length = 0;

	while (length < size && (unsigned char)p[length] >= ' ' && p[length] != '"' && p[length] != '\\') {
		size_t n = json_utf8_length(p + length, size - length);

		if (n == 0)
			break;
		length += n;
	}
	return length;
}

static void put_escaped(struct out *o, unsigned char c)
{
	static const char from[] = "\"\\\b\f\n\r\t", into[] = "\"\\bfnrt";
	const char *at = c ? strchr(from, c) : NULL;
	char text[8];

	if (at)
		snprintf(text, sizeof(text), "\\%c", into[at - from]);
	else if (c < ' ')
		snprintf(text, sizeof(text), "\\u%04x", c);
	else
		snprintf(text, sizeof(text), "\xef\xbf\xbd"); /* U+FFFD for what is no UTF-8 */
	put_text(o, text);
}

static void put_string(struct out *o, const char *p, size_t size)
{
	put(o, "\"", 1);
	while (size > 0) {
		size_t n = plain_length(p, size);

		put(o, p, n);
		p += n;
		size -= n;
		if (size > 0) {
			put_escaped(o, (unsigned char)*p++);
			size--;
		}
	}
	put(o, "\"", 1);
}

static void put_integer(struct out *o, json_object *v)
{
	int64_t i = json_object_get_int64(v); /* saturates for unsigned ones */
	char text[24];

	if (i < 0)
		snprintf(text, sizeof(text), "%" PRId64, i);
	else
		snprintf(text, sizeof(text), "%" PRIu64, json_object_get_uint64(v));
	put_text(o, text);
}

static void put_value(struct out *o, json_object *v);

static void put_array(struct out *o, json_object *v)
{
	size_t n = json_object_array_length(v);

	put(o, "[", 1);
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			put(o, ",", 1);
		put_value(o, json_object_array_get_idx(v, i));
	}
	put(o, "]", 1);
}

static void put_object(struct out *o, json_object *v)
{
	const char *between = "";

	put(o, "{", 1);
	json_object_object_foreach(v, key, value)
	{
		put_text(o, between);
		put_string(o, key, strlen(key));
		put(o, ":", 1);
		put_value(o, value);
		between = ",";
	}
	put(o, "}", 1);
}

static void put_nested(struct out *o, json_object *v)
{
	if (o->depth == JSON_DEPTH_MAX) {
		o->failed = true;
		return;
	}
	o->depth++;
	if (json_object_is_type(v, json_type_object))
		put_object(o, v);
	else
		put_array(o, v);
	o->depth--;
}

static void put_value(struct out *o, json_object *v)
{
	switch (json_object_get_type(v)) {
	case json_type_null:
		put_text(o, "null");
		break;
	case json_type_boolean:
		put_text(o, json_object_get_boolean(v) ? "true" : "false");
		break;
	case json_type_int:
		put_integer(o, v);
		break;
	case json_type_double:
		put_text(o, isfinite(json_object_get_double(v)) ? json_object_to_json_string_ext(v, 0) : "null");
		break;
	case json_type_string:
		put_string(o, json_object_get_string(v), (size_t)json_object_get_string_len(v));
		break;
	case json_type_object:
	case json_type_array:
		put_nested(o, v);
		break;
	}
}

char *json_print(json_object *object, size_t *ret_size)
{
	struct out o = { 0 };

	put_value(&o, object);
	put(&o, "", 1);
	if (o.failed) {
		free(o.data);
		return NULL;
	}
	if (ret_size)
		*ret_size = o.size - 1;
	return o.data;
}
