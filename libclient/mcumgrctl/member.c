/* SPDX-License-Identifier: MIT */
#include "libclient/mcumgrctl/text.h"

const char *member_string(json_object *object, const char *key)
{
	json_object *member = json_object_object_get(object, key);

	return json_object_is_type(member, json_type_string) ? json_object_get_string(member) : NULL;
}

bool member_bool(json_object *object, const char *key)
{
	json_object *member = json_object_object_get(object, key);

	return json_object_is_type(member, json_type_boolean) && json_object_get_boolean(member);
}

bool member_int(json_object *object, const char *key, int64_t *ret)
{
	json_object *member = json_object_object_get(object, key);

	if (!json_object_is_type(member, json_type_int))
		return false;
	*ret = json_object_get_int64(member);
	return true;
}

size_t member_count(json_object *object, const char *key)
{
	json_object *member = json_object_object_get(object, key);

	return json_object_is_type(member, json_type_array) ? json_object_array_length(member) : 0;
}

json_object *member_at(json_object *object, const char *key, size_t i)
{
	/* json-c aborts the program where there is no array. */
	return i < member_count(object, key) ? json_object_array_get_idx(json_object_object_get(object, key), i) : NULL;
}
