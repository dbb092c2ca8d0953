/* SPDX-License-Identifier: MIT */

/* Losses that are noticed before a deadline. A board works in order, so an answer to a message tells that everything sent
 * before it was done with, or lost. When nothing was sent later, and answers are overdue, a question is: the board's
 * parameters, which any server answers somehow. A board that is busy answers it when it has answered the rest.
 *
 * Questions take room on the board until they are answered, and some boards fail for good when they run out of it
 * (SESSION_BEHIND_STUCK), so what was sent since the newest answer is counted. */

#include <errno.h>
#include <string.h>

#include "daemon/session-private.h"

#define SLACK_US 10000 /* above the usual time between answers at least: schedulers, USB, a page of flash */
#define QUESTIONS_USUAL 2 /* at once; more on a cable that is known to lose lines */
#define LOSSY 3		  /* requests passed over since the port was opened: it loses lines */
#define SHORT_MS 5000	  /* a board is not busy for as long as with an erase */
#define OVERDUE_MOST_US 1000000
#define MEASURED_MOST_MS 2500 /* what may take longer than this says nothing of the others */

bool session_is_question(const struct session *s, const struct session_request *e)
{
	return e->request >= s->questions && e->request < s->questions + SESSION_QUESTIONS;
}

size_t session_questions(const struct session *s)
{
	size_t n = 0;
	for (size_t i = 0; i < SESSION_QUESTIONS; i++)
		n += s->questions[i].pending != NULL;
	return n;
}

bool session_watches(const struct session *s)
{
	return s->settings.framing == SERIAL_CONSOLE && s->rhythm.smoothed_us && s->port &&
		s->allocated - s->answered_number + 2 <= s->room && !session_is_crowded(s);
}

static bool is_watched(const struct session *s, const struct session_request *e)
{
	return e->request->watched && !e->backing_off && session_may_send(s, e);
}

/* The cable loses lines, so that silence is more likely a loss of the question, too, than a busy board. */
static bool may_ask_again(const struct session *s, const struct session_request *e)
{
	return s->passed_over >= LOSSY && session_questions(s) > 0 && e->request->answer_ms <= SHORT_MS;
}

static const struct session_request *find_watched(const struct session *s)
{
	const struct session_request *e;
	TAILQ_FOREACH(e, &s->flying, link)
		if (is_watched(s, e))
			return e;
	return NULL;
}

uint64_t session_watch_until(const struct session *s)
{
	size_t out = session_questions(s);
	if (s->settings.framing != SERIAL_CONSOLE || !s->rhythm.smoothed_us || !s->port || session_is_crowded(s))
		return 0;
	const struct session_request *e = find_watched(s);
	bool has_room = out < QUESTIONS_USUAL && s->allocated - s->answered_number + 1 <= s->room;
	if (!e || out == SESSION_QUESTIONS || (!has_room && !may_ask_again(s, e)))
		return 0;
	uint64_t overdue = round_trip_us(&s->rhythm, SLACK_US);
	uint64_t from = s->wire_free_us > s->heard_us ? s->wire_free_us : s->heard_us;
	return (from + ((overdue < OVERDUE_MOST_US ? overdue : OVERDUE_MOST_US) << out)) / 1000 + 1;
}

static void question_done(struct request *request, const struct answer *answer)
{
	const struct session *s = request->user;

	/* Another board than was looked at may be the reason for the loss. */
	if (answer->error == 0 && s->callbacks.parameters)
		s->callbacks.parameters(s->user, answer->payload);
	request_release(request);
}

static void ask(struct session *s, struct request *question)
{
	static const uint8_t empty_map = 0xa0;
	struct session_request *e = calloc(1, sizeof(*e));

	*question = (struct request){.class = REQUEST_JOB, .op = SMP_READ, .group = SMP_OS, .id = 6, .repeat = REPEAT_NEVER,
		.any_state = true, .done = question_done, .user = s, .payload = malloc(1), .payload_size = 1};
	if (!e || !question->payload) {
		free(e);
		request_release(question);
		return;
	}
	question->payload[0] = empty_map;
	question->pending = e;
	e->request = question;
	e->flying = true;
	TAILQ_INSERT_TAIL(&s->flying, e, link);
	s->flying_count++;
	session_transmit(s, e);
}

