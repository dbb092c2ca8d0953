/* SPDX-License-Identifier: MIT */
#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/verbs.h"
#include "proto/json.h"
#include "proto/macro.h"

static const struct arg request_words[] = {
	{ "group", .meta = "GROUP", .kind = ARG_NUMBER, .json = "group", .max = 65535,
		.help = "number of the command group" },
	{ "command", .meta = "COMMAND", .kind = ARG_NUMBER, .json = "command", .max = 255,
		.help = "number of the command" },
	{ "payload", .meta = "JSON", .kind = ARG_JSON, .json = "payload", .optional = true,
		.help = "{} if left out; bytes are {\"$bytes\": \"BASE64\"}" },
	{ NULL },
};

static int add_read(struct ctl *ctl, json_object *parameters)
{
	(void)ctl;
	json_object_object_add(parameters, "operation", json_object_new_string("read"));
	return 0;
}

static int add_write(struct ctl *ctl, json_object *parameters)
{
	(void)ctl;
	json_object_object_add(parameters, "operation", json_object_new_string("write"));
	return 0;
}

static void indent(struct board *b, unsigned int depth)
{
	say(b, "\n%*s", (int)(2 * depth), "");
}

/* A value over several lines; single values as text_json() writes them, which takes objects and scalars alike. */
static void say_value(struct board *b, json_object *value, unsigned int depth)
{
	_cleanup_free_ char *text = NULL;
	size_t i, n = 0;

	if (json_object_is_type(value, json_type_object) && json_object_object_length(value)) {
		say(b, "{");
		json_object_object_foreach(value, key, member)
		{
			_cleanup_json_ json_object *name = json_object_new_string(key);
			_cleanup_free_ char *quoted = text_json(name);

			say(b, "%s", n++ ? "," : "");
			indent(b, depth + 1);
			say(b, "%s: ", quoted);
			say_value(b, member, depth + 1);
		}
		indent(b, depth);
		say(b, "}");
	} else if (json_object_is_type(value, json_type_array) && json_object_array_length(value)) {
		say(b, "[");
		for (i = 0; i < json_object_array_length(value); i++) {
			say(b, "%s", i ? "," : "");
			indent(b, depth + 1);
			say_value(b, json_object_array_get_idx(value, i), depth + 1);
		}
		indent(b, depth);
		say(b, "]");
	} else {
		text = text_json(value);
		say(b, "%s", text);
	}
}

static void print_payload(struct board *b, json_object *reply)
{
	say_value(b, json_object_object_get(reply, "payload"), 0);
	say(b, "\n");
}

#define RAW \
	.group = "raw", .flags = VERB_BOARD, .words = request_words, .method = "Request", .print = print_payload,            \
	.help = "Sends any SMP request, once, and prints the payload of the reply. JSON stands for CBOR: byte strings are\n" \
		"{\"$bytes\": \"BASE64\"}, integers beyond 2^63-1 {\"$integer\": \"DECIMAL\"}"
const struct verb raw_verbs[] = {
	{ RAW, .name = "read", .summary = "any SMP read request", .prepare = add_read },
	{ RAW, .name = "write", .summary = "any SMP write request", .prepare = add_write },
	{ .name = NULL },
};

const struct verb zephyr_verbs[] = {
	{ .group = "zephyr",
		.name = "erase-storage",
		.summary = "erase the storage partition: settings and files",
		.flags = VERB_BOARD | VERB_SLOW,
		.method = "StorageErase",
		.help = "Erases the board's storage partition, and with it its settings" },
	{ .name = NULL },
};
