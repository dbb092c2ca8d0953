/* SPDX-License-Identifier: MIT */
#pragma once

/* The firmware update and the plain image upload: jobs that are tables of steps (SMP §8).
 *
 * An update ends in one of: proved new (active is the new hash; confirmed when asked), proved old (and why), or "not known"
 * (the board never came back): never in anything else, and always said which. It reads the board's own state first and
 * acts on that alone, so running it again after any interruption (client, daemon, board, cable) is safe and goes on where
 * it was. */

#include <stdbool.h>

#include "daemon/image-store.h"
#include "daemon/job.h"

struct update_options {
	unsigned int image;
	bool has_image;
	bool no_confirm, force_confirm, skip_reboot, upgrade_only, erase_first, detached;
	bool upload_only;	     /* ImageUpload */
	char checksum[65];	     /* "": none */
	unsigned int boot_timeout_ms; /* 0: 180000 */
	unsigned int timeout_ms;      /* 0: the session's */
};

/* Starts a job on a board. Takes its own reference of blob. 0 and a reference to the job; -EBUSY (a job runs there: ret_text
 * names it), -ENODEV (state does not allow it). The job's first callback comes later. */
int update_start(struct device *device, struct blob *blob, const struct update_options *options, struct job **ret,
		const char **ret_text);

struct record;
struct registry;
/* Goes on with a job that an earlier daemon left, once its board is there: from the board's own list of images; after the
 * reset with looking at what it booted. Unless it was neither detached nor past the reset, or cancelled before that: then it
 * is listed as cancelled, and says where it left the board. */
int update_resume(struct registry *registry, const char *id, const struct record *record, struct blob *blob);
/* Gives a resumed job its board. */
void update_adopt(struct job *job, struct device *device);
/* What the state directory keeps of it: 0, -ENOENT (the job is none of these), -errno. */
int update_remember(const struct job *job, struct record *record);

extern const struct job_step update_steps[], upload_steps[];
