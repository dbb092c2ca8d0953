/* SPDX-License-Identifier: MIT */

/* Chunks of a file upload: what replies mean (SMP §5.8). */

#include <errno.h>
#include <inttypes.h>

#include "proto/transfer-private.h"

/* No progress: a board may answer each close, and never the first chunk, before which a close goes every time. What was lost
 * in a row goes on being counted, to give up or to send less. */
void transfer_close_reply(struct transfer *t)
{
	if (t->phase == PHASE_FINISH)
		transfer_finish(t);
	else
		t->phase = PHASE_FIRST;
}

/* The board is at an offset that the data sent cannot have brought it to: the file there is not ours. */
static void upload_again(struct transfer *t)
{
	transfer_restart(t, PHASE_CLOSE, 0, "the board's file does not have the length of what was sent");
}

/* A server closes a file at its end only if it still knows where that is, which it learns from the first chunk and forgets
 * with every close, its own ones after a wrong offset included. In a file that is open others see old data. */
static void upload_end(struct transfer *t)
{
	t->phase = PHASE_FINISH;
	transfer_go_back(t, t->config.size);
}

static void upload_advance(struct transfer *t, uint64_t offset)
{
	if (offset > t->acknowledged)
		transfer_advance(t, offset);
	transfer_window_grow(t);
	if (t->acknowledged == t->config.size)
		upload_end(t);
}

void transfer_upload_reply(struct transfer *t, const struct flight *f, const struct value *payload)
{
	uint64_t offset;
	if (!value_to_uint(value_get(payload, "off"), &offset)) {
		transfer_fail(t, -EPROTO, "the reply to the chunk at offset %" PRIu64 " has no `off`", f->chunk.offset);
		return;
	}
	/* the server counts what it wrote: anything else is another file, or an open one that was appended to */
	if (offset != f->end) {
		upload_again(t);
		return;
	}
	t->phase = PHASE_MOVE;
	upload_advance(t, offset);
}

bool transfer_upload_refused(struct transfer *t, const struct flight *f, const struct value *payload)
{
	uint64_t wanted;
	if (!value_to_uint(value_get(payload, "len"), &wanted))
		return false;
	if (wanted == 0 || wanted > f->before || f->chunk.first) {
		upload_again(t);
	} else if (wanted >= f->end) {
		/* written before, only the answer was lost */
		upload_advance(t, wanted);
	} else if (wanted < t->acknowledged) {
		transfer_restart(t, PHASE_MOVE, wanted, "the board went back");
	} else {
		if (wanted > t->acknowledged)
			transfer_advance(t, wanted);
		else
			transfer_stall(t);
		if (t->state != TRANSFER_RUNNING)
			return true;
		transfer_window_loss(t, true);
		transfer_go_back(t, wanted);
	}
	return true;
}
