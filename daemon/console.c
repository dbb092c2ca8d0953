/* SPDX-License-Identifier: MIT */

#include "daemon/console.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "daemon/console-text.h"
#include "daemon/limits.h"

#define TAIL_SIZE 32 /* no shorter than the longest mark */
#define SEQUENCE_MAX 32
#define FIRST_LINES 32

static const struct {
	const char *text;
	enum console_mark mark;
} marks[] = {
	{ "*** Booting Zephyr OS", CONSOLE_ZEPHYR_BOOT },
	{ "*** Booting nRF Connect SDK", CONSOLE_ZEPHYR_BOOT },
	{ "*** Booting MCUboot", CONSOLE_MCUBOOT_BOOT },
	{ "Starting bootloader", CONSOLE_MCUBOOT_BOOT },
	{ "ZEPHYR FATAL ERROR", CONSOLE_FATAL },
	{ "ASSERTION FAIL", CONSOLE_ASSERT },
};

const char *console_mark_name(enum console_mark mark)
{
	static const char *const names[] = {
#define X(name, text) text,
		CONSOLE_MARKS(X)
#undef X
	};
	return names[mark];
}

struct kept {
	char *text;
	size_t size;
	uint64_t time_us;
	enum console_mark mark;
	bool cut; /* the line goes on in the next one */
	bool cr;
};

LIST_HEAD(readers, console_reader);

struct console {
	struct console_callbacks callbacks;
	void *user;
	struct kept *ring; /* room of them; it doubles as it is used, up to max_lines */
	size_t room, max_lines, max_bytes;
	size_t first, count, bytes;
	uint64_t dropped;
	/* the line that is under way */
	char line[LIMIT_CONSOLE_LINE_BYTES];
	size_t size;
	bool started;	  /* line has a beginning, with this time: */
	uint64_t time_us;
	bool pending_cr;  /* a CR that is dropped when LF comes next */
	char tail[TAIL_SIZE]; /* the last bytes that were printed, pieces or not, without control sequences */
	size_t sequence;      /* bytes of the control sequence that is under way; 0: none is */
	enum console_mark line_mark;
	bool mark_told;
	struct readers readers;
	size_t untold; /* lines since the readers heard of one */
};

int console_new(const struct console_callbacks *callbacks, void *user, struct console **ret)
{
	struct console *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->ring = calloc(FIRST_LINES, sizeof(*c->ring));
	if (!c->ring) {
		free(c);
		return -ENOMEM;
	}
	c->room = FIRST_LINES;
	c->max_lines = LIMIT_CONSOLE_LINES;
	c->max_bytes = LIMIT_CONSOLE_BYTES;
	c->callbacks = *callbacks;
	c->user = user;
	*ret = c;
	return 0;
}

static struct kept *at(const struct console *c, size_t index)
{
	return &c->ring[(c->first + index) % c->room];
}

static void drop_oldest(struct console *c)
{
	struct kept *k = at(c, 0);
	c->bytes -= k->size;
	free(TAKE_PTR(k->text));
	c->first = (c->first + 1) % c->room;
	c->count--;
	c->dropped++;
}

/* The lines that are kept fit into the new room. */
static int set_room(struct console *c, size_t room)
{
	struct kept *ring = calloc(room, sizeof(*ring));

	if (!ring)
		return -ENOMEM;
	for (size_t i = 0; i < c->count; i++)
		ring[i] = *at(c, i);
	free(c->ring);
	c->ring = ring;
	c->first = 0;
	c->room = room;
	return 0;
}

int console_set_size(struct console *c, size_t lines, size_t bytes)
{
	while (c->count > lines)
		drop_oldest(c);
	if (c->room > lines && set_room(c, lines) < 0)
		return -ENOMEM;
	c->max_lines = lines;
	c->max_bytes = bytes;
	while (c->count && c->bytes > bytes)
		drop_oldest(c);
	return 0;
}

void console_tell_mark(struct console *c)
{
	const struct console_line line = { c->dropped + c->count + 1, c->time_us, c->line, c->size, c->line_mark };

	if (!c->line_mark || c->mark_told)
		return;
	c->mark_told = true;
	if (c->callbacks.marked)
		c->callbacks.marked(c->user, &line);
}

/* The first bytes of the line go into the ring. When memory is short, old lines make room for new ones, so that numbers
 * have no holes inside the ring. */
static void keep(struct console *c, size_t size, bool cut, bool cr)
{
	char *copy = NULL;

	while (c->count && (c->count == c->max_lines || c->bytes + size > c->max_bytes))
		drop_oldest(c);
	if (c->count == c->room && set_room(c, c->room * 2 < c->max_lines ? c->room * 2 : c->max_lines) < 0)
		drop_oldest(c);
	while (!(copy = malloc(size ? size : 1)) && c->count)
		drop_oldest(c);
	if (copy) {
		memcpy(copy, c->line, size);
		*at(c, c->count) = (struct kept){ copy, size, c->time_us, c->line_mark, cut, cr };
		c->count++;
		c->bytes += size;
	} else {
		c->dropped++;
	}
	c->untold++;
	c->size -= size;
	memmove(c->line, c->line + size, c->size);
}

static void end_line(struct console *c)
{
	console_tell_mark(c);
	keep(c, c->size, false, c->pending_cr);
	c->started = c->pending_cr = c->mark_told = false;
	c->line_mark = CONSOLE_NO_MARK;
	memset(c->tail, 0, sizeof(c->tail));
	c->sequence = 0;
}

