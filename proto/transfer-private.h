/* SPDX-License-Identifier: MIT */
#pragma once

/* Inside of a transfer: shared by the transfer-*.c files only.
 *
 * transfer.c holds the flights and dispatches outcomes; transfer-image.c, transfer-file.c and transfer-download.c know what an
 * offset means;
 * transfer-window.c adapts window and chunk size; transfer-encode.c knows the bytes. */

#include "proto/transfer.h"

#define SHA_SIZE 32

enum phase {
	PHASE_CLOSE,  /* files: close before the first chunk */
	PHASE_FIRST,  /* the first chunk, alone */
	PHASE_MOVE,   /* the rest, predicted */
	PHASE_FINISH, /* files: close after an upload */
};

struct flight {
	struct transfer_chunk chunk;
	uint64_t end;    /* where the next one begins */
	uint64_t before; /* how far had been sent when it went out */
	bool stale;
};

/* Of a download: asked for and not answered. */
struct hole {
	uint64_t from, end;
};

struct transfer {
	struct transfer_config config; /* name, sha and data as below */
	char *name;
	uint8_t sha[SHA_SIZE];

	enum transfer_state state;
	int error; /* 0 with status.failed: the board's */
	struct smp_status status;
	char text[192];

	enum phase phase;
	uint64_t acknowledged, next;
	uint64_t sent; /* highest end of a chunk since the start or restart */
	uint32_t token;
	uint32_t final_token;                       /* when the last byte was first sent; 0: not yet */
	struct flight flights[TRANSFER_WINDOW_MAX]; /* oldest first */
	unsigned int flight_count;
	bool ahead; /* files: the first chunk goes out right behind the close */

	/* counted until there is progress */
	unsigned int stalls, lost_in_a_row, passed_over, busy;
	uint64_t now_ms, progress_ms; /* transfer_tick */
	unsigned int restarts, losses;
	bool unverified, matched;

	/* adaptation, see transfer-window.c */
	unsigned int loss_streak, credit, patience_window, patience_message;
	unsigned int unanswered; /* flights that the latest outcome proved lost, or that nothing was heard of besides */
	unsigned int failing;	 /* share of chunks that are lost, lately; of 1024 */
	unsigned int failing_usual; /* with a smaller window, or known not to come from it */
	unsigned int since_raise;   /* replies since the window grew */
	unsigned int on_cable;	    /* messages, by transfer_on_cable */
	unsigned int test_left, test_lost, test_failing, test_window; /* chunks of a test, and what is tested */
	unsigned int lines, lines_lost; /* sent and lost, lately */
	size_t message_best;	 /* for a cable that loses so many lines; 0: any */
	unsigned int window, window_before;
	size_t message, message_before; /* ..._before: what a growth on trial is taken back to; 0: none is */
	/* the least for a first chunk, which holds an image header, and for one with a fair share of data */
	size_t message_first, message_more;

	/* downloads */
	uint8_t *data;
	uint64_t total, step;
	bool total_known;
	struct hole holes[TRANSFER_WINDOW_MAX]; /* by offset */
	unsigned int hole_count;
};

/* transfer.c */
_printf_(3, 4) void transfer_fail(struct transfer *t, int error, const char *format, ...);
void transfer_finish(struct transfer *t);
/* Everything in flight becomes stale; goes on at an offset. Downloads: what was in flight is asked for again. */
void transfer_go_back(struct transfer *t, uint64_t offset);
/* The board confirmed an offset beyond what was acknowledged. Whether it did so in order is transfer_window_grow's
 * matter. */
void transfer_advance(struct transfer *t, uint64_t offset);
/* From the start again (or, step back, from an earlier offset); counted. what: "the board ..." */
void transfer_restart(struct transfer *t, enum phase phase, uint64_t offset, const char *what);
/* A reply that brought no progress. */
void transfer_stall(struct transfer *t);

/* transfer-image.c, transfer-file.c: a reply of a flight that is not stale. lost: older flights were never answered. */
void transfer_image_reply(struct transfer *t, const struct flight *f, const struct value *payload);
void transfer_upload_reply(struct transfer *t, const struct flight *f, const struct value *payload);
void transfer_download_reply(struct transfer *t, const struct flight *f, const struct value *payload);
void transfer_close_reply(struct transfer *t);
/* transfer-download.c: what was asked for and lost; what to ask for next, whose end is returned; whether all was asked for. */
void transfer_download_miss(struct transfer *t, uint64_t from, uint64_t end);
uint64_t transfer_download_plan(struct transfer *t, struct transfer_chunk *c);
bool transfer_download_is_asked(const struct transfer *t);
/* err 8/11: true when it was understood. */
bool transfer_upload_refused(struct transfer *t, const struct flight *f, const struct value *payload);

/* transfer-window.c */
void transfer_window_start(struct transfer *t);
void transfer_window_grow(struct transfer *t);
/* told: by a reply, or another answer of the board, not by a deadline. */
void transfer_window_loss(struct transfer *t, bool told);
void transfer_window_busy(struct transfer *t);
void transfer_window_limit(struct transfer *t); /* after a smaller config.message_max */
size_t transfer_window_message(const struct transfer *t); /* the largest message to send now */

/* transfer-encode.c. message: largest size of the message, 0: config's */
size_t transfer_chunk_fit(const struct transfer_config *config, bool first, uint64_t offset, size_t message);
/* Size of the message that carries a chunk of this length. */
size_t transfer_chunk_size(const struct transfer_config *config, bool first, uint64_t offset, uint64_t length);
