/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/serial.h"
#include "proto/smp.h"
#include "tests/unit/suite.h"

/* Worked examples of SMP §2.1. */
#define REQUEST_A_MESSAGE "\x0a\x00\x00\x06\x00\x00\x42\x00\xa1\x61\x64\x62\x68\x69"
#define REQUEST_A_WIRE "\x06\x09" "ABAKAAAGAABCAKFhZGJoaZsK\n"
#define A_MESSAGE "\x0b\x00\x00\x07\x00\x00\x42\x00\xbf\x61\x72\x62\x68\x69\xff"
#define A_LINE "ABELAAAHAABCAL9hcmJoaf9Hhw=="
#define S "\x06\x09" /* starts a packet */
#define N "\x04\x14" /* continues one */
#define A S A_LINE "\n"
#define B_LINE_1                                                                                                       \
	"AHMKAABpAAAHAKFhZHhkMDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1"  \
	"Njc4OTAxMjM0NTY3"
#define B_LINE_2 "ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OU3T"
#define B1 S B_LINE_1 "\n"
#define B2 N B_LINE_2 "\n"
#define B_MESSAGE_SIZE 113

static void make_b(uint8_t message[B_MESSAGE_SIZE])
{
	memcpy(message, "\x0a\x00\x00\x69\x00\x00\x07\x00\xa1\x61\x64\x78\x64", 13);
	for (int i = 0; i < 100; i++)
		message[13 + i] = (uint8_t)('0' + i % 10);
}

static const struct {
	const char *data;
	size_t size;
	uint16_t crc;
} crc_rows[] = {{"123456789", 9, 0x31c3}, {"", 0, 0}, {"A", 1, 0x58e5}, {REQUEST_A_MESSAGE, 14, 0x9b0a}, {A_MESSAGE, 15, 0x4787}};

START_TEST(test_crc)
{
	ck_assert_uint_eq(serial_crc16(0, (const uint8_t *)crc_rows[_i].data, crc_rows[_i].size), crc_rows[_i].crc);
}
END_TEST

START_TEST(test_crc_all_bytes)
{
	uint8_t all[256];
	for (int i = 0; i < 256; i++)
		all[i] = (uint8_t)i;
	ck_assert_uint_eq(serial_crc16(0, all, 256), 0x7e55);
	ck_assert_uint_eq(serial_crc16(serial_crc16(0, all, 100), all + 100, 156), 0x7e55);
}
END_TEST

/* As the polynomial says, bit by bit. */
static uint16_t slow_crc(const uint8_t *data, size_t size)
{
	unsigned int crc = 0;
	for (size_t i = 0; i < 8 * size; i++) {
		unsigned int bit = (crc >> 15 ^ data[i / 8] >> (7 - i % 8)) & 1;
		crc = (crc << 1 & 0xffff) ^ (bit ? 0x1021 : 0);
	}
	return (uint16_t)crc;
}

START_TEST(test_crc_every_pair)
{
	for (unsigned int i = 0; i < 65536; i++) {
		const uint8_t pair[] = {(uint8_t)(i >> 8), (uint8_t)i};
		ck_assert_uint_eq(serial_crc16(0, pair, 2), slow_crc(pair, 2));
	}
}
END_TEST

