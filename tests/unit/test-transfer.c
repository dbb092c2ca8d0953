/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/serial.h"
#include "proto/transfer-private.h"
#include "transfer-board.h"
#include "tests/unit/suite.h"

#define BIG (256 * 1024)

static uint8_t image[BIG], memory[BIG];
static const uint8_t sha[32] = {1, 2, 3};

static void setup(void)
{
	for (size_t i = 0; i < sizeof(image); i++)
		image[i] = (uint8_t)(i * 31 ^ i >> 8);
}

static struct transfer_config image_config(uint64_t size, size_t message_max, unsigned int window)
{
	return (struct transfer_config){.kind = TRANSFER_IMAGE_UPLOAD, .data = image, .size = size, .sha = sha,
			.message_max = message_max, .window_max = window, .window_start = 1, .image = 0, .has_image = true};
}

static struct transfer_config file_config(enum transfer_kind kind, uint64_t size, unsigned int window)
{
	return (struct transfer_config){.kind = kind, .data = image, .size = size, .name = "/lfs/file.bin", .message_max = 380,
			.window_max = window, .window_start = 1};
}

static struct board *board_new(struct board b)
{
	static struct board board;
	board = b;
	board.memory = memory;
	board.memory_size = sizeof(memory);
	memset(memory, 0xee, 24000);
	return &board;
}

static struct transfer *start(const struct transfer_config *c)
{
	struct transfer *t = NULL;
	ck_assert_int_eq(transfer_new(c, &t), 0);
	return t;
}

static void check_done(const struct transfer *t, uint64_t size, const char *what, unsigned int a, unsigned int b)
{
	const char *text;
	int r = transfer_error(t, NULL, &text);
	ck_assert_msg(transfer_state(t) == TRANSFER_DONE, "%s %u %u: %d %s", what, a, b, r, text);
	ck_assert_msg(memcmp(memory, image, size) == 0, "%s %u %u: wrong data", what, a, b);
}

/* ---- sizes ---- */

/* SMP §6.1, len 200000, off 100000. */
static const struct {
	size_t buffer, first, upgrade, plain, later, later_raw;
} size_rows[] = {
		{128, 49, 40, 94, 99, 103},
		{256, 177, 168, 222, 227, 231},
		{384, 304, 295, 349, 354, 358},
		{512, 432, 423, 477, 482, 486},
		{1024, 944, 935, 989, 994, 998},
		{2048, 1968, 1959, 2013, 2018, 2022},
		{4096, 4016, 4007, 4061, 4066, 4070},
};

START_TEST(test_size_table)
{
	size_t buffer = size_rows[_i].buffer;
	struct transfer_config c = image_config(200000, serial_message_max(SERIAL_CONSOLE, buffer), 1);
	ck_assert_uint_eq(transfer_chunk_max(&c, true, 0), size_rows[_i].first);
	ck_assert_uint_eq(transfer_chunk_max(&c, false, 100000), size_rows[_i].later);
	c.upgrade_only = true;
	ck_assert_uint_eq(transfer_chunk_max(&c, true, 0), size_rows[_i].upgrade);
	c.upgrade_only = c.has_image = false;
	c.sha = NULL;
	ck_assert_uint_eq(transfer_chunk_max(&c, true, 0), size_rows[_i].plain);
	c.message_max = serial_message_max(SERIAL_RAW, buffer);
	ck_assert_uint_eq(transfer_chunk_max(&c, false, 100000), size_rows[_i].later_raw);
}
END_TEST

static size_t message_size(struct transfer *t, bool first, uint64_t offset, uint64_t length)
{
	const struct transfer_chunk chunk = {.first = first, .offset = offset, .length = length};
	struct writer w = {0};
	uint8_t *data;
	size_t size;
	expect(transfer_encode(t, &chunk, &w) == 0);
	expect(writer_finish(&w, &data, &size) == 0);
	free(data);
	return SMP_HEADER_SIZE + size;
}

/* For every buffer: the largest chunk fits, one byte more does not. */
static void check_buffer(struct transfer *t, struct transfer_config *c, size_t buffer, bool first, uint64_t offset)
{
	c->message_max = buffer - 4;
	size_t n = transfer_chunk_max(c, first, offset);
	expect(n > 0);
	size_t size = message_size(t, first, offset, n);
	expect_msg(size <= c->message_max, "buffer %zu: %zu bytes of data make %zu", buffer, n, size);
	expect_msg(message_size(t, first, offset, n + 1) > c->message_max, "buffer %zu: more than %zu would fit", buffer, n);
}

START_TEST(test_size_none)
{
	struct transfer_config c = image_config(200000, 0, 1), download = file_config(TRANSFER_FILE_DOWNLOAD, 0, 1);
	for (c.message_max = 1; c.message_max < 75; c.message_max++)
		ck_assert_uint_eq(transfer_chunk_max(&c, true, 0), 0);
	ck_assert_uint_eq(transfer_chunk_max(&c, true, 0), 1);
	ck_assert_uint_eq(transfer_chunk_max(&download, true, 0), 0);
}
END_TEST

START_TEST(test_size_every_buffer)
{
	static const uint64_t offsets[] = {1, 23, 24, 255, 256, 65535, 65536, 100000};
	struct transfer_config c = image_config(BIG - 1, 1020, 1);
	struct transfer_config plain = c, file = file_config(TRANSFER_FILE_UPLOAD, BIG - 1, 1);
	plain.sha = NULL;
	struct transfer *t = start(&c), *p = start(&plain), *f = start(&file);
	for (size_t buffer = 96; buffer <= 65535; buffer += buffer < 1500 ? 1 : 61) {
		for (size_t i = 0; i < ARRAY_SIZE(offsets); i++)
			check_buffer(t, &c, buffer, false, offsets[i]);
		check_buffer(p, &plain, buffer, true, 0);
		check_buffer(f, &file, buffer, true, 0);
		check_buffer(f, &file, buffer, false, 70000);
		if (buffer >= 104)
			check_buffer(t, &c, buffer, true, 0);
	}
	for (size_t buffer = 255; buffer < 70000; buffer = buffer * 2 + 1)
		for (size_t near = buffer - 40; near < buffer + 300 && near <= 65535; near++)
			check_buffer(t, &c, near, false, 100000);
	transfer_free(t);
	transfer_free(p);
	transfer_free(f);
}
END_TEST

/* The same by arithmetic; bytes and arithmetic come from one list of keys, and are compared above. */
static void check_count(const struct transfer_config *c, bool first, uint64_t offset)
{
	size_t n = transfer_chunk_max(c, first, offset);

	size_t size = transfer_chunk_size(c, first, offset, n), more = transfer_chunk_size(c, first, offset, n + 1);
	expect_msg(n > 0 && size <= c->message_max, "message %zu: %zu bytes of data make %zu", c->message_max, n, size);
	expect_msg(more > c->message_max, "message %zu: more than %zu bytes of data would fit", c->message_max, n);
}

/* Every buffer there can be, for every kind of transfer, the first chunk and later ones. */
START_TEST(test_size_every_single_buffer)
{
	static const uint64_t later[] = {23, 24, 255, 256, 65535, 65536};
	struct transfer_config upload = image_config(BIG - 1, 1020, 1), plain = upload;
	struct transfer_config file = file_config(TRANSFER_FILE_UPLOAD, BIG - 1, 1);
	struct transfer_config download = file_config(TRANSFER_FILE_DOWNLOAD, 0, 1);
	plain.sha = NULL;
	for (size_t buffer = 96; buffer <= 65535; buffer++) {
		uint64_t offset = later[buffer % ARRAY_SIZE(later)];
		upload.message_max = plain.message_max = file.message_max = download.message_max = buffer - 4;
		check_count(&plain, true, 0);
		check_count(&file, true, 0);
		check_count(&file, false, offset);
		check_count(&upload, false, offset); /* the same with and without a checksum */
		if (buffer >= 104)
			check_count(&upload, true, 0);
		/* The board cuts what it sends; of a download only the request is measured. */
		expect(transfer_chunk_size(&download, false, offset, 0) <= download.message_max);
	}
}
END_TEST

