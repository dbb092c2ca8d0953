/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <string.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/verbs.h"
#include "proto/macro.h"

static const struct arg words[] = {
	{ "arguments", .meta = "COMMAND", .kind = ARG_TEXT, .json = "arguments", .many = true, .free = true,
		.help = "a command of the board's shell, and its arguments" },
	{ NULL },
};

static const struct arg options[] = {
	{ "repeat", .kind = ARG_FLAG, .json = "repeat",
		.help = "again when its answer is lost, so that it may run twice" },
	{ NULL },
};

static void print_output(struct board *b, json_object *reply)
{
	_cleanup_free_ char *text = text_clean_lines(member_string(reply, "output")), *message = NULL;
	int64_t status = 0;

	say(b, "%s", text);
	if (*text && text[strlen(text) - 1] != '\n')
		say(b, "\n");
	if (!member_int(reply, "status", &status) || !status)
		return;
	/* Negative results are errnos by Zephyr's custom; the numbers of newlib are Linux's where it matters. */
	message = status < 0 && status > -200 && strerrorname_np((int)-status)
			  ? format("the command returned %" PRId64 " (%s)", status, strerrorname_np((int)-status))
			  : format("the command returned %" PRId64, status);
	board_flush(b);
	board_fail(b, CODE_REFUSED, "ShellStatus", message, NULL);
}

const struct verb shell_verbs[] = {
	{ .name = "shell",
		.summary = "run a command in the board's shell",
		.words = words,
		.options = options,
		.method = "ShellExecute",
		.flags = VERB_BOARD,
		.print = print_output,
		.help = "Runs a command of the board's shell, once, and prints its output. All that follows shell belongs to the\n"
			"command. A command that returns an error ends mcumgrctl with exit code 6" },
	{ .name = NULL },
};