START_TEST(test_encode_examples)
{
	struct serial_frame f;
	ck_assert_int_eq(serial_encode(SERIAL_CONSOLE, (const uint8_t *)REQUEST_A_MESSAGE, 14, &f), 0);
	ck_assert_uint_eq(f.size, sizeof(REQUEST_A_WIRE) - 1);
	ck_assert_mem_eq(f.data, REQUEST_A_WIRE, f.size);
	ck_assert_uint_eq(f.line_count, 1);
	ck_assert_uint_eq(f.lines[0], f.size);
	serial_frame_release(&f);
	ck_assert_ptr_null(f.data);

	ck_assert_int_eq(serial_encode(SERIAL_CONSOLE, (const uint8_t *)A_MESSAGE, 15, &f), 0);
	ck_assert_uint_eq(f.size, sizeof(A) - 1);
	ck_assert_mem_eq(f.data, A, f.size);
	serial_frame_release(&f);

	uint8_t b[B_MESSAGE_SIZE];
	make_b(b);
	ck_assert_int_eq(serial_encode(SERIAL_CONSOLE, b, sizeof(b), &f), 0);
	ck_assert_uint_eq(f.size, sizeof(B1 B2) - 1);
	ck_assert_mem_eq(f.data, B1 B2, f.size);
	ck_assert_uint_eq(f.line_count, 2);
	ck_assert_uint_eq(f.lines[0], SERIAL_LINE_MAX);
	ck_assert_uint_eq(f.lines[1], f.size);
	serial_frame_release(&f);

	ck_assert_int_eq(serial_encode(SERIAL_RAW, b, sizeof(b), &f), 0);
	ck_assert_uint_eq(f.size, sizeof(b));
	ck_assert_mem_eq(f.data, b, sizeof(b));
	ck_assert_uint_eq(f.line_count, 1);
	ck_assert_uint_eq(f.lines[0], sizeof(b));
	serial_frame_release(&f);
}
END_TEST

static const struct {
	enum serial_framing framing;
	size_t buffer, message;
} max_rows[] = {
		{SERIAL_CONSOLE, 0, 0},
		{SERIAL_CONSOLE, 4, 0},
		{SERIAL_CONSOLE, 96, 92},
		{SERIAL_CONSOLE, 384, 380},
		{SERIAL_CONSOLE, 65537, 65533},
		{SERIAL_CONSOLE, 65538, 65533},
		{SERIAL_CONSOLE, SIZE_MAX, 65533},
		{SERIAL_RAW, 384, 384},
		{SERIAL_RAW, SIZE_MAX, SMP_MESSAGE_MAX},
};

START_TEST(test_message_max)
{
	size_t max = serial_message_max(max_rows[_i].framing, max_rows[_i].buffer);
	ck_assert_uint_eq(max, max_rows[_i].message);
	uint8_t *message = calloc(1, max + 1);
	struct serial_frame f = {0};
	ck_assert_int_eq(serial_encode(max_rows[_i].framing, message, max, &f), 0);
	ck_assert_uint_eq(f.size, serial_wire_size(max_rows[_i].framing, max));
	serial_frame_release(&f);
	if (max >= 65533 && (max == SMP_MESSAGE_MAX || max_rows[_i].framing == SERIAL_CONSOLE))
		ck_assert_int_eq(serial_encode(max_rows[_i].framing, message, max + 1, &f), -EMSGSIZE);
	free(message);
}
END_TEST

/* What a reader says, in order: text as it is, {A}, {B} or {?size} for messages, <why> for damage. */
struct tape {
	FILE *f;
	char *text;
	size_t size;
	struct serial_reader *reader;
};

static void on_message(void *user, const uint8_t *data, size_t size)
{
	struct tape *t = user;
	uint8_t b[B_MESSAGE_SIZE];
	make_b(b);
	if (size == 15 && memcmp(data, A_MESSAGE, 15) == 0)
		fprintf(t->f, "{A}");
	else if (size == sizeof(b) && memcmp(data, b, sizeof(b)) == 0)
		fprintf(t->f, "{B}");
	else
		fprintf(t->f, "{?%zu}", size);
}

static void on_text(void *user, const uint8_t *data, size_t size)
{
	struct tape *t = user;
	ck_assert_uint_gt(size, 0);
	fwrite(data, 1, size, t->f);
}

static void on_damaged(void *user, enum serial_damage why)
{
	struct tape *t = user;
	fprintf(t->f, "<%s>", serial_damage_name(why));
}

static const struct serial_sink sink = {on_message, on_text, on_damaged};

static void tape_start(struct tape *t, enum serial_framing framing)
{
	*t = (struct tape){0};
	t->f = open_memstream(&t->text, &t->size);
	ck_assert_int_eq(serial_reader_new(framing, &sink, t, &t->reader), 0);
}

