/* SPDX-License-Identifier: MIT */

#include "daemon/job-loop.h"

#include <errno.h>
#include <string.h>

#include "daemon/device-console.h"
#include "daemon/job-evidence.h"
#include "daemon/log.h"

#define TELL_MS 100 /* progress in bytes is told this often; steps, messages and the last byte at once */

struct job_loop {
	uv_timer_t timer;
	struct registry *registry;
	struct job *job;
	bool started;
	uint64_t told_ms;
	const struct job_step *told_step;
	bool told_all_bytes;
	char *told_message;
};

static struct job_loop *loop_of(struct job *job)
{
	return job->user;
}

static void on_timer(uv_timer_t *timer)
{
	struct job_loop *l = timer->data;

	if (l->started) {
		job_expired(l->job);
		return;
	}
	l->started = true;
	job_start(l->job);
}

static void arm(struct job *job, unsigned int ms)
{
	struct job_loop *l = loop_of(job);

	uv_timer_stop(&l->timer);
	if (ms == 0)
		return;
	uv_update_time(registry_loop(l->registry));
	uv_timer_start(&l->timer, on_timer, ms, 0);
}

static uint64_t now_ms(struct job *job _unused_)
{
	return uv_hrtime() / 1000000;
}

static bool is_told(const struct job_loop *l, const struct job *job)
{
	const char *a = l->told_message, *b = job->message;
	return l->told_step == job->step && l->told_all_bytes == job_has_all_bytes(job) && (a == b || (a && b && strcmp(a, b) == 0));
}

static void progress(struct job *job)
{
	struct job_loop *l = loop_of(job);
	uint64_t now = now_ms(job);

	if (is_told(l, job) && now < l->told_ms + TELL_MS)
		return;
	if (l->told_step != job->step)
		log_info(job->device_id, job->kind, "%s: %s", job->id, job->step->name);
	l->told_ms = now;
	l->told_step = job->step;
	l->told_all_bytes = job_has_all_bytes(job);
	free(l->told_message);
	l->told_message = job->message ? strdup(job->message) : NULL;
	registry_changed(l->registry, REGISTRY_JOB, job->device, job);
}

static void on_closed(uv_handle_t *handle)
{
	struct job_loop *l = handle->data;

	job_unref(l->job);
	free(l->told_message);
	free(l);
}

static void secure_evidence(struct job *job, const struct device *d)
{
	if (d && job->state == JOB_ENDED_FAILED)
		job->evidence = job_evidence_new(device_console_usual(d)->console, d->trace);
}

static void finished(struct job *job)
{
	struct job_loop *l = loop_of(job);
	struct device *d = job->device;

	secure_evidence(job, d ? d : registry_by_id(l->registry, job->device_id));

	if (job->state == JOB_ENDED_DONE)
		log_info(job->device_id, job->kind, "%s: %s", job->id, job->outcome ? job->outcome : "done");
	else
		log_warning(job->device_id, job->kind, "%s: %s %s", job->id, job->failure.error ? job->failure.error : "failed",
				job->failure.parameters ? job->failure.parameters : "");
	registry_job_save(l->registry, job);
	if (d && d->job == job)
		device_job_ended(d);
	registry_changed(l->registry, REGISTRY_JOB, d, job);
	/* The board may go before whoever still reads about the job. */
	job->device = NULL;
	uv_close((uv_handle_t *)&l->timer, on_closed);
}

static const struct job_owner owner = {.arm = arm, .progress = progress, .finished = finished, .now_ms = now_ms};

int job_loop_put(struct job *job, const char *kind, const struct job_step *steps, struct registry *registry)
{
	struct job_loop *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->registry = registry;
	l->job = job;
	uv_timer_init(registry_loop(registry), &l->timer);
	l->timer.data = l;
	job_init(job, kind, steps, &owner, l);
	return 0;
}

void job_loop_start(struct job *job)
{
	uv_timer_start(&loop_of(job)->timer, on_timer, 0, 0);
}

void job_loop_drop(struct job *job)
{
	uv_close((uv_handle_t *)&loop_of(job)->timer, on_closed);
}
