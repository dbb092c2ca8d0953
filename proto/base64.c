/* SPDX-License-Identifier: MIT */
#include "proto/base64.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proto/macro.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *data, size_t size, size_t *ret_size)
{
	const uint8_t *p = data;
	size_t length = (size / 3 + (size % 3 != 0)) * 4;
	char *text, *to;

	if (size > SIZE_MAX / 2)
		return NULL;
	text = to = malloc(length + 1);
	if (!text)
		return NULL;
	for (; size > 0; p += 3) {
		size_t n = size < 3 ? size : 3;
		uint32_t v = (uint32_t)p[0] << 16 | (n > 1 ? (uint32_t)p[1] << 8 : 0) | (n > 2 ? p[2] : 0);

		*to++ = alphabet[v >> 18];
		*to++ = alphabet[v >> 12 & 63];
		*to++ = '=';
		*to++ = '=';
		if (n > 1)
			to[-2] = alphabet[v >> 6 & 63];
		if (n > 2)
			to[-1] = alphabet[v & 63];
		size -= n;
	}
	*to = 0;
	if (ret_size)
		*ret_size = length;
	return text;
}

/* Value + 1 of a character; 0: not of the alphabet. */
static void fill(uint8_t values[256])
{
	memset(values, 0, 256);
	for (uint8_t i = 0; i < 64; i++)
		values[(uint8_t)alphabet[i]] = (uint8_t)(i + 1);
}

static int trouble(size_t at, size_t *ret_at)
{
	if (ret_at)
		*ret_at = at;
	return -EBADMSG;
}

int base64_decode(const char *text, size_t size, uint8_t **ret, size_t *ret_size, size_t *ret_at)
{
	_cleanup_free_ uint8_t *data = NULL;
	uint8_t values[256], *to;
	size_t body = size;
	uint32_t v = 0;

	if (size % 4 != 0)
		return trouble(size, ret_at);
	to = data = malloc(size / 4 * 3 + 1);
	if (!data)
		return -ENOMEM;
	fill(values);
	while (body > 0 && size - body < 2 && text[body - 1] == '=')
		body--;
	for (size_t i = 0; i < body; i++) {
		uint8_t value = values[(uint8_t)text[i]];

		if (value == 0)
			return trouble(i, ret_at);
		v = v << 6 | (value - 1U);
		if (i % 4 > 0)
			*to++ = (uint8_t)(v >> (6 - i % 4 * 2));
	}
	/* Bits behind the last byte must be zero: one text, one value. */
	if ((size - body == 1 && (v & 3)) || (size - body == 2 && (v & 15)))
		return trouble(body - 1, ret_at);
	*ret_size = (size_t)(to - data);
	*ret = TAKE_PTR(data);
	return 0;
}
