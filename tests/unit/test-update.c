/* SPDX-License-Identifier: MIT */

/* The update against a model of a board: every mode of the bootloader, every state a board can be found in, and in every one
 * of their requests everything that can happen to board, cable and job. After each the job must have ended, and what it says
 * of the board must be true of the model. */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "update-board.h"
#include "tests/unit/suite.h"

/* --- modes and starting states (SMP §7.4, §7.5, §8.3) ------------------------------------------------------------- */

static const struct start {
	const char *name;
	struct model board;
	struct update_options options;
	const char *outcome, *error, *reason;
	const char *operations; /* NULL: not looked at */
} starts[] = {
	{"swap", {.mode = 3, .slot = {OLD}}, {0}, "updated", NULL, NULL, FRESH " mark reset list confirm list"},
	{"swap scratch", {.mode = 1, .slot = {OLD}}, {0}, "updated", NULL, NULL, FRESH " mark reset list confirm list"},
	{"swap offset", {.mode = 9, .slot = {OLD}}, {0}, "updated", NULL, NULL, FRESH " mark reset list confirm list"},
	{"overwrite", {.mode = 2, .slot = {OLD}}, {0}, "updated", NULL, NULL, FRESH " mark reset list list"},
	{"direct-xip", {.mode = 4, .slot = {OLD}}, {0}, "updated", NULL, NULL, FRESH " mark reset list list"},
	{"direct-xip revert", {.mode = 5, .slot = {OLD}}, {0}, "updated", NULL, NULL, FRESH " mark reset list confirm list"},
	{"ram load", {.mode = 6, .slot = {OLD}}, {0}, "updated", NULL, NULL, FRESH " mark reset list list"},
	{"single ram load", {.mode = 8, .slot = {OLD}}, {0}, "updated", NULL, NULL, FRESH " mark reset list list"},
	{"no bootloader info", {.mode = 3, .slot = {OLD}, .no_bootloader_info = true}, {0}, "updated", NULL, NULL,
		"list params bootloader slots chunk list mark reset list confirm list"},
	{"ram load, mode unknown", {.mode = 6, .slot = {OLD}, .no_bootloader_info = true}, {0}, "updated", NULL, NULL, NULL},
	{"no slot info", {.mode = 3, .slot = {OLD}, .no_slot_info = true}, {0}, "updated", NULL, NULL,
		FRESH " mark reset list confirm list"},
	{"single slot", {.mode = 0, .slot = {OLD}, .no_group = true}, {0}, NULL, "NotSupported", NULL, "list"},
	{"recovery", {.mode = 0, .slot = {OLD}, .in_recovery = true}, {0}, "updated", NULL, NULL,
		"list params slots chunk list reset list list"},
	{"recovery, empty", {.mode = 3, .in_recovery = true}, {0}, "updated", NULL, NULL,
		"list params slots chunk list reset list list"},
	{"recovery, new one there", {.mode = 3, .slot = {NEW}, .in_recovery = true}, {0}, "updated", NULL, NULL,
		"list reset list list"},
	{"recovery, only in slot 1", {.mode = 0, .slot = {EMPTY, NEW}, .in_recovery = true}, {0}, "updated", NULL, NULL, NULL},
	{"recovery, application without images", {.mode = 0, .in_recovery = true, .new_lacks_group = true}, {0}, "updated",
		NULL, NULL, "list params slots chunk list reset list"},
	{"recovery, bad image", {.mode = 0, .in_recovery = true, .new_is_bad = true}, {0}, NULL, "NotBooted", "refused", NULL},
	{"recovery, skip reboot", {.mode = 0, .in_recovery = true}, {.skip_reboot = true}, "uploaded", NULL, NULL,
		"list params slots chunk list"},

	{"active and confirmed", {.mode = 3, .slot = {NEW}}, {0}, "unchanged", NULL, NULL, "list"},
	{"active, old below", {.mode = 3, .slot = {NEW, OLD}}, {0}, "unchanged", NULL, NULL, "list"},
	{"in both slots", {.mode = 3, .slot = {NEW, NEW}}, {0}, "unchanged", NULL, NULL, "list"},
	{"active, not confirmed", {.mode = 3, .slot = {NEW, OLD}, .confirmed = false, .no_banner = true}, {0}, "confirmed", NULL,
		NULL, "list confirm list"},
	{"active, not confirmed, to stay so", {.mode = 3, .slot = {NEW, OLD}, .confirmed = false, .no_banner = true},
		{.no_confirm = true}, "testing", NULL, NULL, "list"},
	{"uploaded", {.mode = 3, .slot = {OLD, NEW}}, {0}, "updated", NULL, NULL, "list mark reset list confirm list"},
	{"uploaded, ram load", {.mode = 6, .slot = {OLD, NEW}}, {0}, "updated", NULL, NULL, "list mark reset list list"},
	{"pending", {.mode = 3, .slot = {OLD, NEW}, .mark = TEST}, {0}, "updated", NULL, NULL, "list reset list confirm list"},
	{"pending for good", {.mode = 3, .slot = {OLD, NEW}, .mark = PERMANENT}, {0}, "updated", NULL, NULL,
		"list reset list list"},
	{"pending, skip reboot", {.mode = 3, .slot = {OLD, NEW}, .mark = TEST}, {.skip_reboot = true}, "marked", NULL, NULL,
		"list"},
	{"old junk below", {.mode = 3, .slot = {OLD, OTHER}}, {0}, "updated", NULL, NULL, NULL},
	{"half an upload below", {.mode = 3, .slot = {OLD, PARTIAL}}, {0}, "updated", NULL, NULL, NULL},
	{"another is pending", {.mode = 3, .slot = {OLD, OTHER}, .mark = TEST}, {0}, NULL, "UpdateRefused", "pending", "list"},
	{"another is pending for good", {.mode = 3, .slot = {OLD, OTHER}, .mark = PERMANENT}, {0}, NULL, "UpdateRefused",
		"pending", "list"},
	{"another is tested", {.mode = 3, .slot = {OTHER, OLD}, .confirmed = false, .no_banner = true}, {0}, NULL,
		"UpdateRefused", "testing", "list"},
	{"another is tested, this one is to return to", {.mode = 3, .slot = {OTHER, NEW}, .confirmed = false, .no_banner = true},
		{0}, NULL, "UpdateRefused", "testing", "list"},

	{"no confirm", {.mode = 3, .slot = {OLD}}, {.no_confirm = true}, "testing", NULL, NULL, FRESH " mark reset list"},
	{"no confirm, overwrite", {.mode = 2, .slot = {OLD}}, {.no_confirm = true}, "updated", NULL, NULL, NULL},
	{"no confirm, confirms itself", {.mode = 3, .slot = {OLD}, .new_confirms_itself = true}, {.no_confirm = true}, "updated",
		NULL, NULL, NULL},
	{"confirms itself", {.mode = 3, .slot = {OLD}, .new_confirms_itself = true}, {0}, "updated", NULL, NULL,
		FRESH " mark reset list list"},
	{"force confirm", {.mode = 3, .slot = {OLD}}, {.force_confirm = true}, "updated", NULL, NULL, FRESH " mark reset list list"},
	{"skip reboot", {.mode = 3, .slot = {OLD}}, {.skip_reboot = true}, "marked", NULL, NULL, FRESH " mark"},
	{"skip reboot, ram load", {.mode = 6, .slot = {OLD}}, {.skip_reboot = true}, "uploaded", NULL, NULL, FRESH " mark"},
	{"erase first", {.mode = 3, .slot = {OLD, OTHER}}, {.erase_first = true}, "updated", NULL, NULL,
		"list params bootloader mode slots erase chunk list mark reset list confirm list"},
	{"upload only", {.mode = 3, .slot = {OLD}}, {.upload_only = true}, "uploaded", NULL, NULL, "chunk"},

	{"reverted", {.mode = 3, .slot = {OLD}, .new_crashes = true}, {0}, NULL, "NotBooted", "reverted", FRESH " mark reset list"},
	{"refused", {.mode = 3, .slot = {OLD}, .new_is_bad = true}, {0}, NULL, "NotBooted", "refused", FRESH " mark reset list"},
	{"refused, overwrite", {.mode = 2, .slot = {OLD}, .new_is_bad = true}, {0}, NULL, "NotBooted", "refused", NULL},
	{"refused, ram load", {.mode = 6, .slot = {OLD}, .new_is_bad = true}, {0}, NULL, "NotBooted", "refused", NULL},
	{"reverted, direct-xip", {.mode = 5, .slot = {OLD}, .new_crashes = true}, {0}, NULL, "NotBooted", "reverted", NULL},
	{"never back", {.mode = 3, .slot = {OLD}, .never_back = true}, {0}, NULL, "NotBooted", "silent", NULL},
	{"stuck in recovery", {.mode = 3, .slot = {OLD}, .stuck = true}, {0}, NULL, "NotBooted", "refused", NULL},
	{"never resets", {.mode = 3, .slot = {OLD}, .ignores_reset = true, .no_banner = true}, {0}, NULL, "NotBooted",
		"unchanged", NULL},
	{"never resets, ram load", {.mode = 6, .slot = {OLD}, .ignores_reset = true, .no_banner = true}, {0}, NULL, "NotBooted",
		"unchanged", NULL},
	{"ram load, refused, boot not seen", {.mode = 6, .slot = {OLD}, .new_is_bad = true, .no_banner = true}, {0}, NULL,
		"NotBooted", "unchanged", NULL},
	{"the old one answers for a while", {.mode = 3, .slot = {OLD}, .slow_resets = 3}, {0}, "updated", NULL, NULL, NULL},
	{"the old one answers for a while, ram load", {.mode = 6, .slot = {OLD}, .slow_resets = 3}, {0}, "updated", NULL, NULL,
		NULL},
	{"flash worn out", {.mode = 3, .slot = {OLD}, .worn_out = true}, {0}, NULL, "DeviceError", NULL,
		"list params bootloader mode slots chunk list slots chunk"},
	{"mark without effect", {.mode = 3, .slot = {OLD}, .ignores_mark = true}, {0}, NULL, "ProtocolError", NULL, NULL},
	{"confirm without effect", {.mode = 3, .slot = {OLD}, .ignores_confirm = true}, {0}, NULL, "ProtocolError", NULL, NULL},
	{"new image without image management", {.mode = 3, .slot = {OLD}, .new_lacks_group = true}, {0}, NULL, "ProtocolError",
		NULL, NULL},
	{"slot too small", {.mode = 3, .slot = {OLD}, .slot_size = 1499}, {0}, NULL, "BadImage", "too-large",
		"list params bootloader mode slots"},
	{"slot just large enough", {.mode = 3, .slot = {OLD}, .slot_size = 1500}, {0}, "updated", NULL, NULL, NULL},
	{"lower version, ram load", {.mode = 6, .slot = {OLD}, .new_is_lower = true}, {0}, NULL, "UpdateRefused", "downgrade",
		"list params bootloader mode slots"},
	{"lower version, uploaded, direct-xip", {.mode = 4, .slot = {OLD, NEW}, .new_is_lower = true, .no_bootloader_info = true},
		{0}, NULL, "NotBooted", "refused", NULL},
	{"upgrade only, lower version", {.mode = 3, .slot = {OLD}, .new_is_lower = true}, {.upgrade_only = true}, NULL,
		"UpdateRefused", "downgrade", "list params bootloader mode slots"},
	{"upgrade only, lower version is uploaded", {.mode = 3, .slot = {OLD, NEW}, .new_is_lower = true}, {.upgrade_only = true},
		NULL, "UpdateRefused", "downgrade", "list"},
	{"upgrade only, lower version is pending", {.mode = 3, .slot = {OLD, NEW}, .new_is_lower = true, .mark = TEST},
		{.upgrade_only = true}, NULL, "UpdateRefused", "downgrade", "list"},
	{"upgrade only, lower version, recovery", {.mode = 0, .slot = {OLD}, .in_recovery = true, .new_is_lower = true},
		{.upgrade_only = true}, NULL, "UpdateRefused", "downgrade", "list params slots"},
	{"upgrade only, higher version", {.mode = 3, .slot = {OLD}}, {.upgrade_only = true}, "updated", NULL, NULL, NULL},
	{"lower version, swap", {.mode = 3, .slot = {OLD}, .new_is_lower = true}, {0}, "updated", NULL, NULL, NULL},
};