static void add_byte(struct console *c, char byte)
{
	/* A character or control sequence is not torn apart. */
	if (c->size == LIMIT_CONSOLE_LINE_BYTES)
		keep(c, console_text_whole(c->line, c->size), true, false);
	c->line[c->size++] = byte;
}

static void found(struct console *c, enum console_mark mark)
{
	if (!c->line_mark)
		c->line_mark = mark;
	if (c->callbacks.seen)
		c->callbacks.seen(c->user, mark);
}

/* Colours stand anywhere, also inside of what is looked for. */
static bool is_in_sequence(struct console *c, char byte)
{
	bool starts = byte == '\x1b';

	if (!starts && !c->sequence)
		return false;
	if (starts)
		c->sequence = 1;
	else if (c->sequence == 1 ? byte != '[' : c->sequence == SEQUENCE_MAX || (byte >= 0x40 && byte <= 0x7e))
		c->sequence = 0;
	else
		c->sequence++;
	return true;
}

static void look_for_marks(struct console *c, char byte)
{
	if (is_in_sequence(c, byte))
		return;
	memmove(c->tail, c->tail + 1, TAIL_SIZE - 1);
	c->tail[TAIL_SIZE - 1] = byte;
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		size_t size = strlen(marks[i].text);
		if (byte == marks[i].text[size - 1] && !memcmp(c->tail + TAIL_SIZE - size, marks[i].text, size))
			found(c, marks[i].mark);
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

/* A reader may leave while it is told; it does not end another one's reading. */
static void tell_readers(struct console *c)
{
	struct console_reader *r, *next;

	c->untold = 0;
	for (r = LIST_FIRST(&c->readers); r; r = next) {
		next = LIST_NEXT(r, link);
		r->ready(r);
	}
}

void console_feed(struct console *c, const uint8_t *data, size_t size, uint64_t time_us)
{
	for (size_t i = 0; i < size; i++) {
		take_byte(c, (char)data[i], time_us);
		if (c->untold >= CONSOLE_TELL_LINES)
			tell_readers(c);
	}
	tell_readers(c);
}

void console_break(struct console *c)
{
	if (!c->started)
		return;
	end_line(c);
	tell_readers(c);
}

bool console_has_begun(const struct console *c)
{
	return c->started;
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
	*ret = (struct console_line){ c->dropped + index + 1, k->time_us, k->text, k->size, k->mark };
	return 0;
}

uint64_t console_dropped(const struct console *c)
{
	return c->dropped;
}

/* --- readers ---------------------------------------------------------------------------------------------------------- */

void console_follow(struct console *c, struct console_reader *reader, size_t lines)
{
	reader->console = c;
	reader->next = lines == SIZE_MAX ? 1 : c->dropped + 1 + (lines < c->count ? c->count - lines : 0);
	reader->offset = 0;
	LIST_INSERT_HEAD(&c->readers, reader, link);
}

void console_unfollow(struct console_reader *reader)
{
	if (!reader->console)
		return;
	LIST_REMOVE(reader, link);
	reader->console = NULL;
}

size_t console_waiting(const struct console_reader *reader)
{
	const struct console *c = reader->console;
	uint64_t end = c ? c->dropped + c->count + 1 : 0;

	if (!c || reader->next >= end)
		return 0;
	return end - reader->next < c->count ? (size_t)(end - reader->next) : c->count;
}

static void read_kept(struct console_reader *r, struct console_piece *ret)
{
	const struct console *c = r->console;
	const struct kept *k = at(c, (size_t)(r->next - c->dropped - 1));

	*ret = (struct console_piece){
		.number = r->next++,
		.time_us = k->time_us,
		.text = k->text + r->offset,
		.size = k->size - r->offset,
		.more = k->cut,
		.cr = k->cr,
		.mark = k->mark,
		.dropped = ret->dropped,
	};
	r->offset = 0;
}

static bool read_partial(struct console_reader *r, struct console_piece *ret)
{
	const struct console *c = r->console;
	size_t size = console_text_whole(c->line, c->size);

	if (size <= r->offset)
		return false;
	*ret = (struct console_piece){
		.number = r->next,
		.time_us = c->time_us,
		.text = c->line + r->offset,
		.size = size - r->offset,
		.more = true,
		.mark = c->line_mark,
		.dropped = ret->dropped,
	};
	r->offset = size;
	return true;
}

bool console_read(struct console_reader *r, bool partial, struct console_piece *ret)
{
	const struct console *c = r->console;
	uint64_t first;

	if (!c)
		return false;
	first = c->dropped + 1;
	struct console_piece piece = { .dropped = r->next < first ? first - r->next : 0 };
	if (piece.dropped) {
		r->next = first;
		r->offset = 0;
	}
	if (console_waiting(r))
		read_kept(r, &piece);
	else if (!partial || !read_partial(r, &piece)) {
		r->next -= piece.dropped; /* told with the next piece */
		return false;
	}
	*ret = piece;
	return true;
}

void console_free(struct console *c)
{
	struct console_reader *r;

	if (!c)
		return;
	while ((r = LIST_FIRST(&c->readers))) {
		console_unfollow(r);
		r->ended(r);
	}
	while (c->count)
		drop_oldest(c);
	free(c->ring);
	free(c);
}