START_TEST(test_new)
{
	struct transfer *t = NULL;
	struct transfer_config c = image_config(1000, 380, 1);
	c.window_max = 0;
	ck_assert_int_eq(transfer_new(&c, &t), -EINVAL);
	c = image_config(0, 380, 1);
	ck_assert_int_eq(transfer_new(&c, &t), -EINVAL);
	c = image_config(10, 380, 1);
	c.data = NULL;
	ck_assert_int_eq(transfer_new(&c, &t), -EINVAL);
	c = file_config(TRANSFER_FILE_DOWNLOAD, 0, 1);
	c.name = NULL;
	ck_assert_int_eq(transfer_new(&c, &t), -EINVAL);

	/* 96-byte buffer: no room for the SHA-256 beside an image header */
	c = image_config(200000, 92, 1);
	t = start(&c);
	struct transfer_chunk chunk;
	ck_assert_int_eq(transfer_next(t, &chunk), 1);
	ck_assert_uint_ge(chunk.length, 32);
	ck_assert_uint_le(message_size(t, true, 0, chunk.length), 92);
	transfer_free(t);
	/* the first buffer that has room for both, and the last that has it for neither */
	c = image_config(200000, 107, 1);
	t = start(&c);
	ck_assert_int_eq(transfer_next(t, &chunk), 1);
	ck_assert_uint_eq(chunk.length, 32);
	ck_assert_uint_eq(message_size(t, true, 0, 32), 107);
	transfer_free(t);
	t = NULL;
	c = image_config(200000, 69, 1);
	transfer_free(start(&c));
	c.message_max = 68;
	ck_assert_int_eq(transfer_new(&c, &t), -EMSGSIZE);
	c.has_image = false;
	c.message_max = 62;
	transfer_free(start(&c));
	c.message_max = 61;
	ck_assert_int_eq(transfer_new(&c, &t), -EMSGSIZE);
	c = file_config(TRANSFER_FILE_DOWNLOAD, 0, 1);
	c.message_max = 20;
	ck_assert_int_eq(transfer_new(&c, &t), -EMSGSIZE);
	ck_assert_ptr_null(t);
	transfer_free(t);
}
END_TEST

/* ---- a link without faults ---- */

static const struct {
	uint64_t size;
	size_t message_max;
	unsigned int window, align;
	bool mcuboot;
	unsigned int sends;
} clean_rows[] = {
		{1, 380, 1, 0, false, 1},
		{31, 380, 1, 0, false, 1},
		{32, 380, 1, 0, false, 1},
		{300, 380, 1, 0, false, 1},
		{1000, 380, 1, 0, false, 3},
		{20000, 380, 1, 0, false, 57},
		{20000, 380, 4, 0, false, 57},
		{20000, 380, 4, 16, false, 57},
		{20000, 508, 1, 32, true, 42},
		{20000, 508, 1, 0, true, 42}, /* the board cuts: nothing is lost */
		{200000, 2044, 8, 0, false, 100},
		{200000, 65531, 2, 0, false, 4},
		{5000, 92, 1, 0, false, 73},
};

START_TEST(test_clean)
{
	struct transfer_config c = image_config(clean_rows[_i].size, clean_rows[_i].message_max, clean_rows[_i].window);
	c.align = clean_rows[_i].align;
	struct transfer *t = start(&c);
	struct board *b = board_new((struct board){.mcuboot = clean_rows[_i].mcuboot, .align = 32, .checks = true});
	struct ride ride;
	ride_run(t, b, NULL, NULL, 3000, &ride);
	check_done(t, c.size, "clean", (unsigned int)_i, 0);
	ck_assert(b->complete && !transfer_verify_needed(t) && transfer_matched(t));
	ck_assert_uint_eq(transfer_acknowledged(t), c.size);
	ck_assert_uint_eq(transfer_total(t), c.size);
	ck_assert_uint_eq(transfer_losses(t), 0);
	ck_assert_uint_eq(ride.sends, clean_rows[_i].sends);
	ck_assert_uint_eq(ride.window_seen, clean_rows[_i].sends > 50 ? clean_rows[_i].window : ride.window_seen);
	ck_assert_uint_le(ride.message_seen, c.message_max);
	transfer_free(t);
}
END_TEST

/* ---- one fault, at every position ---- */

struct at {
	unsigned int position;
	enum fault fault;
};

static enum fault fault_at(void *user, unsigned int position)
{
	const struct at *at = user;
	return position == at->position ? at->fault : FINE;
}

static const unsigned int windows[] = {1, 2, 4, 8};

/* Sends that it takes; clean: without a fault. */
static unsigned int one_fault(struct board personality, unsigned int window, enum fault fault, unsigned int position,
		unsigned int clean)
{
	struct transfer_config c = image_config(6000, 380, window);
	c.window_start = window;
	c.align = personality.mcuboot ? 32 : 0;
	struct transfer *t = start(&c);
	struct board *b = board_new(personality);
	struct at at = {position, fault};
	struct ride ride;
	ride_run(t, b, fault_at, &at, 500, &ride);
	check_done(t, c.size, "fault", fault, position);
	if (clean == 0) {
		transfer_free(t);
		return ride.sends;
	}
	ck_assert_msg(b->complete, "%u at %u: not complete", fault, position);
	/* at worst all that was in flight goes again; a session that is lost costs the way so far */
	unsigned int again = fault == FORGET_BEFORE || fault == TWICE_FIRST_REPLY_LOST ? clean + window : window;
	ck_assert_msg(ride.sends <= clean + again, "window %u, fault %u at %u: %u sends", window, fault, position, ride.sends);
	/* a loss that a later reply shows costs no deadline */
	bool shown = window > 1 && position > 0 && position + 1 < clean;
	bool lossy = fault == LOSE_REQUEST || fault == LOSE_REPLY || fault == LATE_REPLY || fault == TWICE_FIRST_REPLY_LOST;
	ck_assert_msg(ride.deadlines <= (lossy && !shown), "window %u, fault %u at %u: %u deadlines", window, fault, position,
			ride.deadlines);
	bool ambiguous = position + 1 == clean && (fault == LOSE_REPLY || fault == LATE_REPLY) && !personality.mcuboot;
	ck_assert_int_eq(transfer_verify_needed(t), ambiguous);
	transfer_free(t);
	return ride.sends;
}

static void every_fault(struct board personality, unsigned int window)
{
	unsigned int clean = one_fault(personality, window, FINE, 0, 0);
	ck_assert_uint_ge(clean, 17);
	for (unsigned int fault = FINE; fault < FAULTS; fault++)
		for (unsigned int position = 0; position < clean; position++)
			one_fault(personality, window, (enum fault)fault, position, clean);
}

START_TEST(test_one_fault)
{
	every_fault((struct board){0}, windows[_i]);
}
END_TEST

START_TEST(test_one_fault_mcuboot)
{
	every_fault((struct board){.mcuboot = true, .align = 32}, windows[_i]);
}
END_TEST

/* The reply of the last chunk is lost: the repeat is answered with 0, and the board has it all. Nothing is sent twice. */
START_TEST(test_last_reply_lost)
{
	struct transfer_config c = image_config(6000, 380, windows[_i]);
	struct transfer *t = start(&c);
	struct board *b = board_new((struct board){0});
	struct at at = {16, LOSE_REPLY};
	struct ride ride;
	ride_run(t, b, fault_at, &at, 100, &ride);
	check_done(t, c.size, "last", 0, 0);
	ck_assert(transfer_verify_needed(t) && b->complete);
	ck_assert_uint_eq(b->firsts, 1);
	ck_assert_uint_eq(ride.sends, 18);
	transfer_free(t);
}
END_TEST

/* ---- many faults ---- */

struct dice {
	uint32_t state;
	uint32_t per_mille;
	bool forgets;
};

static uint32_t roll(struct dice *d, uint32_t limit)
{
	d->state = d->state * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)d->state * limit) >> 32);
}

static enum fault any_fault(void *user, unsigned int position)
{
	struct dice *d = user;
	(void)position;
	if (roll(d, 1000) >= d->per_mille)
		return FINE;
	enum fault f = (enum fault)(1 + roll(d, FAULTS - 1));
	return !d->forgets && (f == FORGET_BEFORE || f == TWICE_FIRST_REPLY_LOST) ? LOSE_REQUEST : f;
}

/* Without requests that arrive twice: no serial link does that, and a server of files cannot tell. */
static enum fault file_fault(void *user, unsigned int position)
{
	enum fault f = any_fault(user, position);
	return f == TWICE || f == TWICE_FIRST_REPLY_LOST ? LOSE_REPLY : f;
}

