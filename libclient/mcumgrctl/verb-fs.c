/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/failure.h"
#include "libclient/mcumgrctl/file.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/verbs.h"
#include "proto/base64.h"
#include "proto/json.h"

#define BOARD_FILE_MAX (4u << 20) /* what the daemon moves */

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

static const struct arg upload_words[] = {
	{ "local", .meta = "LOCAL", .kind = ARG_TEXT, .help = "a file here; - reads the standard input" },
	{ "remote", .meta = "REMOTE", .kind = ARG_TEXT,
		.help = "path on the board; the name of the file is added behind a / at the end" },
	{ NULL },
};
static const struct arg download_words[] = {
	{ "remote", .meta = "REMOTE", .kind = ARG_TEXT, .json = "path",
		.help = "path on the board, such as /lfs1/log.txt" },
	{ "local", .meta = "LOCAL", .kind = ARG_TEXT,
		.help = "a file or a directory here; - writes to the standard output" },
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

/* ---- transfers ---- */

static json_object *progress_object(const char *step, json_object *job, int64_t done, int64_t total)
{
	json_object *o = json_object_new_object();

	if (step)
		json_object_object_add(o, "step", json_object_new_string(step));
	if (job)
		json_object_object_add(o, "job", json_object_get(job));
	json_object_object_add(o, "doneBytes", json_object_new_int64(done));
	json_object_object_add(o, "totalBytes", json_object_new_int64(total));
	return o;
}

static void show_progress(struct board *b, const char *step, int64_t done, int64_t total)
{
	_cleanup_json_ json_object *o = progress_object(step, NULL, done, total);

	progress_update(&b->progress, o, ctl_now());
	display_update(b->ctl);
}

static int prepare_upload(struct ctl *ctl, json_object *parameters)
{
	const char *local = args_text(ctl->args, "local"), *remote = args_text(ctl->args, "remote");
	bool folder = *remote && remote[strlen(remote) - 1] == '/';
	_cleanup_free_ char *path = format("%s%s", remote, folder ? file_name(local) : ""), *text = NULL;
	_cleanup_free_ uint8_t *data = NULL;
	size_t size;
	int r;

	if (folder && (strcmp(local, "-") == 0 || !*file_name(local)))
		return args_refuse(ctl->args, "Name the file: /lfs1/a.txt.", "%s is a directory, and %s has no name to add",
			remote, strcmp(local, "-") == 0 ? "the standard input" : local);
	r = file_read(ctl, local, &data, &size);
	if (r)
		return r;
	if (size > BOARD_FILE_MAX) {
		_cleanup_free_ char *message = format("%s has %zu bytes: mcumgrd writes files up to 4 MiB", local, size);

		return (int)failure_local(ctl, NULL, CODE_OTHER, "FileTooLarge", message, NULL);
	}
	text = base64_encode(data, size, NULL);
	if (!text)
		out_of_memory();
	json_object_object_add(parameters, "path", json_object_new_string(path));
	json_object_object_add(parameters, "data", json_object_new_string(text));
	return 0;
}

static void upload_event(struct board *b, json_object *reply)
{
	int64_t done = 0, total = 0;

	member_int(reply, "doneBytes", &done);
	member_int(reply, "totalBytes", &total);
	show_progress(b, "upload", done, total);
}

static void print_uploaded(struct board *b, json_object *reply)
{
	const char *verified = member_string(reply, "verified");
	int64_t size = 0;

	member_int(reply, "totalBytes", &size);
	note(b, "%" PRId64 " bytes written to %s", size, show_key(b->ctl->parameters, "path"));
	if (verified)
		note(b, ", %s compared", show(verified));
	else if (size)
		note(b, "; not compared, for the board has no checksums");
	note(b, "\n");
}

/* Replies are printed as they are only when the data has no other place to go. */
static int prepare_download(struct ctl *ctl, json_object *parameters)
{
	const char *local = args_text(ctl->args, "local"), *remote = args_text(ctl->args, "remote");
	_cleanup_free_ char *message = NULL;

	(void)parameters;
	if (ctl->all)
		return args_refuse(ctl->args, "Name one board with --device.",
			"with --all the files of all boards would be written to %s", local);
	if (!*file_name(remote))
		return args_refuse(ctl->args, NULL, "%s names no file", *remote ? remote : "an empty path");
	if (file_write_begin(local, remote, &message) < 0)
		return (int)failure_local(ctl, NULL, CODE_OTHER, "FileNotWritable", message, NULL);
	ctl->quiet |= !file_write_path();
	return 0;
}

static bool raw_output(const struct board *b)
{
	return file_write_path() || !b->ctl->json;
}

/* A piece of the file. False: the board is finished, with a failure. */
static bool take_piece(struct board *b, json_object *reply)
{
	const char *text = member_string(reply, "data");
	json_object *job = json_object_object_get(reply, "job");
	_cleanup_free_ uint8_t *data = NULL;
	_cleanup_free_ char *message = NULL;
	int64_t offset = -1, total = -1;
	size_t size = 0, at;

	if (!text || base64_decode(text, strlen(text), &data, &size, &at) < 0 || !member_int(reply, "offset", &offset) ||
		offset != b->step || !member_int(reply, "size", &total)) {
		board_fail(b, CODE_DAEMON, "NotADaemon", "the daemon's pieces of the file do not fit together", NULL);
		return false;
	}
	b->step += (unsigned int)size;
	if (raw_output(b) && file_write(data, size, &message) < 0) {
		board_fail(b, CODE_OTHER, "FileNotWritable", message, NULL);
		return false;
	}
	if (b->ctl->json && b->lookup) {
		_cleanup_json_ json_object *o = progress_object(NULL, job, b->step, total);

		ctl_print_json(o);
	}
	return true;
}

static void download_event(struct board *b, json_object *reply)
{
	int64_t total = 0;

	if (take_piece(b, reply) && member_int(reply, "size", &total))
		show_progress(b, "download", b->step, total);
}

static enum next download(struct board *b, json_object *reply, const struct mcumgr_error *error)
{
	_cleanup_free_ char *message = NULL;

	if (error)
		return NEXT_ERROR;
	if (!reply) {
		enum next next = board_call(b, "FileRead", b->ctl->parameters);

		b->lookup = file_write_path();
		return next;
	}
	if (!take_piece(b, reply))
		return NEXT_DONE;
	if (raw_output(b) && file_write_end(&message) < 0)
		return board_fail(b, CODE_OTHER, "FileNotWritable", message, NULL);
	note(b, "%u bytes written to %s\n", b->step, show(file_write_path()));
	return NEXT_DONE;
}

#define FILES .group = "fs", .flags = VERB_BOARD
const struct verb fs_verbs[] = {
	{ .group = "fs",
		.name = "upload",
		.summary = "write a file to the board",
		.flags = VERB_BOARD | VERB_STREAM | VERB_TRANSFER,
		.words = upload_words,
		.method = "FileWrite",
		.prepare = prepare_upload,
		.event = upload_event,
		.print = print_uploaded,
		.help = "Writes a file to the board, over what is there, and has the board compute its checksum, if it can.\n"
			"What differs is written once more. Ctrl-C cancels: the board then has a part of the file" },
	{ .group = "fs",
		.name = "download",
		.summary = "read a file of the board",
		.flags = VERB_BOARD | VERB_STREAM | VERB_TRANSFER,
		.words = download_words,
		.prepare = prepare_download,
		.event = download_event,
		.next = download,
		.help = "Reads a file of the board. A file here is replaced when all has come, not before; in a directory it gets\n"
			"the name that it has on the board" },
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
