/* SPDX-License-Identifier: MIT */
#include "proto/json.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NUMBER_MAX 64 /* characters of a number that is no integer */

struct reader {
	const char *start, *p, *end;
	unsigned int depth;
	size_t values;
	const char *text;
};

/* A string as it stands in the text, between its quotes. */
struct raw {
	const char *data;
	size_t size;
	bool escaped, nul;
};

_printf_(3, 4) static int fail(struct reader *r, const char *at, const char *format, ...)
{
	static _Thread_local char text[192];
	char what[128];
	va_list args;

	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	snprintf(text, sizeof(text), "%s at byte %zu", what, (size_t)(at - r->start));
	r->text = text;
	return -EBADMSG;
}

static int fail_unexpected(struct reader *r, const char *wanted)
{
	if (r->p == r->end)
		return fail(r, r->p, "the text ends where %s should be", wanted);
	if (*r->p > ' ' && *r->p < 0x7f)
		return fail(r, r->p, "'%c' where %s should be", *r->p, wanted);
	return fail(r, r->p, "byte 0x%02x where %s should be", (unsigned char)*r->p, wanted);
}

static void skip_space(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
		r->p++;
}

static bool take(struct reader *r, char c)
{
	if (r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

static bool is_digit(const struct reader *r)
{
	return r->p < r->end && *r->p >= '0' && *r->p <= '9';
}

/* Four hex digits, or -1. */
static int hex4(const char *p, const char *end)
{
	int v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = p[i];
		int digit = c >= '0' && c <= '9' ? c - '0'
			: c >= 'a' && c <= 'f'	 ? c - 'a' + 10
			: c >= 'A' && c <= 'F'	 ? c - 'A' + 10
						 : -1;

		if (digit < 0)
			return -1;
		v = v << 4 | digit;
	}
	return v;
}

/* The code point of the escape at p, which is behind the 'u'; a surrogate pair takes ten characters. Below 0: none. */
static int32_t unicode_escape(const char *p, const char *end, size_t *ret_size)
{
	int high = hex4(p, end), low;

	*ret_size = 4;
	if (high < 0xd800 || high > 0xdfff)
		return high;
	if (high > 0xdbff || end - p < 10 || p[4] != '\\' || p[5] != 'u')
		return -1;
	low = hex4(p + 6, end);
	if (low < 0xdc00 || low > 0xdfff)
		return -1;
	*ret_size = 10;
	return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

static int scan_escape(struct reader *r, struct raw *raw)
{
	const char *at = r->p++;
	size_t size;
	int32_t c;

	raw->escaped = true;
	if (r->p < r->end && *r->p && strchr("\"\\/bfnrt", *r->p)) {
		r->p++;
		return 0;
	}
	if (!take(r, 'u'))
		return fail(r, at, "an escape that does not exist");
	c = unicode_escape(r->p, r->end, &size);
	if (c < 0)
		return fail(r, at, hex4(r->p, r->end) < 0 ? "\\u without four hex digits" : "a lone surrogate");
	raw->nul |= c == 0;
	r->p += size;
	return 0;
}

/* Eight bytes at once that are printable ASCII and neither quote nor backslash: what base64 is made of. */
static const char *skip_plain(const char *p, const char *end)
{
	const uint64_t ones = 0x0101010101010101, high = 0x8080808080808080;
	uint64_t v, quote, backslash;

	while (end - p >= 8) {
		memcpy(&v, p, 8);
		quote = v ^ ones * '"';
		backslash = v ^ ones * '\\';
		if ((v | (v - ones * ' ') | (quote - ones) | (backslash - ones)) & high)
			break;
		p += 8;
	}
	return p;
}

/* Behind the first quote; checks everything up to and with the last one. */
static int scan_string(struct reader *r, struct raw *ret)
{
	struct raw raw = { .data = r->p };

	for (;;) {
		size_t n;
		int e;

		r->p = skip_plain(r->p, r->end);
		if (r->p == r->end)
			return fail(r, raw.data, "a string without an end");
		if (*r->p == '"')
			break;
		if (*r->p == '\\') {
			e = scan_escape(r, &raw);
			if (e < 0)
				return e;
			continue;
		}
		if ((unsigned char)*r->p < ' ')
			return fail(r, r->p, "a control character 0x%02x inside a string", (unsigned char)*r->p);
		n = json_utf8_length(r->p, (size_t)(r->end - r->p));
		if (n == 0)
			return fail(r, r->p, "invalid UTF-8");
		r->p += n;
	}
	raw.size = (size_t)(r->p++ - raw.data);
	*ret = raw;
	return 0;
}

static char *put_utf8(char *to, int32_t c)
{
	if (c < 0x80) {
		*to++ = (char)c;
		return to;
	}
	if (c < 0x800) {
		*to++ = (char)(0xc0 | c >> 6);
	} else {
		if (c < 0x10000) {
			*to++ = (char)(0xe0 | c >> 12);
		} else {
			*to++ = (char)(0xf0 | c >> 18);
			*to++ = (char)(0x80 | (c >> 12 & 0x3f));
		}
		*to++ = (char)(0x80 | (c >> 6 & 0x3f));
	}
	*to++ = (char)(0x80 | (c & 0x3f));
	return to;
}

/* A copy without escapes, NUL-terminated. The raw text has been checked. */
static char *unescape(const struct raw *raw, size_t *ret_size)
{
	static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
	const char *p = raw->data, *end = raw->data + raw->size;
	char *data = malloc(raw->size + 1), *to = data;

	if (!data)
		return NULL;
	while (p < end) {
		size_t n;

		if (*p != '\\') {
			*to++ = *p++;
		} else if (p[1] == 'u') {
			to = put_utf8(to, unicode_escape(p + 2, end, &n));
			p += 2 + n;
		} else {
			*to++ = into[strchr(from, p[1]) - from];
			p += 2;
		}
	}
	*to = 0;
	*ret_size = (size_t)(to - data);
	return data;
}

static int parse_string(struct reader *r, json_object **ret)
{
	_cleanup_free_ char *text = NULL;
	struct raw raw;
	size_t size;
	int e;

	r->p++;
	e = scan_string(r, &raw);
	if (e < 0)
		return e;
	if (raw.size > INT_MAX)
		return fail(r, raw.data, "a string of more than 2 GiB");
	if (!raw.escaped) {
		*ret = json_object_new_string_len(raw.data, (int)raw.size);
		return *ret ? 0 : -ENOMEM;
	}
	text = unescape(&raw, &size);
	if (!text)
		return -ENOMEM;
	*ret = json_object_new_string_len(text, (int)size);
	return *ret ? 0 : -ENOMEM;
}

static int new_float(struct reader *r, const char *start, size_t size, json_object **ret)
{
	char text[NUMBER_MAX + 1];
	double number;

	if (size > NUMBER_MAX)
		return fail(r, start, "a number of more than %d characters", NUMBER_MAX);
	memcpy(text, start, size);
	text[size] = 0;
	number = json_to_double(text);
	if (isinf(number))
		return fail(r, start, "a number beyond what a double holds");
	*ret = json_object_new_double_s(number, text);
	return *ret ? 0 : -ENOMEM;
}

static int new_integer(struct reader *r, const char *start, json_object **ret)
{
	bool negative = *start == '-';
	uint64_t v = 0;

	for (const char *p = start + negative; p < r->p; p++)
		if (__builtin_mul_overflow(v, 10U, &v) || __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v))
			return fail(r, start, "an integer beyond 64 bits");
	if (negative && v > (uint64_t)INT64_MAX + 1)
		return fail(r, start, "an integer beyond 64 bits");
	if (negative)
		*ret = json_object_new_int64((int64_t)(0 - v));
	else
		*ret = v > INT64_MAX ? json_object_new_uint64(v) : json_object_new_int64((int64_t)v);
	return *ret ? 0 : -ENOMEM;
}

static int take_digits(struct reader *r)
{
	if (!is_digit(r))
		return fail_unexpected(r, "a digit");
	while (is_digit(r))
		r->p++;
	return 0;
}

static int parse_number(struct reader *r, json_object **ret)
{
	const char *start = r->p;
	bool integer = true;
	int e;

	take(r, '-');
	if (take(r, '0')) {
		if (is_digit(r))
			return fail(r, start, "a number with leading zeros");
	} else if ((e = take_digits(r)) < 0) {
		return e;
	}
	if (take(r, '.')) {
		integer = false;
		e = take_digits(r);
		if (e < 0)
			return e;
	}
	if (take(r, 'e') || take(r, 'E')) {
		integer = false;
		if (!take(r, '+'))
			take(r, '-');
		e = take_digits(r);
		if (e < 0)
			return e;
	}
	return integer ? new_integer(r, start, ret) : new_float(r, start, (size_t)(r->p - start), ret);
}

static int parse_word(struct reader *r, json_object **ret)
{
	size_t left = (size_t)(r->end - r->p);

	*ret = NULL;
	if (left >= 4 && memcmp(r->p, "null", 4) == 0) {
		r->p += 4;
		return 0;
	}
	if (left >= 4 && memcmp(r->p, "true", 4) == 0) {
		r->p += 4;
		*ret = json_object_new_boolean(true);
	} else if (left >= 5 && memcmp(r->p, "false", 5) == 0) {
		r->p += 5;
		*ret = json_object_new_boolean(false);
	} else {
		return fail_unexpected(r, "a value");
	}
	return *ret ? 0 : -ENOMEM;
}

static int parse_value(struct reader *r, json_object **ret);

static int parse_array(struct reader *r, json_object **ret)
{
	_cleanup_json_ json_object *array = json_object_new_array_ext(4);
	int e;

	if (!array)
		return -ENOMEM;
	r->p++;
	skip_space(r);
	while (!take(r, ']')) {
		json_object *item;

		if (json_object_array_length(array) > 0 && !take(r, ','))
			return fail_unexpected(r, "',' or ']'");
		e = parse_value(r, &item);
		if (e < 0)
			return e;
		if (json_object_array_add(array, item) < 0) {
			json_object_put(item);
			return -ENOMEM;
		}
		skip_space(r);
	}
	*ret = TAKE_PTR(array);
	return 0;
}

/* A key that is new to the object, and its colon. */
static int parse_key(struct reader *r, json_object *object, char **ret)
{
	_cleanup_free_ char *key = NULL;
	const char *at;
	struct raw raw;
	size_t size;
	int e;

	skip_space(r);
	at = r->p;
	if (!take(r, '"'))
		return fail_unexpected(r, "a key");
	e = scan_string(r, &raw);
	if (e < 0)
		return e;
	if (raw.nul)
		return fail(r, at, "a key with a NUL");
	key = unescape(&raw, &size);
	if (!key)
		return -ENOMEM;
	if (json_object_object_get_ex(object, key, NULL))
		return fail(r, at, "the key '%.40s' stands twice,", key);
	skip_space(r);
	if (!take(r, ':'))
		return fail_unexpected(r, "':'");
	*ret = TAKE_PTR(key);
	return 0;
}

static int parse_member(struct reader *r, json_object *object)
{
	_cleanup_free_ char *key = NULL;
	json_object *value;
	int e;

	e = parse_key(r, object, &key);
	if (e < 0)
		return e;
	e = parse_value(r, &value);
	if (e < 0)
		return e;
	if (json_object_object_add_ex(object, key, value, JSON_C_OBJECT_ADD_KEY_IS_NEW) < 0) {
		json_object_put(value);
		return -ENOMEM;
	}
	return 0;
}

static int parse_object(struct reader *r, json_object **ret)
{
	_cleanup_json_ json_object *object = json_object_new_object();
	int e;

	if (!object)
		return -ENOMEM;
	r->p++;
	skip_space(r);
	while (!take(r, '}')) {
		if (json_object_object_length(object) > 0 && !take(r, ','))
			return fail_unexpected(r, "',' or '}'");
		e = parse_member(r, object);
		if (e < 0)
			return e;
		skip_space(r);
	}
	*ret = TAKE_PTR(object);
	return 0;
}

static int parse_nested(struct reader *r, json_object **ret)
{
	int e;

	if (r->depth == JSON_DEPTH_MAX)
		return fail(r, r->p, "more than %d levels", JSON_DEPTH_MAX);
	r->depth++;
	e = *r->p == '{' ? parse_object(r, ret) : parse_array(r, ret);
	r->depth--;
	return e;
}

static int parse_value(struct reader *r, json_object **ret)
{
	skip_space(r);
	if (++r->values > JSON_VALUES_MAX)
		return fail(r, r->p, "more than %d values", JSON_VALUES_MAX);
	if (r->p == r->end)
		return fail_unexpected(r, "a value");
	switch (*r->p) {
	case '{':
	case '[':
		return parse_nested(r, ret);
	case '"':
		return parse_string(r, ret);
	case '-':
	case '0' ... '9':
		return parse_number(r, ret);
	default:
		return parse_word(r, ret);
	}
}

int json_parse(const char *text, size_t size, json_object **ret, const char **ret_text)
{
	struct reader r = { .start = text, .p = text, .end = text + size, .text = "out of memory" };
	_cleanup_json_ json_object *value = NULL;
	int e = parse_value(&r, &value);

	if (e == 0) {
		skip_space(&r);
		if (r.p < r.end)
			e = fail_unexpected(&r, "the end");
	}
	if (e < 0) {
		if (ret_text)
			*ret_text = r.text;
		return e;
	}
	*ret = TAKE_PTR(value);
	return 0;
}