/* The table leaves out what is usual. */
static void take_start(const struct start *s)
{
	b.board = s->board;
	if (!s->board.slot_size)
		b.board.slot_size = 65536;
	/* An unconfirmed start is marked by no_banner in the table: false is what the others leave out. */
	b.board.confirmed = !(s->board.no_banner && strstr(s->name, "not confirmed")) && !strstr(s->name, "is tested");
}

START_TEST(start)
{
	const struct start *s = &starts[_i];

	take_start(s);
	bench_run(&b, &s->options);
	check_truth();
	if (s->outcome) {
		ck_assert_msg(b.u->job.state == JOB_ENDED_DONE, "%s: %s", s->name, describe());
		ck_assert_str_eq(b.u->job.outcome, s->outcome);
	} else {
		ck_assert_msg(b.u->job.state == JOB_ENDED_FAILED, "%s: %s", s->name, describe());
		ck_assert_msg(strcmp(b.u->job.failure.error, s->error) == 0, "%s: %s", s->name, describe());
	}
	if (s->reason)
		ck_assert_msg(strcmp(parameter("reason"), s->reason) == 0, "%s: %s", s->name, describe());
	if (s->operations)
		ck_assert_msg(strcmp(b.board.operations, s->operations) == 0, "%s: %s", s->name, b.board.operations);
}
END_TEST

