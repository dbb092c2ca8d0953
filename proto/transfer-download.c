/* SPDX-License-Identifier: MIT */

/* File downloads: selective repeat. A board answers in order, so a reply tells that what was asked before and not answered is
 * lost: a hole. What arrives behind a hole is kept, and only the hole is asked for again, before anything new. Each chunk in
 * flight becomes one hole at most, and a hole that is asked for is a chunk in flight, so that there are never more holes than
 * the window has places. The data lies in its place in the file from the beginning. */

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "proto/transfer-private.h"

void transfer_download_miss(struct transfer *t, uint64_t from, uint64_t end)
{
	unsigned int at = t->hole_count;

	end = end < t->total ? end : t->total;
	if (from >= end || t->hole_count == ARRAY_SIZE(t->holes))
		return;
	for (; at > 0 && t->holes[at - 1].from > from; at--)
		t->holes[at] = t->holes[at - 1];
	t->holes[at] = (struct hole){from, end};
	t->hole_count++;
}

uint64_t transfer_download_plan(struct transfer *t, struct transfer_chunk *c)
{
	uint64_t end;

	c->offset = t->next;
	if (t->hole_count == 0)
		return t->next + t->step;
	c->offset = t->holes[0].from;
	end = t->holes[0].end;
	memmove(t->holes, t->holes + 1, --t->hole_count * sizeof(t->holes[0]));
	return end;
}

bool transfer_download_is_asked(const struct transfer *t)
{
	return t->hole_count == 0 && t->next >= t->total;
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

/* Everything before this is there. */
static uint64_t complete_until(const struct transfer *t)
{
	uint64_t until = t->next < t->total ? t->next : t->total;

	if (t->hole_count > 0 && t->holes[0].from < until)
		until = t->holes[0].from;
	for (unsigned int i = 0; i < t->flight_count; i++)
		if (!t->flights[i].stale && t->flights[i].chunk.offset < until)
			until = t->flights[i].chunk.offset;
	return until;
}

/* The board chooses how much it gives: what it left out is asked for again, what it added is not needed twice. */
static void take_data(struct transfer *t, const struct flight *f, const struct value *data)
{
	uint64_t end = f->chunk.offset + data->size, expected = f->end < t->total ? f->end : t->total;

	if (data->size > 0)
		memcpy(t->data + f->chunk.offset, data->data, data->size);
	if (f->end - f->chunk.offset == t->step && end != t->total)
		t->step = data->size;
	if (f->end == t->next)
		t->next = end;
	else
		transfer_download_miss(t, end, expected);
	uint64_t until = complete_until(t);
	transfer_advance(t, until > t->acknowledged ? until : t->acknowledged);
	if (t->unanswered > 0)
		transfer_window_loss(t, true);
	transfer_window_grow(t);
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
