/* SPDX-License-Identifier: MIT */
/* Console and ConsoleWrite. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/api-private.h"
#include "daemon/console-text.h"
#include "daemon/device-console.h"
#include "proto/base64.h"

#define LINES_MS 5	  /* lines that come together go out together */
#define PARTIAL_MS 30	  /* after this much silence a line that has not ended is told */
#define REPLY_BYTES 65536 /* of the board, in one reply of a stream */
#define TYPING_PAUSE_MS 60000 /* then the log tells again who types */

/* A stream that follows a board's console. It ends with its call or with the board. */
struct follower {
	struct api_stream stream;
	struct console_reader reader;
	bool lines_due; /* the timer runs for whole lines */
};

json_object *api_console_line_json(const struct console_piece *p)
{
	json_object *o = json_object_new_object();
	bool changed = false;
	_cleanup_free_ char *text = console_text_clean(p->text, p->size, &changed), *bytes = NULL;

	api_put_int(o, "number", (int64_t)p->number);
	api_put_time(o, "time", p->time_us);
	api_put_string(o, "text", text ? text : "");
	if (changed || !text)
		bytes = base64_encode(p->text, p->size, NULL);
	api_put_string(o, "bytes", bytes);
	if (p->more)
		api_put(o, "partial", json_object_new_boolean(true));
	api_put_string(o, "mark", console_mark_name(p->mark));
	return o;
}

/* What waits for the reader, up to `limit` bytes of the board; NULL: nothing. What the ring has lost lies before all of it. */
static json_object *take_lines(struct console_reader *reader, bool partial, size_t limit)
{
	json_object *o, *lines;
	struct console_piece piece;
	size_t size = 0;

	if (!console_read(reader, partial, &piece))
		return NULL;
	o = json_object_new_object();
	lines = json_object_new_array();
	if (piece.dropped)
		api_put_int(o, "dropped", (int64_t)piece.dropped);
	do {
		json_object_array_add(lines, api_console_line_json(&piece));
		size += piece.size + 1;
	} while (size < limit && console_read(reader, partial, &piece));
	api_put(o, "lines", lines);
	return o;
}

static json_object *no_lines(void)
{
	json_object *o = json_object_new_object();

	api_put(o, "lines", json_object_new_array());
	return o;
}

/* --- a stream that goes on -------------------------------------------------------------------------------------------- */

static void end(struct follower *f)
{
	console_unfollow(&f->reader);
	api_stream_end(&f->stream);
}

static void arm(struct follower *f);

static void deliver(struct follower *f, bool partial)
{
	json_object *o;

	while (f->stream.call && !call_is_slow(f->stream.call) && (o = take_lines(&f->reader, partial, REPLY_BYTES)))
		call_continue(f->stream.call, o);
}

static void on_timer(uv_timer_t *timer)
{
	struct follower *f = timer->data;
	bool partial = !f->lines_due;

	f->lines_due = false;
	deliver(f, partial);
	if (!partial && f->stream.call)
		arm(f); /* what is left is the beginning of a line */
}

/* Whole lines at once, a half one when the board falls silent. A slow reader waits for drained(). */
static void arm(struct follower *f)
{
	size_t waiting = console_waiting(&f->reader);

	if (call_is_slow(f->stream.call))
		return;
	if (waiting >= CONSOLE_TELL_LINES)
		deliver(f, false); /* before the ring has to drop what a quick reader would have read */
	if (f->lines_due)
		return;
	f->lines_due = waiting > 0;
	uv_timer_start(&f->stream.timer, on_timer, f->lines_due ? LINES_MS : PARTIAL_MS, 0);
}

static void on_ready(struct console_reader *reader)
{
	arm(container_of(reader, struct follower, reader));
}

static void on_drained(struct call *call)
{
	arm(call->user);
}

static void on_closed(struct call *call)
{
	end(call->user);
}

static void on_ended(struct console_reader *reader)
{
	struct follower *f = container_of(reader, struct follower, reader);

	console_unfollow(&f->reader);
	api_stream_gone(&f->stream);
}

static void follow(struct api *api, struct call *call, const struct device *d, struct console *c, size_t backlog)
{
	struct follower *f = api_stream_new(api, call, d, sizeof(*f));
	json_object *o;

	if (!f)
		return;
	f->reader.ready = on_ready;
	f->reader.ended = on_ended;
	call->closed = on_closed;
	call->drained = on_drained;
	console_follow(c, &f->reader, backlog);
	o = take_lines(&f->reader, true, REPLY_BYTES);
	call_continue(call, o ? o : no_lines());
	deliver(f, true);
}

/* --- methods ---------------------------------------------------------------------------------------------------------- */

