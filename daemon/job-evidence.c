/* SPDX-License-Identifier: MIT */

#include "daemon/job-evidence.h"

#include <stdlib.h>
#include <string.h>

static void take_lines(struct job_evidence *e, const struct console *console)
{
	size_t count = console_count(console), first = count > EVIDENCE_LINES ? count - EVIDENCE_LINES : 0;

	for (size_t i = first; i < count; i++) {
		struct console_line *line = &e->lines[e->line_count];
		char *text = e->text[e->line_count];

		if (console_at(console, i, line) < 0)
			break;
		if (line->size > EVIDENCE_LINE_BYTES)
			line->size = EVIDENCE_LINE_BYTES;
		memcpy(text, line->text, line->size);
		line->text = text;
		e->line_count++;
	}
}

struct job_evidence *job_evidence_new(const struct console *console, const struct trace *trace)
{
	struct job_evidence *e = calloc(1, sizeof(*e));
	size_t count = trace_count(trace), first = count > EVIDENCE_ENTRIES ? count - EVIDENCE_ENTRIES : 0;

	if (!e)
		return NULL;
	take_lines(e, console);
	for (size_t i = first; i < count; i++)
		if (trace_at(trace, i, &e->entries[e->entry_count]) == 0)
			e->entry_count++;
	return e;
}
