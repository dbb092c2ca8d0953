/* SPDX-License-Identifier: MIT */
#pragma once

/* What a board prints outside SMP frames: a ring of lines with time stamps, and the marks that tell of a boot.
 *
 * Lines end at LF (a CR before it is dropped); a line over LIMIT_CONSOLE_LINE_BYTES is kept in pieces; the ring is bounded
 * in lines and bytes and counts what it drops. Bytes are kept as they came; whoever shows them makes them safe. */

#include <stddef.h>
#include <stdint.h>

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
void console_free(struct console *c);
DEFINE_FREEP(struct console, console_free)
