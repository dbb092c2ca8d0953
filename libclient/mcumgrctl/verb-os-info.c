/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/verbs.h"
#include "proto/json.h"

/* Values hold blanks, so that the line of all of them cannot be cut: one request a field (SMP §5.1, info). */
static const struct field {
	char letter;
	const char *label;
} fields[] = {
	{ 's', "Kernel name" },
	{ 'n', "Node name" },
	{ 'r', "Kernel release" },
	{ 'v', "Kernel version" },
	{ 'b', "Build time" },
	{ 'm', "Machine" },
	{ 'p', "Processor" },
	{ 'i', "Hardware platform" },
	{ 'o', "Operating system" },
};

static enum next ask(struct board *b, const char *letters)
{
	_cleanup_json_ json_object *parameters = json_object_new_object();

	json_object_object_add(parameters, "format", json_object_new_string(letters));
	return board_call(b, "OsInfo", parameters);
}

/* The letters of the options that were given. */
static void chosen(struct board *b, char *letters)
{
	const struct args *args = b->ctl->args;
	const struct arg *row;

	for (row = args->verb->options; row->name; row++)
		if (args_has(args, row->name))
			*letters++ = row->letter;
	*letters = 0;
}

enum next os_application_info(struct board *b, json_object *reply, const struct mcumgr_error *error)
{
	char letters[ARGS_OPTIONS_MAX + 1];

	chosen(b, letters);
	if (!*letters && b->ctl->json)
		strcpy(letters, "a");
	/* Boards without a build time refuse the letter. */
	if (error && (*letters || fields[b->step].letter != 'b' || !mcumgr_error_is(error, "DeviceError")))
		return NEXT_ERROR;
	if (*letters) {
		if (!reply)
			return ask(b, letters);
		say(b, "%s\n", show_key(reply, "text"));
		return NEXT_DONE;
	}
	if (reply)
		say(b, "%s:%*s %s\n", fields[b->step].label, (int)(18 - strlen(fields[b->step].label)), "",
			show_key(reply, "text"));
	if (reply || error)
		b->step++;
	if (b->step == sizeof(fields) / sizeof(fields[0]))
		return NEXT_DONE;
	return ask(b, (char[]){ fields[b->step].letter, 0 });
}
