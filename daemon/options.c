/* SPDX-License-Identifier: MIT */

#include "daemon/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_CONFIG "/etc/mcumgrd.conf"

static const char help[] =
	"Usage: mcumgrd [OPTION]...\n"
	"Own the serial ports of Zephyr and MCUboot boards; serve them on a Unix socket.\n"
	"\n"
	"  -c, --config FILE      configuration (" DEFAULT_CONFIG ")\n"
	"      --check-config     say whether the configuration is good, and exit\n"
	"      --dry-run          say what would be opened and sent, and exit\n"
	"      --socket PATH      listen there (/run/mcumgr/io.mcumgr; for an ordinary user\n"
	"                         $XDG_RUNTIME_DIR/mcumgr/io.mcumgr)\n"
	"      --port TTY[,baud=N][,name=ID][,KEY=VALUE]...\n"
	"                         manage a tty that is not on USB; it may come later\n"
	"      --state-dir DIR    where ids, unfinished jobs and their images are kept\n"
	"      --log-level LEVEL  error, warning, info or debug\n"
	"      --until-eof        end when standard input does: a daemon for one client\n"
	"      --private DIR      --until-eof --socket DIR/socket --state-dir DIR/state, and\n"
	"                         remove these at the end, and DIR when it is empty\n"
	"  -h, --help             this text\n"
	"  -V, --version          the version\n"
	"\n"
	"See mcumgrd(8) and mcumgrd.conf(5).\n";

enum { OPTION_CHECK = 256, OPTION_DRY_RUN, OPTION_SOCKET, OPTION_PORT, OPTION_STATE_DIR, OPTION_LOG_LEVEL, OPTION_UNTIL_EOF,
	OPTION_PRIVATE };

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "check-config", no_argument, NULL, OPTION_CHECK },
	{ "dry-run", no_argument, NULL, OPTION_DRY_RUN },
	{ "socket", required_argument, NULL, OPTION_SOCKET },
	{ "port", required_argument, NULL, OPTION_PORT },
	{ "state-dir", required_argument, NULL, OPTION_STATE_DIR },
	{ "log-level", required_argument, NULL, OPTION_LOG_LEVEL },
	{ "until-eof", no_argument, NULL, OPTION_UNTIL_EOF },
	{ "private", required_argument, NULL, OPTION_PRIVATE },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ 0 },
};

/* What was said on the command line, before the file is known. Pointers into argv. */
struct given {
	enum action action;
	const char *file, *socket, *state_dir, *private_dir;
	int log_level; /* -1: not given */
	bool until_eof;
	const char **ports;
	size_t port_count;
};

static enum exit_code usage(const char *format, const char *argument)
{
	if (format)
		fprintf(stderr, format, argument);
	fputs("Try 'mcumgrd --help'.\n", stderr);
	return EXIT_USAGE;
}

/* A path as the shell's user means it: from the working directory. NULL without memory, or where there is none. */
static char *absolute(const char *path)
{
	_cleanup_free_ char *here = *path == '/' ? strdup("") : getcwd(NULL, 0);
	char *joined = NULL;
	if (!here || asprintf(&joined, "%s%s%s", here, *path == '/' ? "" : "/", path) < 0)
		return NULL;
	return joined;
}

static enum exit_code take_option(struct given *g, int option, const char *value)
{
	enum log_level level;
	switch (option) {
	case 'c':
		g->file = value;
		return EXIT_GOOD;
	case OPTION_CHECK:
		g->action = ACTION_CHECK;
		return EXIT_GOOD;
	case OPTION_DRY_RUN:
		g->action = ACTION_DRY_RUN;
		return EXIT_GOOD;
	case OPTION_SOCKET:
		g->socket = value;
		return EXIT_GOOD;
	case OPTION_STATE_DIR:
		g->state_dir = value;
		return EXIT_GOOD;
	case OPTION_UNTIL_EOF:
		g->until_eof = true;
		return EXIT_GOOD;
	case OPTION_PRIVATE:
		g->private_dir = value;
		g->until_eof = true;
		return EXIT_GOOD;
	case OPTION_PORT:
		g->ports[g->port_count++] = value;
		return EXIT_GOOD;
	case OPTION_LOG_LEVEL:
		if (log_level_parse(value, &level) < 0)
			return usage("mcumgrd: --log-level '%s': allowed are error, warning, info, debug\n", value);
		g->log_level = (int)level;
		return EXIT_GOOD;
	case 'h':
		g->action = ACTION_EXIT;
		fputs(help, stdout);
		return EXIT_GOOD;
	case 'V':
		g->action = ACTION_EXIT;
		puts("mcumgrd " MCUMGRD_VERSION);
		return EXIT_GOOD;
	default:
		return usage(NULL, NULL); /* getopt has said what */
	}
}

