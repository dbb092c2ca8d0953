/* SPDX-License-Identifier: MIT */

/* The update from the reset on: what runs is what the board's own list says, and nothing else. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/update-private.h"

#define LOOK_AGAIN_MS 1000  /* between looks at a board that may still run the old firmware */
#define RESET_AGAIN_MS 5000 /* a reset whose answer was lost, and that did not happen, is sent again */
#define RESETS_MAX 3
#define SAME_OLD_MS 30000 /* without marks: the old one has answered so long since the reset that it stays */
#define CONFIRMS_MAX 3
#define RETURNS_MAX 3
#define STRANGERS_MAX 3

/* --- what a list means -------------------------------------------------------------------------------------------- */

static enum sight judge_old(struct update *u, const struct image_slot *found)
{
	/* A boot that was seen before this list was asked for: what answered is what booted. */
	if (u->flagless)
		return u->boots_at_look != u->boots_before ? SIGHT_REFUSED : SIGHT_WAITING;
	if (found && found->pending)
		return SIGHT_WAITING;
	if (found || u->phase >= PHASE_BOOTED || u->erases_untested)
		return SIGHT_REVERTED;
	return SIGHT_REFUSED;
}

static enum sight judge(struct update *u)
{
	const struct image_slot *active = update_active(u), *found = update_found(u);

	if (u->job.device->state == DEVICE_RECOVERY)
		return SIGHT_STUCK;
	if (active && update_is_new(u, active))
		return SIGHT_NEW;
	if (u->recovery)
		return active ? SIGHT_REFUSED : SIGHT_WAITING;
	return active ? judge_old(u, found) : SIGHT_WAITING;
}

/* An application lists what runs; this is the bootloader of a board that was reset and not seen to be, and stayed there for what
 * it was asked. It knows nothing of old and new: first the board is brought out of there. */
static bool met_stranger(struct update *u)
{
	if (u->recovery || update_active(u) || u->job.device->state != DEVICE_READY || u->strangers >= STRANGERS_MAX)
		return false;
	u->strangers++;
	device_identify(u->job.device);
	return true;
}

static int fail_sight(struct update *u)
{
	const struct image_slot *active = update_active(u);
	const char *running = active ? active->version : "the old image", *version = u->job.version;

	switch (u->sight) {
	case SIGHT_REVERTED:
		return update_not_booted(u, "reverted", "see the board's console for why it did not stay",
				"The board runs %s again: %s was tried and the bootloader went back", running, version);
	case SIGHT_STUCK:
		return update_not_booted(u, "refused",
				"the image may be damaged, not signed with the bootloader's key, or built for another board",
				"The board is in its bootloader's recovery: no application runs");
	default:
		return update_not_booted(u, "refused",
				u->flagless ? "without marks the highest version starts; and the image must be built for its slot"
					    : "check its signature, its size and the board it was built for",
				"The board runs %s: its bootloader did not take %s", running, version);
	}
}

/* --- reattach ----------------------------------------------------------------------------------------------------- */

static unsigned int remaining(struct update *u)
{
	uint64_t now = update_now(u);
	/* A deadline of 0 would be none. */
	return now < u->deadline_ms ? (unsigned int)(u->deadline_ms - now) : 1;
}

static void back(void *user)
{
	struct update *u = user;
	/* While a look is under way, or waits for a record, that one tells. */
	if (!u->pending && !u->held)
		job_complete(&u->job, 0);
}

void update_await(struct update *u)
{
	if (!u->job.device || u->awaiting)
		return;
	device_await(u->job.device, back, u);
	u->awaiting = true;
}

bool update_is_back(const struct update *u)
{
	const struct device *d = u->job.device;
	return d && (d->state == DEVICE_READY || d->state == DEVICE_RECOVERY);
}

static int fail_gone(struct update *u)
{
	if (!u->job.device || u->job.device->state == DEVICE_ABSENT)
		return update_fail_answer(u, -ENODEV);
	if (u->job.device->state == DEVICE_BROKEN && u->job.device->reason)
		return update_not_booted(u, "silent",
				"see the board's console for why it starts again and again; mcumgrctl reset-state looks at it anew",
				"The board does not come to rest: it %s, and is broken; what it runs is not known",
				u->job.device->reason);
	return update_not_booted(u, "silent", "see the board's console, or reset it by hand; then update again",
			"The board did not come back within its boot timeout%s: what it runs is not known",
			u->phase >= PHASE_BOOTED ? ", after it had been seen to run the new image" : "");
}

