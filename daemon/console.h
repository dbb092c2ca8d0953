/* SPDX-License-Identifier: MIT */
#pragma once

/* What a board prints outside SMP frames: a ring of lines with time stamps, and the marks that tell of a boot.
 *
 * Lines end at LF (a CR before it is dropped); a line over LIMIT_CONSOLE_LINE_BYTES is kept in pieces; the ring is bounded
 * in lines and bytes and counts what it drops. Bytes are kept as they came; whoever shows them makes them safe
 * (console-text.h).
 *
 * Any number of readers follow it, each at its own pace; the ring never waits for one. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "proto/macro.h"

enum console_mark {
	CONSOLE_ZEPHYR_BOOT,  /* "*** Booting Zephyr OS" (also nRF Connect SDK's) */
	CONSOLE_MCUBOOT_BOOT, /* "*** Booting MCUboot" or "Starting bootloader" */
	CONSOLE_FATAL,	      /* "ZEPHYR FATAL ERROR", "ASSERTION FAIL" */
};

struct console_line {
	uint64_t number;  /* counts from 1 */
	uint64_t time_us; /* CLOCK_REALTIME */
	const char *text; /* size bytes, not terminated */
	size_t size;
};

struct console;
/* mark is called as soon as the text is recognised, also before its line ends. */
int console_new(void (*mark)(void *user, enum console_mark mark), void *user, struct console **ret);
void console_feed(struct console *c, const uint8_t *data, size_t size, uint64_t time_us);
size_t console_count(const struct console *c);
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
