/* SPDX-License-Identifier: MIT */

/* What a reply means for the request that it answers, and what it means when none comes. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/session-private.h"

void session_unlink(struct session *s, struct session_request *e)
{
	for (size_t i = 0; i < e->sequence_count; i++)
		if (s->sequences[e->sequences[i]].owner == e)
			session_give_up_sequence(s, e->sequences[i]);
	if (e->flying) {
		TAILQ_REMOVE(&s->flying, e, link);
		s->flying_count--;
	} else {
		TAILQ_REMOVE(&s->waiting, e, link);
		s->waiting_count--;
	}
}

void session_finish(struct session *s, struct session_request *e, const struct answer *answer)
{
	struct request *request = e->request;
	session_unlink(s, e);
	free(e);
	request->pending = NULL;
	request->done(request, answer);
}

void session_fail(struct session *s, struct session_request *e, int error, const char *format, ...)
{
	char text[320];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	const struct answer answer = { .error = error, .text = text, .attempts = e->attempts };
	session_finish(s, e, &answer);
}

/* Sends again, or, when nothing may be sent now, waits for that. */
void session_repeat(struct session *s, struct session_request *e)
{
	s->counters.retries++;
	if (session_may_send(s, e) && session_now() >= s->silent_until)
		session_transmit(s, e);
	else
		session_move_to_waiting(s, e);
}

/* A plain "too new" to v2, or "too old" to v1, was said before the command was looked at: repeating harms nothing. */
static bool switch_version(struct session *s, struct session_request *e, const struct smp_status *status)
{
	enum smp_version other = s->version == SMP_V2 ? SMP_V1 : SMP_V2;
	uint64_t complaint = s->version == SMP_V2 ? SMP_TOO_NEW : SMP_TOO_OLD;
	if (status->group >= 0 || status->rc != complaint || e->switched)
		return false;
	e->switched = true;
	s->version = other;
	s->learnt = true;
	return true;
}

/* A vetoed reset is an answer, not a delay. */
static bool back_off(struct session *s, struct session_request *e, const struct smp_status *status)
{
	const struct request *request = e->request;
	uint64_t now = session_now();
	if (status->group >= 0 || status->rc != SMP_EBUSY || session_is_question(s, e) || (request->group == SMP_OS && request->id == 5))
		return false;
	if (!e->busy_until) {
		unsigned int patience = session_board_ms(s, request);
		e->busy_until = now + (patience > SESSION_BUSY_TOTAL_MS ? patience : SESSION_BUSY_TOTAL_MS);
		e->back_off_ms = SESSION_BUSY_FIRST_MS;
	} else if (e->back_off_ms < SESSION_BUSY_MOST_MS) {
		e->back_off_ms = e->back_off_ms * 2 < SESSION_BUSY_MOST_MS ? e->back_off_ms * 2 : SESSION_BUSY_MOST_MS;
	}
	if (now + e->back_off_ms > e->busy_until)
		return false;
	e->backing_off = true;
	e->deadline = now + e->back_off_ms;
	return true;
}

static void finish_with_status(struct session *s, struct session_request *e, struct answer *answer)
{
	char text[256];
	const struct smp_status *status = &answer->status;
	if (status->failed) {
		const char *said = smp_rc_text(status->group, status->rc);
		answer->error = -EREMOTEIO;
		snprintf(text, sizeof(text), "the board answered: %s%s%s", said ? said : "unknown error",
				status->reason ? ": " : "", status->reason ? status->reason : "");
		answer->text = text;
	}
	session_finish(s, e, answer);
}

