/* SPDX-License-Identifier: MIT */

/* The list of jobs, and what an earlier daemon left: those that ended, and those that it did not finish. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/job-ended.h"
#include "daemon/limits.h"
#include "daemon/log.h"
#include "daemon/registry-private.h"
#include "daemon/update.h"

size_t registry_job_count(const struct registry *r)
{
	return r->job_count;
}

struct job *registry_job_at(const struct registry *r, size_t index)
{
	return index < r->job_count ? r->jobs[index] : NULL;
}

struct job *registry_job_find(const struct registry *r, const char *id)
{
	for (size_t i = 0; i < r->job_count; i++)
		if (strcmp(r->jobs[i]->id, id) == 0)
			return r->jobs[i];
	return NULL;
}

static void drop(struct registry *r, size_t at)
{
	struct job *job = r->jobs[at];
	memmove(&r->jobs[at], &r->jobs[at + 1], (r->job_count - at - 1) * sizeof(*r->jobs));
	r->job_count--;
	job_unref(job);
}

static void forget_running(struct registry *r, struct job *job)
{
	if (job->on_record)
		state_forget_later(r->state, r->loop, "jobs", job->id);
	job->on_record = false;
}

static void forget(struct registry *r, struct job *job)
{
	if (!job->unsaved)
		state_forget_later(r->state, r->loop, "ended", job->id);
	forget_running(r, job);
}

/* Those that ended first go: one that ran for long has only just ended, however long ago it began. */
static void prune(struct registry *r)
{
	size_t ended, first;

	do {
		ended = first = 0;
		for (size_t i = 0; i < r->job_count; i++) {
			if (job_running(r->jobs[i]))
				continue;
			if (ended++ == 0 || r->jobs[i]->ended < r->jobs[first]->ended)
				first = i;
		}
		if (ended > LIMIT_JOBS_KEPT) {
			forget(r, r->jobs[first]);
			drop(r, first);
		}
	} while (ended > LIMIT_JOBS_KEPT);
}

/* Not a number that counts: an id must not mean another job after the daemon was started again. */
static void give_id(struct registry *r, struct job *job)
{
	do {
		uint32_t number = 0;
		if (getrandom(&number, sizeof(number), GRND_NONBLOCK) < 0)
			number = (uint32_t)uv_hrtime();
		snprintf(job->id, sizeof(job->id), "%s-%08x", job->kind, number);
	} while (registry_job_find(r, job->id));
}

/* Takes a reference. */
static void insert(struct registry *r, struct job *job, size_t at)
{
	if (r->job_count == r->job_capacity) {
		size_t capacity = r->job_capacity ? 2 * r->job_capacity : 16;
		struct job **grown = realloc(r->jobs, capacity * sizeof(*grown));
		if (!grown)
			return;
		r->jobs = grown;
		r->job_capacity = capacity;
	}
	memmove(&r->jobs[at + 1], &r->jobs[at], (r->job_count - at) * sizeof(*r->jobs));
	r->job_count++;
	r->jobs[at] = job_ref(job);
	prune(r);
}

void registry_job_add(struct registry *r, struct job *job)
{
	if (!job->id[0])
		give_id(r, job);
	insert(r, job, r->job_count);
}

static void cannot_record(const struct job *job, int error)
{
	log_warning(job->device_id, job->kind, "%s cannot be recorded in the state directory: %s", job->id, strerror(-error));
}

static void on_ended_written(void *user, const char *id);

static void write_ended(struct registry *r, struct job *job)
{
	_cleanup_(record_freep) struct record *record = NULL;

	job->unsaved = false;
	r->ended_writing++;
	int e = job_ended_remember(job, &record);
	if (e == 0)
		e = state_save_later(r->state, r->loop, "ended", job->id, record, on_ended_written, r);
	if (e < 0) {
		r->ended_writing--;
		cannot_record(job, e);
	}
	forget_running(r, job);
}

static void on_ended_written(void *user, const char *id _unused_)
{
	struct registry *r = user;

	if (--r->ended_writing > 0)
		return;
	for (size_t i = 0; i < r->job_count; i++)
		if (r->jobs[i]->unsaved)
			write_ended(r, r->jobs[i]);
}

/* On a disk that hangs no more are on their way than are listed, and of those that are on record as running one of each board:
 * they began after the disk had that. */
static void save_ended(struct registry *r, struct job *job)
{
	/* A job that ends with the daemon goes on with the next one; and whoever ends them all walks the list. */
	if (r->stopping)
		return;
	job->unsaved = true;
	if (r->ended_writing == 0 || job->on_record)
		write_ended(r, job);
	job->ended = ++r->jobs_ended;
	prune(r);
}

/* A record of a job that runs, on its way to the disk. */
struct saving {
	struct job *job; /* a reference */
	void (*done)(void *user, const char *id);
	void *user;
};

static void recorded(void *user, const char *id)
{
	struct saving *s = user;

	if (--s->job->unrecorded == 0 && s->job->recorded)
		s->job->recorded(s->job);
	job_unref(s->job);
	if (s->done)
		s->done(s->user, id);
	free(s);
}

