/* SPDX-License-Identifier: MIT */

/* One attempt: its sequence number, its lines and the pauses between them, the time that the answer may take. */

#include <errno.h>
#include <string.h>

#include "daemon/session-private.h"

#define REPLY_UNKNOWN_BYTES 512 /* a reply's size for its wire time, before the board's buffer is known */
#define REPLY_MOST_BYTES 16384

unsigned int session_board_ms(const struct session *s, const struct request *request)
{
	unsigned int timeout = request->timeout_ms ? request->timeout_ms : s->settings.timeout_ms;
	unsigned int ms = timeout > request->answer_ms ? timeout : request->answer_ms;
	return ms ? ms : 1;
}

void session_give_up_sequence(struct session *s, uint8_t sequence)
{
	s->sequences[sequence].owner = NULL;
	s->sequences[sequence].given_up = s->allocated;
}

static bool is_resting(const struct session *s, const struct session_sequence *q)
{
	return q->given_up && s->allocated - q->given_up < SESSION_SEQUENCE_REST;
}

/* There always is one: at most 16 requests fly, with 4 numbers each, and at most 128 rest. */
static uint8_t allocate_sequence(struct session *s, struct session_request *e)
{
	if (e->sequence_count == SESSION_REMEMBERED_ATTEMPTS) {
		/* After "busy" it was free, and may be another's now. */
		if (s->sequences[e->sequences[0]].owner == e)
			session_give_up_sequence(s, e->sequences[0]);
		memmove(e->sequences, e->sequences + 1, --e->sequence_count);
	}
	for (unsigned int i = 0; i < 256; i++) {
		const struct session_sequence *q = &s->sequences[s->next_sequence];
		if (!q->owner && !is_resting(s, q))
			break;
		s->next_sequence++;
	}
	uint8_t sequence = s->next_sequence++;
	s->allocated++;
	s->sequences[sequence] = (struct session_sequence){ .owner = e, .number = s->allocated, .sent_us = uv_hrtime() / 1000 };
	e->sequences[e->sequence_count++] = sequence;
	return sequence;
}

static unsigned int current_gap(const struct session *s)
{
	return s->pacing == PACING_TRIED ? SESSION_PAUSE_MS : s->line_delay;
}

uint64_t session_wire_us(const struct session *s, size_t bytes)
{
	return s->settings.baud ? (uint64_t)bytes * 10000000 / s->settings.baud : 0;
}

uint64_t session_wire_ms(const struct session *s, size_t bytes)
{
	return s->settings.baud ? ((uint64_t)bytes * 10000 + s->settings.baud - 1) / s->settings.baud : 0;
}

/* A board works in order, so nobody is answered before those that were sent earlier. */
static uint64_t deadline_of(const struct session *s, const struct session_request *e, uint64_t sent_at)
{
	size_t reply = s->message_max ? s->message_max : REPLY_UNKNOWN_BYTES;
	if (reply > REPLY_MOST_BYTES)
		reply = REPLY_MOST_BYTES;
	uint64_t reply_ms = session_wire_ms(s, serial_wire_size(s->settings.framing, reply));
	uint64_t deadline = sent_at + session_board_ms(s, e->request) + reply_ms * s->flying_count;
	const struct session_request *other;
	TAILQ_FOREACH(other, &s->flying, link)
		if (other != e && !other->backing_off && other->deadline > deadline)
			deadline = other->deadline;
	return deadline;
}

/* Deadlines taken over from an earlier request end with its answer. */
void session_shorten_deadlines(struct session *s)
{
	struct session_request *e;
	uint64_t from = (s->wire_free_us > s->heard_us ? s->wire_free_us : s->heard_us) / 1000 + 1;
	size_t reply = s->message_max && s->message_max < REPLY_MOST_BYTES ? s->message_max : REPLY_MOST_BYTES;
	uint64_t replies_ms = session_wire_ms(s, serial_wire_size(s->settings.framing, reply)) * s->flying_count;
	TAILQ_FOREACH(e, &s->flying, link) {
		uint64_t latest = from + session_board_ms(s, e->request) + replies_ms;
		if (!e->backing_off && e->deadline > latest)
			e->deadline = latest;
	}
}

static size_t lines_in_flight(const struct session *s, const struct session_request *e)
{
	size_t lines = 0;
	const struct session_request *other;
	TAILQ_FOREACH(other, &s->flying, link)
		if (other != e && !other->backing_off)
			lines += other->lines;
	return lines;
}

