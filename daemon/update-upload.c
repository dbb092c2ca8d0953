/* SPDX-License-Identifier: MIT */

/* erase and upload: the image into the slot that does not run (recovery: into the one that does). */

#include <errno.h>
#include <string.h>

#include "daemon/update-private.h"

#define UPLOADS_MAX 4
#define ERASE_ANSWER_MS 60000

static int fail_damaged(struct update *u)
{
	return update_fail_protocol(u, "the board's own checksum of what it received does not match the file",
			"update again; if it stays so, the flash or the cable is bad");
}

int erase_begin(struct job *job)
{
	struct update *u = update_of(job);
	struct writer w = {0};

	/* Recovery has no erase command: its upload erases. */
	if (!u->damaged && (!u->options.erase_first || u->recovery))
		return JOB_NEXT;
	if (!u->damaged)
		update_reach(u, PHASE_UPLOADING);
	const struct image_slot *active = update_active(u);
	writer_map(&w, u->image > 0 || u->direct);
	if (u->direct) {
		writer_text(&w, "slot");
		writer_uint(&w, 2 * u->image + u->direct_slot);
	} else if (u->image > 0) {
		/* Absolute numbers (SMP §5.1); without one the board takes the slot that does not run. */
		writer_text(&w, "slot");
		writer_uint(&w, 2 * u->image + (active && active->slot == 1 ? 0 : 1));
	}
	return update_ask(u, SMP_WRITE, SMP_IMAGE, 5, &w, REPEAT_NEVER, ERASE_ANSWER_MS);
}

int erase_end(struct job *job, int result)
{
	struct update *u = update_of(job);

	if (result == -ENODEV)
		return update_fail_answer(u, result);
	if (u->damaged)
		return fail_damaged(u);
	/* A board that cannot erase, or is slow to say so: the first chunk of the upload erases as well. */
	if (result == -EREMOTEIO && !smp_status_unsupported(&u->answer->status))
		return update_fail_remote(u, &u->answer->status, SMP_IMAGE, 5);
	return JOB_NEXT;
}

/* --- upload ------------------------------------------------------------------------------------------------------- */

static void run_progress(void *user, uint64_t acknowledged, uint64_t total)
{
	struct update *u = user;
	u->wrote |= acknowledged > 0;
	job_set_progress(&u->job, acknowledged, total);
}

static void run_done(void *user, int result, const char *text)
{
	struct update *u = user;
	free(u->run_text);
	u->run_text = text ? strdup(text) : NULL;
	job_complete(&u->job, result);
}

static const struct transfer_run_callbacks run_callbacks = {.progress = run_progress, .done = run_done};
static const struct transfer_run_callbacks looking_callbacks = {.looks = true, .progress = run_progress, .done = run_done};
static const struct transfer_run_callbacks resuming_callbacks = {
	.resumes = true, .looks = true, .progress = run_progress, .done = run_done};

static int send_begin(struct update *u)
{
	struct device_limits limits;
	struct transfer *t;

	device_limits(u->job.device, &limits);
	u->to_recovery = u->recovery || u->job.device->state == DEVICE_RECOVERY;
	struct transfer_config config = {
		.kind = TRANSFER_IMAGE_UPLOAD,
		.data = u->blob->data,
		.size = u->blob->size,
		.image = u->options.image,
		.has_image = u->options.has_image,
		.upgrade_only = u->options.upgrade_only,
		.sha = u->without_sha ? NULL : u->blob->sha,
		.message_max = limits.message_max,
		.window_max = u->recovery ? 1 : limits.window_max,
		.window_start = u->recovery ? 1 : limits.window_start,
		.window_known = !u->recovery && limits.window_known,
		.align = u->recovery ? 32 : 0,
		.stall_ms = TRANSFER_STALL_MS,
	};
	int r = transfer_new(&config, &t);
	if (r == -EMSGSIZE)
		return update_fail_protocol(u, "the board's buffer is too small for an upload",
				"the firmware needs a larger CONFIG_MCUMGR_TRANSPORT_NETBUF_SIZE");
	update_reach(u, PHASE_UPLOADING);
	if (r == 0 && u->job.unrecorded) {
		transfer_free(t);
		return update_hold(u, send_begin);
	}
	if (r == 0)
		r = transfer_run_start(u->job.device, t, u->options.timeout_ms,
				u->to_recovery ? &run_callbacks : config.sha ? &resuming_callbacks : &looking_callbacks, u, &u->run);
	if (r < 0)
		return update_fail_answer(u, r);
	return JOB_WAIT;
}

int upload_begin(struct job *job)
{
	struct update *u = update_of(job);

	if (!u->looking)
		return send_begin(u);
	/* It forgot the upload because it booted, perhaps, and may have stayed in its bootloader for what it was sent then: the
	 * upload would go over its application. */
	if (!u->all_acked && !u->to_recovery)
		device_identify(job->device);
	return update_ask_state(u);
}

