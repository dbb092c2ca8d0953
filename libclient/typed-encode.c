/* SPDX-License-Identifier: MIT */
/* Arguments: a C struct -> JSON. */
#include <errno.h>
#include <string.h>

#include "libclient/client.h"
#include "libclient/typed.h"
#include "proto/base64.h"
#include "proto/json.h"

#define AT(base, offset, type) (*(type const *)(const void *)((const char *)(base) + (offset)))

/* Of whatever type: only whether it is there. */
static bool has_pointer(const void *args, size_t offset)
{
	const void *pointer;

	memcpy(&pointer, (const char *)args + offset, sizeof(pointer));
	return pointer;
}

static json_object *new_bytes(const struct mcumgr_bytes *bytes)
{
	_cleanup_free_ char *text = base64_encode(bytes->data, bytes->size, NULL);

	return text ? json_object_new_string(text) : NULL;
}

static json_object *new_word(const struct typed_field *f, int value)
{
	int i;

	for (i = 1; f->words[i]; i++)
		if (i == value)
			return json_object_new_string(f->words[i]);
	return NULL;
}

static bool is_set(const struct typed_field *f, const void *args)
{
	if (f->shape != TYPED_ONE)
		return has_pointer(args, f->offset);
	switch (f->kind) {
	case TYPED_INT:
		return !f->nullable || AT(args, f->offset, struct mcumgr_int).set;
	case TYPED_BOOL:
		return !f->nullable || AT(args, f->offset, struct mcumgr_bool).set;
	case TYPED_BYTES:
		return AT(args, f->offset, struct mcumgr_bytes).data;
	case TYPED_ENUM:
		return AT(args, f->offset, int) != 0;
	default:
		return has_pointer(args, f->offset);
	}
}

static json_object *new_one(const struct typed_field *f, const void *args)
{
	switch (f->kind) {
	case TYPED_STRING:
		return json_object_new_string(AT(args, f->offset, const char *));
	case TYPED_BYTES:
		return new_bytes(&AT(args, f->offset, struct mcumgr_bytes));
	case TYPED_INT:
		return json_object_new_int64(f->nullable ? AT(args, f->offset, struct mcumgr_int).value
							 : AT(args, f->offset, int64_t));
	case TYPED_BOOL:
		return json_object_new_boolean(f->nullable ? AT(args, f->offset, struct mcumgr_bool).value
							   : AT(args, f->offset, bool));
	case TYPED_ENUM:
		return new_word(f, AT(args, f->offset, int));
	case TYPED_OBJECT:
		return json_object_get(AT(args, f->offset, json_object *));
	default:
		return NULL;
	}
}

/* Only of strings and integers: the generator refuses others. */
static json_object *new_array(const struct typed_field *f, const void *args)
{
	json_object *array = json_object_new_array();
	size_t i, n = AT(args, f->count, size_t);

	for (i = 0; array && i < n; i++)
		if (f->kind == TYPED_INT)
			json_object_array_add(array, json_object_new_int64(AT(args, f->offset, const int64_t *)[i]));
		else if (AT(args, f->offset, const char *const *)[i])
			json_object_array_add(
				array, json_object_new_string(AT(args, f->offset, const char *const *)[i]));
	return array;
}

int typed_encode(const struct typed_struct *type, const void *args, json_object **ret, const char **ret_parameter)
{
	_cleanup_json_ json_object *object = json_object_new_object();
	const struct typed_field *f;
	json_object *value;

	if (!object)
		return -ENOMEM;
	for (f = type->fields; f->name; f++) {
		*ret_parameter = f->name;
		if (!is_set(f, args)) {
			if (!f->nullable)
				return -EINVAL;
			continue;
		}
		value = f->shape == TYPED_ARRAY ? new_array(f, args) : new_one(f, args);
		if (!value)
			return f->kind == TYPED_ENUM ? -EINVAL : -ENOMEM;
		if (json_object_object_add(object, f->name, value) < 0) {
			json_object_put(value);
			return -ENOMEM;
		}
	}
	*ret = TAKE_PTR(object);
	return 0;
}
