/* SPDX-License-Identifier: MIT */
/* Replies: JSON -> C structs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "libclient/client.h"
#include "libclient/typed.h"
#include "proto/base64.h"
#include "proto/json.h"

#define AT(base, offset, type) (*(type *)(void *)((char *)(base) + (offset)))

/* Before every allocation; the first is that of the reply. */
struct block {
	_Alignas(max_align_t) struct block *next;
	json_object *object; /* of the reply */
};

struct decoding {
	struct block *blocks; /* the reply's own, once there */
	char *place;
	size_t place_size;
};

static int decode_struct(struct decoding *d, const struct typed_struct *type, json_object *object, void **ret);

/* Pointers of every type go into the structs. */
static void put_pointer(void *base, size_t offset, const void *pointer)
{
	memcpy((char *)base + offset, &pointer, sizeof(pointer));
}

static void *allocate(struct decoding *d, size_t size)
{
	struct block *block = calloc(1, sizeof(*block) + size);

	if (!block)
		return NULL;
	if (d->blocks) {
		block->next = d->blocks->next;
		d->blocks->next = block;
	} else {
		d->blocks = block;
	}
	return block + 1;
}

void typed_free(void *reply)
{
	struct block *block = reply ? (struct block *)reply - 1 : NULL, *next;

	if (block)
		json_object_put(block->object);
	for (; block; block = next) {
		next = block->next;
		free(block);
	}
}

/* The place grows from its end: every level that an error passes puts its name in front. */
static int in_place(struct decoding *d, int error, const char *name)
{
	_cleanup_free_ char *inner = strdup(d->place);
	const char *dot = inner && *inner && *inner != '[' ? "." : "";

	if (error == -EPROTO)
		snprintf(d->place, d->place_size, "%s%s%s", name, dot, inner ? inner : "");
	return error;
}

static int at_index(struct decoding *d, int error, size_t index)
{
	char name[24];

	snprintf(name, sizeof(name), "[%zu]", index);
	return error < 0 ? in_place(d, error, name) : 0;
}

/* From 2^63 on the API has decimal strings, which keep their bits here. */
static int decode_int(json_object *value, int64_t *ret)
{
	const char *text = json_object_get_string(value);
	char *end;

	if (json_object_is_type(value, json_type_int)) {
		*ret = json_object_get_int64(value);
		return 0;
	}
	if (!json_object_is_type(value, json_type_string) || *text < '1' || *text > '9')
		return -EPROTO;
	errno = 0;
	*ret = (int64_t)strtoull(text, &end, 10);
	return errno || *end ? -EPROTO : 0;
}

static int decode_bytes(struct decoding *d, json_object *value, struct mcumgr_bytes *ret)
{
	_cleanup_free_ uint8_t *data = NULL;
	size_t size;
	void *copy;
	int r;

	if (!json_object_is_type(value, json_type_string))
		return -EPROTO;
	r = base64_decode(json_object_get_string(value), (size_t)json_object_get_string_len(value), &data, &size, NULL);
	if (r < 0)
		return r == -ENOMEM ? r : -EPROTO;
	copy = allocate(d, size + 1);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, data, size);
	*ret = (struct mcumgr_bytes){ copy, size };
	return 0;
}

static int decode_word(const struct typed_field *f, json_object *value, int *ret)
{
	int i;

	if (!json_object_is_type(value, json_type_string))
		return -EPROTO;
	for (i = 1; f->words[i]; i++)
		if (strcmp(f->words[i], json_object_get_string(value)) == 0)
			*ret = i;
	return 0;
}

static int decode_bool(json_object *value, bool *ret)
{
	*ret = json_object_get_boolean(value);
	return json_object_is_type(value, json_type_boolean) ? 0 : -EPROTO;
}

static int decode_pointer(struct decoding *d, const struct typed_struct *type, json_object *value, void *at)
{
	void *base = NULL;
	int r = decode_struct(d, type, value, &base);

	put_pointer(at, 0, base);
	return r;
}

