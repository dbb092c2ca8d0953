/* SPDX-License-Identifier: MIT */

/* Keystrokes between messages. Zephyr looks for a frame in two ways: its UART transport at the beginning of a line, its shell
 * at the beginning of what arrives at once, wherever in a line that is (SMP §2.1). */

#include <errno.h>

#include "daemon/session-private.h"

int session_type(struct session *s, const uint8_t *data, size_t size)
{
	uint64_t now = session_now();

	if (s->closed || !s->port)
		return -ENOTCONN;
	if (s->settings.framing != SERIAL_CONSOLE)
		return -EOPNOTSUPP;
	if (size == 0)
		return 0;
	int r = port_type(s->port, data, size);
	if (r < 0)
		return r;
	s->counters.bytes_sent += size;
	s->wire_free_at = (s->wire_free_at > now ? s->wire_free_at : now) + session_wire_ms(s, size);
	s->typed_until = s->wire_free_at;
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
