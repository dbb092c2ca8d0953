/* SPDX-License-Identifier: MIT */

/* The ring of console lines, and the marks that tell of a boot. */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/console-text.h"
#include "daemon/console.h"
#include "daemon/limits.h"
#include "tests/unit/suite.h"

static struct console *console;
static char marks[64], told[256];

static void on_mark(void *user, enum console_mark mark)
{
	ck_assert_ptr_eq(user, marks);
	size_t n = strlen(marks);
	if (n + 1 < sizeof(marks))
		marks[n] = "-ZMFA"[mark];
}

static void on_marked(void *user, const struct console_line *line)
{
	(void)user;
	size_t n = strlen(told);
	snprintf(told + n, sizeof(told) - n, "%s:%.*s|", console_mark_name(line->mark), (int)line->size, line->text);
}

static void start(void)
{
	static const struct console_callbacks callbacks = { .seen = on_mark, .marked = on_marked };
	memset(marks, 0, sizeof(marks));
	memset(told, 0, sizeof(told));
	ck_assert_int_eq(console_new(&callbacks, marks, &console), 0);
}

static void finish(void)
{
	console_free(TAKE_PTR(console));
}

static void feed(const char *text, uint64_t time_us)
{
	console_feed(console, (const uint8_t *)text, strlen(text), time_us);
}

static void check_line(size_t index, const char *text, uint64_t number, uint64_t time_us)
{
	struct console_line line;
	ck_assert_int_eq(console_at(console, index, &line), 0);
	ck_assert_uint_eq(line.size, strlen(text));
	ck_assert_mem_eq(line.text, text, line.size);
	ck_assert_uint_eq(line.number, number);
	ck_assert_uint_eq(line.time_us, time_us);
}

START_TEST(lines)
{
	struct console_line line;
	start();
	ck_assert_int_eq(console_at(console, 0, &line), -ENOENT);
	feed("one\r\ntw", 1);
	ck_assert_uint_eq(console_count(console), 1);
	feed("o\n\na\rb\r\r\n", 2);
	ck_assert_uint_eq(console_count(console), 4);
	check_line(0, "one", 1, 1);
	check_line(1, "two", 2, 1); /* the time when it began */
	check_line(2, "", 3, 2);
	check_line(3, "a\rb\r", 4, 2);
	ck_assert_int_eq(console_at(console, 4, &line), -ENOENT);
	finish();
}
END_TEST

START_TEST(bytes_are_kept)
{
	struct console_line line;
	start();
	console_feed(console, (const uint8_t *)"\0\x1b\xff\n", 4, 1);
	ck_assert_int_eq(console_at(console, 0, &line), 0);
	ck_assert_uint_eq(line.size, 3);
	ck_assert_mem_eq(line.text, "\0\x1b\xff", 3);
	finish();
}
END_TEST

START_TEST(long_lines_come_in_pieces)
{
	static char text[LIMIT_CONSOLE_LINE_BYTES * 2 + 2];
	struct console_line line;
	start();
	memset(text, 'x', LIMIT_CONSOLE_LINE_BYTES);
	feed(text, 1);
	ck_assert_uint_eq(console_count(console), 0);
	feed("\n", 1);
	ck_assert_uint_eq(console_count(console), 1); /* exactly full: one piece and no empty one behind it */
	memset(text, 'y', LIMIT_CONSOLE_LINE_BYTES + 1);
	feed(text, 2);
	feed("\n", 2);
	ck_assert_uint_eq(console_count(console), 3);
	ck_assert_int_eq(console_at(console, 1, &line), 0);
	ck_assert_uint_eq(line.size, LIMIT_CONSOLE_LINE_BYTES);
	check_line(2, "y", 3, 2);
	finish();
}
END_TEST

