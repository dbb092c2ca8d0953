/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/verbs.h"
#include "proto/macro.h"

/* wait-for: a picture of the boards by the events of Watch (b->memory: id -> state), looked at once it is whole
 * (b->step). */

static const char *wanted(const struct board *b)
{
	const char *state = args_text(b->ctl->args, "state");

	return state ? state : "ready";
}

static bool reached(json_object *state, const struct board *b)
{
	return strcmp(json_object_get_string(state), wanted(b)) == 0;
}

static bool satisfied(struct board *b)
{
	bool every = args_global(b->ctl->args, "all")->given;
	size_t there = 0, n = 0;

	json_object_object_foreach(b->memory, id, state)
	{
		(void)id;
		there++;
		n += reached(state, b);
	}
	return every ? there && n == there : n > 0;
}

static void take(struct board *b, const char *event, json_object *device)
{
	const char *id = member_string(device, "id"), *state = member_string(device, "state");

	if (!id)
		return;
	if (strcmp(event, "removed") == 0)
		json_object_object_del(b->memory, id);
	else if (state)
		json_object_object_add(b->memory, id, json_object_new_string(state));
}

/* A board that is named need not be known yet. */
int wait_prepare(struct ctl *ctl, json_object *parameters)
{
	int r = verb_take_device(ctl, parameters);

	if (r == 0 && ctl->device)
		json_object_object_add(parameters, "expect", json_object_new_boolean(true));
	return r;
}

void wait_event(struct board *b, json_object *reply)
{
	const char *event = member_string(reply, "event");
	int64_t missed;

	if (!event)
		return;
	if (!b->memory)
		b->memory = json_object_new_object();
	/* A reader that was too slow gets a new picture. */
	if (member_int(reply, "missed", &missed) && missed > 0) {
		json_object_put(b->memory);
		b->memory = json_object_new_object();
		b->step = 0;
	}
	take(b, event, json_object_object_get(reply, "device"));
	if (strcmp(event, "current") == 0)
		b->step = 1;
	if (!b->step || !satisfied(b))
		return;
	json_object_object_foreach(b->memory, id, state) if (reached(state, b))
		note(b, "%s %s\n", show(id), show(json_object_get_string(state)));
	board_finish(b, CODE_DONE, "ok", NULL);
}

void wait_expired(struct board *b)
{
	_cleanup_free_ char *message = NULL, *hint = NULL;
	int64_t ms = b->ctl->timeout_ms;
	size_t size;
	FILE *f = open_memstream(&hint, &size);

	if (!f)
		out_of_memory();
	json_object_object_foreach(b->memory, id, state) if (!reached(state, b))
		fprintf(f, "%s%s is %s", ftell(f) ? "\n" : "", show(id), show(json_object_get_string(state)));
	if (fclose(f))
		out_of_memory();
	message = ms % 1000 ? format("not %s within %" PRId64 " ms", wanted(b), ms)
			    : format("not %s within %" PRId64 " s", wanted(b), ms / 1000);
	if (!*hint && b->name) {
		_cleanup_free_ char *nobody = format("no board goes by '%s'", show(b->name));

		board_fail(b, CODE_SILENT, "TimedOut", message, nobody);
		return;
	}
	board_fail(b, CODE_SILENT, "TimedOut", message, *hint ? hint : "there is no board");
}
