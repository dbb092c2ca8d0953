/* SPDX-License-Identifier: MIT */

/* The session against a scripted board. The port is this file's own: what the session sends goes into a second reader, and a
 * script says what comes back, and when. Everything runs on one loop; nothing sleeps. */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/limits.h"
#include "daemon/session.h"
#include "tests/unit/suite.h"

#define TIMEOUT_MS 40
#define SLOW_MS (TIMEOUT_MS * 3)
#define PATIENCE_MS 120000

/* ---- the clock ---- */

/* The linker puts this in the place of uv_hrtime; the loop's own timers know nothing of it. */
static uint64_t clock_ahead_ms;
uint64_t __real_uv_hrtime(void);
uint64_t __wrap_uv_hrtime(void);
uint64_t __wrap_uv_hrtime(void)
{
	return __real_uv_hrtime() + clock_ahead_ms * 1000000;
}

/* ---- the board ---- */

enum act {
	ANSWER = 0,
	DROP,	      /* nothing comes back */
	LATE,	      /* answers after the deadline of this attempt */
	SLOW,	      /* answers within answer_ms, long after timeout_ms */
	WRONG_SEQUENCE,
	WRONG_GROUP,  /* and then nothing */
	REQUEST_BACK, /* op of a request */
	CORRUPT,      /* CRC */
	HALF,	      /* the second half of a frame only */
	TWICE,
	STALE_FIRST,  /* a wrong sequence number, then the answer */
	TEXT_AROUND,
	TEXT_INSIDE,  /* between two lines of the frame */
	CRLF,
	RC_BUSY,
	RC_TOO_NEW,
	RC_TOO_OLD,
	RC_INVALID,
	ERR_GROUP,    /* {"err": {"group": 1, "rc": 10}} */
	NO_CBOR,
	EMPTY,	      /* header only */
	BABBLE,	      /* text without end and no answer */
};

struct reply {
	uv_timer_t timer;
	uint8_t *data;
	size_t size;
	uint8_t op;
};

struct port {
	int unused;
};

static uv_loop_t loop;
static uv_timer_t watchdog, babble;
static struct port fake_port;
static struct session *session;
static enum serial_framing framing;
static struct serial_reader *board;
static const enum act *script;
static size_t script_size, heard;
static struct smp_header heard_headers[600];
static unsigned int heard_gaps[600];
static size_t board_burst_lines; /* loses messages of so many lines without a pause; 0: none */
static unsigned int newlines, discards, learnt_count, pauses;
static char typed[256]; /* keystrokes */
static size_t burst;
static char console_text[4096];
static bool timed_out;

/* Requests that the board has and has not answered yet. */
static unsigned int unanswered, unanswered_most, unanswered_reads, unanswered_reads_most;

static void count_unanswered(uint8_t op, int change)
{
	unsigned int *n = op == SMP_READ ? &unanswered_reads : &unanswered;
	*n += (unsigned int)change;
	if (op == SMP_READ)
		unanswered_reads_most = *n > unanswered_reads_most ? *n : unanswered_reads_most;
	if (unanswered + unanswered_reads > unanswered_most)
		unanswered_most = unanswered + unanswered_reads;
}

static void on_reply_closed(uv_handle_t *handle)
{
	struct reply *r = handle->data;
	free(r->data);
	free(r);
}

static void on_reply_due(uv_timer_t *timer)
{
	struct reply *r = timer->data;
	count_unanswered(r->op, -1);
	if (session)
		session_received(session, r->data, r->size);
	uv_close((uv_handle_t *)timer, on_reply_closed);
}

static void come_back(const void *data, size_t size, unsigned int delay_ms)
{
	struct reply *r = calloc(1, sizeof(*r));
	r->op = heard ? heard_headers[heard - 1].op : 0;
	count_unanswered(r->op, 1);
	r->data = malloc(size);
	memcpy(r->data, data, size);
	r->size = size;
	uv_timer_init(&loop, &r->timer);
	r->timer.data = r;
	uv_timer_start(&r->timer, on_reply_due, delay_ms, 0);
}

/* A frame of a reply with this payload; repeated: how often its payload text is. */
static struct serial_frame frame_of(const struct smp_header *request, uint8_t op, uint16_t group, uint8_t sequence,
		const void *payload, size_t size)
{
	uint8_t message[SMP_HEADER_SIZE + 512];
	struct smp_header header = *request;
	struct serial_frame frame;
	header.op = op;
	header.group = group;
	header.sequence = sequence;
	header.length = (uint16_t)size;
	smp_header_encode(&header, message);
	memcpy(message + SMP_HEADER_SIZE, payload, size);
	ck_assert_int_eq(serial_encode(framing, message, SMP_HEADER_SIZE + size, &frame), 0);
	return frame;
}

static void reply_with(const struct smp_header *request, uint8_t sequence, const void *payload, size_t size,
		unsigned int delay_ms)
{
	struct serial_frame frame = frame_of(request, request->op + 1, request->group, sequence, payload, size);
	come_back(frame.data, frame.size, delay_ms);
	serial_frame_release(&frame);
}

static const uint8_t ok_payload[] = "\xa1\x61r\x62ok";
#define OK_SIZE (sizeof(ok_payload) - 1)

static void reply_rc(const struct smp_header *request, uint8_t rc)
{
	const uint8_t payload[] = { 0xa1, 0x62, 'r', 'c', rc };
	reply_with(request, request->sequence, payload, sizeof(payload), 0);
}

static void reply_altered(const struct smp_header *request, enum act act)
{
	static uint8_t payload[] = "\xa1\x61r\x78\xc8"
		"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
		"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";
	struct serial_frame frame = frame_of(request, request->op + 1, request->group, request->sequence, payload,
			sizeof(payload) - 1);
	char out[1024];
	size_t size = 0, cut = frame.lines[0];
	if (act == TEXT_INSIDE) {
		memcpy(out, frame.data, cut);
		size = cut + (size_t)sprintf(out + cut, "<inf> wait\r\n\x1b[1;32muart:~$ \x1b[m");
		memcpy(out + size, frame.data + cut, frame.size - cut);
		size += frame.size - cut;
	} else if (act == HALF) {
		memcpy(out, frame.data + cut, frame.size - cut);
		size = frame.size - cut;
	} else if (act == CORRUPT) {
		memcpy(out, frame.data, frame.size);
		size = frame.size;
		out[20] = out[20] == 'A' ? 'B' : 'A';
	} else if (act == CRLF) {
		for (size_t i = 0; i < frame.size; i++) {
			if (frame.data[i] == '\n')
				out[size++] = '\r';
			out[size++] = (char)frame.data[i];
		}
	}
	come_back(out, size, 0);
	serial_frame_release(&frame);
}

static void reply_around(const struct smp_header *request)
{
	struct serial_frame frame = frame_of(request, request->op + 1, request->group, request->sequence, ok_payload, OK_SIZE);
	char out[512];
	size_t size = (size_t)sprintf(out, "boot\nuart:~$ ");
	memcpy(out + size, frame.data, frame.size);
	size += frame.size;
	size += (size_t)sprintf(out + size, "after\n");
	come_back(out, size, 0);
	serial_frame_release(&frame);
}

