/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "proto/value.h"
#include "tests/unit/suite.h"

/* "a1 61 64" or "a16164" to bytes; exactly sized, so that a read past the end is seen. */
static uint8_t *from_hex(const char *hex, size_t *ret_size)
{
	uint8_t *data = malloc(strlen(hex) / 2 + 1);
	size_t n = 0;
	unsigned int byte;
	int used;
	while (sscanf(hex, " %2x%n", &byte, &used) == 1) {
		data[n++] = (uint8_t)byte;
		hex += used;
	}
	*ret_size = n;
	return n ? realloc(data, n) : data;
}

/* A tree in diagnostic notation (RFC 8949 §8), so that a table row can say what is expected. */
static void print_value(const struct value *v, FILE *f)
{
	switch (v->kind) {
	case VALUE_UINT:
		fprintf(f, "%llu", (unsigned long long)v->uint);
		break;
	case VALUE_NEGINT:
		fprintf(f, "-1-%llu", (unsigned long long)v->uint);
		break;
	case VALUE_BYTES:
		fprintf(f, "h'");
		for (size_t i = 0; i < v->size; i++)
			fprintf(f, "%02x", v->data[i]);
		fprintf(f, "'");
		break;
	case VALUE_TEXT:
		fprintf(f, "\"%.*s\"", (int)v->size, (const char *)v->data);
		break;
	case VALUE_ARRAY:
	case VALUE_MAP:
		fputc(v->kind == VALUE_ARRAY ? '[' : '{', f);
		for (size_t i = 0; i < v->size; i++) {
			fputs(i == 0 ? "" : v->kind == VALUE_MAP && i % 2 ? ":" : ",", f);
			print_value(&v->items[i], f);
		}
		fputc(v->kind == VALUE_ARRAY ? ']' : '}', f);
		break;
	case VALUE_BOOL:
		fputs(v->boolean ? "true" : "false", f);
		break;
	case VALUE_NULL:
		fputs("null", f);
		break;
	case VALUE_UNDEFINED:
		fputs("undefined", f);
		break;
	case VALUE_FLOAT:
		fprintf(f, "%g.", v->number);
		break;
	case VALUE_SIMPLE:
		fprintf(f, "simple(%llu)", (unsigned long long)v->uint);
		break;
	case VALUE_TAG:
		ck_assert_uint_eq(v->size, 1);
		fprintf(f, "%llu(", (unsigned long long)v->uint);
		print_value(&v->items[0], f);
		fputc(')', f);
		break;
	}
}

static char *describe(const struct value *v)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	print_value(v, f);
	fclose(f);
	return text;
}