/* The console that the call names. false: the call is answered. */
static bool find_console(struct call *call, struct device *d, struct device_console **ret)
{
	int interface = (int)api_int(call, "port", -1);
	char names[100] = "";
	size_t n = 0;

	*ret = device_console_usual(d);
	if (interface < 0 || device_console_find(d, interface, false, ret) == 0)
		return true;
	for (const struct device_console *dc = d->consoles; dc && n < sizeof(names); dc = dc->next)
		if (dc->interface >= 0)
			n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%d", n ? ", " : "", dc->interface);
	api_invalid(call, "port", "%s has no port with interface %d; %s%s", d->id, interface,
			names[0] ? "its interfaces: " : "it is not on USB", names);
	return false;
}

/* What the ring holds, in one reply, or in several to a client that takes several. */
static void tell_all(struct call *call, struct console *c, size_t backlog)
{
	struct console_reader reader = {0}; /* gone before anything could be told to it */
	json_object *o, *next;

	console_follow(c, &reader, backlog);
	o = take_lines(&reader, true, call->message.more ? REPLY_BYTES : SIZE_MAX);
	while (o && (next = take_lines(&reader, true, REPLY_BYTES))) {
		call_continue(call, o);
		o = next;
	}
	console_unfollow(&reader);
	call_reply(call, o ? o : no_lines());
}

static void console(struct api *api, struct call *call)
{
	int64_t lines = api_int(call, "backlog", -1);
	size_t backlog = lines < 0 ? SIZE_MAX : (size_t)lines;
	bool follows = api_bool(call, "follow", false);
	struct device_console *dc;
	struct device *d;

	if (follows && !call->message.more) {
		call_error(call, "org.varlink.service.ExpectedMore", NULL);
		return;
	}
	if (!api_device(api, call, &d) || !find_console(call, d, &dc))
		return;
	/* What it printed while a section managed it can still be read; else nothing was heard of it, nor will be. */
	if (!device_is_managed(d) && console_count(dc->console) == 0 && !console_has_begun(dc->console)) {
		api_fail_unavailable(call, d, NULL);
		return;
	}
	if (follows)
		follow(api, call, d, dc->console, backlog);
	else
		tell_all(call, dc->console, backlog);
}

static void fail_write(struct call *call, struct device *d, int e, const char *text)
{
	if (e == -ENOBUFS)
		api_fail_limit(call, "typed", LIMIT_TYPED_UNSENT_BYTES, "its tty takes nothing now: flow control, or a slow line",
				"earlier keystrokes have not been sent yet");
	else if (e == -ENOMEM)
		api_fail_limit(call, "memory", 0, NULL, "the daemon is out of memory");
	else
		api_fail_unavailable(call, d, text);
}

/* A line in the log for someone who types, not for each key. */
static void audit_typing(struct api *api, const struct call *call, const struct device *d)
{
	uint64_t now = uv_now(api->loop);
	pid_t pid = call_peer(call)->pid;

	if (api->typist.pid != pid || strcmp(api->typist.device, d->id) != 0 || now - api->typist.ms > TYPING_PAUSE_MS)
		api_audit(call, d, "ConsoleWrite");
	api->typist.pid = pid;
	api->typist.ms = now;
	snprintf(api->typist.device, sizeof(api->typist.device), "%s", d->id);
}

static void console_write(struct api *api, struct call *call)
{
	_cleanup_free_ uint8_t *bytes = NULL;
	const char *data = api_string(call, "data"), *text;
	size_t size = 0, at = 0;
	struct device_console *dc;
	struct device *d;
	int e;

	if (!api_device_to_change(api, call, &d) || !find_console(call, d, &dc))
		return;
	e = strlen(data) > (LIMIT_TYPED_BYTES + 2) / 3 * 4 ? -E2BIG : base64_decode(data, strlen(data), &bytes, &size, &at);
	if (e == -E2BIG || size > LIMIT_TYPED_BYTES) {
		api_fail_limit(call, "typedBytes", LIMIT_TYPED_BYTES, "send it in several calls", "that is too much in one call");
		return;
	}
	if (e == -EBADMSG) {
		api_invalid(call, "data", "'data' is no padded base64: trouble at character %zu", at);
		return;
	}
	e = e < 0 ? e : device_console_type(dc, bytes, size, &text);
	if (e < 0) {
		fail_write(call, d, e, e == -ENODEV ? text : NULL);
		return;
	}
	audit_typing(api, call, d);
	call_reply(call, json_object_new_object());
}

#define API_PORT {"port", API_INT, .optional = true, .min = 0, .max = 255}
static const struct api_parameter console_parameters[] = {
	API_DEVICE,
	{"backlog", API_INT, .optional = true, .min = 0, .max = INT64_MAX},
	{"follow", API_BOOL, .optional = true},
	API_PORT,
	{NULL},
};
static const struct api_parameter write_parameters[] = {API_DEVICE, {"data", API_STRING}, API_PORT, API_LEASE, {NULL}};

const struct api_method api_console_methods[] = {
	{"Console", console_parameters, console, ROLE_READ},
	{"ConsoleWrite", write_parameters, console_write, ROLE_CHANGE},
	{NULL},
};