static int save_running(struct registry *r, struct job *job, struct saving *s)
{
	_cleanup_(record_freep) struct record *record = NULL;

	int e = record_new(&record);
	if (e == 0)
		e = update_remember(job, record);
	if (e < 0)
		return e;
	job_ref(job)->unrecorded++;
	e = state_save_later(r->state, r->loop, "jobs", job->id, record, recorded, s);
	if (e == 0) {
		job->on_record = true;
		return 0;
	}
	job->unrecorded--;
	job_unref(job);
	return e;
}

void registry_job_save_then(struct registry *r, struct job *job, void (*done)(void *user, const char *id), void *user)
{
	struct saving *s = malloc(sizeof(*s));
	int e = -ENOMEM;

	if (s) {
		*s = (struct saving){.job = job, .done = done, .user = user};
		e = save_running(r, job, s);
	}
	if (e == 0)
		return;
	if (e != -ENOENT)
		cannot_record(job, e);
	free(s);
	if (done)
		done(user, job->id);
}

void registry_job_ended_then(struct registry *r, void (*done)(void *user, const char *id), void *user)
{
	if (state_then(r->state, r->loop, done, user) < 0)
		done(user, NULL);
}

void registry_job_save(struct registry *r, struct job *job)
{
	if (job_running(job))
		registry_job_save_then(r, job, NULL, NULL);
	else
		save_ended(r, job);
}

/* --- ended -------------------------------------------------------------------------------------------------------- */

static void found_ended(void *user, const char *name, const struct record *record, const char *problem)
{
	_cleanup_(job_unrefp) struct job *job = NULL;
	struct registry *r = user;
	size_t at = r->job_count;

	int e = record ? job_ended_restore(name, record, &job) : 0;
	if (e < 0)
		problem = e == -EBADMSG ? "it does not tell of a job that ended" : strerror(-e);
	if (problem) {
		log_warning(NULL, "registry", "ended/%s of the state directory is dropped: %s", name, problem);
		state_forget_later(r->state, r->loop, "ended", name);
		return;
	}
	while (at > 0 && r->jobs[at - 1]->finished_us > job->finished_us)
		at--;
	insert(r, job, at);
}

/* --- unfinished --------------------------------------------------------------------------------------------------- */

struct unfinished {
	struct registry *registry;
	char *id;
	struct record *record;
};

static void unfinished_free(struct unfinished *f)
{
	free(f->id);
	record_free(f->record);
	free(f);
}
DEFINE_FREEP(struct unfinished, unfinished_free)

static void give_up(struct registry *r, const char *id, const char *why)
{
	log_warning(NULL, "update", "%s, which an earlier daemon left, does not go on: %s", id, why);
	state_forget_later(r->state, r->loop, "jobs", id);
}

static void have_file(void *user, struct blob *blob)
{
	_cleanup_(unfinished_freep) struct unfinished *f = user;
	struct registry *r = f->registry;
	const char *device = record_get(f->record, "device");

	if (r->stopping) {
		blob_unref(blob);
		return;
	}
	if (!blob) {
		give_up(r, f->id, "its file is no longer there");
		return;
	}
	int e = update_resume(r, f->id, f->record, blob);
	blob_unref(blob);
	if (e < 0) {
		give_up(r, f->id, strerror(-e));
		return;
	}
	struct job *job = registry_job_find(r, f->id);
	struct device *d = registry_by_id(r, device);
	job->on_record = true;
	log_info(device, job->kind, "%s goes on, from an earlier daemon", f->id);
	if (d && !job->cancelled)
		update_adopt(job, d);
}

static void found(void *user, const char *name, const struct record *record, const char *problem)
{
	struct registry *r = user;
	const char *file = record ? record_get(record, "file") : NULL;

	if (registry_job_find(r, name)) {
		state_forget_later(r->state, r->loop, "jobs", name); /* it ended, and the daemon a moment later */
		return;
	}
	if (problem || !file || strlen(name) >= sizeof(((struct job *)0)->id)) {
		give_up(r, name, problem ? problem : "its record is incomplete");
		return;
	}
	_cleanup_(unfinished_freep) struct unfinished *f = calloc(1, sizeof(*f));
	if (!f)
		return;
	f->registry = r;
	f->id = strdup(name);
	if (!f->id || record_copy(record, &f->record) < 0)
		return;
	image_store_get(r->images, record_get(f->record, "file"), have_file, f);
	TAKE_PTR(f);
}

void registry_jobs_resume(struct registry *r)
{
	int e = state_load(r->state, "ended", found_ended, r);
	if (e == 0)
		e = state_load(r->state, "jobs", found, r);
	if (e < 0)
		log_warning(NULL, "registry", "the jobs of the state directory cannot be read: %s", strerror(-e));
}

void registry_jobs_adopt(struct registry *r, struct device *d)
{
	for (size_t i = 0; i < r->job_count; i++) {
		struct job *job = r->jobs[i];
		if (job_running(job) && !job->device && !job->cancelled && strcmp(job->device_id, d->id) == 0) {
			update_adopt(job, d);
			return;
		}
	}
}

void registry_jobs_stop(struct registry *r)
{
	for (size_t i = 0; i < r->job_count; i++)
		if (job_running(r->jobs[i]))
			r->jobs[i]->abandon(r->jobs[i]);
}

void registry_jobs_free(struct registry *r)
{
	while (r->job_count > 0)
		drop(r, r->job_count - 1);
	free(r->jobs);
}
