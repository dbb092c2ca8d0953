/* SPDX-License-Identifier: MIT */
#pragma once

/* Why a board does not answer, and what to do.
 *
 * A check looks at one thing and says what it found: a finding, with advice where something is to be done. Checks of the
 * service come first, then those of each port and each board. What the daemon knows is asked of it, when it can be asked;
 * the rest is looked at with the caller's rights (host.h). Nothing is changed, and boards are sent one echo at most. */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#include "libclient/mcumgrctl/host.h"
#include "libclient/mcumgrctl/text.h"

struct ctl;

#define DOCTOR_RESULTS(X)                                                                                              \
	X(OK, "ok")           /* as it should be */                                                                     \
	X(UNKNOWN, "unknown") /* not allowed to see, or no way to tell */                                               \
	X(WARNING, "warning") /* works, but will give trouble */                                                        \
	X(PROBLEM, "problem") /* keeps boards from answering */
enum doctor_result {
#define X(name, text) DOCTOR_##name,
	DOCTOR_RESULTS(X)
#undef X
};

struct finding {
	const char *check;
	enum doctor_result result;
	char *subject; /* a board's id or a tty; NULL: the machine */
	char *message;
	char *advice; /* lines, or NULL */
};

struct doctor {
	struct ctl *ctl;
	struct finding *findings;
	size_t count, capacity;
	const char *subject; /* of what is found now */
	bool reachable;	     /* the daemon */
	json_object *ports;  /* reply of Ports; NULL: not to be had */
	struct host_tty *ttys;
	size_t tty_count;
};

/* Adds a finding of the current subject. check: a literal. */
void doctor_say(struct doctor *d, const char *check, enum doctor_result result, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* A line of advice for the newest finding. */
void doctor_advise(struct doctor *d, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool doctor_has_problem(const struct doctor *d);
const char *doctor_result_name(enum doctor_result result);
void doctor_release(struct doctor *d);

/* The call failed, and said why to nobody: a reply (a new reference), or NULL. ret_error and ret_hint may be NULL; else malloc'd, and
 * the hint is left alone where there is none. */
json_object *doctor_call(struct doctor *d, const char *method, json_object *parameters, char **ret_error, char **ret_hint);

/* doctor-service.c: the daemon and its socket; the machine as a whole. Connects. */
void doctor_service(struct doctor *d);
void doctor_machine(struct doctor *d);
/* doctor-port.c: a tty; managed: by the daemon that was asked. Port object of the API, or NULL. */
void doctor_port(struct doctor *d, const char *node, bool managed);
void doctor_configured(struct doctor *d, json_object *port);
const struct host_tty *doctor_tty(const struct doctor *d, const char *node); /* NULL: not on USB */
/* doctor-board.c: a Device object of the API. */
void doctor_board(struct doctor *d, json_object *device);