START_TEST(test_lossy)
{
	struct dice d = {.state = (uint32_t)_i * 2654435761u, .per_mille = (uint32_t)(_i % 5) * 60};
	struct transfer_config c = image_config(1 + (uint64_t)_i * 137, 380, windows[_i % 4]);
	struct board personality = {.mcuboot = _i % 3 == 0, .align = _i % 2 ? 32 : 4, .queue_max = 3};
	struct transfer *t = start(&c);
	struct board *b = board_new(personality);
	struct ride ride;
	ride_run(t, b, any_fault, &d, 6000, &ride);
	check_done(t, c.size, "lossy", (unsigned int)_i, ride.sends);
	ck_assert(b->complete);
	ck_assert(b->firsts == 1 || b->mcuboot); /* whose first chunk always starts over */
	transfer_free(t);
}
END_TEST

/* With boards that forget, a transfer may give up, but in order, and never with a wrong image taken for good. */
START_TEST(test_very_lossy)
{
	struct dice d = {.state = (uint32_t)_i * 40503u, .per_mille = 300, .forgets = true};
	struct transfer_config c = image_config(20000, 380, windows[_i % 4]);
	struct transfer *t = start(&c);
	struct board *b = board_new((struct board){.queue_max = 2});
	struct ride ride;
	ride_run(t, b, any_fault, &d, 6000, &ride);
	if (transfer_state(t) == TRANSFER_DONE && !transfer_verify_needed(t)) {
		check_done(t, c.size, "very lossy", (unsigned int)_i, 0);
		ck_assert(b->complete);
	} else if (transfer_state(t) == TRANSFER_FAILED) {
		const char *text = NULL;
		int r = transfer_error(t, NULL, &text);
		ck_assert_msg(r == -ENOLINK || r == -ETIMEDOUT || r == -ELOOP, "%d %s", r, text);
		ck_assert_uint_gt(strlen(text), 10);
	}
	transfer_free(t);
}
END_TEST

/* ---- boards with little room ---- */

static const struct {
	size_t message_limit;
	unsigned int queue_max, window_max, window_start;
	unsigned int sends, deadlines;	 /* at most */
	size_t message; unsigned int window; /* at the end, at most; 0: any */
} room_rows[] = {
		{0, 0, 8, 8, 295, 0, 380, 8},
		{0, 3, 8, 1, 330, 4, 380, 4},
		{0, 3, 8, 8, 330, 4, 380, 4},
		{0, 1, 4, 4, 340, 12, 380, 2},
		{182, 0, 1, 1, 1100, 16, 200, 1}, /* two lines and no more */
		{182, 0, 4, 4, 1100, 20, 200, 4},
		{89, 0, 1, 1, 0, 0, 0, 0},	  /* a first chunk with SHA-256 needs two lines */
		{110, 0, 1, 1, 1600, 16, 110, 1},
};

START_TEST(test_room)
{
	struct transfer_config c = image_config(100000, 380, room_rows[_i].window_max);
	c.window_start = room_rows[_i].window_start;
	struct transfer *t = start(&c);
	struct board *b = board_new((struct board){.message_limit = room_rows[_i].message_limit, .queue_max = room_rows[_i].queue_max});
	struct ride ride;
	ride_run(t, b, NULL, NULL, 3000, &ride);
	if (room_rows[_i].sends == 0) {
		ck_assert_int_eq(transfer_error(t, NULL, NULL), -ETIMEDOUT);
		ck_assert_uint_eq(ride.sends, 4); /* each may wait for an erase */
	} else {
		check_done(t, c.size, "room", (unsigned int)_i, 0);
		ck_assert_msg(ride.sends <= room_rows[_i].sends, "%u sends", ride.sends);
		ck_assert_msg(ride.deadlines <= room_rows[_i].deadlines, "%u deadlines", ride.deadlines);
		ck_assert_msg(transfer_window(t) <= room_rows[_i].window, "window %u", transfer_window(t));
		ck_assert_msg(transfer_message_size(t) <= room_rows[_i].message, "message %zu", transfer_message_size(t));
	}
	transfer_free(t);
}
END_TEST

static enum fault outage(void *user, unsigned int position)
{
	const struct at *at = user;
	return position >= at->position && position < at->position + 6 ? LOSE_REQUEST : FINE;
}

/* After an outage the window and the message grow to what they were. */
START_TEST(test_recovers)
{
	struct transfer_config c = image_config(100000, 380, 4);
	struct transfer *t = start(&c);
	struct board *b = board_new((struct board){0});
	struct at at = {50, FINE};
	struct ride ride;
	ride_run(t, b, outage, &at, 3000, &ride);
	check_done(t, c.size, "outage", 0, 0);
	ck_assert_uint_eq(transfer_message_size(t), 380);
	ck_assert_uint_eq(transfer_window(t), 4);
	ck_assert_uint_ge(transfer_losses(t), 2);
	transfer_free(t);
}
END_TEST

/* A cable that loses lines: it costs little more than what was lost, with every window. wire: per cent of a clean run. */
static const struct {
	uint32_t line_loss;
	unsigned int window, wire, deadlines;
} cable_rows[] = {
		{0, 1, 100, 0}, {0, 4, 100, 0}, {10, 1, 115, 20}, {10, 2, 125, 4}, {10, 4, 130, 3}, {10, 8, 150, 2},
		{50, 1, 160, 120}, {50, 2, 190, 90}, {50, 4, 210, 30}, {50, 8, 260, 20},
};

static size_t cable_run(uint32_t line_loss, unsigned int window, uint32_t seed, struct ride *ret)
{
	struct transfer_config c = image_config(100000, 380, window);
	struct transfer *t = start(&c);
	struct board *b = board_new((struct board){.line_loss = line_loss, .luck = seed * 2654435761u});
	ride_run(t, b, NULL, NULL, 6000, ret);
	check_done(t, c.size, "cable", window, seed);
	transfer_free(t);
	return ret->wire;
}

START_TEST(test_cable)
{
	struct ride ride;
	size_t clean = cable_run(0, cable_rows[_i].window, 1, &ride), all = 0, seeds = 20;
	unsigned int deadlines = 0;
	for (uint32_t seed = 1; seed <= seeds; seed++) {
		all += cable_run(cable_rows[_i].line_loss, cable_rows[_i].window, seed, &ride);
		deadlines += ride.deadlines;
	}
	ck_assert_msg(100 * all <= cable_rows[_i].wire * clean * seeds, "%zu %% on the wire", 100 * all / clean / seeds);
	ck_assert_msg(deadlines <= cable_rows[_i].deadlines * seeds, "%zu deadlines", deadlines / seeds);
}
END_TEST

/* ---- resume, and every kind of answer ---- */

START_TEST(test_resume)
{
	struct transfer_config c = image_config(20000, 380, windows[_i]);
	struct board *b = board_new((struct board){.active = true, .has_sha = true, .offset = 15000, .size = 20000});
	memcpy(b->sha, sha, 32);
	memcpy(memory, image, 15000);
	struct transfer *t = start(&c);
	struct ride ride;
	ride_run(t, b, NULL, NULL, 3000, &ride);
	check_done(t, c.size, "resume", 0, 0);
	ck_assert_uint_eq(b->firsts, 0);
	ck_assert_uint_eq(ride.sends, 1 + 15);
	transfer_free(t);
}
END_TEST

enum answer_kind {
	SAME, /* as the step before, for ever */
	OFFSET,
	ECHO_END,
	MATCH_FALSE,
	NO_OFFSET,
	TEXT_OFFSET,
	ERROR,
	WANTS, /* err 8/11 with `len` */
	SILENCE,
};

struct step {
	enum answer_kind kind;
	uint64_t offset; /* or the return code */
	int group;
};

static void apply(struct transfer *t, const struct transfer_chunk *chunk, const struct step *s)
{
	struct writer w = {0};
	struct value_doc *doc;
	uint8_t *data;
	size_t size;
	writer_map(&w, s->kind == NO_OFFSET ? 0 : s->kind == MATCH_FALSE ? 2 : 1);
	if (s->kind == MATCH_FALSE) {
		writer_text(&w, "match");
		writer_bool(&w, false);
	}
	if (s->kind != NO_OFFSET)
		writer_text(&w, s->kind == WANTS ? "len" : "off");
	if (s->kind == TEXT_OFFSET)
		writer_text(&w, "1000");
	else if (s->kind != NO_OFFSET)
		writer_uint(&w, s->kind == OFFSET || s->kind == WANTS ? s->offset : chunk->offset + chunk->length);
	ck_assert_int_eq(writer_finish(&w, &data, &size), 0);
	ck_assert_int_eq(value_decode(data, size, &doc, NULL), 0);
	const struct smp_status refused = {.failed = true, .group = SMP_FS, .rc = 11};
	const struct smp_status status = {.failed = true, .group = s->group, .rc = s->offset};
	if (s->kind == WANTS)
		transfer_failed(t, chunk->token, &refused, value_root(doc));
	else if (s->kind == SILENCE)
		transfer_lost(t, chunk->token, false);
	else if (s->kind == ERROR)
		transfer_failed(t, chunk->token, &status, value_root(doc));
	else
		transfer_reply(t, chunk->token, value_root(doc));
	value_doc_free(doc);
	free(data);
}

