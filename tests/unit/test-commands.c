/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "proto/commands.h"
#include "proto/json.h"
#include "tests/unit/hex.h"
#include "tests/unit/suite.h"

static const char *const common[] = { "device", "timeoutMs", "lease", NULL };

/* A request: its parameters and the CBOR they become, or the parameter and the sentence of the refusal. */
static const struct {
	const char *method, *json, *cbor, *parameter, *sentence;
} requests[] = {
	{ "Echo", "{\"text\":\"hi\"}", "a161646268 69" },
	{ "Echo", "{\"text\":\"hi\",\"device\":\"x\",\"timeoutMs\":1,\"lease\":\"y\"}", "a1616462 6869" },
	{ "Echo", "{\"text\":\"\"}", "a1616460" },
	{ "Echo", "{}", NULL, "text", "Echo needs the parameter 'text'" },
	{ "Echo", "{\"text\":null}", NULL, "text", "Echo needs the parameter 'text'" },
	{ "Echo", "{\"text\":1}", NULL, "text", "'text' must be a string" },
	{ "Echo", "{\"text\":\"a\\u0000\"}", NULL, "text", "'text' must not hold a NUL" },
	{ "Echo", "{\"text\":\"a\",\"Text\":\"b\"}", NULL, "Text",
		"Echo has no parameter 'Text'; it takes text, device, timeoutMs, lease" },
	{ "Tasks", "{}", "a0" },
	{ "Tasks", "{\"\":1}", NULL, "", "Tasks has no parameter ''; it takes device, timeoutMs, lease" },
	{ "SetTime", "{\"time\":\"2026-01-31T23:59:59\"}", "a1 68 6461746574696d65 73 323032362d30312d33315432333a35393a3539" },
	{ "SetTime", "{\"time\":\"2026-01-31T23:59:59.005\"}",
		"a1 68 6461746574696d65 77 323032362d30312d33315432333a35393a35392e303035" },
	{ "SetTime", "{\"time\":\"2026-01-31T23:59:59Z\"}", NULL, "time",
		"'time' must be a time as 2026-01-31T23:59:59 or 2026-01-31T23:59:59.123, without a zone" },
	{ "SetTime", "{\"time\":\"2026-01-31T23:59:59.5\"}", NULL, "time",
		"'time' must be a time as 2026-01-31T23:59:59 or 2026-01-31T23:59:59.123, without a zone" },
	{ "SetTime", "{\"time\":20260131}", NULL, "time",
		"'time' must be a time as 2026-01-31T23:59:59 or 2026-01-31T23:59:59.123, without a zone" },
	{ "Reset", "{}", "a0" },
	{ "Reset", "{\"force\":true,\"bootMode\":1}", "a2 65 666f726365 f5 69 626f6f745f6d6f6465 01" },
	{ "Reset", "{\"bootMode\":255}", "a1 69 626f6f745f6d6f6465 18ff" },
	{ "Reset", "{\"bootMode\":256}", NULL, "bootMode", "'bootMode' must be a whole number from 0 to 255" },
	{ "Reset", "{\"bootMode\":-1}", NULL, "bootMode", "'bootMode' must be a whole number from 0 to 255" },
	{ "Reset", "{\"bootMode\":1.0}", NULL, "bootMode", "'bootMode' must be a whole number from 0 to 255" },
	{ "Reset", "{\"bootMode\":\"1\"}", NULL, "bootMode", "'bootMode' must be a whole number from 0 to 255" },
	{ "Reset", "{\"force\":1}", NULL, "force", "'force' must be true or false" },
	{ "ImageTest", "{\"hash\":\"00ffAb\"}", "a2 64 68617368 43 00ffab 67 636f6e6669726d f4" },
	{ "ImageTest", "{}", NULL, "hash", "ImageTest needs the parameter 'hash'" },
	{ "ImageTest", "{\"hash\":\"abc\"}", NULL, "hash", "'hash' must be 1 to 64 bytes as hex digits" },
	{ "ImageTest", "{\"hash\":\"\"}", NULL, "hash", "'hash' must be 1 to 64 bytes as hex digits" },
	{ "ImageTest", "{\"hash\":\"0g\"}", NULL, "hash", "'hash' must be 1 to 64 bytes as hex digits" },
	{ "ImageTest", "{\"hash\":\"00\\u0000\"}", NULL, "hash", "'hash' must be 1 to 64 bytes as hex digits" },
	{ "ImageTest", "{\"hash\":\"00\",\"confirm\":true}", NULL, "confirm",
		"ImageTest has no parameter 'confirm'; it takes hash, device, timeoutMs, lease" },
	{ "ImageConfirm", "{}", "a1 67 636f6e6669726d f5" },
	{ "ImageConfirm", "{\"hash\":\"01\"}", "a2 64 68617368 41 01 67 636f6e6669726d f5" },
	{ "SettingWrite", "{\"name\":\"a/b\",\"value\":\"AAE=\"}", "a2 64 6e616d65 63 612f62 63 76616c 42 0001" },
	{ "SettingWrite", "{\"name\":\"a/b\",\"value\":\"AAE\"}", NULL, "value",
		"'value' is no padded base64: trouble at character 3" },
	{ "SettingWrite", "{\"name\":\"a/b\",\"value\":[0,1]}", NULL, "value", "'value' must be a string of base64" },
	{ "FileHash", "{\"path\":\"/a\",\"offset\":\"18446744073709551615\"}",
		"a2 64 6e616d65 62 2f61 63 6f6666 1bffffffffffffffff" },
	{ "FileHash", "{\"path\":\"/a\",\"offset\":18446744073709551615}",
		"a2 64 6e616d65 62 2f61 63 6f6666 1bffffffffffffffff" },
	{ "FileHash", "{\"path\":\"/a\",\"offset\":\"5\"}", NULL, "offset",
		"'offset' must be a whole number from 0 to 18446744073709551615" },
	{ "ShellExecute", "{\"arguments\":[\"kernel\",\"uptime\"]}", "a1 64 61726776 82 66 6b65726e656c 66 757074696d65" },
	{ "ShellExecute", "{\"arguments\":[]}", NULL, "arguments", "'arguments' must not be empty" },
	{ "ShellExecute", "{\"arguments\":\"kernel uptime\"}", NULL, "arguments", "'arguments' must be an array" },
	{ "ShellExecute", "{\"arguments\":[\"a\",1]}", NULL, "arguments", "'arguments' must be a string in each place" },
	{ "ShellExecute", "{\"arguments\":[null]}", NULL, "arguments", "'arguments' must be a string in each place" },
	{ "Groups", "{\"groups\":[]}", "a1 66 67726f757073 80" },
	{ "Groups", "{\"groups\":[0,65535]}", "a1 66 67726f757073 82 00 19ffff" },
	{ "Groups", "{\"groups\":[65536]}", NULL, "groups", "'groups' must be a whole number from 0 to 65535" },
};

