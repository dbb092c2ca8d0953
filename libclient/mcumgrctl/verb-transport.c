/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/table.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/verbs.h"
#include "proto/json.h"
#include "proto/macro.h"

static const struct arg mode_words[] = {
	{ "transport", .meta = "ID", .kind = ARG_NUMBER, .json = "transport", .max = UINT32_MAX, .help = "number of the transport" },
	{ NULL },
};
static const struct arg connect_options[] = {
	{ "mode", .meta = "N", .kind = ARG_NUMBER, .json = "mode", .max = UINT32_MAX, .help = "one of its modes; left out: 0" },
	{ NULL },
};
static const struct arg disconnect_words[] = {
	{ "transport", .meta = "ID", .kind = ARG_NUMBER, .json = "transport", .max = UINT32_MAX, .optional = true,
		.help = "number of the transport; left out: the one that is asked" },
	{ NULL },
};
static const struct arg disconnect_options[] = {
	{ "every", .kind = ARG_FLAG, .json = "all", .help = "end all bridges of the board" },
	{ NULL },
};

static void print_status(struct board *b, json_object *reply)
{
	int64_t active = 0, supported = 0, transport;

	member_int(reply, "active", &active);
	member_int(reply, "supported", &supported);
	say(b, "Bridges:  %" PRId64 " of %" PRId64 "\n", active, supported);
	if (member_int(reply, "transport", &transport))
		say(b, "Bridged:  to transport %" PRId64 "\n", transport);
	else
		say(b, "Bridged:  %s\n", member_bool(reply, "bridged") ? "yes" : "no");
}

static void print_list(struct board *b, json_object *reply)
{
	size_t i;

	for (i = 0; i < member_count(reply, "transports"); i++) {
		json_object *transport = member_at(reply, "transports", i);
		int64_t id = 0;

		member_int(transport, "id", &id);
		say(b, "%5" PRId64 "  %s\n", id, member_string(transport, "name") ? show_key(transport, "name") : "-");
	}
}

static void print_modes(struct board *b, json_object *reply)
{
	static const char *const columns[] = { ">MODE", "ENDS", "DESCRIPTION", NULL };
	static const char *const ends[] = { "none", "outgoing", "incoming", "both" };
	struct table *t = table_new(columns);
	size_t i;

	for (i = 0; i < member_count(reply, "modes"); i++) {
		json_object *mode = member_at(reply, "modes", i);
		_cleanup_free_ char *id = NULL;
		int64_t n = 0;

		member_int(mode, "id", &n);
		id = format("%" PRId64, n);
		table_row(t, (const char *const[]){ id,
				     ends[2 * member_bool(mode, "incoming") + member_bool(mode, "outgoing")],
				     member_string(mode, "description") });
	}
	table_print(t, b->out);
}

#define TRANSPORT .group = "transport", .flags = VERB_BOARD
const struct verb transport_verbs[] = {
	{ TRANSPORT, .name = "list", .summary = "transports of the board that may be bridged", .method = "TransportList",
		.print = print_list },
	{ TRANSPORT, .name = "status", .summary = "bridges that the board has", .method = "TransportStatus",
		.print = print_status },
	{ TRANSPORT, .name = "modes", .summary = "modes of a transport", .words = mode_words, .method = "TransportModes",
		.print = print_modes },
	{ TRANSPORT, .name = "connect", .summary = "pass requests on to another transport", .words = mode_words,
		.options = connect_options, .method = "TransportConnect",
		.help = "Bridges the port that the daemon talks on to another transport of the board, which then passes requests\n"
			"on. What a transport needs besides goes with raw: mcumgrctl raw write 11 0 '{\"transport\": 1, ...}', and\n"
			"mcumgrctl raw read 11 8 '{\"transport\": 1, \"mode\": 0}' tells what that is" },
	{ TRANSPORT, .name = "disconnect", .summary = "end a bridge", .words = disconnect_words,
		.options = disconnect_options, .method = "TransportDisconnect" },
	{ .name = NULL },
};