/* An image of 1000 bytes in chunks of 306, 356 and 338; the last step goes on for ever. */
static const struct {
	const char *what;
	struct step steps[8];
	int result;	     /* 0: done, 1: the board's error */
	unsigned int sends; /* exactly */
	bool verify;
} script_rows[] = {
		{"all in order", {{ECHO_END}}, 0, 3},
		{"has it already", {{OFFSET, 1000}}, 0, 1},
		{"match false", {{ECHO_END}, {ECHO_END}, {MATCH_FALSE}}, -EBADMSG, 3},
		{"match false at once", {{OFFSET, 700}, {MATCH_FALSE}}, -EBADMSG, 2},
		{"resume", {{OFFSET, 900}, {ECHO_END}}, 0, 2},
		{"resume by a jump", {{ECHO_END}, {OFFSET, 950}, {ECHO_END}}, 0, 3},
		{"beyond the end", {{OFFSET, 1001}}, -EPROTO, 1},
		{"beyond the end later", {{ECHO_END}, {OFFSET, UINT64_MAX}}, -EPROTO, 2},
		{"no offset", {{NO_OFFSET}}, -EPROTO, 1},
		{"offset is a text", {{ECHO_END}, {TEXT_OFFSET}}, -EPROTO, 2},
		{"nothing of the first", {{OFFSET, 0}}, -ELOOP, 4},
		{"first cut", {{OFFSET, 288}, {ECHO_END}}, 0, 3},
		{"same offset again and again", {{ECHO_END}, {OFFSET, 306}}, -ELOOP, 1 + 16},
		{"one byte at a time", {{OFFSET, 997}, {OFFSET, 998}, {OFFSET, 999}, {OFFSET, 1000}}, 0, 4},
		{"lost session", {{ECHO_END}, {OFFSET, 0}, {ECHO_END}}, 0, 5},
		{"loses it always", {{ECHO_END}, {OFFSET, 0}, {ECHO_END}, {OFFSET, 0}, {ECHO_END}, {OFFSET, 0}, {ECHO_END},
						   {OFFSET, 0}}, -ENOLINK, 8},
		{"last lost, then 0", {{ECHO_END}, {ECHO_END}, {SILENCE}, {OFFSET, 0}}, 0, 4, true},
		{"last lost, then done", {{ECHO_END}, {ECHO_END}, {SILENCE}, {ECHO_END}}, 0, 4, false},
		{"last lost for ever", {{ECHO_END}, {ECHO_END}, {SILENCE}}, -ETIMEDOUT, 12, true},
		{"0 for the last at once", {{ECHO_END}, {ECHO_END}, {OFFSET, 0}, {ECHO_END}}, 0, 6, false},
		{"goes back", {{ECHO_END}, {ECHO_END}, {OFFSET, 400}, {ECHO_END}}, 0, 5},
		{"goes back always", {{OFFSET, 300}, {OFFSET, 600}, {OFFSET, 200}, {OFFSET, 500}, {OFFSET, 200}, {OFFSET, 500},
						    {OFFSET, 200}, {OFFSET, 100}}, -ENOLINK, 8},
		{"silence", {{SILENCE}}, -ETIMEDOUT, 4},
		{"silence later", {{ECHO_END}, {SILENCE}}, -ETIMEDOUT, 11},
		{"first lost", {{SILENCE}, {ECHO_END}}, 0, 4},
		{"no free slot", {{ERROR, 9, 1}}, 1, 1},
		{"error later", {{ECHO_END}, {ERROR, 12, 1}}, 1, 2},
		{"unknown command", {{ERROR, 8, -1}}, 1, 1},
		{"rc 2 of a group is no busy", {{ERROR, 2, 1}}, 1, 1},
		{"busy once", {{ERROR, 10, -1}, {ECHO_END}, {ERROR, 2, -1}, {ECHO_END}}, 0, 5},
		{"busy always", {{ECHO_END}, {ERROR, 10, -1}}, 1, 1 + 16},
		{"no memory always", {{ERROR, 2, -1}}, 1, 16},
};

START_TEST(test_script)
{
	struct transfer_config c = image_config(1000, 380, 1);
	struct transfer *t = start(&c);
	struct transfer_chunk chunk;
	unsigned int sends = 0, step = 0;
	while (transfer_next(t, &chunk) > 0 && sends < 100) {
		ck_assert_uint_eq(chunk.first, transfer_acknowledged(t) == 0);
		apply(t, &chunk, &script_rows[_i].steps[step]);
		step += step + 1 < 8 && script_rows[_i].steps[step + 1].kind != SAME;
		sends++;
	}
	const struct smp_status *status = NULL;
	const char *text = NULL;
	int r = transfer_error(t, &status, &text);
	ck_assert_int_ne(transfer_state(t), TRANSFER_RUNNING);
	if (script_rows[_i].result == 1) {
		ck_assert_int_eq(r, 0);
		ck_assert_ptr_nonnull(status);
		ck_assert(status->failed && strlen(text) > 20);
	} else {
		ck_assert_msg(r == script_rows[_i].result, "%s: %d %s", script_rows[_i].what, r, text);
		ck_assert_ptr_null(status);
		ck_assert((r < 0) == (transfer_state(t) == TRANSFER_FAILED) && (r == 0 || strlen(text) > 20));
	}
	ck_assert_msg(sends == script_rows[_i].sends, "%s: %u sends", script_rows[_i].what, sends);
	ck_assert_int_eq(transfer_verify_needed(t), script_rows[_i].verify);
	ck_assert_int_eq(transfer_next(t, &chunk), 0);
	ck_assert_uint_eq(transfer_in_flight(t), 0);
	transfer_free(t);
}
END_TEST

/* A file of 1000 bytes in chunks of 335, 340 and 325, by the offsets of what is sent; -1: a close, which is answered. The
 * last thing said is a close: a board that closed the file in between does not know its end. */
static const struct {
	const char *what;
	struct step steps[10];
	int result;
	int sends[12]; /* ends with -2 */
} upload_rows[] = {
		{"in order", {{ECHO_END}}, 0, {-1, 0, 335, 675, -1, -2}},
		{"reply lost, refused at the end", {{ECHO_END}, {SILENCE}, {WANTS, 675}, {ECHO_END}}, 0,
				{-1, 0, 335, 335, 675, -1, -2}},
		{"last reply lost", {{ECHO_END}, {ECHO_END}, {SILENCE}, {WANTS, 1000}}, 0, {-1, 0, 335, 675, 675, -1, -2}},
		{"request lost", {{ECHO_END}, {SILENCE}, {ECHO_END}}, 0, {-1, 0, 335, 335, 675, -1, -2}},
		{"first lost", {{SILENCE}, {ECHO_END}}, 0, {-1, 0, -1, 0, 335, 675, -1, -2}},
		{"first appended", {{OFFSET, 670}, {ECHO_END}}, 0, {-1, 0, -1, 0, 335, 675, -1, -2}},
		{"later one at a wrong offset", {{ECHO_END}, {OFFSET, 400}, {ECHO_END}}, 0,
				{-1, 0, 335, -1, 0, 335, 675, -1, -2}},
		{"wants what was never sent", {{ECHO_END}, {WANTS, 700}, {ECHO_END}}, 0, {-1, 0, 335, -1, 0, 335, 675, -1, -2}},
		{"wants the start", {{ECHO_END}, {WANTS, 0}, {ECHO_END}}, 0, {-1, 0, 335, -1, 0, 335, 675, -1, -2}},
		{"went back", {{ECHO_END}, {ECHO_END}, {WANTS, 335}, {ECHO_END}}, 0, {-1, 0, 335, 675, 335, 675, -1, -2}},
		{"no len", {{ECHO_END}, {ERROR, 11, SMP_FS}}, 1, {-1, 0, 335, -2}},
		{"11 of another group", {{ECHO_END}, {ERROR, 11, SMP_IMAGE}}, 1, {-1, 0, 335, -2}},
		{"file system full", {{ECHO_END}, {ERROR, 10, SMP_FS}}, 1, {-1, 0, 335, -2}},
		{"no offset", {{NO_OFFSET}}, -EPROTO, {-1, 0, -2}},
		{"appended always", {{OFFSET, 670}}, -ENOLINK, {-1, 0, -1, 0, -1, 0, -1, 0, -2}},
};

