/* SPDX-License-Identifier: MIT */
/* Replies: CBOR -> JSON by the row. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/base64.h"
#include "proto/commands-private.h"
#include "proto/hex.h"
#include "proto/json.h"

struct decoding {
	char *text;
	size_t text_size;
};

static int out_of_memory(struct decoding *d)
{
	snprintf(d->text, d->text_size, "out of memory");
	return -ENOMEM;
}

/* Takes value over. */
static int add(struct decoding *d, json_object *object, const char *name, json_object *value)
{
	if (value && json_object_object_add(object, name, value) == 0)
		return 0;
	json_object_put(value);
	return out_of_memory(d);
}

static int append(struct decoding *d, json_object *array, json_object *value)
{
	if (value && json_object_array_add(array, value) == 0)
		return 0;
	json_object_put(value);
	return out_of_memory(d);
}

static bool fits(const struct smp_field *f, const struct value *v)
{
	uint64_t u;
	int64_t i;
	bool b;

	switch (f->type) {
	case FIELD_UINT:
		return value_to_uint(v, &u);
	case FIELD_INT:
		return value_to_int(v, &i);
	case FIELD_BOOL:
		return value_to_bool(v, &b);
	case FIELD_TEXT:
	case FIELD_TIME:
		return v->kind == VALUE_TEXT;
	case FIELD_HEX:
	case FIELD_BASE64:
		return v->kind == VALUE_BYTES;
	case FIELD_TEXTS:
	case FIELD_UINTS:
	case FIELD_LIST:
		return v->kind == VALUE_ARRAY;
	case FIELD_NAMED_LIST:
	case FIELD_NAMED_INTS:
	case FIELD_MAP:
		return v->kind == VALUE_MAP;
	default:
		return false;
	}
}

static const char *wanted(const struct smp_field *f)
{
	static const char *const names[] = {
		[FIELD_INT] = "an integer",
		[FIELD_UINT] = "an unsigned integer",
		[FIELD_BOOL] = "a boolean",
		[FIELD_TEXT] = "a text",
		[FIELD_HEX] = "a byte string",
		[FIELD_BASE64] = "a byte string",
		[FIELD_TEXTS] = "an array",
		[FIELD_UINTS] = "an array",
		[FIELD_LIST] = "an array",
		[FIELD_NAMED_LIST] = "a map",
		[FIELD_NAMED_INTS] = "a map",
		[FIELD_MAP] = "a map",
		[FIELD_TIME] = "a text",
		[FIELD_TRUE] = "true",
		[FIELD_FALSE] = "false",
	};

	return names[f->type];
}

static int decode_value(struct decoding *d, const struct smp_field *f, const struct value *v, const struct place *at,
		json_object **ret);

static json_object *new_text(const struct value *v)
{
	_cleanup_free_ char *text = value_to_text(v);

	return text ? json_object_new_string(text) : NULL;
}

static json_object *new_hex(const struct value *v)
{
	_cleanup_free_ char *text = malloc(v->size * 2 + 1);

	if (!text)
		return NULL;
	hex_text(v->data, v->size, text);
	return json_object_new_string(text);
}

static json_object *new_base64(const struct value *v)
{
	_cleanup_free_ char *text = base64_encode(v->data, v->size, NULL);

	return text ? json_object_new_string(text) : NULL;
}

static int decode_scalar(struct decoding *d, const struct smp_field *f, const struct value *v, const struct place *at,
		json_object **ret)
{
	uint64_t u = 0;
	int64_t i = 0;
	bool b = false;

	if (f->type == FIELD_UINT && value_to_uint(v, &u) && __builtin_mul_overflow(u, f->scale ? f->scale : 1U, &u))
		return smp_place_fail(at, -EBADMSG, d->text, d->text_size, "is beyond 64 bits");
	if (f->type == FIELD_UINT)
		*ret = smp_new_uint(u);
	else if (f->type == FIELD_INT)
		*ret = value_to_int(v, &i) ? json_object_new_int64(i) : NULL;
	else if (f->type == FIELD_BOOL)
		*ret = value_to_bool(v, &b) ? json_object_new_boolean(b) : NULL;
	else if (f->type == FIELD_HEX)
		*ret = new_hex(v);
	else if (f->type == FIELD_BASE64)
		*ret = new_base64(v);
	else
		*ret = new_text(v);
	return *ret ? 0 : out_of_memory(d);
}

