/* SPDX-License-Identifier: MIT */
#include "libclient/mcumgrctl/trace.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/failure.h"
#include "libclient/mcumgrctl/text.h"
#include "proto/json.h"
#include "proto/macro.h"

#define EVIDENCE_SHOWN 12 /* lines, and exchanges: the whole is in job watch --json */

void trace_print_time(FILE *f, json_object *object)
{
	const char *time = show_key(object, "time"), *t = strchr(time, 'T');

	t = t ? t + 1 : time;
	fprintf(f, "%.*s ", (int)strcspn(t, "Z"), t);
}

/* "OS Echo", or numbers where there are no names. */
static void print_command(FILE *f, json_object *e)
{
	const char *group = member_string(e, "groupName"), *command = member_string(e, "commandName");
	int64_t n = 0;

	if (group) {
		fprintf(f, "%s ", show(group));
	} else if (member_int(e, "group", &n)) {
		fprintf(f, "group %" PRId64 " ", n);
	}
	if (command)
		fprintf(f, "%s", show(command));
	else if (member_int(e, "command", &n))
		fprintf(f, "command %" PRId64, n);
}

static void print_frame(FILE *f, json_object *e)
{
	const char *name = member_string(e, "rcName");
	int64_t n;

	fprintf(f, "%s ", show_key(e, "operation"));
	print_command(f, e);
	if (member_int(e, "sequence", &n))
		fprintf(f, ", seq %" PRId64, n);
	if (member_int(e, "size", &n))
		fprintf(f, ", %" PRId64 " bytes", n);
	if (member_int(e, "attempt", &n) && n > 1)
		fprintf(f, ", attempt %" PRId64, n);
	if (member_int(e, "rc", &n) && n)
		fprintf(f, ", rc %" PRId64 " %s", n, name ? show(name) : "");
	else if (member_int(e, "rc", &n))
		fprintf(f, ", ok");
	if (member_int(e, "roundTripUs", &n))
		fprintf(f, ", %" PRId64 ".%01" PRId64 " ms", n / 1000, n % 1000 / 100);
}

void trace_print_entry(FILE *f, json_object *e)
{
	const char *kind = member_string(e, "kind"), *text = member_string(e, "text");
	const char *sign = !kind		       ? "?"
		: strcmp(kind, "sent") == 0     ? ">"
		: strcmp(kind, "received") == 0 ? "<"
						: NULL;
	int64_t n;

	trace_print_time(f, e);
	if (sign)
		fprintf(f, "%s ", sign);
	else
		fprintf(f, "- %s ", show(kind));
	if (member_string(e, "operation"))
		print_frame(f, e);
	else if (member_int(e, "size", &n))
		fprintf(f, "%" PRId64 " bytes", n);
	if (text)
		fprintf(f, "%s", show(text));
	fputc('\n', f);
}

/* ---- what a failed job left behind ---- */

static void print_lines(json_object *lines)
{
	size_t n = json_object_array_length(lines), i;

	fprintf(stderr, "  What the board printed last:\n");
	for (i = n > EVIDENCE_SHOWN ? n - EVIDENCE_SHOWN : 0; i < n; i++) {
		json_object *line = json_object_array_get_idx(lines, i);

		fputs("    ", stderr);
		trace_print_time(stderr, line);
		fprintf(stderr, "%s\n", show_key(line, "text"));
	}
}

static void print_entries(json_object *entries)
{
	size_t n = json_object_array_length(entries), i;

	fprintf(stderr, "  What went over its line last:\n");
	for (i = n > EVIDENCE_SHOWN ? n - EVIDENCE_SHOWN : 0; i < n; i++) {
		fputs("    ", stderr);
		trace_print_entry(stderr, json_object_array_get_idx(entries, i));
	}
}

void trace_print_evidence(json_object *job)
{
	json_object *error = json_object_object_get(job, "error");

	if (member_count(error, "console"))
		print_lines(json_object_object_get(error, "console"));
	if (member_count(error, "trace"))
		print_entries(json_object_object_get(error, "trace"));
}

static int on_job(struct mcumgr *m, const struct mcumgr_reply *reply, void *user)
{
	struct board *b = user;
	json_object *job = reply->result == 0 ? json_object_object_get(reply->parameters, "job") : NULL;

	(void)m;
	if (b->finished)
		return 0;
	if (job)
		trace_print_evidence(job);
	board_finish(b, b->code, b->result, b->detail);
	return 0;
}

bool trace_fetch_evidence(struct board *b, const struct mcumgr_error *error, enum exit_code code)
{
	_cleanup_json_ json_object *parameters = NULL;

	if (!b->job || b->ctl->json || b->ctl->quiet || b->ctl->all || code == CODE_CANCELLED || code == CODE_DAEMON)
		return false;
	parameters = json_object_new_object();
	json_object_object_add(parameters, "job", json_object_new_string(b->job));
	if (mcumgr_send(b->connection, "JobWatch", parameters, 0, 0, on_job, b) < 0)
		return false;
	free(b->result);
	free(b->detail);
	b->code = code;
	b->result = format("%s", failure_short(error->name));
	b->detail = format("%s", error->message);
	return true;
}