/* Ends a half line in the board's buffer: bytes before a marker on the same line cost the frame (SMP §2.1). */
static uint64_t end_open_line(struct session *s)
{
	static const size_t end = 1;
	if (!s->line_open || s->settings.framing != SERIAL_CONSOLE)
		return 0;
	s->line_open = false;
	s->own_newline = true;
	session_shell_hears(s, '\n');
	s->ended_number = s->allocated;
	port_send(s->port, (const uint8_t *)"\n", 1, &end, 1, SESSION_FLUSH_MS);
	s->counters.bytes_sent++;
	return SESSION_FLUSH_MS;
}

static void put_on_wire(struct session *s, struct session_request *e, const struct smp_header *header,
		const struct serial_frame *frame)
{
	struct session_sequence *q = &s->sequences[header->sequence];
	unsigned int gap = s->settings.framing == SERIAL_CONSOLE ? current_gap(s) : 0;
	uint64_t now = session_now_us(), pause_ms;

	e->lines = frame->line_count;
	q->paced = gap;
	q->burst = (unsigned int)(e->lines + lines_in_flight(s, e));
	pause_ms = session_type_before(s, e->request, q) + end_open_line(s) + (uint64_t)gap * frame->line_count;
	s->wire_free_us = (s->wire_free_us > now ? s->wire_free_us : now) + 1000 * pause_ms + session_wire_us(s, frame->size);
	q->out_us = s->wire_free_us;
	/* An error here is a stuck or vanishing tty: the deadline, or the port's own end, will tell. */
	port_send(s->port, frame->data, frame->size, frame->lines, frame->line_count, gap);
	s->counters.bytes_sent += frame->size;
	e->deadline = deadline_of(s, e, s->wire_free_us / 1000 + 1);
	session_trace(s, TRACE_SENT, header, SMP_HEADER_SIZE + header->length, e->attempts);
}

void session_transmit(struct session *s, struct session_request *e)
{
	const struct request *request = e->request;
	size_t size = SMP_HEADER_SIZE + request->payload_size;
	struct serial_frame frame = { 0 };
	_cleanup_free_ uint8_t *message = malloc(size);
	struct smp_header header = {
		.op = request->op,
		.version = s->version,
		.length = (uint16_t)request->payload_size,
		.group = request->group,
		.sequence = allocate_sequence(s, e),
		.id = request->id,
	};
	e->attempts++;
	e->backing_off = e->hurried = false;
	e->deadline = session_now() + session_board_ms(s, request); /* should memory run out below */
	if (!message)
		return;
	smp_header_encode(&header, message);
	if (request->payload_size)
		memcpy(message + SMP_HEADER_SIZE, request->payload, request->payload_size);
	if (serial_encode(s->settings.framing, message, size, &frame) < 0)
		return;
	put_on_wire(s, e, &header, &frame);
	serial_frame_release(&frame);
}

void session_pacing_answered(struct session *s, const struct session_sequence *q)
{
	if (q->burst < SESSION_BURST_LINES) {
		s->short_answered = true;
		return;
	}
	s->bursts_lost = 0;
	if (!q->paced) {
		s->burst_answered = true;
		s->bursts_answered += s->bursts_answered < SESSION_BURSTS_TRUSTED;
		return;
	}
	if (s->pacing != PACING_TRIED)
		return;
	s->pacing = PACING_KEPT;
	s->line_delay = SESSION_PAUSE_MS;
	s->learnt = true;
}

/* A board that has taken a burst before may have lost this one by accident: it takes some in a row to make it suspect, and
 * more when it has taken many. */
void session_pacing_lost(struct session *s, const struct session_sequence *q)
{
	if (s->settings.line_delay_ms >= 0 || s->settings.framing != SERIAL_CONSOLE || q->burst < SESSION_BURST_LINES ||
			!s->short_answered)
		return;
	if (s->pacing == PACING_TRIED && q->paced) {
		s->pacing = PACING_NONE;
		s->bursts_lost = 0;
		s->burst_answered = true; /* the pause was no cure either */
		return;
	}
	bool chunk = q->owner && q->owner->request->class == REQUEST_JOB;
	unsigned int suspect = !s->burst_answered ? 1 : chunk ? SESSION_BURSTS_LOST + s->bursts_answered / 4 : SESSION_BURSTS_REFUSED;
	if (s->pacing == PACING_NONE && !q->paced && ++s->bursts_lost >= suspect)
		s->pacing = PACING_TRIED;
}