static bool shares_key(const struct smp_field *a, const struct smp_field *b)
{
	return a != b && a->cbor && b->cbor && strcmp(a->cbor, b->cbor) == 0;
}

/* Whether another field with the same key takes the value. */
static bool taken_elsewhere(const struct smp_field *fields, const struct smp_field *f, const struct value *v)
{
	for (const struct smp_field *g = fields; g->json; g++)
		if (shares_key(f, g) && (!v || fits(g, v)))
			return true;
	return false;
}

static int decode_absent(struct decoding *d, const struct smp_field *f, json_object *object)
{
	if (f->default_false)
		return add(d, object, f->json, json_object_new_boolean(false));
	if (f->default_zero)
		return add(d, object, f->json, json_object_new_int64(0));
	return 0;
}

static int decode_member(struct decoding *d, const struct smp_field *fields, const struct smp_field *f,
		const struct value *map, const struct place *up, json_object *object)
{
	struct place at = { .up = up, .key = f->cbor };
	const struct value *v = value_get(map, f->cbor);
	json_object *member;
	int e;

	if (!v || v->kind == VALUE_NULL || v->kind == VALUE_UNDEFINED)
		return decode_absent(d, f, object);
	if (!fits(f, v) && taken_elsewhere(fields, f, v))
		return 0;
	e = decode_value(d, f, v, &at, &member);
	return e < 0 ? e : add(d, object, f->json, member);
}

static int decode_members(struct decoding *d, const struct smp_field *fields, const struct value *map,
		const struct place *at, json_object *object)
{
	for (const struct smp_field *f = fields; f && f->json; f++) {
		int e = f->cbor ? decode_member(d, fields, f, map, at, object) : 0;

		if (e < 0)
			return e;
	}
	return 0;
}

static int check_complete(struct decoding *d, const struct smp_field *fields, const struct place *up, json_object *object)
{
	for (const struct smp_field *f = fields; f && f->json; f++) {
		struct place at = { .up = up, .key = f->cbor };
		bool there = json_object_object_get_ex(object, f->json, NULL);

		for (const struct smp_field *g = fields; g->json && !there; g++)
			there = shares_key(f, g) && json_object_object_get_ex(object, g->json, NULL);
		if (!there && (!f->optional || taken_elsewhere(fields, f, NULL)))
			return smp_place_fail(&at, -EBADMSG, d->text, d->text_size, "is missing in the reply");
	}
	return 0;
}

/* name: of the entry that a map of maps puts into fields[0]; else NULL. */
static int decode_object(struct decoding *d, const struct smp_field *fields, const struct value *map, const char *name,
		const struct place *at, json_object **ret)
{
	_cleanup_json_ json_object *object = json_object_new_object();
	int e;

	if (!object)
		return out_of_memory(d);
	if (map->kind != VALUE_MAP)
		return smp_place_fail(at, -EBADMSG, d->text, d->text_size, "must be a map, not %s", smp_kind_name(map->kind));
	if (name && (e = add(d, object, fields[0].json, json_object_new_string(name))) < 0)
		return e;
	if ((e = decode_members(d, fields, map, at, object)) < 0 || (e = check_complete(d, fields, at, object)) < 0)
		return e;
	*ret = TAKE_PTR(object);
	return 0;
}

static int decode_item(struct decoding *d, const struct smp_field *f, const struct value *v, const struct place *at,
		json_object **ret)
{
	const struct smp_field item = { .json = f->json,
		.type = f->type == FIELD_TEXTS ? FIELD_TEXT : FIELD_UINT,
		.scale = f->scale };

	if (f->type == FIELD_LIST)
		return decode_object(d, f->fields, v, NULL, at, ret);
	return decode_value(d, &item, v, at, ret);
}

static int decode_array(struct decoding *d, const struct smp_field *f, const struct value *v, const struct place *up,
		json_object **ret)
{
	_cleanup_json_ json_object *array = json_object_new_array();

	if (!array)
		return out_of_memory(d);
	for (size_t i = 0; i < v->size; i++) {
		struct place at = { .up = up, .index = i };
		json_object *item;
		int e = decode_item(d, f, &v->items[i], &at, &item);

		if (e == 0)
			e = append(d, array, item);
		if (e < 0)
			return e;
	}
	*ret = TAKE_PTR(array);
	return 0;
}

