/* SPDX-License-Identifier: MIT */

/* The update step by step: what is said of each thing that happens, single cases, and jobs that an earlier daemon left. */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "update-board.h"
#include "tests/unit/suite.h"

/* --- step by step: what is said ----------------------------------------------------------------------------------- */

/* Of the plain swap update: which request, what happens, how it ends. The list of requests is FRESH above. */
static const struct {
	const char *operation;
	unsigned int nth; /* of that operation, from 0 */
	enum happening what;
	const char *error;   /* or the outcome */
	const char *message; /* part of it, or NULL */
} cases[] = {
	{"list", 0, UNPLUG, "DeviceGone", "Nothing was changed"},
	{"list", 0, CANCEL, "Cancelled", "Nothing was changed"},
	{"list", 0, LOSE_REPLY, "TimedOut", "Nothing was changed"},
	{"list", 0, RC_UNKNOWN, "DeviceError", "Nothing was changed"},
	{"list", 0, BROKEN_REPLY, "ProtocolError", "Nothing was changed"},
	{"list", 0, DEADLINE, "TimedOut", "Nothing was changed"},
	{"params", 0, UNPLUG, "DeviceGone", "Nothing was changed"},
	{"params", 0, CANCEL, "Cancelled", "Nothing was changed"},
	{"params", 0, LOSE_REPLY, "updated", NULL},
	{"params", 0, RC_UNKNOWN, "updated", NULL},
	{"bootloader", 0, LOSE_REPLY, "updated", NULL},
	{"mode", 0, RC_GROUP, "updated", NULL},
	{"slots", 0, RC_UNKNOWN, "updated", NULL},
	{"chunk", 0, UNPLUG, "DeviceGone", "the upload to its other slot is incomplete"},
	{"chunk", 0, CANCEL, "Cancelled", "the upload to its other slot is incomplete"},
	{"chunk", 0, LOSE_REQUEST, "updated", NULL},
	{"chunk", 0, LOSE_REPLY, "updated", NULL},
	{"chunk", 0, RC_GROUP, "DeviceError", "incomplete"},
	{"chunk", 2, UNPLUG, "DeviceGone", "The board ran 1.0.0 when it was last seen; the upload"},
	{"mark", 0, UNPLUG, "DeviceGone", "The board ran 1.0.0 when it was last seen; 2.0.0 is in its other slot and may be marked"},
	{"chunk", 2, CANCEL, "Cancelled", "incomplete"},
	{"chunk", 2, LOSE_REQUEST, "updated", NULL},
	{"chunk", 2, LOSE_REPLY, "updated", NULL},
	{"chunk", 2, RC_GROUP, "DeviceError", "FLASH_WRITE_FAILED"},
	{"chunk", 2, BROKEN_REPLY, "updated", NULL},
	{"chunk", 2, POWER_CUT, "updated", NULL},
	{"chunk", 2, DIE, "TimedOut", "incomplete"},
	{"chunk", 4, LOSE_REPLY, "updated", NULL},
	{"list", 1, UNPLUG, "DeviceGone", "not marked"},
	{"list", 1, LOSE_REPLY, "TimedOut", "not marked"},
	{"mark", 0, CANCEL, "Cancelled", "is marked for test"},
	{"mark", 0, LOSE_REQUEST, "updated", NULL},
	{"mark", 0, LOSE_REPLY, "updated", NULL},
	{"mark", 0, RC_UNKNOWN, "DeviceError", "not marked: a reset does not boot it"},
	{"mark", 0, BROKEN_REPLY, "updated", NULL},
	{"mark", 0, DIE, "TimedOut", "may be marked"},
	{"mark", 0, DEADLINE, "updated", NULL},
	{"reset", 0, UNPLUG, "updated", NULL},
	{"reset", 0, UNPLUG_FOR_GOOD, "DeviceGone", "is not known"},
	{"reset", 0, CANCEL, "updated", NULL},
	{"reset", 0, LOSE_REQUEST, "updated", NULL},
	{"reset", 0, LOSE_REPLY, "updated", NULL},
	{"reset", 0, RC_BUSY, "DeviceError", "is marked for test"},
	{"reset", 0, RC_UNKNOWN, "DeviceError", "is marked for test"},
	{"reset", 0, POWER_CUT, "updated", NULL},
	{"reset", 0, DIE, "NotBooted", "did not come back"},
	{"list", 2, UNPLUG, "NotBooted", "1.0.0 again"},
	{"list", 2, UNPLUG_FOR_GOOD, "DeviceGone", "is not known"},
	{"list", 2, CANCEL, "updated", NULL},
	{"list", 2, LOSE_REPLY, "updated", NULL},
	{"list", 2, RC_UNKNOWN, "updated", NULL},
	{"list", 2, BROKEN_REPLY, "updated", NULL},
	{"list", 2, POWER_CUT, "NotBooted", "1.0.0 again"},
	{"list", 2, DIE, "NotBooted", "did not come back"},
	{"confirm", 0, UNPLUG, "NotBooted", "1.0.0 again"},
	{"confirm", 0, UNPLUG_FOR_GOOD, "DeviceGone", "may be confirmed"},
	{"confirm", 0, CANCEL, "updated", NULL},
	{"confirm", 0, LOSE_REQUEST, "updated", NULL},
	{"confirm", 0, LOSE_REPLY, "updated", NULL},
	{"confirm", 0, RC_UNKNOWN, "updated", NULL},
	{"confirm", 0, POWER_CUT, "NotBooted", "1.0.0 again"},
	{"confirm", 0, DIE, "NotBooted", "did not come back"},
	{"list", 3, UNPLUG, "updated", NULL},
	{"list", 3, UNPLUG_FOR_GOOD, "DeviceGone", NULL},
	{"list", 3, CANCEL, "updated", NULL},
	{"list", 3, LOSE_REPLY, "updated", NULL},
	{"list", 3, RC_UNKNOWN, "DeviceError", "may be confirmed"},
	{"list", 3, POWER_CUT, "updated", NULL},
};

