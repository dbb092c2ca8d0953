/* SPDX-License-Identifier: MIT */
/* Jobs: Update and ImageUpload start one and follow it, JobWatch follows any. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/api-private.h"
#include "daemon/job-evidence.h"
#include "daemon/update.h"

#define PROGRESS_MS 100		 /* between two replies of one step */
#define PROGRESS_BYTES 65536 /* a client with more unread than this gets only news of steps */

static const char *const state_names[] = {
	[JOB_RUNNING] = "running",
	[JOB_ENDED_DONE] = "done",
	[JOB_ENDED_FAILED] = "failed",
	[JOB_ENDED_CANCELLED] = "cancelled",
};

static const char *step_name(const struct job *job)
{
	return job->state == JOB_ENDED_DONE || !job->step || !job->step->name ? "done" : job->step->name;
}

static void put_bytes(json_object *o, const struct job *job)
{
	if (job->total_bytes == 0)
		return;
	api_put_int(o, "doneBytes", (int64_t)job->done_bytes);
	api_put_int(o, "totalBytes", (int64_t)job->total_bytes);
}

/* As parameters.h makes them. Those of an ended job come from a file. */
static bool are_parameters(json_object *o)
{
	if (!json_object_is_type(o, json_type_object))
		return false;
	json_object_object_foreach(o, key, value) {
		(void)key;
		if (json_object_is_type(value, json_type_object) || json_object_is_type(value, json_type_array))
			return false;
	}
	return true;
}

static json_object *failure_json(const struct failure *failure)
{
	json_object *o = json_object_new_object(), *parameters = NULL;
	char name[96];

	snprintf(name, sizeof(name), "%s.%s", API_INTERFACE, failure->error ? failure->error : "Cancelled");
	if (failure->parameters && json_parse(failure->parameters, strlen(failure->parameters), &parameters, NULL) < 0)
		parameters = NULL;
	if (parameters && !are_parameters(parameters)) {
		json_object_put(parameters);
		parameters = NULL;
	}
	api_put_string(o, "error", name);
	api_put(o, "parameters", parameters ? parameters : json_object_new_object());
	return o;
}

json_object *api_job_json(const struct job *job)
{
	json_object *o = json_object_new_object();

	api_put_string(o, "id", job->id);
	api_put_string(o, "kind", job->kind);
	api_put_string(o, "device", job->device_id);
	api_put_string(o, "state", state_names[job->state]);
	api_put_string(o, "step", step_name(job));
	put_bytes(o, job);
	api_put_int(o, "percent", job->percent);
	api_put(o, "detached", json_object_new_boolean(job->detached));
	api_put_string(o, "outcome", job->outcome);
	if (job->state == JOB_ENDED_FAILED || job->state == JOB_ENDED_CANCELLED)
		api_put(o, "error", failure_json(&job->failure));
	api_put_time(o, "started", job->started_us);
	if (job->state != JOB_RUNNING)
		api_put_time(o, "finished", job->finished_us);
	api_put_string(o, "hash", job->hash[0] ? job->hash : NULL);
	api_put_string(o, "version", job->version[0] ? job->version : NULL);
	return o;
}

/* The reply of Update and ImageUpload. */
static json_object *progress_json(const struct job *job)
{
	json_object *o = json_object_new_object();

	api_put_string(o, "job", job->id);
	api_put_string(o, "step", step_name(job));
	put_bytes(o, job);
	api_put_int(o, "percent", job->percent);
	api_put_string(o, "message", job->message);
	api_put_string(o, "outcome", job->outcome);
	api_put_string(o, "hash", job->hash[0] ? job->hash : NULL);
	api_put_string(o, "version", job->version[0] ? job->version : NULL);
	return o;
}

static void put_evidence(json_object *failure, const struct job_evidence *e)
{
	json_object *lines, *entries;

	if (!failure || !e)
		return;
	lines = json_object_new_array();
	for (size_t i = 0; lines && i < e->line_count; i++) {
		const struct console_line *l = &e->lines[i];
		const struct console_piece piece = {
			.number = l->number, .time_us = l->time_us, .text = l->text, .size = l->size, .mark = l->mark };
		json_object_array_add(lines, api_console_line_json(&piece));
	}
	entries = json_object_new_array();
	for (size_t i = 0; entries && i < e->entry_count; i++)
		json_object_array_add(entries, api_trace_json(&e->entries[i]));
	api_put(failure, "console", lines);
	api_put(failure, "trace", entries);
}

static json_object *watched_json(const struct job *job)
{
	json_object *o = json_object_new_object(), *inner = api_job_json(job);

	put_evidence(json_object_object_get(inner, "error"), job->evidence);
	api_put(o, "job", inner);
	return o;
}

/* A call that follows a job to its end. */
struct follower {
	struct registry_observer observer;
	struct api *api;
	struct call *call;
	struct job *job;    /* a reference */
	bool client;	    /* started the job: without detached it ends with the call */
	bool watch;	    /* JobWatch */
	char step[24], message[128]; /* last told */
	bool all_bytes;		     /* of that step were told */
	uint64_t told_ms; /* when */
};

