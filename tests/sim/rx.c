/* SPDX-License-Identifier: MIT */
#include "board.h"
#include "smp.h"

/*
 * From bytes to messages, with the buffers a board has: lines of at most
 * line_len bytes, of which so many may wait for the CPU; packets, of which so
 * many may wait for the SMP thread (SMP §2.1, §6.4). What finds no buffer is
 * lost without a word.
 */

#define RECOVERY_LINE_LEN 128
#define RECOVERY_LINE_BUFS 8
#define BURST_TICK_US 10000 /* of native_sim: it looks at its UART that often */

void message_push(struct message_queue *q, const uint8_t *data, size_t len,
		  const struct fault_context *where)
{
	struct message *m = malloc(sizeof(*m) + len);

	if (!m)
		abort();
	m->next = NULL;
	m->len = len;
	m->where = where ? *where : (struct fault_context){ -1, -1, -1, 0 };
	memcpy(m->data, data, len);
	if (q->first)
		*q->last = m;
	else
		q->first = m;
	q->last = &m->next;
	q->n++;
}

struct message *message_pop(struct message_queue *q)
{
	struct message *m = q->first;

	if (m) {
		q->first = m->next;
		q->n--;
	}
	return m;
}

void message_clear(struct message_queue *q)
{
	while (q->first)
		free(message_pop(q));
}

bool board_is_serial_bootloader(const struct board *b)
{
	return b->phase == PHASE_BOOTLOADER || b->phase == PHASE_WAIT_DFU ||
	       b->phase == PHASE_RECOVERY;
}

static bool listens(const struct board *b)
{
	if (b->set.dead)
		return false;
	if (b->phase == PHASE_BOOTLOADER)
		return b->set.wait_dfu_ms > 0;
	return b->phase == PHASE_WAIT_DFU || b->phase == PHASE_RECOVERY || b->phase == PHASE_APP;
}

/* A power cut or reset that a line caused ends the work on what came with it. */
static uint64_t life(const struct board *b)
{
	return b->stats.boots + b->stats.power_cuts;
}

static uint64_t bytes_said(const struct board *b)
{
	return b->link.tx_bytes + b->link.out.bytes + b->link.lost_bytes;
}

/*
 * The SMP thread puts a reply on the UART byte by byte, and holds the request
 * and the reply until the last one has left. The bytes are handed on at once,
 * the cable paces them; only the books are kept here.
 */
static void note_departure(struct board *b, uint64_t bytes)
{
	uint64_t rate = b->set.uart ? b->set.uart : b->set.baud, now = loop_now();
	struct departures *d = &b->ram.departures;

	if (!rate)
		return;
	d->free_us = (d->free_us > now ? d->free_us : now) + bytes * 10 * 1000000u / rate;
	d->at[d->next++ % ARRAY_SIZE(d->at)] = d->free_us;
}

static void send_replies(struct board *b)
{
	uint64_t born = life(b), said = bytes_said(b);

	while (born == life(b) && b->ram.replies.first) {
		_cleanup_(freep) struct message *m = message_pop(&b->ram.replies);

		reply_send(b, m->data, m->len, &m->where);
	}
	if (born == life(b))
		note_departure(b, bytes_said(b) - said);
}

void rx_answered(struct board *b, uint64_t cost_us)
{
	if (!cost_us) {
		send_replies(b);
		return;
	}
	b->ram.busy = true;
	loop_timer_in(b->loop, &b->busy_timer, cost_us);
}

static void busy_done(void *user)
{
	struct board *b = user;

	b->ram.busy = false;
	send_replies(b);
	rx_process(b);
}

static void requests_process(struct board *b)
{
	while (!b->ram.busy && b->ram.requests.first) {
		_cleanup_(freep) struct message *m = message_pop(&b->ram.requests);

		smp_message(b, m->data, m->len);
	}
}

/* A request that is worked on holds two buffers: its own and the reply's, until that has left. */
static size_t buffers_held(const struct board *b)
{
	const struct departures *d = &b->ram.departures;
	uint64_t now = loop_now();
	size_t leaving = 0;

	for (size_t i = 0; i < ARRAY_SIZE(d->at); i++)
		leaving += d->at[i] > now;
	return b->ram.requests.n + leaving + (b->ram.busy ? 2 : leaving ? 1 : 0);
}

/* A packet gets its buffer with its first line; without one all its lines are lost. */
static bool has_buffer(struct board *b, const uint8_t *line, size_t len)
{
	if (!frame_line_begins(line, len) || b->frame.started || buffers_held(b) + 1 <= b->set.buf_count)
		return true;
	b->stats.dropped_packets++;
	return false;
}

