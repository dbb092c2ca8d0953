/* SPDX-License-Identifier: MIT */
#pragma once

/* What goes on while a connection holds something: a command that runs, or a wait for Ctrl-C or the end of standard input. */

#include <stdbool.h>

struct ctl;

/* Something that the connection ctl->connection holds. lost() is asked after each event that came on it. */
struct hold {
	struct ctl *ctl;
	bool (*lost)(struct hold *h); /* NULL: cannot be lost but with the connection */
	bool told;		      /* that it was */
};

/* Runs a command and returns its exit code, or 128 and its signal, as shells do; 127: there is none, 126: it cannot be run. Ctrl-C
 * is for the command, and so is SIGTERM. What is lost is told, and the command goes on. */
int command_run(struct hold *h, char **argv);

/* Waits for the end of standard input, or a loss: 0 or an exit code. Ctrl-C ends the program. */
int command_wait(struct hold *h);

/* "make 'all of it'" as a shell would read it, cut to so many bytes; malloc'd. */
char *command_text(char *const *argv, size_t size);
