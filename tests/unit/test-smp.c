/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proto/smp.h"
#include "tests/unit/suite.h"

static const struct {
	const char *bytes;
	size_t size;
	int result;
	struct smp_header header;
} header_rows[] = {
		{"\x0a\x00\x00\x06\x00\x00\x42\x00------", 14, 0, {SMP_WRITE, SMP_V2, 0, 6, 0, 0x42, 0}},
		{"\x0b\x00\x00\x01\x00\x01\xff\x01-", 9, 0, {SMP_WRITE_REPLY, SMP_V2, 0, 1, 1, 0xff, 1}},
		{"\x00\x00\x00\x00\x12\x34\x00\x05", 8, 0, {SMP_READ, SMP_V1, 0, 0, 0x1234, 0, 5}},
		{"\x09\xff\x00\x00\x00\x3f\x01\x02", 8, 0, {SMP_READ_REPLY, SMP_V2, 0xff, 0, 63, 1, 2}},
		{"\xff\x00\x00\x00\x00\x00\x00\x00", 8, 0, {7, 3, 0, 0, 0, 0, 0}},
		{"", 0, -EBADMSG, {0}},
		{"\x0b\x00\x00\x00\x00\x00\x00", 7, -EBADMSG, {0}},
		{"\x0b\x00\x00\x01\x00\x00\x00\x00", 8, -EBADMSG, {0}},
		{"\x0b\x00\x00\x00\x00\x00\x00\x00-", 9, -EBADMSG, {0}},
		{"\x0b\x00\xff\xff\x00\x00\x00\x00-", 9, -EBADMSG, {0}},
};

START_TEST(test_header)
{
	struct smp_header h = {0}, want = header_rows[_i].header;
	ck_assert_int_eq(smp_header_decode((const uint8_t *)header_rows[_i].bytes, header_rows[_i].size, &h),
			header_rows[_i].result);
	ck_assert_mem_eq(&h, &want, sizeof(h));
	if (header_rows[_i].result < 0 || (header_rows[_i].bytes[0] & 0xe0))
		return;
	uint8_t out[SMP_HEADER_SIZE];
	smp_header_encode(&want, out);
	ck_assert_mem_eq(out, header_rows[_i].bytes, sizeof(out));
}
END_TEST

START_TEST(test_answers)
{
	const struct smp_header request = {.op = SMP_WRITE, .version = SMP_V2, .group = 1, .sequence = 7, .id = 2};
	struct smp_header reply = {.op = SMP_WRITE_REPLY, .group = 1, .sequence = 7, .id = 2};
	ck_assert(smp_header_answers(&reply, &request)); /* the version may differ: old servers echo 0 */
	struct smp_header wrong[] = {reply, reply, reply, reply, reply};
	wrong[0].op = SMP_READ_REPLY;
	wrong[1].op = SMP_WRITE;
	wrong[2].group = 2;
	wrong[3].sequence = 8;
	wrong[4].id = 1;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		ck_assert(!smp_header_answers(&wrong[i], &request));
}
END_TEST

#define RC "\x62rc"
#define ERR "\x63" "err"
#define GROUP "\x65group"
#define OLD "\x63ret"
#define RSN "\x63rsn"

/* Replies as strings of CBOR; sizes by sizeof, as they hold zeros. */
#define REPLY(s) s, sizeof(s) - 1

