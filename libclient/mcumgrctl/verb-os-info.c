/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/verbs.h"
#include "proto/json.h"

static const struct field {
	const char *key, *label;
} fields[] = {
	{ "kernelName", "Kernel name" },
	{ "nodeName", "Node name" },
	{ "kernelRelease", "Kernel release" },
	{ "kernelVersion", "Kernel version" },
	{ "buildTime", "Build time" },
	{ "machine", "Machine" },
	{ "processor", "Processor" },
	{ "hardwarePlatform", "Hardware platform" },
	{ "operatingSystem", "Operating system" },
};

/* The letters of the options that were given; without any the daemon asks for every field. */
int os_prepare_application_info(struct ctl *ctl, json_object *parameters)
{
	char letters[ARGS_OPTIONS_MAX + 1], *end = letters;
	const struct arg *row;

	for (row = ctl->verb->options; row->name; row++)
		if (args_has(ctl->args, row->name))
			*end++ = row->letter;
	*end = 0;
	if (*letters)
		json_object_object_add(parameters, "format", json_object_new_string(letters));
	return 0;
}

void os_print_application_info(struct board *b, json_object *reply)
{
	const struct field *f;

	if (json_object_object_get(b->ctl->parameters, "format")) {
		say(b, "%s\n", show_key(reply, "text"));
		return;
	}
	for (f = fields; f < fields + sizeof(fields) / sizeof(fields[0]); f++)
		if (member_string(reply, f->key))
			say(b, "%s:%*s %s\n", f->label, (int)(18 - strlen(f->label)), "", show_key(reply, f->key));
}