/* The name of a map's entry: text; numbers are named by their digits. */
static int entry_name(struct decoding *d, const struct value *key, const struct place *at, char **ret)
{
	char digits[24];

	if (key->kind == VALUE_UINT) {
		snprintf(digits, sizeof(digits), "%llu", (unsigned long long)key->uint);
		*ret = strdup(digits);
	} else if (key->kind == VALUE_TEXT) {
		*ret = value_to_text(key);
	} else {
		return smp_place_fail(at, -EBADMSG, d->text, d->text_size, "has a key that is %s, not a text",
				smp_kind_name(key->kind));
	}
	return *ret ? 0 : out_of_memory(d);
}

static int decode_number_entry(struct decoding *d, const struct smp_field *fields, const char *name,
		const struct value *v, const struct place *at, json_object **ret)
{
	_cleanup_json_ json_object *object = json_object_new_object();
	json_object *number;
	int e;

	if (!object)
		return out_of_memory(d);
	e = add(d, object, fields[0].json, json_object_new_string(name));
	if (e == 0)
		e = decode_value(d, &fields[1], v, at, &number);
	if (e == 0)
		e = add(d, object, fields[1].json, number);
	if (e < 0)
		return e;
	*ret = TAKE_PTR(object);
	return 0;
}

static int decode_entry(struct decoding *d, const struct smp_field *f, const struct value *pair, const struct place *up,
		json_object *into)
{
	_cleanup_free_ char *name = NULL;
	struct place at = { .up = up };
	json_object *entry;
	int e;

	e = entry_name(d, &pair[0], up, &name);
	if (e < 0)
		return e;
	at.key = name;
	if (f->type == FIELD_NAMED_INTS)
		e = decode_number_entry(d, f->fields, name, &pair[1], &at, &entry);
	else
		e = decode_object(d, f->fields, &pair[1], f->type == FIELD_NAMED_LIST ? name : NULL, &at, &entry);
	if (e < 0)
		return e;
	return f->type == FIELD_MAP ? add(d, into, name, entry) : append(d, into, entry);
}

static int decode_map(struct decoding *d, const struct smp_field *f, const struct value *v, const struct place *at,
		json_object **ret)
{
	_cleanup_json_ json_object *into = f->type == FIELD_MAP ? json_object_new_object() : json_object_new_array();

	if (!into)
		return out_of_memory(d);
	for (size_t i = 0; i + 1 < v->size; i += 2) {
		int e = decode_entry(d, f, &v->items[i], at, into);

		if (e < 0)
			return e;
	}
	*ret = TAKE_PTR(into);
	return 0;
}

static int decode_value(struct decoding *d, const struct smp_field *f, const struct value *v, const struct place *at,
		json_object **ret)
{
	if (!fits(f, v))
		return smp_place_fail(at, -EBADMSG, d->text, d->text_size, "must be %s, not %s", wanted(f),
				smp_kind_name(v->kind));
	switch (f->type) {
	case FIELD_TEXTS:
	case FIELD_UINTS:
	case FIELD_LIST:
		return decode_array(d, f, v, at, ret);
	case FIELD_NAMED_LIST:
	case FIELD_NAMED_INTS:
	case FIELD_MAP:
		return decode_map(d, f, v, at, ret);
	default:
		return decode_scalar(d, f, v, at, ret);
	}
}

int smp_decode_named_list(const struct smp_field *fields, const struct value *map, json_object **ret)
{
	const struct smp_field list = { .json = "", .type = FIELD_NAMED_LIST, .fields = fields };
	char text[8];
	struct decoding d = { text, sizeof(text) };

	return decode_map(&d, &list, map, NULL, ret);
}

int smp_command_decode(const struct smp_command *c, const struct value *reply, json_object **ret, char *text,
		size_t text_size)
{
	_cleanup_json_ json_object *object = json_object_new_object();
	struct decoding d = { text, text_size };
	int e;

	if (!object)
		return out_of_memory(&d);
	if (!reply || reply->kind != VALUE_MAP)
		return smp_place_fail(NULL, -EBADMSG, text, text_size, "of the reply must be a map");
	e = decode_members(&d, c->reply, reply, NULL, object);
	if (e == 0 && c->fix_reply) {
		e = c->fix_reply(reply, object);
		if (e < 0)
			snprintf(text, text_size, e == -ENOMEM ? "out of memory" : "the reply has none of the known shapes");
	}
	if (e == 0)
		e = check_complete(&d, c->reply, NULL, object);
	if (e < 0)
		return e;
	*ret = TAKE_PTR(object);
	return 0;
}