static void tape_end(struct tape *t)
{
	serial_reader_free(t->reader);
	fclose(t->f);
	free(t->text);
}

/* Feeds a copy that ends where the input ends. */
static void feed(struct serial_reader *r, const void *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	memcpy(copy, data, size);
	serial_reader_feed(r, copy, size);
	free(copy);
}

static const struct {
	const char *in, *out;
} read_rows[] = {
		{A, "{A}"},
		{B1 B2, "{B}"},
		{A A B1 B2 A, "{A}{A}{B}{A}"},
		/* text around, before on the same line, and between the lines of a packet */
		{"boot\r\n" A "uart:~$ ", "boot\r\n{A}uart:~$ "},
		{"\x1b[1;32muart:~$ \x1b[m" A "\n", "\x1b[1;32muart:~$ \x1b[m{A}\n"},
		{"ker" A "nel\n", "ker{A}nel\n"},
		{B1 "[00:00:01] <inf> log\r\n" B2, "[00:00:01] <inf> log\r\n{B}"},
		{B1 "uart:~$ " B2 "x\n", "uart:~$ {B}x\n"},
		{B1 "\x06\n\x04\n" B2, "\x06\n\x04\n{B}"},
		/* carriage returns */
		{S A_LINE "\r\n", "{A}"},
		{S A_LINE "\r\r\n.", "{A}."},
		{S B_LINE_1 "\r\n" N B_LINE_2 "\r\n", "{B}"},
		{S B_LINE_1 "\r.\n" B2, "<bad base64>\r.\n"},
		{S B_LINE_1 "\r\r\r\n" B2, "<bad base64>\r\r\r\n"},
		/* lines of other lengths, each of whole quads */
		{S "ABEL\n" N "AAAH\n" N "AABCAL9hcmJoaf9Hhw==\n", "{A}"},
		{S "AA==\n" N "EQs=\n" N "AAAHAABCAL9hcmJoaf9Hhw==\n", "<bad length>"},
		{S "ABE=\n" N "CwAABwAAQgC/YXJiaGn/R4c=\n", "{A}"},
		{S B_LINE_1 B_LINE_2 "\n", "{B}"},
		/* a lone half of a marker is text */
		{"a\x06" "b\x04" "c", "a\x06" "b\x04" "c"},
		{"\x06\x06\x09" A_LINE "\n", "\x06{A}"},
		{"\x04\x06\x09" A_LINE "\n", "\x04{A}"},
		{"\x06\x14\x04\x09.", "\x06\x14\x04\x09."},
		/* wherever it lies in a word that is looked at as a whole */
		{"0123456\x06" "8901234\x04" "678" A "01234567\x02\x05\x07\x03\x84\x86\x01\x01" A,
				"0123456\x06" "8901234\x04" "678{A}01234567\x02\x05\x07\x03\x84\x86\x01\x01{A}"},
		/* a newline that got lost: the packet is complete, or the next line has come */
		{S A_LINE "uart:~$ ", "{A}uart:~$ "},
		{S B_LINE_1 B_LINE_2 "uart:~$ ", "<bad length>:~$ "},
		{S A_LINE "\x1b[muart:~$ ", "{A}\x1b[muart:~$ "},
		{S A_LINE A, "{A}{A}"},
		{S A_LINE "\r" A, "{A}{A}"},
		{S A_LINE "\x06.", "{A}\x06."},
		{S B_LINE_1 B2, "{B}"},
		{S B_LINE_1 N B_LINE_2 A, "{B}{A}"},
		/* log text in the middle of a line breaks that line */
		{S "ABELAAAHAABC[log] hello\r\nAL9hcmJoaf9Hhw==\n" A, "<bad base64>[log] hello\r\nAL9hcmJoaf9Hhw==\n{A}"},
		{S "ABELAA\n" A, "<bad base64>{A}"},
		{S "ABELAA*** Booting Zephyr OS\r\n" A, "<bad base64>*** Booting Zephyr OS\r\n{A}"},
		{B1 N "ODkw[log]\n" A, "<bad base64>[log]\n{A}"},
		{S "ABEL\x06.\n" A, "<bad base64>\x06.\n{A}"},
		{S "ABE\x04\x14" "ABEL\n" A, "<bad base64>{A}"},
		/* bad characters and padding */
		{S "ABELAAAHAABCAL9hcmJoaf9Hhw=\n" A, "<bad base64>{A}"},
		{S "ABELAAAHAABCAL9hcmJoaf9Hhw===\n" A, "{A}=\n{A}"},
		{S "A===\n" A, "<bad base64>===\n{A}"},
		{S "AB=E\n" A, "<bad base64>E\n{A}"},
		{S "ABE=====\n" A, "<bad base64>====\n{A}"},
		{S "ABE=LAAA\n" A, "<bad base64>LAAA\n{A}"},
		{S "ABEL AAAH\n" A, "<bad base64> AAAH\n{A}"},
		{S "ABEL-_-_\n" A, "<bad base64>-_-_\n{A}"},
		{S "ABEL\xff\xfe\n" A, "<bad base64>\xff\xfe\n{A}"},
		/* CRC */
		{S "ABELAAAHAABCAL9hcmJoaf9Hhg==\n" A, "<bad CRC>{A}"},
		{S "ABELAAAHAABDAL9hcmJoaf9Hhw==\n" A, "<bad CRC>{A}"},
		{S "ABELAAAHAABDAL9hcmJoaf9Hhw==" A, "<bad CRC>{A}"},
		/* lengths that differ or are impossible */
		{S "ABALAAAHAABCAL9hcmJoaf9Hhw==\n" A, "<bad length>{A}"},
		{S "ABELAAAHAABCAL9hcmJoaf9Hh0dH\n" A, "<bad length>{A}"},
		{S "ABELAAAHAABCAL9hcmJoaf9Hhw==AAAA\n" A, "{A}AAAA\n{A}"},
		{S "AAAA\n" A, "<bad length>{A}"},
		{S "AAkLAAAHAABCAL9h\n" A, "<bad length>{A}"},
		{S "\n" A, "<bad length>{A}"},
		{S "AA==\n" A, "<bad length>{A}"},
		{S "ABILAAAHAABCAL9hcmJoaf9Hhw==\n" A, "<interrupted by a new start>{A}"},
		/* resync */
		{B1 A, "<interrupted by a new start>{A}"},
		{B1 B1 B2, "<interrupted by a new start>{B}"},
		{S "ABELAA" A, "<interrupted by a new start>{A}"},
		{B1 "text\n" A B2, "text\n<interrupted by a new start>{A}<continuation without a start>"},
		{B2 A, "<continuation without a start>{A}"},
		{"$ " B2 B2 "text\n" B2 A B2, "$ <continuation without a start>text\n{A}<continuation without a start>"},
		{A B2 "x", "{A}<continuation without a start>x"},
		{N "ODkw[log]\n" A, "<continuation without a start>[log]\n{A}"},
		{N "ODkw" A, "<continuation without a start>{A}"},
		{S "AAAA\n" B2 B2 A, "<bad length>{A}"},
};