static void on_babble(uv_timer_t *timer)
{
	static const uint8_t line[] = "00:00:01 <wrn> battery low\r\n";
	(void)timer;
	if (session)
		session_received(session, line, sizeof(line) - 1);
}

static void act_on(const struct smp_header *request, enum act act)
{
	static const uint8_t err[] = "\xa1\x63" "err\xa2\x65group\x01\x62rc\x0a";
	switch (act) {
	case DROP:
		break;
	case BABBLE:
		uv_timer_start(&babble, on_babble, 1, 1);
		break;
	case LATE:
		reply_with(request, request->sequence, ok_payload, OK_SIZE, TIMEOUT_MS * 5 / 2);
		break;
	case SLOW:
		reply_with(request, request->sequence, ok_payload, OK_SIZE, SLOW_MS);
		break;
	case WRONG_SEQUENCE:
		reply_with(request, (uint8_t)(request->sequence + 99), ok_payload, OK_SIZE, 0);
		break;
	case WRONG_GROUP: {
		struct serial_frame f = frame_of(request, request->op + 1, 77, request->sequence, ok_payload, OK_SIZE);
		come_back(f.data, f.size, 0);
		serial_frame_release(&f);
		break;
	}
	case REQUEST_BACK: {
		struct serial_frame f = frame_of(request, request->op, request->group, request->sequence, ok_payload, OK_SIZE);
		come_back(f.data, f.size, 0);
		serial_frame_release(&f);
		break;
	}
	case CORRUPT:
	case HALF:
	case TEXT_INSIDE:
	case CRLF:
		reply_altered(request, act);
		break;
	case TEXT_AROUND:
		reply_around(request);
		break;
	case STALE_FIRST:
		reply_with(request, (uint8_t)(request->sequence - 1), ok_payload, OK_SIZE, 0);
		reply_with(request, request->sequence, ok_payload, OK_SIZE, 1);
		break;
	case TWICE:
		reply_with(request, request->sequence, ok_payload, OK_SIZE, 0);
		reply_with(request, request->sequence, ok_payload, OK_SIZE, 0);
		break;
	case RC_BUSY:
		reply_rc(request, SMP_EBUSY);
		break;
	case RC_TOO_NEW:
		reply_rc(request, SMP_TOO_NEW);
		break;
	case RC_TOO_OLD:
		reply_rc(request, SMP_TOO_OLD);
		break;
	case RC_INVALID:
		reply_rc(request, SMP_EINVAL);
		break;
	case ERR_GROUP:
		reply_with(request, request->sequence, err, sizeof(err) - 1, 0);
		break;
	case NO_CBOR:
		reply_with(request, request->sequence, "\xff\xff", 2, 0);
		break;
	case EMPTY:
		reply_with(request, request->sequence, "", 0, 0);
		break;
	default:
		reply_with(request, request->sequence, ok_payload, OK_SIZE, 0);
	}
}

static void board_hears(void *user, const uint8_t *data, size_t size)
{
	struct smp_header header;
	(void)user;
	ck_assert_int_eq(smp_header_decode(data, size, &header), 0);
	ck_assert_uint_lt(heard, 600);
	heard_headers[heard] = header;
	enum act act = heard < script_size ? script[heard] : ANSWER;
	heard++;
	uv_stop(&loop); /* else this turn of the loop would still wait for the next timer */
	if (!board_burst_lines || burst < board_burst_lines)
		act_on(&header, act);
}

static void board_sees_text(void *user, const uint8_t *data, size_t size)
{
	(void)user;
	for (size_t i = 0; i < size; i++)
		newlines += data[i] == '\n';
}

static void board_sees_damage(void *user, enum serial_damage why)
{
	(void)user;
	ck_abort_msg("the session sent a bad frame: %s", serial_damage_name(why));
}

int port_send(struct port *p, const uint8_t *data, size_t size, const size_t *line_ends, size_t line_count,
		unsigned int gap_ms)
{
	ck_assert_ptr_eq(p, &fake_port);
	ck_assert_uint_eq(line_ends[line_count - 1], size);
	for (size_t i = 0; i < line_count; i++) {
		size_t start = i ? line_ends[i - 1] : 0;
		if (framing == SERIAL_RAW)
			break;
		ck_assert_uint_le(line_ends[i] - start, SERIAL_LINE_MAX);
		ck_assert_uint_eq(data[line_ends[i] - 1], '\n');
	}
	burst = gap_ms ? 1 : line_count;
	heard_gaps[heard] = gap_ms;
	serial_reader_feed(board, data, size);
	return 0;
}

int port_type(struct port *p, const uint8_t *data, size_t size)
{
	ck_assert_ptr_eq(p, &fake_port);
	size_t n = strlen(typed);
	ck_assert_uint_lt(n + size, sizeof(typed));
	memcpy(typed + n, data, size);
	return 0;
}

void port_pause(struct port *p, unsigned int ms)
{
	ck_assert_ptr_eq(p, &fake_port);
	ck_assert_uint_ge(ms, 10);
	pauses++;
}

void port_discard_unsent(struct port *p)
{
	ck_assert_ptr_eq(p, &fake_port);
	discards++;
}

/* ---- the user ---- */

struct outcome {
	struct request request;
	unsigned int called;
	int error;
	struct smp_status status;
	unsigned int attempts;
	char text[256];
	bool has_payload;
	void (*then)(struct outcome *o);
};

static char order[256];

static void on_done(struct request *request, const struct answer *answer)
{
	struct outcome *o = request->user;
	o->called++;
	o->error = answer->error;
	o->status = answer->status;
	o->status.reason = NULL;
	o->attempts = answer->attempts;
	o->has_payload = answer->payload;
	snprintf(o->text, sizeof(o->text), "%s", answer->text ? answer->text : "");
	ck_assert_ptr_null(request->pending);
	size_t n = strlen(order);
	if (n + 2 < sizeof(order))
		order[n] = (char)('a' + request->id);
	if (o->then)
		o->then(o);
	uv_stop(&loop);
}

static void on_text(void *user, const uint8_t *data, size_t size)
{
	(void)user;
	size_t n = strlen(console_text);
	if (n + size < sizeof(console_text))
		memcpy(console_text + n, data, size);
}

static void on_learnt(void *user)
{
	(void)user;
	learnt_count++;
	uv_stop(&loop);
}

static void on_watchdog(uv_timer_t *timer)
{
	(void)timer;
	timed_out = true;
}

