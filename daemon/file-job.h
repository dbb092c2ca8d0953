/* SPDX-License-Identifier: MIT */
#pragma once

/* Files of a board, read and written as jobs (SMP §5.8).
 *
 * A download asks the board to close what it holds open, so that the length is not that of an earlier read. An upload sends
 * exact offsets, is closed, and compared by checksum where the board has one that the daemon has too (sha256, crc32); what
 * differs is uploaded once more. Boards leave a file that exists as it is when an empty one is uploaded: that fails. A
 * transfer that ends early, however that is, leaves no open file behind where the board still listens. These jobs are not
 * recorded: they end with the daemon. */

#include <stddef.h>
#include <stdint.h>

#include "daemon/job.h"

#define FILE_PATH_MAX 255

struct file_options {
	const char *path; /* on the board */
	unsigned int timeout_ms; /* 0: the session's */
};

/* As update_start. file_write_start takes data over (malloc'd), also when it fails. */
int file_read_start(struct device *device, const struct file_options *options, struct job **ret, const char **ret_text);
int file_write_start(struct device *device, const struct file_options *options, uint8_t *data, size_t size, struct job **ret,
		const char **ret_text);

/* What a download has in order so far: *ret_size bytes, valid until the next event of the job. */
const uint8_t *file_job_data(const struct job *job, size_t *ret_size);

/* After an upload: the checksum that was compared ("sha256", "crc32"), or NULL: the board has none in common. */
const char *file_job_verified(const struct job *job);

extern const struct job_step file_read_steps[], file_write_steps[];