static const struct {
	const char *cbor;
	size_t size;
	unsigned int group;
	int result;
	bool failed;
	int failed_group;
	uint64_t rc;
	const char *reason;
} status_rows[] = {
		{REPLY("\xa0"), 0, 0, false, -1, 0, NULL},
		{REPLY("\xbf" RC "\x00\xff"), 0, 0, false, -1, 0, NULL},
		{REPLY("\xa1" RC "\x08"), 0, 0, true, -1, 8, NULL},
		{REPLY("\xa1" RC "\x19\x01\x00"), 0, 0, true, -1, 256, NULL},
		{REPLY("\xa1" RC "\x1b\x00\x00\x00\x00\x00\x00\x00\x03"), 0, 0, true, -1, 3, NULL},
		{REPLY("\xa1" RC "\x21"), 0, 0, true, -1, SMP_EUNKNOWN, NULL},
		{REPLY("\xa2" RC "\x01" RSN "\x6dimg too large"), 1, 0, true, -1, 1, "img too large"},
		{REPLY("\xa2" RC "\x01" RSN "\x62" "a\xff"), 1, 0, true, -1, 1, "a\xef\xbf\xbd"},
		{REPLY("\xa2" RC "\x01" RSN "\x01"), 1, 0, true, -1, 1, NULL},
		{REPLY("\xa2" RC "\x00" RSN "\x62ok"), 1, 0, false, -1, 0, NULL},
		{REPLY("\xbf" ERR "\xbf" GROUP "\x01" RC "\x09\xff\xff"), 1, 0, true, 1, 9, NULL},
		{REPLY("\xa1" ERR "\xa2" RC "\x0b" GROUP "\x18\x63"), 8, 0, true, 99, 11, NULL},
		{REPLY("\xa2" ERR "\xa2" GROUP "\x08" RC "\x0b\x63len\x19\x01\x00"), 8, 0, true, 8, 11, NULL},
		{REPLY("\xa2\x63off\x00" ERR "\xa2" GROUP "\x08" RC "\x03"), 8, 0, true, 8, 3, NULL},
		{REPLY("\xa2" RC "\x05" ERR "\xa2" GROUP "\x01" RC "\x02"), 1, 0, true, 1, 2, NULL},
		{REPLY("\xa1" ERR "\xa2" GROUP "\x01" RC "\x00"), 1, 0, false, -1, 0, NULL},
		{REPLY("\xa1" ERR "\xa0"), 1, 0, false, -1, 0, NULL},
		/* Zephyr 3.3 and 3.4 called it ret */
		{REPLY("\xa1" OLD "\xa2" GROUP "\x01" RC "\x09"), 1, 0, true, 1, 9, NULL},
		{REPLY("\xa2" RC "\x03" OLD "\xa2" GROUP "\x01" RC "\x09"), 1, 0, true, -1, 3, NULL},
		/* the shell's own results */
		{REPLY("\xa2\x61o\x60" OLD "\x27"), 9, 0, false, -1, 0, NULL},
		{REPLY("\xa2\x61o\x60" RC "\x27"), 9, 0, false, -1, 0, NULL},
		{REPLY("\xa1" RC "\x08"), 9, 0, true, -1, 8, NULL},
		{REPLY("\xa2\x61o\x60" RC "\x08"), 0, 0, true, -1, 8, NULL},
		/* broken errors */
		{REPLY("\xa1" RC "\x61x"), 0, -EBADMSG, false, 0, 0, NULL},
		{REPLY("\xa1" ERR "\xa1" RC "\x01"), 0, -EBADMSG, false, 0, 0, NULL},
		{REPLY("\xa1" ERR "\xa2" GROUP "\x61x" RC "\x01"), 0, -EBADMSG, false, 0, 0, NULL},
		{REPLY("\xa1" ERR "\xa2" GROUP "\x1a\xff\xff\xff\xff" RC "\x01"), 0, -EBADMSG, false, 0, 0, NULL},
		{REPLY("\xa1" ERR "\xa2" GROUP "\x01" RC "\xf5"), 0, -EBADMSG, false, 0, 0, NULL},
		/* payloads of user groups are private */
		{REPLY("\xa1" RC "\x61x"), 64, 0, false, -1, 0, NULL},
		{REPLY("\x80"), 64, 0, false, -1, 0, NULL},
		{REPLY("\xa1" RC "\x19\x01\x01"), 64, 0, true, -1, 257, NULL},
};

START_TEST(test_status)
{
	struct value_doc *doc = NULL;
	ck_assert_int_eq(value_decode((const uint8_t *)status_rows[_i].cbor, status_rows[_i].size, &doc, NULL), 0);
	struct smp_status status = {0};
	ck_assert_int_eq(smp_status_decode(value_root(doc), (uint16_t)status_rows[_i].group, &status), status_rows[_i].result);
	if (status_rows[_i].result == 0) {
		ck_assert_int_eq(status.failed, status_rows[_i].failed);
		ck_assert_int_eq(status.group, status_rows[_i].failed_group);
		ck_assert_uint_eq(status.rc, status_rows[_i].rc);
		ck_assert_pstr_eq(status.reason, status_rows[_i].reason);
		ck_assert_int_eq(smp_status_unsupported(&status), status.failed && status.group == -1 && status.rc == 8);
		smp_status_release(&status);
		ck_assert_ptr_null(status.reason);
	}
	value_doc_free(doc);
}
END_TEST

static const struct {
	int group;
	uint64_t rc;
	const char *name;
} name_rows[] = {
		{-1, 0, "EOK"},
		{-1, 8, "ENOTSUP"},
		{-1, 13, "UNSUPPORTED_TOO_NEW"},
		{-1, 14, NULL},
		{-1, 256, NULL},
		{0, 0, "OK"},
		{0, 1, "UNKNOWN"},
		{0, 4, "RTC_NOT_SET"},
		{0, 8, NULL},
		{1, 9, "NO_FREE_SLOT"},
		{1, 33, "IMAGE_SETTING_TEST_TO_ACTIVE_DENIED"},
		{1, 34, "ACTIVE_SLOT_NOT_KNOWN"},
		{1, 35, NULL},
		{2, 3, "INVALID_STAT_NAME"},
		{3, 8, "SAVE_NOT_SUPPORTED"},
		{4, 1, "UNKNOWN"},
		{8, 11, "FILE_OFFSET_NOT_VALID"},
		{8, 17, "FILE_CLOSE_FAILED"},
		{9, 3, "EMPTY_COMMAND"},
		{10, 4, "INDEX_TOO_LARGE"},
		{11, 9, "SAME_DEVICE_DISALLOWED"},
		{63, 4, "FLASH_ERASE_FAILED"},
		{64, 1, NULL},
		{-2, 1, NULL},
		{1, UINT64_MAX, NULL},
};