START_TEST(test_upload_script)
{
	struct transfer_config c = file_config(TRANSFER_FILE_UPLOAD, 1000, 1);
	c.name = "/lfs/a.txt";
	struct transfer *t = start(&c);
	struct transfer_chunk chunk;
	unsigned int step = 0, sends = 0;
	for (; sends < 11 && transfer_next(t, &chunk) > 0; sends++) {
		ck_assert_msg(upload_rows[_i].sends[sends] == (chunk.close ? -1 : (int)chunk.offset), "%s: send %u is %d",
				upload_rows[_i].what, sends, chunk.close ? -1 : (int)chunk.offset);
		apply(t, &chunk, chunk.close ? &(struct step){NO_OFFSET} : &upload_rows[_i].steps[step]);
		step += !chunk.close && step + 1 < 10 && upload_rows[_i].steps[step + 1].kind != SAME;
	}
	const struct smp_status *status = NULL;
	const char *text = NULL;
	int r = transfer_error(t, &status, &text);
	ck_assert_int_eq(upload_rows[_i].sends[sends], -2);
	ck_assert_int_ne(transfer_state(t), TRANSFER_RUNNING);
	ck_assert_msg(r == (upload_rows[_i].result == 1 ? 0 : upload_rows[_i].result), "%s: %d %s", upload_rows[_i].what, r, text);
	ck_assert_int_eq(status != NULL, upload_rows[_i].result == 1);
	transfer_free(t);
}
END_TEST

/* A board that wants the same offset for ever. */
START_TEST(test_upload_stall)
{
	struct transfer_config c = file_config(TRANSFER_FILE_UPLOAD, 6000, 2);
	c.window_start = 2;
	c.stall_max = 5;
	struct transfer *t = start(&c);
	struct transfer_chunk chunk;
	unsigned int sends = 0;
	for (; transfer_next(t, &chunk) > 0; sends++) {
		ck_assert_uint_lt(sends, 30);
		apply(t, &chunk, sends < 2 ? &(struct step){ECHO_END} : &(struct step){WANTS, transfer_acknowledged(t)});
	}
	ck_assert_int_eq(transfer_error(t, NULL, NULL), -ELOOP);
	ck_assert_uint_eq(sends, 2 + 5);
	transfer_free(t);
}
END_TEST

/* Repeats alone do not end it, only with time: and they come ever more slowly. */
START_TEST(test_stall_takes_time)
{
	struct transfer_config c = image_config(6000, 380, 1);
	c.stall_ms = 10000;
	struct transfer *t = start(&c);
	struct transfer_chunk chunk;
	uint64_t now = 1000000, begun;
	transfer_tick(t, now);
	ck_assert_int_eq(transfer_next(t, &chunk), 1);
	apply(t, &chunk, &(struct step){ECHO_END});
	uint64_t at = transfer_acknowledged(t);
	for (unsigned int round = 0; round < 2; round++) {
		unsigned int sends = 0;
		for (begun = now; now - begun < 9000; now += 5 + transfer_pause_ms(t), sends++) {
			transfer_tick(t, now);
			ck_assert_int_eq(transfer_next(t, &chunk), 1);
			apply(t, &chunk, &(struct step){OFFSET, at});
		}
		ck_assert_uint_ge(sends, 16);
		ck_assert_uint_le(sends, 40);
		if (round == 0) { /* it wakes up */
			transfer_tick(t, now);
			ck_assert_int_eq(transfer_next(t, &chunk), 1);
			apply(t, &chunk, &(struct step){ECHO_END});
			ck_assert_uint_eq(transfer_pause_ms(t), 0);
			at = transfer_acknowledged(t);
		}
	}
	ck_assert_int_eq(transfer_state(t), TRANSFER_RUNNING);
	transfer_tick(t, begun + 10001);
	ck_assert_int_eq(transfer_next(t, &chunk), 1);
	apply(t, &chunk, &(struct step){OFFSET, at});
	ck_assert_int_eq(transfer_error(t, NULL, NULL), -ELOOP);
	transfer_free(t);
}
END_TEST

/* The window by hand: what each reply leads to. */
START_TEST(test_window)
{
	struct transfer_config c = image_config(20000, 380, 4);
	c.window_start = 4;
	struct transfer *t = start(&c);
	struct transfer_chunk first, k[4], more;
	ck_assert_int_eq(transfer_next(t, &first), 1);
	ck_assert(first.first && first.offset == 0);
	ck_assert_int_eq(transfer_next(t, &more), 0); /* alone */
	apply(t, &first, &(struct step){ECHO_END});
	for (size_t i = 0; i < 4; i++) {
		ck_assert_int_eq(transfer_next(t, &k[i]), 1);
		ck_assert_uint_eq(k[i].offset, i == 0 ? first.length : k[i - 1].offset + k[i - 1].length);
	}
	ck_assert_int_eq(transfer_next(t, &more), 0);
	ck_assert_uint_eq(transfer_in_flight(t), 4);

	/* k[0] was lost: the reply of k[1] says so. Half the window; k[2] and k[3] still take it up. */
	apply(t, &k[1], &(struct step){OFFSET, k[0].offset});
	ck_assert_uint_eq(transfer_window(t), 2);
	ck_assert_uint_eq(transfer_losses(t), 1);
	ck_assert_uint_eq(transfer_in_flight(t), 2);
	ck_assert(!transfer_waits(t, k[0].token) && !transfer_waits(t, k[1].token) && transfer_waits(t, k[2].token));
	ck_assert_int_eq(transfer_next(t, &more), 0);
	/* stale: no second loss is counted */
	apply(t, &k[2], &(struct step){OFFSET, k[0].offset});
	ck_assert_uint_eq(transfer_losses(t), 1);
	ck_assert_int_eq(transfer_next(t, &more), 1);
	ck_assert_uint_eq(more.offset, k[0].offset);
	ck_assert_uint_ne(more.token, k[0].token);
	apply(t, &k[3], &(struct step){OFFSET, k[0].offset});
	/* the deadline of what a reply proved lost is no news, nor is a reply that comes twice or late */
	transfer_lost(t, k[0].token, false);
	apply(t, &k[0], &(struct step){ECHO_END});
	apply(t, &k[1], &(struct step){OFFSET, 0});
	transfer_lost(t, 12345, false);
	ck_assert_uint_eq(transfer_losses(t), 1);
	ck_assert_uint_eq(transfer_acknowledged(t), first.length);
	apply(t, &more, &(struct step){ECHO_END});
	ck_assert_uint_eq(transfer_acknowledged(t), more.offset + more.length);

	/* busy: half again, and the same offset */
	uint64_t at = transfer_acknowledged(t);
	ck_assert_int_eq(transfer_next(t, &more), 1);
	apply(t, &more, &(struct step){ERROR, 10, -1});
	ck_assert_uint_eq(transfer_window(t), 1);
	ck_assert_uint_eq(transfer_pause_ms(t), 20);
	ck_assert_int_eq(transfer_next(t, &more), 1);
	ck_assert_uint_eq(more.offset, at);
	ck_assert_int_eq(transfer_next(t, &k[0]), 0);
	apply(t, &more, &(struct step){ECHO_END});
	ck_assert_uint_eq(transfer_pause_ms(t), 0);
	transfer_free(t);
}
END_TEST

/* It starts where it is told and grows by one with each reply. */
START_TEST(test_window_grows)
{
	struct transfer_config c = image_config(100000, 380, 100);
	struct transfer *t = start(&c);
	for (unsigned int window = 1; window <= TRANSFER_WINDOW_MAX + 2; window++) {
		ck_assert_uint_eq(transfer_window(t), window < TRANSFER_WINDOW_MAX ? window : TRANSFER_WINDOW_MAX);
		struct transfer_chunk chunk;
		ck_assert_int_eq(transfer_next(t, &chunk), 1);
		apply(t, &chunk, &(struct step){ECHO_END});
	}
	transfer_free(t);
}
END_TEST

