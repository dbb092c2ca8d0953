/* SPDX-License-Identifier: MIT */
#include "proto/value.h"

#include <errno.h>
#include <string.h>

#define HEAD_MAX 9

enum major { MAJOR_UINT, MAJOR_NEGINT, MAJOR_BYTES, MAJOR_TEXT, MAJOR_ARRAY, MAJOR_MAP, MAJOR_TAG, MAJOR_SIMPLE };

/* Room for more bytes; NULL after an error. */
static uint8_t *reserve(struct writer *w, size_t more)
{
	if (w->error < 0)
		return NULL;
	if (more > SIZE_MAX / 4 - w->size) {
		w->error = -ENOMEM;
		return NULL;
	}
	if (w->size + more > w->capacity) {
		size_t capacity = 2 * (w->size + more) < 64 ? 64 : 2 * (w->size + more);
		uint8_t *data = realloc(w->data, capacity);
		if (!data) {
			w->error = -ENOMEM;
			return NULL;
		}
		w->data = data;
		w->capacity = capacity;
	}
	return w->data + w->size;
}

size_t value_head_size(uint64_t argument)
{
	return argument < 24            ? 1
	       : argument <= UINT8_MAX  ? 2
	       : argument <= UINT16_MAX ? 3
	       : argument <= UINT32_MAX ? 5
					: 9;
}

static size_t put_head(uint8_t *to, enum major major, uint64_t argument)
{
	size_t size = value_head_size(argument);
	uint8_t form = size == 1 ? (uint8_t)argument : size == 2 ? 24 : size == 3 ? 25 : size == 5 ? 26 : 27;
	to[0] = (uint8_t)((unsigned int)major << 5 | form);
	for (size_t i = size - 1; i >= 1; i--, argument >>= 8)
		to[i] = (uint8_t)argument;
	return size;
}

static void write_head(struct writer *w, enum major major, uint64_t argument)
{
	uint8_t *to = reserve(w, HEAD_MAX);
	if (to)
		w->size += put_head(to, major, argument);
}

static void write_string(struct writer *w, enum major major, const void *data, size_t size)
{
	uint8_t *to = size < SIZE_MAX / 8 ? reserve(w, HEAD_MAX + size) : NULL;
	if (!to) {
		w->error = -ENOMEM;
		return;
	}
	size_t head = put_head(to, major, size);
	if (size > 0)
		memcpy(to + head, data, size);
	w->size += head + size;
}

static void write_byte(struct writer *w, uint8_t byte)
{
	uint8_t *to = reserve(w, 1);
	if (to) {
		*to = byte;
		w->size++;
	}
}

void writer_map(struct writer *w, size_t pairs)
{
	write_head(w, MAJOR_MAP, pairs);
}

void writer_array(struct writer *w, size_t items)
{
	write_head(w, MAJOR_ARRAY, items);
}

void writer_uint(struct writer *w, uint64_t v)
{
	write_head(w, MAJOR_UINT, v);
}

void writer_negint(struct writer *w, uint64_t v)
{
	write_head(w, MAJOR_NEGINT, v);
}

void writer_int(struct writer *w, int64_t v)
{
	if (v >= 0)
		writer_uint(w, (uint64_t)v);
	else
		writer_negint(w, (uint64_t)(-1 - v));
}

void writer_bool(struct writer *w, bool v)
{
	write_byte(w, v ? 0xf5 : 0xf4);
}

void writer_null(struct writer *w)
{
	write_byte(w, 0xf6);
}

void writer_float(struct writer *w, double v)
{
	uint64_t bits;
	memcpy(&bits, &v, sizeof(bits));
	write_byte(w, 0xfb);
	uint8_t *to = reserve(w, 8);
	if (!to)
		return;
	for (size_t i = 8; i-- > 0; bits >>= 8)
		to[i] = (uint8_t)bits;
	w->size += 8;
}

void writer_text_n(struct writer *w, const char *text, size_t size)
{
	write_string(w, MAJOR_TEXT, text, size);
}

void writer_text(struct writer *w, const char *text)
{
	writer_text_n(w, text, strlen(text));
}

void writer_bytes(struct writer *w, const void *data, size_t size)
{
	write_string(w, MAJOR_BYTES, data, size);
}

int writer_finish(struct writer *w, uint8_t **ret, size_t *ret_size)
{
	int r = w->error;
	if (r < 0) {
		writer_release(w);
		return r;
	}
	*ret = TAKE_PTR(w->data);
	*ret_size = w->size;
	*w = (struct writer){0};
	return 0;
}

void writer_release(struct writer *w)
{
	free(w->data);
	*w = (struct writer){0};
}