START_TEST(test_names)
{
	ck_assert_pstr_eq(smp_rc_name(name_rows[_i].group, name_rows[_i].rc), name_rows[_i].name);
	ck_assert_int_eq(smp_rc_text(name_rows[_i].group, name_rows[_i].rc) != NULL, name_rows[_i].name != NULL);
}
END_TEST

/* The tables hold what the reference lists: no gaps, sentences without a full stop. */
START_TEST(test_tables)
{
	static const struct {
		int group;
		unsigned int last;
	} last[] = {{-1, 13}, {0, 7}, {1, 34}, {2, 5}, {3, 8}, {8, 17}, {9, 3}, {10, 4}, {11, 13}, {63, 4}};
	for (size_t i = 0; i < ARRAY_SIZE(last); i++) {
		for (unsigned int rc = 0; rc <= last[i].last; rc++) {
			const char *text = smp_rc_text(last[i].group, rc);
			ck_assert_ptr_nonnull(smp_rc_name(last[i].group, rc));
			ck_assert(strlen(text) > 0 && text[strlen(text) - 1] != '.');
			const char *hint = smp_rc_hint(last[i].group, rc, 1, 1);
			ck_assert(!hint || hint[strlen(hint) - 1] != '.');
		}
		ck_assert_ptr_null(smp_rc_name(last[i].group, last[i].last + 1));
	}
	ck_assert_str_eq(smp_group_name(SMP_OS), "OS");
	ck_assert_str_eq(smp_group_name(SMP_FS), "file system");
	ck_assert_str_eq(smp_group_name(SMP_ZEPHYR), "Zephyr basic");
	ck_assert_ptr_null(smp_group_name(64));
	ck_assert_str_eq(smp_bootloader_mode_name(-1), "unknown");
	ck_assert_str_eq(smp_bootloader_mode_name(3), "swap using move");
	ck_assert_str_eq(smp_bootloader_mode_name(9), "swap using offset");
	ck_assert_ptr_null(smp_bootloader_mode_name(10));
	ck_assert_ptr_null(smp_bootloader_mode_name(-2));
}
END_TEST

static const struct {
	int group;
	uint64_t rc;
	unsigned int request_group, request_id;
	const char *part; /* of the hint, or NULL: none */
} hint_rows[] = {
		{-1, SMP_ENOTSUP, SMP_IMAGE, 0, "CONFIG_MCUMGR_GRP_IMG"},
		{-1, SMP_ENOTSUP, SMP_IMAGE, 6, "CONFIG_MCUMGR_GRP_IMG"},
		{-1, SMP_ENOTSUP, SMP_OS, 4, "CONFIG_MCUMGR_GRP_OS_DATETIME"},
		{-1, SMP_ENOTSUP, SMP_OS, 3, "CONFIG_MCUMGR_GRP_OS"},
		{-1, SMP_ENOTSUP, SMP_LOG, 0, NULL},
		{-1, SMP_ENOTSUP, 64, 0, NULL},
		{-1, SMP_EBUSY, SMP_OS, 5, "force"},
		{-1, SMP_EBUSY, SMP_OS, 0, "later"},
		{-1, SMP_EMSGSIZE, SMP_OS, 2, "NETBUF_SIZE"},
		{-1, SMP_EUNKNOWN, SMP_OS, 0, NULL},
		{1, 9, SMP_IMAGE, 1, "confirm it"},
		{1, 9, SMP_IMAGE, 5, "the slot's image runs"}, /* an erase of it */
		{1, SMP_ENOTSUP, SMP_IMAGE, 0, "not the file's"},
		{0, 4, SMP_OS, 4, "set-datetime"},
		{99, 4, 99, 4, NULL},
};

START_TEST(test_hints)
{
	const char *hint = smp_rc_hint(hint_rows[_i].group, hint_rows[_i].rc, hint_rows[_i].request_group,
			hint_rows[_i].request_id);
	if (!hint_rows[_i].part)
		ck_assert_ptr_null(hint);
	else
		ck_assert_msg(hint && strstr(hint, hint_rows[_i].part), "%s: %s", hint_rows[_i].part, hint);
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("smp");
	tcase_add_loop_test(t, test_header, 0, (int)ARRAY_SIZE(header_rows));
	tcase_add_test(t, test_answers);
	tcase_add_loop_test(t, test_status, 0, (int)ARRAY_SIZE(status_rows));
	tcase_add_loop_test(t, test_names, 0, (int)ARRAY_SIZE(name_rows));
	tcase_add_test(t, test_tables);
	tcase_add_loop_test(t, test_hints, 0, (int)ARRAY_SIZE(hint_rows));
	Suite *s = suite_create("smp");
	suite_add_tcase(s, t);
	return suite_run(s);
}
