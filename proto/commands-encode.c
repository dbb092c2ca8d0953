/* SPDX-License-Identifier: MIT */
/* Requests: JSON -> CBOR by the row. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/base64.h"
#include "proto/commands-private.h"
#include "proto/json.h"

struct encoding {
	const struct smp_command *command;
	struct writer *w;
	const char *parameter;
	char *text;
	size_t text_size;
};

_printf_(3, 4) static int refuse(struct encoding *e, const char *parameter, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(e->text, e->text_size, format, args);
	va_end(args);
	e->parameter = parameter;
	return -EINVAL;
}

static bool is_constant(const struct smp_field *f)
{
	return f->type == FIELD_TRUE || f->type == FIELD_FALSE;
}

static bool is_common(const char *const *common, const char *name)
{
	for (; common && *common; common++)
		if (strcmp(*common, name) == 0)
			return true;
	return false;
}

static bool is_field(const struct smp_field *f, const char *name)
{
	for (; f && f->json; f++)
		if (f->json[0] && strcmp(f->json, name) == 0)
			return true;
	return false;
}

/* "device, text" for the sentence about an unknown parameter. */
static void list_names(const struct smp_field *f, const char *const *common, char *text, size_t size)
{
	size_t n = 0;

	text[0] = 0;
	for (; f && f->json && n < size; f++)
		if (f->json[0])
			n += (size_t)snprintf(text + n, size - n, "%s%s", n ? ", " : "", f->json);
	for (; common && *common && n < size; common++)
		n += (size_t)snprintf(text + n, size - n, "%s%s", n ? ", " : "", *common);
}

static int check_names(struct encoding *e, json_object *parameters, const char *const *common)
{
	char names[160];

	json_object_object_foreach(parameters, key, value)
	{
		(void)value;
		if (is_field(e->command->request, key) || is_common(common, key))
			continue;
		list_names(e->command->request, common, names, sizeof(names));
		return refuse(e, key, "%s has no parameter '%.40s'; it takes %s", e->command->name, key,
				names[0] ? names : "none");
	}
	return 0;
}

/* A whole number, or a decimal string where it is larger than JSON numbers go. */
static bool to_uint(json_object *v, uint64_t *ret)
{
	if (json_object_is_type(v, json_type_string))
		return (size_t)json_object_get_string_len(v) == strlen(json_object_get_string(v)) &&
			smp_decimal_to_uint(json_object_get_string(v), ret) && *ret > INT64_MAX;
	if (!json_object_is_type(v, json_type_int) || json_object_get_int64(v) < 0)
		return false;
	*ret = json_object_get_uint64(v);
	return true;
}

static int encode_uint(struct encoding *e, const struct smp_field *f, json_object *v)
{
	uint64_t max = f->max ? f->max : UINT64_MAX, n;

	if (!to_uint(v, &n) || n > max)
		return refuse(e, f->json, "'%s' must be a whole number from 0 to %llu", f->json, (unsigned long long)max);
	writer_uint(e->w, n);
	return 0;
}

static int encode_int(struct encoding *e, const struct smp_field *f, json_object *v)
{
	if (!json_object_is_type(v, json_type_int) ||
			(json_object_get_int64(v) >= 0 && json_object_get_uint64(v) > INT64_MAX))
		return refuse(e, f->json, "'%s' must be a whole number below 2^63", f->json);
	writer_int(e->w, json_object_get_int64(v));
	return 0;
}

static int encode_text(struct encoding *e, const struct smp_field *f, json_object *v)
{
	size_t size;

	if (!json_object_is_type(v, json_type_string))
		return refuse(e, f->json, "'%s' must be a string%s", f->json, f->type == FIELD_TEXTS ? " in each place" : "");
	size = (size_t)json_object_get_string_len(v);
	if (memchr(json_object_get_string(v), 0, size))
		return refuse(e, f->json, "'%s' must not hold a NUL", f->json);
	if (f->max && size > f->max)
		return refuse(e, f->json, "'%s' must not be longer than %llu bytes", f->json, (unsigned long long)f->max);
	writer_text_n(e->w, json_object_get_string(v), size);
	return 0;
}

/* Whether text matches the form, where 0 stands for any digit. */
static bool has_form(const char *text, const char *form)
{
	for (; *form; text++, form++)
		if (*form == '0' ? *text < '0' || *text > '9' : *text != *form)
			return false;
	return !*text;
}