START_TEST(test_read)
{
	const char *in = read_rows[_i].in;
	size_t size = strlen(in);
	/* whole, cut in two at every place, and byte by byte */
	for (size_t cut = 0; cut <= size + 1; cut++) {
		struct tape t;
		tape_start(&t, SERIAL_CONSOLE);
		if (cut <= size) {
			feed(t.reader, in, cut);
			feed(t.reader, in + cut, size - cut);
		}
		for (size_t i = 0; cut > size && i < size; i++)
			feed(t.reader, in + i, 1);
		fflush(t.f);
		ck_assert_msg(strcmp(t.text, read_rows[_i].out) == 0, "cut at %zu of %zu: %s", cut, size, t.text);
		tape_end(&t);
	}
}
END_TEST

/* What a device sends that cuts lines by other rules: first up to `first` base64 characters, then up to `next`. */
static size_t device_lines(const uint8_t *message, size_t size, size_t first, size_t next, uint8_t *out, size_t *cuts,
		size_t *ret_cuts)
{
	struct serial_frame f;
	ck_assert_int_eq(serial_encode(SERIAL_CONSOLE, message, size, &f), 0);
	size_t n = 0, in_line = 0, limit = first, count = 0;
	memcpy(out, S, 2);
	n = 2;
	for (size_t line = 0, at = 0; line < f.line_count; at = f.lines[line++]) {
		for (size_t i = at + 2; i < f.lines[line] - 1; i++) {
			if (in_line == limit) {
				out[n++] = '\n';
				cuts[count++] = n;
				memcpy(out + n, N, 2);
				n += 2;
				in_line = 0;
				limit = next;
			}
			out[n++] = f.data[i];
			in_line++;
		}
	}
	out[n++] = '\n';
	cuts[count++] = n;
	*ret_cuts = count;
	serial_frame_release(&f);
	return n;
}

