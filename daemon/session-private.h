/* SPDX-License-Identifier: MIT */
#pragma once

/* Between the files of the session: session.c (the object, its clock, its port), session-queue.c (who may go next),
 * session-send.c (an attempt: sequence number, pacing, deadline), session-type.c (keystrokes between attempts),
 * session-answer.c (what a reply or its absence means), session-watch.c (absences that are noticed before a deadline).
 *
 * A request waits, flies (sent, or backing off after "busy"), and is done. done() of a request may do anything to the
 * session, also close it: after session_finish nothing that was looked up before is known to be there. */

#include <sys/queue.h>

#include "daemon/round-trip.h"
#include "daemon/session.h"

#define SESSION_HOLD_MAX_MS 30000     /* a request waits this long for a held session */
#define SESSION_FLUSH_MS 50	      /* after a bare newline: a shell takes what comes in the same read for a command */
#define SESSION_PAUSE_MS 11	      /* a line; enough for a board with two line buffers and a tick of 10 ms */
#define SESSION_BURST_LINES 3	      /* lines at once that such a board loses */
#define SESSION_BURSTS_LOST 4	      /* in a row, by a board that has taken one before: two are bad luck of a bad cable */
#define SESSION_BURSTS_TRUSTED 64     /* no more are counted; a fourth of them comes on top */
#define SESSION_BURSTS_REFUSED 3	      /* ... of one request of a client: its last attempt must not go the same way */
#define SESSION_BUSY_FIRST_MS 50
#define SESSION_BUSY_MOST_MS 1000
#define SESSION_BUSY_TOTAL_MS 5000
#define SESSION_RAW_SILENCE_MS 3500   /* after a loss: a board drops half a message after 3 s (SMP §2.2) */
#define SESSION_BEHIND_STUCK 2	      /* attempts behind a command that was given up: with it, what 4 buffers hold beside a reply */
#define SESSION_STUCK_MS 60000	      /* then it is thought to be over, although nothing was answered since */
#define SESSION_SEQUENCE_REST 128     /* numbers given out before one that was given up is used again */
#define SESSION_QUESTIONS 4	      /* "are you there?" behind requests whose answers are overdue */
#define SESSION_PASSED_OVER_MAX 10    /* of one request */
#define SESSION_REMEMBERED_ATTEMPTS 4 /* whose late replies still count */

struct session_request {
	struct request *request;
	TAILQ_ENTRY(session_request) link;
	bool flying, backing_off, ending;
	uint64_t queued_at, blocked_at; /* ms; blocked: behind a job, 0: not */
	uint64_t deadline;		/* flying: of this attempt, or when to go on after "busy" */
	uint64_t busy_until;		/* patience with "busy"; 0: never was */
	unsigned int back_off_ms;
	unsigned int attempts;		/* sent in all */
	unsigned int repeats;		/* those that count against the retries */
	unsigned int passed_over;	/* times that the board answered something later instead */
	bool hurried;			/* this attempt was made early because a frame came damaged */
	bool switched;			/* the version was switched for it once */
	size_t lines;			/* of the latest attempt */
	uint8_t sequences[SESSION_REMEMBERED_ATTEMPTS];
	size_t sequence_count;
};
TAILQ_HEAD(session_list, session_request);

struct session_sequence {
	struct session_request *owner; /* NULL: free, or resting */
	uint64_t given_up;	       /* value of session.allocated at that time; 0: not */
	uint64_t number;	       /* ... and when it was given out last */
	uint64_t sent_us;
	uint64_t out_us; /* when its last byte was on the wire */
	unsigned int burst; /* lines on the wire with it, without a pause */
	bool paced;
	bool behind_typed; /* sent while a typed line was open */
};

/* Whether the board hears a frame behind a half-typed line. */
enum hears_typed { HEARS_UNKNOWN, HEARS_FRAME, HEARS_NOTHING };

enum pacing { PACING_NONE, PACING_TRIED, PACING_KEPT };

