/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "proto/commands.h"
#include "proto/json.h"
#include "tests/unit/hex.h"
#include "tests/unit/suite.h"

/* JSON and the CBOR it becomes; back again it is the same JSON, or `back`. */
static const struct {
	const char *json, *cbor, *back;
} both[] = {
	{ "{}", "a0" },
	{ "[]", "80" },
	{ "null", "f6" },
	{ "true", "f5" },
	{ "false", "f4" },
	{ "0", "00" },
	{ "23", "17" },
	{ "24", "1818" },
	{ "256", "190100" },
	{ "65536", "1a00010000" },
	{ "9223372036854775807", "1b7fffffffffffffff" },
	{ "9223372036854775808", "1b8000000000000000", "{\"$integer\":\"9223372036854775808\"}" },
	{ "{\"$integer\":\"9223372036854775808\"}", "1b8000000000000000" },
	{ "{\"$integer\":\"18446744073709551615\"}", "1bffffffffffffffff" },
	{ "{\"$integer\":\"0\"}", "00", "0" },
	{ "{\"$integer\":\"-1\"}", "20", "-1" },
	{ "-1", "20" },
	{ "-24", "37" },
	{ "-25", "3818" },
	{ "-9223372036854775808", "3b7fffffffffffffff" },
	{ "{\"$integer\":\"-9223372036854775809\"}", "3b8000000000000000" },
	{ "{\"$integer\":\"-18446744073709551616\"}", "3bffffffffffffffff" },
	{ "1.5", "fb3ff8000000000000" },
	{ "1.0", "fb3ff0000000000000" },
	{ "-0.0", "fb8000000000000000" },
	{ "0.1", "fb3fb999999999999a" },
	{ "{\"$float\":\"nan\"}", "fb7ff8000000000000" },
	{ "{\"$float\":\"inf\"}", "fb7ff0000000000000" },
	{ "{\"$float\":\"-inf\"}", "fbfff0000000000000" },
	{ "\"\"", "60" },
	{ "\"h\xc3\xa9\"", "6368c3a9" },
	{ "\"a\\u0000b\"", "63610062" },
	{ "{\"$bytes\":\"\"}", "40" },
	{ "{\"$bytes\":\"AAEC\"}", "43000102" },
	{ "{\"d\":\"hi\"}", "a161646268 69" },
	{ "{\"\":1}", "a16001" },
	{ "{\"a\":[1,{\"b\":{\"$bytes\":\"/w==\"}}],\"c\":null}", "a26161 8201a1616241ff 6163f6" },
	{ "{\"$bytes\":\"AA==\",\"x\":1}", "a2 66246279746573 6441413d3d 617801" },
	{ "{\"$other\":\"1\"}", "a1 66246f74686572 6131", NULL },
	{ "[[[[[[[[]]]]]]]]", "8181818181818180" },
};

START_TEST(both_ways)
{
	_cleanup_free_ uint8_t *data = NULL, *wanted = NULL;
	_cleanup_free_ char *printed = NULL;
	_cleanup_json_ json_object *o = NULL, *back = NULL;
	_cleanup_(value_doc_freep) struct value_doc *doc = NULL;
	struct writer w = { 0 };
	size_t size, wanted_size = unhex(both[_i].cbor, &wanted);
	char text[200] = "";

	ck_assert_int_eq(json_parse(both[_i].json, strlen(both[_i].json), &o, NULL), 0);
	ck_assert_msg(json_to_cbor(o, &w, text, sizeof(text)) == 0, "%s", text);
	ck_assert_int_eq(writer_finish(&w, &data, &size), 0);
	ck_assert_uint_eq(size, wanted_size);
	ck_assert_mem_eq(data, wanted, size);
	ck_assert_int_eq(value_decode(data, size, &doc, NULL), 0);
	ck_assert_msg(cbor_to_json(value_root(doc), &back, text, sizeof(text)) == 0, "%s", text);
	printed = json_print(back, NULL);
	ck_assert_str_eq(printed, both[_i].back ? both[_i].back : both[_i].json);
}
END_TEST