/* Stops following. The job goes on if somebody else wants it. */
static void follower_end(struct follower *f)
{
	struct job *job = f->job;

	registry_unobserve(f->api->registry, &f->observer);
	if (f->client)
		job->clients--;
	if (f->client && job->clients == 0 && !job->detached && job_running(job))
		job_cancel(job);
	job_unref(job);
	free(f);
}

static void follower_closed(struct call *call)
{
	follower_end(call->user);
}

static void finish(struct follower *f)
{
	struct job *job = job_ref(f->job);
	struct call *call = f->call;
	bool watch = f->watch;

	follower_end(f);
	if (watch)
		call_reply(call, watched_json(job));
	else if (job->state == JOB_ENDED_DONE)
		call_reply(call, progress_json(job));
	else
		api_fail_failure(call, &job->failure);
	job_unref(job);
}

static void tell(struct follower *f)
{
	const char *step = step_name(f->job);
	uint64_t now = uv_now(f->api->loop);
	const char *message = f->job->message ? f->job->message : "";
	bool news = strcmp(step, f->step) != 0 || strncmp(message, f->message, sizeof(f->message) - 1) != 0 ||
		    f->all_bytes != job_has_all_bytes(f->job);

	if (!f->call->message.more)
		return;
	if (!news && (now - f->told_ms < PROGRESS_MS || call_unsent(f->call) > PROGRESS_BYTES))
		return;
	if (call_is_slow(f->call))
		return;
	f->told_ms = now;
	f->all_bytes = job_has_all_bytes(f->job);
	snprintf(f->step, sizeof(f->step), "%s", step);
	snprintf(f->message, sizeof(f->message), "%s", message);
	call_continue(f->call, f->watch ? watched_json(f->job) : progress_json(f->job));
}

static void on_event(struct registry_observer *o, const struct registry_change *change)
{
	struct follower *f = container_of(o, struct follower, observer);

	if (change->event != REGISTRY_JOB || change->job != f->job)
		return;
	if (job_running(change->job))
		tell(f);
	else
		finish(f);
}

static void no_memory(struct call *call)
{
	api_fail_limit(call, "memory", 0, NULL, "the daemon is out of memory");
}

/* Takes the reference to the job over. */
static void follow(struct api *api, struct call *call, struct job *job, bool client, bool watch)
{
	struct follower *f = calloc(1, sizeof(*f));

	if (!f) {
		job_unref(job);
		no_memory(call);
		return;
	}
	f->api = api;
	f->call = call;
	f->job = job;
	f->client = client;
	f->watch = watch;
	if (client)
		job->clients++;
	f->observer.event = on_event;
	registry_observe(api->registry, &f->observer);
	call->user = f;
	call->closed = follower_closed;
	/* A job that was just put on the loop speaks for itself in the next turn. */
	if (!job_running(job))
		finish(f);
	else if (job->waiting || job->step != job->steps)
		tell(f);
}

static void jobs(struct api *api, struct call *call)
{
	json_object *o = json_object_new_object(), *all = json_object_new_array();
	size_t count = registry_job_count(api->registry);

	for (size_t i = 0; i < count && all; i++)
		json_object_array_add(all, api_job_json(registry_job_at(api->registry, i)));
	api_put(o, "jobs", all);
	call_reply(call, o);
}

static bool find_job(struct api *api, struct call *call, struct job **ret)
{
	json_object *o;

	*ret = registry_job_find(api->registry, api_string(call, "job"));
	if (*ret)
		return true;
	o = json_object_new_object();
	api_put_string(o, "job", api_string(call, "job"));
	api_fail(call, "NoSuchJob", o, "mcumgrctl jobs (method Jobs) lists those that run and the newest that ended", "there is no job '%.60s'",
			api_string(call, "job"));
	return false;
}

static void job_watch(struct api *api, struct call *call)
{
	struct job *job;

	if (find_job(api, call, &job))
		follow(api, call, job_ref(job), false, true);
}

static void job_cancel_call(struct api *api, struct call *call)
{
	struct job *job;

	if (!find_job(api, call, &job) || (job_running(job) && !api_may_change(api, call, job->device_id)))
		return;
	if (job_running(job) && job->device)
		api_audit(call, job->device, "JobCancel");
	job_ref(job);
	bool on_record = job_running(job) && job->on_record;
	if (job_running(job))
		job_cancel(job);
	if (job_running(job) || on_record || api_cancel_is_under_way(api, job))
		api_cancel_later(api, call, job);
	else
		call_reply(call, NULL);
	job_unref(job);
}

/* Update and ImageUpload: first the file, which may be on disk. */
struct start {
	struct api *api;
	struct call *call; /* NULL: the client has gone */
	struct update_options options;
};

static void start_closed(struct call *call)
{
	((struct start *)call->user)->call = NULL;
}

static void fail_no_image(struct call *call)
{
	json_object *o = json_object_new_object();

	api_put_string(o, "file", api_string(call, "file"));
	api_fail(call, "NoSuchImage", o, "put it with ImagePut, which answers with its hash",
			"no file with this hash was put, or it was dropped since");
}