/* Before anybody is told: the session may be gone afterwards. */
static void trace_answer(struct session *s, const struct session_request *e, uint8_t sequence, size_t size,
		const struct answer *answer, bool understood)
{
	const struct smp_status *status = &answer->status;
	const struct trace_entry entry = {
		.kind = TRACE_RECEIVED,
		.op = e->request->op + 1,
		.sequence = sequence,
		.id = e->request->id,
		.group = e->request->group,
		.size = (uint32_t)(SMP_HEADER_SIZE + size),
		.round_trip_us = answer->round_trip_us < UINT32_MAX ? (uint32_t)answer->round_trip_us : UINT32_MAX,
		.rc_group = (int16_t)status->group,
		.rc = !understood ? -1 : !status->failed ? 0 : status->rc < INT64_MAX ? (int64_t)status->rc : INT64_MAX,
	};

	if (s->callbacks.trace)
		s->callbacks.trace(s->user, &entry);
}

static void take_payload(struct session *s, struct session_request *e, const struct value *reply, struct answer *answer)
{
	answer->payload = reply;
	if (answer->status.failed && switch_version(s, e, &answer->status))
		session_repeat(s, e);
	else if (!answer->status.failed || !back_off(s, e, &answer->status))
		finish_with_status(s, e, answer);
	smp_status_release(&answer->status);
}

static void take_answer(struct session *s, struct session_request *e, uint8_t sequence, const uint8_t *payload, size_t size)
{
	struct session_sequence *q = &s->sequences[sequence];
	struct answer answer = { .attempts = e->attempts, .round_trip_us = uv_hrtime() / 1000 - q->sent_us };
	_cleanup_(value_doc_freep) struct value_doc *doc = NULL;
	size_t at = 0;

	s->counters.answers++;
	s->answered = true;
	if ((uint8_t)(sequence + 1) == s->next_sequence)
		s->line_open = false; /* the newest message came through whole */
	s->last_answer = uv_now(s->loop);
	session_pacing_answered(s, q);
	session_type_answered(s, q);
	session_give_up_sequence(s, sequence); /* a duplicate of this reply is stale */
	int r = value_decode(payload, size, &doc, &at);
	int status = r < 0 ? r : smp_status_decode(value_root(doc), e->request->group, &answer.status);
	trace_answer(s, e, sequence, size, &answer, status == 0);
	if (r < 0)
		session_fail(s, e, -EBADMSG, "the board's reply is broken: no CBOR at byte %zu of %zu", at, size);
	else if (status < 0)
		session_fail(s, e, -EBADMSG, "the board's reply cannot be understood: %s", strerror(-status));
	else
		take_payload(s, e, value_root(doc), &answer);
}

static struct session_request *find_request(const struct session *s, const struct smp_header *reply)
{
	struct session_request *e = s->sequences[reply->sequence].owner;
	if (!e)
		return NULL;
	const struct smp_header sent = {
		.op = e->request->op,
		.group = e->request->group,
		.sequence = reply->sequence,
		.id = e->request->id,
	};
	return smp_header_answers(reply, &sent) ? e : NULL;
}

/* A board works in order: who answers this has done with what came before. */
static void forget_stuck(struct session *s, uint8_t sequence)
{
	if (s->sequences[sequence].number < s->stuck_number || !s->stuck_number)
		return;
	s->stuck_number = 0;
	session_wake(s);
}

void session_take_message(struct session *s, const uint8_t *data, size_t size)
{
	struct smp_header header;
	if (s->closed || !s->port) /* since the frame before it */
		return;
	if (smp_header_decode(data, size, &header) < 0) {
		s->counters.damaged++;
		return;
	}
	struct session_request *e = find_request(s, &header);
	forget_stuck(s, header.sequence);
	session_watch_heard(s, header.sequence, size);
	if (e)
		take_answer(s, e, header.sequence, data + SMP_HEADER_SIZE, size - SMP_HEADER_SIZE);
	else {
		s->counters.stale++;
		session_trace(s, TRACE_STALE, &header, size, 0);
	}
}

/* When the only request in flight is harmless and a frame came in damaged, that frame was its answer, most likely. The
 * remaining lines of a frame that was given up come as orphans and say nothing new. */
