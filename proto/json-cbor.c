/* SPDX-License-Identifier: MIT */
/* Any JSON -> CBOR (method Request). */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "proto/base64.h"
#include "proto/commands-private.h"
#include "proto/json.h"

struct encoding {
	struct writer *w;
	char *text;
	size_t text_size;
};

static int convert(struct encoding *e, json_object *v, const struct place *at, unsigned int depth);

static int convert_bytes(struct encoding *e, json_object *v, const struct place *at)
{
	_cleanup_free_ uint8_t *data = NULL;
	size_t size, where;
	int r;

	r = base64_decode(json_object_get_string(v), (size_t)json_object_get_string_len(v), &data, &size, &where);
	if (r == -EBADMSG)
		return smp_place_fail(at, -EINVAL, e->text, e->text_size, "is no padded base64: trouble at character %zu", where);
	if (r < 0)
		return smp_place_fail(at, r, e->text, e->text_size, "does not fit into memory");
	writer_bytes(e->w, data, size);
	return 0;
}

static int convert_integer(struct encoding *e, json_object *v, const struct place *at)
{
	const char *text = json_object_get_string(v);
	uint64_t n;

	if ((size_t)json_object_get_string_len(v) == strlen(text)) {
		if (text[0] != '-' && smp_decimal_to_uint(text, &n)) {
			writer_uint(e->w, n);
			return 0;
		}
		if (text[0] == '-' && smp_decimal_to_uint(text + 1, &n) && n > 0) {
			writer_negint(e->w, n - 1);
			return 0;
		}
		if (strcmp(text, "-18446744073709551616") == 0) {
			writer_negint(e->w, UINT64_MAX);
			return 0;
		}
	}
	return smp_place_fail(at, -EINVAL, e->text, e->text_size, "must be a decimal number from -2^64 to 2^64-1");
}

static int convert_float(struct encoding *e, json_object *v, const struct place *at)
{
	const char *text = json_object_get_string(v);

	if (strcmp(text, "nan") == 0)
		writer_float(e->w, (double)NAN);
	else if (strcmp(text, "inf") == 0)
		writer_float(e->w, (double)INFINITY);
	else if (strcmp(text, "-inf") == 0)
		writer_float(e->w, -(double)INFINITY);
	else
		return smp_place_fail(at, -EINVAL, e->text, e->text_size, "must be \"nan\", \"inf\" or \"-inf\"");
	return 0;
}

/* 1 when the object is one of the three forms, and then it is written. */
static int convert_form(struct encoding *e, json_object *object, const struct place *up)
{
	static const struct {
		const char *name;
		int (*convert)(struct encoding *e, json_object *v, const struct place *at);
	} forms[] = { { "$bytes", convert_bytes }, { "$integer", convert_integer }, { "$float", convert_float } };

	if (json_object_object_length(object) != 1)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		struct place at = { .up = up, .key = forms[i].name };
		json_object *v;
		int r;

		if (!json_object_object_get_ex(object, forms[i].name, &v))
			continue;
		if (!json_object_is_type(v, json_type_string))
			return smp_place_fail(&at, -EINVAL, e->text, e->text_size, "must be a string");
		r = forms[i].convert(e, v, &at);
		return r < 0 ? r : 1;
	}
	return 0;
}

static int convert_object(struct encoding *e, json_object *object, const struct place *up, unsigned int depth)
{
	int r = convert_form(e, object, up);

	if (r != 0)
		return r < 0 ? r : 0;
	if (depth == VALUE_DEPTH_MAX)
		return smp_place_fail(up, -EINVAL, e->text, e->text_size, "is deeper than %d levels", VALUE_DEPTH_MAX);
	writer_map(e->w, (size_t)json_object_object_length(object));
	json_object_object_foreach(object, key, value)
	{
		struct place at = { .up = up, .key = key };

		writer_text(e->w, key);
		r = convert(e, value, &at, depth + 1);
		if (r < 0)
			return r;
	}
	return 0;
}

static int convert_array(struct encoding *e, json_object *array, const struct place *up, unsigned int depth)
{
	size_t n = json_object_array_length(array);

	if (depth == VALUE_DEPTH_MAX)
		return smp_place_fail(up, -EINVAL, e->text, e->text_size, "is deeper than %d levels", VALUE_DEPTH_MAX);
	writer_array(e->w, n);
	for (size_t i = 0; i < n; i++) {
		struct place at = { .up = up, .index = i };
		int r = convert(e, json_object_array_get_idx(array, i), &at, depth + 1);

		if (r < 0)
			return r;
	}
	return 0;
}

static int convert(struct encoding *e, json_object *v, const struct place *at, unsigned int depth)
{
	switch (json_object_get_type(v)) {
	case json_type_null:
		writer_null(e->w);
		break;
	case json_type_boolean:
		writer_bool(e->w, json_object_get_boolean(v));
		break;
	case json_type_double:
		writer_float(e->w, json_object_get_double(v));
		break;
	case json_type_int:
		if (json_object_get_int64(v) < 0)
			writer_int(e->w, json_object_get_int64(v));
		else
			writer_uint(e->w, json_object_get_uint64(v));
		break;
	case json_type_string:
		writer_text_n(e->w, json_object_get_string(v), (size_t)json_object_get_string_len(v));
		break;
	case json_type_object:
		return convert_object(e, v, at, depth);
	case json_type_array:
		return convert_array(e, v, at, depth);
	}
	return 0;
}

int json_to_cbor(json_object *object, struct writer *w, char *text, size_t text_size)
{
	static const struct place top = { .key = "payload" };
	struct encoding e = { w, text, text_size };
	int r = convert(&e, object, &top, 0);

	if (r < 0)
		writer_release(w);
	return r;
}