void api_fail_job_start(struct call *call, struct device *d, int error, const char *text)
{
	json_object *o;

	if (error == -ENODEV)
		api_fail_unavailable(call, d, text);
	else if (error != -EBUSY)
		api_fail_submit(call, d, error);
	if (error != -EBUSY)
		return;
	o = json_object_new_object();
	api_put_string(o, "device", d->id);
	api_put_string(o, "reason", "job");
	api_fail(call, "UpdateRefused", o, "wait for it (mcumgrctl job watch, method JobWatch), or end it (mcumgrctl job cancel, method JobCancel)",
			"the job %s runs on %s", text ? text : "", d->id);
}

static void on_blob(void *user, struct blob *blob_taken)
{
	_cleanup_(blob_unrefp) struct blob *blob = blob_taken;
	_cleanup_free_ struct start *s = user;
	struct call *call = s->call;
	const char *text = NULL;
	struct device *d;
	struct job *job;
	int e;

	if (!call)
		return;
	call->closed = NULL;
	call->user = NULL;
	if (!blob) {
		fail_no_image(call);
		return;
	}
	if (!api_device_to_change(s->api, call, &d))
		return;
	e = update_start(d, blob, &s->options, &job, &text);
	if (e < 0) {
		api_fail_job_start(call, d, e, text);
		return;
	}
	api_audit(call, d, strrchr(call->message.method, '.') + 1);
	follow(s->api, call, job, true, false);
}

static void copy_hash(char *to, const char *from)
{
	for (; from && *from; from++)
		*to++ = (char)tolower((unsigned char)*from);
	*to = 0;
}

static void read_options(const struct call *call, struct update_options *o)
{
	o->has_image = api_int(call, "imageNumber", -1) >= 0;
	o->image = (unsigned int)api_int(call, "imageNumber", 0);
	o->no_confirm = !api_bool(call, "confirm", true);
	o->force_confirm = api_bool(call, "forceConfirm", false);
	o->skip_reboot = api_bool(call, "skipReboot", false);
	o->upgrade_only = api_bool(call, "upgradeOnly", false);
	o->erase_first = api_bool(call, "eraseFirst", false);
	o->detached = api_bool(call, "detached", false);
	o->boot_timeout_ms = (unsigned int)api_int(call, "bootTimeoutMs", 0);
	o->timeout_ms = (unsigned int)api_int(call, "timeoutMs", 0);
	copy_hash(o->checksum, api_string(call, "checksum"));
}

static void start(struct api *api, struct call *call, bool upload_only)
{
	struct start *s;
	struct device *d;
	char hash[65];

	/* A wrong name is told before anything else; the board is looked up again once the file is there. */
	if (!api_device_to_change(api, call, &d))
		return;
	if (api_bool(call, "forceConfirm", false) && !api_bool(call, "confirm", true)) {
		api_invalid(call, "forceConfirm", "'forceConfirm' cannot be true when 'confirm' is false");
		return;
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		no_memory(call);
		return;
	}
	s->api = api;
	s->call = call;
	s->options.upload_only = upload_only;
	read_options(call, &s->options);
	copy_hash(hash, api_string(call, "file"));
	call->user = s;
	call->closed = start_closed;
	image_store_get(api->images, hash, on_blob, s);
}

static void update(struct api *api, struct call *call)
{
	start(api, call, false);
}

static void image_upload(struct api *api, struct call *call)
{
	start(api, call, true);
}

#define FILE_PARAMETERS                                                                                                \
	API_DEVICE, { "file", API_HASH }, { "imageNumber", API_INT, .optional = true, .min = 0, .max = 255 },          \
		{ "checksum", API_HASH, .optional = true }, { "upgradeOnly", API_BOOL, .optional = true },             \
		{ "detached", API_BOOL, .optional = true }, API_TIMEOUT, API_LEASE

static const struct api_parameter update_parameters[] = {
	FILE_PARAMETERS,
	{ "confirm", API_BOOL, .optional = true },
	{ "forceConfirm", API_BOOL, .optional = true },
	{ "skipReboot", API_BOOL, .optional = true },
	{ "eraseFirst", API_BOOL, .optional = true },
	{ "bootTimeoutMs", API_INT, .optional = true, .min = 1000, .max = 3600000 },
	{ NULL },
};
static const struct api_parameter upload_parameters[] = { FILE_PARAMETERS, { NULL } };
static const struct api_parameter job_parameters[] = { { "job", API_STRING }, { NULL } };
static const struct api_parameter cancel_parameters[] = { { "job", API_STRING }, API_LEASE, { NULL } };

const struct api_method api_job_methods[] = {
	{ "Update", update_parameters, update, ROLE_CHANGE },
	{ "ImageUpload", upload_parameters, image_upload, ROLE_CHANGE },
	{ "Jobs", NULL, jobs, ROLE_READ },
	{ "JobWatch", job_parameters, job_watch, ROLE_READ },
	{ "JobCancel", cancel_parameters, job_cancel_call, ROLE_CHANGE },
	{ NULL },
};
