/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <string.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/table.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/verbs.h"
#include "proto/json.h"
#include "proto/macro.h"
#include "proto/smp.h"

/* Groups that a board may claim to have; a larger index is a board that never says `end`. */
#define GROUPS_MAX 256

static const struct arg list_options[] = {
	{ "iter", .kind = ARG_FLAG, .help = "ask for one after the other" },
	{ NULL },
};
static const struct arg detail_words[] = {
	{ "groups", .meta = "ID", .kind = ARG_NUMBER, .json = "groups", .max = 65535, .optional = true, .many = true,
		.help = "left out: every group" },
	{ NULL },
};

static void say_group(struct board *b, int64_t id)
{
	const char *name = id >= 0 && id <= 65535 ? smp_group_name((unsigned int)id) : NULL;

	say(b, "%5" PRId64 "  %s\n", id, name ? name : "-");
}

static void print_ids(struct board *b, json_object *reply)
{
	size_t i;

	for (i = 0; i < member_count(reply, "groups"); i++)
		say_group(b, json_object_get_int64(member_at(reply, "groups", i)));
}

/* The same object as without --iter. */
static enum next end_of_list(struct board *b)
{
	if (b->ctl->json)
		board_print_json(b, b->memory);
	return NEXT_DONE;
}

static void take_group(struct board *b, json_object *reply)
{
	int64_t id;

	if (!b->memory) {
		b->memory = json_object_new_object();
		json_object_object_add(b->memory, "groups", json_object_new_array());
	}
	if (!member_int(reply, "group", &id))
		return;
	say_group(b, id);
	json_object_array_add(json_object_object_get(b->memory, "groups"), json_object_new_int64(id));
}

static enum next ask_at(struct board *b)
{
	_cleanup_json_ json_object *parameters = json_object_new_object();

	json_object_object_add(parameters, "index", json_object_new_int64(b->step++));
	return board_lookup(b, "GroupAt", parameters);
}

static enum next list(struct board *b, json_object *reply, const struct mcumgr_error *error)
{
	bool one_by_one = args_has(b->ctl->args, "iter");

	if (error)
		return NEXT_ERROR;
	if (!reply)
		return one_by_one ? ask_at(b) : board_call(b, "GroupIds", b->ctl->parameters);
	if (!one_by_one) {
		print_ids(b, reply);
		return NEXT_DONE;
	}
	take_group(b, reply);
	if (member_bool(reply, "end"))
		return end_of_list(b);
	if (b->step == GROUPS_MAX)
		return board_fail(b, CODE_OTHER, "EndlessList", "the board's list of groups has no end", NULL);
	return ask_at(b);
}

static void print_details(struct board *b, json_object *reply)
{
	static const char *const columns[] = { ">ID", "NAME", ">COMMANDS", NULL };
	struct table *t = table_new(columns);
	size_t i;

	for (i = 0; i < member_count(reply, "groups"); i++) {
		json_object *group = member_at(reply, "groups", i);
		_cleanup_free_ char *id = NULL, *handlers = NULL;
		int64_t n = 0;

		member_int(group, "group", &n);
		id = format("%" PRId64, n);
		if (member_int(group, "handlers", &n))
			handlers = format("%" PRId64, n);
		table_row(t, (const char *const[]){ id, member_string(group, "name"), handlers });
	}
	table_print(t, b->out);
}

static void print_count(struct board *b, json_object *reply)
{
	int64_t count = 0;

	member_int(reply, "count", &count);
	say(b, "%" PRId64 "\n", count);
}

#define ENUM .group = "enum", .flags = VERB_BOARD
const struct verb enum_verbs[] = {
	{ ENUM, .name = "list-groups", .summary = "command groups that the board has", .options = list_options,
		.next = list },
	{ ENUM, .name = "count-groups", .summary = "how many command groups the board has", .method = "GroupCount",
		.print = print_count },
	{ ENUM, .name = "show-group-details", .summary = "their names and numbers of commands", .words = detail_words,
		.method = "Groups", .print = print_details },
	{ .name = NULL },
};
