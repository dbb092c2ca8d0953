/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/verbs.h"
#include "proto/json.h"

/* os system-reset: the call, and after one for the bootloader's recovery the events of Watch until the board is back as that.
 * b->memory: {"state": the last one that was seen}. */

#define BACK_MS 60000 /* unless --boot-timeout says otherwise */

int os_prepare_reset(struct ctl *ctl, json_object *parameters)
{
	int64_t mode;

	if (!args_has(ctl->args, "boot-timeout"))
		return 0;
	if (args_has(ctl->args, "no-wait"))
		return args_refuse(ctl->args, NULL, "--boot-timeout and --no-wait exclude each other");
	if (!member_int(parameters, "bootMode", &mode) || mode != 1)
		return args_refuse(ctl->args, NULL, "--boot-timeout needs --bootmode 1: nothing is waited for without it");
	return 0;
}

static uint64_t back_ms(const struct board *b)
{
	const struct arg_value *given = args_value(b->ctl->args, "boot-timeout");

	return given->given ? (uint64_t)given->number : BACK_MS;
}

static bool is_followed(const struct board *b)
{
	int64_t mode;

	return member_int(b->ctl->parameters, "bootMode", &mode) && mode == 1 && !args_has(b->ctl->args, "no-wait");
}

enum next os_reset_next(struct board *b, json_object *reply, const struct mcumgr_error *error)
{
	_cleanup_json_ json_object *watch = NULL;

	if (error)
		return NEXT_ERROR;
	/* What --json shows of a reset that is followed is how it ended. */
	if (!reply)
		return is_followed(b) ? board_lookup(b, "Reset", b->ctl->parameters)
				      : board_call(b, "Reset", b->ctl->parameters);
	if (!is_followed(b) || b->memory)
		return NEXT_DONE;
	note(b, "Reset; waiting for its bootloader\n");
	board_flush(b);
	b->memory = json_object_new_object();
	b->deadline = ctl_now() + back_ms(b);
	watch = json_object_new_object();
	return board_stream(b, "Watch", watch);
}

void os_reset_event(struct board *b, json_object *reply)
{
	json_object *device = json_object_object_get(reply, "device");
	const char *state = member_string(device, "state");

	if (!state)
		return;
	json_object_object_add(b->memory, "state", json_object_new_string(state));
	if (strcmp(state, "recovery") != 0)
		return;
	if (b->ctl->json)
		board_print_json(b, reply);
	note(b, "%s is in its bootloader\n", show_key(device, "id"));
	board_finish(b, CODE_DONE, "ok", NULL);
}

void os_reset_overdue(struct board *b)
{
	const char *state = member_string(b->memory, "state");
	_cleanup_free_ char *hint = NULL;

	if (state && strcmp(state, "ready") == 0)
		hint = format("It runs its application: its firmware or its bootloader does not know boot mode 1.");
	else
		hint = format("It is %s.", state ? show(state) : "not there");
	board_fail(b, CODE_SILENT, "TimedOut", "not back in its bootloader in time", hint);
}
