/* SPDX-License-Identifier: MIT */

/* The update up to the reset, and the table. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "daemon/update-private.h"

#define INSPECTIONS_MAX 4
#define UPLOADS_MAX 3
#define ERASE_ANSWER_MS 60000

static int check_begin(struct job *job)
{
	struct update *u = update_of(job);

	if (u->resumed) {
		job_set_message(job, "waiting for the board");
		job_set_deadline(job, update_boot_timeout(u));
		update_await(u);
		return JOB_WAIT;
	}
	if (u->options.checksum[0] && strcasecmp(u->options.checksum, u->blob->hash) != 0)
		return update_fail_image(u, "checksum-mismatch", "give the SHA-256 of the whole file",
				"the file's SHA-256 is %s, not %s", u->blob->hash, u->options.checksum);
	if (!u->blob->is_image && !u->options.upload_only)
		return update_fail_image(u, "not-an-image", "give an image signed by imgtool",
				"the file is no MCUboot image");
	if (u->blob->is_image)
		job_set_message(job, "%s, %zu bytes, %s matches", u->job.version, u->blob->size, u->blob->info.hash_type);
	return JOB_NEXT;
}

/* The board of an earlier daemon's job is back, or not. */
static int check_end(struct job *job, int result)
{
	struct update *u = update_of(job);

	if (result < 0)
		return update_fail_answer(u, -ENODEV);
	u->resumed = false;
	u->phase = PHASE_BEFORE;
	return JOB_AGAIN;
}

/* --- inspect ---------------------------------------------------------------------------------------------------------- */

static bool mode_has_no_marks(const struct device_info *info)
{
	return info->has_mode && (info->mode == 4 || info->mode == 6 || info->mode == 8);
}

/* The mode is asked of the application, and no longer known after the reset. */
static void learn_mode(struct update *u)
{
	const struct device_info *info = &u->job.device->info;
	u->has_marks = info->has_mode && info->mode > 0 && !mode_has_no_marks(info);
	u->erases_untested = info->has_mode && info->mode == 5;
}

/* What bootloaders compare: major, minor, revision; the build number only as a build option. */
static int compare_version(const struct mcuboot_image *image, const char *other)
{
	unsigned int v[3] = {0}, own[3] = {image->major, image->minor, image->revision};

	if (sscanf(other, "%u.%u.%u", &v[0], &v[1], &v[2]) != 3)
		return 0;
	for (int i = 0; i < 3; i++)
		if (own[i] != v[i])
			return own[i] < v[i] ? -1 : 1;
	return 0;
}

static int check_downgrade(struct update *u)
{
	const struct device_info *info = &u->job.device->info;
	const struct image_slot *active = update_active(u);

	if (u->recovery || !active || compare_version(&u->blob->info, active->version) >= 0)
		return 0;
	if (info->has_mode && info->no_downgrade)
		return update_refuse(u, "downgrade", "build the image with a version that is not lower",
				"the bootloader refuses lower versions: %s runs, the file is %s", active->version,
				u->job.version);
	if (mode_has_no_marks(info))
		return update_refuse(u, "downgrade", "build the image with a higher version",
				"the bootloader starts the highest version: %s runs, the file is %s", active->version,
				u->job.version);
	return 0;
}

static int check_size(struct update *u)
{
	if (u->slot_size && u->blob->size > u->slot_size)
		return update_fail_image(u, "too-large", NULL, "the file has %zu bytes, the slot %llu", u->blob->size,
				(unsigned long long)u->slot_size);
	if (u->image_max && u->blob->info.total_size > u->image_max)
		return update_fail_image(u, "too-large", NULL, "the image has %zu bytes, the board takes %llu",
				u->blob->info.total_size, (unsigned long long)u->image_max);
	return 0;
}

static void say_what_runs(struct update *u)
{
	const struct device_info *info = &u->job.device->info;
	const struct image_slot *active = update_active(u);
	const char *mode = info->has_mode ? smp_bootloader_mode_name(info->mode) : NULL;

	if (u->recovery)
		job_set_message(&u->job, "the bootloader answers: the image goes over the application");
	else
		job_set_message(&u->job, "%s runs%s%s%s%s", active ? active->version : "an unlisted image",
				info->bootloader[0] ? "; " : "", info->bootloader, mode ? ", " : "", mode ? mode : "");
}