static int time_is_up(struct update *u)
{
	const struct image_slot *active = update_active(u);

	if (!u->seen_old || !u->job.device || u->job.device->state == DEVICE_ABSENT)
		return fail_gone(u);
	return update_not_booted(u, "unchanged",
			u->flagless ? "the version must be higher than that of the running image; or the board did not reset"
				    : "the board did not reset, or its bootloader keeps the image pending",
			"The board still runs %s%s", active ? active->version : "the old image",
			u->flagless ? "" : ", the new image is still marked");
}

int reattach_begin(struct job *job)
{
	struct update *u = update_of(job);
	unsigned int left = remaining(u);

	update_await(u);
	if (!job->message)
		job_set_message(job, "waiting for the board to boot");
	/* One of an earlier daemon, whose board was found while the file was read. */
	if (u->resumed && update_is_back(u))
		return reattach_end(job, 0);
	if (u->reattach == REATTACH_LOOK) {
		u->boots_at_look = job->device->boots;
		return update_ask_state(u);
	}
	job_set_deadline(job, u->reattach == REATTACH_PAUSE && left > LOOK_AGAIN_MS ? LOOK_AGAIN_MS : left);
	return JOB_WAIT;
}

static bool reset_got_lost(struct update *u)
{
	return !u->reset_answered && u->resets < RESETS_MAX && update_now(u) >= u->reset_ms + RESET_AGAIN_MS;
}

/* The old one still answers: has the reset not happened yet, or will it never? */
static int wait_on(struct update *u)
{
	uint64_t now = update_now(u);

	u->reattach = REATTACH_PAUSE;
	if (!u->seen_old) {
		u->seen_old = true;
		u->seen_old_ms = now;
		job_set_message(&u->job, "the old image still answers");
	}
	if (reset_got_lost(u))
		return update_goto(u, "reset");
	if (now >= u->deadline_ms || (u->flagless && now >= u->seen_old_ms + SAME_OLD_MS))
		return time_is_up(u);
	return JOB_AGAIN;
}

static int seen(struct update *u, enum sight sight)
{
	u->sight = sight;
	return sight == SIGHT_WAITING ? wait_on(u) : JOB_NEXT;
}

static int look_end(struct update *u, int result)
{
	u->reattach = REATTACH_PAUSE;
	if (result == 0)
		result = update_take_state(u);
	if (result == 0 && !met_stranger(u))
		return seen(u, judge(u));
	if (result == -EREMOTEIO && smp_status_unsupported(&u->answer->status))
		return seen(u, SIGHT_UNLISTED);
	/* Gone again, or booting again: when it is back it is looked at at once. */
	u->seen_old = false;
	if (result == -ENODEV)
		u->reattach = REATTACH_AWAIT;
	return JOB_AGAIN;
}

int reattach_end(struct job *job, int result)
{
	struct update *u = update_of(job);

	if (u->reattach == REATTACH_LOOK)
		return look_end(u, result);
	if (result == -ETIMEDOUT && (!job->device || update_now(u) >= u->deadline_ms))
		return time_is_up(u);
	if (u->resumed) {
		/* Whether the reset of the daemon before was sent at all is not known: boots count from here. */
		u->resumed = false;
		u->boots_before = job->device->boots;
		u->reset_ms = update_now(u);
	}
	u->reattach = REATTACH_LOOK;
	return JOB_AGAIN;
}

/* --- verify, confirm, final --------------------------------------------------------------------------------------- */

static int done(struct update *u)
{
	u->phase = PHASE_CONFIRMED;
	u->job.outcome = u->only_confirm ? "confirmed" : "updated";
	return JOB_DONE;
}

/* An application without image management: in a single slot the upload is what runs; else nothing can be proved. */
static int verify_unlisted(struct update *u)
{
	if (u->recovery) {
		job_set_message(&u->job, "the application cannot list images; the slot it starts from holds this one");
		return done(u);
	}
	return update_fail_protocol(u, "after the reset an application answers that has no image management",
			"the new image lacks CONFIG_MCUMGR_GRP_IMG: it cannot be verified or confirmed");
}

