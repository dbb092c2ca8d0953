/* SPDX-License-Identifier: MIT */

#include "daemon/console.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "daemon/limits.h"

#define TAIL_SIZE 32 /* no shorter than the longest mark */

static const struct {
	const char *text;
	enum console_mark mark;
} marks[] = {
	{ "*** Booting Zephyr OS", CONSOLE_ZEPHYR_BOOT },
	{ "*** Booting nRF Connect SDK", CONSOLE_ZEPHYR_BOOT },
	{ "*** Booting MCUboot", CONSOLE_MCUBOOT_BOOT },
	{ "Starting bootloader", CONSOLE_MCUBOOT_BOOT },
	{ "ZEPHYR FATAL ERROR", CONSOLE_FATAL },
	{ "ASSERTION FAIL", CONSOLE_FATAL },
};

struct kept {
	char *text;
	size_t size;
	uint64_t time_us;
};

struct console {
	void (*mark)(void *user, enum console_mark mark);
	void *user;
	struct kept *ring; /* LIMIT_CONSOLE_LINES of them */
	size_t first, count, bytes;
	uint64_t dropped;
	/* the line that is under way */
	char line[LIMIT_CONSOLE_LINE_BYTES];
	size_t size;
	bool started;	  /* line has a beginning, with this time: */
	uint64_t time_us;
	bool cut;	  /* its first pieces are in the ring already */
	bool pending_cr;  /* a CR that is dropped when LF comes next */
	char tail[TAIL_SIZE]; /* the last bytes that were printed, pieces or not */
};

int console_new(void (*mark)(void *user, enum console_mark mark), void *user, struct console **ret)
{
	struct console *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->ring = calloc(LIMIT_CONSOLE_LINES, sizeof(*c->ring));
	if (!c->ring) {
		free(c);
		return -ENOMEM;
	}
	c->mark = mark;
	c->user = user;
	*ret = c;
	return 0;
}

static struct kept *at(const struct console *c, size_t index)
{
	return &c->ring[(c->first + index) % LIMIT_CONSOLE_LINES];
}

static void drop_oldest(struct console *c)
{
	struct kept *k = at(c, 0);
	c->bytes -= k->size;
	free(TAKE_PTR(k->text));
	c->first = (c->first + 1) % LIMIT_CONSOLE_LINES;
	c->count--;
	c->dropped++;
}

static void keep(struct console *c)
{
	while (c->count && (c->count == LIMIT_CONSOLE_LINES || c->bytes + c->size > LIMIT_CONSOLE_BYTES))
		drop_oldest(c);
	char *copy = malloc(c->size ? c->size : 1);
	if (copy) {
		memcpy(copy, c->line, c->size);
		*at(c, c->count) = (struct kept){ copy, c->size, c->time_us };
		c->count++;
		c->bytes += c->size;
	} else {
		c->dropped++;
	}
	c->size = 0;
}

static void end_line(struct console *c)
{
	if (c->size || !c->cut) /* a line that filled its last piece exactly leaves nothing behind */
		keep(c);
	c->started = c->cut = c->pending_cr = false;
	memset(c->tail, 0, sizeof(c->tail));
}

static void add_byte(struct console *c, char byte)
{
	if (c->size == LIMIT_CONSOLE_LINE_BYTES) {
		keep(c);
		c->cut = true;
	}
	c->line[c->size++] = byte;
}

static void look_for_marks(struct console *c, char byte)
{
	memmove(c->tail, c->tail + 1, TAIL_SIZE - 1);
	c->tail[TAIL_SIZE - 1] = byte;
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		size_t size = strlen(marks[i].text);
		if (byte == marks[i].text[size - 1] && !memcmp(c->tail + TAIL_SIZE - size, marks[i].text, size) && c->mark)
			c->mark(c->user, marks[i].mark);
	}
}

static void take_byte(struct console *c, char byte, uint64_t time_us)
{
	if (!c->started) {
		c->started = true;
		c->time_us = time_us;
	}
	if (byte == '\n') {
		end_line(c);
		return;
	}
	if (c->pending_cr)
		add_byte(c, '\r');
	c->pending_cr = byte == '\r';
	if (c->pending_cr)
		return;
	add_byte(c, byte);
	look_for_marks(c, byte);
}

void console_feed(struct console *c, const uint8_t *data, size_t size, uint64_t time_us)
{
	for (size_t i = 0; i < size; i++)
		take_byte(c, (char)data[i], time_us);
}

size_t console_count(const struct console *c)
{
	return c->count;
}

int console_at(const struct console *c, size_t index, struct console_line *ret)
{
	if (index >= c->count)
		return -ENOENT;
	const struct kept *k = at(c, index);
	*ret = (struct console_line){ c->dropped + index + 1, k->time_us, k->text, k->size };
	return 0;
}

uint64_t console_dropped(const struct console *c)
{
	return c->dropped;
}

void console_free(struct console *c)
{
	if (!c)
		return;
	while (c->count)
		drop_oldest(c);
	free(c->ring);
	free(c);
}
