/* SPDX-License-Identifier: MIT */
#pragma once

/* mcumgrd --dry-run: what would be opened and sent, by what is plugged in and configured now. Opens and sends nothing. */

#include <uv.h>

#include "daemon/config.h"

/* Prints to standard output. 0/-errno. */
int dry_run(uv_loop_t *loop, const struct config *config);