START_TEST(encodes)
{
	_cleanup_free_ uint8_t *data = NULL, *wanted = NULL;
	_cleanup_json_ json_object *o = NULL;
	struct writer w = { 0 };
	const char *parameter = NULL;
	char text[200] = "";
	size_t size, wanted_size;
	int e;

	ck_assert_int_eq(json_parse(requests[_i].json, strlen(requests[_i].json), &o, NULL), 0);
	e = smp_command_encode(smp_command_find(requests[_i].method), o, common, &w, &parameter, text, sizeof(text));
	if (requests[_i].sentence) {
		ck_assert_int_eq(e, -EINVAL);
		ck_assert_str_eq(text, requests[_i].sentence);
		ck_assert_str_eq(parameter, requests[_i].parameter);
		ck_assert_ptr_null(w.data);
		return;
	}
	ck_assert_msg(e == 0, "%s", text);
	wanted_size = unhex(requests[_i].cbor, &wanted);
	ck_assert_int_eq(writer_finish(&w, &data, &size), 0);
	ck_assert_uint_eq(size, wanted_size);
	ck_assert_mem_eq(data, wanted, size);
}
END_TEST

/* A reply, written as JSON for the CBOR it is, and what the API answers: JSON, or the sentence of the error. */
static const struct {
	const char *method, *reply, *json, *sentence;
} replies[] = {
	{ "Echo", "{\"r\":\"hi\"}", "{\"text\":\"hi\"}" },
	{ "Echo", "{\"rc\":0,\"r\":\"\\u001b[0m\",\"vendor\":[{}]}", "{\"text\":\"\\u001b[0m\"}" },
	{ "Echo", "{}", NULL, "'r' is missing in the reply" },
	{ "Echo", "{\"r\":null}", NULL, "'r' is missing in the reply" },
	{ "Echo", "{\"r\":{\"$bytes\":\"AA==\"}}", NULL, "'r' must be a text, not a byte string" },
	{ "Echo", "[]", NULL, "the payload of the reply must be a map" },
	{ "Tasks",
		"{\"tasks\":{\"main\":{\"prio\":-1,\"tid\":0,\"state\":4,\"stksiz\":256,\"stkuse\":40,\"cswcnt\":7,"
		"\"runtime\":9,\"last_checkin\":0},\"\":{\"prio\":4294967295,\"tid\":1,\"state\":128}}}",
		"{\"tasks\":[{\"name\":\"main\",\"priority\":-1,\"identifier\":0,\"state\":4,\"stackUsed\":160,"
		"\"stackSize\":1024,\"contextSwitches\":7,\"runtime\":9},"
		"{\"name\":\"\",\"priority\":-1,\"identifier\":1,\"state\":128}]}" },
	{ "Tasks", "{\"tasks\":{\"a\":{\"prio\":255,\"tid\":0,\"state\":0,\"runtime\":{\"$integer\":\"9223372036854775808\"}}}}",
		"{\"tasks\":[{\"name\":\"a\",\"priority\":255,\"identifier\":0,\"state\":0,"
		"\"runtime\":\"9223372036854775808\"}]}" },
	{ "Tasks", "{\"tasks\":{}}", "{\"tasks\":[]}" },
	{ "Tasks", "{\"tasks\":[]}", NULL, "'tasks' must be a map, not an array" },
	{ "Tasks", "{\"tasks\":{\"a\":1}}", NULL, "'tasks.a' must be a map, not an integer" },
	{ "Tasks", "{\"tasks\":{\"a\":{\"prio\":0,\"tid\":1}}}", NULL, "'tasks.a.state' is missing in the reply" },
	{ "Tasks", "{\"tasks\":{\"a\":{\"prio\":0,\"tid\":-1,\"state\":0}}}", NULL,
		"'tasks.a.tid' must be an unsigned integer, not a negative integer" },
	{ "Tasks", "{\"tasks\":{\"a\":{\"prio\":0,\"tid\":1,\"state\":0,\"stkuse\":{\"$integer\":\"4611686018427387904\"}}}}",
		NULL, "'tasks.a.stkuse' is beyond 64 bits" },
	{ "MemoryPools", "{\"tasks\":{\"0\":{\"blksiz\":1,\"nblks\":100,\"nfree\":60,\"min\":50}}}",
		"{\"pools\":[{\"name\":\"0\",\"blockSize\":1,\"blocks\":100,\"free\":60,\"minimumFree\":50}]}" },
	{ "MemoryPools", "{\"mpools\":{\"a\":{\"nblks\":1,\"nfree\":1}}}",
		"{\"pools\":[{\"name\":\"a\",\"blocks\":1,\"free\":1}]}" },
	{ "MemoryPools", "{\"rc\":0,\"a\":{\"nblks\":1,\"nfree\":1},\"b\":{\"nblks\":2,\"nfree\":0}}",
		"{\"pools\":[{\"name\":\"a\",\"blocks\":1,\"free\":1},{\"name\":\"b\",\"blocks\":2,\"free\":0}]}" },
	{ "MemoryPools", "{\"tasks\":{}}", "{\"pools\":[]}" },
	{ "MemoryPools", "{}", NULL, "'tasks' is missing in the reply" },
	{ "MemoryPools", "{\"mpools\":{\"a\":{}}}", NULL, "the reply has none of the known shapes" },
	{ "GetTime", "{\"datetime\":\"2026-01-02T03:04:05\"}", "{\"time\":\"2026-01-02T03:04:05\"}" },
	{ "GetTime", "{\"datetime\":\"2026-01-02T03:04:05.5\"}", "{\"time\":\"2026-01-02T03:04:05.005\"}" },
	{ "GetTime", "{\"datetime\":\"2026-01-02T03:04:05.50\"}", "{\"time\":\"2026-01-02T03:04:05.050\"}" },
	{ "GetTime", "{\"datetime\":\"2026-01-02T03:04:05.500\"}", "{\"time\":\"2026-01-02T03:04:05.500\"}" },
	{ "GetTime", "{\"datetime\":\"2026-01-02T03:04:05.123456+00:00\"}",
		"{\"time\":\"2026-01-02T03:04:05.123456+00:00\"}" },
	{ "GetTime", "{\"datetime\":\"x.\"}", "{\"time\":\"x.\"}" },
	{ "Reset", "{\"rc\":0}", "{}" },
	{ "Parameters", "{\"buf_size\":384,\"buf_count\":4}", "{\"bufferSize\":384,\"bufferCount\":4}" },
	{ "Parameters", "{\"buf_size\":384}", NULL, "'buf_count' is missing in the reply" },
	{ "OsInfo", "{\"output\":\"Zephyr\"}", "{\"text\":\"Zephyr\"}" },
	{ "BootloaderInfo", "{\"bootloader\":\"MCUboot\"}", "{\"name\":\"MCUboot\"}" },
	{ "BootloaderInfo", "{\"mode\":3,\"no-downgrade\":true}", "{\"mode\":3,\"noDowngrade\":true,\"modeName\":\"swap using move\"}" },
	{ "BootloaderInfo", "{\"mode\":-1}", "{\"mode\":-1,\"modeName\":\"unknown\"}" },
	{ "BootloaderInfo", "{\"mode\":99}", "{\"mode\":99}" },
	{ "ImageList", "{\"images\":[],\"splitStatus\":0}", "{\"slots\":[],\"splitStatus\":0}" },
	{ "ImageList",
		"{\"images\":[{\"slot\":0,\"version\":\"1.2.3\",\"hash\":{\"$bytes\":\"AP8=\"},\"active\":true,"
		"\"confirmed\":true},{\"image\":1,\"slot\":1,\"version\":\"0.0.0\",\"bootable\":false}]}",
		"{\"slots\":[{\"image\":0,\"slot\":0,\"version\":\"1.2.3\",\"hash\":\"00ff\",\"bootable\":false,"
		"\"pending\":false,\"confirmed\":true,\"active\":true,\"permanent\":false},"
		"{\"image\":1,\"slot\":1,\"version\":\"0.0.0\",\"bootable\":false,\"pending\":false,\"confirmed\":false,"
		"\"active\":false,\"permanent\":false}]}" },
	{ "ImageList", "{\"images\":[{\"slot\":0,\"version\":\"1\"},{\"version\":\"1\"}]}", NULL,
		"'images[1].slot' is missing in the reply" },
	{ "ImageList", "{\"images\":[{\"slot\":0,\"version\":\"1\",\"active\":1}]}", NULL,
		"'images[0].active' must be a boolean, not an integer" },
	{ "ImageList", "{\"images\":[{\"slot\":0,\"version\":\"1\",\"hash\":\"00\"}]}", NULL,
		"'images[0].hash' must be a byte string, not a text" },
	{ "ImageList", "{\"images\":[7]}", NULL, "'images[0]' must be a map, not an integer" },
	{ "SlotInfo",
		"{\"images\":[{\"image\":0,\"slots\":[{\"slot\":0,\"size\":1000,\"upload_image_id\":1},{\"slot\":1,\"rc\":5}],"
		"\"max_image_size\":900}]}",
		"{\"images\":[{\"image\":0,\"slots\":[{\"slot\":0,\"size\":1000,\"uploadImageId\":1},{\"slot\":1}],"
		"\"maxImageSize\":900}]}" },
	{ "StatGroups", "{\"stat_list\":[\"a\",\"b\"]}", "{\"groups\":[\"a\",\"b\"]}" },
	{ "StatGroups", "{\"stat_list\":[\"a\",1]}", NULL, "'stat_list[1]' must be a text, not an integer" },
	{ "StatRead", "{\"rc\":0,\"name\":\"g\",\"fields\":{\"s0\":1,\"s1\":{\"$integer\":\"18446744073709551615\"}}}",
		"{\"group\":\"g\",\"values\":[{\"name\":\"s0\",\"value\":1},{\"name\":\"s1\",\"value\":\"18446744073709551615\"}]}" },
	{ "StatRead", "{\"name\":\"g\",\"fields\":{\"s0\":true}}", NULL,
		"'fields.s0' must be an unsigned integer, not a boolean" },
	{ "SettingRead", "{\"val\":{\"$bytes\":\"\"}}", "{\"value\":\"\"}" },
	{ "SettingRead", "{\"val\":{\"$bytes\":\"AAE=\"},\"max_size\":2}", "{\"value\":\"AAE=\",\"maxSize\":2}" },
	{ "FileStatus", "{\"len\":300}", "{\"size\":300}" },
	{ "FileHash", "{\"type\":\"crc32\",\"len\":3,\"output\":4294967295}",
		"{\"type\":\"crc32\",\"length\":3,\"number\":4294967295}" },
	{ "FileHash", "{\"type\":\"sha256\",\"off\":1,\"len\":3,\"output\":{\"$bytes\":\"AQI=\"}}",
		"{\"type\":\"sha256\",\"offset\":1,\"length\":3,\"hash\":\"0102\"}" },
	{ "FileHash", "{\"type\":\"sha256\",\"len\":3}", NULL, "'output' is missing in the reply" },
	{ "FileHash", "{\"type\":\"sha256\",\"len\":3,\"output\":\"ab\"}", NULL,
		"'output' must be an unsigned integer, not a text" },
	{ "FileHashTypes", "{\"types\":{\"crc32\":{\"format\":0,\"size\":4},\"sha256\":{\"format\":1,\"size\":32}}}",
		"{\"types\":{\"crc32\":{\"format\":0,\"size\":4},\"sha256\":{\"format\":1,\"size\":32}}}" },
	{ "ShellExecute", "{\"o\":\"ok\\r\\n\",\"ret\":0}", "{\"output\":\"ok\\r\\n\",\"status\":0}" },
	{ "ShellExecute", "{\"o\":\"\",\"ret\":-8}", "{\"output\":\"\",\"status\":-8}" },
	{ "ShellExecute", "{\"o\":\"\",\"rc\":-8}", "{\"output\":\"\",\"status\":-8}" },
	{ "ShellExecute", "{\"o\":\"\",\"rc\":0,\"ret\":3}", "{\"output\":\"\",\"status\":3}" },
	{ "ShellExecute", "{\"o\":\"\"}", NULL, "'ret' is missing in the reply" },
	{ "GroupIds", "{\"groups\":[10,8,1]}", "{\"groups\":[10,8,1]}" },
	{ "GroupAt", "{\"group\":10}", "{\"group\":10}" },
	{ "GroupAt", "{\"group\":63,\"end\":true}", "{\"group\":63,\"end\":true}" },
	{ "Groups", "{\"groups\":[{\"group\":0,\"name\":\"os\",\"handlers\":9},{\"group\":64}]}",
		"{\"groups\":[{\"group\":0,\"name\":\"os\",\"handlers\":9},{\"group\":64}]}" },
	{ "StorageErase", "{}", "{}" },
};

