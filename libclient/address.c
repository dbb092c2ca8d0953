/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "libclient/client.h"

char *client_default_path(void)
{
	const char *named = getenv("MCUMGR_SOCKET"), *runtime = getenv("XDG_RUNTIME_DIR");
	char *path;

	if (named && *named)
		return strdup(named);
	/* Without a directory of the user's own the system's daemon is the one to miss. */
	if (geteuid() == 0 || access(MCUMGR_SOCKET_SYSTEM, F_OK) == 0 || !runtime || !*runtime)
		return strdup(MCUMGR_SOCKET_SYSTEM);
	return asprintf(&path, "%s/mcumgr/io.mcumgr", runtime) < 0 ? NULL : path;
}
