/* SPDX-License-Identifier: MIT */

#include "daemon/console-text.h"

#include <stdlib.h>
#include <string.h>

#include "proto/json.h"

#define ESC 0x1b
#define BEL 0x07
#define SEQUENCE_MAX 64 /* longer ones are no sequences: somebody prints noise */
#define REPLACEMENT "\xef\xbf\xbd"

static bool is_between(char c, unsigned char low, unsigned char high)
{
	return (unsigned char)c >= low && (unsigned char)c <= high;
}

/* "ESC [", parameters, intermediates, a final byte. */
static size_t csi_length(const char *p, size_t size, bool *ret_open)
{
	size_t n = 2;

	while (n < size && n < SEQUENCE_MAX && is_between(p[n], 0x30, 0x3f))
		n++;
	while (n < size && n < SEQUENCE_MAX && is_between(p[n], 0x20, 0x2f))
		n++;
	*ret_open = n == size && n < SEQUENCE_MAX;
	return n < size && is_between(p[n], 0x40, 0x7e) ? n + 1 : 0;
}

/* "ESC ]" and its like, text, BEL or "ESC \". */
static size_t string_length(const char *p, size_t size, bool *ret_open)
{
	for (size_t n = 2; n < size && n < SEQUENCE_MAX; n++) {
		if (p[n] == BEL)
			return n + 1;
		if (p[n] == ESC) {
			*ret_open = n + 1 == size;
			return n + 1 < size && p[n + 1] == '\\' ? n + 2 : 0;
		}
	}
	*ret_open = size < SEQUENCE_MAX;
	return 0;
}

/* The length of the control sequence at p, or 0: none; ret_open: it might become one. */
static size_t sequence_length(const char *p, size_t size, bool *ret_open)
{
	size_t n = 1;

	*ret_open = false;
	if (p[0] != ESC)
		return 0;
	*ret_open = size == 1;
	if (size == 1)
		return 0;
	if (p[1] == '[')
		return csi_length(p, size, ret_open);
	if (strchr("]PX^_", p[1]) && p[1])
		return string_length(p, size, ret_open);
	while (n < size && n < SEQUENCE_MAX && is_between(p[n], 0x20, 0x2f))
		n++;
	*ret_open = n == size && n < SEQUENCE_MAX;
	return n < size && is_between(p[n], 0x30, 0x7e) ? n + 1 : 0;
}

/* C0 but tab, DEL, and C1 as UTF-8 has it. */
static bool is_control(const char *p, size_t length)
{
	unsigned char c = (unsigned char)p[0];

	if (length == 1)
		return (c < 0x20 && c != '\t') || c == 0x7f;
	return length == 2 && c == 0xc2 && (unsigned char)p[1] < 0xa0;
}

static size_t without_trailing_cr(const char *data, size_t size)
{
	while (size && data[size - 1] == '\r')
		size--;
	return size;
}

char *console_text_clean(const char *data, size_t size, bool *ret_changed)
{
	size_t end = without_trailing_cr(data, size), n = 0, length;
	char *text = malloc(3 * end + 1);
	bool changed = end != size, open;

	if (!text)
		return NULL;
	for (size_t i = 0; i < end; i += length) {
		length = sequence_length(data + i, end - i, &open);
		if (length) {
			changed = true;
			continue;
		}
		length = json_utf8_length(data + i, end - i);
		if (length && !is_control(data + i, length)) {
			memcpy(text + n, data + i, length);
			n += length;
			continue;
		}
		memcpy(text + n, REPLACEMENT, 3);
		n += 3;
		length = length ? length : 1;
		changed = true;
	}
	text[n] = '\0';
	*ret_changed = changed;
	return text;
}

/* Bytes at the end that begin a character of more bytes than there are. */
static size_t open_character(const char *data, size_t size)
{
	for (size_t n = 1; n <= 3 && n <= size; n++) {
		unsigned char c = (unsigned char)data[size - n];

		if (c >= 0xc2 && c <= 0xf4)
			return n < (c < 0xe0 ? 2u : c < 0xf0 ? 3u : 4u) ? n : 0;
		if (c < 0x80 || c >= 0xc0)
			return 0;
	}
	return 0;
}

size_t console_text_whole(const char *data, size_t size)
{
	size_t window = size < SEQUENCE_MAX ? size : SEQUENCE_MAX;
	bool open;

	for (size_t n = window; n > 0; n--)
		if (data[size - n] == ESC && sequence_length(data + size - n, n, &open) == 0 && open)
			return size - n;
	return size - open_character(data, size);
}
