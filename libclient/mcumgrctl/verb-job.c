/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/failure.h"
#include "libclient/mcumgrctl/table.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/trace.h"
#include "libclient/mcumgrctl/verbs.h"
#include "proto/macro.h"

static const struct arg job_id[] = {
	{ "job", .meta = "ID", .kind = ARG_TEXT, .json = "job", .help = "as mcumgrctl jobs lists it" },
	{ NULL },
};

/* What came of it, or how far it is. */
static char *result(json_object *job)
{
	json_object *error = json_object_object_get(job, "error");
	const char *message = member_string(json_object_object_get(error, "parameters"), "message");
	const char *outcome = member_string(job, "outcome"), *name = member_string(error, "error");

	if (message || name)
		return format("%s", message ? message : failure_short(name));
	return format("%s", outcome ? outcome : "");
}

static void print_jobs(struct board *b, json_object *reply)
{
	static const char *const columns[] = { "ID", "KIND", "DEVICE", "STATE", "STEP", ">%", "STARTED", "RESULT",
		NULL };
	size_t i, n = member_count(reply, "jobs");
	struct table *t;

	if (!n) {
		note(b, "No jobs.\n");
		return;
	}
	t = table_new(columns);
	for (i = 0; i < n; i++) {
		json_object *job = member_at(reply, "jobs", i);
		_cleanup_free_ char *share = NULL, *came = result(job);
		int64_t percent = 0;

		member_int(job, "percent", &percent);
		share = format("%" PRId64, percent);
		table_row(t, (const char *const[]){ member_string(job, "id"), member_string(job, "kind"),
				     member_string(job, "device"), member_string(job, "state"),
				     member_string(job, "step"), share, member_string(job, "started"), came });
	}
	table_print(t, b->out);
}

/* An ended job that failed is a failure of whoever watches it. */
static enum next fail_like_job(struct board *b, json_object *job)
{
	json_object *failure = json_object_object_get(job, "error");
	json_object *parameters = json_object_object_get(failure, "parameters");
	const char *name = member_string(failure, "error"), *message = member_string(parameters, "message");
	struct mcumgr_error error = { .parameters = parameters };
	_cleanup_free_ char *sentence = format("the job ended as %s", show_key(job, "state"));

	if (!name)
		name = strcmp(show_key(job, "state"), "cancelled") == 0 ? "io.mcumgr.Cancelled" : "io.mcumgr.Failed";
	error.name = (char *)name;
	error.message = (char *)(message ? message : sentence);
	error.hint = (char *)member_string(parameters, "hint");
	/* With --json the reply that was just printed says it all. */
	if (!b->ctl->json)
		failure_report(b->ctl, member_string(job, "device"), &error);
	if (!b->ctl->json && !b->ctl->quiet)
		trace_print_evidence(job);
	board_finish(b, failure_code(name), failure_short(name), error.message);
	return NEXT_DONE;
}

static void follow(struct board *b, json_object *reply)
{
	progress_update(&b->progress, json_object_object_get(reply, "job"), ctl_now());
	display_update(b->ctl);
}

static enum next job_watch(struct board *b, json_object *reply, const struct mcumgr_error *error)
{
	json_object *job = json_object_object_get(reply, "job");
	_cleanup_free_ char *sentence = NULL;
	const char *state;

	if (error)
		return NEXT_ERROR;
	if (!reply)
		return board_call(b, "JobWatch", b->ctl->parameters);
	state = member_string(job, "state");
	if (!state || strcmp(state, "done") != 0)
		return fail_like_job(b, job);
	sentence = outcome_sentence(job);
	note(b, "%s\n", sentence);
	return NEXT_DONE;
}

static void print_cancelled(struct board *b, json_object *reply)
{
	const char *id = show(args_text(b->ctl->args, "job"));

	(void)reply;
	note(b, "Job %s is asked to stop. How it ends: mcumgrctl job watch %s\n", id, id);
}

const struct verb job_verbs[] = {
	{ .name = "jobs",
		.summary = "jobs that run, and those that ended lately",
		.method = "Jobs",
		.print = print_jobs },
	{ .group = "job",
		.name = "watch",
		.summary = "follow a job to its end",
		.words = job_id,
		.flags = VERB_STREAM | VERB_FOLLOWS,
		.next = job_watch,
		.event = follow,
		.help = "Shows a job's progress; ends with it, with the exit code that the job's own call would have had.\n"
			"Ctrl-C ends the watching, not the job" },
	{ .group = "job",
		.name = "cancel",
		.summary = "stop a job at its next safe step",
		.method = "JobCancel",
		.words = job_id,
		.print = print_cancelled,
		.help = "Asks a job to stop at its next safe step, and does not wait for it" },
	{ .name = NULL },
};
