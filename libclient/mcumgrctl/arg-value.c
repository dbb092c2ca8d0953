/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/args.h"
#include "libclient/mcumgrctl/text.h"
#include "proto/json.h"

int args_refuse(struct args *args, const char *hint, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(args->problem, sizeof(args->problem), format, list);
	va_end(list);
	snprintf(args->hint, sizeof(args->hint), "%s", hint ? hint : "");
	return -EINVAL;
}

static int read_number(struct args *args, const struct arg *row, const char *shown, const char *text, int64_t *ret)
{
	int base = strncmp(text, "0x", 2) == 0 ? 16 : 10;
	char *end;
	long long n;

	errno = 0;
	n = strtoll(text, &end, base);
	if (errno || end == text || *end || isspace((unsigned char)*text) || n < row->min || n > row->max)
		return args_refuse(args, NULL, "%s: '%s' is no number from %" PRId64 " to %" PRId64, shown, show(text),
			row->min, row->max);
	*ret = n;
	return 0;
}

static int read_time(struct args *args, const struct arg *row, const char *shown, const char *text, int64_t *ret)
{
	static const struct {
		const char *name;
		unsigned int ms;
	} units[] = { { "ms", 1 }, { "s", 1000 }, { "min", 60000 }, { "h", 3600000 } };
	unsigned int unit = row->unit_ms;
	char *end;
	double n;
	size_t i;

	errno = 0;
	n = strtod(text, &end);
	for (i = 0; *end && i < sizeof(units) / sizeof(units[0]); i++)
		if (strcmp(end, units[i].name) == 0) {
			unit = units[i].ms;
			end += strlen(end);
		}
	/* strtod() also takes "inf", "0x1p3" and leading blanks. */
	if (errno || end == text || *end || strspn(text, "0123456789.") == 0 || strpbrk(text, "xXeE"))
		return args_refuse(args,
			row->unit_ms == 1 ? "A bare number counts milliseconds." : "A bare number counts seconds.",
			"%s: '%s' is no time; write 500ms, 5s, 2min or 1h", shown, show(text));
	n *= unit;
	if (!(n >= (double)row->min && n <= (double)row->max))
		return args_refuse(args, NULL, "%s: '%s' is not from %" PRId64 "ms to %" PRId64 "s", shown, show(text),
			row->min, row->max / 1000);
	*ret = (int64_t)n;
	return 0;
}

static int read_hex(struct args *args, const struct arg *row, const char *shown, const char *text)
{
	size_t n = strlen(text);

	if (strspn(text, "0123456789abcdefABCDEF") != n || n % 2)
		return args_refuse(
			args, NULL, "%s: '%.100s' is not hex: pairs of the digits 0 to f", shown, show(text));
	if ((int64_t)n < row->min || (row->max && (int64_t)n > row->max))
		return row->min == row->max
			       ? args_refuse(args, NULL, "%s: %zu hex digits are not the %" PRId64 " that belong there",
					 shown, n, row->min)
			       : args_refuse(args, NULL, "%s: %zu hex digits are not from %" PRId64 " to %" PRId64,
					 shown, n, row->min, row->max);
	return 0;
}

static int read_json(struct args *args, const char *shown, const char *text, json_object **ret)
{
	_cleanup_json_ json_object *object = NULL;
	const char *why;

	if (json_parse(text, strlen(text), &object, &why) < 0)
		return args_refuse(
			args, "Quote it for the shell: '{\"key\": 1}'.", "%s: this is no JSON: %s", shown, why);
	if (!json_object_is_type(object, json_type_object))
		return args_refuse(args, "SMP payloads are maps: '{\"key\": 1}'.", "%s: this is no JSON object", shown);
	*ret = TAKE_PTR(object);
	return 0;
}

static int read_word(struct args *args, const struct arg *row, const char *shown, const char *text)
{
	char list[256] = "";
	size_t i;

	for (i = 0; row->choices[i]; i++) {
		if (strcmp(row->choices[i], text) == 0)
			return 0;
		snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s%s", i ? ", " : "", row->choices[i]);
	}
	return args_refuse(args, NULL, "%s: '%s' is none of: %s", shown, show(text), list);
}

int arg_read(struct args *args, const struct arg *row, const char *shown, const char *text, struct arg_value *ret)
{
	struct arg_value value = { .given = true, .text = text };
	int r = 0;

	if (row->kind == ARG_NUMBER)
		r = read_number(args, row, shown, text, &value.number);
	else if (row->kind == ARG_TIME)
		r = read_time(args, row, shown, text, &value.number);
	else if (row->kind == ARG_HEX)
		r = read_hex(args, row, shown, text);
	else if (row->kind == ARG_JSON)
		r = read_json(args, shown, text, &value.object);
	else if (row->kind == ARG_WORD)
		r = read_word(args, row, shown, text);
	if (r == 0)
		*ret = value;
	return r;
}

static json_object *lower_case(const char *text)
{
	_cleanup_free_ char *copy = format("%s", text);
	char *p;

	for (p = copy; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return json_object_new_string(copy);
}

/* The value as the API wants it. */
json_object *arg_json(const struct arg *row, const struct arg_value *value)
{
	switch (row->kind) {
	case ARG_FLAG:
		return json_object_new_boolean(true);
	case ARG_NUMBER:
	case ARG_TIME:
		return json_object_new_int64(value->number);
	case ARG_HEX:
		return lower_case(value->text);
	case ARG_JSON:
		return json_object_get(value->object);
	default:
		return json_object_new_string(value->text);
	}
}
