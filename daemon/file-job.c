/* SPDX-License-Identifier: MIT */

#include "daemon/file-private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/job-loop.h"
#include "daemon/limits.h"
#include "daemon/parameters.h"

/* --- failures ----------------------------------------------------------------------------------------------------------- */

static void common(struct file_job *f, struct parameters *p, const char *what)
{
	parameters_text(p, "device", f->job.device_id);
	parameters_text(p, "step", f->job.step->name);
	parameters_format(p, "message", "%s: %s", f->path, what);
}

/* No step: that a command is not there is not known of a job alone, and the error is the one that plain calls end with. */
static int fail_unsupported(struct file_job *f)
{
	bool recovery = f->job.device && f->job.device->state == DEVICE_RECOVERY;
	struct parameters p = {0};

	parameters_text(&p, "device", f->job.device_id);
	parameters_int(&p, "group", SMP_FS);
	parameters_int(&p, "command", 0);
	parameters_format(&p, "message", "%s: %s has no file commands", f->path, recovery ? "the board's bootloader" : "the board");
	parameters_text(&p, "hint", recovery ? DEVICE_RECOVERY_HINT : "build its firmware with CONFIG_MCUMGR_GRP_FS=y");
	return job_fail(&f->job, -EREMOTEIO, "NotSupported", parameters_finish(&p));
}

static int fail_status(struct file_job *f, const struct smp_status *status)
{
	const char *name = smp_rc_name(status->group, status->rc), *text = smp_rc_text(status->group, status->rc);
	const char *group = status->group >= 0 ? smp_group_name((unsigned int)status->group) : NULL;
	_cleanup_free_ char *what = NULL;
	struct parameters p = {0};

	if (smp_status_unsupported(status))
		return fail_unsupported(f);
	if (asprintf(&what, "the board answered with error %" PRIu64 " %s: %s", status->rc, name ? name : "(unknown)",
			    status->reason ? status->reason : text ? text : "no reason given") < 0)
		what = NULL;
	common(f, &p, what ? what : "the board answered with an error");
	if (status->group >= 0)
		parameters_int(&p, "group", status->group);
	parameters_text(&p, "groupName", group);
	parameters_uint(&p, "rc", status->rc);
	parameters_text(&p, "name", name);
	parameters_text(&p, "reason", status->reason);
	parameters_text(&p, "hint", smp_rc_hint(status->group, status->rc, SMP_FS, 0));
	return job_fail(&f->job, -EREMOTEIO, "DeviceError", parameters_finish(&p));
}

int file_fail_as(struct file_job *f, int error, const char *name, const char *what, const char *hint)
{
	struct parameters p = {0};

	if (strcmp(name, "ProtocolError") == 0)
		parameters_text(&p, "reason", what);
	if (strcmp(name, "LimitExceeded") == 0) {
		parameters_text(&p, "limit", "fileBytes");
		parameters_int(&p, "maximum", LIMIT_FILE_BYTES);
		parameters_format(&p, "message", "%s: %s", f->path, what);
	} else {
		common(f, &p, what);
	}
	parameters_text(&p, "hint", hint);
	return job_fail(&f->job, error, name, parameters_finish(&p));
}

int file_fail(struct file_job *f, int error)
{
	const struct smp_status *status = NULL;
	const char *text = f->run_text;

	if (error == -EREMOTEIO && f->answer)
		return fail_status(f, &f->answer->status);
	if (error == -EREMOTEIO && f->run && transfer_error(transfer_run_transfer(f->run), &status, NULL) == 0 && status)
		return fail_status(f, status);
	switch (error) {
	case -ENODEV:
		return file_fail_as(f, error, "DeviceGone", "the board went away", "it is listed again when it is plugged in");
	case -ETIMEDOUT:
	case -EAGAIN:
		return file_fail_as(f, error, "TimedOut", text ? text : "the board did not answer in time",
				"mcumgrctl os echo tells whether it answers at all");
	case -EFBIG:
		return file_fail_as(f, error, "LimitExceeded", text ? text : "the file is larger than the daemon takes", NULL);
	default:
		return file_fail_as(f, error, "ProtocolError", text ? text : strerror(-error),
				"try again; if it stays so, the log at level debug shows the frames");
	}
}

static void explain(struct job *job, int error)
{
	struct file_job *f = file_of(job);

	if (error == -ECANCELED)
		file_fail_as(f, error, "Cancelled",
				job->steps == file_write_steps ? "the upload was cancelled: the board has a part of the file"
							       : "the download was cancelled",
				NULL);
	else
		file_fail(f, error);
}

static void abandon(struct job *job)
{
	struct parameters p = {0};

	parameters_format(&p, "message", "The daemon ends; the transfer of %s was cut short.", file_of(job)->path);
	job_fail(job, -ESHUTDOWN, "Stopping", parameters_finish(&p));
	job_abort(job, -ESHUTDOWN);
}

/* --- leaving nothing open ----------------------------------------------------------------------------------------------- */

static void closed_behind(struct request *request, const struct answer *answer _unused_)
{
	request_release(request);
	free(request);
}

/* Sent and forgotten: whatever the board says of it, the transfer has failed already. */
static void close_behind(struct device *d)
{
	struct request *request = calloc(1, sizeof(*request));
	struct writer w = {0};

	if (!request)
		return;
	*request = (struct request){.class = REQUEST_WRITE, .op = SMP_WRITE, .group = SMP_FS, .id = 4,
		.repeat = REPEAT_HARMLESS, .done = closed_behind};
	writer_map(&w, 0);
	if (writer_finish(&w, &request->payload, &request->payload_size) == 0 && device_submit(d, request) == 0)
		return;
	request_release(request);
	free(request);
}

/* --- transfer ----------------------------------------------------------------------------------------------------------- */

