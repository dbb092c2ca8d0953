/* SPDX-License-Identifier: MIT */

/* The ring of console lines, and the marks that tell of a boot. */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/console.h"
#include "daemon/limits.h"

static struct console *console;
static char marks[64];

static void on_mark(void *user, enum console_mark mark)
{
	ck_assert_ptr_eq(user, marks);
	size_t n = strlen(marks);
	if (n + 1 < sizeof(marks))
		marks[n] = "ZMF"[mark];
}

static void start(void)
{
	memset(marks, 0, sizeof(marks));
	ck_assert_int_eq(console_new(on_mark, marks, &console), 0);
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
	{ "ASSERTION FAIL [0] @ main.c:12\n", "F" },
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
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
