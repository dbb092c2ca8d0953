/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/failure.h"
#include "libclient/mcumgrctl/private.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/trace.h"
#include "proto/json.h"

void say(struct board *b, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(b->out, format, args);
	va_end(args);
}

void note(struct board *b, const char *format, ...)
{
	va_list args;

	if (b->ctl->quiet)
		return;
	va_start(args, format);
	vfprintf(b->out, format, args);
	va_end(args);
}

static void open_output(struct board *b)
{
	b->out = open_memstream(&b->text, &b->text_size);
	if (!b->out)
		out_of_memory();
}

void board_flush(struct board *b)
{
	if (fclose(b->out))
		out_of_memory();
	display_finished(b);
	free(b->text);
	open_output(b);
}

void board_finish(struct board *b, enum exit_code code, const char *result, const char *detail)
{
	if (b->finished)
		return;
	b->finished = true;
	b->code = code;
	if (result != b->result) {
		free(b->result);
		b->result = format("%s", result);
	}
	if (!detail || detail != b->detail) {
		free(b->detail);
		b->detail = format("%s", detail ? detail : "");
	}
	board_flush(b);
	mcumgr_close(b->connection);
}

enum next board_fail(struct board *b, enum exit_code code, const char *error, const char *message, const char *hint)
{
	if (!b->finished) {
		failure_local(b->ctl, b->name, code, error, message, hint);
		board_finish(b, code, error, message);
	}
	return NEXT_DONE;
}

/* The next daemon looks at the board, and says what it found. */
static enum exit_code fail_with_job(struct board *b, const char *message)
{
	_cleanup_free_ char *hint = format("Once it runs again, mcumgrctl job watch %s tells what became of the board.", show(b->job));

	return failure_local(b->ctl, b->name, CODE_DAEMON, "ConnectionLost", message, hint);
}

static void fail_connection(struct board *b, int result)
{
	_cleanup_free_ char *message = format("%s", mcumgr_message(b->connection));
	enum exit_code code;

	if (b->finished)
		return;
	if (result == -ECONNRESET && b->job && !private_is_on())
		code = fail_with_job(b, message);
	else
		code = failure_connection(b->ctl, b->name, b->connection, result);
	board_finish(b, code, code == CODE_PERMISSION ? "PermissionDenied" : "daemon", message);
}

static void fail_reply(struct board *b, const struct mcumgr_error *error)
{
	enum exit_code code = failure_report(b->ctl, b->name, error);

	if (!trace_fetch_evidence(b, error, code))
		board_finish(b, code, failure_short(error->name), error->message);
}

/* A reply as --json shows it: verbatim; with --all in an envelope that tells the board. */
void board_print_json(struct board *b, json_object *reply)
{
	_cleanup_json_ json_object *envelope = NULL;

	if (!b->ctl->all) {
		ctl_print_json(reply);
		return;
	}
	envelope = json_object_new_object();
	json_object_object_add(envelope, "device", json_object_new_string(b->name));
	json_object_object_add(envelope, "parameters", json_object_get(reply));
	ctl_print_json(envelope);
}

static void take_job(struct board *b, json_object *reply)
{
	const char *job = member_string(reply, "job");

	if (b->job || !job)
		return;
	b->job = format("%s", job);
	if (b->cancel_wanted)
		interrupt_cancel(b);
}

/* What --detach is for: once the job has a name, it needs nobody. */
static bool leave_job(struct board *b)
{
	if (!b->ctl->detach || !b->job)
		return false;
	note(b, "Job %s runs in the daemon. Follow it with: mcumgrctl job watch %s\n", show(b->job), show(b->job));
	board_finish(b, CODE_DONE, "started", b->job);
	return true;
}

static void take_stream_reply(struct board *b, json_object *reply)
{
	if (b->ctl->verb->event) {
		b->ctl->verb->event(b, reply);
		if (!b->finished)
			board_flush(b);
		return;
	}
	take_job(b, reply);
	progress_update(&b->progress, reply, ctl_now());
	if (!leave_job(b))
		display_update(b->ctl);
}

