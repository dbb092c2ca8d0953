/* SPDX-License-Identifier: MIT */
#pragma once

/* What a job that failed leaves behind for whoever looks into it later: copies of the last lines that its board printed and of
 * the last entries of its trace. */

#include "daemon/console.h"
#include "daemon/trace.h"

#define EVIDENCE_LINES 20
#define EVIDENCE_LINE_BYTES 256 /* of each */
#define EVIDENCE_ENTRIES 24

struct job_evidence {
	struct console_line lines[EVIDENCE_LINES];
	size_t line_count;
	struct trace_entry entries[EVIDENCE_ENTRIES];
	size_t entry_count;
	char text[EVIDENCE_LINES][EVIDENCE_LINE_BYTES]; /* of the lines */
};

/* malloc'd; NULL: no memory. */
struct job_evidence *job_evidence_new(const struct console *console, const struct trace *trace);
