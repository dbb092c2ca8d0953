/* SPDX-License-Identifier: MIT */
#pragma once

/* What went over a board's line: a ring of decoded frames, sent and received, and of what happened to the line itself. It is
 * kept for every board all the time, so that a failure at night can be read in the morning. A rack has a hundred boards: the
 * ring is bounded, grows as it is used, and keeps an entry in 32 bytes; only one with a text asks for memory, and has none
 * when there is none. Readers are told after each entry and read at their own pace. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "proto/macro.h"

/* The names are those of the API. */
#define TRACE_KINDS(X)                                                                                                 \
	X(SENT, "sent")		 /* a frame */                                                                         \
	X(RECEIVED, "received")	 /* a frame that answers a request */                                                  \
	X(STALE, "stale")	 /* a frame that answers none (any more) */                                             \
	X(DAMAGED, "damaged")	 /* bytes that looked like a frame; text: what is wrong */                             \
	X(TIMEOUT, "timeout")	 /* an attempt that was not answered */                                                \
	X(OPEN, "open")		 /* the tty was opened; text: which */                                                 \
	X(CLOSE, "close")	 /* ... given back; text: why */                                                       \
	X(HANG_UP, "hang-up")	 /* ... lost */                                                                        \
	X(LINES, "lines")	 /* DTR or RTS were set; text: how */                                                  \
	X(TYPED, "typed")	 /* keystrokes; size */                                                                \
	X(MARK, "mark")		 /* a line of the console with a mark */
enum trace_kind {
#define X(name, text) TRACE_##name,
	TRACE_KINDS(X)
#undef X
	TRACE_KIND_COUNT
};
const char *trace_kind_name(enum trace_kind kind);

#define TRACE_TEXT 192 /* bytes of a text with its end: a path of /dev/serial and a sentence; what is longer is cut */

/* As it is given and read. Only frames have numbers of SMP, only others have a text. */
struct trace_entry {
	uint64_t number, time_us; /* counts from 1; CLOCK_REALTIME */
	enum trace_kind kind;
	/* of a frame, and of a timeout: the request's */
	uint8_t op, sequence, id;
	uint16_t group;
	uint32_t size;
	uint32_t round_trip_us; /* RECEIVED */
	uint16_t attempt;	/* SENT, TIMEOUT: 1 is the first */
	int16_t rc_group;	/* RECEIVED: group of rc; -1: a plain one */
	int64_t rc;		/* ... -1: not known; 0: success */
	char text[TRACE_TEXT];
};
bool trace_is_frame(const struct trace_entry *e);

struct trace;
int trace_new(struct trace **ret);
/* number and time are given here; what does not belong to the kind is not kept. format NULL: no text. */
void trace_add(struct trace *t, const struct trace_entry *entry);
void trace_event(struct trace *t, enum trace_kind kind, size_t size, const char *format, ...) _printf_(4, 5);
size_t trace_count(const struct trace *t);
uint64_t trace_dropped(const struct trace *t); /* that the ring no longer holds */
int trace_at(const struct trace *t, size_t index, struct trace_entry *ret); /* 0 is the oldest kept; -ENOENT */
void trace_free(struct trace *t);
DEFINE_FREEP(struct trace, trace_free)

/* Somebody who reads along; as console_reader. */
struct trace_reader {
	void (*ready)(struct trace_reader *reader); /* from inside trace_add, which may be inside a session: do not write */
	void (*ended)(struct trace_reader *reader); /* the trace goes away; the reader is out of it already */
	/* private */
	struct trace *trace;
	uint64_t next;
	LIST_ENTRY(trace_reader) link;
};
void trace_follow(struct trace *t, struct trace_reader *reader, size_t backlog); /* SIZE_MAX: with all there ever were */
void trace_unfollow(struct trace_reader *reader);
/* The next entry; ret_dropped: before it, lost. false: none now. */
bool trace_read(struct trace_reader *reader, struct trace_entry *ret, uint64_t *ret_dropped);
