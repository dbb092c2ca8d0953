/* SPDX-License-Identifier: MIT */
#pragma once

/* A verb is a row: what it takes, which method it calls, how its reply reads. Most verbs are nothing else. */

#include "libclient/mcumgr.h"
#include "libclient/mcumgrctl/args.h"

struct board;
struct ctl;

enum verb_flags {
	VERB_DEVICE = 1,   /* for one board, or with --all for every one */
	VERB_TIMEOUT = 2,  /* its method takes timeoutMs */
	VERB_STREAM = 4,   /* called with 'more' */
	VERB_JOB = 8,      /* starts a job: replies are progress, Ctrl-C cancels, --detach leaves it alone */
	VERB_SLOW = 16,    /* may take a minute: says so on a terminal */
	VERB_FOREVER = 32, /* ends by Ctrl-C only */
	VERB_FOLLOWS = 64, /* follows a job of somebody else: Ctrl-C leaves it alone */
	VERB_TRANSFER = 128, /* moves a file: replies are progress, Ctrl-C closes the connection, which cancels */
	VERB_ALL = 256, /* --all has a meaning of its own */
};
#define VERB_BOARD (VERB_DEVICE | VERB_TIMEOUT)

/* What a verb makes of a reply. */
enum next {
	NEXT_DONE,
	NEXT_CALL,  /* sent another call */
	NEXT_ERROR, /* an error it does not want to deal with */
};

struct verb {
	const char *group; /* first word, NULL for verbs of one word */
	const char *name;
	const char *summary; /* a line for the list */
	const char *help;    /* paragraphs for its own page; may be NULL */
	const struct arg *options, *words;
	const char *command; /* what the help calls a command behind "--"; NULL: the verb runs none */
	const char *method;
	unsigned int flags;

	/* Before anything is sent: checks, and adds to the parameters what the rows cannot. 0, -EINVAL after
	 * args_refuse(), or an exit code of something already reported. NULL: nothing. */
	int (*prepare)(struct ctl *ctl, json_object *parameters);
	/* Reply as text, into the board's output. NULL: success has nothing to say. */
	void (*print)(struct board *b, json_object *reply);
	/* Verbs of several calls, instead of method and print: first called with reply and error NULL, then with the
	 * reply or the error of each. */
	enum next (*next)(struct board *b, json_object *reply, const struct mcumgr_error *error);
	/* Streams: each reply that continues. NULL: progress. */
	void (*event)(struct board *b, json_object *reply);
	/* Verbs that wait for something: --timeout is for the whole of them, and then this is called. With --all they
	 * still have one connection, which tells of every board. */
	void (*expired)(struct board *b);
	/* Verbs that follow up what they did, for each board: they set its deadline themselves. */
	void (*overdue)(struct board *b);
	/* Needs no daemon: does everything itself and returns the exit code. */
	int (*offline)(struct ctl *ctl);
};

struct verb_group {
	const char *title;        /* in the help */
	const struct verb *verbs; /* end with a row without a name */
};

extern const struct verb_group verb_groups[]; /* end with a row without a title */

/* The verb of these words; second may be NULL. */
const struct verb *verb_find(const char *first, const char *second);
bool verb_is_group(const char *name);

/* The n-th verb of all, NULL past the last. */
const struct verb *verb_at(size_t n);

/* "os echo". Lives until the next call. */
const char *verb_title(const struct verb *v);

/* Verbs that take DEV as their word, besides -d: verb_device_words, and verb_take_device as, or first in, their prepare. */
extern const struct arg verb_device_words[];
int verb_take_device(struct ctl *ctl, json_object *parameters);
/* -n 0: none of what was kept. */
bool verb_wants_no_lines(const struct board *b);

extern const struct verb echo_check;