static const struct {
	const char *hex;
	int result;
	const char *tree; /* or NULL */
	size_t at;	  /* of the trouble */
} decode_rows[] = {
		/* integers of every width, also wider than needed */
		{"00", 0, "0"},
		{"17", 0, "23"},
		{"1818", 0, "24"},
		{"1800", 0, "0"},
		{"190100", 0, "256"},
		{"1a00010000", 0, "65536"},
		{"1b0000000000000001", 0, "1"},
		{"1bffffffffffffffff", 0, "18446744073709551615"},
		{"20", 0, "-1-0"},
		{"3818", 0, "-1-24"},
		{"390100", 0, "-1-256"},
		{"3a00010000", 0, "-1-65536"},
		{"3bffffffffffffffff", 0, "-1-18446744073709551615"},
		/* strings, also in chunks */
		{"40", 0, "h''"},
		{"4201ff", 0, "h'01ff'"},
		{"60", 0, "\"\""},
		{"626869", 0, "\"hi\""},
		{"780268 69", 0, "\"hi\""},
		{"7a00000002 6869", 0, "\"hi\""},
		{"5f 4101 420203 ff", 0, "h'010203'"},
		{"7f 6161 6162 60 626364 ff", 0, "\"abcd\""},
		{"5f ff", 0, "h''"},
		{"9f 5f 4101 4102 ff 7f 6161 ff ff", 0, "[h'0102',\"a\"]"},
		/* containers, definite, indefinite and nested */
		{"a0", 0, "{}"},
		{"80", 0, "[]"},
		{"bf ff", 0, "{}"},
		{"9f ff", 0, "[]"},
		{"a1 6164 626869", 0, "{\"d\":\"hi\"}"},
		{"bf 6172 626869 ff", 0, "{\"r\":\"hi\"}"},
		{"83 01 02 03", 0, "[1,2,3]"},
		{"9f 01 82 02 03 9f 04 05 ff ff", 0, "[1,[2,3],[4,5]]"},
		{"82 81 81 00 bf 6161 80 ff", 0, "[[[0]],{\"a\":[]}]"},
		{"bf 66 696d61676573 9f bf 64 736c6f74 00 67 76657273696f6e 65 312e322e33 ff bf 64 736c6f74 01 ff ff ff", 0,
				"{\"images\":[{\"slot\":0,\"version\":\"1.2.3\"},{\"slot\":1}]}"},
		{"a2 01 02 03 04", 0, "{1:2,3:4}"},
		{"b9 0001 01 02", 0, "{1:2}"},
		{"8188 00 01 02 03 04 05 06 07", 0, "[[0,1,2,3,4,5,6,7]]"},
		{"8181818181818180", 0, "[[[[[[[[]]]]]]]]"},
		{"81818181818181 1863", 0, "[[[[[[[99]]]]]]]"},
		/* the rest */
		{"f4", 0, "false"},
		{"f5", 0, "true"},
		{"f6", 0, "null"},
		{"f7", 0, "undefined"},
		{"f93c00", 0, "1."},
		{"fa3f800000", 0, "1."},
		{"fb3ff8000000000000", 0, "1.5."},
		{"f97c00", 0, "inf."},
		{"e0", 0, "simple(0)"},
		{"f3", 0, "simple(19)"},
		{"f820", 0, "simple(32)"},
		{"f8ff", 0, "simple(255)"},
		{"c0 60", 0, "0(\"\")"},
		{"d81c 82 c1 00 01", 0, "28([1(0),1])"},
		{"a1 c0 61 61 f820", 0, "{0(\"a\"):simple(32)}"},

		/* not CBOR */
		{"", -EBADMSG, NULL, 0},
		{"ff", -EBADMSG, NULL, 0},
		{"1c", -EBADMSG, NULL, 0},
		{"1f", -EBADMSG, NULL, 0},
		{"18", -EBADMSG, NULL, 0},
		{"1b00", -EBADMSG, NULL, 0},
		{"f8", -EBADMSG, NULL, 0},
		{"f81f", -EBADMSG, NULL, 0},
		{"fc", -EBADMSG, NULL, 0},
		{"df", -EBADMSG, NULL, 0},
		/* trailing bytes, and a root that never ends */
		{"00 00", -EBADMSG, NULL, 1},
		{"a0 a0", -EBADMSG, NULL, 1},
		{"a1 6161", -EBADMSG, NULL, 3},
		{"bf", -EBADMSG, NULL, 1},
		{"9f 00", -EBADMSG, NULL, 2},
		{"c1", -EBADMSG, NULL, 1},
		{"a0 ff", -EBADMSG, NULL, 1},
		/* breaks where none may be */
		{"81 ff", -EBADMSG, NULL, 1},
		{"9f c1 ff ff", -EBADMSG, NULL, 2},
		{"bf 00 ff", -EBADMSG, NULL, 2},
		{"5f 00 ff", -EBADMSG, NULL, 1},
		{"5f 6161 ff", -EBADMSG, NULL, 1},
		{"7f 4101 ff", -EBADMSG, NULL, 1},
		{"5f 5f 4101 ff ff", -EBADMSG, NULL, 1},
		{"5f 80 ff", -EBADMSG, NULL, 1},
		{"5f f820 ff", -EBADMSG, NULL, 1},
		{"5f 4101", -EBADMSG, NULL, 3},
		/* lengths that the input does not hold */
		{"41", -EBADMSG, NULL, 0},
		{"62 61", -EBADMSG, NULL, 0},
		{"5affffffff", -EBADMSG, NULL, 0},
		{"7affffffff 00", -EBADMSG, NULL, 0},
		{"5bffffffffffffffff", -EBADMSG, NULL, 0},
		{"7b7fffffffffffffff", -EBADMSG, NULL, 0},
		{"a1 6161 5b00000000ffffffff", -EBADMSG, NULL, 3},
		{"82 00", -EBADMSG, NULL, 2},
		{"84 00", -EBADMSG, NULL, 0},
		{"990fff 00", -EBADMSG, NULL, 0},
		/* beyond the limits */
		{"9affffffff", -E2BIG, NULL, 0},
		{"9bffffffffffffffff", -E2BIG, NULL, 0},
		{"bbffffffffffffffff", -E2BIG, NULL, 0},
		{"bb8000000000000000", -E2BIG, NULL, 0},
		{"bb8000000000000001", -E2BIG, NULL, 0},
		{"bb7fffffffffffffff", -E2BIG, NULL, 0},
		{"818181818181818180", -E2BIG, NULL, 8},
		{"9f9f9f9f9f9f9f9f9f", -E2BIG, NULL, 8},
		{"c1c1c1c1c1c1c1c1c100", -E2BIG, NULL, 8},
		{"a100a100a100a100a100a100a100a100a10000", -E2BIG, NULL, 16},
		{"9f9f9f9f9f9f9f9f5f", -E2BIG, NULL, 8},
};

