/* SPDX-License-Identifier: MIT */

#include "daemon/session.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/session-private.h"

void request_release(struct request *request)
{
	free(TAKE_PTR(request->payload));
	request->payload_size = 0;
}

uint64_t session_now_us(void)
{
	return uv_hrtime() / 1000;
}

uint64_t session_now(void)
{
	return uv_hrtime() / 1000000;
}

void session_trace(struct session *s, enum trace_kind kind, const struct smp_header *header, size_t size, unsigned int attempt)
{
	const struct trace_entry e = {
		.kind = kind,
		.op = header->op,
		.sequence = header->sequence,
		.id = header->id,
		.group = header->group,
		.size = (uint32_t)size,
		.attempt = (uint16_t)attempt,
		.rc = -1,
	};

	if (s->callbacks.trace)
		s->callbacks.trace(s->user, &e);
}

static void on_message(void *user, const uint8_t *data, size_t size)
{
	session_take_message(user, data, size);
}

static void on_text(void *user, const uint8_t *data, size_t size)
{
	struct session *s = user;
	if (!s->closed && s->port && s->callbacks.text)
		s->callbacks.text(s->user, data, size);
}

static void on_damaged(void *user, enum serial_damage why)
{
	session_take_damage(user, why);
}

static const struct serial_sink sink = { .message = on_message, .text = on_text, .damaged = on_damaged };

static bool has_expired(const struct session *s, uint64_t now)
{
	const struct session_request *e;
	TAILQ_FOREACH(e, &s->flying, link)
		if (e->deadline <= now)
			return true;
	return false;
}

static void on_timer(uv_timer_t *timer)
{
	struct session *s = timer->data;
	uint64_t now = session_now();
	s->urgent = false;
	/* When the whole process has been held up, answers lie in the kernel while their deadlines have passed: the loop
	 * reads them first and then looks again. */
	if (has_expired(s, now) && !s->grace) {
		s->grace = true;
		uv_timer_start(&s->timer, on_timer, 1, 0);
		return;
	}
	s->grace = false;
	session_expire_flying(s, now);
	session_expire_waiting(s, now);
	session_pump(s);
	session_watch_ask(s, now);
	session_rearm(s);
}

void session_wake(struct session *s)
{
	s->urgent = true;
	session_rearm(s);
}

static void sooner(uint64_t *at, uint64_t other)
{
	if (other && other < *at)
		*at = other;
}

void session_rearm(struct session *s)
{
	uint64_t at = UINT64_MAX, now = session_now();
	const struct session_request *e;
	if (s->closed)
		return;
	TAILQ_FOREACH(e, &s->flying, link)
		sooner(&at, e->deadline);
	TAILQ_FOREACH(e, &s->waiting, link)
		sooner(&at, session_waits_until(s, e));
	sooner(&at, session_watch_until(s));
	if (s->silent_until > now && s->waiting_count)
		sooner(&at, s->silent_until);
	if (s->urgent)
		at = now;
	if (at == UINT64_MAX) {
		uv_timer_stop(&s->timer);
		return;
	}
	uv_update_time(s->loop);
	uv_timer_start(&s->timer, on_timer, at > now ? at - now : 0, 0);
}

int session_new(uv_loop_t *loop, const struct session_settings *settings, const struct session_callbacks *callbacks,
		void *user, struct session **ret)
{
	struct session *s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	int r = serial_reader_new(settings->framing, &sink, s, &s->reader);
	if (r < 0) {
		free(s);
		return r;
	}
	s->loop = loop;
	s->settings = *settings;
	if (callbacks)
		s->callbacks = *callbacks;
	s->user = user;
	s->window = 1;
	s->room = 2;
	s->version = SMP_V2;
	if (settings->line_delay_ms > 0)
		s->line_delay = (unsigned int)settings->line_delay_ms;
	TAILQ_INIT(&s->waiting);
	TAILQ_INIT(&s->flying);
	if (getrandom(&s->next_sequence, sizeof(s->next_sequence), GRND_NONBLOCK) < 0)
		s->next_sequence = (uint8_t)uv_hrtime();
	uv_timer_init(loop, &s->timer);
	s->timer.data = s;
	*ret = s;
	return 0;
}

/* A done() that detaches is called from inside the reader, which is no time to reset it. */
static void reset_reader(struct session *s)
{
	s->reset_wanted = s->feeding;
	if (!s->feeding)
		serial_reader_reset(s->reader);
}

/* Told when nothing is half done, because the callback may do anything. */
static void tell_learnt(struct session *s)
{
	bool learnt = s->learnt;
	s->learnt = false;
	if (learnt && !s->closed && s->callbacks.learnt)
		s->callbacks.learnt(s->user);
}