/* At which request the nth of an operation comes: from an undisturbed run. */
static unsigned int request_of(const char *operation, unsigned int nth)
{
	static const char *const order[] = {"list", "params", "bootloader", "mode", "slots", "chunk", "chunk", "chunk", "chunk",
		"chunk", "list", "mark", "reset", "list", "confirm", "list"};

	for (unsigned int i = 0; i < ARRAY_SIZE(order); i++)
		if (strcmp(order[i], operation) == 0 && nth-- == 0)
			return i;
	ck_abort_msg("no such request: %s", operation);
	return 0;
}

START_TEST(step)
{
	b.what = cases[_i].what;
	b.at = request_of(cases[_i].operation, cases[_i].nth);
	bench_run(&b, NULL);
	check_truth();
	ck_assert_str_eq(b.hit, cases[_i].operation);
	if (b.u->job.state == JOB_ENDED_DONE)
		ck_assert_msg(strcmp(b.u->job.outcome, cases[_i].error) == 0, "%s", describe());
	else
		ck_assert_msg(strcmp(b.u->job.failure.error, cases[_i].error) == 0, "%s", describe());
	if (cases[_i].message)
		ck_assert_msg(says(cases[_i].message), "not said: %s: %s", cases[_i].message, describe());
}
END_TEST

/* --- single things ------------------------------------------------------------------------------------------------ */

START_TEST(trail)
{
	bench_run(&b, NULL);
	ck_assert_str_eq(b.trail, "check inspect upload mark reset reattach verify confirm final");
}
END_TEST

START_TEST(checksum_mismatch)
{
	struct update_options options = {0};
	memset(options.checksum, '0', 64);
	bench_run(&b, &options);
	ck_assert_str_eq(b.u->job.failure.error, "BadImage");
	ck_assert_str_eq(parameter("reason"), "checksum-mismatch");
	ck_assert_str_eq(b.board.operations, "");
}
END_TEST

START_TEST(checksum_in_capitals)
{
	struct update_options options = {0};
	memset(options.checksum, 'F', 64);
	bench_run(&b, &options);
	ck_assert_str_eq(b.u->job.outcome, "updated");
}
END_TEST

START_TEST(no_image)
{
	b.blob.is_image = false;
	bench_run(&b, NULL);
	ck_assert_str_eq(b.u->job.failure.error, "BadImage");
	ck_assert_str_eq(parameter("reason"), "not-an-image");
}
END_TEST

START_TEST(no_downgrade)
{
	b.board.mode = 2;
	b.board.new_is_lower = true;
	b.device.info.has_mode = b.device.info.no_downgrade = true;
	b.device.info.mode = 2;
	strcpy(b.device.info.bootloader, "MCUboot");
	bench_run(&b, NULL);
	ck_assert_str_eq(b.u->job.failure.error, "UpdateRefused");
	ck_assert_str_eq(parameter("reason"), "downgrade");
	ck_assert_ptr_null(strstr(b.board.operations, "chunk"));
}
END_TEST

/* The reset whose answer got lost, and that did not happen, is sent again; but not more than twice, and not at once. */
START_TEST(lost_reset_is_seen_and_repeated)
{
	b.board.no_banner = true;
	b.what = LOSE_REQUEST;
	b.at = request_of("reset", 0);
	bench_run(&b, NULL);
	ck_assert_str_eq(b.u->job.outcome, "updated");
	ck_assert_uint_eq(b.board.resets, 1);
	ck_assert_uint_ge(b.now_ms, 6000);
}
END_TEST

