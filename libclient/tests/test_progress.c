/* SPDX-License-Identifier: MIT */
/* Progress with a clock of the test's own: rates, times left, when a line is due, what fits into how many columns. */
#include <check.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/progress.h"
#include "libclient/mcumgrctl/text.h"
#include "proto/json.h"

static void feed(struct progress *p, uint64_t now, const char *text)
{
	_cleanup_json_ json_object *reply = NULL;
	const char *why;

	ck_assert_int_eq(json_parse(text, strlen(text), &reply, &why), 0);
	progress_update(p, reply, now);
}

static void upload(struct progress *p, uint64_t now, int done, int total)
{
	_cleanup_free_ char *text =
		format("{\"step\":\"upload\",\"percent\":50,\"doneBytes\":%d,\"totalBytes\":%d}", done, total);

	feed(p, now, text);
}

static void expect_line(struct progress *p, uint64_t now, const char *line)
{
	_cleanup_free_ char *got = progress_line(p, now);

	if (line)
		ck_assert_pstr_eq(got, line);
	else
		ck_assert_ptr_null(got);
}

static void expect_bar(const struct progress *p, uint64_t now, size_t width, const char *bar)
{
	_cleanup_free_ char *got = progress_bar(p, now, width);

	ck_assert_str_eq(got, bar);
	ck_assert_uint_le(strlen(got), width);
}

START_TEST(rate_and_time_left)
{
	struct progress p;

	progress_start(&p, 1000);
	upload(&p, 2000, 0, 102400);
	expect_bar(&p, 2000, 70, "upload      [################................]  50 %  0 B of 100.0 KiB");
	upload(&p, 2400, 4096, 102400); /* too short a time to tell */
	ck_assert_double_eq(p.rate, 0);
	upload(&p, 3000, 10240, 102400);
	expect_bar(&p, 3000, 100,
		"upload      [#################.................]  50 %  10.0 KiB of 100.0 KiB  10.0 KiB/s  0:09 left");
	expect_bar(&p, 3000, 60, "upload      [########.........]  50 %  10.0 KiB/s  0:09 left");
	expect_bar(&p, 3000, 45, "upload      [#######.......]  50 %  0:09 left");
	expect_bar(&p, 3000, 30, "upload      [#####.....]  50 %");
	expect_bar(&p, 3000, 29, "upload 50 %");
	expect_bar(&p, 3000, 9, "upl 50 %");
	progress_release(&p);
}
END_TEST

/* What the board had already when the upload went on is no speed. */
START_TEST(resumed_upload)
{
	struct progress p;

	progress_start(&p, 0);
	upload(&p, 0, 90000, 100000);
	upload(&p, 1000, 91000, 100000);
	ck_assert_double_eq_tol(p.rate, 1000, 0.1);
	upload(&p, 2000, 0, 100000); /* and an upload that starts again is no negative one */
	ck_assert_double_ge(p.rate, 0);
	progress_release(&p);
}
END_TEST

START_TEST(lines)
{
	struct progress p;

	progress_start(&p, 0);
	expect_line(&p, 0, NULL);
	feed(&p, 0, "{\"step\":\"check\",\"percent\":0}");
	expect_line(&p, 0, "check");
	expect_line(&p, 1, NULL);
	upload(&p, 10, 0, 1000);
	expect_line(&p, 10, "upload 0 % (0 B of 1000 B)");
	upload(&p, 20, 99, 1000);
	expect_line(&p, 20, NULL);
	upload(&p, 30, 250, 1000);
	expect_line(&p, 30, "upload 25 % (250 B of 1000 B)");
	upload(&p, 40, 299, 1000);
	expect_line(&p, 40, NULL);
	expect_line(&p, 30 + PROGRESS_PAUSE_MS - 1, NULL);
	expect_line(&p, 30 + PROGRESS_PAUSE_MS, "upload 29 % (299 B of 1000 B)");
	feed(&p, 20000, "{\"step\":\"reattach\",\"percent\":70}");
	expect_line(&p, 20000, "reattach");
	expect_line(&p, 30000, "reattach (for 0:10)");
	feed(&p, 31000, "{\"step\":\"reattach\",\"percent\":70,\"message\":\"the board is back\"}");
	expect_line(&p, 31000, "reattach: the board is back");
	expect_line(&p, 31000, NULL);
	progress_release(&p);
}
END_TEST

/* Whatever a daemon says, nothing overflows and nothing is divided by nothing. */
START_TEST(odd_replies)
{
	static const char *const replies[] = {
		"{}",
		"{\"step\":7,\"percent\":\"x\",\"doneBytes\":[],\"totalBytes\":{}}",
		"{\"step\":\"\",\"percent\":-1}",
		"{\"step\":\"upload\",\"percent\":101,\"doneBytes\":5,\"totalBytes\":0}",
		"{\"step\":\"upload\",\"percent\":5,\"doneBytes\":-5,\"totalBytes\":5}",
		"{\"step\":\"upload\",\"percent\":5,\"doneBytes\":9223372036854775807,\"totalBytes\":1}",
		"{\"step\":\"upload\",\"percent\":5,\"doneBytes\":1,\"totalBytes\":9223372036854775807}",
		"{\"step\":\"a step with a name that is longer than any field for it could be\",\"percent\":5}",
		"{\"step\":\"a step that is cut in \\u20ac or not\",\"percent\":5}",
		"{\"step\":\"\\u001b[2J\",\"percent\":5,\"message\":\"\\u001b[2J\"}",
	};
	struct progress p;
	size_t i, width;

	progress_start(&p, 0);
	for (i = 0; i < ARRAY_SIZE(replies); i++) {
		feed(&p, i * 1000, replies[i]);
		ck_assert_int_ge(progress_percent(&p), 0);
		ck_assert_int_le(progress_percent(&p), 100);
		for (width = 1; width < 150; width++) {
			_cleanup_free_ char *bar = progress_bar(&p, i * 1000, width);

			ck_assert_ptr_null(strchr(bar, '\x1b'));
			ck_assert(json_utf8_valid(bar, strlen(bar)));
		}
		free(progress_line(&p, i * 1000));
	}
	progress_release(&p);
}
END_TEST

START_TEST(times_and_sizes)
{
	static const struct {
		uint64_t ms;
		const char *text;
	} times[] = { { 0, "0:00" }, { 499, "0:00" }, { 500, "0:01" }, { 59499, "0:59" }, { 60000, "1:00" },
		{ 3599000, "59:59" }, { 3600000, "1:00:00" }, { 36061000, "10:01:01" } };
	static const struct {
		int64_t bytes;
		const char *text;
	} sizes[] = { { 0, "0 B" }, { 1023, "1023 B" }, { 1024, "1.0 KiB" }, { 10485759, "10240.0 KiB" },
		{ 10485760, "10.0 MiB" } };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(times); i++) {
		_cleanup_free_ char *text = progress_time(times[i].ms);

		ck_assert_str_eq(text, times[i].text);
	}
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		_cleanup_free_ char *text = progress_bytes(sizes[i].bytes);

		ck_assert_str_eq(text, sizes[i].text);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("progress");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	setlocale(LC_CTYPE, "C.UTF-8");
	tcase_add_test(tests, rate_and_time_left);
	tcase_add_test(tests, resumed_upload);
	tcase_add_test(tests, lines);
	tcase_add_test(tests, odd_replies);
	tcase_add_test(tests, times_and_sizes);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
