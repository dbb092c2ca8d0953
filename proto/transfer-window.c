/* SPDX-License-Identifier: MIT */

/* How much is sent at once. Two measures: the window (messages in flight) and the message size.
 *
 * A cable that loses lines by accident loses one chunk here and there, whatever the window is; the chunks behind it arrive,
 * and tell. A board that is given too much loses several in a row, or begins to lose with a larger window: that window is
 * taken back. Where many are lost and it is not clear why, a smaller window is tested: if it loses as many, the former one
 * was not to blame, and is used again. For the accidents of a cable, the best message size follows from the share of lines that are lost: a long
 * message is lost as a whole, a short one is mostly frame.
 *
 * What is on a long cable is not in the board's buffers, which is why a window that only fills the cable is begun with.
 *
 * credit counts replies in order since the last change; at `patience` of them one measure grows: the message first,
 * which costs the board less, then the window. The window's patience is 1 until something is lost, so that a good link
 * is filled at once. Later a growth is on trial for its first replies: if it fails, it is taken back and that patience
 * doubles, so that a link that can take no more is tried ever more rarely; a trial that goes well halves it.
 *
 * A single loss is no reason to make messages smaller, on trial or not: it may be bad luck. Two in a row, when nothing else
 * is in flight, are one: the board may have less room than it says. */

#include "proto/transfer-private.h"

#define MESSAGE_ONE_LINE 89 /* 93 bytes of a packet in a line, less length and CRC */
#define TRIAL 8             /* replies */
#define PATIENCE_MAX 2048
#define KNOWN_PATIENCE (4 * TRIAL) /* with a window that was learnt before */
#define BURST 3		    /* chunks in a row that a cable rarely loses */
#define SHARE_ONE 1024
#define SHARE_GAIN 16
#define USUAL_GAIN 64
#define SHARE_SOME (SHARE_ONE / 32) /* a chunk was lost within some fifty */
#define SHARE_MORE (SHARE_ONE / 7)
#define TEST 24 /* chunks */
#define LINE_BYTES 93	    /* of a packet in a line */
#define LINE_WIRE 127	    /* bytes on the wire */
#define LINES_KEPT 600	    /* of experience */
#define LINES_TRUSTED 100   /* lines without loss that are taken for granted */
#define LOSSES_LEAST 2	    /* fewer say nothing of a cable */
/* In bytes on the wire, of a window of one: what passes between two messages, and for how long a loss stops everything. */
#define ALONE_REPLY 200
#define ALONE_LOSS 1000
#define REPLY 20 /* of larger ones */

