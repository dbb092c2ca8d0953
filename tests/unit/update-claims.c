/* SPDX-License-Identifier: MIT */

/* What the job claims, and what is. */

#include "update-board.h"

#include <check.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

struct bench b;

char *parameter(const char *name)
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

const char *describe(void)
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

bool says(const char *sentence)
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
	bool known = !b.board.unplugged && b.what != POWER_CUT && b.what != REPLUG_AT_RECORD;

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
	if (says("not confirmed: a reset"))
		claim(!b.board.confirmed || !known);
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

void check_truth(void)
{
	if (b.u->job.state == JOB_ENDED_DONE)
		check_done();
	else
		check_failed();
	/* What was not sent yet stays unsent. */
	if (b.what == CANCEL_AT_RECORD && strcmp(b.hit, "record of mark") == 0)
		claim((b.board.marks == 0 || b.board.ignores_mark) && b.board.mark == UNMARKED && !says("marked for test") && !says("may be marked"));
	/* Never twice blindly, and never an image confirmed that was not seen to run. */
	claim(b.board.resets <= 3);
	claim(b.board.confirms == 0 || b.board.slot[b.board.active] == NEW || b.what != NOTHING);
}

void bench_setup(void)
{
	bench_init(&b);
}

void bench_teardown(void)
{
	if (b.u)
		bench_release(&b);
}