START_TEST(bounded_in_lines)
{
	char text[32];
	start();
	for (unsigned int i = 0; i <= LIMIT_CONSOLE_LINES; i++) {
		ck_assert_uint_eq(console_dropped(console), 0);
		snprintf(text, sizeof(text), "line %u\n", i);
		feed(text, i);
	}
	ck_assert_uint_eq(console_count(console), LIMIT_CONSOLE_LINES);
	ck_assert_uint_eq(console_dropped(console), 1);
	check_line(0, "line 1", 2, 1);
	snprintf(text, sizeof(text), "line %u", LIMIT_CONSOLE_LINES);
	check_line(LIMIT_CONSOLE_LINES - 1, text, LIMIT_CONSOLE_LINES + 1, LIMIT_CONSOLE_LINES);
	finish();
}
END_TEST

START_TEST(bounded_in_bytes)
{
	static char text[LIMIT_CONSOLE_LINE_BYTES + 1];
	const size_t fit = LIMIT_CONSOLE_BYTES / LIMIT_CONSOLE_LINE_BYTES;
	start();
	memset(text, 'x', LIMIT_CONSOLE_LINE_BYTES - 1);
	text[LIMIT_CONSOLE_LINE_BYTES - 1] = 'y';
	for (size_t i = 0; i < fit; i++) {
		feed(text, i);
		feed("\n", i);
	}
	ck_assert_uint_eq(console_dropped(console), 0);
	ck_assert_uint_eq(console_count(console), fit);
	feed("1\n", fit); /* one byte past it */
	ck_assert_uint_eq(console_dropped(console), 1);
	ck_assert_uint_eq(console_count(console), fit);
	finish();
}
END_TEST

static const struct {
	const char *text, *marks;
} mark_rows[] = {
	{ "*** Booting Zephyr OS build v4.1.0 ***\r\n", "Z" },
	{ "*** Booting nRF Connect SDK v2.9.0 ***\n*** Using Zephyr OS v3.7.99 ***\n", "Z" },
	{ "*** Booting MCUboot v2.1.0 ***\n*** Using Zephyr OS build v4.1.0 ***\nI: Starting bootloader\n", "MM" },
	{ "uart:~$ *** Booting Zephyr OS", "Z" }, /* before the line ends, and with a prompt in front */
	{ "[00:00:01] <err> os: >>> ZEPHYR FATAL ERROR 4: Kernel panic on CPU 0\n", "F" },
	{ "ASSERTION FAIL [0] @ main.c:12\n", "A" },
	{ "\x1b[1;31m[00:00:00.010,000] <err> os: >>> \x1b[0mZEPHYR\x1b[1m FATAL ERROR 3: Kernel oops\x1b[0m\r\n", "F" },
	{ "\x1b\x1b[1mASSERT\x1bMION FAIL\n", "A" },
	{ "\x1b[9999999999999999999999999999999999999ASSERTION FAIL\n", "A" },
	{ "*** Booting\nZephyr OS\n", "" },
	{ "Booting Zephyr OS\n", "" },
	{ "*** *** Booting Zephyr OS\n", "Z" },
};

START_TEST(marks_are_recognised)
{
	for (size_t size = 1; size < 40; size += 13) { /* however the bytes arrive */
		start();
		for (const char *s = mark_rows[_i].text; *s; s += strnlen(s, size))
			console_feed(console, (const uint8_t *)s, strnlen(s, size), 1);
		ck_assert_str_eq(marks, mark_rows[_i].marks);
		finish();
	}
}
END_TEST

START_TEST(mark_across_pieces)
{
	static char text[LIMIT_CONSOLE_LINE_BYTES - 4];
	start();
	memset(text, 'x', sizeof(text) - 1);
	feed(text, 1);
	feed("*** Booting Zephyr OS\n", 1);
	ck_assert_uint_eq(console_count(console), 2);
	ck_assert_str_eq(marks, "Z");
	finish();
}
END_TEST

