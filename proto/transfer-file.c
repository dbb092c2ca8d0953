/* SPDX-License-Identifier: MIT */

/* File chunks: what replies mean (SMP §5.8). */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "proto/transfer-private.h"

void transfer_close_reply(struct transfer *t)
{
	t->lost_in_a_row = t->passed_over = t->loss_streak = 0;
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

static bool start_download(struct transfer *t, const struct value *payload)
{
	uint64_t total;
	if (!value_to_uint(value_get(payload, "len"), &total)) {
		transfer_fail(t, -EPROTO, "the first reply has no `len`");
		return false;
	}
	if (total > t->config.size) {
		transfer_fail(t, -EFBIG, "the file has %" PRIu64 " bytes, more than the limit of %" PRIu64, total,
			t->config.size);
		return false;
	}
	t->data = malloc(total ? (size_t)total : 1);
	if (!t->data) {
		transfer_fail(t, -ENOMEM, "no memory for a file of %" PRIu64 " bytes", total);
		return false;
	}
	t->total = total;
	t->total_known = true;
	t->phase = PHASE_MOVE;
	return true;
}

static void take_data(struct transfer *t, const struct flight *f, const struct value *data)
{
	uint64_t end = f->chunk.offset + data->size;
	if (f->chunk.offset > t->acknowledged) {
		/* an older one was lost; this one can be had again */
		transfer_stall(t);
		if (t->state != TRANSFER_RUNNING)
			return;
		transfer_window_loss(t, true);
		transfer_go_back(t, t->acknowledged);
		return;
	}
	if (data->size > 0)
		memcpy(t->data + f->chunk.offset, data->data, data->size);
	bool predicted = end == f->end || end == t->total;
	t->step = predicted ? t->step : data->size;
	if (end > t->acknowledged)
		transfer_advance(t, end);
	transfer_window_grow(t);
	if (!predicted)
		transfer_go_back(t, t->acknowledged);
	if (t->acknowledged == t->total)
		transfer_finish(t);
}

void transfer_download_reply(struct transfer *t, const struct flight *f, const struct value *payload)
{
	uint64_t offset;
	const struct value *data = value_get(payload, "data");
	if (!value_to_uint(value_get(payload, "off"), &offset) || offset != f->chunk.offset)
		transfer_fail(t, -EPROTO, "the reply to offset %" PRIu64 " is for another one", f->chunk.offset);
	else if (!data || data->kind != VALUE_BYTES)
		transfer_fail(t, -EPROTO, "the reply to offset %" PRIu64 " has no `data`", offset);
	if (t->state != TRANSFER_RUNNING || (!t->total_known && !start_download(t, payload)))
		return;
	if (offset > t->total || data->size > t->total - offset)
		transfer_fail(t, -EPROTO, "the board sent more than the %" PRIu64 " bytes of the file", t->total);
	else if (data->size == 0 && offset < t->total)
		transfer_fail(t, -EPROTO, "the file ended at offset %" PRIu64 " of %" PRIu64, offset, t->total);
	else
		take_data(t, f, data);
}
