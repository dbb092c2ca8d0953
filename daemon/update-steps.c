/* SPDX-License-Identifier: MIT */

/* mark and reset: the last steps from which there is a way back; and the tables of all steps. */

#include <errno.h>

#include "daemon/update-private.h"

static int mark_begin(struct job *job)
{
	struct update *u = update_of(job);
	struct writer w = {0};

	if (u->skipped_upload)
		job_set_message(job, "the image is on the board already");
	if (u->recovery) {
		/* The application's slot itself was written: nothing to mark. */
		if (!u->options.skip_reboot)
			return JOB_NEXT;
		job->outcome = "uploaded";
		return JOB_DONE;
	}
	if (!u->skipped_upload)
		job_set_message(job, u->options.force_confirm ? "to boot it from now on" : "to boot it once, for test");
	update_reach(u, PHASE_MARKING);
	writer_map(&w, 2);
	writer_text(&w, "hash");
	writer_bytes(&w, u->blob->info.hash, u->blob->info.hash_size);
	writer_text(&w, "confirm");
	writer_bool(&w, u->options.force_confirm);
	return update_ask(u, SMP_WRITE, SMP_IMAGE, 0, &w, REPEAT_HARMLESS, 0);
}

static int marked(struct update *u)
{
	update_reach(u, u->flagless ? PHASE_UPLOADED : PHASE_MARKED);
	if (!u->options.skip_reboot)
		return JOB_NEXT;
	u->job.outcome = u->flagless ? "uploaded" : "marked";
	return JOB_DONE;
}

static int mark_refused(struct update *u)
{
	const struct smp_status *status = &u->answer->status;

	u->phase = PHASE_UPLOADED;
	if (smp_status_unsupported(status)) {
		u->flagless = true;
		return marked(u);
	}
	/* Pending already, or active already, whoever did it: the list will say. */
	if (update_is_image_error(status, 28) || update_is_image_error(status, 33) || update_is_image_error(status, 8) ||
			(status->group < 0 && status->rc == SMP_EBADSTATE)) {
		int r = update_inspect_again(u);
		if (r)
			return r;
	}
	return update_fail_remote(u, status, SMP_IMAGE, 0);
}

static int mark_end(struct job *job, int result)
{
	struct update *u = update_of(job);

	if (result == -EREMOTEIO)
		return mark_refused(u);
	if (result == -ENODEV)
		return update_fail_answer(u, result);
	/* The reply carries the list; when it was lost or does not show the mark, ask for it. */
	if (result == 0 && update_take_state(u) == 0) {
		const struct image_slot *found = update_found(u);
		if (found && found->pending)
			return marked(u);
	}
	int r = update_inspect_again(u);
	if (r)
		return r;
	if (result < 0)
		return update_fail_answer(u, result);
	return update_fail_protocol(u, "the board accepted the mark, but does not list the image as pending",
			"its bootloader may forbid this image; see the board's console");
}

static int reset_begin(struct job *job)
{
	struct update *u = update_of(job);
	struct writer w = {0};

	/* A daemon that dies from here on must not mark and reset once more afterwards. */
	update_reach(u, PHASE_RESET);
	u->reset_answered = false;
	u->reset_ms = update_now(u);
	if (u->resets++ == 0)
		u->deadline_ms = u->reset_ms + update_boot_timeout(u);
	u->boots_before = job->device->boots;
	u->reattach = REATTACH_AWAIT;
	u->seen_old = false;
	device_set_window(job->device, 1);
	device_expect_swap(job->device, u->flagless || u->recovery ? 0 : u->blob->size);
	writer_map(&w, 0);
	int r = update_ask(u, SMP_WRITE, SMP_OS, 5, &w, REPEAT_NEVER, 0);
	/* Pulled out at this very moment: it was marked, so the power-up boots it. */
	return r == -ENODEV ? JOB_NEXT : r;
}

static int reset_refused(struct update *u)
{
	const struct smp_status *status = &u->answer->status;

	u->phase = u->flagless || u->recovery ? PHASE_UPLOADED : PHASE_MARKED;
	device_expect_swap(u->job.device, 0);
	return update_fail_remote(u, status, SMP_OS, 5);
}

static int reset_end(struct job *job, int result)
{
	struct update *u = update_of(job);

	if (result == -EREMOTEIO)
		return reset_refused(u);
	/* A board that resets before its answer is out has obeyed all the same. */
	u->reset_answered = result == 0;
	device_expect_reboot(job->device, false, u->reset_answered);
	return JOB_NEXT;
}

/* --- the tables --------------------------------------------------------------------------------------------------- */

/* Requests have deadlines of their own; this one is for a request that never ends, with the time it may wait for the board. */
#define BACKSTOP_MS 150000

/* clang-format off */
const struct job_step update_steps[] = {
	/* name       begin           end            leave        deadline     weight */
	{"check",     check_begin,    check_end,     update_stop, 0,           1,  .unplug_ok = true},
	{"inspect",   inspect_begin,  inspect_end,   update_stop, BACKSTOP_MS, 2},
	{"erase",     erase_begin,    erase_end,     update_stop, BACKSTOP_MS, 3},
	{"upload",    upload_begin,   upload_end,    update_stop, 0,           80},
	{"mark",      mark_begin,     mark_end,      update_stop, BACKSTOP_MS, 1,  .whole = true},
	{"reset",     reset_begin,    reset_end,     update_stop, BACKSTOP_MS, 1,  .unplug_ok = true, .committed = true},
	{"reattach",  reattach_begin, reattach_end,  update_stop, 0,           9,  .unplug_ok = true, .committed = true},
	{"verify",    verify_begin,   NULL,          update_stop, 0,           1,  .committed = true},
	{"confirm",   confirm_begin,  confirm_end,   update_stop, BACKSTOP_MS, 1,  .committed = true},
	{"final",     final_begin,    final_end,     update_stop, BACKSTOP_MS, 1,  .committed = true},
	{0},
};

const struct job_step upload_steps[] = {
	{"check",     check_begin,    check_end,     update_stop, 0,           1,  .unplug_ok = true},
	{"erase",     erase_begin,    erase_end,     update_stop, BACKSTOP_MS, 3},
	{"upload",    upload_begin,   upload_end,    update_stop, 0,           96},
	{0},
};
/* clang-format on */