START_TEST(test_decode)
{
	size_t size, at = 999;
	uint8_t *data = from_hex(decode_rows[_i].hex, &size);
	struct value_doc *doc = NULL;
	int r = value_decode(data, size, &doc, &at);
	free(data); /* the tree must not need it */

	ck_assert_msg(r == decode_rows[_i].result, "%s: %d", decode_rows[_i].hex, r);
	if (r == 0) {
		char *text = describe(value_root(doc));
		ck_assert_str_eq(text, decode_rows[_i].tree);
		free(text);
		ck_assert_uint_eq(at, 999);
	} else {
		ck_assert_ptr_null(doc);
		ck_assert_msg(at == decode_rows[_i].at, "%s: at %zu", decode_rows[_i].hex, at);
	}
	value_doc_free(doc);
}
END_TEST

static void check_items(size_t count, bool indefinite, int expected)
{
	uint8_t data[3 + VALUE_ITEMS_MAX + 2] = {0};
	size_t size = indefinite ? count + 2 : count + 3;
	if (indefinite) {
		data[0] = 0x9f;
		data[1 + count] = 0xff;
	} else {
		data[0] = 0x99;
		data[1] = (uint8_t)(count >> 8);
		data[2] = (uint8_t)count;
	}
	struct value_doc *doc = NULL;
	ck_assert_int_eq(value_decode(data, size, &doc, NULL), expected);
	if (expected == 0)
		ck_assert_uint_eq(value_root(doc)->size, count);
	value_doc_free(doc);
}

START_TEST(test_item_limit)
{
	/* the array is an item too */
	check_items(VALUE_ITEMS_MAX - 1, false, 0);
	check_items(VALUE_ITEMS_MAX - 1, true, 0);
	check_items(VALUE_ITEMS_MAX, false, -E2BIG);
	check_items(VALUE_ITEMS_MAX, true, -E2BIG);
}
END_TEST

START_TEST(test_many_nested)
{
	/* 800 maps in an array: parents and children fill the document from both ends */
	uint8_t data[2 + 800 * 5];
	size_t n = 0;
	data[n++] = 0x9f;
	for (int i = 0; i < 800; i++) {
		memcpy(data + n, "\xa1\x18", 2);
		data[n + 2] = (uint8_t)(24 + i % 200);
		data[n + 3] = 0x81;
		data[n + 4] = (uint8_t)(i % 24);
		n += 5;
	}
	data[n++] = 0xff;
	struct value_doc *doc = NULL;
	ck_assert_int_eq(value_decode(data, n, &doc, NULL), 0);
	const struct value *root = value_root(doc);
	ck_assert_uint_eq(root->size, 800);
	for (size_t i = 0; i < 800; i++) {
		const struct value *map = &root->items[i];
		ck_assert_int_eq(map->kind, VALUE_MAP);
		ck_assert_uint_eq(map->size, 2);
		ck_assert_uint_eq(map->items[0].uint, 24 + i % 200);
		ck_assert_uint_eq(map->items[1].items[0].uint, i % 24);
	}
	value_doc_free(doc);
}
END_TEST

/* Every prefix of a message, and every message with one byte changed, ends in a verdict. */
START_TEST(test_broken_everywhere)
{
	size_t size;
	uint8_t *data = from_hex("bf 66696d61676573 9f bf 64736c6f74 00 6776657273696f6e 65312e322e33 6468617368 44 01020304"
				 " 68626f6f7461626c65 f5 ff ff 6b73706c6974537461747573 00 ff",
			&size);
	for (size_t n = 0; n < size; n++) {
		uint8_t *cut = malloc(n ? n : 1);
		memcpy(cut, data, n);
		struct value_doc *doc = NULL;
		ck_assert_int_eq(value_decode(cut, n, &doc, NULL), -EBADMSG);
		free(cut);
	}
	for (size_t n = 0; n < size * 256; n++) {
		uint8_t kept = data[n / 256];
		data[n / 256] = (uint8_t)n;
		struct value_doc *doc = NULL;
		size_t at = 0;
		if (value_decode(data, size, &doc, &at) == 0)
			free(describe(value_root(doc)));
		else
			ck_assert_uint_le(at, size);
		value_doc_free(doc);
		data[n / 256] = kept;
	}
	free(data);
}
END_TEST

