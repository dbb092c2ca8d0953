/* SPDX-License-Identifier: MIT */
#pragma once

/* The command line of mcumgrd, put on top of the configuration file. */

#include <stdbool.h>

#include "daemon/config.h"

enum action { ACTION_RUN, ACTION_CHECK, ACTION_DRY_RUN, ACTION_EXIT };

/* Exit codes, also in mcumgrd(8). */
enum exit_code { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_CONFIG = 3 };

/* Reads arguments and configuration; what is wrong, or help, has been printed when it returns. Returns an exit code;
 * only with EXIT_GOOD are ret_action and ret (NULL for ACTION_EXIT) set. */
enum exit_code options_parse(int argc, char *argv[], enum action *ret_action, struct config **ret);
/* The same configuration file and options once more, on any thread; ret_text: what is wrong, a line each (may be NULL). */
int options_reload(struct config **ret, char **ret_text);