/* The image must be uploaded: may it, and has everything been asked that an upload wants to know? */
static int decide_upload(struct update *u)
{
	const struct image_slot *active = update_active(u), *pending = update_pending(u);

	if (pending)
		return update_refuse(u, "pending", "reset the board so that it settles, then update again",
				"another image (%s) is pending in slot %u", pending->version, pending->slot);
	if (active && !active->confirmed)
		for (size_t i = 0; i < u->slot_count; i++)
			if (u->slots[i].image == u->image && u->slots[i].confirmed)
				return update_refuse(u, "testing",
						"confirm the running image, or reset the board to go back, first",
						"the board tests an image (%s) that nobody confirmed", active->version);
	if (++u->query < QUERY_END)
		return JOB_AGAIN;
	int r = check_size(u);
	if (r == 0)
		r = check_downgrade(u);
	if (r < 0)
		return r;
	say_what_runs(u);
	return JOB_NEXT;
}

static int decide_active(struct update *u, const struct image_slot *found)
{
	bool after_reset = u->phase >= PHASE_RESET;

	if (found->confirmed) {
		u->phase = PHASE_CONFIRMED;
		u->job.outcome = after_reset ? "updated" : "unchanged";
		return JOB_DONE;
	}
	u->phase = PHASE_BOOTED;
	if (u->options.no_confirm) {
		u->job.outcome = "testing";
		return JOB_DONE;
	}
	u->only_confirm = !after_reset;
	return update_goto(u, "confirm");
}

/* SMP §8 step 3: the board's own list decides. */
static int decide(struct update *u)
{
	const struct image_slot *active = update_active(u), *found = update_found(u), *pending = update_pending(u);

	learn_mode(u);
	if (active)
		snprintf(u->old_version, sizeof(u->old_version), "%s", active->version);
	/* Recovery writes the application's slot: a copy in the other one does not help. */
	if (!found || (u->recovery && found->slot != 0))
		return decide_upload(u);
	if (found == active)
		return decide_active(u, found);
	u->skipped_upload = true;
	if (u->recovery) {
		u->phase = PHASE_UPLOADED;
		return update_goto(u, u->options.skip_reboot ? "mark" : "reset");
	}
	if (found->pending) {
		u->phase = PHASE_MARKED;
		if (!u->options.skip_reboot)
			return update_goto(u, "reset");
		u->job.outcome = "marked";
		return JOB_DONE;
	}
	if (active && !active->confirmed && found->confirmed)
		return update_refuse(u, "testing",
				"a reset goes back to it; or confirm the running image first, then update again",
				"the board tests another image (%s), and this one (%s) is what it returns to", active->version,
				found->version);
	if (pending)
		return decide_upload(u);
	int r = check_downgrade(u);
	if (r < 0)
		return r;
	u->phase = PHASE_UPLOADED;
	return update_goto(u, "mark");
}

static void take_slots(struct update *u)
{
	const struct value *images = value_get(u->answer->payload, "images");
	const struct image_slot *active = update_active(u);

	for (size_t i = 0; images && images->kind == VALUE_ARRAY && i < images->size; i++) {
		const struct value *image = &images->items[i], *slots = value_get(image, "slots");
		uint64_t number = 0, slot;
		value_to_uint(value_get(image, "image"), &number);
		if (number != u->image)
			continue;
		value_to_uint(value_get(image, "max_image_size"), &u->image_max);
		for (size_t k = 0; slots && slots->kind == VALUE_ARRAY && k < slots->size; k++) {
			const struct value *s = &slots->items[k];
			bool target;
			if (!value_to_uint(value_get(s, "slot"), &slot))
				continue;
			target = u->recovery ? slot == 0 : !active || slot != active->slot;
			if (target)
				value_to_uint(value_get(s, "size"), &u->slot_size);
		}
	}
}

static void take_bootloader(struct update *u)
{
	struct device_info *info = &u->job.device->info;
	const struct value *name = value_get(u->answer->payload, "bootloader");

	if (u->query == QUERY_MODE) {
		info->has_mode = value_to_int(value_get(u->answer->payload, "mode"), &info->mode);
		info->no_downgrade = false;
		value_to_bool(value_get(u->answer->payload, "no-downgrade"), &info->no_downgrade);
	} else if (name && name->kind == VALUE_TEXT && name->size < sizeof(info->bootloader)) {
		memcpy(info->bootloader, name->data, name->size);
		info->bootloader[name->size] = '\0';
	}
}

