/* SPDX-License-Identifier: MIT */
#pragma once

/* What the event loop has to look after, as a debug line of the log: "loop: 4 timers, 3 polls, ...". Two of them, before and
 * after much coming and going, tell whether something is left behind. */

#include <uv.h>

void census_log(uv_loop_t *loop);