/* A window that only fills the cable is begun with, unless something was lost; never one that the board cannot hold. */
START_TEST(test_window_fills_the_cable)
{
	for (unsigned int on_cable = 0; on_cable < 20; on_cable++) {
		struct transfer_config c = image_config(100000, 380, 7);
		struct transfer *t = start(&c);
		struct transfer_chunk chunk;
		ck_assert_int_eq(transfer_next(t, &chunk), 1);
		transfer_on_cable(t, on_cable);
		apply(t, &chunk, &(struct step){ECHO_END});
		unsigned int wanted = on_cable < 2 ? 2 : on_cable < 6 ? on_cable + 1 : 7;
		ck_assert_uint_eq(transfer_window(t), wanted);
		ck_assert_int_eq(transfer_next(t, &chunk), 1);
		transfer_lost(t, chunk.token, false);
		ck_assert_uint_lt(transfer_window(t), wanted);
		ck_assert_int_eq(transfer_next(t, &chunk), 1);
		apply(t, &chunk, &(struct step){ECHO_END});
		ck_assert_uint_lt(transfer_window(t), wanted);
		transfer_free(t);
	}
}
END_TEST

/* What is learnt, and begun with the next time. queue: what the board holds; begin: learnt before, 0: nothing; lose: so many
 * chunks in a row, near the end or from there. */
static const struct {
	const char *what;
	uint64_t size;
	unsigned int queue, begin, lose, least, most, from;
} learnt_rows[] = {
	{ "all that it says", 20000, 0, 0, 0, 7, 7 },
	{ "too short to tell", 1000, 0, 0, 0, 0, 0 },
	{ "a board that holds three", 100000, 3, 0, 0, 2, 4 },
	{ "known, and still so", 20000, 0, 7, 0, 7, 7 },
	{ "known, and short", 500, 0, 5, 0, 5, 5 },
	{ "known to hold three", 20000, 3, 3, 0, 3, 4 },
	{ "holds more than it did", 100000, 0, 2, 0, 7, 7 },
	{ "holds less than it did", 20000, 2, 7, 0, 1, 3 },
	{ "one accident", 20000, 0, 7, 1, 7, 7 },
	{ "a window that was lost", 20000, 0, 7, 3, 4, 5, 0 },
	{ "the very last chunk", 20000, 0, 0, 1, 7, 7, 56 },
	{ "the last one, with a known window", 20000, 0, 7, 1, 7, 7, 56 },
	{ "the last two", 20000, 0, 7, 2, 7, 7, 55 },
};

static enum fault lose_some(void *user, unsigned int position)
{
	const unsigned int *lose = user, from = lose[1] ? lose[1] : 50;
	return position >= from && position < from + lose[0] ? LOSE_REQUEST : FINE;
}

START_TEST(test_window_learnt)
{
	struct transfer_config c = image_config(learnt_rows[_i].size, 380, 7);
	unsigned int lose[] = {learnt_rows[_i].lose, learnt_rows[_i].from};
	struct ride ride;
	c.window_start = learnt_rows[_i].begin;
	c.window_known = learnt_rows[_i].begin > 0;
	struct transfer *t = start(&c);
	ck_assert_uint_eq(transfer_window(t), learnt_rows[_i].begin ? learnt_rows[_i].begin : 1);
	ride_run(t, board_new((struct board){ .queue_max = learnt_rows[_i].queue }), lose_some, lose, 3000, &ride);
	check_done(t, c.size, learnt_rows[_i].what, (unsigned int)_i, 0);
	unsigned int learnt = transfer_window_learnt(t);
	ck_assert_msg(learnt >= learnt_rows[_i].least && learnt <= learnt_rows[_i].most, "%s: %u", learnt_rows[_i].what, learnt);
	transfer_free(t);
}
END_TEST

START_TEST(test_align)
{
	struct transfer_config c = image_config(20000, 380, 1);
	c.align = 32;
	struct transfer *t = start(&c);
	struct transfer_chunk chunk;
	ck_assert_int_eq(transfer_next(t, &chunk), 1);
	ck_assert_uint_eq(chunk.length, 288);
	apply(t, &chunk, &(struct step){OFFSET, 250}); /* an odd place: back to whole blocks */
	ck_assert_int_eq(transfer_next(t, &chunk), 1);
	ck_assert_uint_eq((chunk.offset + chunk.length) % 32, 0);
	ck_assert_uint_gt(chunk.length, 300);
	transfer_free(t);
}
END_TEST

START_TEST(test_bytes_of_first_chunk)
{
	struct transfer_config c = image_config(1000, 200, 1);
	c.image = 2;
	c.upgrade_only = true;
	struct transfer *t = start(&c);
	struct transfer_chunk chunk;
	ck_assert_int_eq(transfer_next(t, &chunk), 1);
	uint8_t op, id, *data;
	uint16_t group;
	size_t size;
	transfer_command(t, &chunk, &op, &group, &id);
	ck_assert(op == SMP_WRITE && group == SMP_IMAGE && id == 1);
	struct writer w = {0};
	ck_assert_int_eq(transfer_encode(t, &chunk, &w), 0);
	ck_assert_int_eq(writer_finish(&w, &data, &size), 0);
	struct value_doc *doc;
	ck_assert_int_eq(value_decode(data, size, &doc, NULL), 0);
	const struct value *map = value_root(doc);
	uint64_t u;
	bool upgrade;
	ck_assert_uint_eq(map->size, 2 * 6);
	ck_assert(value_to_uint(value_get(map, "image"), &u) && u == 2);
	ck_assert(value_to_uint(value_get(map, "len"), &u) && u == 1000);
	ck_assert(value_to_uint(value_get(map, "off"), &u) && u == 0);
	ck_assert(value_to_bool(value_get(map, "upgrade"), &upgrade) && upgrade);
	ck_assert_mem_eq(value_get(map, "sha")->data, sha, 32);
	ck_assert_uint_eq(value_get(map, "data")->size, chunk.length);
	ck_assert_mem_eq(value_get(map, "data")->data, image, chunk.length);
	value_doc_free(doc);
	free(data);

	struct writer bad = {0};
	const struct transfer_chunk beyond = {.offset = 990, .length = 11}, far = {.offset = UINT64_MAX, .length = 2};
	ck_assert_int_eq(transfer_encode(t, &beyond, &bad), -EINVAL);
	ck_assert_int_eq(transfer_encode(t, &far, &bad), -EINVAL);
	writer_release(&bad);
	transfer_free(t);
}
END_TEST

/* ---- files ---- */

static const uint64_t file_sizes[] = {0, 1, 300, 319, 320, 1000, 6000};

START_TEST(test_file_upload)
{
	for (size_t w = 0; w < ARRAY_SIZE(windows); w++) {
		struct transfer_config c = file_config(TRANSFER_FILE_UPLOAD, file_sizes[_i], windows[w]);
		struct transfer *t = start(&c);
		/* another client left the file open, half written: sent at once, the first chunk would be appended */
		struct board *b = board_new((struct board){.open = true, .file_offset = 77, .file_size = 77});
		struct ride ride;
		ride_run(t, b, NULL, NULL, 100, &ride);
		check_done(t, c.size, "file", (unsigned int)_i, windows[w]);
		ck_assert_uint_eq(b->file_size, c.size);
		ck_assert(!b->open);
		ck_assert_uint_eq(b->closes, 2);
		ck_assert_uint_le(ride.sends, 4 + c.size / 320);
		transfer_free(t);
	}
}
END_TEST

START_TEST(test_file_upload_fault)
{
	unsigned int window = windows[_i];
	for (unsigned int fault = FINE; fault < FAULTS; fault++) {
		for (unsigned int position = 0; position < 20; position++) {
			struct transfer_config c = file_config(TRANSFER_FILE_UPLOAD, 6000, window);
			c.window_start = window;
			struct transfer *t = start(&c);
			struct board *b = board_new((struct board){0});
			struct at at = {position, (enum fault)fault};
			struct ride ride;
			ride_run(t, b, fault_at, &at, 100, &ride);
			check_done(t, c.size, "file", fault, position);
			ck_assert_uint_eq(b->file_size, c.size);
			ck_assert_msg(!b->open, "fault %u at %u leaves the file open", fault, position);
			/* refused at its own end, without having been sent before: not to be told from a foreign file */
			unsigned int again = fault == TWICE_FIRST_REPLY_LOST ? position : 0;
			ck_assert_msg(ride.sends <= 21 + again + window + 2, "fault %u at %u: %u sends", fault, position,
					ride.sends);
			transfer_free(t);
		}
	}
}
END_TEST

