/* SPDX-License-Identifier: MIT */
#pragma once

/* Inside the update: its state, and what its files share. Free of the loop; below it only the device layer.
 *
 *     update-steps    the table of steps; mark and reset, the last before there is no way back
 *     update-inspect  check and inspect: what the board says of itself, and what follows from that
 *     update-upload   erase and upload
 *     update-verify   reattach, verify, confirm, final: what the board says after it
 *     update-words    failures and the sentences that say in which state the board is
 *     update-record   what the state directory keeps, so that a new daemon goes on
 *     update-request  one request of a step, and what its list of images says
 *     update          start, timer, the side of the registry
 */

#include "daemon/parameters.h"
#include "daemon/record.h"
#include "daemon/transfer-run.h"
#include "daemon/update.h"

/* How far the board has been changed: what the sentences and a resumed job go by. In order. */
#define UPDATE_PHASES(X)                                                                                               \
	X(BEFORE, "before")	  /* nothing was written */                                                            \
	X(UPLOADING, "uploading") /* the target slot is being rewritten */                                             \
	X(UPLOADED, "uploaded")	  /* the image is in the slot, without a mark */                                       \
	X(MARKING, "marking")	  /* the mark was sent; not known whether it arrived */                                \
	X(MARKED, "marked")	  /* the next reset boots it */                                                        \
	X(RESET, "reset")	  /* the reset was sent: no way back */                                                \
	X(BOOTED, "booted")	  /* the new image was seen active */                                                  \
	X(CONFIRMED, "confirmed") /* ... and confirmed */
enum update_phase {
#define X(name, text) PHASE_##name,
	UPDATE_PHASES(X)
#undef X
};

enum update_query { QUERY_TARGET, QUERY_STATE, QUERY_PARAMETERS, QUERY_BOOTLOADER, QUERY_MODE, QUERY_SLOTS, QUERY_END };
enum reattach_phase { REATTACH_AWAIT, REATTACH_PAUSE, REATTACH_LOOK };

/* What a look at the board after the reset tells. */
enum sight {
	SIGHT_NEW,	/* the new image is active */
	SIGHT_UNLISTED, /* an application answers that cannot list images */
	SIGHT_WAITING,	/* the old one is active and may not have reset yet */
	SIGHT_REVERTED, /* the old one is active, the new one was tried */
	SIGHT_REFUSED,	/* the bootloader did not take the new one */
	SIGHT_STUCK,	/* the board is in its bootloader's recovery */
};

struct update {
	struct job job; /* first */
	struct update_options options;
	struct blob *blob;
	enum update_phase phase;
	bool resumed; /* from an earlier daemon, and its board was not seen yet */
	bool only_look; /* ... and nobody wants it any more: it says where the board stands, and ends */
	unsigned int image; /* whose entries count: the one of the options, unless that is the number of a slot */
	bool direct; /* the number asked for names a slot (CONFIG_MCUMGR_GRP_IMG_DIRECT_UPLOAD): this one of the image */
	unsigned int direct_slot;

	/* the request under way */
	struct request request;
	bool pending;
	int (*held)(struct update *u); /* what waits until the record of what it leads to is on the disk; or NULL */
	const struct answer *answer; /* inside end() */

	/* what the board said */
	bool recovery; /* its bootloader answers: the image goes where the application is */
	bool flagless; /* it has no marks */
	bool has_marks; /* its bootloader's mode is known, and boots nothing without a mark */
	bool erases_untested; /* ... and what was tried and not confirmed is erased: direct-XIP with revert */
	struct image_slot slots[IMAGE_SLOTS_MAX];
	size_t slot_count;
	enum update_query query;
	uint64_t slot_size, image_max; /* 0: not told */
	char old_version[32];	       /* of the image that ran before */

	/* bounds on going round */
	unsigned int inspections, uploads, resets, confirms, returns, strangers;

