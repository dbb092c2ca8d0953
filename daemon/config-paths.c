/* SPDX-License-Identifier: MIT */

/* Where the consoles' files and terminals are: as configured, as the service manager says, or beside the socket and the state
 * directory. */

#include <stdio.h>
#include <string.h>

#include "daemon/config.h"

/* The directory of a path, and a name in there; malloc'd. */
static char *beside(const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');
	char *text;

	if (!slash || asprintf(&text, "%.*s/%s", (int)(slash - path), path, name) < 0)
		return NULL;
	return text;
}

/* What the service manager made; of several the first. */
static char *given(const char *variable)
{
	const char *value = getenv(variable);

	return value && *value == '/' ? strndup(value, strcspn(value, ":")) : NULL;
}

static char *log_dir(const struct config *c)
{
	char *path = c->log_dir ? strdup(c->log_dir) : given("LOGS_DIRECTORY");

	if (path)
		return path;
	return !c->state_dir || strncmp(c->state_dir, "/var/lib/", 9) == 0 ? strdup("/var/log/mcumgr")
									    : beside(c->state_dir, "mcumgr-log");
}

static char *tty_dir(const struct config *c)
{
	char *path = c->tty_dir ? strdup(c->tty_dir) : given("RUNTIME_DIRECTORY");

	return path ? path : c->socket ? beside(c->socket, "dev") : strdup("/run/mcumgr/dev");
}

static char *join(char *folder_taken, const char *id, int interface, const char *end)
{
	_cleanup_free_ char *folder = folder_taken;
	char *path = NULL;
	int n;

	if (!folder)
		return NULL;
	if (interface < 0)
		n = asprintf(&path, "%s/%s%s", folder, id, end);
	else
		n = asprintf(&path, "%s/%s.if%d%s", folder, id, interface, end);
	return n < 0 ? NULL : path;
}

char *config_log_file(const struct config *c, const char *id, int interface)
{
	return join(log_dir(c), id, interface, ".log");
}

char *config_terminal_link(const struct config *c, const char *id, int interface)
{
	return join(tty_dir(c), id, interface, "");
}
