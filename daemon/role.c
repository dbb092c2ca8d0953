/* SPDX-License-Identifier: MIT */

#include "daemon/role.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/peer.h"

#define NOBODY ((uid_t)-1) /* what the kernel never gives to anybody; also (gid_t)-1 */
#define NAME_MAX_BYTES 64
#define MEMBERS_MAX 64

struct members {
	uid_t users[MEMBERS_MAX];
	gid_t groups[MEMBERS_MAX];
	size_t user_count, group_count;
	bool everybody;
};

struct roles {
	struct members members[ROLE_ADMINISTER + 1];
	bool named; /* the configuration says who; else the socket's file does */
	gid_t socket_group;
	uid_t own, overflow_uid;
	gid_t overflow_gid;
};

const char *role_name(enum role role)
{
	static const char *const names[] = {
		[ROLE_UNSET] = "administer",
		[ROLE_NONE] = "none",
		[ROLE_READ] = "read",
		[ROLE_CHANGE] = "change",
		[ROLE_ADMINISTER] = "administer",
	};
	return names[role];
}

/* --- the configuration's words ------------------------------------------------------------------------------------ */

/* The next word, or false. *at is moved behind it. */
static bool next_word(const char **at, char *word, size_t size)
{
	*at += strspn(*at, " \t,");
	size_t length = strcspn(*at, " \t,");
	if (!length)
		return false;
	snprintf(word, size, "%.*s", (int)length, *at);
	*at += length;
	return true;
}

static const char *without_kind(const char *word, bool *ret_user)
{
	*ret_user = !strncmp(word, "user:", 5);
	return *ret_user ? word + 5 : !strncmp(word, "group:", 6) ? word + 6 : word;
}

static bool is_name(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@\\$");
	return length && !name[length] && length < NAME_MAX_BYTES;
}

bool role_members_check(const char *value, char *text, size_t text_size)
{
	char word[NAME_MAX_BYTES + 16];
	unsigned int count = 0;
	bool user;
	while (next_word(&value, word, sizeof(word))) {
		if (!is_name(without_kind(word, &user)) || ++count > MEMBERS_MAX) {
			snprintf(text, text_size, "allowed: up to %d of GROUP, group:GROUP, user:USER, everybody", MEMBERS_MAX);
			return false;
		}
	}
	if (!count)
		snprintf(text, text_size, "name groups, or user:USER, or everybody");
	return count;
}

static bool parse_id(const char *name, unsigned long *ret)
{
	char *end;
	errno = 0;
	*ret = strtoul(name, &end, 10);
	return isdigit((unsigned char)*name) && !*end && !errno && *ret < NOBODY;
}

static uid_t find_user(const char *name)
{
	char buffer[16384];
	struct passwd entry, *found = NULL;
	unsigned long id;
	if (parse_id(name, &id))
		return (uid_t)id;
	return getpwnam_r(name, &entry, buffer, sizeof(buffer), &found) == 0 && found ? found->pw_uid : NOBODY;
}

static gid_t find_group(const char *name)
{
	_cleanup_free_ char *buffer = malloc(1u << 20); /* large groups list their members */
	struct group entry, *found = NULL;
	unsigned long id;
	if (parse_id(name, &id))
		return (gid_t)id;
	return buffer && getgrnam_r(name, &entry, buffer, 1u << 20, &found) == 0 && found ? found->gr_gid : NOBODY;
}

static void add_member(const struct roles *r, struct members *m, const char *key, const char *word)
{
	bool user;
	const char *name = without_kind(word, &user);
	if (!strcmp(word, "everybody")) {
		m->everybody = true;
		return;
	}
	unsigned int id = user ? find_user(name) : find_group(name);
	if (id == NOBODY)
		log_warning(NULL, "config", "%s: there is no %s '%s'; it has no role", key, user ? "user" : "group", name);
	else if (id == (user ? r->overflow_uid : r->overflow_gid))
		log_warning(NULL, "config", "%s: '%s' has the number of those who are unknown here; it has no role", key, name);
	else if (user)
		m->users[m->user_count++] = id;
	else
		m->groups[m->group_count++] = id;
}

static void take_members(struct roles *r, enum role role, const char *value)
{
	char word[NAME_MAX_BYTES + 16];
	if (!value)
		return;
	r->named = true;
	for (size_t n = 0; n < MEMBERS_MAX && next_word(&value, word, sizeof(word)); n++)
		add_member(r, &r->members[role], role_name(role), word);
}

static unsigned int overflow_id(const char *path)
{
	unsigned int id = 65534;
	FILE *f = fopen(path, "re");
	if (f && fscanf(f, "%u", &id) != 1)
		id = 65534;
	if (f)
		fclose(f);
	return id;
}

int roles_new(const struct config *config, struct roles **ret)
{
	struct roles *r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	r->own = geteuid();
	r->overflow_uid = overflow_id("/proc/sys/kernel/overflowuid");
	r->overflow_gid = overflow_id("/proc/sys/kernel/overflowgid");
	r->socket_group = NOBODY;
	take_members(r, ROLE_READ, config->read);
	take_members(r, ROLE_CHANGE, config->change);
	take_members(r, ROLE_ADMINISTER, config->administer);
	*ret = r;
	return 0;
}

void roles_free(struct roles *r)
{
	free(r);
}

void roles_set_socket_group(struct roles *r, gid_t group)
{
	r->socket_group = group;
}

/* --- peers -------------------------------------------------------------------------------------------------------- */

static bool is_in_group(const struct roles *r, const struct peer *p, gid_t group)
{
	if (group == NOBODY || group == r->overflow_gid)
		return false;
	if (p->gid == group)
		return true;
	for (size_t i = 0; i < p->group_count; i++)
		if (p->groups[i] == group)
			return true;
	return false;
}

static bool is_member(const struct roles *r, const struct members *m, const struct peer *p)
{
	for (size_t i = 0; i < m->user_count; i++)
		if (m->users[i] == p->uid && p->uid != r->overflow_uid)
			return true;
	for (size_t i = 0; i < m->group_count; i++)
		if (is_in_group(r, p, m->groups[i]))
			return true;
	return m->everybody;
}

enum role roles_of(const struct roles *r, const struct peer *p)
{
	if (p->uid != NOBODY && p->uid != r->overflow_uid && (p->uid == 0 || p->uid == r->own))
		return ROLE_ADMINISTER;
	if (!r->named)
		return is_in_group(r, p, r->socket_group) ? ROLE_ADMINISTER : ROLE_NONE;
	for (enum role role = ROLE_ADMINISTER; role >= ROLE_READ; role--)
		if (is_member(r, &r->members[role], p))
			return role;
	return ROLE_NONE;
}
