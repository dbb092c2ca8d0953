/* SPDX-License-Identifier: MIT */

/* How much is sent at once. Two measures: the window (messages in flight) and the message size.
 *
 * credit counts replies in order since the last change; at `patience` of them one measure grows: the message first,
 * which costs the board less, then the window. The window's patience is 1 until something is lost, so that a good link
 * is filled at once. Later a growth is on trial for its first replies: if it fails, it is taken back and that patience
 * doubles, so that a link that can take no more is tried ever more rarely; a trial that goes well halves it.
 *
 * A single loss is no reason to make messages smaller, on trial or not: it may be bad luck. Two in a row are one. A
 * window that is too large loses a message here and there instead: there a single one counts. */

#include "proto/transfer-private.h"

#define MESSAGE_ONE_LINE 89 /* 93 bytes of a packet in a line, less length and CRC */
#define TRIAL 8             /* replies */
#define PATIENCE_MAX 2048
#define LUCK 4		    /* replies in order between losses that a window too large would not have let through */

void transfer_window_start(struct transfer *t)
{
	t->patience_window = 1;
	t->patience_message = TRIAL;
	t->window = t->config.window_start;
	t->message = t->config.message_max;
}

static bool is_short(const struct transfer *t)
{
	return t->message < t->config.message_max;
}

static void raise(struct transfer *t)
{
	t->credit = 0;
	t->message_before = t->window_before = 0;
	if (is_short(t)) {
		t->message_before = t->message;
		t->message = 2 * t->message < t->config.message_max ? 2 * t->message : t->config.message_max;
	} else if (t->window < t->config.window_max) {
		t->window_before = t->patience_window > 1 ? t->window : 0;
		t->window++;
	}
}

static void halve_patience(unsigned int *patience)
{
	*patience = *patience / 2 > TRIAL ? *patience / 2 : TRIAL;
}

static void double_patience(unsigned int *patience)
{
	*patience = 2 * *patience < PATIENCE_MAX ? 2 * *patience : PATIENCE_MAX;
}

void transfer_window_grow(struct transfer *t)
{
	t->credit++;
	t->since_loss++;
	if (t->credit == TRIAL && t->message_before > 0)
		halve_patience(&t->patience_message);
	if (t->credit == TRIAL && t->window_before > 0)
		halve_patience(&t->patience_window);
	if (t->credit >= TRIAL)
		t->message_before = t->window_before = 0;
	if (t->credit >= (is_short(t) ? t->patience_message : t->patience_window))
		raise(t);
}

static void shrink_message(struct transfer *t)
{
	size_t least = t->config.message_max < MESSAGE_ONE_LINE ? t->config.message_max : MESSAGE_ONE_LINE;
	t->credit = 0;
	if (t->message_before > 0) {
		t->message = t->message_before;
		t->message_before = 0;
		double_patience(&t->patience_message);
	} else {
		/* a first chunk may take an erase to be answered: no time for small steps */
		t->message = t->phase == PHASE_FIRST || t->message / 2 < least ? least : t->message / 2;
	}
}

static void shrink_window(struct transfer *t)
{
	t->credit = 0;
	if (t->patience_window < TRIAL)
		t->patience_window = TRIAL;
	if (t->window_before > 0) {
		t->window = t->window_before;
		t->window_before = 0;
		double_patience(&t->patience_window);
	} else {
		t->window = (t->window + 1) / 2;
	}
}

/* A window of 2 is the smallest whose own replies tell of a loss; at 1 each loss costs a deadline. It is kept when a reply
 * told of this one, and the board took some before it. */
static bool keeps_two(const struct transfer *t, unsigned int since_loss)
{
	return t->window == 2 && t->lost_in_a_row == 0 && since_loss >= LUCK;
}

void transfer_window_loss(struct transfer *t)
{
	unsigned int since_loss = t->since_loss;

	t->losses++;
	t->loss_streak++;
	t->since_loss = 0;
	if (keeps_two(t, since_loss))
		t->credit = 0;
	else if (t->window > 1 && t->phase != PHASE_FIRST)
		shrink_window(t);
	else if (t->loss_streak > 1)
		shrink_message(t);
}

void transfer_window_busy(struct transfer *t)
{
	shrink_window(t);
}
