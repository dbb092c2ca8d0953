/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/keyboard.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/verbs.h"
#include "proto/base64.h"
#include "proto/macro.h"

/* console: b->step is 1 while what was printed last is no whole line. */

static const struct arg console_options[] = {
	{ "follow", 'f', .kind = ARG_FLAG, .json = "follow", .help = "go on with what is printed, until Ctrl-C" },
	{ "lines", 'n', .meta = "N", .kind = ARG_NUMBER, .json = "backlog", .max = 1000000,
		.help = "so many of the lines that were printed before (all)" },
	{ "port", .meta = "IF", .kind = ARG_NUMBER, .json = "port", .max = 255,
		.help = "of a board with several USB interfaces: this one's console" },
	{ "time", .kind = ARG_FLAG, .help = "the time before each line, and the mark of lines that tell of a boot or a failure" },
	{ "raw", .kind = ARG_FLAG, .help = "bytes as they came, control sequences and all" },
	{ "interactive", 'i', .kind = ARG_FLAG, .help = "a terminal on the board: keys go to its shell" },
	{ NULL },
};

static bool is_interactive(const struct board *b)
{
	return args_has(b->ctl->args, "interactive");
}

static int prepare(struct ctl *ctl, json_object *parameters)
{
	struct args *args = ctl->args;
	bool interactive = args_has(args, "interactive");

	if (ctl->json && (interactive || args_has(args, "raw")))
		return args_refuse(args, NULL, "--json and %s exclude each other", interactive ? "--interactive" : "--raw");
	if (args_has(args, "time") && (ctl->json || interactive || args_has(args, "raw")))
		return args_refuse(args, NULL, "--time excludes --json, --raw and --interactive");
	int code = verb_take_device(ctl, parameters);
	if (code || !interactive)
		return code;
	json_object_object_add(parameters, "follow", json_object_new_boolean(true));
	if (!args_has(args, "lines"))
		json_object_object_add(parameters, "backlog", json_object_new_int(0));
	return 0;
}

/* What was printed, or, should the daemon talk nonsense, its text. */
static void write_raw(struct board *b, json_object *line, const char *text)
{
	const char *encoded = member_string(line, "bytes");
	_cleanup_free_ uint8_t *bytes = NULL;
	size_t size;

	if (encoded && base64_decode(encoded, strlen(encoded), &bytes, &size, NULL) == 0)
		fwrite(bytes, 1, size, b->out);
	else
		fputs(text, b->out);
}

/* "03:04:05.678 ", and "[fatal] " where there is a mark. */
static void say_time(struct board *b, json_object *line)
{
	const char *time = show_key(line, "time"), *t = strchr(time, 'T'), *mark = member_string(line, "mark");

	t = t ? t + 1 : time;
	say(b, "%.*s ", (int)strcspn(t, "Z"), t);
	if (mark)
		say(b, "[%s] ", show(mark));
}

static void say_line(struct board *b, json_object *line, bool raw)
{
	const char *text = member_string(line, "text");
	_cleanup_free_ char *clean = NULL;

	text = text ? text : "";
	if (args_has(b->ctl->args, "time") && !b->step)
		say_time(b, line);
	if (raw) {
		write_raw(b, line, text);
	} else {
		clean = text_clean_lines(text);
		fputs(clean, b->out);
	}
	b->step = member_bool(line, "partial");
	if (!b->step)
		fputc('\n', b->out);
}

static void end_half_line(struct board *b)
{
	if (b->step)
		fputc('\n', b->out);
	b->step = 0;
}

static void print_lines(struct board *b, json_object *reply)
{
	bool raw = args_has(b->ctl->args, "raw") || is_interactive(b);
	size_t i, n = member_count(reply, "lines");
	int64_t dropped;

	if (!args_has(b->ctl->args, "raw") && member_int(reply, "dropped", &dropped) && dropped > 0) {
		end_half_line(b);
		note(b, "(%" PRId64 " line%s lost)\n", dropped, dropped == 1 ? " is" : "s are");
	}
	for (i = 0; i < n; i++)
		say_line(b, member_at(reply, "lines", i), raw);
}

static void print_last(struct board *b, json_object *reply)
{
	print_lines(b, reply);
	if (args_has(b->ctl->args, "raw"))
		return;
	end_half_line(b);
	/* Silence would leave one wondering which board that was. */
	if (!b->ctl->json && !b->ctl->quiet && !member_count(reply, "lines") && !verb_wants_no_lines(b))
		fprintf(stderr, "mcumgrctl: %s has printed nothing that is kept\n", b->name ? show(b->name) : "the board");
}

/* The terminal is taken when the daemon has said that the board is there. */
static void print_event(struct board *b, json_object *reply)
{
	print_lines(b, reply);
	if (is_interactive(b) && !keyboard_is_on())
		keyboard_start(b);
}

const struct verb console_verbs[] = {
	{ .name = "console",
		.summary = "what a board prints, and its shell",
		.options = console_options,
		.words = verb_device_words,
		.method = "Console",
		.flags = VERB_DEVICE | VERB_STREAM | VERB_FOREVER,
		.prepare = prepare,
		.print = print_last,
		.event = print_event,
		.help = "Prints the lines that the daemon keeps of what a board printed, also before it was last reset. Control\n"
			"sequences are left out and other control bytes replaced, but with --raw. With --interactive the terminal is the\n"
			"board's: keys go to its shell while SMP goes on, what it prints is shown as it is; ~. at the beginning of a line\n"
			"and Ctrl-] leave, ~~ types one ~. When standard input is no terminal, all its bytes are typed" },
	{ .name = NULL },
};
