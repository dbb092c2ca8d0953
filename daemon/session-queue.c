/* SPDX-License-Identifier: MIT */

/* Who may go next. First come, first served, except: nothing while the session is held, writes not while a job is active,
 * several in flight only for jobs (and one other beside them). */

#include <errno.h>

#include "daemon/limits.h"
#include "daemon/session-private.h"

int session_submit(struct session *s, struct request *request)
{
	size_t size = SMP_HEADER_SIZE + request->payload_size;
	if (s->closed)
		return -ENODEV;
	if (size > SMP_MESSAGE_MAX || (s->message_max && size > s->message_max))
		return -EMSGSIZE;
	/* A job's own requests are as many as its window: clients cannot fill the queue against it. */
	if (s->waiting_count >= LIMIT_QUEUE && request->class != REQUEST_JOB && !request->any_state)
		return -EBUSY;
	struct session_request *e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->request = request;
	e->queued_at = session_now();
	e->deadline = UINT64_MAX;
	request->pending = e;
	TAILQ_INSERT_TAIL(&s->waiting, e, link);
	s->waiting_count++;
	s->counters.requests++;
	session_wake(s);
	return 0;
}

void session_cancel(struct session *s, struct request *request)
{
	struct session_request *e = TAKE_PTR(request->pending);
	if (!e)
		return;
	/* What the board has answered later messages to has left, and its line is ended. */
	bool done_with = e->flying && s->sequences[e->sequences[e->sequence_count - 1]].number < s->answered_number;
	s->passed_over += done_with;
	session_unlink(s, e);
	free(e);
	if (!s->flying_count && s->port && !done_with) {
		port_discard_unsent(s->port);
		s->line_open = true; /* the newline that was to end it may be among what was discarded */
	}
	session_wake(s);
}

void session_move_to_flying(struct session *s, struct session_request *e)
{
	TAILQ_REMOVE(&s->waiting, e, link);
	s->waiting_count--;
	TAILQ_INSERT_TAIL(&s->flying, e, link);
	s->flying_count++;
	e->flying = true;
	e->blocked_at = 0;
}

void session_move_to_waiting(struct session *s, struct session_request *e)
{
	TAILQ_REMOVE(&s->flying, e, link);
	s->flying_count--;
	TAILQ_INSERT_HEAD(&s->waiting, e, link);
	s->waiting_count++;
	e->flying = e->backing_off = false;
	e->deadline = UINT64_MAX;
}

bool session_may_send(const struct session *s, const struct session_request *e)
{
	return s->port && (!s->held || e->request->any_state);
}

static bool is_blocked_by_job(const struct session *s, const struct session_request *e)
{
	return s->job_active && e->request->class == REQUEST_WRITE && !e->request->any_state;
}

bool session_is_crowded(const struct session *s)
{
	return s->stuck_number && s->allocated - s->stuck_number >= SESSION_BEHIND_STUCK && session_now() < s->stuck_until;
}

static bool has_room(const struct session *s, const struct session_request *e)
{
	const struct session_request *other;
	size_t flying = s->flying_count - session_questions(s);
	if (!flying)
		return true;
	if (flying >= s->window)
		return false;
	if (e->request->class == REQUEST_JOB)
		return true;
	TAILQ_FOREACH(other, &s->flying, link)
		if (other->request->class != REQUEST_JOB)
			return false;
	return true;
}

static struct session_request *find_next(struct session *s, uint64_t now)
{
	struct session_request *e;
	if (!s->port || now < s->silent_until)
		return NULL;
	TAILQ_FOREACH(e, &s->waiting, link) {
		if (!session_may_send(s, e)) {
			e->blocked_at = 0; /* its time stands still */
			continue;
		}
		if (is_blocked_by_job(s, e) || session_is_crowded(s)) {
			if (!e->blocked_at)
				e->blocked_at = now;
			continue;
		}
		e->blocked_at = 0;
		if (has_room(s, e))
			return e;
	}
	return NULL;
}

void session_pump(struct session *s)
{
	struct session_request *e;
	uint64_t now = session_now();
	while (!s->closed && (e = find_next(s, now))) {
		size_t size = SMP_HEADER_SIZE + e->request->payload_size;
		if (s->message_max && size > s->message_max) {
			session_fail(s, e, -EMSGSIZE, "the request has %zu bytes; the board's buffer takes %zu", size,
					s->message_max);
			continue;
		}
		session_move_to_flying(s, e);
		session_transmit(s, e);
	}
}

uint64_t session_waits_until(const struct session *s, const struct session_request *e)
{
	if (!session_may_send(s, e))
		return (s->held_at > e->queued_at ? s->held_at : e->queued_at) + SESSION_HOLD_MAX_MS;
	if (e->blocked_at)
		return e->blocked_at + session_board_ms(s, e->request);
	return 0;
}

void session_expire_waiting(struct session *s, uint64_t now)
{
	struct session_request *e = TAILQ_FIRST(&s->waiting);
	while (e) {
		uint64_t until = session_waits_until(s, e);
		if (!until || until > now) {
			e = TAILQ_NEXT(e, link);
			continue;
		}
		if (session_may_send(s, e) && session_is_crowded(s))
			session_fail(s, e, -ETIMEDOUT, "nothing is sent: the board seems to be at work on an earlier command that "
					"did not answer in time");
		else if (session_may_send(s, e))
			session_fail(s, e, -EAGAIN, "waited %u ms behind a job that runs on the board",
					session_board_ms(s, e->request));
		else
			session_fail(s, e, -ETIMEDOUT, "the board was not ready for requests within %u s",
					SESSION_HOLD_MAX_MS / 1000);
		e = TAILQ_FIRST(&s->waiting); /* done() may have changed the list: from the start */
	}
}
