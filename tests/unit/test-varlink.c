/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "proto/json.h"
#include "proto/varlink.h"
#include "tests/unit/suite.h"

#define LIMIT 16

/* Pieces as they come from a socket ('|' separates them, '.' is a NUL), and the messages they make. */
static const struct {
	const char *pieces;
	const char *messages; /* each ends with a '.' */
	int error;	      /* of the last piece */
	bool skips;	      /* '!' is where a message was thrown away */
} streams[] = {
	{ "{}.", "{}." },
	{ "{|}|.", "{}." },
	{ "a.b.c.", "a.b.c." },
	{ "a.b", "a." },
	{ "a.b|.c", "a.b." },
	{ "..", ".." },
	{ "0123456789abcdef.", "0123456789abcdef." },
	{ "0123456789abcdef|.", "0123456789abcdef." },
	{ "0123456789abcdefg", "", -E2BIG },
	{ "0123456789abcdef|g", "", -E2BIG },
	{ "0123456789abcdefg.", "", -E2BIG },
	{ "a.0123456789abcdefg.", "", -E2BIG },
	{ "a.0123456789abcdef|.b.0123456789abcdef.x", "a.0123456789abcdef.b.0123456789abcdef." },
	{ "0123456789abcdefg.a.", "!a.", 0, true },
	{ "a.0123456789abcdef|g.b.", "a.!b.", 0, true },
	{ "a.b|.0123456789|abcdefghijklmno|pqrstuvwxyz|.|c.", "a.b.!c.", 0, true },
	{ "0123456789abcdefg|.|0123456789abcdefg|.", "!!", 0, true },
	{ "0123456789abcdefg.0123456789abcdefg", "", -E2BIG, true },
	{ "0123456789abcdefghijklmn|opq", "", 0, true },
	{ "0123456789abcdef.", "0123456789abcdef.", 0, true },
	{ "..a|bc|.", "..abc.", 0, true },
	{ "0123456789.0123456789.0123456789.", "0123456789.0123456789.0123456789." },
};

static void read_all(struct varlink_stream *s, char *got)
{
	const char *text;
	size_t size;

	for (int e; (e = varlink_stream_next(s, &text, &size)) != 0;) {
		if (e < 0) {
			ck_assert_int_eq(e, -E2BIG);
			strcat(got, "!");
			continue;
		}
		ck_assert_uint_eq(size, strlen(text));
		strcat(strcat(got, text), ".");
	}
}

START_TEST(cuts_messages)
{
	_cleanup_(varlink_stream_freep) struct varlink_stream *s = NULL;
	const char *p = streams[_i].pieces;
	char got[256] = "";
	int e = 0;

	ck_assert_int_eq(varlink_stream_new(LIMIT, &s), 0);
	if (streams[_i].skips)
		varlink_stream_skip(s);
	while (*p) {
		size_t n = strcspn(p, "|");
		char piece[64];

		memcpy(piece, p, n);
		for (size_t i = 0; i < n; i++)
			if (piece[i] == '.')
				piece[i] = 0;
		e = varlink_stream_feed(s, piece, n);
		if (e < 0)
			break;
		read_all(s, got);
		p += n + (p[n] == '|');
	}
	ck_assert_int_eq(e, streams[_i].error);
	ck_assert_str_eq(got, streams[_i].messages);
}
END_TEST