START_TEST(test_file_upload_lossy)
{
	struct dice d = {.state = (uint32_t)_i * 2654435761u, .per_mille = (uint32_t)(_i % 5) * 60, .forgets = true};
	struct transfer_config c = file_config(TRANSFER_FILE_UPLOAD, (uint64_t)_i * 97, windows[_i % 4]);
	struct transfer *t = start(&c);
	struct board *b = board_new((struct board){.queue_max = 3});
	struct ride ride;
	ride_run(t, b, file_fault, &d, 3000, &ride);
	if (transfer_state(t) == TRANSFER_FAILED) {
		ck_assert_int_eq(transfer_error(t, NULL, NULL), -ENOLINK);
	} else {
		check_done(t, c.size, "lossy file", (unsigned int)_i, 0);
		ck_assert_uint_eq(b->file_size, c.size);
		ck_assert(!b->open);
	}
	transfer_free(t);
}
END_TEST

/* A board that loses what is longer than it takes, and answers each close: its answers to those are no progress. */
static const struct {
	size_t message_limit;
	unsigned int window, sends; /* at most */
	int error;
} file_room_rows[] = {
		{80, 1, 30, -ETIMEDOUT}, /* takes no chunk at all */
		{80, 8, 30, -ETIMEDOUT},
		{182, 1, 140, 0},
		{182, 8, 140, 0},
		{110, 8, 240, 0},
};

START_TEST(test_file_room)
{
	struct transfer_config c = file_config(TRANSFER_FILE_UPLOAD, 6000, file_room_rows[_i].window);
	c.window_start = file_room_rows[_i].window;
	struct transfer *t = start(&c);
	struct board *b = board_new((struct board){.message_limit = file_room_rows[_i].message_limit});
	struct ride ride;
	ride_run(t, b, NULL, NULL, file_room_rows[_i].sends, &ride);
	ck_assert_int_eq(transfer_error(t, NULL, NULL), file_room_rows[_i].error);
	if (file_room_rows[_i].error == 0)
		check_done(t, c.size, "file room", (unsigned int)_i, 0);
	transfer_free(t);
}
END_TEST

/* A board that is told, in the middle, to be sent no longer messages than this, and loses those that are. */
struct limiting {
	struct transfer *transfer;
	struct board *board;
	size_t limit;
	unsigned int position;
	int result;
};

static enum fault limit_at(void *user, unsigned int position)
{
	struct limiting *l = user;
	if (position == l->position) {
		l->result = transfer_limit(l->transfer, l->limit);
		l->board->message_limit = l->limit;
	}
	return FINE;
}

static const struct {
	enum transfer_kind kind;
	size_t limit;
	int result;
} limit_rows[] = {
		{TRANSFER_IMAGE_UPLOAD, 182, 0},
		{TRANSFER_IMAGE_UPLOAD, 92, 0}, /* no room for a SHA-256 with a header */
		{TRANSFER_IMAGE_UPLOAD, 60, -EMSGSIZE},
		{TRANSFER_IMAGE_UPLOAD, 2000, 0},
		{TRANSFER_FILE_UPLOAD, 182, 0},
		{TRANSFER_FILE_UPLOAD, 92, 0},
		{TRANSFER_FILE_UPLOAD, 40, -EMSGSIZE},
};

START_TEST(test_limit)
{
	for (size_t w = 0; w < ARRAY_SIZE(windows); w++) {
		for (unsigned int position = 0; position < 16; position++) {
			bool is_image = limit_rows[_i].kind == TRANSFER_IMAGE_UPLOAD;
			struct transfer_config c = is_image ? image_config(6000, 380, windows[w])
							    : file_config(limit_rows[_i].kind, 6000, windows[w]);
			c.window_start = windows[w];
			struct transfer *t = start(&c);
			struct board *b = board_new((struct board){0});
			struct limiting l = {t, b, limit_rows[_i].limit, position, 1};
			struct ride ride;
			if (limit_rows[_i].result < 0) {
				ck_assert_int_eq(transfer_limit(t, l.limit), limit_rows[_i].result);
				ck_assert_uint_eq(transfer_message_size(t), 380);
			} else {
				ride_run(t, b, limit_at, &l, 400, &ride);
				ck_assert_int_eq(l.result, 0);
				check_done(t, c.size, "limit", position, windows[w]);
				ck_assert_uint_le(transfer_message_size(t), l.limit);
			}
			transfer_free(t);
		}
	}
}
END_TEST

static void check_download(struct transfer *t, uint64_t size, const char *what, unsigned int a, unsigned int b)
{
	const char *text;
	size_t got = 0;
	int r = transfer_error(t, NULL, &text);
	ck_assert_msg(transfer_state(t) == TRANSFER_DONE, "%s %u %u: %d %s", what, a, b, r, text);
	const uint8_t *data = transfer_data(t, &got);
	ck_assert_uint_eq(got, size);
	ck_assert_mem_eq(data, image, size);
	ck_assert_uint_eq(transfer_total(t), size);
	ck_assert_uint_eq(transfer_acknowledged(t), size);
}

START_TEST(test_file_download)
{
	for (unsigned int fault = FINE; fault < FAULTS; fault++) {
		for (unsigned int position = 0; position < 21; position++) {
			struct transfer_config c = file_config(TRANSFER_FILE_DOWNLOAD, 0, windows[_i]);
			c.window_start = windows[_i];
			struct transfer *t = start(&c);
			struct board *b = board_new((struct board){.download_chunk = 320, .file_size = 6000});
			memcpy(memory, image, 6000);
			struct at at = {position, (enum fault)fault};
			struct ride ride;
			ride_run(t, b, fault_at, &at, 100, &ride);
			check_download(t, 6000, "download", fault, position);
			/* the second chunk is larger than the first, so what was asked for beyond it goes again */
			ck_assert_msg(ride.sends <= 20 + 2 * windows[_i], "fault %u at %u: %u sends", fault, position, ride.sends);
			ck_assert_uint_eq(b->closes >= 1, true);
			transfer_free(t);
		}
	}
}
END_TEST

/* A close that gets lost: the first chunk, sent right behind it, goes to a file that is open. */
START_TEST(test_close_lost)
{
	static const enum transfer_kind kinds[] = {TRANSFER_FILE_UPLOAD, TRANSFER_FILE_DOWNLOAD};
	static const enum fault losses[] = {LOSE_REQUEST, LOSE_REPLY, LATE_REPLY};
	for (size_t i = 0; i < ARRAY_SIZE(losses); i++) {
		struct transfer_config c = file_config(kinds[_i], _i == 0 ? 6000 : 0, 7);
		struct transfer *t = start(&c);
		struct board *b = board_new((struct board){.download_chunk = 320, .open = true, .file_offset = 100, .size = 9000});
		b->file_size = 6000;
		memcpy(memory, image, _i == 0 ? 0 : 6000);
		struct at at = {0, losses[i]};
		struct ride ride;
		ride_run(t, b, fault_at, &at, 100, &ride);
		ck_assert_uint_eq(b->closes >= 1, true);
		if (_i == 0)
			check_done(t, 6000, "upload", losses[i], 0);
		else
			check_download(t, 6000, "download", losses[i], 0);
		ck_assert_uint_eq(b->file_size, 6000);
		transfer_free(t);
	}
}
END_TEST

/* Only what was lost is asked for again, and what came behind it is kept. lost: positions of requests, from 1. */
static const struct {
	const char *what;
	unsigned int lost[4];
} hole_rows[] = {
	{ "nothing", {0} },
	{ "one", {40} },
	{ "two that follow", {40, 41} },
	{ "two apart", {40, 43} },
	{ "the repeat of one, too", {40, 47, 48} },
	{ "many", {30, 40, 50, 60} },
	{ "the last one", {126} },
};

static enum fault lose_listed(void *user, unsigned int position)
{
	const unsigned int *lost = user;
	for (size_t i = 0; i < 4; i++)
		if (lost[i] && lost[i] - 1 == position)
			return position % 2 ? LOSE_REQUEST : LOSE_REPLY;
	return FINE;
}