START_TEST(test_access)
{
	size_t size;
	uint8_t *data = from_hex("a6 626f66 00 636f6666 190100 6372 65 74 20 646d696e31 3b7fffffffffffffff"
				 " 63746f6f 3b8000000000000000 64626f6f6c f5",
			&size);
	struct value_doc *doc = NULL;
	int r = value_decode(data, size, &doc, NULL);
	free(data);
	ck_assert_int_eq(r, 0);
	const struct value *map = value_root(doc);
	uint64_t u;
	int64_t i;
	bool b;
	ck_assert(value_to_uint(value_get(map, "off"), &u) && u == 256);
	ck_assert(value_to_uint(value_get(map, "of"), &u) && u == 0);
	ck_assert_ptr_null(value_get(map, "offs"));
	ck_assert_ptr_null(value_get(map, ""));
	ck_assert_ptr_null(value_get(NULL, "off"));
	ck_assert_ptr_null(value_get(value_get(map, "off"), "off"));
	ck_assert(value_to_int(value_get(map, "min1"), &i) && i == INT64_MIN);
	ck_assert(!value_to_uint(value_get(map, "min1"), &u));
	ck_assert(!value_to_int(value_get(map, "too"), &i));
	ck_assert(value_to_bool(value_get(map, "bool"), &b) && b);
	ck_assert(!value_to_bool(value_get(map, "off"), &b));
	ck_assert(!value_to_uint(value_get(map, "bool"), &u));
	ck_assert(!value_to_uint(NULL, &u));
	ck_assert(!value_to_int(NULL, &i));
	ck_assert(!value_to_bool(NULL, &b));
	ck_assert_ptr_null(value_to_text(value_get(map, "off")));
	ck_assert_ptr_null(value_to_text(NULL));
	value_doc_free(doc);

	const struct value large = {.kind = VALUE_UINT, .uint = UINT64_MAX};
	ck_assert(!value_to_int(&large, &i));
	ck_assert(value_to_uint(&large, &u) && u == UINT64_MAX);
}
END_TEST

