/* SPDX-License-Identifier: MIT */
#pragma once

/* Plans chunked transfers with a window: what to send next, what a reply means (SMP §5.8, §6). Sans-I/O.
 *
 * The caller loops: transfer_next() gives a chunk while there is something to send and the window allows it; the caller
 * encodes it with transfer_encode(), sends it, and hands every outcome back: transfer_reply() with the decoded payload,
 * transfer_failed() with a board's error, transfer_lost() after a deadline. When transfer_state() leaves
 * TRANSFER_RUNNING the caller stops. Chunks carry a token, so that replies of chunks that were given up are told apart.
 *
 * Image upload: the first chunk goes alone (its reply may resume or be slow: erase), then offsets are predicted, go-back-N
 * on a short `off`. A reply at or below what is acknowledged is stale. Restarts after `off` 0 are bounded. A board that
 * makes no progress is given up (stall). File upload has exact offsets: err 8/11 carries the one wanted; off 0 is never
 * repeated blindly (a close precedes it: TRANSFER_CLOSE). File download: the board chooses the chunk size. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/smp.h"
#include "proto/value.h"

enum transfer_kind { TRANSFER_IMAGE_UPLOAD, TRANSFER_FILE_UPLOAD, TRANSFER_FILE_DOWNLOAD };

enum transfer_state { TRANSFER_RUNNING, TRANSFER_DONE, TRANSFER_FAILED };

struct transfer_config {
	enum transfer_kind kind;
	const uint8_t *data; /* what to upload; borrowed for the life of the transfer */
	uint64_t size;	     /* of data */
	const char *name;    /* files: the path on the board */
	unsigned int image;  /* images: number; sent when has_image */
	bool has_image;
	bool upgrade_only;
	const uint8_t *sha; /* images: SHA-256 of data, 32 bytes, or NULL to leave it out */
	size_t message_max; /* largest SMP message (serial_message_max) */
	unsigned int window_max; /* at least 1; see SMP §6.4 */
	unsigned int window_start;
	unsigned int align; /* chunk data rounded down to a multiple (recovery: 32); 0 or 1: none */
	unsigned int stall_max; /* replies without progress before giving up; 0: the default of 16 */
};

struct transfer_chunk {
	uint32_t token;
	bool first;	/* opens the session: may take as long as an erase */
	bool close;	/* files: send close (8/4) instead of data */
	uint64_t offset;
	uint64_t length; /* of the data in it; 0 for downloads */
};

struct transfer;

/* 0, -EINVAL, -EMSGSIZE (message_max cannot hold a chunk: 32 bytes of the image header come first), -ENOMEM. */
int transfer_new(const struct transfer_config *config, struct transfer **ret);
void transfer_free(struct transfer *t);
DEFINE_FREEP(struct transfer, transfer_free)

/* 1 and a chunk, or 0: wait for outcomes (or the transfer is over). */
int transfer_next(struct transfer *t, struct transfer_chunk *ret);

/* The group, command, op and payload of a chunk. */
int transfer_encode(struct transfer *t, const struct transfer_chunk *chunk, struct writer *w);
void transfer_command(const struct transfer *t, const struct transfer_chunk *chunk, uint8_t *ret_op, uint16_t *ret_group,
		uint8_t *ret_id);

void transfer_reply(struct transfer *t, uint32_t token, const struct value *payload);
void transfer_failed(struct transfer *t, uint32_t token, const struct smp_status *status, const struct value *payload);
void transfer_lost(struct transfer *t, uint32_t token);

enum transfer_state transfer_state(const struct transfer *t);
uint64_t transfer_acknowledged(const struct transfer *t);
uint64_t transfer_total(const struct transfer *t); /* download: 0 until known */
unsigned int transfer_in_flight(const struct transfer *t);
unsigned int transfer_window(const struct transfer *t); /* as adapted by now */
unsigned int transfer_losses(const struct transfer *t);

/* After TRANSFER_FAILED: 0 and the board's error in ret_status (borrowed), or -EPROTO (broken replies), -ETIMEDOUT (lost
 * too often), -ELOOP (no progress), -ENOLINK (restarted too often), -EBADMSG (`match` false); text says what happened. */
int transfer_error(const struct transfer *t, const struct smp_status **ret_status, const char **ret_text);

/* After a finished download: the data, owned by the transfer. After an upload: whether the board said `match`. */
const uint8_t *transfer_data(const struct transfer *t, size_t *ret_size);

/* The largest data length of an image chunk, exactly (SMP §6.1). first: with sha, image and upgrade as configured. */
size_t transfer_chunk_max(const struct transfer_config *config, bool first, uint64_t offset);
