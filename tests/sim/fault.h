/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * Faults on demand. A board holds a list of them; the code that could go wrong
 * asks with faults_strike() whether it should. mcumgr-sim(1) says what each
 * kind does.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util.h"

#define FAULTS(X)                                                                                  \
	X(FAULT_LOSE_REQUEST, "lose-request")                                                      \
	X(FAULT_LOSE_REPLY, "lose-reply")                                                          \
	X(FAULT_LATE_REPLY, "late-reply")                                                          \
	X(FAULT_DUPLICATE_REPLY, "duplicate-reply")                                                \
	X(FAULT_WRONG_SEQ, "wrong-seq")                                                            \
	X(FAULT_CORRUPT_CRC, "corrupt-crc")                                                        \
	X(FAULT_CORRUPT_BASE64, "corrupt-base64")                                                  \
	X(FAULT_GARBAGE_LINE, "garbage-line")                                                      \
	X(FAULT_LOG_IN_PACKET, "log-in-packet")                                                    \
	X(FAULT_LOG_BEFORE_FRAME, "log-before-frame")                                              \
	X(FAULT_LOG_BETWEEN, "log-between")                                                        \
	X(FAULT_CRLF, "crlf")                                                                      \
	X(FAULT_LONG_LINE, "long-line")                                                            \
	X(FAULT_SESSION_LOSS, "session-loss")                                                      \
	X(FAULT_NO_RESET_REPLY, "no-reset-reply")                                                  \
	X(FAULT_RESET_IGNORED, "reset-ignored")                                                    \
	X(FAULT_BUSY, "busy")                                                                      \
	X(FAULT_ERROR, "error")                                                                    \
	X(FAULT_STUCK_OFFSET, "stuck-offset")                                                      \
	X(FAULT_MATCH_FALSE, "match-false")                                                        \
	X(FAULT_WRONG_BYTE, "wrong-byte")                                                          \
	X(FAULT_REVERT_ON_BOOT, "revert-on-boot")                                                  \
	X(FAULT_HANG_AT_BOOT, "hang-at-boot")                                                      \
	X(FAULT_SLOW_BOOT, "slow-boot")                                                            \
	X(FAULT_TRUNCATED_REPLY, "truncated-reply")                                                \
	X(FAULT_OVERSIZE_LENGTH, "oversize-length")                                                \
	X(FAULT_CBOR_BOMB, "cbor-bomb")                                                            \
	X(FAULT_DIE_AT, "die-at")                                                                  \
	X(FAULT_DIE_AFTER, "die-after")

enum fault_kind {
#define X(id, name) id,
	FAULTS(X)
#undef X
};

struct fault {
	enum fault_kind kind;
	uint64_t count; /* times left; 0 is no limit */
	double p;       /* chance each time */
	uint64_t at;    /* of an upload: only requests with this offset or a larger one */
	int group, id, op; /* only requests of this command; -1 is any */
	uint64_t ms;
	int rc, errgroup; /* errgroup -1: an SMP level rc */
};

#define FAULTS_MAX 32

struct faults {
	struct fault list[FAULTS_MAX];
	size_t n;
};

/* What a fault is matched against; op, group and id are -1 outside of requests. */
struct fault_context {
	int op, group, id;
	uint64_t off;
};

/*
 * Adds the fault described by `words` ("lose-reply count=2 group=1"). 0, or
 * -EINVAL with a sentence in *ret_error (caller frees), -ENOSPC, -ENOMEM.
 */
int faults_add(struct faults *f, const char *words, char **ret_error);

/* Whether a fault of this kind strikes now; it is then used up once. */
bool faults_strike(struct faults *f, struct rng *rng, enum fault_kind kind,
		   const struct fault_context *where, struct fault *ret);