/* --- everything, everywhere --------------------------------------------------------------------------------------- */

#define MODES 8 /* the first starts */
static const struct update_options detours[] = {
	{.erase_first = true}, {.force_confirm = true}, {.no_confirm = true}, {.skip_reboot = true},
};

/* One start, one kind of happening: at each of its requests, until none is hit any more. */
static unsigned int sweep(const struct start *s, const struct update_options *options, enum happening what)
{
	struct update_options o = *options;

	o.boot_timeout_ms = 20000; /* 20 looks at a board that never resets are as good as 180 */
	for (unsigned int at = 0;; at++) {
		bench_init(&b);
		take_start(s);
		b.what = what;
		b.at = at;
		bench_run(&b, &o);
		bool hit = b.hit[0];
		check_truth();
		bench_release(&b);
		b.u = NULL;
		if (!hit)
			return at;
		ck_assert_uint_lt(at, 200);
	}
}

START_TEST(everything)
{
	const struct start *s = &starts[_i];

	for (enum happening what = NOTHING + 1; what < HAPPENINGS; what++) {
		sweep(s, &s->options, what);
		for (size_t i = 0; _i < MODES && i < ARRAY_SIZE(detours); i++)
			sweep(s, &detours[i], what);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("update");
	TCase *t = tcase_create("update");
	tcase_add_checked_fixture(t, bench_setup, bench_teardown);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, start, 0, ARRAY_SIZE(starts));
	tcase_add_loop_test(t, everything, 0, ARRAY_SIZE(starts));
	suite_add_tcase(s, t);
	return suite_run_in_process(s);
}
