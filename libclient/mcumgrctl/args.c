/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/args.h"
#include "libclient/mcumgrctl/suggest.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/verb.h"
#include "proto/json.h"

struct parser {
	struct args *args;
	char **argv;
	int argc, at;
	const char *first; /* word of a verb of two */
	size_t words;
	bool literal; /* after "--" */
};

const struct arg global_options[] = {
	{ "device", 'd', "DEV", ARG_TEXT, NULL, "board: id, alias, tag, tty or VID:PID[:interface] regex" },
	{ "all", 0, NULL, ARG_FLAG, NULL, "every board, in parallel" },
	{ "parallel", 0, "N", ARG_NUMBER, NULL, "with --all: so many boards at once (all)", 1, 65535 },
	{ "stop-after", 0, "N", ARG_NUMBER, NULL, "with --all: begin with no other board after so many failures", 1, 65535 },
	{ "serial", 's', "TTY", ARG_TEXT, NULL, "board on this tty, whoever has it; alone: list them" },
	{ "baud", 'b', "N", ARG_NUMBER, NULL, "speed of that tty, if no daemon has it (115200)", 50, 20000000 },
	{ "raw", 0, NULL, ARG_FLAG, NULL, "that tty carries raw SMP, if no daemon has it" },
	{ "usb-serial", 'u', "REGEX", ARG_TEXT, NULL, "as --device, even without a daemon; alone: list them" },
	{ "json", 0, NULL, ARG_FLAG, NULL, "print the API's own objects, one a line" },
	{ "quiet", 'q', NULL, ARG_FLAG, NULL, "no progress, only what was asked for, and errors" },
	{ "verbose", 0, NULL, ARG_FLAG, NULL, "more words where others have few" },
	{ "timeout", 't', "TIME", ARG_TIME, NULL, "answer time of the board: 500ms, 5s (bare number: ms)", 1, 600000,
		1 },
	{ "smp-frame-size", 0, "N", ARG_NUMBER, "frameSize", "largest message to the board, for all clients (0: its own)",
		0, 65543 },
	{ "retries", 0, "N", ARG_NUMBER, "retries", "repeats after a lost answer, for all clients", 0, 255 },
	{ "detach", 0, NULL, ARG_FLAG, NULL, "start a job and leave it to the daemon" },
	{ "socket", 0, "PATH", ARG_TEXT, NULL, "the daemon's socket, instead of $MCUMGR_SOCKET" },
	{ "help", 'h', NULL, ARG_FLAG, NULL, "this page; after a verb, that verb's" },
	{ "version", 'V', NULL, ARG_FLAG, NULL, "version of mcumgrctl" },
	{ NULL },
};

_Static_assert(sizeof(global_options) / sizeof(*global_options) <= ARGS_OPTIONS_MAX, "more options than have room");

static const struct arg no_rows[] = { { NULL } };

static const struct arg *rows_of(const struct arg *rows)
{
	return rows ? rows : no_rows;
}

static const struct arg *find_long(const struct arg *rows, const char *name, size_t length)
{
	for (; rows->name; rows++)
		if (strlen(rows->name) == length && strncmp(rows->name, name, length) == 0)
			return rows;
	return NULL;
}

static const struct arg *find_letter(const struct arg *rows, char letter)
{
	for (; rows->name; rows++)
		if (rows->letter == letter)
			return rows;
	return NULL;
}

/* Where the value of this row goes. */
static struct arg_value *slot_of(struct parser *p, const struct arg *row)
{
	const struct arg *own = p->args->verb ? rows_of(p->args->verb->options) : NULL;

	for (; own && own->name; own++)
		if (own == row)
			return &p->args->options[row - p->args->verb->options];
	return &p->args->globals[row - global_options];
}

/* --serial or --usb-serial with nothing behind it asks which there are. */
static bool lists_ports(const struct parser *p, const struct arg *row)
{
	bool alone = p->at == p->argc || p->argv[p->at][0] == '-';

	return alone && (row == find_letter(global_options, 's') || row == find_letter(global_options, 'u'));
}