/* Messages are also kept when they are fetched late, and a large one leaves no large buffer behind. */
START_TEST(keeps_unread_messages)
{
	_cleanup_(varlink_stream_freep) struct varlink_stream *s = NULL;
	_cleanup_free_ char *big = calloc(1, 200001);
	const char *text;
	size_t size;

	memset(big, 'x', 200000);
	ck_assert_int_eq(varlink_stream_new(200000, &s), 0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(varlink_stream_feed(s, big, 200001), 0);
	ck_assert_uint_eq(varlink_stream_buffered(s), 3 * 200001);
	for (int i = 0; i < 3; i++) {
		ck_assert_int_eq(varlink_stream_next(s, &text, &size), 1);
		ck_assert_uint_eq(size, 200000);
		ck_assert_str_eq(text, big);
		ck_assert_int_eq(varlink_stream_feed(s, "y", i == 2), 0);
	}
	ck_assert_int_eq(varlink_stream_next(s, &text, &size), 0);
	ck_assert_uint_eq(varlink_stream_buffered(s), 1);
}
END_TEST

static const struct {
	const char *text;
	const char *method, *parameters;
	bool oneway, more, upgrade;
	const char *sentence; /* of the refusal */
} calls[] = {
	{ "{\"method\":\"a.b.C\"}", "a.b.C", "{}" },
	{ "{\"method\":\"a.b.C\",\"parameters\":{\"x\":1}}", "a.b.C", "{\"x\":1}" },
	{ "{\"method\":\"a.b.C\",\"parameters\":null,\"more\":null}", "a.b.C", "{}" },
	{ "{\"method\":\"a.b.C\",\"more\":true}", "a.b.C", "{}", .more = true },
	{ "{\"method\":\"a.b.C\",\"more\":false,\"oneway\":true}", "a.b.C", "{}", .oneway = true },
	{ "{\"method\":\"a.b.C\",\"upgrade\":true}", "a.b.C", "{}", .upgrade = true },
	{ "{\"method\":\"a.b.C\",\"new\":[1]}", "a.b.C", "{}" },
	{ "", .sentence = "the text ends where a value should be at byte 0" },
	{ "GET / HTTP/1.1", .sentence = "'G' where a value should be at byte 0" },
	{ "[]", .sentence = "a message must be a JSON object" },
	{ "null", .sentence = "a message must be a JSON object" },
	{ "{}", .sentence = "a call must have a 'method'" },
	{ "{\"method\":null}", .sentence = "a call must have a 'method'" },
	{ "{\"method\":1}", .sentence = "'method' must be the name of a method" },
	{ "{\"method\":\"\"}", .sentence = "'method' must be the name of a method" },
	{ "{\"method\":\"a.b.C\\u0000\"}", .sentence = "'method' must be the name of a method" },
	{ "{\"method\":\"a.b.C\",\"parameters\":[]}", .sentence = "'parameters' must be an object" },
	{ "{\"method\":\"a.b.C\",\"more\":1}", .sentence = "'more' must be true or false" },
	{ "{\"method\":\"a.b.C\",\"oneway\":\"\"}", .sentence = "'oneway' must be true or false" },
	{ "{\"method\":\"a.b.C\",\"upgrade\":{}}", .sentence = "'upgrade' must be true or false" },
	{ "{\"method\":\"a.b.C\",\"more\":true,\"oneway\":true}",
		.sentence = "a call cannot have both 'more' and 'oneway'" },
	{ "{\"method\":\"a\",\"method\":\"b\"}", .sentence = "the key 'method' stands twice, at byte 14" },
};

START_TEST(decodes_calls)
{
	struct varlink_call call = { 0 };
	_cleanup_free_ char *parameters = NULL;
	const char *text = NULL;
	int e = varlink_call_decode(calls[_i].text, strlen(calls[_i].text), &call, &text);

	if (calls[_i].sentence) {
		ck_assert_int_eq(e, -EBADMSG);
		ck_assert_str_eq(text, calls[_i].sentence);
		return;
	}
	ck_assert_int_eq(e, 0);
	ck_assert_str_eq(call.method, calls[_i].method);
	parameters = json_print(call.parameters, NULL);
	ck_assert_str_eq(parameters, calls[_i].parameters);
	ck_assert_int_eq(call.more, calls[_i].more);
	ck_assert_int_eq(call.oneway, calls[_i].oneway);
	ck_assert_int_eq(call.upgrade, calls[_i].upgrade);
	varlink_call_release(&call);
}
END_TEST

static const struct {
	const char *text;
	const char *error, *parameters;
	bool continues;
	const char *sentence;
} replies[] = {
	{ "{}", NULL, "{}" },
	{ "{\"parameters\":{\"x\":1},\"continues\":true}", NULL, "{\"x\":1}", true },
	{ "{\"error\":\"a.b.C\",\"parameters\":{}}", "a.b.C", "{}" },
	{ "{\"error\":1}", .sentence = "'error' must be the name of an error" },
	{ "{\"error\":\"a.b.C\",\"continues\":true}", .sentence = "an error cannot have 'continues'" },
	{ "{\"continues\":0}", .sentence = "'continues' must be true or false" },
	{ "{\"parameters\":1}", .sentence = "'parameters' must be an object" },
};

START_TEST(decodes_replies)
{
	struct varlink_reply reply = { 0 };
	_cleanup_free_ char *parameters = NULL;
	const char *text = NULL;
	int e = varlink_reply_decode(replies[_i].text, strlen(replies[_i].text), &reply, &text);

	if (replies[_i].sentence) {
		ck_assert_int_eq(e, -EBADMSG);
		ck_assert_str_eq(text, replies[_i].sentence);
		return;
	}
	ck_assert_int_eq(e, 0);
	ck_assert_pstr_eq(reply.error, replies[_i].error);
	parameters = json_print(reply.parameters, NULL);
	ck_assert_str_eq(parameters, replies[_i].parameters);
	ck_assert_int_eq(reply.continues, replies[_i].continues);
	varlink_reply_release(&reply);
}
END_TEST

START_TEST(encodes)
{
	_cleanup_json_ json_object *p = json_object_new_object();
	_cleanup_free_ char *call = NULL, *bare = NULL, *reply = NULL, *more = NULL, *error = NULL;
	size_t size;

	json_object_object_add(p, "x", json_object_new_int(1));
	ck_assert_int_eq(varlink_call_encode("a.b.C", p, false, false, &call, &size), 0);
	ck_assert_str_eq(call, "{\"method\":\"a.b.C\",\"parameters\":{\"x\":1}}");
	ck_assert_uint_eq(size, strlen(call) + 1);
	ck_assert_int_eq(varlink_call_encode("a.b.C", NULL, true, true, &bare, &size), 0);
	ck_assert_str_eq(bare, "{\"method\":\"a.b.C\",\"parameters\":{},\"more\":true,\"oneway\":true}");
	ck_assert_int_eq(varlink_reply_encode(NULL, p, false, &reply, &size), 0);
	ck_assert_str_eq(reply, "{\"parameters\":{\"x\":1}}");
	ck_assert_int_eq(varlink_reply_encode(NULL, NULL, true, &more, &size), 0);
	ck_assert_str_eq(more, "{\"parameters\":{},\"continues\":true}");
	ck_assert_int_eq(varlink_reply_encode("a.b.E", p, false, &error, &size), 0);
	ck_assert_str_eq(error, "{\"error\":\"a.b.E\",\"parameters\":{\"x\":1}}");
	/* Borrowed: still ours, once. */
	ck_assert_int_eq(json_object_put(json_object_get(p)), 0);
}
END_TEST

static const struct {
	const char *method;
	size_t length;
} names[] = {
	{ "io.mcumgr.List", 9 },
	{ "org.varlink.service.GetInfo", 19 },
	{ "a-b.c--d.X1", 8 },
	{ "io.2x.X", 5 },
	{ "List", 0 },
	{ "mcumgr.List", 0 },
	{ "io.mcumgr.list", 0 },
	{ "io.mcumgr.", 0 },
	{ ".io.mcumgr.List", 0 },
	{ "io..List", 0 },
	{ "io.-a.List", 0 },
	{ "io.a-.List", 0 },
	{ "2io.a.List", 0 },
	{ "io.mcumgr.Li st", 0 },
	{ "io.mcumgr.Li\xc3\xa9", 0 },
	{ "io.mc/mgr.List", 0 },
	{ "", 0 },
	{ ".", 0 },
	{ "..", 0 },
	{ "..A", 0 },
};

START_TEST(splits_names)
{
	ck_assert_uint_eq(varlink_interface_length(names[_i].method), names[_i].length);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("varlink");
	TCase *c = tcase_create("varlink");

	tcase_add_loop_test(c, cuts_messages, 0, ARRAY_SIZE(streams));
	tcase_add_test(c, keeps_unread_messages);
	tcase_add_loop_test(c, decodes_calls, 0, ARRAY_SIZE(calls));
	tcase_add_loop_test(c, decodes_replies, 0, ARRAY_SIZE(replies));
	tcase_add_test(c, encodes);
	tcase_add_loop_test(c, splits_names, 0, ARRAY_SIZE(names));
	suite_add_tcase(s, c);
	return suite_run(s);
}
