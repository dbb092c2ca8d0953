/* SPDX-License-Identifier: MIT */
#pragma once

/* Between the files of a file's job: file-job.c (transfer, failures), file-verify.c (checksum of an upload). */

#include <openssl/evp.h>

#include "daemon/file-job.h"
#include "daemon/transfer-run.h"

struct file_job {
	struct job job; /* first */
	char *path;
	uint8_t *data; /* of an upload */
	size_t size;
	unsigned int timeout_ms;
	struct transfer_run *run;
	char *run_text;
	bool open; /* the board may hold the file open */
	/* verify */
	bool repeated;
	struct request request;
	bool pending, have_types;
	bool beside; /* the request is asked while the transfer goes on */
	bool early;  /* the checksum was asked for before the close was answered */
	bool right;  /* ... and is that of the data */
	const struct answer *answer; /* inside file_verify_end() */
	const char *algorithm, *verified;
	size_t summed; /* bytes of the data */
	uint32_t crc;
	EVP_MD_CTX *sha; /* or NULL */
};

static inline struct file_job *file_of(struct job *job)
{
	return (struct file_job *)job;
}

/* What the job fails with; returns what a step is to return. error: of the request or the run. */
int file_fail(struct file_job *f, int error);
int file_fail_as(struct file_job *f, int error, const char *name, const char *what, const char *hint);

/* Beside the transfer, best effort: which checksums the board has; the checksum, behind the close. */
void file_types_early(struct file_job *f);
void file_sum_early(struct file_job *f);
void file_sum_take(struct file_job *f, size_t size); /* so much of the data is on the board */

/* The step. */
int file_verify_begin(struct job *job);
int file_verify_end(struct job *job, int result);
void file_verify_leave(struct job *job);
