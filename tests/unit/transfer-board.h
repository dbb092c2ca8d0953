/* SPDX-License-Identifier: MIT */
#pragma once

/* A board that takes uploads and gives files, as small as SMP §5.8 and §6.2 allow, behind a link that fails where the
 * test says. No clock: a deadline passes when nothing else can happen. */

#include <check.h>

#include "proto/transfer.h"

/* As ck_assert() and ck_assert_msg(), for loops that run a million times: check notes the place of each of its assertions with
   a system call, these are noted only when they fail. */
#define expect(condition) expect_msg(condition, "not so: %s", #condition)
#define expect_msg(condition, ...)                                                                                             \
	do {                                                                                                                   \
		if (!(condition))                                                                                              \
			ck_abort_msg(__VA_ARGS__);                                                                             \
	} while (0)

enum fault {
	FINE,
	LOSE_REQUEST,
	LOSE_REPLY,
	LATE_REPLY, /* after its deadline */
	TWICE,      /* the request arrives twice, both are answered */
	TWICE_FIRST_REPLY_LOST,
	FORGET_BEFORE, /* the board restarts before it: the session is gone */
	BUSY,          /* rc 10, not executed */
	NO_MEMORY,     /* rc 2, not executed */
	FAULTS
};

struct board {
	/* personality */
	bool mcuboot;           /* no resume, repeats of the end answered with the end, chunks cut to align */
	bool checks;            /* IMG_ENABLE_IMAGE_CHECK: says match at the end */
	bool wrong_match;       /* ... and finds a difference */
	size_t align;           /* MCUboot */
	size_t message_limit;   /* larger messages vanish; 0: none */
	unsigned int queue_max; /* more requests waiting than this vanish; 0: no limit */
	size_t download_chunk;

	/* its cable: lines lost of 1000, a reply is one; state of the dice */
	uint32_t line_loss, luck;

	/* image session */
	bool active;
	uint64_t offset, size;
	uint8_t sha[32];
	bool has_sha;
	bool complete;
	unsigned int firsts; /* sessions begun */

	/* file */
	bool open;
	uint64_t file_offset;
	uint8_t *memory; /* what was received, or what is to be downloaded */
	uint64_t memory_size, file_size;
	unsigned int closes;
};

/* The link: which requests fail how. position: of the request, from 0. */
typedef enum fault (*fault_fn)(void *user, unsigned int position);

struct ride {
	unsigned int sends;
	unsigned int deadlines;   /* that passed and mattered */
	unsigned int window_seen; /* most requests in flight */
	size_t message_seen;      /* largest message */
	size_t wire;              /* bytes of all messages, framed */
};

/* Carries a transfer to its end (or to limit sends, which fails the test). */
void ride_run(struct transfer *t, struct board *b, fault_fn faults, void *user, unsigned int limit, struct ride *ret);