static enum exit_code read_arguments(struct given *g, int argc, char *argv[])
{
	int option;
	while ((option = getopt_long(argc, argv, "c:hV", long_options, NULL)) >= 0) {
		enum exit_code code = take_option(g, option, optarg);
		if (code != EXIT_GOOD || g->action == ACTION_EXIT)
			return code;
	}
	if (optind < argc)
		return usage("mcumgrd: unexpected argument '%s'\n", argv[optind]);
	if (g->private_dir && (g->socket || g->state_dir))
		return usage("mcumgrd: --private says where the socket and the state are, so that %s cannot\n",
				g->socket ? "--socket" : "--state-dir");
	return EXIT_GOOD;
}

static int replace_path(char **text, const char *by)
{
	char *copy = by ? absolute(by) : NULL;
	if (!by)
		return 0;
	if (!copy)
		return -ENOMEM;
	free(*text);
	*text = copy;
	return 0;
}

static int apply_private(const char *dir, struct config *c)
{
	_cleanup_free_ char *socket = NULL, *state = NULL;
	if (!dir)
		return 0;
	if (asprintf(&socket, "%s/socket", dir) < 0 || asprintf(&state, "%s/state", dir) < 0)
		return -ENOMEM;
	if (replace_path(&c->private_dir, dir) < 0 || replace_path(&c->socket, socket) < 0)
		return -ENOMEM;
	return replace_path(&c->state_dir, state);
}

static int apply(const struct given *g, struct config *c, char **ret_text)
{
	if (replace_path(&c->socket, g->socket) < 0 || replace_path(&c->state_dir, g->state_dir) < 0)
		return -ENOMEM;
	if (apply_private(g->private_dir, c) < 0)
		return -ENOMEM;
	c->until_eof = g->until_eof;
	if (g->log_level >= 0)
		c->log_level = (enum log_level)g->log_level;
	for (size_t i = 0; i < g->port_count; i++) {
		_cleanup_free_ char *port = absolute(g->ports[i]);
		/* Kinds of links that do not exist yet, and no name at all, are refused as they stand. */
		bool refused = !strncmp(g->ports[i], "udp:", 4) || !strncmp(g->ports[i], "ble:", 4) || !strcspn(g->ports[i], ",");
		int r = config_add_port(c, refused || !port ? g->ports[i] : port, ret_text);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Of the process, for a reload; pointers into argv. */
static struct given given = { .action = ACTION_RUN, .log_level = -1 };

int options_reload(struct config **ret, char **ret_text)
{
	_cleanup_(config_freep) struct config *c = NULL;
	int r = config_load(given.file ? given.file : DEFAULT_CONFIG, !given.file, &c, ret_text);
	if (r < 0)
		return r;
	r = apply(&given, c, ret_text);
	if (r == 0)
		*ret = TAKE_PTR(c);
	return r;
}

static enum exit_code load_first(struct config **ret)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_(config_freep) struct config *c = NULL;
	int r = config_load(given.file ? given.file : DEFAULT_CONFIG, !given.file, &c, &text);
	if (r < 0) {
		fprintf(stderr, "%s\n", text ? text : "mcumgrd: out of memory");
		return EXIT_CONFIG;
	}
	r = apply(&given, c, &text);
	if (r < 0)
		return usage("mcumgrd: %s\n", text ? text : "out of memory");
	*ret = TAKE_PTR(c);
	return EXIT_GOOD;
}

enum exit_code options_parse(int argc, char *argv[], enum action *ret_action, struct config **ret)
{
	free(given.ports);
	given = (struct given){ .action = ACTION_RUN, .log_level = -1, .ports = calloc((size_t)argc + 1, sizeof(*given.ports)) };
	if (!given.ports)
		return EXIT_FAILED;
	enum exit_code code = read_arguments(&given, argc, argv);
	if (code == EXIT_GOOD && given.action != ACTION_EXIT)
		code = load_first(ret);
	if (code != EXIT_GOOD)
		return code;
	*ret_action = given.action;
	return EXIT_GOOD;
}