struct expectation {
	const uint8_t *message;
	size_t size;
	unsigned int messages;
	char text[8192];
	size_t text_size;
};

static void expect_message(void *user, const uint8_t *data, size_t size)
{
	struct expectation *e = user;
	ck_assert_uint_eq(size, e->size);
	ck_assert_mem_eq(data, e->message, size);
	e->messages++;
}

static void expect_text(void *user, const uint8_t *data, size_t size)
{
	struct expectation *e = user;
	ck_assert_uint_le(e->text_size + size, sizeof(e->text));
	memcpy(e->text + e->text_size, data, size);
	e->text_size += size;
}

static void expect_no_damage(void *user, enum serial_damage why)
{
	(void)user;
	ck_abort_msg("%s", serial_damage_name(why));
}

static uint32_t random_state;

static uint32_t random_below(uint32_t limit)
{
	random_state = random_state * 1664525 + 1013904223;
	return (uint32_t)(((uint64_t)random_state * limit) >> 32);
}

static void feed_in_pieces(struct serial_reader *r, const uint8_t *data, size_t size)
{
	for (size_t at = 0; at < size;) {
		size_t n = 1 + random_below(random_below(4) ? 200 : 3);
		n = n < size - at ? n : size - at;
		feed(r, data + at, n);
		at += n;
	}
}

static const char *const noise[] = {"uart:~$ ", "[00:00:00.010,000] <inf> app: hello\r\n", "\n", "\x06\r\n", "\x04", "", "=\n"};

/* A message of every size, in the line lengths that are seen on wires, cut up at random, with text between the lines. */
START_TEST(test_every_size)
{
	static const size_t shapes[][2] = {{124, 124}, {124, 120}, {65536, 65536}, {4, 4}, {20, 64}};
	const size_t size = 8 + (size_t)_i;
	uint8_t message[1400], wire[16384], stream[32768];
	size_t cuts[2048], count;
	random_state = (uint32_t)_i;
	for (size_t i = 0; i < size; i++)
		message[i] = (uint8_t)random_below(256);

	for (size_t shape = 0; shape < ARRAY_SIZE(shapes); shape++) {
		size_t wire_size = device_lines(message, size, shapes[shape][0], shapes[shape][1], wire, cuts, &count);
		if (shape == 0)
			ck_assert_uint_eq(wire_size, serial_wire_size(SERIAL_CONSOLE, size));
		struct expectation *e = calloc(1, sizeof(*e));
		*e = (struct expectation){.message = message, .size = size};
		char text[8192];
		size_t text_size = 0, n = 0;
		for (size_t line = 0, at = 0; line < count; at = cuts[line++]) {
			const char *words = noise[random_below(text_size < 4000 ? ARRAY_SIZE(noise) : 1)];
			size_t length = text_size < 7000 ? strlen(words) : 0;
			memcpy(stream + n, words, length);
			memcpy(text + text_size, words, length);
			n += length;
			text_size += length;
			memcpy(stream + n, wire + at, cuts[line] - at);
			n += cuts[line] - at;
		}
		static const struct serial_sink strict = {expect_message, expect_text, expect_no_damage};
		struct serial_reader *r;
		ck_assert_int_eq(serial_reader_new(SERIAL_CONSOLE, &strict, e, &r), 0);
		feed_in_pieces(r, stream, n);
		ck_assert_uint_eq(e->messages, 1);
		ck_assert_uint_eq(e->text_size, text_size);
		ck_assert_mem_eq(e->text, text, text_size);
		ck_assert(serial_reader_idle(r));
		serial_reader_free(r);
		free(e);
	}
}
END_TEST