/* Ends what there is now; requests that a done() submits meanwhile stay. */
static void fail_all(struct session *s, const char *reason)
{
	struct session_request *e;
	while ((e = TAILQ_FIRST(&s->flying)))
		session_move_to_waiting(s, e);
	TAILQ_FOREACH(e, &s->waiting, link)
		e->ending = true;
	do {
		TAILQ_FOREACH(e, &s->waiting, link)
			if (e->ending)
				break;
		if (e)
			session_fail(s, e, -ENODEV, "%s", reason);
	} while (e);
}

static void on_closed(uv_handle_t *handle)
{
	struct session *s = handle->data;
	serial_reader_free(s->reader);
	free(s);
}

void session_close(struct session *s)
{
	if (!s || s->closed)
		return;
	s->closed = true;
	s->port = NULL;
	fail_all(s, "the daemon lets go of the board");
	uv_close((uv_handle_t *)&s->timer, on_closed);
}

void session_attach(struct session *s, struct port *port)
{
	s->port = port;
	s->answered = false;
	s->line_open = true;
	s->wire_free_us = s->silent_until = s->typed_until = 0;
	s->answered_number = s->ended_number = s->allocated;
	s->rhythm = (struct round_trip){0};
	s->passed_over = 0;
	s->typed_open = false;
	s->stuck_number = 0;
	s->short_answered = s->burst_answered = false;
	s->bursts_lost = s->bursts_answered = 0;
	reset_reader(s);
	session_wake(s);
}

void session_resume(struct session *s, uint8_t next_sequence, bool half_read)
{
	s->next_sequence = next_sequence;
	s->answered = true;
	if (half_read)
		serial_reader_skip(s->reader);
}

uint8_t session_next_sequence(const struct session *s)
{
	return s->next_sequence;
}

bool session_is_half_read(const struct session *s)
{
	return !serial_reader_idle(s->reader);
}

void session_detach(struct session *s, const char *reason)
{
	s->port = NULL;
	s->held_at = session_now();
	reset_reader(s);
	fail_all(s, reason ? reason : "the port has gone");
	session_rearm(s);
}

void session_received(struct session *s, const uint8_t *data, size_t size)
{
	if (s->closed || !s->port)
		return;
	s->counters.bytes_received += size;
	s->feeding = true;
	serial_reader_feed(s->reader, data, size);
	s->feeding = false;
	if (s->reset_wanted)
		reset_reader(s);
	session_watch_sweep(s);
	tell_learnt(s);
	session_pump(s);
	session_rearm(s);
}

void session_hold(struct session *s)
{
	if (!s->held)
		s->held_at = session_now();
	s->held = true;
	s->hears_typed = HEARS_UNKNOWN; /* the next to answer may be its bootloader */
	s->line_open = true; /* what the board has of a line by the time it is asked again may be anything */
	session_rearm(s);
}

void session_release(struct session *s)
{
	if (!s->held)
		return;
	s->held = false;
	session_wake(s);
}

bool session_is_held(const struct session *s)
{
	return s->held;
}

void session_set_message_max(struct session *s, size_t bytes)
{
	s->message_max = bytes;
}

size_t session_message_max(const struct session *s)
{
	return s->message_max;
}

void session_set_window(struct session *s, unsigned int window)
{
	s->window = window ? window : 1;
	session_wake(s);
}

void session_set_room(struct session *s, unsigned int messages)
{
	s->room = messages;
}

void session_set_job_active(struct session *s, bool active)
{
	s->job_active = active;
	s->cable_us = 0;
	session_wake(s);
}

void session_set_version(struct session *s, enum smp_version version)
{
	s->version = version;
}

enum smp_version session_version(const struct session *s)
{
	return s->version;
}

void session_set_line_delay(struct session *s, unsigned int ms)
{
	if (s->settings.line_delay_ms >= 0)
		return;
	s->line_delay = ms;
	s->pacing = ms ? PACING_KEPT : PACING_NONE;
}

unsigned int session_line_delay(const struct session *s)
{
	return s->line_delay;
}

void session_set_timeout(struct session *s, unsigned int timeout_ms)
{
	s->settings.timeout_ms = timeout_ms;
}

void session_set_retries(struct session *s, unsigned int retries)
{
	s->settings.retries = retries;
}

bool session_has_answered(const struct session *s)
{
	return s->answered;
}

uint64_t session_last_answer(const struct session *s)
{
	return s->last_answer;
}

void session_counters(const struct session *s, struct session_counters *ret)
{
	*ret = s->counters;
}
