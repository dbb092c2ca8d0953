/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <string.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/verbs.h"

static const struct arg path_word[] = {
	{ "name", .meta = "NAME", .kind = ARG_TEXT, .json = "path",
		.help = "path on the board, such as /lfs1/log.txt" },
	{ NULL },
};
static const struct arg checksum_words[] = {
	{ "name", .meta = "NAME", .kind = ARG_TEXT, .json = "path",
		.help = "path on the board, such as /lfs1/log.txt" },
	{ "algorithm", .meta = "ALGO", .kind = ARG_TEXT, .json = "type", .optional = true,
		.help = "as supported-checksums lists it; left out: the board's choice" },
	{ NULL },
};
static const struct arg checksum_options[] = {
	{ "offset", .meta = "N", .kind = ARG_NUMBER, .json = "offset", .max = INT64_MAX, .help = "first byte" },
	{ "length", .meta = "N", .kind = ARG_NUMBER, .json = "length", .max = INT64_MAX, .help = "number of bytes" },
	{ NULL },
};

static void print_status(struct board *b, json_object *reply)
{
	int64_t size = 0;

	member_int(reply, "size", &size);
	say(b, "length: %" PRId64 "\n", size);
}

/* As sha256sum writes it. */
static void print_checksum(struct board *b, json_object *reply)
{
	const char *hash = member_string(reply, "hash");
	int64_t number = 0;

	if (hash)
		say(b, "%s", show(hash));
	else if (member_int(reply, "number", &number))
		say(b, "%08" PRIx64, (uint64_t)number);
	say(b, "  %s\n", show(args_text(b->ctl->args, "name")));
}

static void print_types(struct board *b, json_object *reply)
{
	json_object *types = json_object_object_get(reply, "types");
	const char *separator = "";

	if (!json_object_is_type(types, json_type_object))
		return;
	json_object_object_foreach(types, name, unused)
	{
		(void)unused;
		say(b, "%s%s", separator, show(name));
		separator = ", ";
	}
	say(b, "\n");
}

#define FILES .group = "fs", .flags = VERB_BOARD
const struct verb fs_verbs[] = {
	{ FILES, .name = "status", .summary = "a file's length", .words = path_word, .method = "FileStatus",
		.print = print_status },
	{ .group = "fs",
		.name = "checksum",
		.summary = "a file's checksum, computed by the board",
		.flags = VERB_BOARD | VERB_SLOW,
		.words = checksum_words,
		.options = checksum_options,
		.method = "FileHash",
		.print = print_checksum },
	{ FILES, .name = "supported-checksums", .summary = "checksums that the board can compute",
		.method = "FileHashTypes", .print = print_types },
	{ FILES, .name = "close", .summary = "close the file that a broken transfer left open", .method = "FileClose" },
	{ .name = NULL },
};