START_TEST(answered_reset_is_never_repeated)
{
	b.board.ignores_reset = b.board.no_banner = true;
	bench_run(&b, NULL);
	ck_assert_str_eq(parameter("reason"), "unchanged");
	const char *first = strstr(b.board.operations, "reset");
	ck_assert_ptr_nonnull(first);
	ck_assert_ptr_null(strstr(first + 1, "reset"));
}
END_TEST

START_TEST(boot_timeout)
{
	struct update_options options = {.boot_timeout_ms = 5000};
	b.board.never_back = true;
	bench_run(&b, &options);
	ck_assert_str_eq(parameter("reason"), "silent");
	ck_assert_uint_ge(b.now_ms, 6000);
	ck_assert_uint_le(b.now_ms, 7000);
}
END_TEST

/* The next run after any failure goes on where the board is. */
START_TEST(a_second_run_goes_on)
{
	struct model left;

	b.what = UNPLUG;
	b.at = request_of("mark", 0);
	bench_run(&b, NULL);
	left = b.board;
	bench_release(&b);
	bench_init(&b);
	left.unplugged = false;
	left.operations[0] = '\0';
	b.board = left;
	bench_run(&b, NULL);
	ck_assert_str_eq(b.u->job.outcome, "updated");
	ck_assert_str_eq(b.board.operations, "list mark reset list confirm list");
}
END_TEST

START_TEST(failure_words)
{
	b.what = RC_GROUP;
	b.at = request_of("chunk", 2);
	bench_run(&b, NULL);
	ck_assert_str_eq(b.u->job.failure.error, "DeviceError");
	ck_assert_str_eq(parameter("group"), "1");
	ck_assert_str_eq(parameter("rc"), "12");
	ck_assert_str_eq(parameter("name"), "FLASH_WRITE_FAILED");
	ck_assert_str_eq(parameter("step"), "upload");
}
END_TEST

/* --- jobs of an earlier daemon ------------------------------------------------------------------------------------ */

static const struct {
	const char *name;
	enum update_phase phase;
	struct model board;
	bool confirmed;
	const char *end, *message;
	const char *operations; /* NULL: not looked at */
} resumes[] = {
	{"nothing done", PHASE_BEFORE, {.mode = 3, .slot = {OLD}}, true, "updated", NULL, FRESH " mark reset list confirm list"},
	{"half an upload", PHASE_UPLOADING, {.mode = 3, .slot = {OLD, PARTIAL}}, true, "updated", NULL, NULL},
	{"uploaded", PHASE_UPLOADED, {.mode = 3, .slot = {OLD, NEW}}, true, "updated", NULL, "list mark reset list confirm list"},
	{"mark lost", PHASE_MARKING, {.mode = 3, .slot = {OLD, NEW}}, true, "updated", NULL, "list mark reset list confirm list"},
	{"mark arrived", PHASE_MARKING, {.mode = 3, .slot = {OLD, NEW}, .mark = TEST}, true, "updated", NULL,
		"list reset list confirm list"},
	{"reset never sent", PHASE_RESET, {.mode = 3, .slot = {OLD, NEW}, .mark = TEST}, true, "updated", NULL, NULL},
	{"reset, booted", PHASE_RESET, {.mode = 3, .slot = {NEW, OLD}}, false, "updated", NULL, "list confirm list"},
	{"reset, booted for good", PHASE_RESET, {.mode = 3, .slot = {NEW, OLD}}, true, "updated", NULL, "list list"},
	{"reset, reverted", PHASE_RESET, {.mode = 3, .slot = {OLD, NEW}}, true, "NotBooted", "1.0.0 again", "list"},
	{"reset, refused", PHASE_RESET, {.mode = 3, .slot = {OLD}}, true, "NotBooted", "did not take 2.0.0", "list"},
	{"booted, not confirmed", PHASE_BOOTED, {.mode = 3, .slot = {NEW, OLD}}, false, "updated", NULL, "list confirm list"},
	{"booted, confirmed", PHASE_BOOTED, {.mode = 3, .slot = {NEW, OLD}}, true, "updated", NULL, "list list"},
	{"booted, reverted meanwhile", PHASE_BOOTED, {.mode = 3, .slot = {OLD, NEW}}, true, "NotBooted", "1.0.0 again", "list"},
	{"reset never sent, ram load", PHASE_RESET, {.mode = 6, .slot = {OLD, NEW}}, true, "updated", NULL, NULL},
	{"reset, ram load", PHASE_RESET, {.mode = 6, .slot = {OLD, NEW}, .active = 1}, true, "updated", NULL, "list list"},
	{"stays away", PHASE_RESET, {.mode = 3, .slot = {OLD, NEW}, .mark = TEST, .dead = true}, true, "NotBooted",
		"not known", ""},
	{"stays away, before the reset", PHASE_MARKED, {.mode = 3, .slot = {OLD, NEW}, .mark = TEST, .dead = true}, true,
		"DeviceGone", "is marked", ""},
};

