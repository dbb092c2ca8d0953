/* SPDX-License-Identifier: MIT */
/* Who has a tty open, and who the caller is. */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libclient/mcumgrctl/host.h"
#include "libclient/mcumgrctl/text.h"
#include "proto/macro.h"

#define GROUPS_MAX 1024

/* --- processes ---------------------------------------------------------------------------------------------------- */

static bool is_number(const char *name)
{
	return *name && !name[strspn(name, "0123456789")];
}

/* A node, and what it leads to: both are names of the same tty. */
struct target {
	char *node, *real;
};

static bool leads_to(const char *directory, const char *fd, const struct target *target)
{
	_cleanup_free_ char *path = format("%s/%s", directory, fd), *full = host_path(path);
	char link[512];
	ssize_t n = readlink(full, link, sizeof(link) - 1);

	if (n < 0)
		return false;
	link[n] = '\0';
	return strcmp(link, target->node) == 0 || (target->real && strcmp(link, target->real) == 0);
}

/* 1: has it open; 0: has not; -1: not allowed to see. */
static int holds(const char *pid, const struct target *target)
{
	_cleanup_free_ char *directory = format("/proc/%s/fd", pid);
	size_t i, n;
	char **fds;
	int found = 0;

	errno = 0;
	fds = host_names(directory, &n);
	if (!fds)
		return errno == EACCES || errno == EPERM ? -1 : 0; /* it has ended meanwhile */
	for (i = 0; i < n && !found; i++)
		found = leads_to(directory, fds[i], target);
	host_names_free(fds, n);
	return found;
}

static char *name_of(const char *pid)
{
	_cleanup_free_ char *path = format("/proc/%s/comm", pid);

	return host_line(path);
}

static struct host_holder holder_of(const char *pid)
{
	_cleanup_free_ char *path = format("/proc/%s", pid), *full = host_path(path);
	struct stat st;

	return (struct host_holder){
		.pid = (pid_t)atoi(pid),
		.name = name_of(pid),
		.user = stat(full, &st) == 0 ? host_user_name(st.st_uid) : NULL,
	};
}

struct host_holder *host_holders(const char *node, size_t *ret_count, size_t *ret_hidden)
{
	_cleanup_free_ char *copy = format("%s", node), *real = realpath(node, NULL);
	const struct target target = { .node = copy, .real = real };
	size_t i, n, count = 0, hidden = 0;
	char **names = host_names("/proc", &n);
	struct host_holder *holders = calloc(n + 1, sizeof(*holders));

	if (!holders)
		out_of_memory();
	for (i = 0; i < n; i++) {
		int r = is_number(names[i]) ? holds(names[i], &target) : 0;

		if (r > 0)
			holders[count++] = holder_of(names[i]);
		hidden += r < 0;
	}
	host_names_free(names, n);
	*ret_count = count;
	*ret_hidden = hidden;
	return holders;
}

void host_holders_free(struct host_holder *holders, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		free(holders[i].name);
		free(holders[i].user);
	}
	free(holders);
}

pid_t host_process(const char *name)
{
	size_t i, n;
	char **names = host_names("/proc", &n);
	pid_t found = 0;

	for (i = 0; i < n && !found; i++) {
		_cleanup_free_ char *is = is_number(names[i]) ? name_of(names[i]) : NULL;

		/* The kernel keeps 15 letters. */
		if (is && strncmp(is, name, 15) == 0 && strlen(is) >= (strlen(name) < 15 ? strlen(name) : 15))
			found = (pid_t)atoi(names[i]);
	}
	host_names_free(names, n);
	return found;
}

/* --- groups ------------------------------------------------------------------------------------------------------- */

char *host_user_name(uid_t uid)
{
	const struct passwd *p = getpwuid(uid);

	return p ? format("%s", p->pw_name) : format("%u", (unsigned int)uid);
}

/* NULL: unknown. Borrowed until the next one. */
static struct group *group_of(gid_t gid)
{
	_cleanup_free_ char *path = host_path("/etc/group");
	struct group *g = NULL;
	FILE *f;

	if (!getenv("MCUMGRCTL_ROOT"))
		return getgrgid(gid); /* also those that are not in the file */
	f = fopen(path, "re");
	while (f && (g = fgetgrent(f)) && g->gr_gid != gid)
		;
	if (f)
		fclose(f);
	return g;
}

char *host_group_name(gid_t gid)
{
	const struct group *g = group_of(gid);

	return g ? format("%s", g->gr_name) : format("%u", (unsigned int)gid);
}

bool host_in_group(gid_t gid)
{
	gid_t groups[GROUPS_MAX];
	int i, n = getgroups(GROUPS_MAX, groups);

	for (i = 0; i < n; i++)
		if (groups[i] == gid)
			return true;
	return getegid() == gid;
}

bool host_listed_in_group(gid_t gid)
{
	_cleanup_free_ char *user = host_user_name(geteuid());
	const struct group *g = group_of(gid);
	char **member;

	for (member = g ? g->gr_mem : NULL; member && *member; member++)
		if (strcmp(*member, user) == 0)
			return true;
	return false;
}
