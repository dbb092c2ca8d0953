/* SPDX-License-Identifier: MIT */
#pragma once

/* The configuration: a file of INI sections plus the command line (mcumgrd.conf(5)).
 *
 * [daemon] and [device NAME] sections. A section is a class of settings chosen by `match`, `serial` or `path`; one with
 * `serial`, or the `path` of a board's place, pins one board. Ports of the command line become sections of their own with `tty` set. An error names
 * file, line, key and what is allowed; the daemon does not start on it. */

#include <stdbool.h>
#include <stddef.h>

#include "proto/macro.h"
#include "daemon/log.h"

enum line_level { LINE_KEEP, LINE_ON, LINE_OFF };
enum probe_kind { PROBE_SMP, PROBE_PASSIVE, PROBE_NEVER };

struct usb_port;
struct regex; /* a compiled VID:PID[:interface] expression */

struct config_device {
	char *name;	   /* of the section */
	char *file;	   /* where it stands, or NULL */
	unsigned int line;
	char *match;	   /* VID:PID[:interface] regex, or NULL */
	struct regex *regex;
	char *serial;	   /* exact USB serial number, or NULL */
	char *path;	   /* a place on USB (place.h) of a board, or of a hub with boards below it; or NULL */
	char *tty;	   /* --port: a tty that is not looked for on USB, or NULL */
	char *alias;	   /* or NULL */
	char *tags;	   /* words with a space between, or NULL */
	unsigned int baud; /* 115200 */
	bool rtscts;
	enum line_level dtr, rts;   /* keep */
	unsigned int timeout_ms;    /* 500 */
	unsigned int retries;	    /* 2 */
	unsigned int frame_size;    /* largest packet for the board's buffer; 0: from its parameters */
	enum probe_kind probe;	    /* smp */
	unsigned int quiet_ms;	    /* 1500 */
	int line_delay_ms;	    /* pause between lines of a message; -1: found by itself */
	unsigned int window;	    /* requests in flight; 0: found by itself */
	bool raw;		    /* raw UART framing */
	unsigned int broken_count, broken_window_ms; /* so often attached or booted within that time; 0: never broken */
	unsigned int console_lines, console_bytes; /* what is kept of each console */
	bool console_log;			   /* its lines go to a file, too */
	unsigned int log_size, log_count;	   /* of that file; old ones that are kept */
	bool terminal;				   /* key "tty": it has a pseudo-terminal */
};

struct config {
	char *file; /* NULL: none read */
	bool written; /* there is something in the main file */
	char *socket;
	char *state_dir;
	char *log_dir, *tty_dir; /* of console files and terminals; NULL: config_log_file and config_terminal_link know */
	char *group; /* of the socket; NULL: leave it */
	char *read, *change, *administer; /* who has these roles (role.h); NULL: not said */
	enum log_level log_level;
	bool until_eof; /* end when standard input does */
	char *private_dir; /* where socket and state_dir are, which the daemon removes at its end; NULL: they stay */
	struct config_device *devices;
	size_t device_count;
};

/* Reads file (NULL: defaults only; a missing default file is no error), and after it FILE.d/x.conf in order of their names. text gets "FILE:LINE: ..." for every bad line. */
int config_load(const char *file, bool may_be_missing, struct config **ret, char **ret_text);
/* Adds "TTY[,baud=N][,name=ID][,KEY=VALUE...]". */
int config_add_port(struct config *c, const char *argument, char **ret_text);
void config_free(struct config *c);
DEFINE_FREEP(struct config, config_free)

/* The section that manages a port: one with serial, or the path of the board's place, first; then one with the path of a hub
 * above it, the nearest hub first; then match; of each in file order. NULL: nobody's. */
const struct config_device *config_find(const struct config *c, const struct usb_port *port);

/* Where the console of a board goes; interface < 0: its only one. malloc'd; NULL: no memory. */
char *config_log_file(const struct config *c, const char *id, int interface);
char *config_terminal_link(const struct config *c, const char *id, int interface);

bool config_has_tag(const struct config_device *d, const char *tag);

/* VID:PID[:interface] expressions: PCRE2, case-insensitive, anchored at the start, match limit (peers' semantics:
 * "2fe3:00ab:1" matches interface 10). 0, or -EINVAL with a sentence that says where. */
int regex_compile(const char *pattern, struct regex **ret, char *text, size_t text_size);
bool regex_matches(const struct regex *r, const char *subject);
void regex_free(struct regex *r);
DEFINE_FREEP(struct regex, regex_free)