/* Told once a line, when it is whole; a line that stays open is told on demand. */
START_TEST(lines_with_marks_are_told)
{
	struct console_line line;
	start();
	feed("plain\n[00:01] <err> os: >>> ZEPHYR FATAL ERROR 4: Kern", 1);
	ck_assert_str_eq(told, "");
	feed("el panic on CPU 0\r\n*** Booting Zephyr OS", 2);
	ck_assert_str_eq(told, "fatal:[00:01] <err> os: >>> ZEPHYR FATAL ERROR 4: Kernel panic on CPU 0|");
	memset(told, 0, sizeof(told));
	console_tell_mark(console);
	console_tell_mark(console);
	ck_assert_str_eq(told, "boot:*** Booting Zephyr OS|");
	feed(" build\nplain\n", 2);
	console_tell_mark(console);
	ck_assert_str_eq(told, "boot:*** Booting Zephyr OS|");
	static const enum console_mark expected[] = { CONSOLE_NO_MARK, CONSOLE_FATAL, CONSOLE_ZEPHYR_BOOT, CONSOLE_NO_MARK };
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		ck_assert_int_eq(console_at(console, i, &line), 0);
		ck_assert_int_eq(line.mark, expected[i]);
	}
	finish();
}
END_TEST

static const struct {
	size_t lines, bytes, kept; /* of lines of 10 bytes, the 20 newest of 30 */
} size_rows[] = { { 20, 1000, 20 }, { 1, 1000, 1 }, { 40, 1000, 30 }, { 20, 100, 10 }, { 20, 9, 0 }, { 40, 99, 9 } };

START_TEST(the_ring_has_the_size_that_is_asked_for)
{
	struct console_line line;
	char text[16];
	for (int before = 0; before < 2; before++) { /* set on an empty ring, and on one that holds lines */
		start();
		for (unsigned int i = 0; i < 30; i++) {
			if (i == (before ? 0 : 25))
				ck_assert_int_eq(console_set_size(console, size_rows[_i].lines, size_rows[_i].bytes), 0);
			snprintf(text, sizeof(text), "%010u\n", i);
			feed(text, i);
		}
		size_t kept = size_rows[_i].kept ? size_rows[_i].kept : 1; /* the newest always is */
		ck_assert_uint_eq(console_count(console), kept);
		ck_assert_uint_eq(console_dropped(console), 30 - kept);
		ck_assert_int_eq(console_at(console, kept - 1, &line), 0);
		ck_assert_mem_eq(line.text, "0000000029", 10);
		finish();
	}
}
END_TEST

START_TEST(pieces_tell_how_they_ended)
{
	struct console_reader r = { 0 };
	struct console_piece p;
	start();
	console_follow(console, &r, SIZE_MAX);
	static const struct console_piece none;
	console_unfollow(&r);
	feed("a\r\nb\nc\r", 1);
	console_break(console);
	console_follow(console, &r, SIZE_MAX);
	for (size_t i = 0; i < 3; i++) {
		p = none;
		ck_assert(console_read(&r, false, &p));
		ck_assert_int_eq(p.cr, i != 1);
	}
	console_unfollow(&r);
	finish();
}
END_TEST

/* --- readers ---------------------------------------------------------------------------------------------------------- */

struct follower {
	struct console_reader reader;
	unsigned int told, ended;
	char text[256]; /* pieces, "|" behind what is whole, "<N>" before what follows N lost lines */
};

static void on_ready(struct console_reader *r)
{
	container_of(r, struct follower, reader)->told++;
}

static void on_ended(struct console_reader *r)
{
	container_of(r, struct follower, reader)->ended++;
}

static void follow(struct follower *f, size_t backlog)
{
	*f = (struct follower){ .reader = { .ready = on_ready, .ended = on_ended } };
	console_follow(console, &f->reader, backlog);
}

/* What is there for it now. */
static const char *read_all(struct follower *f, bool partial)
{
	struct console_piece p;
	size_t n = 0;
	f->text[0] = '\0';
	while (console_read(&f->reader, partial, &p)) {
		if (p.dropped)
			n += (size_t)snprintf(f->text + n, sizeof(f->text) - n, "<%u>", (unsigned int)p.dropped);
		n += (size_t)snprintf(f->text + n, sizeof(f->text) - n, "%.*s%s", (int)p.size, p.text, p.more ? "" : "|");
		ck_assert_uint_lt(n, sizeof(f->text));
	}
	return f->text;
}