void session_watch_ask(struct session *s, uint64_t now)
{
	uint64_t until = s->closed ? 0 : session_watch_until(s);

	for (size_t i = 0; until && until <= now && i < SESSION_QUESTIONS; i++)
		if (!s->questions[i].pending) {
			ask(s, &s->questions[i]);
			return;
		}
}

static void measure(struct session *s, const struct session_sequence *q, uint64_t now)
{
	uint64_t from = q->out_us > s->heard_us ? q->out_us : s->heard_us;
	const struct session_request *e = q->owner;

	if (e && now > from && (e->request->answer_ms <= MEASURED_MOST_MS || session_is_question(s, e)))
		round_trip_took(&s->rhythm, now - from);
}

/* USB and ptys are faster than a baud rate says: what was answered has been on the wire. */
static void correct_wire(struct session *s, const struct session_sequence *answered, uint64_t now)
{
	uint64_t early = answered->out_us > now ? answered->out_us - now : 0;
	struct session_request *e;

	if (!early)
		return;
	s->wire_free_us -= early;
	TAILQ_FOREACH(e, &s->flying, link) {
		struct session_sequence *q = &s->sequences[e->sequences[e->sequence_count - 1]];
		if (q != answered && q->out_us > now)
			q->out_us -= early;
	}
}

/* Where bytes travel faster than the baud rate says (USB, ptys) this comes to nothing, as it should: it is not known. */
static void measure_cable(struct session *s, const struct session_sequence *q, uint64_t now, size_t size)
{
	uint64_t began = now - session_wire_us(s, serial_wire_size(s->settings.framing, size));
	uint64_t took = began > q->out_us ? began - q->out_us : 1;

	if (!s->cable_us || took < s->cable_us)
		s->cable_us = took;
}

unsigned int session_on_cable(const struct session *s)
{
	uint64_t one = s->message_max ? session_wire_us(s, serial_wire_size(s->settings.framing, s->message_max)) : 0;

	return one ? (unsigned int)(s->cable_us / one) : 0;
}

/* size: of the answer's message */
void session_watch_heard(struct session *s, uint8_t sequence, size_t size)
{
	const struct session_sequence *q = &s->sequences[sequence];
	uint64_t now = session_now_us();

	if (q->number <= s->answered_number)
		return;
	measure(s, q, now);
	measure_cable(s, q, now, size);
	correct_wire(s, q, now);
	s->heard_us = now;
	s->answered_number = q->number;
	session_shorten_deadlines(s);
}

static bool is_passed_over(const struct session *s, const struct session_request *e)
{
	return !e->backing_off && (e->request->watched || session_is_question(s, e)) &&
		s->sequences[e->sequences[e->sequence_count - 1]].number < s->answered_number;
}

static void pass_over(struct session *s, struct session_request *e)
{
	struct answer answer = {.error = -ETIMEDOUT, .attempts = e->attempts, .passed_over = true,
		.text = "the board answered a later request, but not this one"};
	bool question = session_is_question(s, e);

	if (!question) {
		session_trace_lost(s, e);
		s->counters.timeouts++;
		s->passed_over++;
		session_pacing_lost(s, &s->sequences[e->sequences[e->sequence_count - 1]]);
	}
	if (!question && e->request->repeat == REPEAT_HARMLESS && ++e->passed_over < SESSION_PASSED_OVER_MAX)
		session_repeat(s, e);
	else
		session_finish(s, e, &answer);
}

void session_watch_sweep(struct session *s)
{
	struct session_request *e = TAILQ_FIRST(&s->flying);

	while (e && !s->closed && s->port) {
		if (!is_passed_over(s, e)) {
			e = TAILQ_NEXT(e, link);
			continue;
		}
		pass_over(s, e);
		e = TAILQ_FIRST(&s->flying); /* done() may have changed the list: from the start */
	}
}
