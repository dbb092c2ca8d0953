/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/trace.h"
#include "libclient/mcumgrctl/verbs.h"

static const struct arg trace_options[] = {
	{ "follow", 'f', .kind = ARG_FLAG, .json = "follow", .help = "go on with what happens, until Ctrl-C" },
	{ "lines", 'n', .meta = "N", .kind = ARG_NUMBER, .json = "backlog", .max = 1000000,
		.help = "so many of the entries that are kept (all)" },
	{ NULL },
};

static void print_entries(struct board *b, json_object *reply)
{
	size_t i, n = member_count(reply, "entries");
	int64_t dropped;

	if (member_int(reply, "dropped", &dropped) && dropped > 0)
		note(b, "(%" PRId64 " %s lost)\n", dropped, dropped == 1 ? "entry is" : "entries are");
	for (i = 0; i < n; i++)
		trace_print_entry(b->out, member_at(reply, "entries", i));
}

static void print_last(struct board *b, json_object *reply)
{
	print_entries(b, reply);
	if (!b->ctl->json && !b->ctl->quiet && !member_count(reply, "entries") && !verb_wants_no_lines(b))
		fprintf(stderr, "mcumgrctl: nothing has gone over the line of %s\n", b->name ? show(b->name) : "the board");
}

const struct verb trace_verbs[] = {
	{ .name = "trace",
		.summary = "what goes over a board's line",
		.options = trace_options,
		.words = verb_device_words,
		.prepare = verb_take_device,
		.method = "Trace",
		.flags = VERB_DEVICE | VERB_STREAM | VERB_FOREVER,
		.print = print_last,
		.event = print_entries,
		.help = "Prints the SMP messages that were sent (>) and received (<), and what happened to the line (-): opened, lost,\n"
			"damaged frames, requests without an answer, keystrokes, boots. The daemon keeps the newest 500 of each board" },
	{ .name = NULL },
};
