/* SPDX-License-Identifier: MIT */
#pragma once

/* Carries a planned transfer (proto/transfer.h) to a board: submits its chunks, hands their outcomes back, and says how it
 * ended. Deadlines are the requests' own; a board without room is given pauses.
 *
 * Chunks are sent once by the session; what is lost is planned again by the transfer. Where the transfer wants to see the
 * board's list of images before it is believed (transfer_verify_needed), the run ends with -EAGAIN.
 *
 * Ownership: the run owns the transfer; the data it sends is borrowed. done() is called once, from a request's callback,
 * never from inside transfer_run_start, not after transfer_run_stop; the run may be stopped and freed in it. */

#include "daemon/device.h"
#include "proto/transfer.h"

#define TRANSFER_STALL_MS 10000 /* a board that answers all the time without taking anything is given up */

struct transfer_run_callbacks {
	/* Images: a first chunk that is repeated does no harm (Zephyr, with the file's SHA-256; recovery would erase again).
	 * Its loss is then noticed within seconds, although it may take an erase. */
	bool resumes;
	bool quick; /* nothing that is asked takes as long as an erase */
	/* Images: one that the board forgot in the middle is not sent from the start, since whoever answers may be another server by
	 * now. The run ends with -EAGAIN. */
	bool looks;
	void (*progress)(void *user, uint64_t acknowledged, uint64_t total);
	void (*closing)(void *user); /* files: all was written, and the close is sent; may be NULL. Not the place to stop the run. */
	/* 0; -EREMOTEIO (transfer_error of the transfer has the status), -EPROTO, -ELOOP, -ENOLINK, -ETIMEDOUT, -EBADMSG as
	 * transfer_error; -EAGAIN as above; -ENODEV, -EMSGSIZE, -EBUSY, -ENOMEM. text: a sentence or NULL */
	void (*done)(void *user, int result, const char *text);
};

struct transfer_run;

/* Takes the transfer over, also when it fails: 0, -ENOMEM, or what device_submit says of the first chunk.
 * timeout_ms: replaces the session's; 0 keeps it. */
int transfer_run_start(struct device *device, struct transfer *transfer, unsigned int timeout_ms,
		const struct transfer_run_callbacks *callbacks, void *user, struct transfer_run **ret);
struct transfer *transfer_run_transfer(struct transfer_run *run);
/* Cancels what is in flight and frees the run with its transfer. */
void transfer_run_stop(struct transfer_run *run);
DEFINE_FREEP(struct transfer_run, transfer_run_stop)
