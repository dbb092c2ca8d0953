/* SPDX-License-Identifier: MIT */
/* Reply shapes that differ between servers. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/commands-private.h"

/* Priorities are signed, but some builds send them as unsigned numbers of 32 bits. */
int smp_fix_tasks(const struct value *reply _unused_, json_object *ret)
{
	json_object *tasks = json_object_object_get(ret, "tasks");
	size_t n = tasks ? json_object_array_length(tasks) : 0;

	for (size_t i = 0; i < n; i++) {
		json_object *priority = json_object_object_get(json_object_array_get_idx(tasks, i), "priority");
		int64_t v = json_object_get_int64(priority);

		if (v > INT32_MAX && v <= UINT32_MAX)
			json_object_set_int64(priority, v - UINT32_MAX - 1);
	}
	return 0;
}

/* A flat reply: the pools stand beside what else there is ("rc"). */
static int flat_pools(const struct value *reply, json_object **ret)
{
	struct value *items = calloc(reply->size ? reply->size : 1, sizeof(*items));
	struct value map = { .kind = VALUE_MAP, .items = items };
	int e = 0;

	if (!items)
		return -ENOMEM;
	for (size_t i = 0; i + 1 < reply->size; i += 2)
		if (reply->items[i + 1].kind == VALUE_MAP) {
			items[map.size++] = reply->items[i];
			items[map.size++] = reply->items[i + 1];
		}
	if (map.size > 0)
		e = smp_decode_named_list(smp_memory_pool_fields, &map, ret);
	free(items);
	return e;
}

/* Servers say "tasks", as the row has it, or "mpools", or put the pools on top (SMP §5.0). */
int smp_fix_memory_pools(const struct value *reply, json_object *ret)
{
	const struct value *pools = value_get(reply, "mpools");
	json_object *list = NULL;
	int e;

	if (json_object_object_get(ret, "pools") || !reply || reply->kind != VALUE_MAP)
		return 0;
	if (pools && pools->kind == VALUE_MAP)
		e = smp_decode_named_list(smp_memory_pool_fields, pools, &list);
	else
		e = flat_pools(reply, &list);
	if (e < 0 || !list)
		return e;
	if (json_object_object_add(ret, "pools", list) < 0) {
		json_object_put(list);
		return -ENOMEM;
	}
	return 0;
}

/* Zephyr writes milliseconds without leading zeros: ".5" is 5 ms (SMP §5.0). */
int smp_fix_time(const struct value *reply _unused_, json_object *ret)
{
	json_object *time = json_object_object_get(ret, "time");
	const char *text = json_object_get_string(time), *dot = text ? strrchr(text, '.') : NULL;
	char fixed[64];
	size_t digits;

	if (!dot)
		return 0;
	digits = strspn(dot + 1, "0123456789");
	if (digits == 0 || digits >= 3 || dot[1 + digits] || dot - text > 40)
		return 0;
	snprintf(fixed, sizeof(fixed), "%.*s.%0*d", (int)(dot - text), text, 3, atoi(dot + 1));
	return json_object_set_string(time, fixed) ? 0 : -ENOMEM;
}

/* Old builds name the command's result "rc" (SMP §5.9). */
int smp_fix_shell(const struct value *reply, json_object *ret)
{
	json_object *status;
	int64_t rc;

	if (json_object_object_get(ret, "status") || !value_to_int(value_get(reply, "rc"), &rc))
		return 0;
	status = json_object_new_int64(rc);
	if (!status || json_object_object_add(ret, "status", status) < 0) {
		json_object_put(status);
		return -ENOMEM;
	}
	return 0;
}

/* The mode in words, too. */
int smp_fix_bootloader(const struct value *reply _unused_, json_object *ret)
{
	json_object *mode = json_object_object_get(ret, "mode"), *words;
	const char *name = mode ? smp_bootloader_mode_name(json_object_get_int64(mode)) : NULL;

	if (!name)
		return 0;
	words = json_object_new_string(name);
	if (!words || json_object_object_add(ret, "modeName", words) < 0) {
		json_object_put(words);
		return -ENOMEM;
	}
	return 0;
}
