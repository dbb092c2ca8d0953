/* SPDX-License-Identifier: MIT */

/* What the offset in a reply to an image chunk means (SMP §6.2, §6.4, §6.5). */

#include <errno.h>
#include <inttypes.h>

#include "proto/transfer-private.h"

static void complete(struct transfer *t, const struct value *payload)
{
	bool match;
	if (value_to_bool(value_get(payload, "match"), &match)) {
		t->matched = match;
		if (!match) {
			transfer_fail(t, -EBADMSG, "the board has all of it, but its SHA-256 differs");
			return;
		}
	}
	t->acknowledged = t->config.size;
	transfer_finish(t);
}

static void first_reply(struct transfer *t, uint64_t offset)
{
	if (offset == 0) {
		if (t->restarts++ == 3)
			transfer_fail(t, -ELOOP, "the board takes nothing of the first chunk");
		return;
	}
	/* less than was sent: cut to blocks; more: an upload is resumed */
	t->next = offset;
	t->phase = PHASE_MOVE;
	transfer_advance(t, offset);
	transfer_window_grow(t);
}

/* The board forgot the upload; or it has it all, the answers got lost, and this is what it says to repeats. */
static void forgotten(struct transfer *t, const struct flight *f)
{
	if (t->final_token > 0 && f->chunk.token > t->final_token) {
		t->unverified = true;
		transfer_finish(t);
	} else {
		transfer_restart(t, PHASE_FIRST, 0, "the board lost the upload");
	}
}

static void behind(struct transfer *t, const struct flight *f, uint64_t offset)
{
	/* an older chunk was lost; or the board took nothing of this one, which is no loss */
	bool lost = f->chunk.offset > offset, moved = offset > t->acknowledged;
	if (moved)
		transfer_advance(t, offset);
	else
		transfer_stall(t);
	if (t->state != TRANSFER_RUNNING)
		return;
	if (lost)
		transfer_window_loss(t, true);
	transfer_go_back(t, offset);
}

static void later_reply(struct transfer *t, const struct flight *f, uint64_t offset)
{
	if (offset == 0) {
		forgotten(t, f);
	} else if (offset >= f->end) {
		if (offset > t->acknowledged)
			transfer_advance(t, offset);
		transfer_window_grow(t);
	} else if (offset > f->chunk.offset) {
		transfer_advance(t, offset);
		transfer_go_back(t, offset);
	} else if (offset >= t->acknowledged) {
		behind(t, f, offset);
	} else {
		transfer_restart(t, PHASE_MOVE, offset, "the board went back");
	}
}

void transfer_image_reply(struct transfer *t, const struct flight *f, const struct value *payload)
{
	uint64_t offset;
	if (!value_to_uint(value_get(payload, "off"), &offset)) {
		transfer_fail(t, -EPROTO, "the reply to the chunk at offset %" PRIu64 " has no `off`", f->chunk.offset);
		return;
	}
	if (offset > t->config.size)
		transfer_fail(t, -EPROTO, "the board asks for offset %" PRIu64 " of %" PRIu64, offset, t->config.size);
	else if (offset == t->config.size)
		complete(t, payload);
	else if (f->chunk.first)
		first_reply(t, offset);
	else
		later_reply(t, f, offset);
}