static bool needless(const struct update *u, enum update_query query)
{
	const struct device_info *info = &u->job.device->info;

	if (query == QUERY_PARAMETERS)
		return info->has_parameters;
	if (query == QUERY_BOOTLOADER)
		return u->recovery || info->bootloader[0];
	if (query == QUERY_MODE)
		return u->recovery || info->has_mode || strcmp(info->bootloader, "MCUboot") != 0;
	return false;
}

static int ask_query(struct update *u)
{
	struct writer w = {0};

	switch (u->query) {
	case QUERY_PARAMETERS:
	case QUERY_BOOTLOADER:
		writer_map(&w, 0);
		return update_ask(u, SMP_READ, SMP_OS, u->query == QUERY_PARAMETERS ? 6 : 8, &w, REPEAT_HARMLESS, 0);
	case QUERY_MODE:
		writer_map(&w, 1);
		writer_text(&w, "query");
		writer_text(&w, "mode");
		return update_ask(u, SMP_READ, SMP_OS, 8, &w, REPEAT_HARMLESS, 0);
	case QUERY_SLOTS:
		writer_map(&w, 0);
		return update_ask(u, SMP_READ, SMP_IMAGE, 6, &w, REPEAT_HARMLESS, 0);
	default:
		return update_ask_state(u);
	}
}

static int inspect_begin(struct job *job)
{
	struct update *u = update_of(job);

	while (u->query < QUERY_END && needless(u, u->query))
		u->query++;
	if (u->query == QUERY_END)
		return decide(u);
	if (u->query == QUERY_STATE)
		u->recovery = job->device->state == DEVICE_RECOVERY;
	return ask_query(u);
}

static int no_image_group(struct update *u)
{
	struct parameters p = {0};
	parameters_text(&p, "device", u->job.device_id);
	parameters_int(&p, "group", SMP_IMAGE);
	parameters_int(&p, "command", 0);
	parameters_text(&p, "message", "the board's application has no image management (rc 8)");
	parameters_text(&p, "hint",
			"build it with CONFIG_MCUMGR_GRP_IMG=y, or update a board with a single slot in its bootloader's "
			"recovery: reset it with boot mode 1");
	return job_fail(&u->job, -EREMOTEIO, "NotSupported", parameters_finish(&p));
}

static int inspect_end(struct job *job, int result)
{
	struct update *u = update_of(job);

	if (u->query == QUERY_STATE) {
		/* The device may have settled as something else while the request waited for it. */
		u->recovery = job->device->state == DEVICE_RECOVERY;
		if (result == -EREMOTEIO && smp_status_unsupported(&u->answer->status))
			return no_image_group(u);
		if (result < 0)
			return update_fail_answer(u, result);
		result = update_take_state(u);
		return result < 0 ? update_fail_answer(u, result) : decide(u);
	}
	/* Everything else is good to know, and no more. */
	if (result == -ENODEV)
		return update_fail_answer(u, result);
	if (result == 0 && u->query == QUERY_PARAMETERS)
		device_learn_parameters(job->device, u->answer->payload);
	else if (result == 0 && u->query == QUERY_SLOTS)
		take_slots(u);
	else if (result == 0)
		take_bootloader(u);
	return decide(u);
}

/* The board is not as it was thought to be: look again, but not for ever. */
static int inspect_again(struct update *u)
{
	if (++u->inspections >= INSPECTIONS_MAX)
		return 0;
	u->query = QUERY_STATE;
	return update_goto(u, "inspect");
}

/* --- erase ------------------------------------------------------------------------------------------------------------ */

static int fail_damaged(struct update *u)
{
	return update_fail_protocol(u, "the board's own checksum of what it received does not match the file",
			"update again; if it stays so, the flash or the cable is bad");
}

static int erase_begin(struct job *job)
{
	struct update *u = update_of(job);
	struct writer w = {0};

	/* Recovery has no erase command: its upload erases. */
	if (!u->damaged && (!u->options.erase_first || u->recovery))
		return JOB_NEXT;
	if (!u->damaged)
		update_reach(u, PHASE_UPLOADING);
	const struct image_slot *active = update_active(u);
	writer_map(&w, u->image > 0);
	if (u->image > 0) {
		/* Absolute numbers (SMP §5.1); without one the board takes the slot that does not run. */
		writer_text(&w, "slot");
		writer_uint(&w, 2 * u->image + (active && active->slot == 1 ? 0 : 1));
	}
	return update_ask(u, SMP_WRITE, SMP_IMAGE, 5, &w, REPEAT_NEVER, ERASE_ANSWER_MS);
}