START_TEST(readers_at_their_own_pace)
{
	struct follower all, last, none;
	start();
	feed("one\ntwo\nthr", 1);
	follow(&all, SIZE_MAX);
	follow(&last, 1);
	follow(&none, 0);
	ck_assert_str_eq(read_all(&all, false), "one|two|");
	ck_assert_str_eq(read_all(&all, true), "thr");
	ck_assert_str_eq(read_all(&all, true), "");
	ck_assert_str_eq(read_all(&last, false), "two|");
	feed("ee\nfo", 2);
	ck_assert_uint_eq(all.told, 1);
	ck_assert_str_eq(read_all(&all, false), "ee|");
	ck_assert_str_eq(read_all(&last, true), "three|fo");
	feed("ur\r\n", 3);
	ck_assert_str_eq(read_all(&last, false), "ur|");
	ck_assert_str_eq(read_all(&none, true), "three|four|");
	console_unfollow(&none.reader);
	console_unfollow(&none.reader);
	feed("five\n", 4);
	ck_assert_uint_eq(none.told, 2);
	ck_assert_str_eq(read_all(&none, true), "");
	finish();
	ck_assert_uint_eq(all.ended + last.ended, 2);
	ck_assert_uint_eq(none.ended, 0);
	console_unfollow(&all.reader);
}
END_TEST

/* A line that ends just where its reader stopped still ends; a CR waits for what comes next; a break ends a line. */
START_TEST(ends_of_lines)
{
	struct follower f;
	start();
	follow(&f, SIZE_MAX);
	feed("a", 1);
	ck_assert_str_eq(read_all(&f, true), "a");
	feed("\n", 1);
	ck_assert_str_eq(read_all(&f, true), "|");
	feed("b\r", 1);
	ck_assert_str_eq(read_all(&f, true), "b");
	feed("c", 1);
	ck_assert_str_eq(read_all(&f, true), "\rc");
	console_break(console);
	console_break(console);
	ck_assert_str_eq(read_all(&f, true), "|");
	finish();
}
END_TEST

START_TEST(a_reader_hears_of_what_was_lost)
{
	struct follower slow, late;
	start();
	follow(&slow, SIZE_MAX);
	feed("half", 1);
	ck_assert_str_eq(read_all(&slow, true), "half");
	for (unsigned int i = 0; i < LIMIT_CONSOLE_LINES + 2; i++)
		feed("x\n", i);
	ck_assert_uint_eq(console_dropped(console), 2);
	follow(&late, SIZE_MAX);
	struct console_piece p;
	for (unsigned int i = 0; i < LIMIT_CONSOLE_LINES; i++) {
		ck_assert(console_read(&slow.reader, false, &p));
		ck_assert_uint_eq(p.dropped, i ? 0 : 2);
		ck_assert_uint_eq(p.number, i + 3);
		ck_assert(console_read(&late.reader, false, &p));
		ck_assert_uint_eq(p.dropped, i ? 0 : 2);
	}
	ck_assert(!console_read(&slow.reader, true, &p));
	finish();
}
END_TEST

START_TEST(readers_are_told_before_the_ring_is_full)
{
	static char text[4 * CONSOLE_TELL_LINES + 1];
	struct follower f;
	start();
	follow(&f, SIZE_MAX);
	memset(text, '\n', sizeof(text) - 1);
	feed(text, 1);
	ck_assert_uint_ge(f.told, 4);
	ck_assert_uint_eq(console_waiting(&f.reader), 4 * CONSOLE_TELL_LINES);
	finish();
}
END_TEST

/* --- text ------------------------------------------------------------------------------------------------------------- */