/* value: what follows '=' or the letter, or NULL: the next argument is it. */
static int take_option(struct parser *p, const struct arg *row, const char *shown, const char *value)
{
	struct arg_value *slot = slot_of(p, row);

	if (slot->given && row->kind != ARG_FLAG)
		return args_refuse(p->args, NULL, "%s is given twice", shown);
	if (row->kind == ARG_FLAG) {
		if (value)
			return args_refuse(p->args, NULL, "%s takes no value", shown);
		slot->given = true;
		return 0;
	}
	if (!value && row->optional) {
		slot->given = true;
		return 0;
	}
	if (!value && lists_ports(p, row)) {
		p->args->list_ports = true;
		return 0;
	}
	if (!value && p->at < p->argc)
		value = p->argv[p->at++];
	if (!value)
		return args_refuse(p->args, NULL, "%s needs a value: %s", shown, row->meta);
	return arg_read(p->args, row, shown, value, slot);
}

/* Options of other clients of SMP, which users may try. */
static const char *foreign(const char *name)
{
	static const char *const names[][2] = {
		{ "udp", "Boards are reached by serial ports; UDP is not there yet." },
		{ "ble", "Boards are reached by serial ports; Bluetooth is not there yet." },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i][0]) == 0)
			return names[i][1];
	return NULL;
}

static int unknown_long(struct parser *p, const char *name)
{
	const char *near = suggest_option(p->args->verb, name);
	_cleanup_free_ char *hint = foreign(name) ? format("%s", foreign(name))
				    : near        ? format("Is it --%s that you mean?", near)
						  : NULL;

	if (p->args->verb)
		return args_refuse(p->args, hint, "%s has no option --%s", verb_title(p->args->verb), show(name));
	return args_refuse(
		p->args, hint ? hint : "Options of a verb stand after it.", "there is no option --%s", show(name));
}

static int take_long(struct parser *p, const char *text)
{
	const struct arg *own = p->args->verb ? rows_of(p->args->verb->options) : no_rows, *row;
	const char *equals = strchr(text, '=');
	size_t length = equals ? (size_t)(equals - text) : strlen(text);
	_cleanup_free_ char *name = format("%.*s", (int)length, text), *shown = format("--%s", name);

	row = find_long(own, name, length);
	if (!row)
		row = find_long(global_options, name, length);
	if (!row)
		return unknown_long(p, name);
	return take_option(p, row, shown, equals ? equals + 1 : NULL);
}

static int unknown_letter(struct parser *p, char letter)
{
	const struct arg *row = find_letter(global_options, letter);
	_cleanup_free_ char *hint = NULL;
	const char text[] = { letter, 0 };

	if (row && (p->args->verb || p->first)) {
		hint = format("Write -%c before the verb, or --%s anywhere.", letter, row->name);
		return args_refuse(p->args, hint, "-%c stands before the verb", letter);
	}
	return args_refuse(p->args, NULL, "there is no option -%s", show(text));
}

/* A word that starts with one dash: letters, of which the last may have its value behind it. */
static int take_letters(struct parser *p, const char *text)
{
	bool before = !p->args->verb && !p->first;
	const struct arg *rows = before ? global_options : p->args->verb ? rows_of(p->args->verb->options) : no_rows;

	for (; *text; text++) {
		const struct arg *row = find_letter(rows, *text);
		const char shown[] = { '-', *text, 0 };
		int r;

		if (!row && *text == 'h')
			row = find_letter(global_options, 'h');
		if (!row)
			return unknown_letter(p, *text);
		if (row->kind != ARG_FLAG)
			return take_option(p, row, shown, text[1] ? text + 1 : NULL);
		r = take_option(p, row, shown, NULL);
		if (r < 0)
			return r;
	}
	return 0;
}

static int take_verb(struct parser *p, const char *word)
{
	const struct verb *v = p->first ? verb_find(p->first, word) : verb_find(word, NULL);
	_cleanup_free_ char *hint = NULL;

	if (v) {
		p->args->verb = v;
		return 0;
	}
	/* "help lock" is "lock --help". */
	if (!p->first && strcmp(word, "help") == 0) {
		p->args->globals[find_long(global_options, "help", strlen("help")) - global_options].given = true;
		return 0;
	}
	if (!p->first && verb_is_group(word)) {
		p->first = p->args->group = word;
		return 0;
	}
	hint = suggest_verb(p->first, word);
	if (p->first)
		return args_refuse(p->args, hint, "there is no verb %s %s", p->first, show(word));
	return args_refuse(p->args, hint, "there is no verb %s", show(word));
}