static void run_resumed(int i, bool found_before)
{
	b.board = resumes[i].board;
	b.board.slot_size = 65536;
	b.board.confirmed = resumes[i].confirmed;
	b.resumed = true;
	b.found_before = found_before;
	b.phase = resumes[i].phase;
	bench_run(&b, &(struct update_options){.detached = true});
	check_truth();
	const char *end = b.u->job.state == JOB_ENDED_DONE ? b.u->job.outcome : b.u->job.failure.error;
	ck_assert_msg(strcmp(end, resumes[i].end) == 0, "%s: %s", resumes[i].name, describe());
	if (resumes[i].message)
		ck_assert_msg(says(resumes[i].message), "%s: %s", resumes[i].name, describe());
	if (resumes[i].operations)
		ck_assert_msg(strcmp(b.board.operations, resumes[i].operations) == 0, "%s: %s", resumes[i].name,
				b.board.operations);
}

START_TEST(resumed)
{
	run_resumed(_i, false);
}
END_TEST

/* Its board answers before the job has its file. */
START_TEST(resumed_late)
{
	if (!resumes[_i].board.dead)
		run_resumed(_i, true);
}
END_TEST

/* Whoever asked for it went with the daemon: what was done is said, and nothing more is done. */
static const char *const left_behind[] = {
	[PHASE_BEFORE] = "Nothing was changed",
	[PHASE_UPLOADING] = "incomplete",
	[PHASE_UPLOADED] = "a reset may boot it",
	[PHASE_MARKING] = "may be marked",
	[PHASE_MARKED] = "is marked for test",
};

START_TEST(resumed_without_its_client)
{
	b.resumed = true;
	b.phase = (enum update_phase)_i;
	bench_run(&b, NULL);
	ck_assert_int_eq(b.u->job.state, JOB_ENDED_CANCELLED);
	ck_assert_str_eq(b.u->job.failure.error, "Cancelled");
	ck_assert_msg(says("daemon ended") && says(left_behind[_i]), "%s", describe());
	ck_assert_str_eq(b.board.operations, "");
}
END_TEST

/* Whether the first chunk came to its board is not known: the old application may still be whole. */
START_TEST(resumed_in_recovery_without_its_client)
{
	b.resumed = b.recovery = true;
	b.phase = PHASE_UPLOADING;
	bench_run(&b, NULL);
	ck_assert_str_eq(b.u->job.failure.error, "Cancelled");
	ck_assert_msg(says("may be written in part"), "%s", describe());
}
END_TEST

/* What a resumed job needs comes back from its record. */
START_TEST(record)
{
	_cleanup_(record_freep) struct record *r = NULL, *again = NULL;
	struct update_options options = {.image = 1, .has_image = true, .force_confirm = true, .detached = true,
		.boot_timeout_ms = 5000}, restored;
	size_t size;

	bench_run(&b, &(struct update_options){.skip_reboot = true});
	b.u->options = options;
	ck_assert_int_eq(record_new(&r), 0);
	ck_assert_int_eq(update_remember(&b.u->job, r), 0);
	_cleanup_free_ char *text = record_print(r, &size);
	ck_assert_int_eq(record_parse(text, size, &again, NULL), 0);
	ck_assert_int_eq(update_options_restore(again, &restored), 0);
	ck_assert_mem_eq(&restored, &options, sizeof(options));
	ck_assert_str_eq(record_get(again, "phase"), "marked");
	ck_assert_str_eq(record_get(again, "device"), "board");
	ck_assert_str_eq(record_get(again, "old_version"), "1.0.0");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("update-steps");
	TCase *t = tcase_create("update-steps");
	tcase_add_checked_fixture(t, bench_setup, bench_teardown);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, step, 0, ARRAY_SIZE(cases));
	tcase_add_test(t, trail);
	tcase_add_test(t, checksum_mismatch);
	tcase_add_test(t, checksum_in_capitals);
	tcase_add_test(t, no_image);
	tcase_add_test(t, no_downgrade);
	tcase_add_test(t, lost_reset_is_seen_and_repeated);
	tcase_add_test(t, answered_reset_is_never_repeated);
	tcase_add_test(t, boot_timeout);
	tcase_add_test(t, a_second_run_goes_on);
	tcase_add_test(t, failure_words);
	tcase_add_loop_test(t, resumed, 0, ARRAY_SIZE(resumes));
	tcase_add_loop_test(t, resumed_late, 0, ARRAY_SIZE(resumes));
	tcase_add_loop_test(t, resumed_without_its_client, 0, ARRAY_SIZE(left_behind));
	tcase_add_test(t, resumed_in_recovery_without_its_client);
	tcase_add_test(t, record);
	suite_add_tcase(s, t);
	return suite_run_in_process(s);
}