static void start_with(const enum act *acts, size_t count, const struct session_settings *settings)
{
	static const struct serial_sink board_sink = { board_hears, board_sees_text, board_sees_damage };
	static const struct session_callbacks callbacks = { .text = on_text, .learnt = on_learnt };
	framing = settings->framing;
	script = acts;
	script_size = count;
	unanswered = unanswered_most = unanswered_reads = unanswered_reads_most = 0;
	heard = board_burst_lines = newlines = discards = learnt_count = pauses = 0;
	memset(typed, 0, sizeof(typed));
	timed_out = false;
	memset(console_text, 0, sizeof(console_text));
	memset(order, 0, sizeof(order));
	uv_loop_init(&loop);
	uv_timer_init(&loop, &watchdog);
	uv_timer_init(&loop, &babble);
	ck_assert_int_eq(serial_reader_new(framing, &board_sink, NULL, &board), 0);
	ck_assert_int_eq(session_new(&loop, settings, &callbacks, NULL, &session), 0);
	session_attach(session, &fake_port);
}

static void start(const enum act *acts, size_t count, int line_delay_ms)
{
	const struct session_settings settings = {
		.framing = SERIAL_CONSOLE,
		.timeout_ms = TIMEOUT_MS,
		.retries = 2,
		.line_delay_ms = line_delay_ms,
	};
	start_with(acts, count, &settings);
}

