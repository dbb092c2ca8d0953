/* SPDX-License-Identifier: MIT */
#pragma once

/* Hex with spaces, as tests write bytes. */

#include <check.h>
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* malloc'd, exactly as large as the bytes, so that a sanitizer sees a read past the end. */
static inline size_t unhex(const char *text, uint8_t **ret)
{
	char digits[3] = "";
	uint8_t *data = malloc(strlen(text) / 2 + 1);
	size_t size = 0;

	for (; *text; text++) {
		if (isspace((unsigned char)*text))
			continue;
		ck_assert(isxdigit((unsigned char)text[0]) && isxdigit((unsigned char)text[1]));
		memcpy(digits, text++, 2);
		data[size++] = (uint8_t)strtoul(digits, NULL, 16);
	}
	*ret = realloc(data, size ? size : 1);
	return size;
}
