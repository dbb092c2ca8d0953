/* SPDX-License-Identifier: MIT */
#pragma once

/* SMP over a port: sequence numbers, requests in flight, deadlines, retry, queue.
 *
 * Requests to a board queue, in order. REQUEST_READ slots in between the chunks of a job (REQUEST_JOB); REQUEST_WRITE waits
 * while a job is active, within its deadline. In flight at once: session_set_window (1 at first).
 *
 * Deadlines: an attempt has its wire time both ways plus the larger of timeout_ms and the request's own; console text does
 * not prolong it. A REPEAT_HARMLESS request is repeated up to `retries` times with a new sequence number, once the board has
 * answered anything since the port was opened; before that it has one attempt. REPEAT_NEVER is sent once. rc 10 (busy) backs
 * off and repeats for both, except group 0 id 5. Answers that match nothing in flight are dropped and counted; a reply to an
 * earlier attempt of the same request counts as its answer.
 *
 * Watched requests: a board answers in order. When the answer to one is overdue, by the pace of the answers before, the board is
 * asked something harmless; an answer to that, or to anything else sent later, means that the request or its answer was lost.
 * It is then repeated at once, or fails, long before its deadline. Not with raw framing, and only while the board has room for
 * the question (session_set_room).
 *
 * Held (session_hold): nothing is sent; what is queued waits, its deadline stands still, at most 30 s. Used for the quiet
 * time after attach and reset, and while the port is away (then -ENODEV after the hold ends with session_detach).
 *
 * Pacing: with line_delay_ms < 0 lines go out without pause until a request of three lines or more was lost while shorter
 * ones are answered; then a pause of 11 ms a line is tried and, if that answers, kept and told by learnt().
 *
 * SMP version: v2 first; a plain rc 13 in answer to v2, or rc 12 to v1, switches and repeats; session_set_version forces.
 *
 * done() is called exactly once for each submitted request, from the loop, never from inside session_submit; not after
 * session_cancel. The request belongs to the caller and must stay until then. */

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon/port.h"
#include "daemon/trace.h"
#include "proto/commands.h"
#include "proto/serial.h"
#include "proto/smp.h"

enum request_class { REQUEST_READ, REQUEST_WRITE, REQUEST_JOB };

struct answer {
	int error; /* 0: payload holds the reply. -EREMOTEIO: status. -ETIMEDOUT, -ENODEV (port gone), -EBADMSG (broken
		      reply), -EMSGSIZE (request larger than the board's buffer), -EBUSY (queue full), -EAGAIN (waited behind
		      a job until the deadline) */
	struct smp_status status;
	const struct value *payload; /* NULL unless error is 0 or -EREMOTEIO; borrowed until done returns */
	const char *text;	     /* a sentence when error is not 0 */
	unsigned int attempts;
	bool passed_over; /* -ETIMEDOUT, and the board has answered something that was sent later */
	uint64_t round_trip_us;
};

struct request {
	enum request_class class;
	uint8_t op;
	uint16_t group;
	uint8_t id;
	uint8_t *payload; /* CBOR; malloc'd, freed by request_release */
	size_t payload_size;
	enum smp_repeat repeat;
	unsigned int answer_ms;	 /* the board's own time for this; 0: the session's timeout_ms */
	unsigned int timeout_ms; /* replaces the session's timeout_ms; 0: keep it */
	bool any_state;		 /* goes out although the session is held: probing and the update itself */
	bool watched;		 /* see above */
	void (*done)(struct request *request, const struct answer *answer);
	void *user;
	struct session_request *pending; /* private; NULL when not submitted */
};
void request_release(struct request *request); /* frees the payload; the request must not be pending */

struct session_settings {
	enum serial_framing framing;
	unsigned int baud; /* for the wire time; 0: none */
	unsigned int timeout_ms, retries;
	int line_delay_ms;
};

struct session_callbacks {
	void (*text)(void *user, const uint8_t *data, size_t size); /* console text */
	void (*learnt)(void *user); /* line delay or version changed by experience */
	void (*parameters)(void *user, const struct value *reply); /* asked on the way, to find losses; may be NULL */
	void (*trace)(void *user, const struct trace_entry *entry); /* frames, losses; may be NULL. From inside anything. */
};

struct session;
int session_new(uv_loop_t *loop, const struct session_settings *settings, const struct session_callbacks *callbacks,
		void *user, struct session **ret);
void session_close(struct session *s); /* every pending request: -ENODEV, before it returns; frees itself later */

void session_attach(struct session *s, struct port *port); /* borrowed; sends "\n" first to end a half line */
void session_detach(struct session *s, const char *reason); /* in flight and queued: -ENODEV */
void session_received(struct session *s, const uint8_t *data, size_t size); /* wire port.received to this */
void session_hold(struct session *s);
void session_release(struct session *s);
/* Goes on where the session of an earlier daemon was on the same open tty; after session_attach. */
void session_resume(struct session *s, uint8_t next_sequence, bool half_read);
uint8_t session_next_sequence(const struct session *s);
bool session_is_half_read(const struct session *s); /* a frame has come in part */
bool session_is_held(const struct session *s);

int session_submit(struct session *s, struct request *request); /* 0, -EBUSY (queue full), -EMSGSIZE, -ENOMEM */
void session_cancel(struct session *s, struct request *request); /* a late answer is dropped; done is not called */

/* Keystrokes for the board's shell, behind what was sent and never inside a message. The next request goes out after a pause,
 * because a shell takes for typed what comes together with typed bytes; when a line is half typed, a board without a shell
 * needs it ended first, and one with a shell would run it. So harmless requests find out which of them this board is, and
 * until that is known others end the line. 0, -ENOTCONN (no open port), -ENOBUFS (the tty takes nothing), -EOPNOTSUPP (no
 * text on a line with raw framing). */
int session_type(struct session *s, const uint8_t *data, size_t size);

void session_set_message_max(struct session *s, size_t bytes); /* 0: unlimited until known */
size_t session_message_max(const struct session *s);
void session_set_window(struct session *s, unsigned int window);
/* Messages that the board can hold before it has answered any, the reply's buffer not counted. */
void session_set_room(struct session *s, unsigned int messages);
bool session_watches(const struct session *s); /* a loss of something watched would be noticed, should it happen now */
void session_set_job_active(struct session *s, bool active);
/* How many of the largest messages are on the cable, or in adapters, when they follow each other without a pause: from the
 * least time that an answer took since the job became active besides its own bytes and the request's. Not in the board's
 * buffers, so that as many may be sent at once to a board that takes one. 0 when that is not known. */
unsigned int session_on_cable(const struct session *s);
void session_set_version(struct session *s, enum smp_version version);
enum smp_version session_version(const struct session *s);
void session_set_line_delay(struct session *s, unsigned int ms); /* as remembered from before */
unsigned int session_line_delay(const struct session *s);
void session_set_timeout(struct session *s, unsigned int timeout_ms);
void session_set_retries(struct session *s, unsigned int retries);

bool session_has_answered(const struct session *s); /* since attach */
uint64_t session_last_answer(const struct session *s); /* uv_now of it; 0: never */
struct session_counters {
	uint64_t requests, answers, timeouts, retries, stale, damaged, bytes_sent, bytes_received;
};
void session_counters(const struct session *s, struct session_counters *ret);
