/* SPDX-License-Identifier: MIT */
#pragma once

/* What the generated driver of libmcumgr's functions is made of. Values that arguments point to live until the end. */

#include <json-c/json.h>
#include <mcumgr-api.h>
#include <string.h>

struct run {
	bool more;
	size_t stop_after; /* replies; 0: none */
	json_object *replies;
	struct mcumgr_error *error;
};

struct row {
	const char *method;
	int (*run)(struct mcumgr *m, json_object *in, struct run *run);
};

extern const struct row rows[];
json_object *show_error(const struct mcumgr_error_info *info);

/* Takes shown over: what the C struct says; object: the JSON it was made of. */
int take(struct mcumgr *m, json_object *shown, json_object *object, struct run *run);

void *keep(void *memory);
struct mcumgr_bytes get_bytes(json_object *in, const char *name);
json_object *show_bytes(struct mcumgr_bytes bytes);

static inline bool has(json_object *in, const char *name)
{
	return json_object_object_get(in, name);
}

static inline const char *get_string(json_object *in, const char *name)
{
	return has(in, name) ? json_object_get_string(json_object_object_get(in, name)) : NULL;
}

static inline int64_t get_int(json_object *in, const char *name)
{
	return json_object_get_int64(json_object_object_get(in, name));
}

static inline bool get_bool(json_object *in, const char *name)
{
	return json_object_get_boolean(json_object_object_get(in, name));
}

static inline json_object *get_object(json_object *in, const char *name)
{
	return json_object_object_get(in, name);
}

static inline bool is_word(json_object *in, const char *name, const char *word)
{
	return has(in, name) && strcmp(get_string(in, name), word) == 0;
}

static inline const char *const *get_strings(json_object *in, const char *name, size_t *ret_n)
{
	json_object *array = json_object_object_get(in, name);
	const char **strings = array ? keep(calloc(json_object_array_length(array) + 1, sizeof(*strings))) : NULL;

	*ret_n = array ? json_object_array_length(array) : 0;
	for (size_t i = 0; i < *ret_n; i++)
		strings[i] = json_object_get_string(json_object_array_get_idx(array, i));
	return strings;
}

static inline const int64_t *get_ints(json_object *in, const char *name, size_t *ret_n)
{
	json_object *array = json_object_object_get(in, name);
	int64_t *ints = array ? keep(calloc(json_object_array_length(array) + 1, sizeof(*ints))) : NULL;

	*ret_n = array ? json_object_array_length(array) : 0;
	for (size_t i = 0; i < *ret_n; i++)
		ints[i] = json_object_get_int64(json_object_array_get_idx(array, i));
	return ints;
}

static inline void put(json_object *o, const char *name, json_object *value)
{
	if (value)
		json_object_object_add(o, name, value);
}

static inline json_object *show_string(const char *text)
{
	return text ? json_object_new_string(text) : NULL;
}

static inline json_object *show_word(const char *word)
{
	return strcmp(word, "other") == 0 ? NULL : json_object_new_string(word);
}

static inline json_object *show_object(json_object *object)
{
	return json_object_get(object);
}

static inline json_object *show_int(int64_t value)
{
	return json_object_new_int64(value);
}

static inline json_object *show_bool(bool value)
{
	return json_object_new_boolean(value);
}

static inline json_object *show_maybe_int(struct mcumgr_int value)
{
	return value.set ? show_int(value.value) : NULL;
}

static inline json_object *show_maybe_bool(struct mcumgr_bool value)
{
	return value.set ? show_bool(value.value) : NULL;
}