static void on_progress(void *user, uint64_t acknowledged, uint64_t total)
{
	struct file_job *f = user;

	if (f->job.steps == file_write_steps)
		file_sum_take(f, (size_t)acknowledged);
	job_set_progress(&f->job, acknowledged, total);
}

static void on_done(void *user, int result, const char *text)
{
	struct file_job *f = user;

	job_ref(&f->job);
	free(f->run_text);
	f->run_text = text ? strdup(text) : NULL;
	job_complete(&f->job, result);
	job_unref(&f->job);
}

/* Boards work in order: the checksum is asked for behind the close, not after its answer. */
static void on_closing(void *user)
{
	struct file_job *f = user;

	if (f->job.steps == file_write_steps)
		file_sum_early(f);
}

static int transfer_begin(struct job *job)
{
	static const struct transfer_run_callbacks callbacks = {.resumes = true, .quick = true,
		.progress = on_progress, .closing = on_closing, .done = on_done};
	struct file_job *f = file_of(job);
	bool write = job->steps == file_write_steps;
	struct device_limits limits;
	struct transfer *transfer;

	device_limits(job->device, &limits);
	const struct transfer_config config = {
		.kind = write ? TRANSFER_FILE_UPLOAD : TRANSFER_FILE_DOWNLOAD,
		.data = f->data,
		.size = write ? f->size : LIMIT_FILE_BYTES,
		.name = f->path,
		.message_max = limits.message_max,
		.window_max = limits.window_max,
		.window_start = limits.window_start,
		.window_known = limits.window_known,
		.stall_ms = TRANSFER_STALL_MS,
	};
	int r = transfer_new(&config, &transfer);
	if (r == -EMSGSIZE)
		return file_fail_as(f, r, "ProtocolError", "the board's buffer is too small for this path and any data",
				"a shorter path, or a larger CONFIG_MCUMGR_TRANSPORT_NETBUF_SIZE");
	if (r == 0)
		transfer_run_stop(TAKE_PTR(f->run)); /* of the first try */
	if (r == 0)
		r = transfer_run_start(job->device, transfer, f->timeout_ms, &callbacks, f, &f->run);
	if (r < 0)
		return file_fail(f, r);
	f->open = true;
	if (write) {
		file_types_early(f);
		job_set_progress(job, 0, f->size);
	}
	return JOB_WAIT;
}

static int transfer_end(struct job *job, int result)
{
	struct file_job *f = file_of(job);

	if (result < 0)
		return file_fail(f, result);
	f->open = false;
	return JOB_NEXT;
}

static void transfer_leave(struct job *job)
{
	struct file_job *f = file_of(job);

	if (!f->open)
		return;
	/* Cut short. Its data stays with the run until the job is freed; nothing is in flight any more. */
	f->open = false;
	transfer_run_stop(TAKE_PTR(f->run));
	file_verify_leave(job);
	if (job->device)
		close_behind(job->device);
}

const struct job_step file_read_steps[] = {
	{"download", transfer_begin, transfer_end, transfer_leave, .weight = 1},
	{0},
};

const struct job_step file_write_steps[] = {
	{"upload", transfer_begin, transfer_end, transfer_leave, .weight = 95},
	{"verify", file_verify_begin, file_verify_end, file_verify_leave, .weight = 5},
	{0},
};

/* --- start -------------------------------------------------------------------------------------------------------------- */

static void destroy(struct job *job)
{
	struct file_job *f = file_of(job);

	transfer_run_stop(f->run);
	request_release(&f->request);
	free(f->run_text);
	free(f->path);
	free(f->data);
	EVP_MD_CTX_free(f->sha);
	free(f);
}

static struct file_job *file_new(struct device *device, const struct file_options *options)
{
	struct file_job *f = calloc(1, sizeof(*f));

	if (f && (f->path = strdup(options->path)) && (f->job.device_id = strdup(device->id))) {
		f->timeout_ms = options->timeout_ms;
		return f;
	}
	if (f)
		free(f->path);
	free(f);
	return NULL;
}

static int start(struct device *device, struct file_job *f, const char *kind, const struct job_step *steps, struct job **ret)
{
	f->job.destroy = destroy;
	int r = job_loop_put(&f->job, kind, steps, device->registry);
	if (r < 0) {
		f->job.references = 1;
		job_unref(&f->job);
		return r;
	}
	f->job.device = device;
	f->job.explain = explain;
	f->job.abandon = abandon;
	registry_job_add(device->registry, &f->job);
	device_job_begin(device, &f->job);
	job_loop_start(&f->job);
	*ret = job_ref(&f->job);
	return 0;
}

int file_read_start(struct device *device, const struct file_options *options, struct job **ret, const char **ret_text)
{
	int r = device_job_possible(device, ret_text);
	struct file_job *f = r < 0 ? NULL : file_new(device, options);

	if (!f)
		return r < 0 ? r : -ENOMEM;
	return start(device, f, "download", file_read_steps, ret);
}

int file_write_start(struct device *device, const struct file_options *options, uint8_t *data, size_t size, struct job **ret,
		const char **ret_text)
{
	int r = device_job_possible(device, ret_text);
	struct file_job *f = r < 0 ? NULL : file_new(device, options);

	if (!f) {
		free(data);
		return r < 0 ? r : -ENOMEM;
	}
	f->data = data;
	f->size = size;
	return start(device, f, "file", file_write_steps, ret);
}

const uint8_t *file_job_data(const struct job *job, size_t *ret_size)
{
	const struct file_job *f = (const struct file_job *)job;

	*ret_size = 0;
	return f->run ? transfer_received(transfer_run_transfer(f->run), ret_size) : NULL;
}

const char *file_job_verified(const struct job *job)
{
	return ((const struct file_job *)job)->verified;
}
