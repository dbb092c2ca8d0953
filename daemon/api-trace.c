/* SPDX-License-Identifier: MIT */
/* Trace: what went over a board's line. */
#include <string.h>

#include "daemon/api-private.h"
#include "daemon/console-text.h"
#include "daemon/trace.h"

#define TELL_MS 20	    /* entries that come together go out together */
#define REPLY_ENTRIES 200 /* in one reply of a stream */

/* A stream that follows a trace. It ends with its call or with the board. */
struct follower {
	struct api_stream stream;
	struct trace_reader reader;
};

/* --- entries as JSON ---------------------------------------------------------------------------------------------- */

/* Commands that the table does not have, because jobs make them. */
static const char *command_name(uint8_t op, uint16_t group, uint8_t id)
{
	static const struct {
		uint8_t op;
		uint16_t group;
		uint8_t id;
		const char *name;
	} others[] = {
		{ SMP_WRITE, SMP_IMAGE, 1, "ImageUpload" },
		{ SMP_READ, SMP_FS, 0, "FileRead" },
		{ SMP_WRITE, SMP_FS, 0, "FileWrite" },
		{ SMP_WRITE, SMP_OS, 1, "ConsoleEcho" },
	};
	const struct smp_command *c = smp_command_by_id(op, group, id);

	for (size_t i = 0; !c && i < ARRAY_SIZE(others); i++)
		if (others[i].op == op && others[i].group == group && others[i].id == id)
			return others[i].name;
	return c ? c->name : NULL;
}

static void put_frame(json_object *o, const struct trace_entry *e)
{
	uint8_t request = e->op & (uint8_t)~1u; /* a reply has the next number (SMP §1) */

	api_put_string(o, "operation", request == SMP_READ ? "read" : "write");
	api_put_int(o, "group", e->group);
	api_put_string(o, "groupName", smp_group_name(e->group));
	api_put_int(o, "command", e->id);
	api_put_string(o, "commandName", command_name(request, e->group, e->id));
	api_put_int(o, "sequence", e->sequence);
	if (e->attempt)
		api_put_int(o, "attempt", e->attempt);
	if (e->kind == TRACE_RECEIVED && e->round_trip_us)
		api_put_int(o, "roundTripUs", e->round_trip_us);
	if (e->rc < 0)
		return;
	api_put_int(o, "rc", e->rc);
	if (e->rc > 0 && e->rc_group >= 0)
		api_put_int(o, "rcGroup", e->rc_group);
	if (e->rc > 0)
		api_put_string(o, "rcName", smp_rc_name(e->rc_group, (uint64_t)e->rc));
}

json_object *api_trace_json(const struct trace_entry *e)
{
	json_object *o = json_object_new_object();
	_cleanup_free_ char *text = NULL;
	bool changed;

	api_put_int(o, "number", (int64_t)e->number);
	api_put_time(o, "time", e->time_us);
	api_put_string(o, "kind", trace_kind_name(e->kind));
	if (trace_is_frame(e))
		put_frame(o, e);
	if (e->size)
		api_put_int(o, "size", e->size);
	if (e->text[0])
		text = console_text_clean(e->text, strlen(e->text), &changed);
	api_put_string(o, "text", text);
	return o;
}

/* What waits for the reader; NULL: nothing. */
static json_object *take_entries(struct trace_reader *reader, size_t limit)
{
	uint64_t dropped, lost = 0;
	struct trace_entry e;
	json_object *o, *entries;

	if (!trace_read(reader, &e, &lost))
		return NULL;
	o = json_object_new_object();
	entries = json_object_new_array();
	if (lost)
		api_put_int(o, "dropped", (int64_t)lost);
	do
		json_object_array_add(entries, api_trace_json(&e));
	while (--limit > 0 && trace_read(reader, &e, &dropped));
	api_put(o, "entries", entries);
	return o;
}

static json_object *no_entries(void)
{
	json_object *o = json_object_new_object();

	api_put(o, "entries", json_object_new_array());
	return o;
}

/* --- a stream that goes on ---------------------------------------------------------------------------------------- */

static void end(struct follower *f)
{
	trace_unfollow(&f->reader);
	api_stream_end(&f->stream);
}

static void deliver(struct follower *f)
{
	json_object *o;

	while (f->stream.call && !call_is_slow(f->stream.call) && (o = take_entries(&f->reader, REPLY_ENTRIES)))
		call_continue(f->stream.call, o);
}

static void on_timer(uv_timer_t *timer)
{
	deliver(timer->data);
}

/* A slow reader waits for drained(). */
static void on_ready(struct trace_reader *reader)
{
	struct follower *f = container_of(reader, struct follower, reader);

	if (!uv_is_active((uv_handle_t *)&f->stream.timer) && !call_is_slow(f->stream.call))
		uv_timer_start(&f->stream.timer, on_timer, TELL_MS, 0);
}

static void on_drained(struct call *call)
{
	deliver(call->user);
}

static void on_closed(struct call *call)
{
	end(call->user);
}

static void on_ended(struct trace_reader *reader)
{
	struct follower *f = container_of(reader, struct follower, reader);

	trace_unfollow(&f->reader);
	api_stream_gone(&f->stream);
}

static void follow(struct api *api, struct call *call, struct device *d, size_t backlog)
{
	struct follower *f = api_stream_new(api, call, d, sizeof(*f));
	json_object *o;

	if (!f)
		return;
	f->reader.ready = on_ready;
	f->reader.ended = on_ended;
	call->closed = on_closed;
	call->drained = on_drained;
	trace_follow(d->trace, &f->reader, backlog);
	o = take_entries(&f->reader, REPLY_ENTRIES);
	call_continue(call, o ? o : no_entries());
	deliver(f);
}

/* --- the method --------------------------------------------------------------------------------------------------- */

static void trace(struct api *api, struct call *call)
{
	int64_t entries = api_int(call, "backlog", -1);
	size_t backlog = entries < 0 ? SIZE_MAX : (size_t)entries;
	bool follows = api_bool(call, "follow", false);
	struct trace_reader reader = { 0 }; /* gone before anything could be told to it */
	struct device *d;
	json_object *o;

	if (follows && !call->message.more) {
		call_error(call, "org.varlink.service.ExpectedMore", NULL);
		return;
	}
	if (!api_device(api, call, &d))
		return;
	if (!device_is_managed(d) && trace_count(d->trace) == 0) {
		api_fail_unavailable(call, d, NULL);
		return;
	}
	if (follows) {
		follow(api, call, d, backlog);
		return;
	}
	trace_follow(d->trace, &reader, backlog);
	o = take_entries(&reader, SIZE_MAX);
	trace_unfollow(&reader);
	call_reply(call, o ? o : no_entries());
}

static const struct api_parameter trace_parameters[] = {
	API_DEVICE,
	{ "backlog", API_INT, .optional = true, .min = 0, .max = INT64_MAX },
	{ "follow", API_BOOL, .optional = true },
	{ NULL },
};

const struct api_method api_trace_methods[] = {
	{ "Trace", trace_parameters, trace, ROLE_READ },
	{ NULL },
};