static const struct {
	const char *json, *sentence;
} refused[] = {
	{ "{\"a\":{\"$bytes\":\"A\"}}", "'payload.a.$bytes' is no padded base64: trouble at character 1" },
	{ "[0,{\"b\":[{\"$bytes\":\"AA\\u003d!\"}]}]", "'payload[1].b[0].$bytes' is no padded base64: trouble at character 2" },
	{ "{\"$bytes\":[1,2]}", "'payload.$bytes' must be a string" },
	{ "{\"$integer\":1}", "'payload.$integer' must be a string" },
	{ "{\"$integer\":\"1.5\"}", "'payload.$integer' must be a decimal number from -2^64 to 2^64-1" },
	{ "{\"$integer\":\"-0\"}", "'payload.$integer' must be a decimal number from -2^64 to 2^64-1" },
	{ "{\"$integer\":\"01\"}", "'payload.$integer' must be a decimal number from -2^64 to 2^64-1" },
	{ "{\"$integer\":\"\"}", "'payload.$integer' must be a decimal number from -2^64 to 2^64-1" },
	{ "{\"$integer\":\"18446744073709551616\"}", "'payload.$integer' must be a decimal number from -2^64 to 2^64-1" },
	{ "{\"$integer\":\"-18446744073709551617\"}", "'payload.$integer' must be a decimal number from -2^64 to 2^64-1" },
	{ "{\"$integer\":\"1\\u00002\"}", "'payload.$integer' must be a decimal number from -2^64 to 2^64-1" },
	{ "{\"$float\":\"1.5\"}", "'payload.$float' must be \"nan\", \"inf\" or \"-inf\"" },
	{ "[[[[[[[[[]]]]]]]]]", "'payload[0][0][0][0][0][0][0][0]' is deeper than 8 levels" },
	{ "{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{}}}}}}}}}",
		"'payload.a.a.a.a.a.a.a.a' is deeper than 8 levels" },
};

START_TEST(refuses_json)
{
	_cleanup_json_ json_object *o = NULL;
	struct writer w = { 0 };
	char text[200] = "";

	ck_assert_int_eq(json_parse(refused[_i].json, strlen(refused[_i].json), &o, NULL), 0);
	ck_assert_int_eq(json_to_cbor(o, &w, text, sizeof(text)), -EINVAL);
	ck_assert_str_eq(text, refused[_i].sentence);
	ck_assert_ptr_null(w.data);
}
END_TEST

/* CBOR that the writer does not make, and the JSON or the sentence it becomes. */
static const struct {
	const char *cbor, *json, *sentence;
} received[] = {
	{ "bf6161 9f0102ff ff", "{\"a\":[1,2]}" },
	{ "f93e00", "1.5" },
	{ "fa3fc00000", "1.5" },
	{ "f97e00", "{\"$float\":\"nan\"}" },
	{ "1800", "0" },
	{ "62c328", NULL, "'payload' is a text with invalid UTF-8, which JSON cannot say" },
	{ "a1 6172 82 6161 61ff", NULL, "'payload.r[1]' is a text with invalid UTF-8, which JSON cannot say" },
	{ "a1 6172 82 6161 62c3a9", "{\"r\":[\"a\",\"\xc3\xa9\"]}" },
	{ "a10102", NULL, "'payload' has a key that is an integer, which JSON cannot say" },
	{ "a16161a1 20 02", NULL, "'payload.a' has a key that is a negative integer, which JSON cannot say" },
	{ "a1 4161 02", NULL, "'payload' has a key that is a byte string, which JSON cannot say" },
	{ "a2 6161 01 6161 02", NULL, "'payload' has the key 'a' twice" },
	{ "a1 62 6100 01", NULL, "'payload' has a key that holds a NUL or invalid UTF-8" },
	{ "a1 61ff 01", NULL, "'payload' has a key that holds a NUL or invalid UTF-8" },
	{ "a1 6161 82 00 f7", NULL, "'payload.a[1]' is undefined, which JSON cannot say" },
	{ "f0", NULL, "'payload' is a simple value, which JSON cannot say" },
	{ "a1 6161 c1 00", NULL, "'payload.a' is a tagged value, which JSON cannot say" },
	{ "a1 66246279746573 6441413d3d", NULL,
		"'payload' is a map with one key $bytes, $integer or $float, which JSON cannot tell from those forms" },
};

START_TEST(receives)
{
	_cleanup_free_ uint8_t *data = NULL;
	_cleanup_free_ char *printed = NULL;
	_cleanup_json_ json_object *o = NULL;
	_cleanup_(value_doc_freep) struct value_doc *doc = NULL;
	size_t size = unhex(received[_i].cbor, &data);
	char text[200] = "";
	int e;

	ck_assert_int_eq(value_decode(data, size, &doc, NULL), 0);
	e = cbor_to_json(value_root(doc), &o, text, sizeof(text));
	if (received[_i].sentence) {
		ck_assert_int_eq(e, -EBADMSG);
		ck_assert_str_eq(text, received[_i].sentence);
		return;
	}
	ck_assert_msg(e == 0, "%s", text);
	printed = json_print(o, NULL);
	ck_assert_str_eq(printed, received[_i].json);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cbor-json");
	TCase *c = tcase_create("cbor-json");

	tcase_add_loop_test(c, both_ways, 0, ARRAY_SIZE(both));
	tcase_add_loop_test(c, refuses_json, 0, ARRAY_SIZE(refused));
	tcase_add_loop_test(c, receives, 0, ARRAY_SIZE(received));
	suite_add_tcase(s, c);
	return suite_run(s);
}
