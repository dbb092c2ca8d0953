/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "proto/json.h"
#include "tests/unit/suite.h"

#define BYTES(s) (s), sizeof(s) - 1

/* What is read, and how it is written again. */
static const struct {
	const char *text;
	size_t size;
	const char *printed; /* NULL: as read */
} good[] = {
	{ BYTES("null"), NULL },
	{ BYTES("true"), NULL },
	{ BYTES(" [ 1 , 2 ]\r\n\t"), "[1,2]" },
	{ BYTES("{}"), NULL },
	{ BYTES("[]"), NULL },
	{ BYTES("{\"a\":{\"b\":[null,false]},\"c\":\"\"}"), NULL },
	{ BYTES("0"), NULL },
	{ BYTES("-1"), NULL },
	{ BYTES("9223372036854775807"), NULL },
	{ BYTES("9223372036854775808"), NULL },
	{ BYTES("18446744073709551615"), NULL },
	{ BYTES("-9223372036854775808"), NULL },
	{ BYTES("1.5"), NULL },
	{ BYTES("0.1"), NULL },
	{ BYTES("-0.0"), NULL },
	{ BYTES("1e3"), NULL },
	{ BYTES("1E+3"), NULL },
	{ BYTES("1.7976931348623157e308"), NULL },
	{ BYTES("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), "\"\\\"\\\\/\\b\\f\\n\\r\\t\"" },
	{ BYTES("\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00\""), "\"A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"" },
	{ BYTES("\"a\\u0000b\""), NULL },
	{ BYTES("\"\\u001b[31m\""), NULL },
	{ BYTES("\"\x7f\xc2\x80\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf\""), NULL },
	{ BYTES("{\"\":1}"), NULL },
	{ BYTES("{\"a\":1,\"A\":2}"), NULL },
	{ BYTES("{\"a\\/b\":1}"), "{\"a/b\":1}" },
};

START_TEST(reads_and_writes)
{
	const char *wanted = good[_i].printed ? good[_i].printed : good[_i].text, *text = NULL;
	_cleanup_json_ json_object *o = NULL;
	_cleanup_free_ char *printed = NULL;
	size_t size;
	int e = json_parse(good[_i].text, good[_i].size, &o, &text);

	ck_assert_msg(e == 0, "%s: %s", good[_i].text, text);
	printed = json_print(o, &size);
	ck_assert_str_eq(printed, wanted);
	ck_assert_uint_eq(size, strlen(wanted));
}
END_TEST

static const struct {
	const char *text;
	size_t size;
	const char *sentence;
} bad[] = {
	{ BYTES(""), "the text ends where a value should be at byte 0" },
	{ BYTES("  "), "the text ends where a value should be at byte 2" },
	{ BYTES("nul"), "'n' where a value should be at byte 0" },
	{ BYTES("True"), "'T' where a value should be at byte 0" },
	{ BYTES("1 2"), "'2' where the end should be at byte 2" },
	{ BYTES("1\0"), "byte 0x00 where the end should be at byte 1" },
	{ BYTES("\xef\xbb\xbf{}"), "byte 0xef where a value should be at byte 0" },
	{ BYTES("[1,]"), "']' where a value should be at byte 3" },
	{ BYTES("[1 2]"), "'2' where ',' or ']' should be at byte 3" },
	{ BYTES("[1"), "the text ends where ',' or ']' should be at byte 2" },
	{ BYTES("{\"a\":1,}"), "'}' where a key should be at byte 7" },
	{ BYTES("{\"a\" 1}"), "'1' where ':' should be at byte 5" },
	{ BYTES("{a:1}"), "'a' where a key should be at byte 1" },
	{ BYTES("{1:1}"), "'1' where a key should be at byte 1" },
	{ BYTES("{\"a\":}"), "'}' where a value should be at byte 5" },
	{ BYTES("'a'"), "''' where a value should be at byte 0" },
	{ BYTES("/**/1"), "'/' where a value should be at byte 0" },
	{ BYTES("{\"a\":1,\"b\":2,\"a\":3}"), "the key 'a' stands twice, at byte 13" },
	{ BYTES("{\"a\":1,\"\\u0061\":3}"), "the key 'a' stands twice, at byte 7" },
	{ BYTES("{\"\":1,\"\":3}"), "the key '' stands twice, at byte 6" },
	{ BYTES("{\"a\\u0000b\":1}"), "a key with a NUL at byte 1" },
	{ BYTES("{\"a\0b\":1}"), "a control character 0x00 inside a string at byte 3" },
	{ BYTES("NaN"), "'N' where a value should be at byte 0" },
	{ BYTES("[Infinity]"), "'I' where a value should be at byte 1" },
	{ BYTES("-Infinity"), "'I' where a digit should be at byte 1" },
	{ BYTES("18446744073709551616"), "an integer beyond 64 bits at byte 0" },
	{ BYTES("-9223372036854775809"), "an integer beyond 64 bits at byte 0" },
	{ BYTES("100000000000000000000000000"), "an integer beyond 64 bits at byte 0" },
	{ BYTES("1e999"), "a number beyond what a double holds at byte 0" },
	{ BYTES("01"), "a number with leading zeros at byte 0" },
	{ BYTES("+1"), "'+' where a value should be at byte 0" },
	{ BYTES("1."), "the text ends where a digit should be at byte 2" },
	{ BYTES(".5"), "'.' where a value should be at byte 0" },
	{ BYTES("1e"), "the text ends where a digit should be at byte 2" },
	{ BYTES("-"), "the text ends where a digit should be at byte 1" },
	{ BYTES("0x10"), "'x' where the end should be at byte 1" },
	{ BYTES("1.00000000000000000000000000000000000000000000000000000000000000001"),
		"a number of more than 64 characters at byte 0" },
	{ BYTES("\"a"), "a string without an end at byte 1" },
	{ BYTES("\"\\"), "an escape that does not exist at byte 1" },
	{ BYTES("\"\\\""), "a string without an end at byte 1" },
	{ BYTES("\"\\x41\""), "an escape that does not exist at byte 1" },
	{ BYTES("\"\\0\""), "an escape that does not exist at byte 1" },
	{ BYTES("\"\\\0\""), "an escape that does not exist at byte 1" },
	{ BYTES("\"\\u12\""), "\\u without four hex digits at byte 1" },
	{ BYTES("\"\\u12g4\""), "\\u without four hex digits at byte 1" },
	{ BYTES("\"\\ud800\""), "a lone surrogate at byte 1" },
	{ BYTES("\"\\udc00\""), "a lone surrogate at byte 1" },
	{ BYTES("\"\\ud800\\u0041\""), "a lone surrogate at byte 1" },
	{ BYTES("\"\\ud800\\ud800\""), "a lone surrogate at byte 1" },
	{ BYTES("\"\\ud800x12345\""), "a lone surrogate at byte 1" },
	{ BYTES("\"a\nb\""), "a control character 0x0a inside a string at byte 2" },
	{ BYTES("\"\x80\""), "invalid UTF-8 at byte 1" },
	{ BYTES("\"a\xc3\""), "invalid UTF-8 at byte 2" },
	{ BYTES("\"\xc0\x80\""), "invalid UTF-8 at byte 1" },
	{ BYTES("\"\xe0\x80\x80\""), "invalid UTF-8 at byte 1" },
	{ BYTES("\"\xed\xa0\x80\""), "invalid UTF-8 at byte 1" },
	{ BYTES("\"\xf0\x8f\xbf\xbf\""), "invalid UTF-8 at byte 1" },
	{ BYTES("\"\xf4\x90\x80\x80\""), "invalid UTF-8 at byte 1" },
	{ BYTES("\"\xff\""), "invalid UTF-8 at byte 1" },
	{ BYTES("\"\xf0\x9f\x98"), "invalid UTF-8 at byte 1" },
};

START_TEST(refuses)
{
	json_object *o = NULL;
	const char *text = NULL;

	ck_assert_int_eq(json_parse(bad[_i].text, bad[_i].size, &o, &text), -EBADMSG);
	ck_assert_str_eq(text, bad[_i].sentence);
	ck_assert_ptr_null(o);
}
END_TEST

/* n times a, then b, then n times c. */
static char *repeat(size_t n, const char *a, const char *b, const char *c)
{
	char *text = malloc(n * (strlen(a) + strlen(c)) + strlen(b) + 1), *p = text;

	for (size_t i = 0; i < n; i++)
		p = stpcpy(p, a);
	p = stpcpy(p, b);
	for (size_t i = 0; i < n; i++)
		p = stpcpy(p, c);
	return text;
}

static const struct {
	const char *open, *inner, *close;
	size_t at_limit;
	const char *sentence;
} limits[] = {
	{ "[", "", "]", JSON_DEPTH_MAX, "more than 24 levels at byte 24" },
	{ "{\"a\":", "1", "}", JSON_DEPTH_MAX, "more than 24 levels at byte 120" },
};

START_TEST(depth_is_bounded)
{
	_cleanup_free_ char *last = repeat(limits[_i].at_limit, limits[_i].open, limits[_i].inner, limits[_i].close);
	_cleanup_free_ char *over = repeat(limits[_i].at_limit + 1, limits[_i].open, limits[_i].inner, limits[_i].close);
	_cleanup_free_ char *printed = NULL;
	_cleanup_json_ json_object *o = NULL;
	json_object *none = NULL;
	const char *text;

	ck_assert_int_eq(json_parse(last, strlen(last), &o, &text), 0);
	printed = json_print(o, NULL);
	ck_assert_str_eq(printed, last);
	ck_assert_int_eq(json_parse(over, strlen(over), &none, &text), -EBADMSG);
	ck_assert_str_eq(text, limits[_i].sentence);
}
END_TEST

/* [0,0,...]: the array is a value too. */
START_TEST(count_is_bounded)
{
	_cleanup_free_ char *last = repeat(JSON_VALUES_MAX - 2, "0,", "0]", "");
	_cleanup_free_ char *over = repeat(JSON_VALUES_MAX - 1, "0,", "0]", "");
	_cleanup_free_ char *a = NULL, *b = NULL;
	_cleanup_json_ json_object *o = NULL;
	json_object *none = NULL;
	const char *text;

	ck_assert(asprintf(&a, "[%s", last) > 0 && asprintf(&b, "[%s", over) > 0);
	ck_assert_int_eq(json_parse(a, strlen(a), &o, &text), 0);
	ck_assert_uint_eq(json_object_array_length(o), JSON_VALUES_MAX - 1);
	ck_assert_int_eq(json_parse(b, strlen(b), &none, &text), -EBADMSG);
	ck_assert_msg(strstr(text, "more than 65536 values") == text, "%s", text);
}
END_TEST

START_TEST(output_is_always_valid)
{
	_cleanup_json_ json_object *o = json_object_new_object();
	_cleanup_free_ char *printed = NULL;

	json_object_object_add(o, "latin", json_object_new_string("caf\xe9!"));
	json_object_object_add(o, "cut", json_object_new_string("\xf0\x9f\x98"));
	json_object_object_add(o, "\xff", json_object_new_double((double)NAN));
	json_object_object_add(o, "inf", json_new_double(-(double)INFINITY));
	printed = json_print(o, NULL);
	ck_assert_str_eq(printed, "{\"latin\":\"caf\xef\xbf\xbd!\",\"cut\":\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\","
				  "\"\xef\xbf\xbd\":null,\"inf\":null}");
}
END_TEST

START_TEST(output_depth_is_bounded)
{
	json_object *o = json_object_new_array();

	for (int i = 0; i < JSON_DEPTH_MAX; i++) {
		json_object *up = json_object_new_array();

		json_object_array_add(up, o);
		o = up;
	}
	ck_assert_ptr_null(json_print(o, NULL));
	json_object_put(o);
}
END_TEST

static const struct {
	double number;
	const char *printed;
} doubles[] = {
	{ 0, "0.0" },
	{ -0.0, "-0.0" },
	{ 1, "1.0" },
	{ 0.1, "0.1" },
	{ 1.0 / 3, "0.3333333333333333" },
	{ 0.1 + 0.2, "0.30000000000000004" },
	{ 1e300, "1e+300" },
	{ 5e-324, "4.94065645841247e-324" },
	{ 9007199254740993.0, "9007199254740992.0" },
};

START_TEST(doubles_keep_their_bits)
{
	_cleanup_json_ json_object *o = json_new_double(doubles[_i].number), *back = NULL;
	_cleanup_free_ char *printed = json_print(o, NULL);
	const char *text;
	double number;

	ck_assert_str_eq(printed, doubles[_i].printed);
	ck_assert_int_eq(json_parse(printed, strlen(printed), &back, &text), 0);
	number = json_object_get_double(back);
	ck_assert_mem_eq(&number, &doubles[_i].number, sizeof(number));
}
END_TEST

/* Where a locale with a decimal comma is installed, it must not reach JSON. */
START_TEST(locale_does_not_matter)
{
	static const char text[] = "[1.5,0.25]";
	_cleanup_json_ json_object *o = NULL, *n = NULL;
	_cleanup_free_ char *printed = NULL;

	if (!setlocale(LC_NUMERIC, "de_DE.UTF-8") && !setlocale(LC_NUMERIC, "fr_FR.UTF-8"))
		printf("no locale with a decimal comma is installed: checked with the plain one\n");
	ck_assert_int_eq(json_parse(text, strlen(text), &o, NULL), 0);
	ck_assert_double_eq(json_object_get_double(json_object_array_get_idx(o, 0)), 1.5);
	n = json_new_double(2.5);
	printed = json_print(n, NULL);
	ck_assert_str_eq(printed, "2.5");
	setlocale(LC_NUMERIC, "C");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("json");
	TCase *c = tcase_create("json");

	tcase_add_loop_test(c, reads_and_writes, 0, ARRAY_SIZE(good));
	tcase_add_loop_test(c, refuses, 0, ARRAY_SIZE(bad));
	tcase_add_loop_test(c, depth_is_bounded, 0, ARRAY_SIZE(limits));
	tcase_add_test(c, count_is_bounded);
	tcase_add_test(c, output_is_always_valid);
	tcase_add_test(c, output_depth_is_bounded);
	tcase_add_loop_test(c, doubles_keep_their_bits, 0, ARRAY_SIZE(doubles));
	tcase_add_test(c, locale_does_not_matter);
	suite_add_tcase(s, c);
	return suite_run(s);
}
