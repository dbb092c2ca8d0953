/* SPDX-License-Identifier: MIT */
/* FileRead and FileWrite: jobs that end with their call. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/api-private.h"
#include "daemon/file-job.h"
#include "proto/base64.h"

#define PIECE_BYTES (256u << 10) /* of a file in one reply of a stream */

/* A call that waits for a transfer. */
struct transfer_call {
	struct registry_observer observer;
	struct api *api;
	struct call *call;
	struct job *job; /* a reference */
	bool read;
	size_t sent; /* bytes of a read that went out; bytes of a write last told */
	size_t size; /* of what is written */
};

static void end(struct transfer_call *t)
{
	struct job *job = t->job;

	registry_unobserve(t->api->registry, &t->observer);
	job->clients--;
	if (job_running(job))
		job_cancel(job);
	job_unref(job);
	free(t);
}

static void on_closed(struct call *call)
{
	end(call->user);
}

static json_object *piece(struct transfer_call *t, size_t limit)
{
	json_object *o = json_object_new_object();
	size_t have, size;
	const uint8_t *data = file_job_data(t->job, &have);
	_cleanup_free_ char *text = NULL;

	size = data ? have - t->sent : 0;
	if (size > limit)
		size = limit;
	text = base64_encode(data ? data + t->sent : (const uint8_t *)"", size, NULL);
	api_put_string(o, "job", t->job->id);
	api_put_int(o, "offset", (int64_t)t->sent);
	api_put_int(o, "size", (int64_t)t->job->total_bytes);
	api_put_string(o, "data", text);
	t->sent += size;
	return o;
}

static json_object *written(struct transfer_call *t)
{
	json_object *o = json_object_new_object();

	t->sent = job_running(t->job) ? (size_t)t->job->done_bytes : t->size;
	api_put_string(o, "job", t->job->id);
	api_put_int(o, "doneBytes", (int64_t)t->sent);
	api_put_int(o, "totalBytes", (int64_t)t->size);
	api_put_string(o, "verified", file_job_verified(t->job));
	return o;
}

static void tell(struct transfer_call *t)
{
	/* a step without bytes, as the comparison of checksums, takes nothing back */
	size_t have = t->job->total_bytes > 0 ? (size_t)t->job->done_bytes : t->sent;

	/* An upload may begin again. */
	if (!t->call->message.more || call_is_slow(t->call) || (t->read ? have <= t->sent : have == t->sent))
		return;
	call_continue(t->call, t->read ? piece(t, PIECE_BYTES) : written(t));
}

/* A stream gets the rest in pieces, whatever it has not read yet: the whole file is bounded. */
static void finish(struct transfer_call *t)
{
	struct call *call = t->call;
	struct job *job = t->job;
	size_t have = 0;

	if (job->state != JOB_ENDED_DONE) {
		job_ref(job);
		end(t);
		api_fail_failure(call, &job->failure);
		job_unref(job);
		return;
	}
	if (t->read)
		file_job_data(job, &have);
	while (t->read && call->message.more && have - t->sent > PIECE_BYTES)
		call_continue(call, piece(t, PIECE_BYTES));
	json_object *last = t->read ? piece(t, have) : written(t);
	end(t);
	call_reply(call, last);
}

static void on_event(struct registry_observer *o, const struct registry_change *change)
{
	struct transfer_call *t = container_of(o, struct transfer_call, observer);

	if (change->event != REGISTRY_JOB || change->job != t->job)
		return;
	if (job_running(change->job))
		tell(t);
	else
		finish(t);
}

static void no_memory(struct call *call)
{
	api_fail_limit(call, "memory", 0, NULL, "the daemon is out of memory");
}

/* Takes the reference to the job over. */
static void wait_for(struct api *api, struct call *call, struct job *job, bool read, size_t size)
{
	struct transfer_call *t = calloc(1, sizeof(*t));

	if (!t) {
		job_cancel(job);
		job_unref(job);
		no_memory(call);
		return;
	}
	t->api = api;
	t->call = call;
	t->job = job;
	t->read = read;
	t->size = size;
	job->clients++;
	t->observer.event = on_event;
	registry_observe(api->registry, &t->observer);
	call->user = t;
	call->closed = on_closed;
}

static bool check_path(struct call *call)
{
	const char *path = api_string(call, "path");

	if (*path && strlen(path) <= FILE_PATH_MAX)
		return true;
	api_invalid(call, "path", "'path' is the absolute path of a file on the board, 1 to %d bytes, such as /lfs1/a.txt",
			FILE_PATH_MAX);
	return false;
}

static void file_read(struct api *api, struct call *call)
{
	const struct file_options options = {api_string(call, "path"), (unsigned int)api_int(call, "timeoutMs", 0)};
	const char *text = NULL;
	struct device *d;
	struct job *job;

	if (!check_path(call) || !api_device(api, call, &d))
		return;
	int e = file_read_start(d, &options, &job, &text);
	if (e < 0)
		api_fail_job_start(call, d, e, text);
	else
		wait_for(api, call, job, true, 0);
}

static void file_write(struct api *api, struct call *call)
{
	const struct file_options options = {api_string(call, "path"), (unsigned int)api_int(call, "timeoutMs", 0)};
	const char *text = NULL, *data = api_string(call, "data");
	size_t size = 0, at = 0;
	uint8_t *bytes = NULL;
	struct device *d;
	struct job *job;

	if (!check_path(call) || !api_device_to_change(api, call, &d))
		return;
	if (strlen(data) / 4 * 3 > LIMIT_FILE_BYTES + 2) {
		api_fail_limit(call, "fileBytes", LIMIT_FILE_BYTES, NULL, "the file is larger than the daemon sends");
		return;
	}
	int e = base64_decode(data, strlen(data), &bytes, &size, &at);
	if (e == -EBADMSG) {
		api_invalid(call, "data", "'data' is no padded base64: trouble at character %zu", at);
		return;
	}
	if (e < 0) {
		no_memory(call);
		return;
	}
	if (size > LIMIT_FILE_BYTES) {
		free(bytes);
		api_fail_limit(call, "fileBytes", LIMIT_FILE_BYTES, NULL, "the file is larger than the daemon sends");
		return;
	}
	e = file_write_start(d, &options, bytes, size, &job, &text);
	if (e < 0) {
		api_fail_job_start(call, d, e, text);
		return;
	}
	api_audit(call, d, "FileWrite");
	wait_for(api, call, job, false, size);
}

static const struct api_parameter read_parameters[] = {API_DEVICE, {"path", API_STRING}, API_TIMEOUT, {NULL}};
static const struct api_parameter write_parameters[] = {API_DEVICE, {"path", API_STRING}, {"data", API_STRING}, API_TIMEOUT,
	API_LEASE, {NULL}};

const struct api_method api_file_methods[] = {
	{"FileRead", read_parameters, file_read, ROLE_READ},
	{"FileWrite", write_parameters, file_write, ROLE_CHANGE},
	{NULL},
};
