/* SPDX-License-Identifier: MIT */

/* The step runner alone: every verdict of begin and end, and unplugging, cancelling, deadlines and errors in every kind of
 * step. No loop, no clock: the owner below only writes down what it is told. */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/job.h"
#include "tests/unit/suite.h"

static char trail[512];
static unsigned int armed, progresses, finishes, destroyed;
static bool cancel_on_progress, cancel_in_end;
/* What begin and end of each step answer; begin: 0 stands for JOB_WAIT. */
static int begins[4], ends[4];

static void say(const char *what, struct job *job)
{
	size_t n = strlen(trail);
	snprintf(trail + n, sizeof(trail) - n, "%s%s-%s", n ? " " : "", what, job->step->name);
}

static int index_of(struct job *job)
{
	return (int)(job->step - job->steps);
}

static int on_begin(struct job *job)
{
	int verdict = begins[index_of(job)];
	say("begin", job);
	begins[index_of(job)] = 0;
	return verdict ? verdict : JOB_WAIT;
}

static int on_end(struct job *job, int result)
{
	char what[32];
	int verdict = ends[index_of(job)];
	snprintf(what, sizeof(what), "end(%d)", result);
	say(what, job);
	if (cancel_in_end)
		job_cancel(job);
	ends[index_of(job)] = 0;
	return verdict ? verdict : result < 0 ? result : JOB_NEXT;
}

static void on_leave(struct job *job)
{
	say("leave", job);
}

static void arm(struct job *job, unsigned int ms)
{
	(void)job;
	armed = ms;
}

static void progress(struct job *job)
{
	progresses++;
	if (cancel_on_progress)
		job_cancel(job);
}

static void finished(struct job *job)
{
	say(job->state == JOB_ENDED_DONE ? "done" : job->state == JOB_ENDED_CANCELLED ? "cancelled" : "failed", job);
	finishes++;
}

static void destroy(struct job *job)
{
	destroyed++;
	free(job);
}

static const struct job_owner owner = {.arm = arm, .progress = progress, .finished = finished};

/* a: plain; b: the board may vanish; c: too late to cancel; d: a cancel waits for its end. */
static const struct job_step steps[] = {
	{"a", on_begin, on_end, on_leave, 100, 1, .whole = false},
	{"b", on_begin, on_end, on_leave, 200, 7, .unplug_ok = true},
	{"c", on_begin, on_end, on_leave, 300, 1, .committed = true},
	{"d", on_begin, on_end, on_leave, 0, 1, .whole = true},
	{0},
};
static const struct job_step committed_steps[] = {
	{"a", on_begin, on_end, NULL, 100, 1, .committed = true},
	{"b", on_begin, NULL, NULL, 0, 1, .committed = true},
	{0},
};

static struct job *fresh_of(const struct job_step *table)
{
	struct job *job = calloc(1, sizeof(*job));
	trail[0] = '\0';
	armed = progresses = finishes = destroyed = 0;
	cancel_on_progress = cancel_in_end = false;
	memset(begins, 0, sizeof(begins));
	memset(ends, 0, sizeof(ends));
	job_init(job, "update", table, &owner, NULL);
	job->destroy = destroy;
	job->device_id = strdup("board");
	return job;
}

static struct job *fresh(void)
{
	return fresh_of(steps);
}

static void drop(struct job *job)
{
	job_unref(job);
	ck_assert_uint_eq(destroyed, 1);
}

/* Starts a job that waits in a step. */
static struct job *waiting_in(int step)
{
	struct job *job = fresh();
	for (int i = 0; i < step; i++)
		begins[i] = JOB_NEXT;
	job_start(job);
	ck_assert_str_eq(job->step->name, steps[step].name);
	trail[0] = '\0';
	return job;
}

static void ended(struct job *job, enum job_state state, const char *error)
{
	ck_assert_int_eq(job->state, state);
	ck_assert_uint_eq(finishes, 1);
	ck_assert_uint_eq(armed, 0);
	ck_assert_uint_gt(job->finished_us, 0);
	if (error)
		ck_assert_str_eq(job->failure.error, error);
	else
		ck_assert_ptr_null(job->failure.error);
	/* Nothing of what may still come late does anything. */
	trail[0] = '\0';
	job_complete(job, 0);
	job_expired(job);
	job_unplugged(job);
	job_cancel(job);
	ck_assert_str_eq(trail, "");
	ck_assert_uint_eq(finishes, 1);
	drop(job);
}

