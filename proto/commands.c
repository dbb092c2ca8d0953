/* SPDX-License-Identifier: MIT */
#include "proto/commands.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/commands-private.h"
#include "proto/json.h"

const struct smp_command *smp_command_find(const char *name)
{
	for (const struct smp_command *c = smp_commands; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

const struct smp_command *smp_command_by_id(uint8_t op, uint16_t group, uint8_t id)
{
	for (const struct smp_command *c = smp_commands; c->name; c++)
		if (c->op == op && c->group == group && c->id == id)
			return c;
	return NULL;
}

static void print_place(const struct place *at, char *text, size_t size)
{
	size_t length;

	if (!at)
		return;
	print_place(at->up, text, size);
	length = strlen(text);
	if (at->key)
		snprintf(text + length, size - length, "%s%.40s", length ? "." : "", at->key);
	else
		snprintf(text + length, size - length, "[%zu]", at->index);
}

int smp_place_fail(const struct place *at, int error, char *text, size_t text_size, const char *format, ...)
{
	char where[200] = "", what[160];
	va_list args;

	print_place(at, where, sizeof(where));
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	if (where[0])
		snprintf(text, text_size, "'%s' %s", where, what);
	else
		snprintf(text, text_size, "the payload %s", what);
	return error;
}

const char *smp_kind_name(enum value_kind kind)
{
	static const char *const names[] = {
		[VALUE_UINT] = "an integer",
		[VALUE_NEGINT] = "a negative integer",
		[VALUE_BYTES] = "a byte string",
		[VALUE_TEXT] = "a text",
		[VALUE_ARRAY] = "an array",
		[VALUE_MAP] = "a map",
		[VALUE_BOOL] = "a boolean",
		[VALUE_NULL] = "null",
		[VALUE_UNDEFINED] = "undefined",
		[VALUE_FLOAT] = "a float",
		[VALUE_SIMPLE] = "a simple value",
		[VALUE_TAG] = "a tagged value",
	};

	return names[kind];
}

json_object *smp_new_uint(uint64_t v)
{
	char text[24];

	if (v <= INT64_MAX)
		return json_object_new_int64((int64_t)v);
	snprintf(text, sizeof(text), "%" PRIu64, v);
	return json_object_new_string(text);
}

bool smp_decimal_to_uint(const char *text, uint64_t *ret)
{
	uint64_t v = 0;

	if (!*text || (text[0] == '0' && text[1]))
		return false;
	for (; *text; text++)
		if (*text < '0' || *text > '9' || __builtin_mul_overflow(v, 10U, &v) ||
				__builtin_add_overflow(v, (uint64_t)(*text - '0'), &v))
			return false;
	*ret = v;
	return true;
}
