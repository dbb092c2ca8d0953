/* SPDX-License-Identifier: MIT */
/* Any CBOR -> JSON, losing nothing (method Request). */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "proto/base64.h"
#include "proto/commands-private.h"
#include "proto/json.h"

struct decoding {
	char *text;
	size_t text_size;
};

static int convert(struct decoding *d, const struct value *v, const struct place *at, json_object **ret);

static int out_of_memory(struct decoding *d)
{
	snprintf(d->text, d->text_size, "out of memory");
	return -ENOMEM;
}

/* {"$integer": "18446744073709551616"} and the like. */
static json_object *new_form(const char *form, const char *text)
{
	json_object *object = json_object_new_object(), *value = text ? json_object_new_string(text) : NULL;

	if (object && value && json_object_object_add(object, form, value) == 0)
		return object;
	json_object_put(object);
	json_object_put(value);
	return NULL;
}

static json_object *new_bytes(const struct value *v)
{
	_cleanup_free_ char *text = base64_encode(v->data, v->size, NULL);

	return new_form("$bytes", text);
}

static json_object *new_text(const struct value *v)
{
	return json_object_new_string_len(v->size ? (const char *)v->data : "", (int)v->size);
}

static json_object *new_uint(uint64_t v)
{
	char text[24];

	if (v <= INT64_MAX)
		return json_object_new_int64((int64_t)v);
	snprintf(text, sizeof(text), "%" PRIu64, v);
	return new_form("$integer", text);
}

/* -1 - v */
static json_object *new_negint(uint64_t v)
{
	char text[24];

	if (v <= INT64_MAX)
		return json_object_new_int64(-1 - (int64_t)v);
	if (v == UINT64_MAX)
		return new_form("$integer", "-18446744073709551616");
	snprintf(text, sizeof(text), "-%" PRIu64, v + 1);
	return new_form("$integer", text);
}

static json_object *new_float(double v)
{
	if (isnan(v))
		return new_form("$float", "nan");
	if (isinf(v))
		return new_form("$float", v < 0 ? "-inf" : "inf");
	return json_new_double(v);
}

static int convert_array(struct decoding *d, const struct value *v, const struct place *up, json_object **ret)
{
	_cleanup_json_ json_object *array = json_object_new_array();

	if (!array)
		return out_of_memory(d);
	for (size_t i = 0; i < v->size; i++) {
		struct place at = { .up = up, .index = i };
		json_object *item;
		int e = convert(d, &v->items[i], &at, &item);

		if (e < 0)
			return e;
		if (json_object_array_add(array, item) < 0) {
			json_object_put(item);
			return out_of_memory(d);
		}
	}
	*ret = TAKE_PTR(array);
	return 0;
}

/* A key that JSON can have and the object has not. */
static int check_key(struct decoding *d, const struct value *key, const struct place *at, json_object *object, char **ret)
{
	_cleanup_free_ char *text = NULL;

	if (key->kind != VALUE_TEXT)
		return smp_place_fail(at, -EBADMSG, d->text, d->text_size, "has a key that is %s, which JSON cannot say",
				smp_kind_name(key->kind));
	if (memchr(key->data ? (const char *)key->data : "", 0, key->size) ||
			!json_utf8_valid((const char *)key->data, key->size))
		return smp_place_fail(at, -EBADMSG, d->text, d->text_size, "has a key that holds a NUL or invalid UTF-8");
	text = strndup(key->size ? (const char *)key->data : "", key->size);
	if (!text)
		return out_of_memory(d);
	if (json_object_object_get_ex(object, text, NULL))
		return smp_place_fail(at, -EBADMSG, d->text, d->text_size, "has the key '%.40s' twice", text);
	*ret = TAKE_PTR(text);
	return 0;
}

static int convert_entry(struct decoding *d, const struct value *pair, const struct place *up, json_object *object)
{
	_cleanup_free_ char *key = NULL;
	struct place at = { .up = up };
	json_object *value;
	int e;

	e = check_key(d, &pair[0], up, object, &key);
	if (e < 0)
		return e;
	at.key = key;
	e = convert(d, &pair[1], &at, &value);
	if (e < 0)
		return e;
	if (json_object_object_add(object, key, value) < 0) {
		json_object_put(value);
		return out_of_memory(d);
	}
	return 0;
}

static bool looks_like_form(json_object *object)
{
	return json_object_object_length(object) == 1 &&
		(json_object_object_get_ex(object, "$bytes", NULL) || json_object_object_get_ex(object, "$integer", NULL) ||
				json_object_object_get_ex(object, "$float", NULL));
}

static int convert_map(struct decoding *d, const struct value *v, const struct place *at, json_object **ret)
{
	_cleanup_json_ json_object *object = json_object_new_object();

	if (!object)
		return out_of_memory(d);
	for (size_t i = 0; i + 1 < v->size; i += 2) {
		int e = convert_entry(d, &v->items[i], at, object);

		if (e < 0)
			return e;
	}
	if (looks_like_form(object))
		return smp_place_fail(at, -EBADMSG, d->text, d->text_size,
				"is a map with one key $bytes, $integer or $float, which JSON cannot tell from those forms");
	*ret = TAKE_PTR(object);
	return 0;
}

static int convert(struct decoding *d, const struct value *v, const struct place *at, json_object **ret)
{
	switch (v->kind) {
	case VALUE_NULL:
		*ret = NULL;
		return 0;
	case VALUE_ARRAY:
		return convert_array(d, v, at, ret);
	case VALUE_MAP:
		return convert_map(d, v, at, ret);
	case VALUE_UINT:
		*ret = new_uint(v->uint);
		break;
	case VALUE_NEGINT:
		*ret = new_negint(v->uint);
		break;
	case VALUE_BYTES:
		*ret = new_bytes(v);
		break;
	case VALUE_TEXT:
		if (!json_utf8_valid((const char *)v->data, v->size))
			return smp_place_fail(at, -EBADMSG, d->text, d->text_size,
					"is a text with invalid UTF-8, which JSON cannot say");
		*ret = new_text(v);
		break;
	case VALUE_BOOL:
		*ret = json_object_new_boolean(v->boolean);
		break;
	case VALUE_FLOAT:
		*ret = new_float(v->number);
		break;
	default:
		return smp_place_fail(at, -EBADMSG, d->text, d->text_size, "is %s, which JSON cannot say",
				smp_kind_name(v->kind));
	}
	return *ret ? 0 : out_of_memory(d);
}

int cbor_to_json(const struct value *v, json_object **ret, char *text, size_t text_size)
{
	static const struct place top = { .key = "payload" };
	struct decoding d = { text, text_size };

	return convert(&d, v, &top, ret);
}