void session_take_damage(struct session *s, enum serial_damage why)
{
	struct session_request *e = TAILQ_FIRST(&s->flying);
	s->counters.damaged++;
	if (s->callbacks.trace && !s->closed) {
		struct trace_entry entry = { .kind = TRACE_DAMAGED, .rc = -1 };
		snprintf(entry.text, sizeof(entry.text), "%s", serial_damage_name(why));
		s->callbacks.trace(s->user, &entry);
	}
	if (s->closed || s->flying_count != 1 || e->backing_off || e->request->repeat != REPEAT_HARMLESS ||
			why == SERIAL_INTERRUPTED || (why == SERIAL_ORPHAN_LINE && e->hurried) ||
			s->settings.framing != SERIAL_CONSOLE || e->repeats >= s->settings.retries)
		return;
	e->repeats++;
	session_repeat(s, e);
	e->hurried = true;
}

static bool may_repeat(const struct session *s, struct session_request *e)
{
	const struct session_sequence *q = &s->sequences[e->sequences[e->sequence_count - 1]];
	if (e->request->repeat != REPEAT_HARMLESS || !s->answered || session_is_crowded(s))
		return false;
	/* The attempt that finds out about pauses comes on top: it must not cost the request. */
	if (s->pacing == PACING_TRIED && !q->paced && q->burst >= SESSION_BURST_LINES)
		return true;
	if (e->repeats >= s->settings.retries)
		return false;
	e->repeats++;
	return true;
}

/* A command that is never repeated and was not answered: lost, or the board is still at it. Chunks of jobs are short, and after
 * a reset nothing of before counts. */
static void remember_stuck(struct session *s, const struct session_request *e)
{
	const struct request *request = e->request;
	if (request->repeat != REPEAT_NEVER || request->class == REQUEST_JOB || (request->group == SMP_OS && request->id == 5))
		return;
	uint64_t now = session_now();
	if (!s->stuck_number || now >= s->stuck_until)
		s->stuck_number = s->sequences[e->sequences[e->sequence_count - 1]].number;
	s->stuck_until = now + SESSION_STUCK_MS;
}

void session_trace_lost(struct session *s, const struct session_request *e)
{
	const struct request *request = e->request;
	const struct smp_header sent = { .op = request->op, .group = request->group, .id = request->id,
		.sequence = e->sequences[e->sequence_count - 1] };
	session_trace(s, TRACE_TIMEOUT, &sent, SMP_HEADER_SIZE + request->payload_size, e->attempts);
}

static void lose(struct session *s, struct session_request *e, uint64_t now)
{
	/* The end of the last line may be what was lost; once for all that was sent before. */
	if (s->sequences[e->sequences[e->sequence_count - 1]].number >= s->ended_number)
		s->line_open = true;
	if (session_is_question(s, e)) {
		session_fail(s, e, -ETIMEDOUT, "no answer");
		return;
	}
	session_trace_lost(s, e);
	s->counters.timeouts++;
	session_pacing_lost(s, &s->sequences[e->sequences[e->sequence_count - 1]]);
	session_type_lost(s, &s->sequences[e->sequences[e->sequence_count - 1]]);
	if (s->flying_count == 1 && s->port) {
		port_discard_unsent(s->port);
		s->wire_free_us = 1000 * now;
	}
	if (s->settings.framing == SERIAL_RAW) {
		serial_reader_reset(s->reader);
		s->silent_until = now + SESSION_RAW_SILENCE_MS;
	}
	if (may_repeat(s, e)) {
		session_repeat(s, e);
		return;
	}
	remember_stuck(s, e);
	session_fail(s, e, -ETIMEDOUT, "no answer within %u ms (%u attempt%s)", session_board_ms(s, e->request), e->attempts,
			e->attempts == 1 ? "" : "s");
}

void session_expire_flying(struct session *s, uint64_t now)
{
	struct session_request *e = TAILQ_FIRST(&s->flying);
	while (e) {
		if (e->deadline > now) {
			e = TAILQ_NEXT(e, link);
			continue;
		}
		if (e->backing_off) {
			e->backing_off = false;
			session_repeat(s, e);
		} else {
			lose(s, e, now);
		}
		e = TAILQ_FIRST(&s->flying); /* done() may have changed the list: from the start */
	}
}