static void line_process(struct board *b, const uint8_t *line, size_t len)
{
	bool app = b->phase == PHASE_APP;
	size_t cap = app ? b->set.buf_size : b->set.rec_buf + 1;
	const uint8_t *msg;
	size_t msg_len;

	if (b->frame.cap != cap)
		frame_rx_reset(&b->frame, cap);
	if (app && !has_buffer(b, line, len))
		return;
	if (!frame_rx_line(&b->frame, app ? FRAME_ZEPHYR : FRAME_MCUBOOT, line, len, &msg, &msg_len))
		return;
	if (!app) {
		recovery_message(b, msg, msg_len);
		return;
	}
	message_push(&b->ram.requests, msg, msg_len, NULL);
	requests_process(b);
}

/* Whether a line has to wait, and how many may. */
static bool line_waits(const struct board *b, size_t *ret_max)
{
	if (b->phase != PHASE_APP) {
		*ret_max = RECOVERY_LINE_BUFS;
		return b->phase == PHASE_BOOTLOADER || b->ram.busy;
	}
	*ret_max = b->set.line_bufs;
	return b->set.line_us || b->set.burst_lost;
}

static void lines_rearm(struct board *b)
{
	uint64_t now = loop_now();

	if (b->line_timer.slot || !b->ram.lines.first || b->phase != PHASE_APP)
		return;
	if (b->set.burst_lost)
		loop_timer_at(b->loop, &b->line_timer, (now / BURST_TICK_US + 1) * BURST_TICK_US);
	else
		loop_timer_at(b->loop, &b->line_timer, now + b->set.line_us);
}

static void line_arrived(struct board *b, const uint8_t *line, size_t len)
{
	size_t max;

	if (!line_waits(b, &max) && !b->ram.lines.first) {
		line_process(b, line, len);
		return;
	}
	if (b->ram.lines.n >= max) {
		b->stats.dropped_lines++;
		return;
	}
	message_push(&b->ram.lines, line, len, NULL);
	lines_rearm(b);
}

static void line_due(void *user)
{
	struct board *b = user;
	uint64_t born = life(b);

	do {
		_cleanup_(freep) struct message *m = message_pop(&b->ram.lines);

		if (m)
			line_process(b, m->data, m->len);
	} while (b->set.burst_lost && life(b) == born && b->ram.lines.first);
	lines_rearm(b);
}

void rx_process(struct board *b)
{
	requests_process(b);
	while (board_is_serial_bootloader(b) && b->phase != PHASE_BOOTLOADER && !b->ram.busy &&
	       b->ram.lines.first) {
		_cleanup_(freep) struct message *m = message_pop(&b->ram.lines);

		line_process(b, m->data, m->len);
	}
}

static void line_byte(struct board *b, uint8_t c)
{
	size_t max = b->phase == PHASE_APP ? b->set.line_len : RECOVERY_LINE_LEN;
	struct board_ram *ram = &b->ram;

	if (ram->line_len >= max)
		ram->line_ignored = true;
	else if (!ram->line_ignored)
		ram->line[ram->line_len++] = c;
	if (c != '\n')
		return;
	if (ram->line_ignored) {
		b->stats.dropped_lines++;
	} else {
		uint8_t line[LINE_BUF_MAX];
		size_t len = ram->line_len;

		memcpy(line, ram->line, len);
		ram->line_len = 0;
		line_arrived(b, line, len);
		return;
	}
	ram->line_len = 0;
	ram->line_ignored = false;
}

/*
 * With a shell on the port, a frame is recognised at the start of what arrives
 * at once, or right behind another frame; after any other byte the rest of it
 * is typed text. Returns whether the byte belongs to a frame.
 */
static bool shell_frame_byte(struct board *b, uint8_t c)
{
	const struct board_ram *ram = &b->ram;

	if (ram->line_len == 0)
		return ram->line_ignored || c == 0x06 || c == 0x04;
	if (ram->line_len == 1)
		return c == (ram->line[0] == 0x06 ? 0x09 : 0x14);
	return true;
}

void rx_received(void *user, const uint8_t *data, size_t len)
{
	struct board *b = user;
	uint64_t born = life(b);

	for (size_t i = 0; i < len && life(b) == born && listens(b); i++) {
		if (b->phase == PHASE_APP && b->set.shell && !shell_frame_byte(b, data[i])) {
			b->ram.line_len = 0;
			shell_input(b, data + i, len - i);
			return;
		}
		line_byte(b, data[i]);
	}
}

void rx_init(struct board *b)
{
	b->busy_timer.fired = busy_done;
	b->busy_timer.user = b;
	b->line_timer.fired = line_due;
	b->line_timer.user = b;
}

void rx_reset(struct board *b)
{
	loop_timer_stop(b->loop, &b->busy_timer);
	loop_timer_stop(b->loop, &b->line_timer);
	reply_drop_late(b);
	message_clear(&b->ram.lines);
	message_clear(&b->ram.requests);
	message_clear(&b->ram.replies);
	frame_rx_reset(&b->frame, 0);
}