/* What is sent: lines of at most 127 bytes that start with a marker, end with a newline and decode alone. */
START_TEST(test_lines_sent)
{
	uint8_t message[1400] = {0};
	for (size_t size = 0; size < sizeof(message); size++) {
		struct serial_frame f;
		ck_assert_int_eq(serial_encode(SERIAL_CONSOLE, message, size, &f), 0);
		ck_assert_uint_eq(f.size, serial_wire_size(SERIAL_CONSOLE, size));
		ck_assert_uint_eq(f.lines[f.line_count - 1], f.size);
		for (size_t i = 0, at = 0; i < f.line_count; at = f.lines[i++]) {
			ck_assert_uint_le(f.lines[i] - at, SERIAL_LINE_MAX);
			ck_assert_uint_eq((f.lines[i] - at - 3) % 4, 0);
			ck_assert_mem_eq(f.data + at, i == 0 ? S : N, 2);
			ck_assert_uint_eq(f.data[f.lines[i] - 1], '\n');
			ck_assert(i + 1 == f.line_count || f.lines[i] - at == SERIAL_LINE_MAX);
		}
		serial_frame_release(&f);
	}
}
END_TEST

/* One bit of a packet of two lines flipped, at every place: the packet behind it always arrives. */
START_TEST(test_every_bit)
{
	const char frame[] = B1 B2;
	for (size_t bit = 0; bit < 8 * (sizeof(frame) - 1); bit++) {
		char bad[sizeof(frame)];
		memcpy(bad, frame, sizeof(bad));
		bad[bit / 8] = (char)(bad[bit / 8] ^ 1 << bit % 8);
		struct tape t;
		tape_start(&t, SERIAL_CONSOLE);
		feed(t.reader, bad, sizeof(bad) - 1);
		feed(t.reader, A, sizeof(A) - 1);
		fflush(t.f);
		ck_assert_msg(t.size >= 3 && strcmp(t.text + t.size - 3, "{A}") == 0, "bit %zu: %s", bit, t.text);
		/* B may survive only where the newline was hit */
		ck_assert_msg(!strstr(t.text, "{?"), "bit %zu: %s", bit, t.text);
		tape_end(&t);
	}
}
END_TEST

/* Bytes lost or doubled at every place, as by an overrun. */
START_TEST(test_lost_and_doubled)
{
	const char frame[] = B1 B2;
	for (size_t at = 0; at < 2 * (sizeof(frame) - 1); at++) {
		struct tape t;
		tape_start(&t, SERIAL_CONSOLE);
		size_t i = at / 2;
		feed(t.reader, frame, i);
		feed(t.reader, frame + i + (at % 2 ? 1 : 0), sizeof(frame) - 1 - i - (at % 2 ? 1 : 0));
		if (at % 2 == 0)
			feed(t.reader, frame + i, 1);
		feed(t.reader, A, sizeof(A) - 1);
		fflush(t.f);
		ck_assert_msg(t.size >= 3 && strcmp(t.text + t.size - 3, "{A}") == 0, "%zu: %s", at, t.text);
		tape_end(&t);
	}
}
END_TEST