START_TEST(happy)
{
	struct job *job = fresh();
	job_start(job);
	ck_assert_str_eq(trail, "begin-a");
	ck_assert_uint_eq(armed, 100);
	job_complete(job, 0);
	ck_assert_uint_eq(armed, 200);
	ck_assert_uint_eq(job->percent, 10);
	job_complete(job, 0);
	ck_assert_uint_eq(armed, 300);
	ck_assert_uint_eq(job->percent, 80);
	job_complete(job, 0);
	ck_assert_uint_eq(armed, 0);
	ck_assert_int_eq(job->state, JOB_RUNNING);
	job_complete(job, 0);
	ck_assert_str_eq(trail, "begin-a end(0)-a leave-a begin-b end(0)-b leave-b begin-c end(0)-c leave-c begin-d "
				"end(0)-d leave-d done-d");
	ck_assert_uint_eq(job->percent, 100);
	ended(job, JOB_ENDED_DONE, NULL);
}
END_TEST

/* Verdicts at once: of begin, of end, in every order that matters. */
static const struct {
	int begins[4], ends[4];
	int completions;
	const char *trail;
	enum job_state state;
	const char *error;
} verdicts[] = {
	{{JOB_NEXT, JOB_NEXT, JOB_NEXT, JOB_NEXT}, {0}, 0,
		"begin-a leave-a begin-b leave-b begin-c leave-c begin-d leave-d done-d", JOB_ENDED_DONE, NULL},
	{{JOB_DONE}, {0}, 0, "begin-a leave-a done-a", JOB_ENDED_DONE, NULL},
	{{-EIO}, {0}, 0, "begin-a leave-a failed-a", JOB_ENDED_FAILED, "ProtocolError"},
	{{-ENODEV}, {0}, 0, "begin-a leave-a failed-a", JOB_ENDED_FAILED, "DeviceGone"},
	{{-ECANCELED}, {0}, 0, "begin-a leave-a cancelled-a", JOB_ENDED_CANCELLED, "Cancelled"},
	{{JOB_GOTO}, {0}, 0, "begin-a leave-a begin-d", JOB_RUNNING, NULL},
	{{0}, {JOB_AGAIN}, 2, "begin-a end(0)-a begin-a end(0)-a leave-a begin-b", JOB_RUNNING, NULL},
	{{0}, {JOB_GOTO}, 1, "begin-a end(0)-a leave-a begin-d", JOB_RUNNING, NULL},
	{{0}, {JOB_DONE}, 1, "begin-a end(0)-a leave-a done-a", JOB_ENDED_DONE, NULL},
	{{0}, {JOB_WAIT}, 2, "begin-a end(0)-a", JOB_RUNNING, NULL},
	{{0}, {-ETIMEDOUT}, 1, "begin-a end(0)-a leave-a failed-a", JOB_ENDED_FAILED, "TimedOut"},
	{{JOB_NEXT, 0}, {0, -EREMOTEIO}, 1, "begin-a leave-a begin-b end(0)-b leave-b failed-b", JOB_ENDED_FAILED,
		"ProtocolError"},
};

START_TEST(verdict)
{
	struct job *job = fresh();
	memcpy(begins, verdicts[_i].begins, sizeof(begins));
	memcpy(ends, verdicts[_i].ends, sizeof(ends));
	job->next = &steps[3];
	job_start(job);
	/* JOB_WAIT from end() would wait for nothing: the second completion below must not be needed by anybody. */
	for (int i = 0; i < verdicts[_i].completions; i++)
		job_complete(job, 0);
	ck_assert_str_eq(trail, verdicts[_i].trail);
	ck_assert_int_eq(job->state, verdicts[_i].state);
	if (verdicts[_i].error)
		ck_assert_str_eq(job->failure.error, verdicts[_i].error);
	drop(job);
}
END_TEST

