/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "proto/varlink.h"

#define KEEP_MAX 65536 /* a larger buffer is given back when it is empty */

struct varlink_stream {
	char *data;
	size_t size, capacity;
	size_t start;	/* of the next message */
	size_t scanned; /* no NUL between start and here */
	size_t tail;	/* of the message that has not ended yet */
	size_t message_max;
	bool skips, skipping; /* messages over the limit; one of them now */
	bool skipped;	      /* one was, that nobody has been told of */
	size_t skipped_at;    /* what came before it ends here */
};

int varlink_stream_new(size_t message_max, struct varlink_stream **ret)
{
	struct varlink_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->message_max = message_max;
	*ret = s;
	return 0;
}

void varlink_stream_free(struct varlink_stream *s)
{
	if (!s)
		return;
	free(s->data);
	free(s);
}

void varlink_stream_skip(struct varlink_stream *s)
{
	s->skips = true;
}

/* Whether every message stays within the limit with these bytes. */
static bool within_limit(struct varlink_stream *s, const char *data, size_t size)
{
	const char *nul;

	while (size > 0 && (nul = memchr(data, 0, size))) {
		size_t n = (size_t)(nul - data);

		if (s->tail + n > s->message_max)
			return false;
		s->tail = 0;
		data += n + 1;
		size -= n + 1;
	}
	s->tail += size;
	return s->tail <= s->message_max;
}

static void forget_read(struct varlink_stream *s)
{
	memmove(s->data, s->data + s->start, s->size - s->start);
	s->size -= s->start;
	s->scanned -= s->start;
	s->skipped_at -= s->skipped ? s->start : 0;
	s->start = 0;
}

static int grow(struct varlink_stream *s, size_t size)
{
	size_t capacity = s->capacity ? s->capacity : 1024;
	char *data;

	if (s->start > 0 && s->start >= s->size / 2)
		forget_read(s);
	if (s->capacity - s->size >= size)
		return 0;
	while (capacity - s->size < size)
		if (__builtin_mul_overflow(capacity, 2U, &capacity))
			return -ENOMEM;
	data = realloc(s->data, capacity);
	if (!data)
		return -ENOMEM;
	s->data = data;
	s->capacity = capacity;
	return 0;
}

static int append(struct varlink_stream *s, const char *data, size_t size)
{
	int e = grow(s, size);

	if (e < 0)
		return e;
	memcpy(s->data + s->size, data, size);
	s->size += size;
	return 0;
}

/* What came of the message before goes as well; nobody has seen it. */
static int begin_skipping(struct varlink_stream *s)
{
	if (s->skipped)
		return -E2BIG;
	s->size -= s->tail;
	if (s->scanned > s->size)
		s->scanned = s->size;
	s->tail = 0;
	s->skipping = s->skipped = true;
	s->skipped_at = s->size;
	return 0;
}

/* Up to the end of one message, or all: how many bytes that were. */
static int feed_piece(struct varlink_stream *s, const char *data, size_t size, size_t *ret_taken)
{
	const char *nul = memchr(data, 0, size);
	size_t n = nul ? (size_t)(nul - data) + 1 : size;
	int e = 0;

	if (!s->skipping && s->tail + n - (nul != NULL) > s->message_max)
		e = begin_skipping(s);
	if (e == 0 && !s->skipping) {
		e = append(s, data, n);
		s->tail = nul ? 0 : s->tail + n;
	}
	if (nul)
		s->skipping = false;
	*ret_taken = n;
	return e;
}

int varlink_stream_feed(struct varlink_stream *s, const void *data, size_t size)
{
	const char *at = data;
	size_t n = 0;
	int e = 0;

	if (size > 0 && !s->skips)
		return within_limit(s, data, size) ? append(s, data, size) : -E2BIG;
	for (; e == 0 && size > 0; at += n, size -= n)
		e = feed_piece(s, at, size, &n);
	return e;
}

static void give_back(struct varlink_stream *s)
{
	s->size = s->start = s->scanned = s->skipped_at = 0;
	if (s->capacity > KEEP_MAX) {
		free(s->data);
		s->data = NULL;
		s->capacity = 0;
	}
}

int varlink_stream_next(struct varlink_stream *s, const char **ret, size_t *ret_size)
{
	const char *nul;

	if (s->skipped && !s->skipping && s->skipped_at == s->start) {
		s->skipped = false;
		return -E2BIG;
	}
	if (s->start == s->size) {
		give_back(s);
		return 0;
	}
	nul = memchr(s->data + s->scanned, 0, s->size - s->scanned);
	if (!nul) {
		s->scanned = s->size;
		return 0;
	}
	*ret = s->data + s->start;
	*ret_size = (size_t)(nul - *ret);
	s->start += *ret_size + 1;
	s->scanned = s->start;
	return 1;
}

size_t varlink_stream_buffered(const struct varlink_stream *s)
{
	return s->size - s->start;
}
