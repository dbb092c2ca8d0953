/* SPDX-License-Identifier: MIT */
#pragma once

/* What a board prints outside SMP frames: a ring of lines with time stamps, and the marks that tell of a boot.
 *
 * Lines end at LF (a CR before it is not part of it); a line over LIMIT_CONSOLE_LINE_BYTES is kept in pieces; the ring is bounded
 * in lines and bytes and counts what it drops. Bytes are kept as they came; whoever shows them makes them safe
 * (console-text.h).
 *
 * Any number of readers follow it, each at its own pace; the ring never waits for one. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "proto/macro.h"

/* The names are those of the API. */
#define CONSOLE_MARKS(X)                                                                                               \
	X(NO_MARK, NULL)                                                                                               \
	X(ZEPHYR_BOOT, "boot")	      /* "*** Booting Zephyr OS" (also nRF Connect SDK's) */                           \
	X(MCUBOOT_BOOT, "bootloader") /* "*** Booting MCUboot" or "Starting bootloader" */                             \
	X(FATAL, "fatal")	      /* "ZEPHYR FATAL ERROR" */                                                       \
	X(ASSERT, "assert")	      /* "ASSERTION FAIL" */
enum console_mark {
#define X(name, text) CONSOLE_##name,
	CONSOLE_MARKS(X)
#undef X
	CONSOLE_MARK_COUNT
};
const char *console_mark_name(enum console_mark mark); /* NULL: none */

struct console_line {
	uint64_t number;  /* counts from 1 */
	uint64_t time_us; /* CLOCK_REALTIME */
	const char *text; /* size bytes, not terminated */
	size_t size;
	enum console_mark mark; /* the first in the line */
};

/* seen: as soon as the text is recognised, however it arrives, also before its line ends: for whoever must be quick. marked:
 * once a line with a mark, when that has ended, or by console_tell_mark; the line is borrowed. From inside console_feed. */
struct console_callbacks {
	void (*seen)(void *user, enum console_mark mark);
	void (*marked)(void *user, const struct console_line *line);
};

struct console;
int console_new(const struct console_callbacks *callbacks, void *user, struct console **ret);
/* How much is kept (LIMIT_CONSOLE_LINES and LIMIT_CONSOLE_BYTES at first); what is too much goes. 0, -ENOMEM. */
int console_set_size(struct console *c, size_t lines, size_t bytes);
void console_tell_mark(struct console *c); /* of the line that has not ended, if it has one that was not told */
void console_feed(struct console *c, const uint8_t *data, size_t size, uint64_t time_us);
size_t console_count(const struct console *c);
bool console_has_begun(const struct console *c); /* a line, which has not ended */
int console_at(const struct console *c, size_t index, struct console_line *ret); /* 0 is the oldest kept; -ENOENT */
uint64_t console_dropped(const struct console *c); /* lines that the ring no longer holds */
void console_break(struct console *c); /* what comes next begins a line: the board was reset or plugged again */

#define CONSOLE_TELL_LINES 64

/* Somebody who reads along. Lives in its owner, who calls console_unfollow before it goes away. */
struct console_reader {
	void (*ready)(struct console_reader *reader); /* something was printed: from inside console_feed, after
							 CONSOLE_TELL_LINES lines at the latest */
	void (*ended)(struct console_reader *reader); /* the console goes away; the reader is out of it already */
	/* private */
	struct console *console;
	uint64_t next;	 /* number of the line that it reads next */
	size_t offset; /* bytes of that line that it had already */
	LIST_ENTRY(console_reader) link;
};

/* A piece of text for one reader. Pieces put together are the text: `more` means that the line goes on in the next piece,
 * which has the same number, or the next one where a long line was cut. */
struct console_piece {
	uint64_t number, time_us;
	const char *text; /* borrowed until the console is fed */
	size_t size;
	bool more;
	bool cr;		/* it ended with CR LF */
	enum console_mark mark; /* of its line */
	uint64_t dropped; /* lines before this one that the ring lost before the reader came to them */
};

/* Begins with the newest `lines` whole lines (SIZE_MAX: with all there ever were). */
void console_follow(struct console *c, struct console_reader *reader, size_t lines);
void console_unfollow(struct console_reader *reader); /* fine when it does not follow */
/* The next piece. partial: also of a line that has not ended, up to the last whole character or control sequence.
 * false: there is none now. */
bool console_read(struct console_reader *reader, bool partial, struct console_piece *ret);
/* How many whole lines wait for this reader. */
size_t console_waiting(const struct console_reader *reader);
void console_free(struct console *c);
DEFINE_FREEP(struct console, console_free)
