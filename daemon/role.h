/* SPDX-License-Identifier: MIT */
#pragma once

/* Who may do what. Three roles, each of which includes those before it:
 *
 *     read        see boards, jobs and consoles, and ask boards what changes nothing
 *     change      whatever changes a board: updates, resets, files, settings, keystrokes; take a lease
 *     administer  overrule others: end somebody else's lease
 *
 * Without a word in the configuration everyone whom the socket's file lets in has all of them: its group. As soon as [daemon]
 * names members of any role, only these have one. Root and the daemon's own user always have all.
 *
 * A peer is what the kernel said of it when it connected (SO_PEERCRED, SO_PEERGROUPS), in the terms of our own user
 * namespace. An id that has no meaning here arrives as the overflow id (65534), which is the number of "nobody" as well: such
 * an id gives no role, whatever the configuration says of "nobody". */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "daemon/config.h"

enum role {
	ROLE_UNSET, /* of a method that forgot it: treated as administer */
	ROLE_NONE,
	ROLE_READ,
	ROLE_CHANGE,
	ROLE_ADMINISTER,
};
const char *role_name(enum role role);

/* A line of the configuration: words with commas or spaces between them. "NAME" or "group:NAME" is a group, "user:NAME" a
 * user, by name or number; "everybody" is who can connect. false: text says what is wrong. */
bool role_members_check(const char *value, char *text, size_t text_size);

struct roles;
/* Looks up the names, which may ask a directory service: not on the loop. One that is not known is told by the log and gives
 * nobody a role. */
int roles_new(const struct config *config, struct roles **ret);
void roles_free(struct roles *r);
DEFINE_FREEP(struct roles, roles_free)
/* The group of the socket's file that may connect; (gid_t)-1: none. For when the configuration says nothing. */
void roles_set_socket_group(struct roles *r, gid_t group);

struct peer;
enum role roles_of(const struct roles *r, const struct peer *peer);
