/* SPDX-License-Identifier: MIT */

#include "daemon/trace.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/limits.h"

#define FIRST_ENTRIES 16 /* that a new ring has room for; it doubles up to the limit */

LIST_HEAD(trace_readers, trace_reader);

/* An entry as it is kept. Its number is that of its place. */
struct kept {
	uint64_t time_us;
	union {
		int64_t rc; /* of a frame */
		char *text; /* of what is none; may be NULL */
	};
	uint32_t size, round_trip_us;
	uint16_t group;
	union {
		uint16_t attempt; /* of what is no answer */
		int16_t rc_group; /* of an answer */
	};
	uint8_t kind, op, sequence, id;
};
_Static_assert(sizeof(struct kept) == 32, "a hundred rings of them are in memory");

struct trace {
	struct kept *ring; /* it wraps once it does not grow any more */
	size_t size;
	bool full_grown;
	uint64_t count; /* ever added */
	struct trace_readers readers;
};

const char *trace_kind_name(enum trace_kind kind)
{
	static const char *const names[] = {
#define X(name, text) text,
		TRACE_KINDS(X)
#undef X
	};
	return names[kind];
}

static bool is_frame(enum trace_kind kind)
{
	return kind == TRACE_SENT || kind == TRACE_RECEIVED || kind == TRACE_STALE || kind == TRACE_TIMEOUT;
}

bool trace_is_frame(const struct trace_entry *e)
{
	return is_frame(e->kind);
}

int trace_new(struct trace **ret)
{
	_cleanup_(trace_freep) struct trace *t = calloc(1, sizeof(*t));

	if (!t || !(t->ring = calloc(FIRST_ENTRIES, sizeof(*t->ring))))
		return -ENOMEM;
	t->size = FIRST_ENTRIES;
	*ret = TAKE_PTR(t);
	return 0;
}

/* Before it wraps for the first time, so that the entries stay in their places. */
static void grow(struct trace *t)
{
	size_t size = t->size * 2 < LIMIT_TRACE_ENTRIES ? t->size * 2 : LIMIT_TRACE_ENTRIES;
	struct kept *ring = size > t->size ? realloc(t->ring, size * sizeof(*ring)) : NULL;

	if (!ring) {
		t->full_grown = true;
		return;
	}
	memset(ring + t->size, 0, (size - t->size) * sizeof(*ring));
	t->ring = ring;
	t->size = size;
}

static void release(struct kept *k)
{
	if (!is_frame(k->kind))
		free(k->text);
}

static struct kept pack(const struct trace_entry *e)
{
	struct kept k = {
		.kind = (uint8_t)e->kind,
		.op = e->op,
		.sequence = e->sequence,
		.id = e->id,
		.group = e->group,
		.size = e->size,
		.round_trip_us = e->round_trip_us,
	};

	if (e->kind == TRACE_RECEIVED)
		k.rc_group = e->rc_group;
	else
		k.attempt = e->attempt;
	if (is_frame(e->kind))
		k.rc = e->rc;
	else
		k.text = e->text[0] ? strdup(e->text) : NULL;
	return k;
}

static void unpack(const struct kept *k, uint64_t number, struct trace_entry *ret)
{
	bool frame = is_frame(k->kind), answer = k->kind == TRACE_RECEIVED;

	*ret = (struct trace_entry){
		.number = number,
		.time_us = k->time_us,
		.kind = k->kind,
		.op = k->op,
		.sequence = k->sequence,
		.id = k->id,
		.group = k->group,
		.size = k->size,
		.round_trip_us = k->round_trip_us,
		.attempt = answer ? 0 : k->attempt,
		.rc_group = answer ? k->rc_group : 0,
		.rc = frame ? k->rc : -1,
	};
	if (!frame && k->text)
		snprintf(ret->text, sizeof(ret->text), "%s", k->text);
}

void trace_add(struct trace *t, const struct trace_entry *entry)
{
	struct trace_reader *r, *next;
	struct timespec now;
	struct kept *k;

	if (t->count == t->size && !t->full_grown)
		grow(t);
	clock_gettime(CLOCK_REALTIME, &now);
	k = &t->ring[t->count++ % t->size];
	release(k);
	*k = pack(entry);
	k->time_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	for (r = LIST_FIRST(&t->readers); r; r = next) {
		next = LIST_NEXT(r, link);
		r->ready(r);
	}
}

void trace_event(struct trace *t, enum trace_kind kind, size_t size, const char *format, ...)
{
	struct trace_entry e = { .kind = kind, .size = (uint32_t)size, .rc = -1 };
	va_list args;

	va_start(args, format);
	if (format)
		vsnprintf(e.text, sizeof(e.text), format, args);
	va_end(args);
	trace_add(t, &e);
}

size_t trace_count(const struct trace *t)
{
	return t->count < t->size ? (size_t)t->count : t->size;
}

uint64_t trace_dropped(const struct trace *t)
{
	return t->count - trace_count(t);
}

int trace_at(const struct trace *t, size_t index, struct trace_entry *ret)
{
	uint64_t place = trace_dropped(t) + index;

	if (index >= trace_count(t))
		return -ENOENT;
	unpack(&t->ring[place % t->size], place + 1, ret);
	return 0;
}

void trace_free(struct trace *t)
{
	struct trace_reader *r;

	if (!t)
		return;
	while ((r = LIST_FIRST(&t->readers))) {
		trace_unfollow(r);
		r->ended(r);
	}
	for (size_t i = 0; t->ring && i < trace_count(t); i++)
		release(&t->ring[i]);
	free(t->ring);
	free(t);
}

void trace_follow(struct trace *t, struct trace_reader *reader, size_t backlog)
{
	size_t count = trace_count(t);

	reader->trace = t;
	reader->next = backlog == SIZE_MAX ? 1 : t->count + 1 - (backlog < count ? backlog : count);
	LIST_INSERT_HEAD(&t->readers, reader, link);
}

void trace_unfollow(struct trace_reader *reader)
{
	if (!reader->trace)
		return;
	LIST_REMOVE(reader, link);
	reader->trace = NULL;
}

bool trace_read(struct trace_reader *r, struct trace_entry *ret, uint64_t *ret_dropped)
{
	const struct trace *t = r->trace;
	uint64_t first;

	if (!t || r->next > t->count)
		return false;
	first = trace_dropped(t) + 1;
	*ret_dropped = r->next < first ? first - r->next : 0;
	if (*ret_dropped)
		r->next = first;
	return trace_at(t, (size_t)(r->next++ - first), ret) == 0;
}