static void finish_job(struct board *b, json_object *reply)
{
	_cleanup_free_ char *sentence = outcome_sentence(reply), *word = outcome_word(reply);

	take_job(b, reply);
	if (leave_job(b))
		return;
	note(b, "%s\n", sentence);
	board_finish(b, CODE_DONE, word, sentence);
}

static void take_last_reply(struct board *b, json_object *reply)
{
	const struct verb *v = b->ctl->verb;

	if (v->next) {
		if (v->next(b, reply, NULL) == NEXT_DONE)
			board_finish(b, CODE_DONE, "ok", NULL);
		return;
	}
	if (v->flags & VERB_JOB) {
		finish_job(b, reply);
		return;
	}
	if (v->print)
		v->print(b, reply);
	board_finish(b, CODE_DONE, "ok", NULL);
}

static int on_reply(struct mcumgr *m, const struct mcumgr_reply *reply, void *user)
{
	struct board *b = user;

	(void)m;
	if (b->finished)
		return 0;
	if (reply->result == 0 && b->ctl->json && !b->lookup)
		board_print_json(b, reply->parameters);
	if (reply->result == 0 && reply->continues)
		take_stream_reply(b, reply->parameters);
	else if (reply->result == 0)
		take_last_reply(b, reply->parameters);
	else if (reply->result != -EREMOTEIO)
		fail_connection(b, reply->result);
	else if (!b->ctl->verb->next)
		fail_reply(b, reply->error);
	else
		switch (b->ctl->verb->next(b, NULL, reply->error)) {
		case NEXT_ERROR:
			fail_reply(b, reply->error);
			break;
		case NEXT_DONE:
			board_finish(b, CODE_DONE, "ok", NULL);
			break;
		case NEXT_CALL:
			break;
		}
	return 0;
}

static json_object *with_device(struct board *b, json_object *parameters)
{
	json_object *all = json_object_new_object();
	unsigned int flags = b->ctl->verb->flags;

	if (b->name && (flags & VERB_DEVICE))
		json_object_object_add(all, "device", json_object_new_string(b->name));
	json_object_object_foreach(parameters, key, value) json_object_object_add(all, key, json_object_get(value));
	if (b->ctl->timeout_ms && (flags & VERB_TIMEOUT))
		json_object_object_add(all, "timeoutMs", json_object_new_int64(b->ctl->timeout_ms));
	return all;
}

static enum next send_call(struct board *b, const char *method, json_object *parameters, unsigned int flags)
{
	_cleanup_json_ json_object *all = with_device(b, parameters);
	int r = mcumgr_send(b->connection, method, all, flags, 0, on_reply, b);

	if (r < 0)
		fail_connection(b, r);
	return r < 0 ? NEXT_DONE : NEXT_CALL;
}

enum next board_call(struct board *b, const char *method, json_object *parameters)
{
	b->lookup = false;
	return send_call(b, method, parameters, b->ctl->verb->flags & VERB_STREAM ? MCUMGR_MORE : 0);
}

enum next board_stream(struct board *b, const char *method, json_object *parameters)
{
	b->lookup = true;
	return send_call(b, method, parameters, MCUMGR_MORE);
}

enum next board_lookup(struct board *b, const char *method, json_object *parameters)
{
	b->lookup = true;
	return send_call(b, method, parameters, 0);
}

void board_start(struct board *b)
{
	int r;

	open_output(b);
	progress_start(&b->progress, ctl_now());
	if (mcumgr_new(&b->connection) < 0)
		out_of_memory();
	r = mcumgr_connect(b->connection, b->ctl->socket);
	if (r < 0)
		fail_connection(b, r);
	else if (b->ctl->verb->next && b->ctl->verb->next(b, NULL, NULL) == NEXT_DONE)
		board_finish(b, CODE_DONE, "ok", NULL);
	else if (!b->ctl->verb->next)
		board_call(b, b->ctl->verb->method, b->ctl->parameters);
}

void board_release(struct board *b)
{
	mcumgr_free(b->connection);
	mcumgr_free(b->canceller);
	if (b->out)
		fclose(b->out);
	free(b->text);
	free(b->name);
	free(b->job);
	free(b->result);
	free(b->detail);
	json_object_put(b->memory);
	progress_release(&b->progress);
}
