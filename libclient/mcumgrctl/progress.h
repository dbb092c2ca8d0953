/* SPDX-License-Identifier: MIT */
#pragma once

/* How far a job is, from its replies; as a bar for a terminal and as lines for everything else. No clock of its own:
 * times are given, in ms of any monotonic clock. */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A line is due at a new step, at each full tenth of an upload, and after this long without one. */
#define PROGRESS_PAUSE_MS 10000

struct progress {
	char step[24];
	int percent;                /* of the whole job */
	int64_t done, total;        /* bytes of the step; total 0: nothing to count */
	uint64_t since, step_since; /* of the job, of the step */
	double rate;                /* bytes a second; 0: not known yet */
	uint64_t rate_time;
	int64_t rate_done;
	char *message; /* what the step says; clean */

	char line_step[24];
	int line_tenth;
	uint64_t line_time;
	bool line_message; /* new since the last line */
};

void progress_start(struct progress *p, uint64_t now);
void progress_release(struct progress *p);

/* A reply of Update or ImageUpload, or a Job. */
void progress_update(struct progress *p, json_object *reply, uint64_t now);

/* The share of the step, or of the job where the step has no bytes. */
int progress_percent(const struct progress *p);

/* One line of at most width columns: step, bar, share, bytes, rate and time left, as they fit. malloc'd. */
char *progress_bar(const struct progress *p, uint64_t now, size_t width);

/* The next line for an output that is no terminal; NULL: none is due. malloc'd. */
char *progress_line(struct progress *p, uint64_t now);

/* "12.3 KiB"; "0:42"; for others who show such things. Both malloc'd. */
char *progress_bytes(int64_t bytes);
char *progress_time(uint64_t ms);