static void decode(const char *method, const uint8_t *data, size_t size, const char *json, const char *sentence)
{
	_cleanup_(value_doc_freep) struct value_doc *doc = NULL;
	_cleanup_json_ json_object *o = NULL;
	_cleanup_free_ char *printed = NULL;
	char text[200] = "";
	int e;

	ck_assert_int_eq(value_decode(data, size, &doc, NULL), 0);
	e = smp_command_decode(smp_command_find(method), value_root(doc), &o, text, sizeof(text));
	if (sentence) {
		ck_assert_int_eq(e, -EBADMSG);
		ck_assert_str_eq(text, sentence);
		return;
	}
	ck_assert_msg(e == 0, "%s", text);
	printed = json_print(o, NULL);
	ck_assert_str_eq(printed, json);
}

START_TEST(decodes)
{
	_cleanup_json_ json_object *o = NULL;
	_cleanup_free_ uint8_t *data = NULL;
	struct writer w = { 0 };
	char text[200] = "";
	size_t size;

	ck_assert_int_eq(json_parse(replies[_i].reply, strlen(replies[_i].reply), &o, NULL), 0);
	ck_assert_msg(json_to_cbor(o, &w, text, sizeof(text)) == 0, "%s", text);
	ck_assert_int_eq(writer_finish(&w, &data, &size), 0);
	decode(replies[_i].method, data, size, replies[_i].json, replies[_i].sentence);
}
END_TEST

