/* SPDX-License-Identifier: MIT */

/* The update on the loop: how it starts, goes on after a restart and is given up. */

#include "daemon/update.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/job-loop.h"
#include "daemon/update-private.h"

static void update_abandon(struct job *job)
{
	struct update *u = update_of(job);
	_cleanup_free_ char *where = update_where(u);
	struct parameters p = {0};

	parameters_format(&p, "message", "The daemon ends. %s%s", where ? where : "",
			(job->detached && !job->cancelled) || u->phase >= PHASE_RESET ? " The job goes on when the daemon is started again." : "");
	job_fail(job, -ESHUTDOWN, "Stopping", parameters_finish(&p));
	job_abort(job, -ESHUTDOWN);
}

static int put_on_loop(struct update *u, struct registry *registry)
{
	int r = job_loop_put(&u->job, u->options.upload_only ? "upload" : "update",
			u->options.upload_only ? upload_steps : update_steps, registry);

	if (r == 0) {
		u->job.abandon = update_abandon;
		u->job.recorded = update_recorded;
		return 0;
	}
	u->job.references = 1;
	job_unref(&u->job);
	return r;
}

/* A client hears of the job once a daemon that comes after this one would know it. */
static void begin(struct job *job)
{
	job->recorded = update_recorded;
	if (job_running(job))
		job_loop_start(job);
}

int update_start(struct device *device, struct blob *blob, const struct update_options *options, struct job **ret,
		const char **ret_text)
{
	struct update *u;

	int r = device_job_possible(device, ret_text);
	if (r < 0)
		return r;
	r = update_new(device, device->id, blob, options, &u);
	if (r < 0)
		return r;
	r = put_on_loop(u, device->registry);
	if (r < 0)
		return r;
	registry_job_add(device->registry, &u->job);
	device_job_begin(device, &u->job);
	registry_job_save(device->registry, &u->job);
	if (u->job.unrecorded)
		u->job.recorded = begin;
	else
		begin(&u->job);
	*ret = job_ref(&u->job);
	return 0;
}

/* --- jobs of an earlier daemon ------------------------------------------------------------------------------------ */

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
	if (r < 0)
		return r;
	snprintf(u->job.id, sizeof(u->job.id), "%s", id);
	r = update_restore(u, record);
	/* No upload comes to a mark. */
	if (r == 0 && options.upload_only && u->phase >= PHASE_MARKING)
		r = -EBADMSG;
	if (r < 0) {
		job_loop_drop(&u->job);
		return r;
	}
	if (u->phase >= PHASE_RESET) {
		update_goto(u, "reattach");
		u->job.step = u->job.next;
		u->deadline_ms = update_now(u) + update_boot_timeout(u);
		u->resets = 1;
	} else if (!u->job.detached || record_number(record, "cancelled", 0) == 1) {
		/* Whoever asked for it went with the daemon before, or did not want it any more. A board that may be marked is
		 * looked at first. */
		u->only_look = u->phase >= PHASE_MARKING;
		u->job.cancelled = !u->only_look;
	}
	registry_job_add(registry, &u->job);
	job_loop_start(&u->job);
	return 0;
}

void update_adopt(struct job *job, struct device *device)
{
	struct update *u = update_of(job);

	if (device_job_begin(device, job) < 0) {
		struct parameters p = {0};
		parameters_text(&p, "device", job->device_id);
		parameters_text(&p, "step", job->step->name);
		parameters_text(&p, "message", "another job began on the board before this one could go on");
		job_fail(job, -ECANCELED, "Cancelled", parameters_finish(&p));
		job_abort(job, -ECANCELED);
		return;
	}
	job->device = device;
	if (!job->waiting)
		return;
	update_await(u);
	if (update_is_back(u))
		job_complete(job, 0);
}