void transfer_window_start(struct transfer *t)
{
	t->patience_window = t->config.window_known ? KNOWN_PATIENCE : 1;
	t->patience_message = TRIAL;
	t->window = t->config.window_start;
	t->message = t->config.message_max;
	t->lines = LINES_TRUSTED;
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
		unsigned int filled = t->patience_window > 1 ? 0 : t->on_cable + 1;
		t->window_before = t->patience_window > 1 ? t->window : 0;
		t->window = filled > t->window ? filled : t->window + 1;
		if (t->window > t->config.window_max)
			t->window = t->config.window_max;
		t->since_raise = 0;
		t->failing_usual = t->failing;
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

/* More is lost than usual: the window may be the reason. */
static bool is_suspect(const struct transfer *t)
{
	return t->failing > 2 * t->failing_usual + SHARE_MORE;
}

static unsigned int line_count(size_t message)
{
	return (unsigned int)((message + 4 + LINE_BYTES - 1) / LINE_BYTES);
}

/* Payload that a byte on the wire brings, with messages of so many lines, when a share of the lines is lost. */
static double yield_of(const struct transfer *t, unsigned int lines, size_t message, double lost)
{
	size_t frame = transfer_chunk_size(&t->config, false, t->config.size, 0);
	double arrives = 1 - lost, wire = (double)lines * LINE_WIRE;

	if (message <= frame)
		return 0;
	for (unsigned int i = 0; i < lines; i++)
		arrives *= 1 - lost;
	double again = t->window > 1 ? (t->window - 1) * wire : ALONE_LOSS, reply = t->window > 1 ? REPLY : ALONE_REPLY;
	return (double)(message - frame) * arrives / (wire + reply + (1 - arrives) * again);
}

static void choose_message(struct transfer *t)
{
	double lost = (double)t->lines_lost / t->lines, best = 0;

	t->message_best = 0;
	if (t->lines_lost < LOSSES_LEAST || t->config.kind == TRANSFER_FILE_DOWNLOAD)
		return;
	for (unsigned int lines = 1; lines <= line_count(t->config.message_max); lines++) {
		size_t message = (size_t)lines * LINE_BYTES - 4;
		message = message < t->config.message_max ? message : t->config.message_max;
		double yield = yield_of(t, lines, message, lost);
		if (yield > best) {
			best = yield;
			t->message_best = message;
		}
	}
}

size_t transfer_window_message(const struct transfer *t)
{
	return t->message_best > 0 && t->message_best < t->message ? t->message_best : t->message;
}

/* What became of a chunk. */
static void count(struct transfer *t, bool lost)
{
	t->failing = lost ? t->failing + (SHARE_ONE - t->failing) / SHARE_GAIN : t->failing - t->failing / SHARE_GAIN;
	if (t->failing < t->failing_usual)
		t->failing_usual -= (t->failing_usual - t->failing) / USUAL_GAIN;
	t->lines += line_count(transfer_window_message(t)) + 1;
	t->lines_lost += lost;
	if (t->lines > LINES_KEPT) {
		t->lines /= 2;
		t->lines_lost /= 2;
	}
	choose_message(t);
}

/* Was it the window? With a smaller one chunks would be lost much more rarely. */
static void judge_window(struct transfer *t)
{
	unsigned int failed = t->test_lost * SHARE_ONE / TEST;
	bool guilty = 2 * failed < t->test_failing;

	t->test_left = 0;
	t->credit = 0;
	t->window_before = 0;
	t->failing_usual = guilty ? failed : t->test_failing;
	t->failing = failed;
	if (!guilty) {
		t->window = t->test_window;
		return;
	}
	t->lines_lost = 0; /* not by the cable */
	double_patience(&t->patience_window);
}

static void begin_test(struct transfer *t)
{
	t->test_left = TEST;
	t->test_lost = 0;
	t->test_failing = t->failing;
	t->test_window = t->window;
	t->window = (t->window + 1) / 2;
	t->window_before = 0;
	if (t->patience_window < TRIAL)
		t->patience_window = TRIAL;
}

static void count_test(struct transfer *t, bool lost)
{
	if (t->test_left == 0)
		return;
	t->test_lost += lost;
	if (--t->test_left == 0)
		judge_window(t);
}

void transfer_window_grow(struct transfer *t)
{
	count(t, false);
	count_test(t, false);
	t->credit++;
	t->since_raise++;
	if (t->test_left > 0)
		return;
	if (t->credit == TRIAL && t->message_before > 0)
		halve_patience(&t->patience_message);
	if (t->credit == TRIAL && t->window_before > 0)
		halve_patience(&t->patience_window);
	if (t->credit >= TRIAL)
		t->message_before = t->window_before = 0;
	if (t->credit >= (is_short(t) ? t->patience_message : t->patience_window) && !is_suspect(t))
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

/* With nothing more to send, only a deadline or a question tells of a loss, whatever caused it. */
static bool is_at_end(const struct transfer *t)
{
	bool sent = t->config.kind == TRANSFER_FILE_DOWNLOAD ? transfer_download_is_asked(t) : t->sent >= t->config.size;
	return sent && t->unanswered < BURST;
}

/* Losses that began when the window grew, or that nothing but a full board explains. */
static bool is_overflow(const struct transfer *t, bool told)
{
	if (is_at_end(t))
		return false;
	return !told || t->unanswered >= BURST || (t->since_raise < TRIAL && t->failing < SHARE_SOME);
}

static void window_loss(struct transfer *t, bool overflow)
{
	if (t->test_left > 0)
		return;
	if (overflow)
		shrink_window(t);
	else if (is_suspect(t))
		begin_test(t);
}

void transfer_window_loss(struct transfer *t, bool told)
{
	bool overflow = is_overflow(t, told);

	t->losses++;
	t->loss_streak++;
	count(t, true);
	count_test(t, true);
	if (t->window > 1 && t->phase == PHASE_MOVE) /* else it was alone in flight */
		window_loss(t, overflow);
	else if (t->loss_streak > 1)
		shrink_message(t);
}

void transfer_window_busy(struct transfer *t)
{
	shrink_window(t);
}

void transfer_window_limit(struct transfer *t)
{
	if (t->message > t->config.message_max)
		t->message = t->config.message_max;
	if (t->message_before > t->config.message_max)
		t->message_before = 0;
	choose_message(t);
}

unsigned int transfer_window_learnt(const struct transfer *t)
{
	unsigned int window = t->test_left > 0 ? t->test_window : t->window_before > 0 ? t->window_before : t->window;

	/* while it grew with each reply, the end of the data may have stopped it */
	return window == t->config.window_max || t->patience_window > 1 ? window : 0;
}
