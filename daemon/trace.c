/* SPDX-License-Identifier: MIT */

#include "daemon/trace.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/limits.h"

LIST_HEAD(trace_readers, trace_reader);

struct trace {
	struct trace_entry ring[LIMIT_TRACE_ENTRIES];
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

bool trace_is_frame(const struct trace_entry *e)
{
	return e->kind == TRACE_SENT || e->kind == TRACE_RECEIVED || e->kind == TRACE_STALE || e->kind == TRACE_TIMEOUT;
}

int trace_new(struct trace **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void trace_add(struct trace *t, const struct trace_entry *entry)
{
	struct trace_entry *e = &t->ring[t->count % LIMIT_TRACE_ENTRIES];
	struct trace_reader *r, *next;
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	*e = *entry;
	e->number = ++t->count;
	e->time_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
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
	return t->count < LIMIT_TRACE_ENTRIES ? (size_t)t->count : LIMIT_TRACE_ENTRIES;
}

uint64_t trace_dropped(const struct trace *t)
{
	return t->count - trace_count(t);
}

const struct trace_entry *trace_at(const struct trace *t, size_t index)
{
	return index < trace_count(t) ? &t->ring[(trace_dropped(t) + index) % LIMIT_TRACE_ENTRIES] : NULL;
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

const struct trace_entry *trace_read(struct trace_reader *r, uint64_t *ret_dropped)
{
	const struct trace *t = r->trace;
	uint64_t first;

	if (!t || r->next > t->count)
		return NULL;
	first = trace_dropped(t) + 1;
	*ret_dropped = r->next < first ? first - r->next : 0;
	if (*ret_dropped)
		r->next = first;
	return trace_at(t, (size_t)(r->next++ - first));
}