static void finish(void)
{
	session_close(session);
	session = NULL;
	uv_close((uv_handle_t *)&watchdog, NULL);
	uv_close((uv_handle_t *)&babble, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	serial_reader_free(board);
}

static struct outcome make(enum request_class class, uint8_t id, enum smp_repeat repeat, size_t payload_size)
{
	struct outcome o = {
		.request = {
			.class = class,
			.op = class == REQUEST_READ ? SMP_READ : SMP_WRITE,
			.group = SMP_IMAGE,
			.id = id,
			.payload = calloc(1, payload_size ? payload_size : 1),
			.payload_size = payload_size,
			.repeat = repeat,
			.done = on_done,
		},
	};
	o.request.payload[0] = 0xa0;
	return o;
}

static int submit(struct outcome *o)
{
	o->request.user = o;
	unsigned int before = o->called;
	int r = session_submit(session, &o->request);
	ck_assert_uint_eq(o->called, before);
	return r;
}

static void run_until(bool (*reached)(void *), void *argument)
{
	uv_timer_start(&watchdog, on_watchdog, PATIENCE_MS, 0);
	while (!reached(argument) && !timed_out)
		uv_run(&loop, UV_RUN_ONCE);
	ck_assert_msg(!timed_out, "nothing happened for %d ms", PATIENCE_MS);
	uv_timer_stop(&watchdog);
}

static bool is_called(void *argument)
{
	return ((struct outcome *)argument)->called;
}

static bool is_learnt(void *argument)
{
	(void)argument;
	return learnt_count;
}

static void wait_for(struct outcome *o)
{
	run_until(is_called, o);
	ck_assert_uint_eq(o->called, 1);
}

/* One answered request, after which the session knows that the board is there. */
static void warm_up(void)
{
	struct outcome o = make(REQUEST_READ, 0, REPEAT_HARMLESS, 1);
	ck_assert_int_eq(submit(&o), 0);
	wait_for(&o);
	ck_assert_int_eq(o.error, 0);
	request_release(&o.request);
	memset(order, 0, sizeof(order));
}

/* ---- one request, one script ---- */

static const struct exchange {
	const char *name;
	enum act acts[12]; /* after the first, which is answered */
	size_t act_count;
	enum smp_repeat repeat;
	uint16_t group;
	uint8_t id;
	unsigned int answer_ms;
	int error;
	unsigned int sent; /* requests that the board has heard */
	uint64_t stale, damaged;
	unsigned int rc;
	const char *text; /* part of the answer's */
} exchanges[] = {
	{ "answered", { ANSWER }, 1, REPEAT_HARMLESS, 1, 1, 0, 0, 1 },
	{ "lost reply", { DROP, ANSWER }, 2, REPEAT_HARMLESS, 1, 1, 0, 0, 2 },
	{ "two lost replies", { DROP, DROP, ANSWER }, 3, REPEAT_HARMLESS, 1, 1, 0, 0, 3 },
	{ "never answered", { DROP, DROP, DROP, ANSWER }, 4, REPEAT_HARMLESS, 1, 1, 0, -ETIMEDOUT, 3, .text = "3 attempts" },
	{ "reset is sent once", { DROP, ANSWER }, 2, REPEAT_NEVER, 0, 5, 0, -ETIMEDOUT, 1, .text = "1 attempt" },
	{ "late reply counts", { LATE, DROP, DROP }, 3, REPEAT_HARMLESS, 1, 1, 0, 0, 2 },
	{ "slow command", { SLOW }, 1, REPEAT_NEVER, 1, 5, TIMEOUT_MS * 6, 0, 1 },
	{ "wrong sequence number", { WRONG_SEQUENCE, ANSWER }, 2, REPEAT_HARMLESS, 1, 1, 0, 0, 2, .stale = 1 },
	{ "wrong group", { WRONG_GROUP, ANSWER }, 2, REPEAT_HARMLESS, 1, 1, 0, 0, 2, .stale = 1 },
	{ "a request comes back", { REQUEST_BACK, ANSWER }, 2, REPEAT_HARMLESS, 1, 1, 0, 0, 2, .stale = 1 },
	{ "stale, then the answer", { STALE_FIRST }, 1, REPEAT_NEVER, 0, 5, 0, 0, 1, .stale = 1 },
	{ "corrupt", { CORRUPT, ANSWER }, 2, REPEAT_HARMLESS, 1, 1, 0, 0, 2, .damaged = 1 },
	{ "corrupt, reset", { CORRUPT }, 1, REPEAT_NEVER, 0, 5, 0, -ETIMEDOUT, 1, .damaged = 1 },
	{ "start of the frame lost", { HALF, ANSWER }, 2, REPEAT_HARMLESS, 1, 1, 0, 0, 2, .damaged = 1 },
	{ "text around", { TEXT_AROUND }, 1, REPEAT_NEVER, 0, 5, 0, 0, 1 },
	{ "text inside", { TEXT_INSIDE }, 1, REPEAT_NEVER, 0, 5, 0, 0, 1 },
	{ "CRLF", { CRLF }, 1, REPEAT_NEVER, 0, 5, 0, 0, 1 },
	{ "busy twice", { RC_BUSY, RC_BUSY, ANSWER }, 3, REPEAT_HARMLESS, 1, 1, 0, 0, 3 },
	{ "busy, sent once otherwise", { RC_BUSY, ANSWER }, 2, REPEAT_NEVER, 1, 5, 0, 0, 2 },
	{ "reset vetoed", { RC_BUSY, ANSWER }, 2, REPEAT_NEVER, 0, 5, 0, -EREMOTEIO, 1, .rc = 10 },
	{ "too new", { RC_TOO_NEW, ANSWER }, 2, REPEAT_HARMLESS, 1, 1, 0, 0, 2 },
	{ "too new, sent once otherwise", { RC_TOO_NEW, ANSWER }, 2, REPEAT_NEVER, 0, 5, 0, 0, 2 },
	{ "too new, too old", { RC_TOO_NEW, RC_TOO_OLD }, 2, REPEAT_HARMLESS, 1, 1, 0, -EREMOTEIO, 2, .rc = 12 },
	{ "device error", { RC_INVALID }, 1, REPEAT_HARMLESS, 1, 1, 0, -EREMOTEIO, 1, .rc = 3, .text = "the board answered" },
	{ "10 of a group is not busy", { ERR_GROUP }, 1, REPEAT_HARMLESS, 1, 1, 0, -EREMOTEIO, 1, .rc = 10 },
	{ "no CBOR", { NO_CBOR }, 1, REPEAT_HARMLESS, 1, 1, 0, -EBADMSG, 1, .text = "no CBOR" },
	{ "empty reply", { EMPTY }, 1, REPEAT_HARMLESS, 1, 1, 0, -EBADMSG, 1 },
	{ "console text does not prolong", { BABBLE, DROP, DROP }, 3, REPEAT_HARMLESS, 1, 1, 0, -ETIMEDOUT, 3 },
};

START_TEST(one_exchange)
{
	const struct exchange *x = &exchanges[_i];
	enum act acts[13] = { ANSWER };
	memcpy(acts + 1, x->acts, sizeof(x->acts));
	start(acts, x->act_count + 1, 0);
	warm_up();

	struct outcome o = make(REQUEST_WRITE, x->id, x->repeat, 1);
	o.request.group = x->group;
	o.request.answer_ms = x->answer_ms;
	ck_assert_int_eq(submit(&o), 0);
	wait_for(&o);

	struct session_counters counters;
	session_counters(session, &counters);
	ck_assert_msg(o.error == x->error, "%s: error %d instead of %d: %s", x->name, o.error, x->error, o.text);
	ck_assert_msg(heard - 1 == x->sent, "%s: sent %zu times instead of %u", x->name, heard - 1, x->sent);
	ck_assert_msg(o.attempts == x->sent, "%s: told %u attempts instead of %u", x->name, o.attempts, x->sent);
	ck_assert_msg(counters.stale == x->stale, "%s: %u stale replies", x->name, (unsigned int)counters.stale);
	ck_assert_msg(counters.damaged == x->damaged, "%s: %u damaged frames", x->name, (unsigned int)counters.damaged);
	ck_assert_msg(o.status.rc == x->rc, "%s: rc %u", x->name, (unsigned int)o.status.rc);
	ck_assert_msg(!x->text || strstr(o.text, x->text), "%s: '%s'", x->name, o.text);
	ck_assert_int_eq(o.has_payload, o.error == 0 || o.error == -EREMOTEIO);
	for (size_t i = 0; i < heard; i++)
		for (size_t j = 0; j < i; j++)
			ck_assert_uint_ne(heard_headers[i].sequence, heard_headers[j].sequence);
	request_release(&o.request);
	finish();
}
END_TEST

START_TEST(text_reaches_the_console)
{
	const enum act acts[] = { TEXT_AROUND, TEXT_INSIDE };
	start(acts, 2, 0);
	warm_up();
	warm_up();
	ck_assert_str_eq(console_text, "boot\nuart:~$ after\n<inf> wait\r\n\x1b[1;32muart:~$ \x1b[m");
	finish();
}
END_TEST

START_TEST(silent_board_gets_one_attempt)
{
	const enum act acts[] = { DROP, ANSWER };
	start(acts, 2, 0);
	struct outcome o = make(REQUEST_READ, 0, REPEAT_HARMLESS, 1);
	submit(&o);
	wait_for(&o);
	ck_assert_int_eq(o.error, -ETIMEDOUT);
	ck_assert_uint_eq(heard, 1);
	ck_assert(!session_has_answered(session));
	ck_assert_uint_eq(session_last_answer(session), 0);
	request_release(&o.request);
	warm_up();
	ck_assert(session_has_answered(session));
	finish();
}
END_TEST

/* What may still be at work on the board, and what waits behind it, stays within what its buffers hold. */
START_TEST(a_stuck_command_is_not_buried)
{
	const enum act acts[] = { ANSWER, DROP, DROP, DROP, ANSWER };
	start(acts, ARRAY_SIZE(acts), 0);
	warm_up();
	struct outcome stuck = make(REQUEST_WRITE, 1, REPEAT_NEVER, 1);
	submit(&stuck);
	wait_for(&stuck);
	ck_assert_int_eq(stuck.error, -ETIMEDOUT);
	request_release(&stuck.request);
	for (int i = 0; i < 3; i++) {
		struct outcome o = make(REQUEST_READ, 0, REPEAT_HARMLESS, 1);
		submit(&o);
		wait_for(&o);
		ck_assert_int_eq(o.error, -ETIMEDOUT);
		request_release(&o.request);
	}
	ck_assert_uint_eq(heard, 4); /* the warm-up, the stuck one, two behind it */
	/* A late answer to any of them, although nobody waits for it: the board has done with them. */
	reply_with(&heard_headers[2], heard_headers[2].sequence, "\xa0", 1, 0);
	for (bool answered = false; !answered;) {
		struct outcome o = make(REQUEST_READ, 0, REPEAT_HARMLESS, 1);
		submit(&o);
		wait_for(&o);
		answered = o.error == 0;
		request_release(&o.request);
	}
	ck_assert_uint_eq(heard, 5);
	finish();
}
END_TEST

START_TEST(half_line_is_ended_before_the_first_frame)
{
	start(NULL, 0, 0);
	ck_assert_uint_eq(newlines, 0); /* attaching alone sends nothing: the board may sit in its bootloader's window */
	warm_up();
	ck_assert_uint_eq(newlines, 1);
	warm_up();
	ck_assert_uint_eq(newlines, 1);
	session_hold(session);
	session_release(session);
	warm_up();
	ck_assert_uint_eq(newlines, 2);
	finish();
}
END_TEST

START_TEST(version_switch_is_kept_and_told)
{
	const enum act acts[] = { RC_TOO_NEW };
	start(acts, 1, 0);
	warm_up();
	ck_assert_uint_eq(heard_headers[0].version, SMP_V2);
	ck_assert_uint_eq(heard_headers[1].version, SMP_V1);
	ck_assert_int_eq(session_version(session), SMP_V1);
	ck_assert_uint_eq(learnt_count, 1);
	session_set_version(session, SMP_V2);
	warm_up();
	ck_assert_uint_eq(heard_headers[2].version, SMP_V2);
	finish();
}
END_TEST

START_TEST(corrupt_reply_is_asked_for_again_at_once)
{
	const enum act acts[] = { ANSWER, CORRUPT };
	start(acts, 2, 0);
	warm_up();
	struct outcome o = make(REQUEST_READ, 1, REPEAT_HARMLESS, 1);
	o.request.answer_ms = PATIENCE_MS * 2; /* would be waited for otherwise */
	submit(&o);
	wait_for(&o);
	ck_assert_int_eq(o.error, 0);
	request_release(&o.request);
	finish();
}
END_TEST

START_TEST(busy_ends_with_the_boards_answer)
{
	enum act acts[64] = { ANSWER };
	for (size_t i = 1; i < 64; i++)
		acts[i] = RC_BUSY;
	start(acts, 64, 0);
	warm_up();
	struct outcome o = make(REQUEST_WRITE, 1, REPEAT_NEVER, 1);
	uint64_t began = uv_hrtime();
	submit(&o);
	wait_for(&o);
	ck_assert_int_eq(o.error, -EREMOTEIO);
	ck_assert_uint_eq(o.status.rc, SMP_EBUSY);
	/* 50, 100, 200, 400, 800, then 1000 ms each, within 5 s; the last ones may not fit on a busy machine */
	ck_assert_uint_ge(o.attempts, 7);
	ck_assert_uint_le(o.attempts, 9);
	ck_assert_uint_ge(uv_hrtime() - began, 4000000000u);
	request_release(&o.request);
	finish();
}
END_TEST

/* ---- the queue ---- */

START_TEST(first_come_first_served)
{
	start(NULL, 0, 0);
	struct outcome o[4];
	for (uint8_t i = 0; i < 4; i++) {
		o[i] = make(i & 1 ? REQUEST_WRITE : REQUEST_READ, i, REPEAT_HARMLESS, 1);
		submit(&o[i]);
	}
	wait_for(&o[3]);
	ck_assert_str_eq(order, "abcd");
	for (size_t i = 0; i < 4; i++)
		request_release(&o[i].request);
	finish();
}
END_TEST

static unsigned int chunks_left;
static void next_chunk(struct outcome *o)
{
	if (!chunks_left--)
		return;
	o->called = 0;
	submit(o);
}

START_TEST(reads_slot_in_and_writes_wait_behind_a_job)
{
	start(NULL, 0, 0);
	session_set_job_active(session, true);
	struct outcome chunk = make(REQUEST_JOB, 9, REPEAT_HARMLESS, 1), read = make(REQUEST_READ, 0, REPEAT_HARMLESS, 1),
		       write = make(REQUEST_WRITE, 1, REPEAT_NEVER, 1), own = make(REQUEST_WRITE, 2, REPEAT_NEVER, 1);
	own.request.any_state = true; /* of the job itself */
	write.request.answer_ms = PATIENCE_MS * 2;
	chunks_left = 3;
	chunk.then = next_chunk;
	submit(&chunk);
	submit(&write);
	submit(&read);
	submit(&own);
	wait_for(&own);
	while (chunks_left < 4)
		uv_run(&loop, UV_RUN_ONCE);
	ck_assert_str_eq(order, "jacjjj");
	ck_assert_uint_eq(write.called, 0);
	session_set_job_active(session, false);
	wait_for(&write);
	ck_assert_int_eq(write.error, 0);
	request_release(&chunk.request);
	request_release(&read.request);
	request_release(&write.request);
	request_release(&own.request);
	finish();
}
END_TEST

START_TEST(write_gives_up_behind_a_job)
{
	start(NULL, 0, 0);
	session_set_job_active(session, true);
	struct outcome o = make(REQUEST_WRITE, 1, REPEAT_NEVER, 1);
	submit(&o);
	wait_for(&o);
	ck_assert_int_eq(o.error, -EAGAIN);
	ck_assert_uint_eq(heard, 0);
	ck_assert_ptr_nonnull(strstr(o.text, "job"));
	request_release(&o.request);
	finish();
}
END_TEST

START_TEST(window_is_for_jobs)
{
	enum act acts[16];
	for (size_t i = 0; i < 16; i++)
		acts[i] = SLOW;
	start(acts, 16, 0);
	session_set_window(session, 3);
	struct outcome o[6];
	for (uint8_t i = 0; i < 6; i++) {
		o[i] = make(i < 4 ? REQUEST_JOB : REQUEST_READ, i, REPEAT_HARMLESS, 1);
		o[i].request.answer_ms = PATIENCE_MS;
		submit(&o[i]);
	}
	wait_for(&o[5]);
	ck_assert_str_eq(order, "abcdef");
	ck_assert_uint_eq(unanswered_most, 3);
	ck_assert_uint_eq(unanswered_reads_most, 1);
	for (size_t i = 0; i < 6; i++)
		request_release(&o[i].request);
	finish();
}
END_TEST

START_TEST(full_queue)
{
	enum act acts[LIMIT_QUEUE + 2] = { 0 };
	start(acts, LIMIT_QUEUE + 2, 0);
	static struct outcome o[LIMIT_QUEUE + 2];
	session_hold(session);
	for (size_t i = 0; i < LIMIT_QUEUE; i++) {
		o[i] = make(REQUEST_READ, 0, REPEAT_HARMLESS, 1);
		ck_assert_int_eq(submit(&o[i]), 0);
	}
	o[LIMIT_QUEUE] = make(REQUEST_READ, 0, REPEAT_HARMLESS, 1);
	ck_assert_int_eq(submit(&o[LIMIT_QUEUE]), -EBUSY);
	o[LIMIT_QUEUE + 1] = make(REQUEST_JOB, 1, REPEAT_HARMLESS, 1);
	ck_assert_int_eq(submit(&o[LIMIT_QUEUE + 1]), 0);
	session_release(session);
	wait_for(&o[LIMIT_QUEUE + 1]);
	ck_assert_uint_eq(heard, LIMIT_QUEUE + 1);
	for (size_t i = 0; i < LIMIT_QUEUE + 2; i++)
		request_release(&o[i].request);
	finish();
}
END_TEST

static bool is_past(void *argument)
{
	return uv_hrtime() >= *(uint64_t *)argument;
}

static void on_nothing(uv_timer_t *timer)
{
	(void)timer;
}

static void run_for(unsigned int ms)
{
	uint64_t end = uv_hrtime() + ms * 1000000ull;
	uv_timer_start(&babble, on_nothing, 1, 1);
	run_until(is_past, &end);
	uv_timer_stop(&babble);
}

START_TEST(held)
{
	start(NULL, 0, 0);
	struct outcome waiting = make(REQUEST_READ, 0, REPEAT_HARMLESS, 1), probe = make(REQUEST_READ, 1, REPEAT_HARMLESS, 1);
	session_hold(session);
	ck_assert(session_is_held(session));
	submit(&waiting);
	run_for(TIMEOUT_MS * 2);
	ck_assert_uint_eq(heard, 0);
	ck_assert_uint_eq(newlines, 0);
	ck_assert_uint_eq(waiting.called, 0); /* its deadline stands still */
	probe.request.any_state = true;
	submit(&probe);
	wait_for(&probe);
	ck_assert_uint_eq(waiting.called, 0);
	session_release(session);
	wait_for(&waiting);
	ck_assert_int_eq(waiting.error, 0);
	request_release(&waiting.request);
	request_release(&probe.request);
	finish();
}
END_TEST

START_TEST(lost_while_held_is_repeated_afterwards)
{
	const enum act acts[] = { ANSWER, DROP };
	start(acts, 2, 0);
	warm_up();
	struct outcome o = make(REQUEST_READ, 0, REPEAT_HARMLESS, 1);
	submit(&o);
	while (heard < 2)
		uv_run(&loop, UV_RUN_ONCE);
	session_hold(session);
	run_for(TIMEOUT_MS * 2);
	ck_assert_uint_eq(heard, 2);
	ck_assert_uint_eq(o.called, 0);
	session_release(session);
	wait_for(&o);
	ck_assert_int_eq(o.error, 0);
	ck_assert_uint_eq(heard, 3);
	request_release(&o.request);
	finish();
}
END_TEST

START_TEST(held_for_too_long)
{
	struct outcome o[3];
	start(NULL, 0, 0);
	session_hold(session);
	for (uint8_t i = 0; i < 3; i++) {
		o[i] = make(REQUEST_READ, i, REPEAT_HARMLESS, 1);
		submit(&o[i]); /* has the session look at its clock, too */
		run_for(5);
		ck_assert_uint_eq(o[0].called, i == 2);
		clock_ahead_ms += i ? 1000 : 29000;
	}
	ck_assert_int_eq(o[0].error, -ETIMEDOUT);
	ck_assert_ptr_nonnull(strstr(o[0].text, "30 s"));
	ck_assert_uint_eq(o[1].called, 0);
	session_release(session);
	wait_for(&o[2]);
	ck_assert_int_eq(o[1].error, 0);
	ck_assert_uint_eq(heard, 2);
	for (size_t i = 0; i < 3; i++)
		request_release(&o[i].request);
	finish();
}
END_TEST

static struct outcome second;
static void submit_second(struct outcome *o)
{
	(void)o;
	ck_assert_int_eq(submit(&second), 0);
}

START_TEST(detached)
{
	const enum act acts[] = { DROP };
	start(acts, 1, 0);
	struct outcome flying = make(REQUEST_READ, 0, REPEAT_HARMLESS, 1), waiting = make(REQUEST_WRITE, 1, REPEAT_NEVER, 1);
	second = make(REQUEST_READ, 2, REPEAT_HARMLESS, 1);
	waiting.then = submit_second; /* while everything is failed: it waits for the next port */
	submit(&flying);
	submit(&waiting);
	while (!heard)
		uv_run(&loop, UV_RUN_ONCE);
	session_detach(session, "unplugged");
	ck_assert_int_eq(flying.error, -ENODEV);
	ck_assert_int_eq(waiting.error, -ENODEV);
	ck_assert_str_eq(waiting.text, "unplugged");
	ck_assert_uint_eq(second.called, 0);
	session_attach(session, &fake_port);
	wait_for(&second);
	ck_assert_int_eq(second.error, 0);
	request_release(&flying.request);
	request_release(&waiting.request);
	request_release(&second.request);
	finish();
}
END_TEST

static struct outcome victim;
static void cancel_victim(struct outcome *o)
{
	(void)o;
	session_cancel(session, &victim.request);
}

START_TEST(cancelled)
{
	const enum act acts[] = { ANSWER, LATE, ANSWER, ANSWER };
	start(acts, 4, 0);
	warm_up();
	victim = make(REQUEST_READ, 1, REPEAT_HARMLESS, 1);
	submit(&victim);
	while (heard < 2)
		uv_run(&loop, UV_RUN_ONCE);
	session_cancel(session, &victim.request);
	session_cancel(session, &victim.request); /* harmless */
	run_for(TIMEOUT_MS * 3);
	struct session_counters counters;
	session_counters(session, &counters);
	ck_assert_uint_eq(counters.stale, 1); /* its answer came and was dropped */
	ck_assert_uint_eq(victim.called, 0);

	struct outcome o = make(REQUEST_READ, 0, REPEAT_HARMLESS, 1);
	o.then = cancel_victim; /* from inside another's end */
	submit(&o);
	submit(&victim);
	wait_for(&o);
	run_for(TIMEOUT_MS);
	ck_assert_uint_eq(victim.called, 0);
	ck_assert_uint_eq(heard, 3);
	request_release(&o.request);
	request_release(&victim.request);
	finish();
}
END_TEST

static void close_session(struct outcome *o)
{
	(void)o;
	session_close(TAKE_PTR(session));
}

START_TEST(closed_from_an_answer)
{
	start(NULL, 0, 0);
	struct outcome first = make(REQUEST_READ, 0, REPEAT_HARMLESS, 1), waiting = make(REQUEST_READ, 1, REPEAT_HARMLESS, 1);
	first.then = close_session;
	submit(&first);
	submit(&waiting);
	wait_for(&first);
	ck_assert_int_eq(first.error, 0);
	ck_assert_uint_eq(waiting.called, 1);
	ck_assert_int_eq(waiting.error, -ENODEV);
	request_release(&first.request);
	request_release(&waiting.request);
	finish();
}
END_TEST

START_TEST(too_large)
{
	start(NULL, 0, 0);
	struct outcome fits = make(REQUEST_READ, 0, REPEAT_HARMLESS, 92), large = make(REQUEST_READ, 1, REPEAT_HARMLESS, 93),
		       queued = make(REQUEST_READ, 2, REPEAT_HARMLESS, 93);
	submit(&queued);
	session_set_message_max(session, 100);
	ck_assert_int_eq(submit(&fits), 0);
	ck_assert_int_eq(submit(&large), -EMSGSIZE);
	wait_for(&fits);
	ck_assert_int_eq(fits.error, 0);
	ck_assert_int_eq(queued.error, -EMSGSIZE); /* known only after it was queued */
	request_release(&fits.request);
	request_release(&large.request);
	request_release(&queued.request);
	finish();
}
END_TEST

/* ---- pauses between lines ---- */

START_TEST(pauses_are_found_by_themselves)
{
	start(NULL, 0, -1);
	board_burst_lines = 3;
	warm_up();
	struct outcome o = make(REQUEST_JOB, 1, REPEAT_HARMLESS, 300);
	submit(&o);
	wait_for(&o);
	run_until(is_learnt, NULL);
	ck_assert_int_eq(o.error, 0);
	ck_assert_uint_eq(o.attempts, 2);
	ck_assert_uint_eq(heard_gaps[heard - 2], 0);
	ck_assert_uint_eq(heard_gaps[heard - 1], 11);
	ck_assert_uint_eq(session_line_delay(session), 11);
	request_release(&o.request);

	o = make(REQUEST_JOB, 1, REPEAT_HARMLESS, 300);
	submit(&o);
	wait_for(&o);
	ck_assert_uint_eq(o.attempts, 1); /* remembered */
	request_release(&o.request);
	finish();
}
END_TEST

START_TEST(no_pause_for_other_losses)
{
	/* A board that has taken a burst before loses one by accident. */
	const enum act acts[] = { ANSWER, ANSWER, DROP, ANSWER };
	start(acts, 4, -1);
	warm_up();
	for (size_t i = 0; i < 2; i++) {
		struct outcome o = make(REQUEST_JOB, 1, REPEAT_HARMLESS, 300);
		submit(&o);
		wait_for(&o);
		ck_assert_int_eq(o.error, 0);
		request_release(&o.request);
	}
	for (size_t i = 0; i < heard; i++)
		ck_assert_uint_eq(heard_gaps[i], 0);
	ck_assert_uint_eq(learnt_count, 0);
	finish();
}
END_TEST

START_TEST(pause_that_is_no_cure_is_dropped)
{
	const enum act acts[] = { ANSWER, DROP, DROP, DROP, DROP, DROP };
	start(acts, 6, -1);
	warm_up();
	struct outcome o = make(REQUEST_JOB, 1, REPEAT_HARMLESS, 300);
	submit(&o);
	wait_for(&o);
	ck_assert_int_eq(o.error, -ETIMEDOUT);
	ck_assert_uint_eq(session_line_delay(session), 0);
	ck_assert_uint_eq(learnt_count, 0);
	request_release(&o.request);
	finish();
}
END_TEST

START_TEST(configured_pause)
{
	start(NULL, 0, 7);
	struct outcome o = make(REQUEST_JOB, 1, REPEAT_HARMLESS, 300);
	submit(&o);
	wait_for(&o);
	ck_assert_uint_eq(heard_gaps[0], 7);
	session_set_line_delay(session, 11); /* what was learnt does not overrule what is configured */
	ck_assert_uint_eq(session_line_delay(session), 7);
	request_release(&o.request);
	finish();
}
END_TEST

/* ---- time ---- */

START_TEST(the_wire_takes_its_time)
{
	const enum act acts[] = { SLOW };
	const struct session_settings settings = {
		.framing = SERIAL_CONSOLE,
		.baud = 9600, /* some 700 ms for a reply of unknown size */
		.timeout_ms = TIMEOUT_MS,
		.retries = 2,
	};
	start_with(acts, 1, &settings);
	struct outcome o = make(REQUEST_READ, 1, REPEAT_HARMLESS, 1);
	submit(&o);
	wait_for(&o);
	ck_assert_int_eq(o.error, 0);
	ck_assert_uint_eq(o.attempts, 1);
	request_release(&o.request);
	finish();
}
END_TEST

static unsigned int on_cable_after(const enum act *acts, size_t count, unsigned int baud)
{
	const struct session_settings settings = {
		.framing = SERIAL_CONSOLE, .baud = baud, .timeout_ms = TIMEOUT_MS, .retries = 2};
	start_with(acts, count, &settings);
	session_set_message_max(session, 89); /* a line of 127 bytes */
	session_set_job_active(session, true);
	ck_assert_uint_eq(session_on_cable(session), 0);
	for (size_t i = 0; i < count; i++) {
		struct outcome o = make(REQUEST_JOB, 1, REPEAT_NEVER, 1);
		o.request.answer_ms = PATIENCE_MS;
		submit(&o);
		wait_for(&o);
		ck_assert_int_eq(o.error, 0);
		request_release(&o.request);
	}
	unsigned int messages = session_on_cable(session);
	session_set_job_active(session, true);
	ck_assert_uint_eq(session_on_cable(session), 0); /* known of this job only */
	finish();
	return messages;
}

/* From the least time that an answer took besides its bytes: an answer at once, or bytes without a rate, tell of no cable. */
START_TEST(messages_on_the_cable)
{
	static const enum act late[] = { SLOW, SLOW }, quick[16] = { SLOW }; /* and ANSWER */
	/* 50 ms of it follow a newline, and some bytes cross; 11 ms a message */
	ck_assert_uint_ge(on_cable_after(late, 2, 115200), (SLOW_MS - 70) / 12);
	ck_assert_uint_eq(on_cable_after(quick, 16, 9600), 0);
	ck_assert_uint_eq(on_cable_after(late, 2, 0), 0);
}
END_TEST

static int answer_pipe[2];
static void on_pipe(uv_poll_t *poll, int status, int events)
{
	uint8_t data[512];
	(void)poll;
	(void)status;
	(void)events;
	ssize_t size = read(answer_pipe[0], data, sizeof(data));
	if (size > 0)
		session_received(session, data, (size_t)size);
}

/* The answer is there, but the process gets no time until its deadline has passed. */
START_TEST(a_stalled_process_loses_no_answer)
{
	const enum act acts[] = { ANSWER, DROP };
	uv_poll_t poll;
	start(acts, 2, 0);
	warm_up();
	ck_assert_int_eq(pipe(answer_pipe), 0);
	uv_poll_init(&loop, &poll, answer_pipe[0]);
	uv_poll_start(&poll, UV_READABLE, on_pipe);
	struct outcome o = make(REQUEST_READ, 1, REPEAT_NEVER, 1);
	submit(&o);
	while (heard < 2)
		uv_run(&loop, UV_RUN_ONCE);
	struct serial_frame f = frame_of(&heard_headers[1], SMP_READ_REPLY, SMP_IMAGE, heard_headers[1].sequence, ok_payload,
			OK_SIZE);
	ck_assert_int_eq(write(answer_pipe[1], f.data, f.size), (ssize_t)f.size);
	serial_frame_release(&f);
	for (uint64_t end = uv_hrtime() + TIMEOUT_MS * 2000000ull; uv_hrtime() < end;)
		;
	wait_for(&o);
	ck_assert_int_eq(o.error, 0);
	request_release(&o.request);
	uv_close((uv_handle_t *)&poll, NULL);
	finish();
	close(answer_pipe[0]);
	close(answer_pipe[1]);
}
END_TEST

START_TEST(raw_framing)
{
	/* No newline before the first message, and silence after a loss: a board forgets half a message after 3 s. */
	const enum act acts[] = { ANSWER, DROP, ANSWER };
	const struct session_settings settings = {
		.framing = SERIAL_RAW,
		.timeout_ms = TIMEOUT_MS,
		.retries = 1,
		.line_delay_ms = -1,
	};
	start_with(acts, 3, &settings);
	warm_up();
	struct outcome o = make(REQUEST_JOB, 1, REPEAT_HARMLESS, 300);
	uint64_t began = uv_hrtime();
	submit(&o);
	wait_for(&o);
	ck_assert_int_eq(o.error, 0);
	ck_assert_uint_eq(o.attempts, 2);
	ck_assert_uint_ge(uv_hrtime() - began, 3500000000u);
	ck_assert_uint_eq(learnt_count, 0);
	request_release(&o.request);
	finish();
}
END_TEST

/* ---- keystrokes ---- */

/* One request; what goes to the board in front of it. */
static void check_request(enum smp_repeat repeat, unsigned int attempts, unsigned int lines_ended, unsigned int paused)
{
	unsigned int newlines_before = newlines, pauses_before = pauses;
	struct outcome o = make(REQUEST_READ, 0, repeat, 1);
	submit(&o);
	wait_for(&o);
	ck_assert_int_eq(o.error, 0);
	ck_assert_uint_eq(o.attempts, attempts);
	ck_assert_uint_eq(newlines - newlines_before, lines_ended);
	ck_assert_uint_eq(pauses - pauses_before, paused);
	request_release(&o.request);
}

static void type_keys(const char *keys)
{
	ck_assert_int_eq(session_type(session, (const uint8_t *)keys, strlen(keys)), 0);
}

static const struct {
	const char *keys;
	enum smp_repeat repeat;
	enum act second;
	unsigned int attempts, lines_ended, paused;
} typed_rows[] = {
	{ "", REPEAT_HARMLESS, ANSWER, 1, 0, 0 },
	{ "", REPEAT_NEVER, ANSWER, 1, 0, 0 },
	{ "ls\n", REPEAT_HARMLESS, ANSWER, 1, 0, 1 },
	{ "ls\n", REPEAT_NEVER, ANSWER, 1, 0, 1 },
	{ "ls", REPEAT_HARMLESS, ANSWER, 1, 0, 1 },
	{ "a\nb", REPEAT_HARMLESS, ANSWER, 1, 0, 1 },
	{ "ls\r", REPEAT_HARMLESS, ANSWER, 1, 0, 1 }, /* no end for a board that takes lines */
	{ "ls", REPEAT_HARMLESS, DROP, 2, 1, 1 },     /* a board without a shell: then with its line ended */
	{ "ls", REPEAT_NEVER, ANSWER, 1, 1, 0 },      /* there is no second time */
};

START_TEST(a_request_behind_keystrokes)
{
	const enum act acts[] = { ANSWER, typed_rows[_i].second };
	start(acts, 2, 0);
	check_request(REPEAT_HARMLESS, 1, 1, 0);
	type_keys(typed_rows[_i].keys);
	ck_assert_str_eq(typed, typed_rows[_i].keys);
	check_request(typed_rows[_i].repeat, typed_rows[_i].attempts, typed_rows[_i].lines_ended, typed_rows[_i].paused);
	check_request(REPEAT_HARMLESS, 1, 0, 0); /* the pause is made once */
	finish();
}
END_TEST

START_TEST(a_shell_keeps_its_half_line)
{
	start(NULL, 0, 0);
	check_request(REPEAT_HARMLESS, 1, 1, 0);
	type_keys("kernel");
	check_request(REPEAT_HARMLESS, 1, 0, 1); /* finds out */
	check_request(REPEAT_NEVER, 1, 0, 0);
	type_keys(" version");
	check_request(REPEAT_NEVER, 1, 0, 1);
	session_hold(session); /* now its bootloader may be the one that answers */
	session_release(session);
	check_request(REPEAT_HARMLESS, 1, 1, 0);
	type_keys("k");
	check_request(REPEAT_NEVER, 1, 1, 0);
	finish();
}
END_TEST

START_TEST(a_board_without_a_shell_loses_one_attempt)
{
	static const enum act acts[] = { ANSWER, DROP };
	start(acts, 2, 0);
	check_request(REPEAT_HARMLESS, 1, 1, 0);
	for (unsigned int i = 0; i < 3; i++) {
		type_keys("kernel");
		check_request(REPEAT_HARMLESS, i ? 1 : 2, 1, i ? 0 : 1);
	}
	finish();
}
END_TEST

START_TEST(where_nothing_can_be_typed)
{
	const struct session_settings raw = { .framing = SERIAL_RAW, .timeout_ms = TIMEOUT_MS };
	start_with(NULL, 0, &raw);
	ck_assert_int_eq(session_type(session, (const uint8_t *)"x", 1), -EOPNOTSUPP);
	finish();
	start(NULL, 0, 0);
	session_detach(session, "gone");
	ck_assert_int_eq(session_type(session, (const uint8_t *)"x", 1), -ENOTCONN);
	ck_assert_str_eq(typed, "");
	finish();
}
END_TEST

/* ---- sequence numbers ---- */

START_TEST(sequence_numbers_rest)
{
	/* Every second request is lost and given up: its number must not come again for 128 others. */
	static enum act acts[600];
	for (size_t i = 1; i < 600; i++)
		acts[i] = i & 1 ? DROP : ANSWER;
	start(acts, 600, 0);
	session_set_timeout(session, 1);
	for (size_t i = 0; i < 400; i++) {
		struct outcome o = make(REQUEST_WRITE, 1, REPEAT_NEVER, 1);
		submit(&o);
		wait_for(&o);
		request_release(&o.request);
	}
	ck_assert_uint_eq(heard, 400);
	for (size_t i = 0; i < heard; i++)
		for (size_t j = i > 128 ? i - 128 : 0; j < i; j++)
			ck_assert_uint_ne(heard_headers[i].sequence, heard_headers[j].sequence);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("session");
	TCase *tcase = tcase_create("session");
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, one_exchange, 0, (int)ARRAY_SIZE(exchanges));
	tcase_add_test(tcase, text_reaches_the_console);
	tcase_add_test(tcase, silent_board_gets_one_attempt);
	tcase_add_test(tcase, a_stuck_command_is_not_buried);
	tcase_add_test(tcase, half_line_is_ended_before_the_first_frame);
	tcase_add_loop_test(tcase, a_request_behind_keystrokes, 0, (int)ARRAY_SIZE(typed_rows));
	tcase_add_test(tcase, a_shell_keeps_its_half_line);
	tcase_add_test(tcase, a_board_without_a_shell_loses_one_attempt);
	tcase_add_test(tcase, where_nothing_can_be_typed);
	tcase_add_test(tcase, version_switch_is_kept_and_told);
	tcase_add_test(tcase, corrupt_reply_is_asked_for_again_at_once);
	tcase_add_test(tcase, busy_ends_with_the_boards_answer);
	tcase_add_test(tcase, first_come_first_served);
	tcase_add_test(tcase, reads_slot_in_and_writes_wait_behind_a_job);
	tcase_add_test(tcase, write_gives_up_behind_a_job);
	tcase_add_test(tcase, window_is_for_jobs);
	tcase_add_test(tcase, full_queue);
	tcase_add_test(tcase, held);
	tcase_add_test(tcase, held_for_too_long);
	tcase_add_test(tcase, lost_while_held_is_repeated_afterwards);
	tcase_add_test(tcase, detached);
	tcase_add_test(tcase, cancelled);
	tcase_add_test(tcase, closed_from_an_answer);
	tcase_add_test(tcase, too_large);
	tcase_add_test(tcase, pauses_are_found_by_themselves);
	tcase_add_test(tcase, no_pause_for_other_losses);
	tcase_add_test(tcase, pause_that_is_no_cure_is_dropped);
	tcase_add_test(tcase, configured_pause);
	tcase_add_test(tcase, the_wire_takes_its_time);
	tcase_add_test(tcase, messages_on_the_cable);
	tcase_add_test(tcase, a_stalled_process_loses_no_answer);
	tcase_add_test(tcase, raw_framing);
	tcase_add_test(tcase, sequence_numbers_rest);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