static int decode_one(struct decoding *d, const struct typed_field *f, json_object *value, void *at)
{
	switch (f->kind) {
	case TYPED_STRING:
		AT(at, 0, const char *) = json_object_get_string(value);
		return json_object_is_type(value, json_type_string) ? 0 : -EPROTO;
	case TYPED_BYTES:
		return decode_bytes(d, value, at);
	case TYPED_INT:
		if (!f->nullable)
			return decode_int(value, at);
		AT(at, 0, struct mcumgr_int).set = true;
		return decode_int(value, &AT(at, 0, struct mcumgr_int).value);
	case TYPED_BOOL:
		if (!f->nullable)
			return decode_bool(value, at);
		AT(at, 0, struct mcumgr_bool).set = true;
		return decode_bool(value, &AT(at, 0, struct mcumgr_bool).value);
	case TYPED_ENUM:
		return decode_word(f, value, at);
	case TYPED_OBJECT:
		AT(at, 0, json_object *) = value;
		return json_object_is_type(value, json_type_object) ? 0 : -EPROTO;
	case TYPED_STRUCT:
		return decode_pointer(d, f->type, value, at);
	}
	return -EPROTO;
}

/* Of one item of an array or map: what is nullable is the whole. */
static struct typed_field item_of(const struct typed_field *f)
{
	struct typed_field item = *f;

	item.nullable = false;
	return item;
}

static size_t item_size(const struct typed_field *f)
{
	return f->kind == TYPED_INT ? sizeof(int64_t) : sizeof(void *);
}

static int decode_array(struct decoding *d, const struct typed_field *f, json_object *value, void *base)
{
	struct typed_field item = item_of(f);
	size_t i, n;
	char *items;
	int r;

	if (!json_object_is_type(value, json_type_array))
		return -EPROTO;
	n = json_object_array_length(value);
	items = allocate(d, n * item_size(f));
	if (!items)
		return -ENOMEM;
	put_pointer(base, f->offset, items);
	AT(base, f->count, size_t) = n;
	for (i = 0; i < n; i++) {
		r = decode_one(d, &item, json_object_array_get_idx(value, i), items + i * item_size(f));
		if (r < 0)
			return at_index(d, r, i);
	}
	return 0;
}

static int decode_map(struct decoding *d, const struct typed_field *f, json_object *value, void *base)
{
	struct typed_field item = item_of(f);
	const char **names;
	size_t n, i = 0;
	char *items;
	int r;

	if (!json_object_is_type(value, json_type_object))
		return -EPROTO;
	n = (size_t)json_object_object_length(value);
	items = allocate(d, n * item_size(f));
	names = allocate(d, n * sizeof(*names));
	if (!items || !names)
		return -ENOMEM;
	put_pointer(base, f->offset, items);
	put_pointer(base, f->names, names);
	AT(base, f->count, size_t) = n;
	json_object_object_foreach(value, key, member)
	{
		names[i] = key;
		r = decode_one(d, &item, member, items + i * item_size(f));
		if (r < 0)
			return in_place(d, r, key);
		i++;
	}
	return 0;
}

static int decode_field(struct decoding *d, const struct typed_field *f, json_object *object, void *base)
{
	json_object *value = json_object_object_get(object, f->name);
	int r;

	d->place[0] = 0;
	if (!value)
		r = f->nullable ? 0 : -EPROTO;
	else if (f->shape == TYPED_ARRAY)
		r = decode_array(d, f, value, base);
	else if (f->shape == TYPED_MAP)
		r = decode_map(d, f, value, base);
	else
		r = decode_one(d, f, value, (char *)base + f->offset);
	return r < 0 ? in_place(d, r, f->name) : 0;
}

static int decode_struct(struct decoding *d, const struct typed_struct *type, json_object *object, void **ret)
{
	const struct typed_field *f;
	void *base;
	int r;

	if (!json_object_is_type(object, json_type_object))
		return -EPROTO;
	base = allocate(d, type->size);
	if (!base)
		return -ENOMEM;
	AT(base, 0, json_object *) = object;
	*ret = base;
	for (f = type->fields; f->name; f++) {
		r = decode_field(d, f, object, base);
		if (r < 0)
			return r;
	}
	return 0;
}

int typed_decode(const struct typed_struct *type, json_object *object, void **ret, char *place, size_t place_size)
{
	struct decoding d = { .place = place, .place_size = place_size };
	void *base = NULL;
	int r;

	place[0] = 0;
	r = decode_struct(&d, type, object, &base);
	if (d.blocks)
		d.blocks->object = json_object_get(object);
	if (r < 0) {
		typed_free(d.blocks ? d.blocks + 1 : NULL);
		return r;
	}
	*ret = base;
	return 0;
}
