/* SPDX-License-Identifier: MIT */

#include "daemon/job-ended.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/job-evidence.h"
#include "daemon/limits.h"
#include "daemon/parameters.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

/* The job, and what a running one borrows from its code. */
struct ended {
	struct job job; /* first */
	struct job_step steps[2];
	char kind[24], step[24], outcome[24];
};

static const char *const states[] = {
	[JOB_ENDED_DONE] = "done",
	[JOB_ENDED_FAILED] = "failed",
	[JOB_ENDED_CANCELLED] = "cancelled",
};

/* --- to a record ---------------------------------------------------------------------------------------------------- */

static int remember_failure(const struct failure *f, struct record *r)
{
	_cleanup_free_ char *instead = NULL;
	const char *parameters = f->parameters;

	if (!f->error)
		return 0;
	if (parameters && strlen(parameters) > LIMIT_JOB_FAILURE_BYTES) {
		struct parameters p = {0};
		parameters_text(&p, "message", "what this error said was too long to be kept over the end of the daemon");
		parameters = instead = parameters_finish(&p);
	}
	int e = record_set(r, "error", f->error);
	return e < 0 ? e : record_set(r, "parameters", parameters);
}

static int remember_words(const struct job *job, struct record *r)
{
	const struct {
		const char *key, *value;
	} words[] = {
		{"device", job->device_id},
		{"kind", job->kind},
		{"state", states[job->state]},
		{"step", job->step ? job->step->name : NULL},
		{"outcome", job->outcome},
		{"hash", job->hash[0] ? job->hash : NULL},
		{"version", job->version[0] ? job->version : NULL},
	};
	int e = 0;

	for (size_t i = 0; e == 0 && i < ARRAY_SIZE(words); i++)
		e = record_set(r, words[i].key, words[i].value);
	return e;
}

static int remember_numbers(const struct job *job, struct record *r)
{
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{"started_us", job->started_us},
		{"finished_us", job->finished_us},
		{"percent", job->percent},
		{"done_bytes", job->done_bytes},
		{"total_bytes", job->total_bytes},
		{"detached", job->detached},
	};
	int e = 0;

	for (size_t i = 0; e == 0 && i < ARRAY_SIZE(numbers); i++)
		if (numbers[i].value)
			e = record_set_number(r, numbers[i].key, numbers[i].value);
	return e;
}

int job_ended_remember(const struct job *job, struct record **ret)
{
	_cleanup_(record_freep) struct record *r = NULL;
	int e = record_new(&r);

	if (e == 0)
		e = remember_words(job, r);
	if (e == 0)
		e = remember_numbers(job, r);
	if (e == 0)
		e = remember_failure(&job->failure, r);
	if (e == 0 && job->evidence)
		e = job_evidence_remember(job->evidence, r);
	if (e == 0)
		*ret = TAKE_PTR(r);
	return e;
}

/* --- from a record -------------------------------------------------------------------------------------------------- */

static void ended_free(struct job *job)
{
	free(job);
}

/* An absent word is an empty one. */
static int restore_word(const struct record *r, const char *key, const char *alphabet, char *to, size_t size)
{
	const char *value = record_get(r, key);

	if (!value)
		return 0;
	if (!*value || strlen(value) >= size || value[strspn(value, alphabet)])
		return -EBADMSG;
	memcpy(to, value, strlen(value) + 1);
	return 0;
}

static int restore_words(struct ended *j, const struct record *r)
{
	char device[129] = "";
	const struct {
		const char *key, *alphabet;
		char *to;
		size_t size;
		bool needed;
	} words[] = {
		{"device", LOWER DIGITS "._-", device, sizeof(device), true},
		{"kind", LOWER "-", j->kind, sizeof(j->kind), true},
		{"step", LOWER "-", j->step, sizeof(j->step), false},
		{"outcome", LOWER "-", j->outcome, sizeof(j->outcome), false},
		{"hash", DIGITS "abcdef", j->job.hash, sizeof(j->job.hash), false},
		{"version", LOWER UPPER DIGITS ".+-", j->job.version, sizeof(j->job.version), false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (restore_word(r, words[i].key, words[i].alphabet, words[i].to, words[i].size) < 0 ||
				(words[i].needed && !*words[i].to))
			return -EBADMSG;
	j->job.device_id = strdup(device);
	return j->job.device_id ? 0 : -ENOMEM;
}

static int restore_state(struct job *job, const struct record *r)
{
	const char *word = record_get(r, "state");

	for (int i = JOB_ENDED_DONE; word && i <= JOB_ENDED_CANCELLED; i++)
		if (strcmp(states[i], word) == 0) {
			job->state = (enum job_state)i;
			return 0;
		}
	return -EBADMSG;
}

static int restore_numbers(struct job *job, const struct record *r)
{
	uint64_t percent = record_number(r, "percent", 0);

	job->started_us = record_number(r, "started_us", 0);
	job->finished_us = record_number(r, "finished_us", 0);
	job->done_bytes = record_number(r, "done_bytes", 0);
	job->total_bytes = record_number(r, "total_bytes", 0);
	job->detached = record_number(r, "detached", 0) == 1;
	job->percent = (unsigned int)percent;
	return percent > 100 || job->done_bytes > INT64_MAX || job->total_bytes > INT64_MAX ? -EBADMSG : 0;
}

static int restore_failure(struct job *job, const struct record *r)
{
	const char *parameters = record_get(r, "parameters");
	char error[64] = "";

	if (restore_word(r, "error", LOWER UPPER, error, sizeof(error)) < 0 ||
			(parameters && strlen(parameters) > LIMIT_JOB_FAILURE_BYTES))
		return -EBADMSG;
	if (error[0] && !(job->failure.error = strdup(error)))
		return -ENOMEM;
	if (parameters && !(job->failure.parameters = strdup(parameters)))
		return -ENOMEM;
	return 0;
}

int job_ended_restore(const char *id, const struct record *r, struct job **ret)
{
	_cleanup_(job_unrefp) struct job *job = NULL;
	struct ended *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	job = &j->job;
	job->references = 1;
	job->destroy = ended_free;
	if (strlen(id) >= sizeof(job->id))
		return -EBADMSG;
	memcpy(job->id, id, strlen(id) + 1);
	int e = restore_words(j, r);
	if (e == 0)
		e = restore_state(job, r);
	if (e == 0)
		e = restore_numbers(job, r);
	if (e == 0)
		e = restore_failure(job, r);
	if (e == 0)
		e = job_evidence_restore(r, &job->evidence);
	if (e < 0)
		return e;
	job->kind = j->kind;
	job->outcome = j->outcome[0] ? j->outcome : NULL;
	j->steps[0].name = j->step[0] ? j->step : NULL;
	job->steps = job->step = j->steps;
	*ret = TAKE_PTR(job);
	return 0;
}
