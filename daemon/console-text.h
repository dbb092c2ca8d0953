/* SPDX-License-Identifier: MIT */
#pragma once

/* Console bytes as text that is safe anywhere: valid UTF-8 without control characters but tab. Control sequences of
 * terminals (ECMA-48: colours, cursor movements, titles) are left out, as is a CR at the end of a line; every other byte or
 * character that cannot stay becomes U+FFFD. */

#include <stdbool.h>
#include <stddef.h>

#include "proto/macro.h"

/* malloc'd, NUL-terminated; NULL: out of memory. ret_changed: it is not what was printed. */
char *console_text_clean(const char *data, size_t size, bool *ret_changed);

/* How many of these bytes are whole characters and control sequences: what is behind them may be completed by bytes to
 * come. Never 0 for more than 64 bytes. */
size_t console_text_whole(const char *data, size_t size);
