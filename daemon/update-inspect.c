/* SPDX-License-Identifier: MIT */

/* check and inspect: what the file is, what the board says of itself, and what follows from that (SMP §8, step 3). */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "daemon/update-private.h"

#define INSPECTIONS_MAX 4

int check_begin(struct job *job)
{
	struct update *u = update_of(job);

	/* While the file was read the board may have been found. */
	if (u->resumed && update_is_back(u))
		return check_end(job, 0);
	if (u->resumed) {
		job_set_message(job, "waiting for the board");
		job_set_deadline(job, update_boot_timeout(u));
		update_await(u);
		return JOB_WAIT;
	}
	if (u->options.checksum[0] && strcasecmp(u->options.checksum, u->blob->hash) != 0)
		return update_fail_image(u, "checksum-mismatch", "give the SHA-256 of the whole file",
				"the file's SHA-256 is %s, not %s", u->blob->hash, u->options.checksum);
	if (!u->blob->size)
		return update_fail_image(u, "not-an-image", "give an image signed by imgtool", "the file is empty");
	if (!u->blob->is_image && !u->options.upload_only)
		return update_fail_image(u, "not-an-image", "give an image signed by imgtool",
				"the file is no MCUboot image");
	if (u->blob->is_image)
		job_set_message(job, "%s, %zu bytes, %s matches", u->job.version, u->blob->size, u->blob->info.hash_type);
	return JOB_NEXT;
}

/* The board of an earlier daemon's job is back, or not. */
int check_end(struct job *job, int result)
{
	struct update *u = update_of(job);

	if (result < 0)
		return u->only_look ? -ECANCELED : update_fail_answer(u, -ENODEV);
	u->resumed = false;
	if (u->only_look) {
		u->query = QUERY_STATE;
		return update_goto(u, "inspect");
	}
	u->phase = PHASE_BEFORE;
	return JOB_AGAIN;
}

/* --- inspect ------------------------------------------------------------------------------------------------------ */

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

/* Boards look at that when they are sent an image: recovery does not, and an image that is there already is not sent. */
static int check_upgrade(struct update *u)
{
	const struct image_slot *replaced = update_active(u);

	for (size_t i = 0; u->recovery && i < u->slot_count; i++)
		if (u->slots[i].image == u->image && u->slots[i].slot == 0)
			replaced = &u->slots[i];
	if (!u->options.upgrade_only || !replaced || compare_version(&u->blob->info, replaced->version) > 0)
		return 0;
	return update_refuse(u, "downgrade", "leave --upgrade-only out, or raise the version",
			"the board has %s, which is not lower than %s", replaced->version, u->job.version);
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
		r = check_upgrade(u);
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
	int r = check_upgrade(u);
	if (r < 0)
		return r;
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
	r = check_downgrade(u);
	if (r < 0)
		return r;
	u->phase = PHASE_UPLOADED;
	return update_goto(u, "mark");
}

/* Of a job that ended with its daemon while the board was marked: what runs, and what the next reset boots. If the board was
 * reset meanwhile, there is no way back. */
static int decide_left(struct update *u)
{
	const struct image_slot *active = update_active(u), *found = update_found(u);

	learn_mode(u);
	if (found && found == active)
		return decide_active(u, found);
	if (active)
		snprintf(u->old_version, sizeof(u->old_version), "%s", active->version);
	u->phase = !found ? PHASE_UPLOADING : found->pending ? PHASE_MARKED : PHASE_UPLOADED;
	return -ECANCELED;
}

/* Slot information says which number an upload to a slot takes. Where that is not the number of the slot's image, it is one of
 * the slot (SMP §5.1). */
static void take_target(struct update *u)
{
	const struct value *images = value_get(u->answer->payload, "images");

	for (size_t i = 0; images && images->kind == VALUE_ARRAY && i < images->size; i++) {
		const struct value *slots = value_get(&images->items[i], "slots");
		uint64_t image = 0, slot, id;
		value_to_uint(value_get(&images->items[i], "image"), &image);
		for (size_t k = 0; slots && slots->kind == VALUE_ARRAY && k < slots->size; k++) {
			const struct value *s = &slots->items[k];
			if (!value_to_uint(value_get(s, "upload_image_id"), &id) || id != u->options.image ||
					id == image || !value_to_uint(value_get(s, "slot"), &slot) ||
					image >= IMAGE_SLOTS_MAX || slot > 1)
				continue;
			u->direct = true;
			u->direct_slot = (unsigned int)slot;
			u->image = (unsigned int)image;
			return;
		}
	}
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
			target = u->direct ? slot == u->direct_slot : u->recovery ? slot == 0 : !active || slot != active->slot;
			if (target)
				value_to_uint(value_get(s, "size"), &u->slot_size);
		}
	}
}

static bool needless(const struct update *u, enum update_query query)
{
	const struct device_info *info = &u->job.device->info;

	if (query == QUERY_TARGET)
		return !u->options.has_image || u->options.image == 0;
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
	case QUERY_TARGET:
	case QUERY_SLOTS:
		writer_map(&w, 0);
		return update_ask(u, SMP_READ, SMP_IMAGE, 6, &w, REPEAT_HARMLESS, 0);
	default:
		return update_ask_state(u);
	}
}

int inspect_begin(struct job *job)
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

int inspect_end(struct job *job, int result)
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
		if (result < 0)
			return update_fail_answer(u, result);
		return u->only_look ? decide_left(u) : decide(u);
	}
	/* Everything else is good to know, and no more. */
	if (result == -ENODEV)
		return update_fail_answer(u, result);
	if (u->query == QUERY_TARGET) {
		if (result == 0)
			take_target(u);
		u->query = QUERY_STATE;
		return JOB_AGAIN;
	}
	if (result == 0 && u->query == QUERY_PARAMETERS)
		device_learn_parameters(job->device, u->answer->payload);
	else if (result == 0 && u->query == QUERY_SLOTS)
		take_slots(u);
	else if (result == 0 && u->query == QUERY_BOOTLOADER)
		device_info_take_bootloader(&job->device->info, u->answer->payload);
	else if (result == 0)
		device_info_take_mode(&job->device->info, u->answer->payload);
	return decide(u);
}

/* The board is not as it was thought to be: look again, but not for ever. */
int update_inspect_again(struct update *u)
{
	if (++u->inspections >= INSPECTIONS_MAX)
		return 0;
	u->query = QUERY_STATE;
	return update_goto(u, "inspect");
}
