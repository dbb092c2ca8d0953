/* SPDX-License-Identifier: MIT */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/* Who called: as the kernel said when the connection was made, in the terms of our own namespaces: pid 0 is a process that we
 * cannot see, uid and gid 65534 are ids that have no meaning here. */
struct peer {
	pid_t pid;
	uid_t uid;
	gid_t gid;
	gid_t *groups; /* the supplementary ones */
	size_t group_count;
	char command[32]; /* what the process is called; "" when that is hidden from us */
};