/* What happens to a job that waits in each step. */
enum event { UNPLUG, CANCEL, TIMEOUT, ERROR };
static const struct {
	int step;
	enum event event;
	const char *trail;
	enum job_state state;
	const char *error;
} events[] = {
	{0, UNPLUG, "leave-a end(-19)-a leave-a failed-a", JOB_ENDED_FAILED, "DeviceGone"},
	{0, CANCEL, "leave-a cancelled-a", JOB_ENDED_CANCELLED, "Cancelled"},
	{0, TIMEOUT, "leave-a end(-110)-a leave-a failed-a", JOB_ENDED_FAILED, "TimedOut"},
	{0, ERROR, "end(-121)-a leave-a failed-a", JOB_ENDED_FAILED, "ProtocolError"},
	{1, UNPLUG, "", JOB_RUNNING, NULL},
	{1, CANCEL, "leave-b cancelled-b", JOB_ENDED_CANCELLED, "Cancelled"},
	{1, TIMEOUT, "leave-b end(-110)-b leave-b failed-b", JOB_ENDED_FAILED, "TimedOut"},
	{1, ERROR, "end(-121)-b leave-b failed-b", JOB_ENDED_FAILED, "ProtocolError"},
	{2, UNPLUG, "leave-c end(-19)-c leave-c failed-c", JOB_ENDED_FAILED, "DeviceGone"},
	{2, CANCEL, "", JOB_RUNNING, NULL},
	{2, TIMEOUT, "leave-c end(-110)-c leave-c failed-c", JOB_ENDED_FAILED, "TimedOut"},
	{2, ERROR, "end(-121)-c leave-c failed-c", JOB_ENDED_FAILED, "ProtocolError"},
	{3, UNPLUG, "leave-d end(-19)-d leave-d failed-d", JOB_ENDED_FAILED, "DeviceGone"},
	{3, CANCEL, "", JOB_RUNNING, NULL},
	{3, TIMEOUT, "leave-d end(-110)-d leave-d failed-d", JOB_ENDED_FAILED, "TimedOut"},
	{3, ERROR, "end(-121)-d leave-d failed-d", JOB_ENDED_FAILED, "ProtocolError"},
};

static void happen(struct job *job, enum event event)
{
	if (event == UNPLUG)
		job_unplugged(job);
	else if (event == CANCEL)
		job_cancel(job);
	else if (event == TIMEOUT)
		job_expired(job);
	else
		job_complete(job, -EREMOTEIO);
}

START_TEST(event)
{
	struct job *job = waiting_in(events[_i].step);
	happen(job, events[_i].event);
	ck_assert_str_eq(trail, events[_i].trail);
	if (events[_i].state == JOB_RUNNING) {
		ck_assert_int_eq(job->state, JOB_RUNNING);
		drop(job);
	} else {
		ended(job, events[_i].state, events[_i].error);
	}
}
END_TEST

/* The generic words of a failure name the board, the step and the trouble. */
START_TEST(words)
{
	struct job *job = waiting_in(0);
	job_cancel(job);
	ck_assert_str_eq(job->failure.parameters, "{\"device\":\"board\",\"step\":\"a\",\"message\":\"cancelled\"}");
	drop(job);
}
END_TEST

START_TEST(the_first_failure_wins)
{
	struct job *job = fresh();
	ck_assert_int_eq(job_fail(job, -EIO, "BadImage", strdup("{}")), -EIO);
	ck_assert_int_eq(job_fail(job, -EPERM, "NotBooted", strdup("{}")), -EPERM);
	begins[0] = -EPERM;
	job_start(job);
	ended(job, JOB_ENDED_FAILED, "BadImage");
}
END_TEST

static void explain(struct job *job, int error)
{
	job_fail(job, error, error == -ETIMEDOUT ? "NotBooted" : "UpdateRefused", strdup("{}"));
}

START_TEST(the_job_explains)
{
	struct job *job = waiting_in(0);
	job->explain = explain;
	job_expired(job);
	ended(job, JOB_ENDED_FAILED, "NotBooted");
}
END_TEST

/* A cancel in the last cancellable operation that must be awaited stops before the committed step. */
START_TEST(cancel_waits_for_a_whole_step)
{
	struct job *job = waiting_in(3);
	job_cancel(job);
	ck_assert_int_eq(job->state, JOB_RUNNING);
	job->next = &steps[2];
	ends[3] = JOB_GOTO;
	job_complete(job, 0);
	ck_assert_str_eq(trail, "end(0)-d leave-d cancelled-d");
	ended(job, JOB_ENDED_CANCELLED, "Cancelled");
}
END_TEST

/* ... and is ignored from one committed step to the next, to the end. */
START_TEST(cancel_too_late)
{
	struct job *job = fresh_of(committed_steps);
	job_start(job);
	job_cancel(job);
	job_complete(job, 0);
	ck_assert_str_eq(job->step->name, "b");
	ck_assert_int_eq(job->state, JOB_RUNNING);
	job_complete(job, 0);
	ended(job, JOB_ENDED_DONE, NULL);
}
END_TEST