struct session {
	uv_loop_t *loop;
	uv_timer_t timer;
	struct session_settings settings;
	struct session_callbacks callbacks;
	void *user;
	struct port *port;
	struct serial_reader *reader;
	struct session_list waiting, flying;
	size_t waiting_count, flying_count;
	unsigned int window;
	size_t message_max;
	enum smp_version version;
	bool held, job_active, closed, urgent, grace, feeding, reset_wanted, learnt;
	bool line_open;		/* a half line may stand in the board's buffer: end it before the next frame */
	bool own_newline;	/* the last byte for a shell was the newline that ended a half line */
	uint8_t shell_end;	/* CR or LF: what a shell took last for the end of a line; 0: other text came since */
	bool typed_open;	/* somebody typed, and the line is not ended */
	uint64_t typed_until;	/* ms: when the last keystrokes are on the wire; 0: none since the last frame */
	enum hears_typed hears_typed;
	uint64_t held_at;	/* ms */
	uint64_t wire_free_us;	/* when everything sent so far is on the wire; in ms it would drift with short messages */
	uint64_t silent_until;	/* ms: raw framing after a loss */
	uint64_t stuck_number;	/* of a command that was given up and may still run on the board; 0: none */
	uint64_t stuck_until;	/* ms */
	bool answered;
	uint64_t last_answer;
	/* pacing, found by itself */
	enum pacing pacing;
	unsigned int line_delay; /* kept */
	bool short_answered, burst_answered;
	unsigned int bursts_lost, bursts_answered;
	/* watching: see session-watch.c */
	struct request questions[SESSION_QUESTIONS];
	unsigned int room;	   /* messages that the board can hold unanswered */
	uint64_t ended_number;	   /* of the newest message behind which a newline was sent */
	uint64_t answered_number;  /* of the newest message that was answered */
	unsigned int passed_over;  /* requests, since the port was opened */
	uint64_t heard_us;	   /* when the last message came */
	struct round_trip rhythm;  /* from then, or from the end of sending, to the next */
	uint64_t cable_us;	   /* least time from the end of sending to the beginning of the answer; 0: not known */
	/* sequence numbers */
	struct session_sequence sequences[256];
	uint8_t next_sequence;
	uint64_t allocated;
	struct session_counters counters;
};

uint64_t session_now_us(void);
void session_trace(struct session *s, enum trace_kind kind, const struct smp_header *header, size_t size, unsigned int attempt);
uint64_t session_now(void); /* ms, and not the loop's, which stands still during a callback */
void session_wake(struct session *s);  /* the timer's next turn looks at everything */
void session_rearm(struct session *s); /* sets the timer for the next deadline */

/* session-queue.c */
void session_pump(struct session *s);
void session_expire_waiting(struct session *s, uint64_t now);
uint64_t session_waits_until(const struct session *s, const struct session_request *e); /* 0: as long as it takes */
void session_move_to_flying(struct session *s, struct session_request *e);
void session_move_to_waiting(struct session *s, struct session_request *e); /* to its head */
bool session_may_send(const struct session *s, const struct session_request *e);
/* The board may be at work on a command that was given up, and as much waits behind that as its buffers are sure to hold: one
 * request more makes some servers fail for good (seen on Zephyr 4.4: an empty pool of buffers is not checked). */
bool session_is_crowded(const struct session *s);

/* session-send.c */
void session_transmit(struct session *s, struct session_request *e); /* an attempt; e flies */
unsigned int session_board_ms(const struct session *s, const struct request *request);
uint64_t session_wire_us(const struct session *s, size_t bytes);
uint64_t session_wire_ms(const struct session *s, size_t bytes);
void session_shorten_deadlines(struct session *s); /* something was answered */
void session_give_up_sequence(struct session *s, uint8_t sequence);
void session_pacing_answered(struct session *s, const struct session_sequence *q);
void session_pacing_lost(struct session *s, const struct session_sequence *q);

/* session-type.c */
void session_shell_hears(struct session *s, uint8_t byte);
uint64_t session_type_before(struct session *s, const struct request *request, struct session_sequence *q); /* ms of pause */
void session_type_answered(struct session *s, const struct session_sequence *q);
void session_type_lost(struct session *s, const struct session_sequence *q);

/* session-watch.c */
uint64_t session_watch_until(const struct session *s); /* ms: when a question is due; 0: none is */
void session_watch_ask(struct session *s, uint64_t now);
void session_watch_heard(struct session *s, uint8_t sequence, size_t size);
void session_watch_sweep(struct session *s); /* what the board has passed over is lost */
size_t session_questions(const struct session *s); /* that fly */
bool session_is_question(const struct session *s, const struct session_request *e);

/* session-answer.c */
void session_take_message(struct session *s, const uint8_t *data, size_t size);
void session_take_damage(struct session *s, enum serial_damage why);
void session_expire_flying(struct session *s, uint64_t now);
void session_finish(struct session *s, struct session_request *e, const struct answer *answer);
void session_repeat(struct session *s, struct session_request *e); /* now, or when that is possible again */
void session_trace_lost(struct session *s, const struct session_request *e);
void session_fail(struct session *s, struct session_request *e, int error, const char *format, ...) _printf_(4, 5);
void session_unlink(struct session *s, struct session_request *e); /* from lists and sequence numbers */
