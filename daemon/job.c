/* SPDX-License-Identifier: MIT */

#include "daemon/job.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/parameters.h"

static uint64_t wall_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void job_init(struct job *job, const char *kind, const struct job_step *steps, const struct job_owner *owner, void *user)
{
	job->kind = kind;
	job->steps = job->step = steps;
	job->owner = owner;
	job->user = user;
	job->state = JOB_RUNNING;
	job->references = 1;
	job->started_us = wall_us();
}

static void update_percent(struct job *job)
{
	uint64_t before = 0, total = 0;
	for (const struct job_step *s = job->steps; s->name; s++) {
		if (s < job->step)
			before += s->weight;
		total += s->weight;
	}
	if (total == 0)
		return;
	double part = (double)before;
	if (job->step->name && job->total_bytes > 0)
		part += job->step->weight * ((double)job->done_bytes / (double)job->total_bytes);
	unsigned int percent = (unsigned int)(part * 100.0 / (double)total);
	/* 100 is said by the end alone. */
	if (percent > 99)
		percent = 99;
	if (percent > job->percent)
		job->percent = percent;
}

static void leave(struct job *job)
{
	if (job->step->name && job->step->leave)
		job->step->leave(job);
}

static void tell(struct job *job)
{
	job->untold = false;
	job->owner->progress(job);
}

static void enter(struct job *job, const struct job_step *step)
{
	/* What the step found out belongs to it. */
	if (job->untold)
		tell(job);
	leave(job);
	job->step = step;
	job->done_bytes = job->total_bytes = 0;
	free(TAKE_PTR(job->message));
	update_percent(job);
}

/* Every failed job says why: if the step did not, the verdict is put in words. */
static void explain(struct job *job, int error)
{
	struct parameters p = {0};
	const char *name = "ProtocolError", *text = strerror(-error);

	if (!job->failure.error && job->explain)
		job->explain(job, error);
	if (job->failure.error)
		return;
	switch (error) {
	case -ECANCELED:
		name = "Cancelled", text = "cancelled";
		break;
	case -ETIMEDOUT:
		name = "TimedOut", text = "no answer within the deadline";
		break;
	case -ENODEV:
		name = "DeviceGone", text = "the board went away";
		break;
	default:
		parameters_text(&p, "reason", text);
	}
	parameters_text(&p, "device", job->device_id);
	parameters_text(&p, "step", job->step->name);
	parameters_text(&p, "message", text);
	job_fail(job, error, name, parameters_finish(&p));
}

static void finish(struct job *job, int verdict)
{
	leave(job);
	job->waiting = false;
	job->owner->arm(job, 0);
	if (verdict < 0)
		explain(job, verdict);
	else
		job->percent = 100;
	job->state = verdict >= 0	 ? JOB_ENDED_DONE
		: verdict == -ECANCELED ? JOB_ENDED_CANCELLED
					 : JOB_ENDED_FAILED;
	job->finished_us = wall_us();
	job->owner->finished(job);
}

/* The step that a verdict leads to; NULL: stay. */
static const struct job_step *target(const struct job *job, int verdict)
{
	if (verdict == JOB_NEXT)
		return job->step + 1;
	if (verdict == JOB_GOTO)
		return job->next;
	return NULL;
}

/* Between two committed steps there is no way back; everywhere else there is. */
static bool may_stop(const struct job *job, const struct job_step *to)
{
	return !(job->step->committed && (!to || !to->name || to->committed));
}

static int begin(struct job *job)
{
	job->waiting = true;
	job->owner->arm(job, job->step->deadline_ms);
	int verdict = job->step->begin(job);
	if (verdict == JOB_WAIT || job->message)
		tell(job);
	return verdict;
}

/* Acts on a verdict, and goes on until a step waits or the job is over. */
static void settle(struct job *job, int verdict)
{
	job_ref(job);
	job->settling = true;
	while (verdict == JOB_NEXT || verdict == JOB_AGAIN || verdict == JOB_GOTO) {
		const struct job_step *to = target(job, verdict);
		job->waiting = false;
		if (to && !to->name)
			verdict = JOB_DONE;
		else if (job->cancelled && may_stop(job, to))
			verdict = -ECANCELED;
		else {
			if (to)
				enter(job, to);
			verdict = begin(job);
		}
	}
	if (verdict == JOB_WAIT && job->cancelled && !job->step->whole && may_stop(job, NULL))
		verdict = -ECANCELED;
	if (verdict != JOB_WAIT)
		finish(job, verdict);
	job->settling = false;
	job_unref(job);
}

void job_start(struct job *job)
{
	if (job_running(job) && !job->waiting)
		settle(job, JOB_AGAIN);
}

static void end(struct job *job, int result)
{
	/* An operation never completes inside the call that starts it. */
	assert(!job->settling);
	if (!job->waiting || !job_running(job))
		return;
	int verdict = result < 0 ? result : JOB_NEXT;
	job_ref(job);
	job->settling = true;
	job->waiting = false;
	job->owner->arm(job, 0);
	if (job->step->end)
		verdict = job->step->end(job, result);
	settle(job, verdict);
	job_unref(job);
}

void job_complete(struct job *job, int result)
{
	end(job, result);
}

void job_expired(struct job *job)
{
	if (!job->waiting || !job_running(job))
		return;
	leave(job);
	end(job, -ETIMEDOUT);
}

void job_unplugged(struct job *job)
{
	if (!job->waiting || !job_running(job) || job->step->unplug_ok)
		return;
	leave(job);
	end(job, -ENODEV);
}

void job_cancel(struct job *job)
{
	if (!job_running(job) || job->cancelled)
		return;
	job->cancelled = true;
	if (job->waiting && !job->settling && !job->step->whole && may_stop(job, NULL)) {
		job_ref(job);
		finish(job, -ECANCELED);
		job_unref(job);
	}
}

void job_abort(struct job *job, int error)
{
	if (!job_running(job) || job->settling)
		return;
	job_ref(job);
	finish(job, error);
	job_unref(job);
}

void job_set_deadline(struct job *job, unsigned int ms)
{
	job->owner->arm(job, ms);
}

void job_set_progress(struct job *job, uint64_t done_bytes, uint64_t total_bytes)
{
	job->done_bytes = done_bytes;
	job->total_bytes = total_bytes;
	update_percent(job);
	if (!job->settling && job_running(job))
		job->owner->progress(job);
}

void job_set_message(struct job *job, const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	free(job->message);
	job->message = text;
	job->untold = job->settling;
	if (!job->settling && job_running(job))
		tell(job);
}

int job_fail(struct job *job, int error, const char *name, char *parameters_taken)
{
	if (job->failure.error) {
		free(parameters_taken);
		return error;
	}
	job->failure.error = strdup(name);
	job->failure.parameters = parameters_taken;
	return error;
}

bool job_running(const struct job *job)
{
	return job->state == JOB_RUNNING;
}

bool job_has_all_bytes(const struct job *job)
{
	return job->total_bytes > 0 && job->done_bytes == job->total_bytes;
}

struct job *job_ref(struct job *job)
{
	job->references++;
	return job;
}

void job_unref(struct job *job)
{
	assert(job->references > 0);
	if (--job->references > 0)
		return;
	free(job->device_id);
	free(job->message);
	free(job->failure.error);
	free(job->failure.parameters);
	free(job->evidence);
	if (job->destroy)
		job->destroy(job);
}
