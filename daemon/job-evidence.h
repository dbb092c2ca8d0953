/* SPDX-License-Identifier: MIT */
#pragma once

/* What a job that failed leaves behind for whoever looks into it later: copies of the last lines that its board printed and of
 * the last entries of its trace. It goes to the record of the job in the state directory (job-ended.h), so that a failure at
 * night can be read in the morning, whatever became of the daemon meanwhile. */

#include "daemon/console.h"
#include "daemon/limits.h"
#include "daemon/record.h"
#include "daemon/trace.h"

struct job_evidence {
	struct console_line lines[LIMIT_EVIDENCE_LINES];
	size_t line_count;
	struct trace_entry entries[LIMIT_EVIDENCE_ENTRIES];
	size_t entry_count;
	char text[LIMIT_EVIDENCE_LINES][LIMIT_EVIDENCE_LINE_BYTES]; /* of the lines */
};

/* malloc'd; NULL: no memory. */
struct job_evidence *job_evidence_new(const struct console *console, const struct trace *trace);

/* Keys console_NN and trace_NN of a record. 0, -ENOMEM, -E2BIG. */
int job_evidence_remember(const struct job_evidence *e, struct record *r);
/* From such a record; ret NULL: it has none. 0, -EBADMSG (somebody else wrote it), -ENOMEM. */
int job_evidence_restore(const struct record *r, struct job_evidence **ret);