/* What JSON cannot say: indefinite lengths as boards send them, names twice, names that are no text, odd text. */
static const struct {
	const char *method, *cbor, *json, *sentence;
} wire[] = {
	{ "Echo", "bf 61 72 62 6869 ff", "{\"text\":\"hi\"}" },
	{ "Echo", "a1 61 72 62 c328", "{\"text\":\"\xef\xbf\xbd(\"}" },
	{ "Echo", "a1 61 72 63 610062", "{\"text\":\"a\xef\xbf\xbd"
				      "b\"}" },
	{ "StatRead", "bf 646e616d65 6167 666669656c6473 bf 6161 01 6161 02 ff ff",
		"{\"group\":\"g\",\"values\":[{\"name\":\"a\",\"value\":1},{\"name\":\"a\",\"value\":2}]}" },
	{ "StatRead", "a2 646e616d65 6167 666669656c6473 a1 05 01", "{\"group\":\"g\",\"values\":[{\"name\":\"5\",\"value\":1}]}" },
	{ "StatRead", "a2 646e616d65 6167 666669656c6473 a1 20 01", NULL,
		"'fields' has a key that is a negative integer, not a text" },
	{ "GroupIds", "bf 6667726f757073 9f 0a 08 ff ff", "{\"groups\":[10,8]}" },
	{ "GroupIds", "a1 6667726f757073 81 c1 0a", NULL, "'groups[0]' must be an unsigned integer, not a tagged value" },
	{ "BootloaderInfo", "a1 646d6f6465 f7", "{}" },
};

START_TEST(decodes_wire)
{
	_cleanup_free_ uint8_t *data = NULL;
	size_t size = unhex(wire[_i].cbor, &data);

	decode(wire[_i].method, data, size, wire[_i].json, wire[_i].sentence);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("commands");
	TCase *c = tcase_create("commands");

	tcase_add_loop_test(c, encodes, 0, ARRAY_SIZE(requests));
	tcase_add_loop_test(c, decodes, 0, ARRAY_SIZE(replies));
	tcase_add_loop_test(c, decodes_wire, 0, ARRAY_SIZE(wire));
	suite_add_tcase(s, c);
	return suite_run(s);
}