static int erase_end(struct job *job, int result)
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

/* --- upload ----------------------------------------------------------------------------------------------------------- */

static void run_progress(void *user, uint64_t acknowledged, uint64_t total)
{
	struct update *u = user;
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
static const struct transfer_run_callbacks resuming_callbacks = {
	.resumes = true, .progress = run_progress, .done = run_done};

static int send_begin(struct update *u)
{
	struct device_limits limits;
	struct transfer *t;

	device_limits(u->job.device, &limits);
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
		.align = u->recovery ? 32 : 0,
	};
	int r = transfer_new(&config, &t);
	if (r == -EMSGSIZE)
		return update_fail_protocol(u, "the board's buffer is too small for an upload",
				"the firmware needs a larger CONFIG_MCUMGR_TRANSPORT_NETBUF_SIZE");
	update_reach(u, PHASE_UPLOADING);
	if (r == 0)
		r = transfer_run_start(u->job.device, t, u->options.timeout_ms,
				!u->recovery && config.sha ? &resuming_callbacks : &run_callbacks, u, &u->run);
	if (r < 0)
		return update_fail_answer(u, r);
	return JOB_WAIT;
}

static int upload_begin(struct job *job)
{
	struct update *u = update_of(job);
	return u->looking ? update_ask_state(u) : send_begin(u);
}

static bool is_image_error(const struct smp_status *status, uint64_t rc)
{
	return status->group == SMP_IMAGE && status->rc == rc;
}

/* The first chunk was too much for a small board: without the checksum it may fit (SMP §8 step 4). */
static bool try_without_sha(struct update *u, const struct smp_status *status)
{
	bool first = transfer_acknowledged(transfer_run_transfer(u->run)) == 0;
	bool too_much = (status->group < 0 && (status->rc == SMP_EINVAL || status->rc == SMP_ECORRUPT)) ||
		is_image_error(status, 22);
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
	if (is_image_error(status, 27))
		return update_refuse(u, "downgrade", "leave --upgrade-only out, or raise the version",
				"the board runs a version that is not lower than %s", u->job.version);
	if (is_image_error(status, 25))
		return update_refuse(u, "slot", "build the image for the slot that does not run",
				"the image is linked for another slot than the free one");
	if (is_image_error(status, 30))
		return update_fail_image(u, "too-large", NULL, "the board says that the image is too large for its slot");
	/* No free slot, a wrong state, another upload under way: somebody else changed the board. */
	if (is_image_error(status, 9) || is_image_error(status, 16) ||
			(status->group < 0 && status->rc == SMP_EBADSTATE)) {
		int r = u->options.upload_only ? 0 : inspect_again(u);
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
	u->looking = u->blob->is_image && !(all_acked && u->options.upload_only);
	if (u->looking)
		return JOB_AGAIN;
	if (all_acked)
		return JOB_NEXT;
	if (++u->uploads >= UPLOADS_MAX)
		return update_fail_protocol(u, "the board forgot the upload again and again", NULL);
	return JOB_AGAIN;
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
		return update_fail_protocol(u, u->run_text ? u->run_text : "the upload makes no progress", NULL);
	default:
		return update_fail_answer(u, result);
	}
}

static int look_end(struct update *u, int result)
{
	u->looking = false;
	if (result == 0)
		result = update_take_state(u);
	if (result < 0)
		return update_fail_answer(u, result);
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

static int upload_end(struct job *job, int result)
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

/* --- mark, reset ------------------------------------------------------------------------------------------------------ */

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
	if (is_image_error(status, 28) || is_image_error(status, 33) || is_image_error(status, 8) ||
			(status->group < 0 && status->rc == SMP_EBADSTATE)) {
		int r = inspect_again(u);
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
	int r = inspect_again(u);
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
	device_expect_reboot(job->device, false);
	return JOB_NEXT;
}

/* --- the tables ------------------------------------------------------------------------------------------------------- */

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
