/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "proto/base64.h"
#include "proto/macro.h"
#include "tests/unit/suite.h"

static const struct {
	const char *data;
	size_t size;
	const char *text;
} pairs[] = {
	{ "", 0, "" },
	{ "f", 1, "Zg==" },
	{ "fo", 2, "Zm8=" },
	{ "foo", 3, "Zm9v" },
	{ "foob", 4, "Zm9vYg==" },
	{ "fooba", 5, "Zm9vYmE=" },
	{ "foobar", 6, "Zm9vYmFy" },
	{ "\0\0\0", 3, "AAAA" },
	{ "\xff\xff\xff\xff", 4, "/////w==" },
	{ "\xfb\xef\xbe", 3, "++++" },
};

START_TEST(both_ways)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ uint8_t *data = NULL;
	size_t size;

	text = base64_encode(pairs[_i].data, pairs[_i].size, &size);
	ck_assert_str_eq(text, pairs[_i].text);
	ck_assert_uint_eq(size, strlen(text));
	ck_assert_int_eq(base64_decode(text, size, &data, &size, NULL), 0);
	ck_assert_uint_eq(size, pairs[_i].size);
	ck_assert(size == 0 || memcmp(data, pairs[_i].data, size) == 0);
}
END_TEST

static const struct {
	const char *text;
	size_t at;
} bad[] = {
	{ "A", 1 },
	{ "AA", 2 },
	{ "AAA", 3 },
	{ "AAAAA", 5 },
	{ "====", 0 },
	{ "A===", 1 },
	{ "Zg==Zg==", 2 },
	{ "Zm=v", 2 },
	{ "Zm9v\nZm9", 4 },
	{ " Zm9", 0 },
	{ "Zm9-", 3 },
	{ "Zm_v", 2 },
	{ "Zh==", 1 },
	{ "Zm9=", 2 },
	{ "\xc3\xa9\xc3\xa9", 0 },
};

START_TEST(refuses)
{
	uint8_t *data = NULL;
	size_t size, at = 99;

	ck_assert_int_eq(base64_decode(bad[_i].text, strlen(bad[_i].text), &data, &size, &at), -EBADMSG);
	ck_assert_uint_eq(at, bad[_i].at);
	ck_assert_ptr_null(data);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("base64");
	TCase *c = tcase_create("base64");

	tcase_add_loop_test(c, both_ways, 0, ARRAY_SIZE(pairs));
	tcase_add_loop_test(c, refuses, 0, ARRAY_SIZE(bad));
	suite_add_tcase(s, c);
	return suite_run(s);
}
