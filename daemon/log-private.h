/* SPDX-License-Identifier: MIT */
#pragma once

/* Between log.c (lines) and log-journal.c (the journal's protocol). */

#define LOG_LINE_BYTES 4000 /* with a time before it, what a pipe takes in one piece */

/* All of it escaped, no newlines. 0 also when the journal takes no more just now; an error: write to standard error. */
int log_journal(int priority, const char *device, const char *topic, const char *line);
/* For tests: another socket than the system's; looks at the environment again. */
void log_set_journal(const char *socket_path);
void log_look_for_journal(void);
