/* SPDX-License-Identifier: MIT */
#include "proto/serial.h"

#include <errno.h>
#include <string.h>

#include "proto/smp.h"

/* "06 09" starts a packet, "04 14" continues it. */
#define START_1 0x06
#define START_2 0x09
#define NEXT_1 0x04
#define NEXT_2 0x14

#define LENGTH_SIZE 2
#define CRC_SIZE 2
#define ANNOUNCED_MIN (SMP_HEADER_SIZE + CRC_SIZE)
#define BUFFER_SIZE (LENGTH_SIZE + SMP_MESSAGE_MAX + CRC_SIZE + 3) /* a quad may run over by three */
#define CARRIAGE_MAX 2

enum state {
	TEXT, /* not in a line of a frame; a packet may be under way between two of its lines */
	LINE, /* in a line that is decoded */
	SKIP, /* in a line that was given up */
};

struct serial_reader {
	enum serial_framing framing;
	struct serial_sink sink;
	void *user;

	enum state state;
	uint8_t held; /* first half of what may be a marker; 0: none */
	bool packet;  /* a packet was started and is not complete */
	bool broken;  /* the last one was given up: its continuations are no news */

	/* of the line */
	size_t line; /* bytes in it, marker included */
	uint32_t quad;
	unsigned int quad_count;
	unsigned int padding;
	unsigned int carriage; /* CRs, which only a newline may follow */

	/* of the packet, or of the raw message */
	size_t want; /* bytes announced in all; 0: not known yet */
	size_t size;
	uint8_t data[BUFFER_SIZE];
};

