/* SPDX-License-Identifier: MIT */
#pragma once

/* Plans chunked transfers with a window: what to send next, what a reply means (SMP §5.8, §6). Sans-I/O.
 *
 * The caller loops: transfer_next() gives a chunk while there is something to send and the window allows it; the caller
 * encodes it with transfer_encode(), sends it, and hands every outcome back: transfer_reply() with the decoded payload,
 * transfer_failed() with a board's error, transfer_lost() after a deadline or when the board answered something later. When transfer_state() leaves
 * TRANSFER_RUNNING the caller stops. Chunks carry a token, so that replies of chunks that were given up are told apart;
 * outcomes of tokens that no longer matter are ignored. A chunk is sent once: repeats are planned here, not by a session.
 *
 * Terms: *acknowledged* is the offset that the board confirmed; a *flight* is a chunk without an outcome; it is *stale*
 * once the transfer went back behind it (its outcome means nothing, but it still takes room on the board). Boards answer
 * in order, so a reply proves that no older flight will be answered.
 *
 * Image upload: the first chunk goes alone (its reply may resume or be slow: erase), then offsets are predicted, go-back-N
 * on a short `off`. An `off` beyond what was sent resumes there, one inside a chunk means that the board cut it (recovery
 * writes whole blocks). `off` 0 means that the board lost the upload: the complete first chunk again, at most three times;
 * unless all was sent and the answers got lost: a board that completed the upload answers just so, and the transfer is done
 * with transfer_verify_needed(). A board that answers and makes no progress is given up (stall).
 *
 * The window starts at window_start and grows by one with each reply while nothing was lost, unless it is known from
 * before; later it grows more patiently. A loss, or a board without room (rc 2, 10), halves it; at 1, losses in a row halve the chunk, down to one line
 * on the wire, since boards lose lines, not messages (SMP §2.1); it grows again.
 *
 * Files: a close goes first, because an offset of 0 sent to a file that is open appends to it (SMP §5.8), and before every
 * restart. An upload ends with a close, too: a server that closed the file after a wrong offset no longer knows where its
 * end is, leaves it open, and shows others what was there before. Uploads have exact offsets: err 8/11 carries the one
 * wanted. In a download the board chooses the chunk size, and what arrives behind a loss is kept: only what was lost is
 * asked for again. Where the window may grow, the first chunk goes right behind the close. Servers truncate a file only when data arrives: an upload of
 * nothing leaves a file that exists as it is. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/smp.h"
#include "proto/value.h"

#define TRANSFER_WINDOW_MAX 16
#define TRANSFER_DOWNLOAD_MAX (16u << 20)

enum transfer_kind { TRANSFER_IMAGE_UPLOAD, TRANSFER_FILE_UPLOAD, TRANSFER_FILE_DOWNLOAD };

enum transfer_state { TRANSFER_RUNNING, TRANSFER_DONE, TRANSFER_FAILED };

struct transfer_config {
	enum transfer_kind kind;
	const uint8_t *data; /* what to upload; borrowed for the life of the transfer */
	uint64_t size;	     /* of data; download: the largest file taken, 0: TRANSFER_DOWNLOAD_MAX */
	const char *name;    /* files: the path on the board; copied */
	unsigned int image;  /* images: number; sent when has_image */
	bool has_image;
	bool upgrade_only;
	const uint8_t *sha; /* images: SHA-256 of data, 32 bytes, or NULL to leave it out; copied. Left out too when the first
			     * chunk would not fit with it (96-byte buffers): such an upload cannot resume */
	size_t message_max; /* largest SMP message (serial_message_max) */
	unsigned int window_max; /* at least 1; see SMP §6.4; more than TRANSFER_WINDOW_MAX counts as that */
	unsigned int window_start;
	bool window_known; /* window_start is what transfer_window_learnt() said before: growing beyond it is tried rarely */
	unsigned int align; /* chunks end at a multiple of it (recovery: 32) where they can; 0 or 1: anywhere */
	unsigned int stall_max; /* replies without progress before giving up; 0: the default of 16 */
	unsigned int stall_ms;	/* ... and the time that they must have taken, by transfer_tick; 0: any */
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
/* alive: the board answered something that was sent later, so that it is there and done with this. */
void transfer_lost(struct transfer *t, uint32_t token, bool alive);

enum transfer_state transfer_state(const struct transfer *t);
uint64_t transfer_acknowledged(const struct transfer *t);
uint64_t transfer_total(const struct transfer *t); /* download: 0 until known */
unsigned int transfer_in_flight(const struct transfer *t);
unsigned int transfer_window(const struct transfer *t); /* as adapted by now */
/* What this transfer says of the link: a window to begin the next one with. 0: it was too short to tell. */
unsigned int transfer_window_learnt(const struct transfer *t);
unsigned int transfer_losses(const struct transfer *t);
size_t transfer_message_size(const struct transfer *t); /* largest message sent, as adapted by now */

/* Whether the outcome of a token still matters or takes room. A request whose token does not may be cancelled, so that the
 * caller does not wait for its deadline. */
bool transfer_waits(const struct transfer *t, uint32_t token);

/* The time now, before an outcome is handed over; it begins with the first one. Not needed without stall_ms. */
void transfer_tick(struct transfer *t, uint64_t now_ms);

/* How many messages the cable holds, before an outcome is handed over: while nothing was lost, the window grows to that and
 * one more at once. 0: not known. */
void transfer_on_cable(struct transfer *t, unsigned int messages);

/* The board takes no longer messages any more, from the next chunk on; one that takes longer ones again is no matter of a
 * transfer that runs. 0, or -EMSGSIZE as of transfer_new(). */
int transfer_limit(struct transfer *t, size_t message_max);

/* How long to wait before the next transfer_next(): the board said that it is busy or has no room, or that it still wants what
 * it was just sent; longer each time. 0: go on at once. */
unsigned int transfer_pause_ms(const struct transfer *t);

/* Image upload: all was sent, but the board never said that it has it all (the reply of the last chunk was lost, SMP §6.5).
 * After TRANSFER_DONE, or -ETIMEDOUT: look for the hash in the image state before believing either. */
bool transfer_verify_needed(const struct transfer *t);
/* Image upload, done: the board compared the SHA-256 of what it has and said `match`. */
bool transfer_matched(const struct transfer *t);

/* After TRANSFER_FAILED: 0 and the board's error in ret_status (borrowed), or -EPROTO (broken replies), -ETIMEDOUT (lost
 * too often), -ELOOP (no progress), -ENOLINK (restarted too often), -EBADMSG (`match` false), -EFBIG (download beyond the
 * limit), -ENOMEM; text says what happened. */
int transfer_error(const struct transfer *t, const struct smp_status **ret_status, const char **ret_text);

/* After a finished download: the data, owned by the transfer. NULL otherwise. */
const uint8_t *transfer_data(const struct transfer *t, size_t *ret_size);
/* What a download, finished or not, has in order so far; NULL before the board has answered. */
const uint8_t *transfer_received(const struct transfer *t, size_t *ret_size);

/* The largest data length of an upload's chunk at an offset, exactly (SMP §6.1), before it is aligned; 0 when not even an
 * empty one fits. first: with len, sha, image and upgrade as configured. */
size_t transfer_chunk_max(const struct transfer_config *config, bool first, uint64_t offset);
