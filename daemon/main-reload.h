/* SPDX-License-Identifier: MIT */
#pragma once

/* Reads the configuration again while the daemon runs: the file, and the users and groups it names, in a thread. One at a
 * time; a request that comes meanwhile has it read once more. */

#include <stdbool.h>
#include <uv.h>

#include "daemon/config.h"
#include "daemon/role.h"

struct reload {
	uv_work_t work;
	bool running, again;
	struct config *config;
	struct roles *roles;
	char *text;
	int error;
	/* On the loop; config and roles are the callee's. Not called for a configuration with errors, which the log tells. */
	void (*done)(void *user, struct config *config, struct roles *roles);
	void *user;
};
void reload_start(struct reload *r, uv_loop_t *loop);