int verify_begin(struct job *job)
{
	struct update *u = update_of(job);
	const struct image_slot *active = update_active(u);

	if (u->sight == SIGHT_UNLISTED)
		return verify_unlisted(u);
	if (u->sight != SIGHT_NEW)
		return fail_sight(u);
	update_reach(u, active->confirmed ? PHASE_CONFIRMED : PHASE_BOOTED);
	job_set_message(job, "%s is the active image", active->version);
	if (active->confirmed)
		return update_goto(u, "final");
	if (u->options.no_confirm) {
		job->outcome = "testing";
		return JOB_DONE;
	}
	return JOB_NEXT;
}

/* The board went away although it had booted: wait for it once more, with a new deadline. */
static int wait_again(struct update *u, enum reattach_phase phase, int error)
{
	if (++u->returns > RETURNS_MAX)
		return update_fail_answer(u, error);
	u->deadline_ms = update_now(u) + update_boot_timeout(u);
	u->boots_before = u->job.device->boots;
	u->seen_old = false;
	/* No reset of ours is under way now. */
	u->reset_answered = true;
	u->reattach = phase;
	return update_goto(u, "reattach");
}

/* Without a hash: then nothing but the running image can be meant, which has been seen to be the new one. The hash of an
 * image that was reverted meanwhile would mark it for good, and brick the board. */
int confirm_begin(struct job *job)
{
	struct update *u = update_of(job);
	struct writer w = {0};

	u->confirms++;
	u->confirming = true;
	writer_map(&w, u->image > 0 ? 2 : 1);
	if (u->image > 0) {
		/* The running image is the application's; another core's is named (SMP §8 step 9). */
		writer_text(&w, "hash");
		writer_bytes(&w, u->blob->info.hash, u->blob->info.hash_size);
	}
	writer_text(&w, "confirm");
	writer_bool(&w, true);
	return update_ask(u, SMP_WRITE, SMP_IMAGE, 0, &w, REPEAT_HARMLESS, 0);
}

int confirm_end(struct job *job, int result)
{
	struct update *u = update_of(job);

	if (result == -ENODEV)
		return wait_again(u, REATTACH_AWAIT, result);
	if (result == -EREMOTEIO) {
		/* Where the mark was refused in the same way there is nothing to confirm. */
		if (smp_status_unsupported(&u->answer->status))
			u->confirms = CONFIRMS_MAX;
		else if (u->confirms >= CONFIRMS_MAX)
			return update_fail_remote(u, &u->answer->status, SMP_IMAGE, 0);
	}
	/* Said or lost: the last look tells. */
	return JOB_NEXT;
}

int final_begin(struct job *job)
{
	update_of(job)->boots_at_look = job->device->boots;
	return update_ask_state(update_of(job));
}

static int judge_final(struct update *u)
{
	const struct image_slot *active = update_active(u);

	if (met_stranger(u))
		return wait_again(u, REATTACH_AWAIT, -EBADMSG);
	u->sight = judge(u);
	if (u->sight == SIGHT_WAITING)
		u->sight = SIGHT_REVERTED;
	if (u->sight != SIGHT_NEW)
		return fail_sight(u);
	if (active->confirmed && !active->pending)
		return done(u);
	if (u->flagless) {
		/* Nothing to confirm with: what starts is what has the highest version. */
		return done(u);
	}
	if (u->confirms < CONFIRMS_MAX)
		return update_goto(u, "confirm");
	return update_fail_protocol(u, "the board does not list the image as confirmed, though it was asked to confirm it",
			"the image may lack the command for that, and has to confirm itself then");
}

int final_end(struct job *job, int result)
{
	struct update *u = update_of(job);

	if (result == 0)
		result = update_take_state(u);
	if (result == 0)
		return judge_final(u);
	if (result == -EREMOTEIO)
		return update_fail_answer(u, result);
	return wait_again(u, result == -ENODEV ? REATTACH_AWAIT : REATTACH_PAUSE, result);
}
