/* SPDX-License-Identifier: MIT */
#include <cbor.h>

#include "payload.h"
#include "util.h"

#define MAJOR_LIST 0x80
#define MAJOR_MAP 0xa0

static void raw(struct writer *w, const void *data, size_t len)
{
	if (w->full || len > w->cap - w->len) {
		w->full = true;
		return;
	}
	memcpy(w->buf + w->len, data, len);
	w->len += len;
}

static void head(struct writer *w, size_t (*encode)(size_t, unsigned char *, size_t), size_t n)
{
	uint8_t buf[9];

	raw(w, buf, encode(n, buf, sizeof(buf)));
}

/* Counts an item of the container that is open. */
static void item(struct writer *w)
{
	if (w->depth)
		w->open[w->depth - 1].count++;
}

static void begin(struct writer *w, uint8_t major)
{
	uint8_t b = (uint8_t)(major | (w->definite ? 0 : 0x1f));

	item(w);
	w->open[w->depth].at = w->len;
	w->open[w->depth].count = 0;
	w->open[w->depth].major = major;
	w->depth++;
	raw(w, &b, 1);
}

/* With definite lengths the count is known only now: its head is put in front of what was written. */
static void end(struct writer *w)
{
	size_t at = w->open[--w->depth].at, count = w->open[w->depth].count, n;
	uint8_t buf[9];

	if (!w->definite) {
		raw(w, "\xff", 1);
		return;
	}
	if (w->open[w->depth].major == MAJOR_MAP)
		n = cbor_encode_map_start(count / 2, buf, sizeof(buf));
	else
		n = cbor_encode_array_start(count, buf, sizeof(buf));
	if (w->full || n - 1 > w->cap - w->len) {
		w->full = true;
		return;
	}
	memmove(w->buf + at + n, w->buf + at + 1, w->len - at - 1);
	memcpy(w->buf + at, buf, n);
	w->len += n - 1;
}

void writer_map_begin(struct writer *w)
{
	begin(w, MAJOR_MAP);
}

void writer_map_end(struct writer *w)
{
	end(w);
}

void writer_list_begin(struct writer *w)
{
	begin(w, MAJOR_LIST);
}

void writer_list_end(struct writer *w)
{
	end(w);
}

void writer_uint(struct writer *w, uint64_t v)
{
	uint8_t buf[9];

	item(w);
	raw(w, buf, cbor_encode_uint(v, buf, sizeof(buf)));
}

void writer_int(struct writer *w, int64_t v)
{
	uint8_t buf[9];

	if (v >= 0) {
		writer_uint(w, (uint64_t)v);
		return;
	}
	item(w);
	raw(w, buf, cbor_encode_negint((uint64_t)(-1 - v), buf, sizeof(buf)));
}

void writer_bool(struct writer *w, bool v)
{
	item(w);
	raw(w, v ? "\xf5" : "\xf4", 1);
}

void writer_bytes(struct writer *w, const void *data, size_t len)
{
	item(w);
	head(w, cbor_encode_bytestring_start, len);
	raw(w, data, len);
}

void writer_text_n(struct writer *w, const void *text, size_t len)
{
	item(w);
	head(w, cbor_encode_string_start, len);
	raw(w, text, len);
}

void writer_text(struct writer *w, const char *text)
{
	writer_text_n(w, text, strlen(text));
}

void writer_pair_uint(struct writer *w, const char *key, uint64_t v)
{
	writer_text(w, key);
	writer_uint(w, v);
}

void writer_pair_int(struct writer *w, const char *key, int64_t v)
{
	writer_text(w, key);
	writer_int(w, v);
}

void writer_pair_bool(struct writer *w, const char *key, bool v)
{
	writer_text(w, key);
	writer_bool(w, v);
}

void writer_pair_bytes(struct writer *w, const char *key, const void *data, size_t len)
{
	writer_text(w, key);
	writer_bytes(w, data, len);
}

void writer_pair_text(struct writer *w, const char *key, const char *text)
{
	writer_text(w, key);
	writer_text(w, text);
}
