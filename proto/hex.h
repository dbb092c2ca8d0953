/* SPDX-License-Identifier: MIT */
#pragma once

/* Bytes as lowercase hex, as hashes are written everywhere. */

#include <stddef.h>
#include <stdint.h>

/* out: room for 2 * size + 1; it ends with NUL. */
static inline void hex_text(const uint8_t *data, size_t size, char *out)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < size; i++) {
		*out++ = digits[data[i] >> 4];
		*out++ = digits[data[i] & 15];
	}
	*out = '\0';
}