bool update_is_image_error(const struct smp_status *status, uint64_t rc)
{
	return status->group == SMP_IMAGE && status->rc == rc;
}

/* The first chunk was too much for a small board: without the checksum it may fit (SMP §8 step 4). */
static bool try_without_sha(struct update *u, const struct smp_status *status)
{
	bool first = transfer_acknowledged(transfer_run_transfer(u->run)) == 0;
	bool too_much = (status->group < 0 && (status->rc == SMP_EINVAL || status->rc == SMP_ECORRUPT)) ||
		update_is_image_error(status, 22);
	if (!first || !too_much || u->without_sha)
		return false;
	u->without_sha = true;
	return true;
}

static int judge_refusal(struct update *u)
{
	const struct smp_status *status = NULL;
	const char *text;

	if (transfer_error(transfer_run_transfer(u->run), &status, &text) != 0 || !status)
		return update_fail_protocol(u, "the upload ended without a reason", NULL);
	if (try_without_sha(u, status))
		return JOB_AGAIN;
	if (update_is_image_error(status, 27))
		return update_refuse(u, "downgrade", "leave --upgrade-only out, or raise the version",
				"the board runs a version that is not lower than %s", u->job.version);
	if (update_is_image_error(status, 25))
		return update_refuse(u, "slot", "build the image for the slot that does not run",
				"the image is linked for another slot than the free one");
	if (update_is_image_error(status, 30))
		return update_fail_image(u, "too-large", NULL, "the board says that the image is too large for its slot");
	/* No free slot, a wrong state, another upload under way: somebody else may have changed the board. Twice is meant so. */
	if (!u->refused && (update_is_image_error(status, 9) || update_is_image_error(status, 16) ||
			(status->group < 0 && status->rc == SMP_EBADSTATE))) {
		u->refused = true;
		int r = u->options.upload_only ? 0 : update_inspect_again(u);
		if (r)
			return r;
	}
	return update_fail_remote(u, status, SMP_IMAGE, 1);
}

/* Everything was sent, and the board no longer knows of an upload: complete, or lost (SMP §6.5). */
static int look(struct update *u, bool all_acked)
{
	u->all_acked = all_acked;
	if (all_acked || !u->has_marks)
		update_reach(u, PHASE_UPLOADED);
	u->looking = !all_acked || (u->blob->is_image && !u->options.upload_only);
	return u->looking ? JOB_AGAIN : JOB_NEXT;
}

static int send_end(struct update *u, int result)
{
	switch (result) {
	case 0:
		return look(u, true);
	case -EAGAIN:
		return look(u, false);
	case -EREMOTEIO:
		return judge_refusal(u);
	case -EBADMSG:
		if (u->options.upload_only)
			return fail_damaged(u);
		/* Its hash may be listed all the same: it must not be taken for the image next time. */
		u->damaged = true;
		return update_goto(u, "erase");
	case -EPROTO:
	case -ELOOP:
	case -ENOLINK:
	case -EMSGSIZE:
		return update_fail_protocol(u, u->run_text ? u->run_text : "the upload makes no progress", NULL);
	default:
		return update_fail_answer(u, result);
	}
}

/* Its bootloader answers, although the application did when the upload began, and a reset did not help. */
static int met_bootloader(struct update *u)
{
	int r = u->options.upload_only ? 0 : update_inspect_again(u);
	return r ? r
		 : update_fail_protocol(u, "the board is in its bootloader's recovery now",
				   "the upload would go over its application: reset it, then upload again");
}

static int look_end(struct update *u, int result)
{
	u->looking = false;
	if (result == 0)
		result = update_take_state(u);
	if (result < 0)
		return update_fail_answer(u, result);
	if (!u->to_recovery && u->job.device->state == DEVICE_RECOVERY)
		return met_bootloader(u);
	if (update_found(u)) {
		u->phase = PHASE_UPLOADED;
		return JOB_NEXT;
	}
	if (!u->all_acked)
		return ++u->uploads < UPLOADS_MAX ? JOB_AGAIN
						  : update_fail_protocol(u, "the board forgot the upload again and again", NULL);
	/* Recovery lists valid images only, some builds without hashes: the boot will tell. */
	if (u->recovery)
		return JOB_NEXT;
	return update_fail_protocol(u, "the board took every byte, but does not list the image",
			"its other slot may be broken, or smaller than the image");
}

int upload_end(struct job *job, int result)
{
	struct update *u = update_of(job);

	int verdict = u->looking ? look_end(u, result)
		: u->run	 ? send_end(u, result)
				 : update_fail_answer(u, result);
	transfer_run_stop(TAKE_PTR(u->run));
	if (verdict == JOB_NEXT && u->options.upload_only)
		job->outcome = "uploaded";
	return verdict;
}