#define R "\xef\xbf\xbd"
static const struct {
	const char *in;
	size_t size;
	const char *out;
} text_rows[] = {
		{"", 0, ""},
		{"plain\r\n\x1b[0m", 11, "plain\r\n\x1b[0m"},
		{"a\0b", 3, "a" R "b"},
		{"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
		{"\xff\xfe", 2, R R},
		{"\x80", 1, R},
		{"\xc0\xaf", 2, R R},			   /* overlong */
		{"\xe0\x80\x80", 3, R R R},		   /* overlong */
		{"\xed\xa0\x80", 3, R R R},		   /* a surrogate */
		{"\xf4\x90\x80\x80", 4, R R R R},	   /* beyond U+10FFFF */
		{"\xf4\x8f\xbf\xbf", 4, "\xf4\x8f\xbf\xbf"},
		{"\xf0\x9f\x98", 3, R},			   /* cut short: one character lost */
		{"\xf0\x9f\x98z", 4, R "z"},
		{"\xe2\x82\xe2\x82\xac", 5, R "\xe2\x82\xac"},
		{"\xc3", 1, R},
};

START_TEST(test_text)
{
	uint8_t *exact = malloc(text_rows[_i].size ? text_rows[_i].size : 1);
	memcpy(exact, text_rows[_i].in, text_rows[_i].size);
	struct value v = {.kind = _i % 2 ? VALUE_TEXT : VALUE_BYTES, .data = exact, .size = text_rows[_i].size};
	char *text = value_to_text(&v);
	ck_assert_str_eq(text, text_rows[_i].out);
	free(text);
	free(exact);
}
END_TEST

static const uint64_t edges[] = {0, 1, 23, 24, 255, 256, 65535, 65536, 0xffffffff, 0x100000000, INT64_MAX, UINT64_MAX};
static const size_t edge_sizes[] = {1, 1, 1, 2, 2, 3, 3, 5, 5, 9, 9, 9};

START_TEST(test_write_integers)
{
	uint64_t edge = edges[_i];
	struct writer w = {0};
	writer_array(&w, 3);
	writer_uint(&w, edge);
	writer_negint(&w, edge);
	writer_int(&w, edge <= INT64_MAX ? -1 - (int64_t)edge : INT64_MAX);
	uint8_t *data;
	size_t size;
	ck_assert_uint_eq(value_head_size(edge), edge_sizes[_i]);
	ck_assert_int_eq(writer_finish(&w, &data, &size), 0);
	if (edge <= INT64_MAX)
		ck_assert_uint_eq(size, 1 + 3 * edge_sizes[_i]); /* the shortest form */

	struct value_doc *doc = NULL;
	ck_assert_int_eq(value_decode(data, size, &doc, NULL), 0);
	const struct value *root = value_root(doc);
	ck_assert(root->items[0].kind == VALUE_UINT && root->items[0].uint == edge);
	ck_assert(root->items[1].kind == VALUE_NEGINT && root->items[1].uint == edge);
	int64_t i;
	ck_assert(value_to_int(&root->items[2], &i));
	ck_assert(i == (edge <= INT64_MAX ? -1 - (int64_t)edge : INT64_MAX));
	value_doc_free(doc);
	free(data);
}
END_TEST

START_TEST(test_write_all)
{
	struct writer w = {0};
	writer_map(&w, 7);
	writer_text(&w, "d");
	writer_text_n(&w, "hi there", 2);
	writer_text(&w, "bytes");
	writer_bytes(&w, "\x00\xff", 2);
	writer_text(&w, "empty");
	writer_bytes(&w, NULL, 0);
	writer_text(&w, "t");
	writer_bool(&w, true);
	writer_text(&w, "f");
	writer_bool(&w, false);
	writer_text(&w, "n");
	writer_null(&w);
	writer_text(&w, "x");
	writer_array(&w, 2);
	writer_float(&w, -2.5);
	writer_float(&w, (double)INFINITY);
	uint8_t *data;
	size_t size;
	ck_assert_int_eq(writer_finish(&w, &data, &size), 0);
	ck_assert_ptr_null(w.data);
	struct value_doc *doc = NULL;
	ck_assert_int_eq(value_decode(data, size, &doc, NULL), 0);
	char *text = describe(value_root(doc));
	ck_assert_str_eq(text, "{\"d\":\"hi\",\"bytes\":h'00ff',\"empty\":h'',\"t\":true,\"f\":false,\"n\":null,\"x\":[-2.5.,inf.]}");
	free(text);
	value_doc_free(doc);
	free(data);
}
END_TEST

START_TEST(test_write_long_strings)
{
	for (size_t n = 0; n < 70000; n = n < 300 ? n + 1 : n * 2 + 7) {
		uint8_t *big = calloc(1, n + 1);
		struct writer w = {0};
		writer_bytes(&w, big, n);
		uint8_t *data;
		size_t size;
		ck_assert_int_eq(writer_finish(&w, &data, &size), 0);
		ck_assert_uint_eq(size, value_head_size(n) + n);
		struct value_doc *doc = NULL;
		ck_assert_int_eq(value_decode(data, size, &doc, NULL), 0);
		ck_assert_uint_eq(value_root(doc)->size, n);
		value_doc_free(doc);
		free(data);
		free(big);
	}
}
END_TEST

START_TEST(test_writer_error_sticks)
{
	struct writer w = {0};
	writer_text(&w, "before");
	writer_bytes(&w, "", SIZE_MAX / 2);
	writer_uint(&w, 1);
	uint8_t *data = NULL;
	size_t size = 0;
	ck_assert_int_eq(writer_finish(&w, &data, &size), -ENOMEM);
	ck_assert_ptr_null(data);
	ck_assert_ptr_null(w.data);
	writer_release(&w);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("value");
	tcase_add_loop_test(t, test_decode, 0, (int)ARRAY_SIZE(decode_rows));
	tcase_add_test(t, test_item_limit);
	tcase_add_test(t, test_many_nested);
	tcase_add_test(t, test_broken_everywhere);
	tcase_add_test(t, test_access);
	tcase_add_loop_test(t, test_text, 0, (int)ARRAY_SIZE(text_rows));
	tcase_add_loop_test(t, test_write_integers, 0, (int)ARRAY_SIZE(edges));
	tcase_add_test(t, test_write_all);
	tcase_add_test(t, test_write_long_strings);
	tcase_add_test(t, test_writer_error_sticks);
	Suite *s = suite_create("value");
	suite_add_tcase(s, t);
	return suite_run(s);
}