START_TEST(test_reset_and_idle)
{
	struct tape t;
	tape_start(&t, SERIAL_CONSOLE);
	ck_assert(serial_reader_idle(t.reader));
	feed(t.reader, "text", 4);
	ck_assert(serial_reader_idle(t.reader));
	feed(t.reader, B1, sizeof(B1) - 1);
	ck_assert(!serial_reader_idle(t.reader));
	serial_reader_reset(t.reader);
	ck_assert(serial_reader_idle(t.reader));
	feed(t.reader, B2 A, sizeof(B2 A) - 1);
	ck_assert(serial_reader_idle(t.reader));
	fflush(t.f);
	ck_assert_str_eq(t.text, "text<continuation without a start>{A}");
	tape_end(&t);
}
END_TEST

/* Somebody else has read the beginning of a frame: its end, in the line or after it, is neither text nor damage. */
START_TEST(test_skip)
{
	static const struct {
		const char *rest, *heard;
	} cases[] = {
		{ "", "" },
		{ "AAAA\n", "" },
		{ "AAAA\n" B2, "" },
		{ B2 A, "{A}" },
		{ "AA=\r\ntext", "text" },
		{ A, "{A}" },
		{ "\ntext\n" B2, "text\n" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tape t;
		tape_start(&t, SERIAL_CONSOLE);
		serial_reader_skip(t.reader);
		ck_assert(serial_reader_idle(t.reader));
		feed(t.reader, cases[i].rest, strlen(cases[i].rest));
		fflush(t.f);
		ck_assert_str_eq(t.text, cases[i].heard);
		tape_end(&t);
	}
}
END_TEST

/* The largest packet on one line fits; endless lines are given up and cost no memory. */
START_TEST(test_long_lines)
{
	uint8_t *message = calloc(1, 65533);
	uint8_t *wire = malloc(100000);
	size_t cuts[4], count;
	message[0] = 0x0b;
	size_t n = device_lines(message, 65533, 100000, 100000, wire, cuts, &count);
	ck_assert_uint_le(n, SERIAL_LINE_RECEIVE_MAX);
	struct tape t;
	tape_start(&t, SERIAL_CONSOLE);
	feed_in_pieces(t.reader, wire, n);
	fflush(t.f);
	ck_assert_str_eq(t.text, "{?65533}");
	tape_end(&t);

	tape_start(&t, SERIAL_CONSOLE);
	feed(t.reader, S "ABEL", 6);
	memset(wire, 'A', 100000);
	feed(t.reader, wire, 50000);
	fflush(t.f);
	ck_assert_str_eq(t.text, "<bad length>");
	feed(t.reader, wire, 50000);
	feed(t.reader, "\n" A, sizeof(A));
	fflush(t.f);
	ck_assert_msg(strncmp(t.text, "<bad length><line too long>AAAA", 31) == 0, "%.40s", t.text);
	ck_assert_str_eq(t.text + t.size - 5, "A\n{A}");
	/* not a byte of it lost or doubled: marker, 4, and what a line may hold */
	ck_assert_uint_eq(t.size, 12 + 15 + 4 + 6 + 100000 - SERIAL_LINE_RECEIVE_MAX);
	tape_end(&t);
	free(message);
	free(wire);
}
END_TEST

/* Random bytes, most of them markers and base64: what follows is read. */
START_TEST(test_hostile)
{
	static const char alphabet[] = "\x06\x09\x04\x14\n\r=AZaz09+/ABEL";
	random_state = (uint32_t)_i * 7919;
	struct tape t;
	tape_start(&t, _i % 2 ? SERIAL_CONSOLE : SERIAL_RAW);
	for (int i = 0; i < 2000; i++) {
		uint8_t piece[16];
		size_t n = 1 + random_below(sizeof(piece));
		for (size_t k = 0; k < n; k++)
			piece[k] = random_below(8) ? (uint8_t)alphabet[random_below(sizeof(alphabet) - 1)] : (uint8_t)random_below(256);
		feed(t.reader, piece, n);
	}
	if (_i % 2 == 0)
		serial_reader_reset(t.reader);
	feed(t.reader, _i % 2 ? "\n" A : A_MESSAGE, _i % 2 ? sizeof(A) : sizeof(A_MESSAGE) - 1);
	fflush(t.f);
	ck_assert_mem_eq(t.text + t.size - 3, "{A}", 3);
	tape_end(&t);
}
END_TEST

#define RAW_1 "\x0b\x00\x00\x02\x00\x00\x42\x00\xbf\xff" /* 10 bytes */

static const struct {
	const char *in;
	size_t size;
	const char *out;
} raw_rows[] = {
		{RAW_1, 10, "{?10}"},
		{RAW_1 RAW_1, 20, "{?10}{?10}"},
		{A_MESSAGE, 15, "{A}"},
		{A_MESSAGE RAW_1 A_MESSAGE, 40, "{A}{?10}{A}"},
		{"\x09\x00\x00\x00\x00\x00\x42\x00", 8, "{?8}"},
		/* boot text is not a header, nor is a newline before one */
		{"*** Booting ***\r\n" A_MESSAGE, 32, "*** Booting ***\r\n{A}"},
		{"\x0a" A_MESSAGE, 16, "\n{A}"},
		{"\x0a\x0a\x0a" A_MESSAGE, 18, "\n\n\n{A}"},
		{"ok\n" A_MESSAGE "ok\n.", 22, "ok\n{A}ok\n."},
		{"\x0f\x0c.", 3, "\x0f\x0c."},
		{"\x0b\x0b\xff.", 4, "\x0b\x0b\xff."},
};

START_TEST(test_raw)
{
	for (size_t cut = 0; cut <= raw_rows[_i].size; cut++) {
		struct tape t;
		tape_start(&t, SERIAL_RAW);
		feed(t.reader, raw_rows[_i].in, cut);
		feed(t.reader, raw_rows[_i].in + cut, raw_rows[_i].size - cut);
		fflush(t.f);
		ck_assert_msg(strcmp(t.text, raw_rows[_i].out) == 0, "cut at %zu: %s", cut, t.text);
		ck_assert(serial_reader_idle(t.reader));
		tape_end(&t);
	}
}
END_TEST

START_TEST(test_raw_largest)
{
	uint8_t *message = calloc(1, SMP_MESSAGE_MAX);
	memcpy(message, "\x0b\x00\xff\xff", 4);
	struct tape t;
	tape_start(&t, SERIAL_RAW);
	feed_in_pieces(t.reader, message, SMP_MESSAGE_MAX - 1);
	ck_assert(!serial_reader_idle(t.reader));
	feed(t.reader, message, 1);
	fflush(t.f);
	ck_assert_str_eq(t.text, "{?65543}");
	/* a part of a message that expired is forgotten by a reset */
	feed(t.reader, message, 100);
	serial_reader_reset(t.reader);
	feed(t.reader, A_MESSAGE, 15);
	fflush(t.f);
	ck_assert_str_eq(t.text, "{?65543}{A}");
	tape_end(&t);
	free(message);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("serial");
	tcase_add_loop_test(t, test_crc, 0, (int)ARRAY_SIZE(crc_rows));
	tcase_add_test(t, test_crc_all_bytes);
	tcase_add_test(t, test_crc_every_pair);
	tcase_add_test(t, test_encode_examples);
	tcase_add_loop_test(t, test_message_max, 0, (int)ARRAY_SIZE(max_rows));
	tcase_add_loop_test(t, test_read, 0, (int)ARRAY_SIZE(read_rows));
	tcase_add_loop_test(t, test_every_size, 0, 1300 - 8 + 1);
	tcase_add_test(t, test_lines_sent);
	tcase_add_test(t, test_every_bit);
	tcase_add_test(t, test_lost_and_doubled);
	tcase_add_test(t, test_reset_and_idle);
	tcase_add_test(t, test_skip);
	tcase_add_test(t, test_long_lines);
	tcase_add_loop_test(t, test_hostile, 0, 50);
	tcase_add_loop_test(t, test_raw, 0, (int)ARRAY_SIZE(raw_rows));
	tcase_add_test(t, test_raw_largest);
	Suite *s = suite_create("serial");
	suite_add_tcase(s, t);
	return suite_run(s);
}