int serial_reader_new(
	enum serial_framing framing, const struct serial_sink *sink, void *user, struct serial_reader **ret)
{
	/* not zeroed as a whole: pages of the buffer that no message reaches stay untouched */
	struct serial_reader *r = malloc(sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->framing = framing;
	r->sink = *sink;
	r->user = user;
	serial_reader_reset(r);
	*ret = r;
	return 0;
}

void serial_reader_reset(struct serial_reader *r)
{
	r->state = TEXT;
	r->held = 0;
	r->packet = r->broken = false;
	r->line = r->want = r->size = 0;
	r->quad = r->quad_count = r->padding = r->carriage = 0;
}

void serial_reader_skip(struct serial_reader *r)
{
	serial_reader_reset(r);
	if (r->framing != SERIAL_CONSOLE)
		return;
	r->state = SKIP;
	r->broken = true;
}

bool serial_reader_idle(const struct serial_reader *r)
{
	return r->framing == SERIAL_RAW ? r->size == 0 : !r->packet;
}

void serial_reader_free(struct serial_reader *r)
{
	free(r);
}

static void give_text(struct serial_reader *r, const uint8_t *data, size_t size)
{
	if (size > 0)
		r->sink.text(r->user, data, size);
}

static void give_up(struct serial_reader *r, enum serial_damage why, enum state state)
{
	r->packet = false;
	r->broken = true;
	r->state = state;
	r->sink.damaged(r->user, why);
}

static bool is_complete(const struct serial_reader *r)
{
	return r->want > 0 && r->size == r->want && r->quad_count == 0;
}

static void finish_packet(struct serial_reader *r)
{
	size_t size = r->want - LENGTH_SIZE - CRC_SIZE;
	r->state = TEXT;
	/* over message and CRC together it is 0 */
	if (serial_crc16(0, r->data + LENGTH_SIZE, size + CRC_SIZE) != 0) {
		give_up(r, SERIAL_BAD_CRC, TEXT);
		return;
	}
	r->packet = r->broken = false;
	r->sink.message(r->user, r->data + LENGTH_SIZE, size);
}

static void begin_line(struct serial_reader *r)
{
	r->state = LINE;
	r->line = 2;
	r->quad = r->quad_count = r->padding = r->carriage = 0;
}

static void begin_packet(struct serial_reader *r)
{
	if (r->packet)
		give_up(r, SERIAL_INTERRUPTED, TEXT);
	r->packet = true;
	r->broken = false;
	r->size = r->want = 0;
	begin_line(r);
}

static void continue_packet(struct serial_reader *r)
{
	begin_line(r);
	if (r->packet)
		return;
	r->state = SKIP;
	if (!r->broken)
		give_up(r, SERIAL_ORPHAN_LINE, SKIP);
}

static bool is_marker(uint8_t first, uint8_t second)
{
	return (first == START_1 && second == START_2) || (first == NEXT_1 && second == NEXT_2);
}

static void begin_marked(struct serial_reader *r, uint8_t first)
{
	if (first == START_1)
		begin_packet(r);
	else
		continue_packet(r);
}

/* The next byte that may begin a marker, or end. Eight bytes at a time: consoles are mostly text. */
static const uint8_t *find_half(const uint8_t *p, const uint8_t *end)
{
	static const uint64_t ones = 0x0101010101010101;
	for (; end - p >= 8; p += 8) {
		uint64_t word;
		memcpy(&word, p, sizeof(word));
		/* 04 and 06 differ in bit 1; what is left of them is 0, and only a 0 borrows from its top bit */
		word = (word & ~(2 * ones)) ^ (4 * ones);
		if ((word - ones) & ~word & (0x80 * ones))
			break;
	}
	while (p < end && *p != START_1 && *p != NEXT_1)
		p++;
	return p;
}

static const uint8_t *feed_text(struct serial_reader *r, const uint8_t *p, const uint8_t *end)
{
	if (r->held) {
		uint8_t held = r->held;
		r->held = 0;
		if (is_marker(held, *p)) {
			begin_marked(r, held);
			return p + 1;
		}
		give_text(r, &held, 1);
	}
	const uint8_t *q = find_half(p, end);
	while (q + 1 < end && !is_marker(q[0], q[1]))
		q = find_half(q + 1, end);
	give_text(r, p, (size_t)(q - p));
	if (q == end)
		return end;
	if (q + 1 == end) {
		r->held = *q;
		return end;
	}
	begin_marked(r, *q);
	return q + 2;
}

/* Value of a base64 character plus one; 0 for all others. */
/* clang-format off */
static const uint8_t sextets[256] = {
	['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26,
	['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52,
	['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, ['+'] = 63, ['/'] = 64,
};
/* clang-format on */

/* 0..63, or a number beyond. */
static uint32_t sextet(uint8_t c)
{
	return sextets[c] - 1u;
}

/* Looks at the announced length as soon as it is there, and at what came beyond it. */
static void check_length(struct serial_reader *r)
{
	if (r->want == 0 && r->size >= LENGTH_SIZE) {
		size_t announced = (size_t)(r->data[0] << 8 | r->data[1]);
		if (announced >= ANNOUNCED_MIN)
			r->want = LENGTH_SIZE + announced;
	}
	if (r->size >= LENGTH_SIZE && r->size > r->want)
		give_up(r, SERIAL_BAD_LENGTH, SKIP);
}

/* The fast path: whole quads of plain characters. */
static const uint8_t *decode_quads(struct serial_reader *r, const uint8_t *p, const uint8_t *end)
{
	uint8_t *to = r->data + r->size, *limit = r->data + r->want;
	for (; end - p >= 4 && to < limit; p += 4, to += 3) {
		uint32_t a = sextet(p[0]), b = sextet(p[1]), c = sextet(p[2]), d = sextet(p[3]);
		if ((a | b | c | d) > 63)
			break;
		uint32_t quad = a << 18 | b << 12 | c << 6 | d;
		to[0] = (uint8_t)(quad >> 16);
		to[1] = (uint8_t)(quad >> 8);
		to[2] = (uint8_t)quad;
	}
	r->line += (size_t)(to - r->data - (ptrdiff_t)r->size) / 3 * 4;
	r->size = (size_t)(to - r->data);
	return p;
}

/* One character or padding of a quad. false: it does not belong there. */
static bool decode_char(struct serial_reader *r, uint8_t c)
{
	bool pad = c == '=';
	if (r->carriage > 0 || (pad ? r->quad_count < 2 : sextet(c) > 63 || r->padding > 0))
		return false;
	r->quad = r->quad << 6 | (pad ? 0 : sextet(c));
	r->padding += pad;
	r->line++;
	if (++r->quad_count < 4)
		return true;
	/* bytes that padding stands for are stored too, but not counted */
	uint8_t *to = r->data + r->size;
	to[0] = (uint8_t)(r->quad >> 16);
	to[1] = (uint8_t)(r->quad >> 8);
	to[2] = (uint8_t)r->quad;
	r->size += 3 - r->padding;
	r->quad = r->quad_count = 0;
	return true;
}

static void end_line(struct serial_reader *r)
{
	r->state = TEXT;
	if (r->quad_count != 0)
		give_up(r, SERIAL_BAD_BASE64, TEXT);
	else if (is_complete(r))
		finish_packet(r);
	else if (r->size < LENGTH_SIZE)
		give_up(r, SERIAL_BAD_LENGTH, TEXT);
}

/* Something that does not belong into a line came in one: text that cuts in, unless only the newline was lost. */
static void break_line(struct serial_reader *r)
{
	unsigned int carriage = r->carriage;
	r->carriage = 0;
	if (is_complete(r)) {
		end_line(r);
		return;
	}
	give_up(r, SERIAL_BAD_BASE64, TEXT);
	give_text(r, (const uint8_t *)"\r\r", carriage);
}

/* A marker in the middle of a line: a newline was lost, or the rest of the line with it. */
static void begin_marked_in_line(struct serial_reader *r, uint8_t first)
{
	if (is_complete(r))
		end_line(r);
	else if (first == NEXT_1 && r->quad_count != 0)
		give_up(r, SERIAL_BAD_BASE64, TEXT);
	begin_marked(r, first);
}

static const uint8_t *feed_line(struct serial_reader *r, const uint8_t *p, const uint8_t *end)
{
	if (r->held) {
		uint8_t held = r->held;
		if (!is_marker(held, *p)) {
			break_line(r);
			return p; /* feed_text gives what is held */
		}
		r->held = 0;
		begin_marked_in_line(r, held);
		return p + 1;
	}
	if (r->quad_count == 0 && r->padding == 0 && r->carriage == 0)
		p = decode_quads(r, p, end);
	check_length(r);
	if (p == end || r->state != LINE)
		return p;
	if (*p == '\n') {
		end_line(r);
		return p + 1;
	}
	if (*p == '\r' && r->carriage < CARRIAGE_MAX) {
		r->carriage++;
		return p + 1;
	}
	if (*p == START_1 || *p == NEXT_1) {
		r->held = *p;
		return p + 1;
	}
	if (!decode_char(r, *p)) {
		break_line(r);
		return p;
	}
	check_length(r);
	return p + 1;
}

/* The rest of a line that was given up, to its newline or to something that no frame contains. */
static const uint8_t *feed_skip(struct serial_reader *r, const uint8_t *p, const uint8_t *end)
{
	for (; p < end; p++) {
		if (*p == '\n') {
			r->state = TEXT;
			return p + 1;
		}
		if (sextet(*p) > 63 && *p != '=' && *p != '\r') {
			r->state = TEXT;
			return p;
		}
		if (++r->line > SERIAL_LINE_RECEIVE_MAX) {
			give_up(r, SERIAL_LINE_TOO_LONG, TEXT);
			return p;
		}
	}
	return p;
}

/* A header begins with reserved bits of 0, an op of a request or reply, and flags of 0: what boot text does not look
 * like. */
static bool may_be_header(const uint8_t *data, size_t size)
{
	return (size < 1 || (data[0] & 0xe4) == 0) && (size < 2 || data[1] == 0);
}

static const uint8_t *feed_raw_head(struct serial_reader *r, const uint8_t *p)
{
	r->data[r->size++] = *p;
	if (!may_be_header(r->data, r->size)) {
		/* the second byte may begin a header itself */
		size_t text = r->size == 2 && may_be_header(r->data + 1, 1) ? 1 : r->size;
		size_t kept = r->size - text;
		uint8_t second = r->data[1];
		r->size = 0;
		give_text(r, r->data, text);
		if (kept > 0)
			r->data[r->size++] = second;
	}
	if (r->size == SMP_HEADER_SIZE)
		r->want = SMP_HEADER_SIZE + (size_t)(r->data[2] << 8 | r->data[3]);
	return p + 1;
}

static const uint8_t *feed_raw(struct serial_reader *r, const uint8_t *p, const uint8_t *end)
{
	if (r->want == 0) {
		p = feed_raw_head(r, p);
	} else {
		size_t n = r->want - r->size < (size_t)(end - p) ? r->want - r->size : (size_t)(end - p);
		memcpy(r->data + r->size, p, n);
		r->size += n;
		p += n;
	}
	if (r->want > 0 && r->size == r->want) {
		size_t size = r->size;
		r->size = r->want = 0;
		r->sink.message(r->user, r->data, size);
	}
	return p;
}

void serial_reader_feed(struct serial_reader *r, const uint8_t *data, size_t size)
{
	const uint8_t *p = data, *end = data + size;
	while (p < end) {
		if (r->framing == SERIAL_RAW)
			p = feed_raw(r, p, end);
		else if (r->state == LINE)
			p = feed_line(r, p, end);
		else if (r->state == SKIP)
			p = feed_skip(r, p, end);
		else
			p = feed_text(r, p, end);
	}
}