START_TEST(cancel_leaving_a_committed_step_backwards)
{
	struct job *job = waiting_in(2);
	job_cancel(job);
	job->next = &steps[0];
	ends[2] = JOB_GOTO;
	job_complete(job, 0);
	ck_assert_str_eq(trail, "end(0)-c leave-c cancelled-c");
	ended(job, JOB_ENDED_CANCELLED, "Cancelled");
}
END_TEST

/* A client that vanishes while it is told of progress cancels the job from within its own call. */
START_TEST(cancel_inside_progress)
{
	struct job *job = fresh();
	cancel_on_progress = true;
	job_start(job);
	ck_assert_str_eq(trail, "begin-a leave-a cancelled-a");
	ended(job, JOB_ENDED_CANCELLED, "Cancelled");
}
END_TEST

START_TEST(cancel_inside_end)
{
	struct job *job = waiting_in(0);
	cancel_in_end = true;
	job_complete(job, 0);
	ck_assert_str_eq(trail, "end(0)-a leave-a cancelled-a");
	ended(job, JOB_ENDED_CANCELLED, "Cancelled");
}
END_TEST

START_TEST(cancelled_before_the_start)
{
	struct job *job = fresh();
	job_cancel(job);
	ck_assert_int_eq(job->state, JOB_RUNNING);
	job_start(job);
	ended(job, JOB_ENDED_CANCELLED, "Cancelled");
}
END_TEST

START_TEST(no_end_means_errors_end_the_job)
{
	struct job *job = fresh_of(committed_steps);
	begins[0] = JOB_NEXT;
	job_start(job);
	job_complete(job, -ENODEV);
	ended(job, JOB_ENDED_FAILED, "DeviceGone");
}
END_TEST

START_TEST(progress_never_falls)
{
	struct job *job = waiting_in(1);
	ck_assert_uint_eq(job->percent, 10);
	job_set_progress(job, 50, 100);
	ck_assert_uint_eq(job->percent, 45);
	job_set_progress(job, 0, 100); /* the board wants it all again */
	ck_assert_uint_eq(job->percent, 45);
	ck_assert_uint_eq(job->done_bytes, 0);
	ends[1] = JOB_GOTO;
	job->next = &steps[0];
	job_complete(job, 0);
	ck_assert_uint_eq(job->percent, 45);
	ck_assert_uint_eq(job->total_bytes, 0);
	drop(job);
}
END_TEST

START_TEST(progress_is_never_100_before_the_end)
{
	struct job *job = waiting_in(3);
	job_set_progress(job, 100, 100);
	ck_assert_uint_eq(job->percent, 99);
	drop(job);
}
END_TEST

START_TEST(a_message_lasts_as_long_as_its_step)
{
	struct job *job = waiting_in(0);
	unsigned int before = progresses;
	job_set_message(job, "slot %d", 1);
	ck_assert_str_eq(job->message, "slot 1");
	ck_assert_uint_eq(progresses, before + 1);
	job_complete(job, 0);
	ck_assert_ptr_null(job->message);
	drop(job);
}
END_TEST

START_TEST(deadlines_can_be_replaced)
{
	struct job *job = waiting_in(0);
	job_set_deadline(job, 180000);
	ck_assert_uint_eq(armed, 180000);
	drop(job);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("job");
	TCase *t = tcase_create("job");
	tcase_add_test(t, happy);
	tcase_add_loop_test(t, verdict, 0, ARRAY_SIZE(verdicts));
	tcase_add_loop_test(t, event, 0, ARRAY_SIZE(events));
	tcase_add_test(t, words);
	tcase_add_test(t, the_first_failure_wins);
	tcase_add_test(t, the_job_explains);
	tcase_add_test(t, cancel_waits_for_a_whole_step);
	tcase_add_test(t, cancel_too_late);
	tcase_add_test(t, cancel_leaving_a_committed_step_backwards);
	tcase_add_test(t, cancel_inside_progress);
	tcase_add_test(t, cancel_inside_end);
	tcase_add_test(t, cancelled_before_the_start);
	tcase_add_test(t, no_end_means_errors_end_the_job);
	tcase_add_test(t, progress_never_falls);
	tcase_add_test(t, progress_is_never_100_before_the_end);
	tcase_add_test(t, a_message_lasts_as_long_as_its_step);
	tcase_add_test(t, deadlines_can_be_replaced);
	suite_add_tcase(s, t);
	return suite_run_in_process(s);
}