START_TEST(test_download_holes)
{
	struct transfer_config c = file_config(TRANSFER_FILE_DOWNLOAD, 0, 7);
	unsigned int lost[4], count = 0;
	struct ride ride;
	memcpy(lost, hole_rows[_i].lost, sizeof(lost));
	for (size_t i = 0; i < 4; i++)
		count += lost[i] > 0;
	struct transfer *t = start(&c);
	struct board *b = board_new((struct board){.download_chunk = 320, .file_size = 40000});
	memcpy(memory, image, 40000);
	ride_run(t, b, lose_listed, lost, 1000, &ride);
	check_download(t, 40000, hole_rows[_i].what, (unsigned int)_i, 0);
	/* close, first chunk, and 125 of which two are asked for before the second tells how large they are */
	ck_assert_msg(ride.sends <= 127 + count, "%s: %u sends", hole_rows[_i].what, ride.sends);
	ck_assert_uint_eq(t->hole_count, 0);
	transfer_free(t);
}
END_TEST

/* On a cable that loses one line of fifty each way: a bound for what is asked for twice. */
START_TEST(test_file_download_lossy)
{
	struct transfer_config c = file_config(TRANSFER_FILE_DOWNLOAD, 0, 7);
	struct transfer *t = start(&c);
	struct board *b = board_new((struct board){.download_chunk = 320, .file_size = 100000, .line_loss = 20, .luck = (uint32_t)_i});
	memcpy(memory, image, 100000);
	struct ride ride;
	ride_run(t, b, NULL, NULL, 2000, &ride);
	check_download(t, 100000, "lossy", (unsigned int)_i, 0);
	ck_assert_msg(ride.sends < 314 * 5 / 4, "%u sends", ride.sends);
	transfer_free(t);
}
END_TEST

START_TEST(test_file_download_sizes)
{
	for (uint64_t size = 0; size < 1000; size += size < 330 && size > 300 ? 1 : 37) {
		struct transfer_config c = file_config(TRANSFER_FILE_DOWNLOAD, 0, windows[_i]);
		struct transfer *t = start(&c);
		struct board *b = board_new((struct board){.download_chunk = 320, .file_size = size});
		memcpy(memory, image, size);
		struct ride ride;
		ride_run(t, b, NULL, NULL, 100, &ride);
		check_download(t, size, "size", (unsigned int)size, 0);
		transfer_free(t);
	}
}
END_TEST

/* What a download must not believe. "off", "len" (or -1), bytes of data (or -1). */
static const struct {
	int64_t off[2], len[2], size[2];
	int result;
} hostile_rows[] = {
		{{0}, {-1}, {10}, -EPROTO},			  /* no length */
		{{0}, {100}, {101}, -EPROTO},			  /* more than announced */
		{{0}, {100}, {0}, -EPROTO},			  /* ends early */
		{{5}, {100}, {10}, -EPROTO},			  /* another offset */
		{{0}, {100}, {-1}, -EPROTO},			  /* no data */
		{{-1}, {100}, {10}, -EPROTO},			  /* no offset */
		{{0}, {5001}, {10}, -EFBIG},
		{{0}, {INT64_MAX}, {10}, -EFBIG},
		{{0, 10}, {100, -1}, {10, 91}, -EPROTO},
		{{0, 10}, {100, -1}, {10, 0}, -EPROTO},
		{{0, 20}, {100, -1}, {10, 10}, -EPROTO},
		{{0, 10}, {100, -1}, {10, 90}, 0},
		{{0}, {0}, {0}, 0},
		{{0, 10}, {5000, 1}, {10, 4990}, 0},		  /* a later length is not looked at */
};

START_TEST(test_download_hostile)
{
	struct transfer_config c = file_config(TRANSFER_FILE_DOWNLOAD, 5000, 1);
	struct transfer *t = start(&c);
	struct transfer_chunk chunk;
	ck_assert_int_eq(transfer_next(t, &chunk), 1);
	ck_assert(chunk.close);
	apply(t, &chunk, &(struct step){ERROR, 8, -1}); /* an old server without close */
	for (int i = 0; i < 2 && transfer_next(t, &chunk) > 0; i++) {
		struct writer w = {0};
		int64_t off = hostile_rows[_i].off[i], len = hostile_rows[_i].len[i], size = hostile_rows[_i].size[i];
		writer_map(&w, (size_t)((off >= 0) + (len >= 0) + (size >= 0)));
		if (off >= 0) {
			writer_text(&w, "off");
			writer_uint(&w, (uint64_t)off);
		}
		if (len >= 0) {
			writer_text(&w, "len");
			writer_uint(&w, (uint64_t)len);
		}
		if (size >= 0) {
			writer_text(&w, "data");
			writer_bytes(&w, image, (size_t)size);
		}
		uint8_t *data;
		size_t n;
		struct value_doc *doc;
		ck_assert_int_eq(writer_finish(&w, &data, &n), 0);
		ck_assert_int_eq(value_decode(data, n, &doc, NULL), 0);
		transfer_reply(t, chunk.token, value_root(doc));
		value_doc_free(doc);
		free(data);
	}
	const char *text;
	int r = transfer_error(t, NULL, &text);
	ck_assert_msg(r == hostile_rows[_i].result, "%d %s", r, text);
	ck_assert_int_eq(transfer_state(t), r < 0 ? TRANSFER_FAILED : TRANSFER_DONE);
	size_t size;
	ck_assert_int_eq(transfer_data(t, &size) != NULL, r == 0);
	transfer_free(t);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("transfer");
	tcase_add_unchecked_fixture(t, setup, NULL);
	tcase_set_timeout(t, 100);
	tcase_add_loop_test(t, test_size_table, 0, (int)ARRAY_SIZE(size_rows));
	tcase_add_test(t, test_size_none);
	tcase_add_test(t, test_size_every_buffer);
	tcase_add_test(t, test_size_every_single_buffer);
	tcase_add_test(t, test_new);
	tcase_add_loop_test(t, test_clean, 0, (int)ARRAY_SIZE(clean_rows));
	tcase_add_loop_test(t, test_one_fault, 0, (int)ARRAY_SIZE(windows));
	tcase_add_loop_test(t, test_one_fault_mcuboot, 0, 1);
	tcase_add_loop_test(t, test_last_reply_lost, 0, (int)ARRAY_SIZE(windows));
	tcase_add_loop_test(t, test_lossy, 0, 200);
	tcase_add_loop_test(t, test_very_lossy, 0, 200);
	tcase_add_loop_test(t, test_room, 0, (int)ARRAY_SIZE(room_rows));
	tcase_add_test(t, test_recovers);
	tcase_add_loop_test(t, test_cable, 0, (int)ARRAY_SIZE(cable_rows));
	tcase_add_loop_test(t, test_resume, 0, (int)ARRAY_SIZE(windows));
	tcase_add_loop_test(t, test_script, 0, (int)ARRAY_SIZE(script_rows));
	tcase_add_loop_test(t, test_upload_script, 0, (int)ARRAY_SIZE(upload_rows));
	tcase_add_test(t, test_upload_stall);
	tcase_add_test(t, test_stall_takes_time);
	tcase_add_test(t, test_window);
	tcase_add_test(t, test_window_grows);
	tcase_add_test(t, test_window_fills_the_cable);
	tcase_add_loop_test(t, test_window_learnt, 0, (int)ARRAY_SIZE(learnt_rows));
	tcase_add_test(t, test_align);
	tcase_add_test(t, test_bytes_of_first_chunk);
	tcase_add_loop_test(t, test_file_upload, 0, (int)ARRAY_SIZE(file_sizes));
	tcase_add_loop_test(t, test_file_upload_fault, 0, (int)ARRAY_SIZE(windows));
	tcase_add_loop_test(t, test_file_room, 0, (int)ARRAY_SIZE(file_room_rows));
	tcase_add_loop_test(t, test_limit, 0, (int)ARRAY_SIZE(limit_rows));
	tcase_add_loop_test(t, test_file_upload_lossy, 0, 200);
	tcase_add_loop_test(t, test_file_download, 0, (int)ARRAY_SIZE(windows));
	tcase_add_loop_test(t, test_close_lost, 0, 2);
	tcase_add_loop_test(t, test_download_holes, 0, (int)ARRAY_SIZE(hole_rows));
	tcase_add_loop_test(t, test_file_download_lossy, 0, 200);
	tcase_add_loop_test(t, test_file_download_sizes, 0, (int)ARRAY_SIZE(windows));
	tcase_add_loop_test(t, test_download_hostile, 0, (int)ARRAY_SIZE(hostile_rows));
	Suite *s = suite_create("transfer");
	suite_add_tcase(s, t);
	return suite_run(s);
}
