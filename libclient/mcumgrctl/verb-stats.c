/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/verbs.h"
#include "proto/json.h"

static const struct arg get_words[] = {
	{ "group", .meta = "GROUP", .kind = ARG_TEXT, .json = "group", .optional = true,
		.help = "left out: every group" },
	{ NULL },
};

static int compare(const char *left, const char *right)
{
	return strcmp(left ? left : "", right ? right : "");
}

static int by_text(const void *a, const void *b)
{
	return compare(
		json_object_get_string(*(json_object *const *)a), json_object_get_string(*(json_object *const *)b));
}

static int by_name(const void *a, const void *b)
{
	return compare(
		member_string(*(json_object *const *)a, "name"), member_string(*(json_object *const *)b, "name"));
}

static void sort(json_object *reply, const char *key, int (*order)(const void *, const void *))
{
	if (member_count(reply, key))
		json_object_array_sort(json_object_object_get(reply, key), order);
}

static void print_groups(struct board *b, json_object *reply)
{
	size_t i;

	sort(reply, "groups", by_text);
	for (i = 0; i < member_count(reply, "groups"); i++)
		say(b, "%s\n", show(json_object_get_string(member_at(reply, "groups", i))));
}

static void print_values(struct board *b, json_object *reply)
{
	size_t i;

	sort(reply, "values", by_name);
	say(b, "%s:\n", show_key(reply, "group"));
	for (i = 0; i < member_count(reply, "values"); i++) {
		json_object *stat = member_at(reply, "values", i), *value = json_object_object_get(stat, "value");

		/* Beyond 2^63-1 it is a decimal string. */
		say(b, "  %s: %s\n", show_key(stat, "name"), value ? show(json_object_get_string(value)) : "?");
	}
}

/* {"groups": [{"group", "values"}...]} */
static enum next end_of_all(struct board *b)
{
	_cleanup_json_ json_object *all = NULL;

	if (!b->ctl->json)
		return NEXT_DONE;
	all = json_object_new_object();
	json_object_object_add(all, "groups", json_object_get(json_object_object_get(b->memory, "read")));
	board_print_json(b, all);
	return NEXT_DONE;
}

static enum next ask_next(struct board *b)
{
	_cleanup_json_ json_object *parameters = NULL;
	json_object *group = member_at(b->memory, "groups", b->step++);

	if (b->step > member_count(b->memory, "groups"))
		return end_of_all(b);
	if (!json_object_is_type(group, json_type_string))
		return board_fail(b, CODE_OTHER, "BadReply", "the daemon names a group that is no text", NULL);
	parameters = json_object_new_object();
	json_object_object_add(parameters, "group", json_object_get(group));
	return board_lookup(b, "StatRead", parameters);
}

/* One group, or their names first and then each. */
static enum next get(struct board *b, json_object *reply, const struct mcumgr_error *error)
{
	bool one = args_has(b->ctl->args, "group");

	if (error)
		return NEXT_ERROR;
	if (!reply)
		return one ? board_call(b, "StatRead", b->ctl->parameters)
			   : board_lookup(b, "StatGroups", b->ctl->parameters);
	if (!one && !b->memory) {
		sort(reply, "groups", by_text);
		b->memory = json_object_get(reply);
		json_object_object_add(b->memory, "read", json_object_new_array());
	} else {
		print_values(b, reply);
		if (!one)
			json_object_array_add(json_object_object_get(b->memory, "read"), json_object_get(reply));
	}
	return one ? NEXT_DONE : ask_next(b);
}

#define STATS .group = "stats", .flags = VERB_BOARD
const struct verb stats_verbs[] = {
	{ STATS, .name = "list-groups", .summary = "names of the statistics groups", .method = "StatGroups",
		.print = print_groups },
	{ STATS, .name = "get", .summary = "values of a group, or of all", .words = get_words, .next = get },
	{ .name = NULL },
};
