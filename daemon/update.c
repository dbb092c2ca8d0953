/* SPDX-License-Identifier: MIT */

/* The update on the loop: its timer, and its side of the registry. */

#include "daemon/update.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/registry.h"
#include "daemon/update-private.h"

#define TELL_MS 100 /* progress in bytes is told this often; steps and messages at once */

struct update_loop {
	uv_timer_t timer;
	struct registry *registry;
	struct update *u;
	bool started;
	uint64_t told_ms;
	const struct job_step *told_step;
	char *told_message;
};

static void on_timer(uv_timer_t *timer)
{
	struct update_loop *l = timer->data;

	if (l->started) {
		job_expired(&l->u->job);
		return;
	}
	l->started = true;
	job_start(&l->u->job);
}

static void arm(struct job *job, unsigned int ms)
{
	struct update_loop *l = update_of(job)->loop;

	uv_timer_stop(&l->timer);
	if (ms == 0)
		return;
	uv_update_time(registry_loop(l->registry));
	uv_timer_start(&l->timer, on_timer, ms, 0);
}

static uint64_t now_ms(struct job *job)
{
	(void)job;
	return uv_hrtime() / 1000000;
}

static bool is_told(const struct update_loop *l, const struct job *job)
{
	const char *a = l->told_message, *b = job->message;
	return l->told_step == job->step && (a == b || (a && b && strcmp(a, b) == 0));
}

static void progress(struct job *job)
{
	struct update_loop *l = update_of(job)->loop;
	uint64_t now = now_ms(job);

	if (is_told(l, job) && now < l->told_ms + TELL_MS)
		return;
	if (l->told_step != job->step)
		log_info(job->device_id, job->kind, "%s: %s", job->id, job->step->name);
	l->told_ms = now;
	l->told_step = job->step;
	free(l->told_message);
	l->told_message = job->message ? strdup(job->message) : NULL;
	registry_changed(l->registry, REGISTRY_JOB, job->device, job);
}

static void on_closed(uv_handle_t *handle)
{
	struct update_loop *l = handle->data;

	job_unref(&l->u->job);
	free(l->told_message);
	free(l);
}

static void finished(struct job *job)
{
	struct update_loop *l = update_of(job)->loop;
	struct device *d = job->device;

	if (job->state == JOB_ENDED_DONE)
		log_info(job->device_id, job->kind, "%s: %s", job->id, job->outcome);
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

/* The loop's part owns one reference, until its timer is closed. */
static int put_on_loop(struct update *u, struct registry *registry)
{
	struct update_loop *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->registry = registry;
	l->u = u;
	uv_timer_init(registry_loop(registry), &l->timer);
	l->timer.data = l;
	u->loop = l;
	job_init(&u->job, u->options.upload_only ? "upload" : "update", u->options.upload_only ? upload_steps : update_steps,
			&owner, NULL);
	return 0;
}

static int check_device(const struct device *d, const char **ret_text)
{
	switch (d->state) {
	case DEVICE_ABSENT:
	case DEVICE_UNAVAILABLE:
	case DEVICE_BROKEN:
		*ret_text = d->reason ? d->reason : "the board is not there";
		return -ENODEV;
	default:
		break;
	}
	if (d->config->probe == PROBE_NEVER) {
		*ret_text = "its section says probe = never: nothing is sent to this port";
		return -ENODEV;
	}
	if (d->job) {
		*ret_text = d->job->id;
		return -EBUSY;
	}
	return 0;
}

int update_start(struct device *device, struct blob *blob, const struct update_options *options, struct job **ret,
		const char **ret_text)
{
	struct update *u;

	*ret_text = NULL;
	int r = check_device(device, ret_text);
	if (r < 0)
		return r;
	r = update_new(device, device->id, blob, options, &u);
	if (r < 0)
		return r;
	r = put_on_loop(u, device->registry);
	if (r < 0) {
		u->job.references = 1;
		job_unref(&u->job);
		return r;
	}
	registry_job_add(device->registry, &u->job);
	registry_job_save(device->registry, &u->job);
	device_job_begin(device, &u->job);
	uv_timer_start(&u->loop->timer, on_timer, 0, 0);
	*ret = job_ref(&u->job);
	return 0;
}

/* --- jobs of an earlier daemon ---------------------------------------------------------------------------------------- */

int update_resume(struct registry *registry, const char *id, const struct record *record, struct blob *blob)
{
	const char *device_id = record_get(record, "device");
	struct update_options options;
	struct update *u;

	if (!device_id)
		return -EBADMSG;
	int r = update_options_restore(record, &options);
	if (r == 0)
		r = update_new(NULL, device_id, blob, &options, &u);
	if (r < 0)
		return r;
	r = put_on_loop(u, registry);
	if (r < 0) {
		u->job.references = 1;
		job_unref(&u->job);
		return r;
	}
	snprintf(u->job.id, sizeof(u->job.id), "%s", id);
	r = update_restore(u, record);
	if (r < 0) {
		uv_close((uv_handle_t *)&u->loop->timer, on_closed);
		return r;
	}
	if (u->phase >= PHASE_RESET) {
		update_goto(u, "reattach");
		u->job.step = u->job.next;
		u->deadline_ms = now_ms(&u->job) + update_boot_timeout(u);
		u->resets = 1;
	} else if (!u->job.detached) {
		/* Whoever asked for it went with the daemon before. */
		u->job.cancelled = true;
	}
	registry_job_add(registry, &u->job);
	uv_timer_start(&u->loop->timer, on_timer, 0, 0);
	return 0;
}

void update_adopt(struct job *job, struct device *device)
{
	struct update *u = update_of(job);

	if (device_job_begin(device, job) < 0) {
		struct parameters p = {0};
		parameters_text(&p, "message", "another job began on the board before this one could go on");
		job_fail(job, -ECANCELED, "Cancelled", parameters_finish(&p));
		job_abort(job, -ECANCELED);
		return;
	}
	job->device = device;
	if (!job->waiting)
		return;
	update_await(u);
	if (device->state == DEVICE_READY || device->state == DEVICE_RECOVERY)
		job_complete(job, 0);
}

void update_abandon(struct job *job)
{
	struct update *u = update_of(job);
	_cleanup_free_ char *where = update_where(u);
	struct parameters p = {0};

	parameters_format(&p, "message", "The daemon ends. %s%s", where ? where : "",
			job->detached || u->phase >= PHASE_RESET ? " The job goes on when the daemon is started again." : "");
	job_fail(job, -ESHUTDOWN, "Stopping", parameters_finish(&p));
	job_abort(job, -ESHUTDOWN);
}
