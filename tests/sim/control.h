/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The control socket: lines in, one line back for each, in order. A `wait`
 * holds up the commands behind it on its connection until it is answered.
 * The commands are in mcumgr-sim(1).
 */

#include "sim.h"

int control_new(struct sim *sim, const char *path, struct control **ret);
void control_free(struct control *c);

/* state.c */

/* The state of a board as one line of JSON without newline; the caller frees it. */
char *state_json(struct board *b);
/* A number out of it by name, for waits; booleans are 0 and 1. -ENOENT when there is none. */
int state_number(struct board *b, const char *name, int64_t *ret);
/* A text out of it by name (phase, version); the caller frees it. -ENOENT when there is none. */
int state_text(struct board *b, const char *name, char **ret);

/* command.c */

/* Runs a command line. Returns the answer without newline, which the caller frees. */
char *command_run(struct sim *sim, char *line);
/* "BOARD wait …", "BOARD wait-idle …": whether it is true now. */
struct wait {
	struct board *board;
	bool idle;
	char name[64], op[3], value[96];
	uint64_t timeout_ms;
};
/* 1 when `line` is a wait and parsed, 0 when it is none, -EINVAL with *ret_error. */
int wait_parse(struct sim *sim, const char *line, struct wait *ret, char **ret_error);
/* 1 true, 0 not yet, -ENOENT when there is no such thing to wait for. */
int wait_check(const struct wait *w);
