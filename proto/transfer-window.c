/* SPDX-License-Identifier: MIT */

/* How much is sent at once. Two measures: the window (messages in flight) and the message size.
 *
 * credit counts replies in order since the last change; at `patience` of them one measure grows: the message first,
 * since that is cheaper for the board, then the window. patience is 1 until something is lost, so that a good link is
 * filled at once; then it doubles with each streak of losses, and halves when a growth lasted, so that a link that can
 * take no more is tried ever more rarely. A message size that fails right after it grew is taken back without a second
 * try. */

#include "proto/transfer-private.h"

#define MESSAGE_ONE_LINE 89 /* 93 bytes of a packet in a line, less length and CRC */
#define PATIENCE_LOSSY 8    /* replies; also what proves a growth */
#define PATIENCE_MAX 2048

void transfer_window_start(struct transfer *t)
{
	t->patience = 1;
	t->window = t->config.window_start;
	t->message = t->config.message_max;
}

static void raise(struct transfer *t)
{
	if (t->message < t->config.message_max) {
		t->message_before = t->message;
		t->message = 2 * t->message < t->config.message_max ? 2 * t->message : t->config.message_max;
	} else if (t->window < t->config.window_max) {
		t->window++;
	}
}

void transfer_window_grow(struct transfer *t)
{
	t->credit++;
	if (t->credit >= PATIENCE_LOSSY)
		t->message_before = 0;
	if (t->credit < t->patience)
		return;
	t->credit = 0;
	if (t->grown && t->patience > PATIENCE_LOSSY)
		t->patience /= 2;
	t->grown = true;
	raise(t);
}

static void shrink_message(struct transfer *t)
{
	size_t least = t->config.message_max < MESSAGE_ONE_LINE ? t->config.message_max : MESSAGE_ONE_LINE;
	/* a first chunk may take an erase to be answered: no time for small steps */
	t->message = t->phase == PHASE_FIRST || t->message / 2 < least ? least : t->message / 2;
}

static unsigned int clamp(unsigned int patience)
{
	return patience < PATIENCE_LOSSY ? PATIENCE_LOSSY : patience > PATIENCE_MAX ? PATIENCE_MAX : patience;
}

void transfer_window_loss(struct transfer *t)
{
	t->losses++;
	t->credit = 0;
	t->grown = false;
	if (t->loss_streak++ == 0)
		t->patience = clamp(2 * t->patience);
	bool alone = t->window == 1 || t->phase == PHASE_FIRST;
	if (t->message_before > 0) {
		t->message = t->message_before;
		t->message_before = 0;
	} else if (!alone) {
		t->window /= 2;
	} else if (t->loss_streak > 1) {
		shrink_message(t);
	}
}

void transfer_window_busy(struct transfer *t)
{
	t->credit = 0;
	t->patience = clamp(t->patience);
	t->window = t->window > 1 ? t->window / 2 : 1;
}
