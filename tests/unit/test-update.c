/* SPDX-License-Identifier: MIT */

/* The update's table of steps against a model of a board: every mode of the bootloader, every state a board can be found in,
 * and in every one of their requests everything that can happen to board, cable and job. After each the job must have
 * ended, and what it says of the board must be true of the model. */

#include <check.h>
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "update-board.h"

static struct bench b;

static void setup(void)
{
	bench_init(&b);
}

static void teardown(void)
{
	if (b.u)
		bench_release(&b);
}

static char *parameter(const char *name)
{
	static char text[1024];
	json_object *o, *value;

	ck_assert_ptr_nonnull(b.u->job.failure.parameters);
	o = json_tokener_parse(b.u->job.failure.parameters);
	ck_assert_msg(o != NULL, "no JSON: %s", b.u->job.failure.parameters);
	snprintf(text, sizeof(text), "%s", json_object_object_get_ex(o, name, &value) ? json_object_get_string(value) : "");
	json_object_put(o);
	return text;
}

/* --- what the job claims, and what is ----------------------------------------------------------------------------------- */

static const char *describe(void)
{
	static char text[2048];
	snprintf(text, sizeof(text), "mode %d, %s at request %u (%s): %s%s %s; slots %d %d active %d confirmed %d mark %d; %s",
			b.board.mode, happening_name(b.what), b.at, b.hit, b.u->job.failure.error ? b.u->job.failure.error : "",
			b.u->job.outcome ? b.u->job.outcome : "", b.u->job.failure.parameters ? b.u->job.failure.parameters : "",
			b.board.slot[0], b.board.slot[1], b.board.active, b.board.confirmed, b.board.mark, b.board.operations);
	return text;
}

#define claim(condition) ck_assert_msg(condition, "%s is not true: %s", #condition, describe())

static bool runs(enum held h)
{
	return b.board.slot[b.board.active] == h && !b.board.in_recovery;
}

static bool says(const char *sentence)
{
	return strstr(parameter("message"), sentence) != NULL;
}

static void check_done(void)
{
	const char *outcome = b.u->job.outcome;

	claim(outcome != NULL);
	claim(b.u->job.percent == 100);
	if (strcmp(outcome, "updated") == 0 || strcmp(outcome, "unchanged") == 0 || strcmp(outcome, "confirmed") == 0) {
		claim(runs(NEW));
		claim(b.board.confirmed);
	} else if (strcmp(outcome, "testing") == 0) {
		claim(runs(NEW));
	} else if (strcmp(outcome, "marked") == 0) {
		claim(b.board.mark != UNMARKED && b.board.slot[1 - b.board.active] == NEW);
	} else {
		claim(strcmp(outcome, "uploaded") == 0);
		claim(b.board.slot[0] == NEW || b.board.slot[1] == NEW);
	}
}

/* Sentences about where the board is are true of a board that can still be asked. */
static void check_sentence(void)
{
	bool known = !b.board.unplugged && b.what != POWER_CUT;

	if (says("Nothing was changed"))
		claim(b.board.resets == 0 && b.board.marks == 0 && b.board.uploads == 0);
	if (says("a reset does not boot it"))
		claim(b.board.mark == UNMARKED && !runs(NEW));
	if (says("is marked") && known)
		claim(b.board.mark != UNMARKED);
	if (says("may be marked"))
		claim(b.board.resets == 0 && (b.board.slot[1 - b.board.active] == NEW || !known));
	if (says("The board runs 2.0.0, confirmed") && known)
		claim(runs(NEW) && b.board.confirmed);
	if (says("whether the board runs"))
		claim(b.board.dead || b.board.unplugged || b.board.new_lacks_group);
}

static void check_failed(void)
{
	const char *error = b.u->job.failure.error;

	claim(error != NULL);
	claim(*parameter("message"));
	if (strcmp(error, "NotBooted") != 0) {
		if (strcmp(error, "BadImage") != 0)
			claim(strcmp(parameter("device"), "board") == 0);
		check_sentence();
		return;
	}
	claim(strlen(parameter("expected")) == 64);
	/* (The very last look before the deadline may be the one that was lost.) */
	if (strcmp(parameter("reason"), "silent") == 0)
		claim(b.board.dead || b.board.unplugged || ((b.board.ignores_reset || b.board.no_banner) && b.hit[0]));
	else
		claim(!runs(NEW));
	/* A mark that is still set is said. */
	if (strcmp(parameter("reason"), "unchanged") == 0 && !b.u->flagless)
		claim(b.board.mark != UNMARKED && says("still marked"));
}

static void check_truth(void)
{
	if (b.u->job.state == JOB_ENDED_DONE)
		check_done();
	else
		check_failed();
	/* Never twice blindly, and never an image confirmed that was not seen to run. */
	claim(b.board.resets <= 3);
	claim(b.board.confirms == 0 || b.board.slot[b.board.active] == NEW || b.what != NOTHING);
}

/* --- modes and starting states (SMP §7.4, §7.5, §8.3) --------------------------------------------------------------------- */

#define FRESH "list params bootloader mode slots chunk list"

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

/* --- everything, everywhere ----------------------------------------------------------------------------------------------- */

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

/* --- step by step: what is said ------------------------------------------------------------------------------------------- */

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
	{"chunk", 2, UNPLUG, "DeviceGone", "The board runs 1.0.0"},
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
	{"mark", 0, UNPLUG, "DeviceGone", "may be marked"},
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
	{"confirm", 0, UNPLUG_FOR_GOOD, "DeviceGone", "not confirmed"},
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
	{"list", 3, RC_UNKNOWN, "DeviceError", "not confirmed"},
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

/* --- single things -------------------------------------------------------------------------------------------------------- */

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
	Suite *s = suite_create("update");
	TCase *t = tcase_create("update");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, start, 0, ARRAY_SIZE(starts));
	tcase_add_loop_test(t, step, 0, ARRAY_SIZE(cases));
	tcase_add_loop_test(t, everything, 0, ARRAY_SIZE(starts));
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
	tcase_add_test(t, record);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_set_fork_status(r, CK_NOFORK);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