static int take_word(struct parser *p, const char *word)
{
	const struct arg *rows = rows_of(p->args->verb->words), *row = rows;
	struct args *args = p->args;

	while (row->name && row < rows + p->words && !row->many)
		row++;
	if (!row->name)
		return args_refuse(
			args, NULL, "%s has no use for the argument '%s'", verb_title(args->verb), show(word));
	if (!row->many)
		return arg_read(args, row, row->meta, word, &args->words[p->words++]);
	if (args->list_count == ARGS_LIST_MAX)
		return args_refuse(args, NULL, "more than %d arguments", ARGS_LIST_MAX);
	p->literal = p->literal || row->free;
	return arg_read(args, row, row->meta, word, &args->list[args->list_count++]);
}

static int take(struct parser *p, const char *word)
{
	if (!p->literal && strcmp(word, "--") == 0 && p->args->verb && p->args->verb->command) {
		if (p->at < p->argc)
			p->args->command = &p->argv[p->at];
		p->at = p->argc;
		return 0;
	}
	if (!p->literal && strcmp(word, "--") == 0) {
		p->literal = true;
		return 0;
	}
	if (!p->literal && strncmp(word, "--", 2) == 0)
		return take_long(p, word + 2);
	if (!p->literal && word[0] == '-' && word[1])
		return take_letters(p, word + 1);
	return p->args->verb ? take_word(p, word) : take_verb(p, word);
}

/* The first positional argument that is missing. */
static int check_words(struct parser *p)
{
	const struct arg *row = rows_of(p->args->verb->words);
	size_t i;

	for (i = 0; row->name; row++, i++)
		if (!row->optional && (row->many ? !p->args->list_count : i >= p->words))
			return args_refuse(
				p->args, NULL, "%s needs %s: %s", verb_title(p->args->verb), row->meta, row->help);
	return 0;
}

int args_parse(int argc, char **argv, struct args *args)
{
	struct parser p = { .args = args, .argv = argv, .argc = argc, .at = 1 };
	_cleanup_free_ char *hint = NULL;

	memset(args, 0, sizeof(*args));
	while (p.at < argc) {
		int r = take(&p, argv[p.at++]);

		if (r < 0)
			return r;
	}
	args->help = args_global(args, "help")->given;
	if (args->help || args->list_ports || args_global(args, "version")->given)
		return 0;
	if (p.first && !args->verb) {
		hint = suggest_verb(p.first, "");
		return args_refuse(args, hint, "%s needs a verb", p.first);
	}
	return args->verb ? check_words(&p) : 0;
}

void args_release(struct args *args)
{
	size_t i;

	for (i = 0; i < ARGS_WORDS_MAX; i++)
		json_object_put(args->words[i].object);
	for (i = 0; i < ARGS_OPTIONS_MAX; i++)
		json_object_put(args->options[i].object);
}

const struct arg_value *args_global(const struct args *args, const char *name)
{
	const struct arg *row = find_long(global_options, name, strlen(name));

	assert(row);
	return &args->globals[row - global_options];
}

const struct arg_value *args_value(const struct args *args, const char *name)
{
	const struct arg *row = find_long(rows_of(args->verb->options), name, strlen(name));

	if (row)
		return &args->options[row - args->verb->options];
	row = find_long(rows_of(args->verb->words), name, strlen(name));
	assert(row && !row->many);
	return &args->words[row - args->verb->words];
}

bool args_has(const struct args *args, const char *name)
{
	return args_value(args, name)->given;
}

const char *args_text(const struct args *args, const char *name)
{
	return args_value(args, name)->text;
}

static void add_list(const struct args *args, const struct arg *row, json_object *parameters)
{
	json_object *array = json_object_new_array();
	size_t i;

	for (i = 0; i < args->list_count; i++)
		json_object_array_add(array, arg_json(row, &args->list[i]));
	json_object_object_add(parameters, row->json, array);
}

static void add_rows(
	const struct args *args, const struct arg *rows, const struct arg_value *values, json_object *parameters)
{
	size_t i;

	for (i = 0; rows[i].name; i++)
		if (rows[i].json && rows[i].many && args->list_count)
			add_list(args, &rows[i], parameters);
		else if (rows[i].json && !rows[i].many && values[i].given)
			json_object_object_add(parameters, rows[i].json, arg_json(&rows[i], &values[i]));
}

void args_parameters(const struct args *args, json_object *parameters)
{
	add_rows(args, rows_of(args->verb->words), args->words, parameters);
	add_rows(args, rows_of(args->verb->options), args->options, parameters);
}
