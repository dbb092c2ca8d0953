/* SPDX-License-Identifier: MIT */
#include "smp.h"

/* Replies on their way out, and all that can go wrong with them there. */

struct late_reply {
	struct late_reply *next;
	struct board *board;
	struct loop_timer timer;
	size_t len;
	uint8_t msg[];
};

static const char log_line[] = "[00:00:01.234,000] <inf> app: sensor reading 42\r\n";
static const char prompt[] = "\x1b[1;32muart:~$ \x1b[m";

/* The lines of one frame, with what is put between them. */
struct output {
	struct board *board;
	bool log_inside;
	size_t lines;
};

static void send_line(void *user, const uint8_t *data, size_t len)
{
	struct output *o = user;

	if (o->lines++ && o->log_inside)
		board_print(o->board, log_line);
	link_write(&o->board->link, data, len);
}

static bool strikes(struct board *b, enum fault_kind kind, const struct fault_context *where)
{
	struct fault f;

	return faults_strike(&b->faults, &b->rng, kind, where, &f);
}

static void send_frame(struct board *b, const uint8_t *msg, size_t len,
		       const struct fault_context *where)
{
	struct frame_damage damage = { .bad_crc = strikes(b, FAULT_CORRUPT_CRC, where),
				       .bad_base64 = strikes(b, FAULT_CORRUPT_BASE64, where),
				       .one_line = strikes(b, FAULT_LONG_LINE, where),
				       .crlf = strikes(b, FAULT_CRLF, where),
				       .half = strikes(b, FAULT_TRUNCATED_REPLY, where) };
	struct output o = { .board = b, .log_inside = strikes(b, FAULT_LOG_IN_PACKET, where) };
	bool between = strikes(b, FAULT_LOG_BETWEEN, where);

	if (strikes(b, FAULT_OVERSIZE_LENGTH, where))
		damage.plen = 0xffff;
	if (strikes(b, FAULT_GARBAGE_LINE, where))
		board_print(b, "\x06\x09not base64 at all!\xff\xfe\n\x04\x14stray\n");
	if (between)
		board_print(b, log_line);
	if (strikes(b, FAULT_LOG_BEFORE_FRAME, where))
		board_print(b, prompt);
	frame_lines(msg, len, board_is_serial_bootloader(b) ? FRAME_MCUBOOT : FRAME_ZEPHYR, &damage,
		    send_line, &o);
	if (between)
		board_print(b, log_line);
	b->stats.replies++;
}

static void late_free(struct late_reply *l)
{
	loop_timer_stop(l->board->loop, &l->timer);
	free(l);
}

static void late_due(void *user)
{
	struct late_reply *l = user;
	struct late_reply **at = &l->board->late;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	/* It was spoilt enough by being late. */
	send_frame(l->board, l->msg, l->len, &(struct fault_context){ -1, -1, -1, 0 });
	late_free(l);
}

static void send_late(struct board *b, const uint8_t *msg, size_t len, uint64_t ms)
{
	struct late_reply *l = calloc(1, sizeof(*l) + len);

	if (!l)
		abort();
	l->next = b->late;
	l->board = b;
	l->timer.fired = late_due;
	l->timer.user = l;
	l->len = len;
	memcpy(l->msg, msg, len);
	b->late = l;
	loop_timer_in(b->loop, &l->timer, ms * 1000);
}

void reply_drop_late(struct board *b)
{
	while (b->late) {
		struct late_reply *l = b->late;

		b->late = l->next;
		late_free(l);
	}
}

/* A small payload that claims to be enormous, nested without end, or both in turn. */
static size_t hostile_payload(struct board *b, uint8_t *out, size_t cap)
{
	static const uint8_t huge[] = { 0xa1, 0x62, 'r',  'c',  0x5b, 0x7f,
					0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	static const uint8_t many[] = { 0xbb, 0xff, 0xff, 0xff, 0xff, 0xff,
					0xff, 0xff, 0xff, 0x61, 'r',  0x9b,
					0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	size_t n = MIN(cap, (size_t)200);

	switch (rng_next(&b->rng) % 3) {
	case 0:
		memcpy(out, huge, sizeof(huge));
		return sizeof(huge);
	case 1:
		memcpy(out, many, sizeof(many));
		return sizeof(many);
	default:
		memset(out, 0x9f, n);
		memcpy(out, "\xbf\x61r", 3);
		return n;
	}
}

static void send_bomb(struct board *b, const uint8_t *msg, const struct fault_context *where)
{
	uint8_t bomb[SMP_HEADER_LEN + 200];
	size_t n = hostile_payload(b, bomb + SMP_HEADER_LEN, sizeof(bomb) - SMP_HEADER_LEN);

	memcpy(bomb, msg, SMP_HEADER_LEN);
	put_be16(bomb + 2, (uint16_t)n);
	send_frame(b, bomb, SMP_HEADER_LEN + n, where);
}

static void die_after(struct board *b, const struct fault_context *where)
{
	uint64_t now = loop_now(), sent = b->link.out.line_free;

	if (!strikes(b, FAULT_DIE_AFTER, where))
		return;
	/* The reply is to arrive: wait until it is off the wire, and 20 ms for the host. */
	loop_timer_at(b->loop, &b->die_timer,
		      (sent > now ? sent : now) + b->set.latency_ms * 1000 + 20000);
}

void reply_send(struct board *b, const uint8_t *msg, size_t len, const struct fault_context *where)
{
	struct fault f;

	if (where->group == GROUP_OS && where->id == 5 && strikes(b, FAULT_NO_RESET_REPLY, where))
		return;
	if (strikes(b, FAULT_LOSE_REPLY, where)) {
		die_after(b, where);
		return;
	}
	if (faults_strike(&b->faults, &b->rng, FAULT_LATE_REPLY, where, &f)) {
		send_late(b, msg, len, f.ms);
		return;
	}
	if (strikes(b, FAULT_CBOR_BOMB, where)) {
		send_bomb(b, msg, where);
		return;
	}
	if (strikes(b, FAULT_WRONG_SEQ, where)) {
		_cleanup_(freep) uint8_t *other = malloc(len);

		if (!other)
			abort();
		memcpy(other, msg, len);
		other[6] = (uint8_t)(other[6] + 101);
		send_frame(b, other, len, where);
		return;
	}
	send_frame(b, msg, len, where);
	if (strikes(b, FAULT_DUPLICATE_REPLY, where))
		send_frame(b, msg, len, where);
	die_after(b, where);
}
