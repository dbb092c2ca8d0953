/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/doctor.h"

static char *formatted(const char *format, va_list args)
{
	char *text;

	if (vasprintf(&text, format, args) < 0)
		out_of_memory();
	return text;
}

void doctor_say(struct doctor *d, const char *check, enum doctor_result result, const char *format_, ...)
{
	struct finding *f;
	va_list args;

	if (d->count == d->capacity) {
		d->capacity = d->capacity ? 2 * d->capacity : 16;
		d->findings = realloc(d->findings, d->capacity * sizeof(*d->findings));
		if (!d->findings)
			out_of_memory();
	}
	f = &d->findings[d->count++];
	*f = (struct finding){ .check = check, .result = result, .subject = d->subject ? format("%s", d->subject) : NULL };
	va_start(args, format_);
	f->message = formatted(format_, args);
	va_end(args);
}

void doctor_advise(struct doctor *d, const char *format_, ...)
{
	struct finding *f = &d->findings[d->count - 1];
	char *line, *before = f->advice;
	va_list args;

	va_start(args, format_);
	line = formatted(format_, args);
	va_end(args);
	f->advice = before ? format("%s\n%s", before, line) : format("%s", line);
	free(before);
	free(line);
}

bool doctor_has_problem(const struct doctor *d)
{
	size_t i;

	for (i = 0; i < d->count; i++)
		if (d->findings[i].result == DOCTOR_PROBLEM)
			return true;
	return false;
}

const char *doctor_result_name(enum doctor_result result)
{
	static const char *const names[] = {
#define X(name, text) text,
		DOCTOR_RESULTS(X)
#undef X
	};

	return names[result];
}

json_object *doctor_call(struct doctor *d, const char *method, json_object *parameters, char **ret_error, char **ret_hint)
{
	struct mcumgr_error *error = NULL;
	json_object *reply = NULL;
	int r = mcumgr_call(d->ctl->connection, method, parameters, &reply, &error);

	if (r < 0 && ret_error)
		*ret_error = format("%s", error ? error->message : mcumgr_message(d->ctl->connection));
	if (error && error->hint && ret_hint)
		*ret_hint = format("%s", error->hint);
	mcumgr_error_free(error);
	return r < 0 ? NULL : reply;
}

void doctor_release(struct doctor *d)
{
	size_t i;

	for (i = 0; i < d->count; i++) {
		free(d->findings[i].subject);
		free(d->findings[i].message);
		free(d->findings[i].advice);
	}
	free(d->findings);
	json_object_put(d->ports);
	host_ttys_free(d->ttys, d->tty_count);
}