static int encode_time(struct encoding *e, const struct smp_field *f, json_object *v)
{
	const char *text = json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";

	if (!has_form(text, "0000-00-00T00:00:00") && !has_form(text, "0000-00-00T00:00:00.000"))
		return refuse(e, f->json, "'%s' must be a time as 2026-01-31T23:59:59 or 2026-01-31T23:59:59.123, without a zone",
				f->json);
	return encode_text(e, f, v);
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int encode_hex(struct encoding *e, const struct smp_field *f, json_object *v)
{
	const char *text = json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";
	size_t size = strlen(text) / 2;
	uint8_t data[64];

	if (size == 0 || strlen(text) % 2 != 0 || size > sizeof(data) ||
			strspn(text, "0123456789abcdefABCDEF") != (size_t)json_object_get_string_len(v))
		return refuse(e, f->json, "'%s' must be 1 to 64 bytes as hex digits", f->json);
	for (size_t i = 0; i < size; i++)
		data[i] = (uint8_t)(hex_digit(text[2 * i]) << 4 | hex_digit(text[2 * i + 1]));
	writer_bytes(e->w, data, size);
	return 0;
}

static int encode_base64(struct encoding *e, const struct smp_field *f, json_object *v)
{
	_cleanup_free_ uint8_t *data = NULL;
	size_t size, at;
	int r;

	if (!json_object_is_type(v, json_type_string))
		return refuse(e, f->json, "'%s' must be a string of base64", f->json);
	r = base64_decode(json_object_get_string(v), (size_t)json_object_get_string_len(v), &data, &size, &at);
	if (r == -EBADMSG)
		return refuse(e, f->json, "'%s' is no padded base64: trouble at character %zu", f->json, at);
	if (r < 0)
		return refuse(e, f->json, "out of memory");
	if (f->max && size > f->max)
		return refuse(e, f->json, "'%s' must not be longer than %llu bytes", f->json, (unsigned long long)f->max);
	writer_bytes(e->w, data, size);
	return 0;
}

static int encode_array(struct encoding *e, const struct smp_field *f, json_object *v,
		int (*encode_item)(struct encoding *, const struct smp_field *, json_object *))
{
	size_t n;

	if (!json_object_is_type(v, json_type_array))
		return refuse(e, f->json, "'%s' must be an array", f->json);
	n = json_object_array_length(v);
	if (n == 0 && !f->optional)
		return refuse(e, f->json, "'%s' must not be empty", f->json);
	writer_array(e->w, n);
	for (size_t i = 0; i < n; i++) {
		int r = encode_item(e, f, json_object_array_get_idx(v, i));

		if (r < 0)
			return r;
	}
	return 0;
}

static int encode_bool(struct encoding *e, const struct smp_field *f, json_object *v)
{
	if (!json_object_is_type(v, json_type_boolean))
		return refuse(e, f->json, "'%s' must be true or false", f->json);
	writer_bool(e->w, json_object_get_boolean(v));
	return 0;
}

static int encode_value(struct encoding *e, const struct smp_field *f, json_object *v)
{
	switch (f->type) {
	case FIELD_UINT:
		return encode_uint(e, f, v);
	case FIELD_INT:
		return encode_int(e, f, v);
	case FIELD_BOOL:
		return encode_bool(e, f, v);
	case FIELD_TEXT:
		return encode_text(e, f, v);
	case FIELD_TIME:
		return encode_time(e, f, v);
	case FIELD_HEX:
		return encode_hex(e, f, v);
	case FIELD_BASE64:
		return encode_base64(e, f, v);
	case FIELD_TEXTS:
		return encode_array(e, f, v, encode_text);
	case FIELD_UINTS:
		return encode_array(e, f, v, encode_uint);
	default: /* no request has a list of maps; tests hold the rows to that */
		return refuse(e, f->json, "'%s' cannot be sent", f->json);
	}
}

static int encode_fields(struct encoding *e, json_object *parameters)
{
	size_t pairs = 0;

	for (const struct smp_field *f = e->command->request; f && f->json; f++)
		if (is_constant(f) || json_object_object_get(parameters, f->json))
			pairs++;
		else if (!f->optional)
			return refuse(e, f->json, "%s needs the parameter '%s'", e->command->name, f->json);
	writer_map(e->w, pairs);
	for (const struct smp_field *f = e->command->request; f && f->json; f++) {
		json_object *v = json_object_object_get(parameters, f->json);
		int r;

		if (!v && !is_constant(f))
			continue;
		writer_text(e->w, f->cbor);
		if (is_constant(f)) {
			writer_bool(e->w, f->type == FIELD_TRUE);
			continue;
		}
		r = encode_value(e, f, v);
		if (r < 0)
			return r;
	}
	return 0;
}

int smp_command_encode(const struct smp_command *c, json_object *parameters, const char *const *common, struct writer *w,
		const char **ret_parameter, char *text, size_t text_size)
{
	struct encoding e = { .command = c, .w = w, .text = text, .text_size = text_size };
	int r = check_names(&e, parameters, common);

	if (r == 0)
		r = encode_fields(&e, parameters);
	if (r < 0) {
		writer_release(w);
		*ret_parameter = e.parameter;
	}
	return r;
}