static const struct {
	const char *printed;
	size_t whole; /* bytes that need nothing more */
	const char *text; /* NULL: as printed */
} text_rows[] = {
	{ "", 0, NULL },
	{ "plain\ttext", 10, NULL },
	{ "caf\xc3\xa9", 5, NULL },
	{ "caf\xc3", 3, "caf\xef\xbf\xbd" },
	{ "\xe2\x82", 0, "\xef\xbf\xbd\xef\xbf\xbd" },
	{ "\xf0\x9f\x98", 0, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
	{ "\x80\x80\x80\x80", 4, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
	{ "\x1b", 0, "\xef\xbf\xbd" },
	{ "a\x1b[", 1, "a\xef\xbf\xbd[" },
	{ "a\x1b[1;3", 1, "a\xef\xbf\xbd[1;3" },
	{ "a\x1b[1;32mb", 9, "ab" },
	{ "a\x1b[?25lb\x1b[ qc", 13, "abc" },
	{ "\x1b(B\x1b=x\x1b""7", 8, "x" },
	{ "\x1b]0;title", 0, "\xef\xbf\xbd]0;title" },
	{ "\x1b]0;title\x07y", 11, "y" },
	{ "\x1b]0;title\x1b\\y", 12, "y" },
	{ "\x1bPq\x1b", 0, "\xef\xbf\xbdPq\xef\xbf\xbd" },
	{ "\x1b[\x1b[1m!", 7, "\xef\xbf\xbd[!" },
	{ "cr\r\r", 4, "cr" },
	{ "\x7f\x01", 2, "\xef\xbf\xbd\xef\xbf\xbd" },
	{ "\xc2\x85", 2, "\xef\xbf\xbd" },
};

START_TEST(text_is_safe)
{
	const char *printed = text_rows[_i].printed, *text = text_rows[_i].text;
	bool changed;
	_cleanup_free_ char *clean = console_text_clean(printed, strlen(printed), &changed);
	ck_assert_str_eq(clean, text ? text : printed);
	ck_assert_int_eq(changed, text != NULL);
	ck_assert_uint_eq(console_text_whole(printed, strlen(printed)), text_rows[_i].whole);
}
END_TEST

/* However text is cut where it is whole, the pieces together are clean as all of it is; noise does not hold it for ever. */
START_TEST(pieces_are_clean_as_the_whole_is)
{
	static const char alphabet[] = "\x1b[];m0A\\\x07\xc3\xa9\xe2\x82\xac\xf0\x9f(P";
	uint32_t seed = (uint32_t)_i + 1;
	char noise[300], together[sizeof(noise) * 3 + 1] = "";
	bool changed;
	for (size_t i = 0; i < sizeof(noise); i++) {
		seed = seed * 1664525 + 1013904223;
		noise[i] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
	}
	size_t from = 0;
	for (size_t i = 1; i <= sizeof(noise); i++) {
		size_t whole = i == sizeof(noise) ? i : console_text_whole(noise, i);
		ck_assert_uint_ge(whole, from);
		ck_assert_uint_lt(i - whole, 64);
		_cleanup_free_ char *piece = console_text_clean(noise + from, whole - from, &changed);
		strcat(together, piece);
		from = whole;
	}
	_cleanup_free_ char *all = console_text_clean(noise, sizeof(noise), &changed);
	ck_assert_str_eq(together, all);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("console");
	TCase *tcase = tcase_create("console");
	tcase_add_test(tcase, lines);
	tcase_add_test(tcase, bytes_are_kept);
	tcase_add_test(tcase, long_lines_come_in_pieces);
	tcase_add_test(tcase, bounded_in_lines);
	tcase_add_test(tcase, bounded_in_bytes);
	tcase_add_loop_test(tcase, marks_are_recognised, 0, (int)ARRAY_SIZE(mark_rows));
	tcase_add_test(tcase, mark_across_pieces);
	tcase_add_test(tcase, lines_with_marks_are_told);
	tcase_add_loop_test(tcase, the_ring_has_the_size_that_is_asked_for, 0, (int)ARRAY_SIZE(size_rows));
	tcase_add_test(tcase, pieces_tell_how_they_ended);
	tcase_add_test(tcase, readers_at_their_own_pace);
	tcase_add_test(tcase, ends_of_lines);
	tcase_add_test(tcase, a_reader_hears_of_what_was_lost);
	tcase_add_test(tcase, readers_are_told_before_the_ring_is_full);
	tcase_add_loop_test(tcase, text_is_safe, 0, (int)ARRAY_SIZE(text_rows));
	tcase_add_loop_test(tcase, pieces_are_clean_as_the_whole_is, 0, 500);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
