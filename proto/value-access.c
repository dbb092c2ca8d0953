/* SPDX-License-Identifier: MIT */
#include "proto/value.h"

#include <string.h>

const struct value *value_get(const struct value *map, const char *key)
{
	if (!map || map->kind != VALUE_MAP)
		return NULL;
	size_t length = strlen(key);
	for (size_t i = 0; i + 1 < map->size; i += 2) {
		const struct value *k = &map->items[i];
		if (k->kind == VALUE_TEXT && k->size == length && memcmp(k->data, key, length) == 0)
			return &map->items[i + 1];
	}
	return NULL;
}

bool value_to_uint(const struct value *v, uint64_t *ret)
{
	if (!v || v->kind != VALUE_UINT)
		return false;
	*ret = v->uint;
	return true;
}

bool value_to_int(const struct value *v, int64_t *ret)
{
	if (!v || (v->kind != VALUE_UINT && v->kind != VALUE_NEGINT) || v->uint > INT64_MAX)
		return false;
	*ret = v->kind == VALUE_UINT ? (int64_t)v->uint : -1 - (int64_t)v->uint;
	return true;
}

bool value_to_bool(const struct value *v, bool *ret)
{
	if (!v || v->kind != VALUE_BOOL)
		return false;
	*ret = v->boolean;
	return true;
}

/* Continuation bytes that a lead byte wants, and the range of the first of them (Unicode, table 3-7). */
struct lead {
	uint8_t from, to, more, low, high;
};

static const struct lead leads[] = {
	{0x01, 0x7f, 0, 0x00, 0x00},
	{0xc2, 0xdf, 1, 0x80, 0xbf},
	{0xe0, 0xe0, 2, 0xa0, 0xbf},
	{0xe1, 0xec, 2, 0x80, 0xbf},
	{0xed, 0xed, 2, 0x80, 0x9f},
	{0xee, 0xef, 2, 0x80, 0xbf},
	{0xf0, 0xf0, 3, 0x90, 0xbf},
	{0xf1, 0xf3, 3, 0x80, 0xbf},
	{0xf4, 0xf4, 3, 0x80, 0x8f},
};

/* Looks at the sequence at p: its length, *ret_valid whether it is one character; otherwise what to replace as one. */
static size_t measure(const uint8_t *p, size_t left, bool *ret_valid)
{
	*ret_valid = false;
	for (size_t i = 0; i < ARRAY_SIZE(leads); i++) {
		if (*p < leads[i].from || *p > leads[i].to)
			continue;
		for (size_t n = 1; n <= leads[i].more; n++) {
			uint8_t low = n == 1 ? leads[i].low : 0x80, high = n == 1 ? leads[i].high : 0xbf;
			if (n == left || p[n] < low || p[n] > high)
				return n;
		}
		*ret_valid = true;
		return 1u + leads[i].more;
	}
	return 1;
}

char *value_to_text(const struct value *v)
{
	if (!v || (v->kind != VALUE_TEXT && v->kind != VALUE_BYTES))
		return NULL;
	char *text = malloc(3 * v->size + 1); /* U+FFFD is three bytes */
	if (!text)
		return NULL;
	char *to = text;
	for (size_t at = 0; at < v->size;) {
		bool valid;
		size_t n = measure(v->data + at, v->size - at, &valid);
		const void *from = valid ? (const void *)(v->data + at) : "\xef\xbf\xbd";
		size_t out = valid ? n : 3;
		memcpy(to, from, out);
		to += out;
		at += n;
	}
	*to = '\0';
	return text;
}
