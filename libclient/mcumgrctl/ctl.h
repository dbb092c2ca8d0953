/* SPDX-License-Identifier: MIT */
#pragma once

/* One run of mcumgrctl: what the command line asked for, and the boards it runs on.
 *
 * A board here is one connection that carries one verb through: it sends a call, gets replies, perhaps sends the next,
 * and finishes with an exit code. Without --all there is one (whose name may be left to the daemon); with --all as many
 * as the daemon knows. All of them live in one poll loop (loop.c), which also draws the progress and hears Ctrl-C. */

#include <json-c/json.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "libclient/mcumgr.h"
#include "libclient/mcumgrctl/args.h"
#include "libclient/mcumgrctl/exit-code.h"
#include "libclient/mcumgrctl/progress.h"
#include "libclient/mcumgrctl/verb.h"

struct board {
	struct ctl *ctl;
	char *name; /* --device, or one of --all; NULL: the only board */
	struct mcumgr *connection;
	struct mcumgr *canceller; /* second connection, for JobCancel; NULL until Ctrl-C */
	bool lookup;              /* the pending call's reply is not for --json */

	FILE *out; /* what the verb prints; shown when the board finishes (streams: at once) */
	char *text;
	size_t text_size;

	struct progress progress;
	char *job; /* id, once known */
	bool cancel_wanted;

	unsigned int step;   /* for verbs of several calls */
	json_object *memory; /* for the same */
	uint64_t deadline;   /* of verbs that follow up what they did; 0: none */

	bool started; /* its turn has come */
	bool finished;
	enum exit_code code;
	char *result; /* "ok", "TimedOut", ...: for the table of --all */
	char *detail;
};

struct ctl {
	struct args *args;
	const struct verb *verb;
	const char *socket, *device, *serial, *usb; /* usb: --usb-serial, which is device too */
	char *device_found; /* what --serial was resolved to */
	int64_t baud;
	bool all, json, quiet, verbose, raw, detach;
	const char *subject; /* what errors that name no board are about, such as a file; or NULL */
	bool reader_left; /* of the output: nothing is to be said of that */
	int64_t timeout_ms; /* 0: not given */
	int64_t parallel, stop_after; /* with --all: boards at once, failures; 0: not given */
	uint64_t deadline;  /* of a verb that waits; UINT64_MAX: none */

	struct mcumgr *connection; /* for what comes before the boards: List, ImagePut */
	json_object *parameters;   /* of the verb's call, the same for each board */
	struct board *boards;
	size_t count;
	unsigned int interrupts; /* seen so far */
	char secret[17];         /* what the connection test sends */
};

uint64_t ctl_now(void);

/* Connects ctl->connection, if it is not. 0, or an exit code of something reported. */
int ctl_connect(struct ctl *ctl);

/* A blocking call on ctl->connection. 0, or an exit code of something reported. */
int ctl_call(struct ctl *ctl, const char *method, json_object *parameters, json_object **ret_reply);

/* Whether the command line has settings of boards. */
bool ctl_tunes(const struct ctl *ctl);

/* One line of JSON on stdout. */
void ctl_print_json(json_object *object);

/* Runs the verb on its boards and returns the exit code. */
int ctl_run(struct ctl *ctl);

/* ---- board.c ---- */

void board_start(struct board *b);
void board_release(struct board *b);

/* Sends a call for this board: device and timeout are added. lookup: its reply is not part of what --json prints. A
 * failure to send finishes the board. */
enum next board_call(struct board *b, const char *method, json_object *parameters);
enum next board_lookup(struct board *b, const char *method, json_object *parameters);
/* The same with 'more': its replies go to the verb's event(). */
enum next board_stream(struct board *b, const char *method, json_object *parameters);

/* A reply as --json shows it. */
void board_print_json(struct board *b, json_object *reply);

/* Ends the board with a failure of the client's own; NEXT_DONE. */
enum next board_fail(struct board *b, enum exit_code code, const char *error, const char *message, const char *hint);

void board_finish(struct board *b, enum exit_code code, const char *result, const char *detail);

/* Lines of the verb's own between replies of a stream. */
void board_flush(struct board *b);

/* Prints to the board's output; what boards say goes through show(). */
void say(struct board *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A sentence that scripts do not need: not with --quiet. */
void note(struct board *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- interrupt.c ---- */

void interrupt_setup(void);
unsigned int interrupt_count(void);
const sigset_t *interrupt_mask(void); /* for ppoll(): Ctrl-C is heard there and nowhere else */
void interrupt_handle(struct ctl *ctl);
void interrupt_cancel(struct board *b); /* asks the daemon to stop the board's job, as soon as it has a name */

/* ---- display.c ---- */

/* Shows what has changed; wait: at most this many ms until the next time (-1: nothing moves by itself). */
void display_update(struct ctl *ctl);
int display_wait_ms(const struct ctl *ctl);
void display_finished(struct board *b); /* what the verb printed */
void display_table(struct ctl *ctl);    /* after --all */

/* ---- outcome.c ---- */

/* What the last reply of Update or ImageUpload, or an ended Job means; malloc'd. */
char *outcome_sentence(json_object *reply);
/* In a few words, for the table. malloc'd. */
char *outcome_word(json_object *reply);
