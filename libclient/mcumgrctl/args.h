/* SPDX-License-Identifier: MIT */
#pragma once

/* The command line. A verb says in rows what it takes; the rows check the values, make most of the call's parameters,
 * the help and the shell's completion.
 *
 * Short options of the program stand before the verb only, so that a verb may have its own; long ones stand anywhere
 * before
 * "--" or before a free list of arguments (shell). Names are not abbreviated: a script must not break when one is
 * added. */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARGS_OPTIONS_MAX 24 /* rows of one verb, and of the program */
#define ARGS_WORDS_MAX 8    /* positional rows of one verb */
#define ARGS_LIST_MAX 256   /* arguments in a row that takes many */

enum arg_kind {
	ARG_FLAG,
	ARG_TEXT,
	ARG_NUMBER, /* min to max; 0x... too */
	ARG_TIME,   /* 500ms, 5s, 2min; a bare number counts unit_ms; min to max in ms; a number of ms in the call */
	ARG_HEX,    /* an even number of digits, min to max of them; 0: any */
	ARG_JSON,   /* an object */
	ARG_WORD,   /* one of choices */
};

/* One option or one positional argument. */
struct arg {
	const char *name; /* "checksum" for --checksum; NULL ends a list */
	char letter;
	const char *meta; /* what the help calls the value */
	enum arg_kind kind;
	const char *json; /* the call's parameter it becomes; NULL: the verb sees to it */
	const char *help;
	int64_t min, max;
	unsigned int unit_ms;
	const char *const *choices;
	bool optional; /* positional: may be left out, as may all after it; an option: its value may, and else follows '=' */
	bool many;     /* positional: the last row; takes all that is left */
	bool free;     /* positional, many: the first ends the options */
};

struct verb;

struct arg_value {
	bool given;
	const char *text;
	int64_t number;
	json_object *object;
};

struct args {
	const struct verb *verb; /* NULL: none was named */
	bool help;
	bool list_ports; /* --serial or --usb-serial without a value */
	const char *group; /* with help and no verb: of this group */
	struct arg_value globals[ARGS_OPTIONS_MAX], options[ARGS_OPTIONS_MAX], words[ARGS_WORDS_MAX];
	struct arg_value list[ARGS_LIST_MAX];
	size_t list_count;
	char **command; /* all that follows "--", for verbs that run a command; NULL: nothing */
	char problem[512]; /* after -EINVAL: a sentence, and what would be right */
	char hint[512];
};

extern const struct arg global_options[];

/* 0, or -EINVAL with problem and hint. Strings are borrowed from argv. */
int args_parse(int argc, char **argv, struct args *ret);
void args_release(struct args *args);

/* By the name of the row; of options and positional arguments alike. A name that the verb does not have is a bug. */
const struct arg_value *args_value(const struct args *args, const char *name);
const struct arg_value *args_global(const struct args *args, const char *name);
bool args_has(const struct args *args, const char *name);
const char *args_text(const struct args *args, const char *name); /* NULL when not given */

/* Adds everything that was given and has a `json` to the call's parameters. */
void args_parameters(const struct args *args, json_object *parameters);

/* For values that a verb checks by itself: keeps the sentence and the hint. Returns -EINVAL. */
int args_refuse(struct args *args, const char *hint, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Parses one value for a row. For args_parse() and its tests. */
int arg_read(struct args *args, const struct arg *row, const char *shown, const char *text, struct arg_value *ret);

/* The value as the API wants it; a new reference. */
json_object *arg_json(const struct arg *row, const struct arg_value *value);
