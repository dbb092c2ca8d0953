/* SPDX-License-Identifier: MIT */

/* Keystrokes between messages. Zephyr looks for a frame in two ways: its UART transport at the beginning of a line, its shell
 * at the beginning of what arrives at once, wherever in a line that is (SMP §2.1). */

#include <errno.h>

#include "daemon/session-private.h"

/* Zephyr's shell takes CR, LF and both for the end of a line: behind the one that it took, it ignores the other (shell.c,
 * process_nl). What it took last, as far as it came from here. */
void session_shell_hears(struct session *s, uint8_t byte)
{
	if (byte != '\r' && byte != '\n')
		s->shell_end = 0;
	else if (!s->shell_end)
		s->shell_end = byte;
}

/* An Enter behind a newline of the session's own is no second half of it. */
static int type_enter(struct session *s, const uint8_t **data, size_t *size)
{
	if (**data != '\r' || s->shell_end != '\n' || !s->own_newline || (*size > 1 && (*data)[1] == '\n'))
		return 0;
	int r = port_type(s->port, (const uint8_t *)"\n", 1);
	if (r < 0)
		return r;
	++*data;
	--*size;
	return 0;
}

int session_type(struct session *s, const uint8_t *data, size_t size)
{
	const uint8_t *rest = data;
	size_t left = size;

	uint64_t now = session_now_us();

	if (s->closed || !s->port)
		return -ENOTCONN;
	if (s->settings.framing != SERIAL_CONSOLE)
		return -EOPNOTSUPP;
	if (size == 0)
		return 0;
	int r = type_enter(s, &rest, &left);
	if (r == 0 && left > 0)
		r = port_type(s->port, rest, left);
	if (r < 0)
		return r;
	for (size_t i = 0; i < left; i++)
		session_shell_hears(s, rest[i]);
	s->own_newline &= left == 0;
	s->counters.bytes_sent += size;
	s->wire_free_us = (s->wire_free_us > now ? s->wire_free_us : now) + session_wire_us(s, size);
	s->typed_until = s->wire_free_us / 1000;
	s->typed_open = data[size - 1] != '\n';
	return 0;
}

/* A request that is not repeated takes no chances. */
static bool may_try(const struct session *s, const struct request *request)
{
	return s->hears_typed == HEARS_FRAME || (s->hears_typed == HEARS_UNKNOWN && request->repeat == REPEAT_HARMLESS);
}

uint64_t session_type_before(struct session *s, const struct request *request, struct session_sequence *q)
{
	uint64_t until = s->typed_until, now = session_now();

	if (s->typed_open && !may_try(s, request))
		s->line_open = true;
	q->behind_typed = s->typed_open && !s->line_open;
	if (s->line_open)
		s->typed_open = false;
	s->typed_until = 0;
	/* The newline that ends a line is followed by a pause of its own. */
	if (s->line_open || !until || now >= until + SESSION_FLUSH_MS)
		return 0;
	port_pause(s->port, SESSION_FLUSH_MS);
	return SESSION_FLUSH_MS;
}

void session_type_answered(struct session *s, const struct session_sequence *q)
{
	if (q->behind_typed)
		s->hears_typed = HEARS_FRAME;
}

/* One that has heard such frames before lost this one by another accident. */
void session_type_lost(struct session *s, const struct session_sequence *q)
{
	if (q->behind_typed && s->hears_typed == HEARS_UNKNOWN)
		s->hears_typed = HEARS_NOTHING;
}