	/* upload */
	struct transfer_run *run;
	bool looking;	  /* whether the image is listed */
	bool to_recovery; /* its bootloader answered when it began */
	bool all_acked;	  /* the board took every byte */
	bool without_sha; /* too small a buffer for it */
	bool refused;	  /* by the state that the board said it was in */
	bool wrote;	  /* the board took a part of the image */
	bool damaged;	  /* `match` false: erase, then fail */
	bool skipped_upload, only_confirm;
	char *run_text;

	bool gone; /* the failure is that the board went away */

	/* reset and after */
	enum reattach_phase reattach;
	enum sight sight;
	bool awaiting, reset_answered, seen_old;
	bool confirming; /* asked for, and no list was seen since */
	uint64_t boots_before, boots_at_look, reset_ms, deadline_ms, seen_old_ms;
};

static inline struct update *update_of(struct job *job)
{
	return (struct update *)job;
}

/* The job, without owner and not started. device: NULL when it has to be waited for. */
int update_new(struct device *device, const char *device_id, struct blob *blob, const struct update_options *options,
		struct update **ret);

/* Sends one request as the step's operation: JOB_WAIT or an error. The payload is taken over. */
int update_ask(struct update *u, uint8_t op, uint16_t group, uint8_t id, struct writer *payload, enum smp_repeat repeat,
		unsigned int answer_ms);
int update_ask_state(struct update *u);
void update_stop(struct job *job); /* the steps' leave() */
/* Before what leads there is sent: on record, because a daemon may die at any time. update_ask waits for that; what sends
 * otherwise does by update_hold, while job.unrecorded: JOB_WAIT. go: JOB_WAIT or an error. */
void update_reach(struct update *u, enum update_phase phase);
int update_hold(struct update *u, int (*go)(struct update *u));
void update_recorded(struct job *job);
uint64_t update_now(struct update *u);
unsigned int update_boot_timeout(const struct update *u); /* ms */
int update_goto(struct update *u, const char *name);

/* Takes the list of images out of the answer: 0, -EBADMSG (the list of before stays). */
int update_take_state(struct update *u);
bool update_is_new(const struct update *u, const struct image_slot *s);
const struct image_slot *update_active(const struct update *u);
const struct image_slot *update_found(const struct update *u); /* the new image, in an active slot first; or NULL */
const struct image_slot *update_pending(const struct update *u);

/* Failures, for `return`. Each names the board, the step, what happened and in which state the board is. */
int update_fail_remote(struct update *u, const struct smp_status *status, uint16_t group, uint8_t id);
int update_fail_answer(struct update *u, int error); /* by what the request ended with */
int update_fail_protocol(struct update *u, const char *reason, const char *hint);
int update_fail_image(struct update *u, const char *reason, const char *hint, const char *format, ...) _printf_(4, 5);
int update_refuse(struct update *u, const char *reason, const char *hint, const char *format, ...) _printf_(4, 5);
int update_not_booted(struct update *u, const char *reason, const char *hint, const char *format, ...) _printf_(4, 5);
void update_explain(struct job *job, int error);
char *update_where(const struct update *u); /* a sentence, malloc'd */
const char *update_phase_name(enum update_phase phase);

int update_options_restore(const struct record *r, struct update_options *ret);
int update_restore(struct update *u, const struct record *r); /* all else */

/* update-inspect.c */
int check_begin(struct job *job);
int check_end(struct job *job, int result);
int inspect_begin(struct job *job);
int inspect_end(struct job *job, int result);
int update_inspect_again(struct update *u); /* the board is not as it was thought to be; 0: not for ever */

/* update-upload.c */
int erase_begin(struct job *job);
int erase_end(struct job *job, int result);
int upload_begin(struct job *job);
int upload_end(struct job *job, int result);
bool update_is_image_error(const struct smp_status *status, uint64_t rc);

/* update-verify.c */
void update_await(struct update *u); /* job_complete when the board answers */
bool update_is_back(const struct update *u); /* it does by now, and nobody tells it again */
int reattach_begin(struct job *job);
int reattach_end(struct job *job, int result);
int verify_begin(struct job *job);
int confirm_begin(struct job *job);
int confirm_end(struct job *job, int result);
int final_begin(struct job *job);
int final_end(struct job *job, int result);
