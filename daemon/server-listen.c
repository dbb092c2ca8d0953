/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/server-private.h"

#define GROUP_BYTES (1u << 20) /* large groups list their members */

static void closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

_printf_(3, 4) static int fail(int error, char **ret_text, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (vasprintf(ret_text, format, args) < 0)
		*ret_text = NULL;
	va_end(args);
	return error;
}

static int make_address(const char *path, struct sockaddr_un *ret, char **ret_text)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (path[0] != '/')
		return fail(-EINVAL, ret_text, "the socket must be an absolute path, not %s", path);
	if (strlen(path) >= sizeof(ret->sun_path))
		return fail(-ENAMETOOLONG, ret_text, "the socket %s has a path of %zu bytes, but at most %zu are possible", path,
				strlen(path), sizeof(ret->sun_path) - 1);
	memcpy(ret->sun_path, path, strlen(path) + 1);
	return 0;
}

/* Two daemons that start at once must not both find a stale socket. The lock is held as long as the socket. */
static int take_lock(const char *path, int *ret, char **ret_text)
{
	_cleanup_free_ char *name = NULL;
	_cleanup_(closep) int fd = -1;

	if (asprintf(&name, "%s.lock", path) < 0) {
		name = NULL;
		return -ENOMEM;
	}
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail(-errno, ret_text, "%s cannot be made: %s", name, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return fail(-EADDRINUSE, ret_text, "another mcumgrd holds the socket %s", path);
	*ret = fd;
	fd = -1;
	return 0;
}

/* 0 when the path is free: nothing there, or a socket that nobody answers on, which is removed then. */
static int remove_stale(const char *path, const struct sockaddr_un *address, char **ret_text)
{
	_cleanup_(closep) int fd = -1;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : fail(-errno, ret_text, "%s cannot be looked at: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return fail(-EEXIST, ret_text, "%s exists and is no socket: it is left alone", path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
		return fail(-EADDRINUSE, ret_text, "another program listens on %s", path);
	if (errno != ECONNREFUSED)
		return fail(-errno, ret_text, "%s may be in use: %s", path, strerror(errno));
	if (unlink(path) < 0 && errno != ENOENT)
		return fail(-errno, ret_text, "the stale socket %s cannot be removed: %s", path, strerror(errno));
	return 0;
}

static int find_group(const char *name, gid_t *ret, char **ret_text)
{
	_cleanup_free_ char *buffer = malloc(GROUP_BYTES);
	struct group group, *found = NULL;
	int e = buffer ? getgrnam_r(name, &group, buffer, GROUP_BYTES, &found) : ENOMEM;

	if (e != 0 && e != ENOENT && e != ESRCH) /* some name services say these of names that they do not have */
		return fail(-e, ret_text, "the group '%s' for the socket cannot be looked up: %s", name, strerror(e));
	if (!found)
		return fail(-ENOENT, ret_text, "there is no group '%s' for the socket", name);
	*ret = group.gr_gid;
	return 0;
}

/* Nobody but us may connect before owner and mode are right. */
static int bind_closed(int fd, const struct sockaddr_un *address)
{
	mode_t old = umask(0177);
	int e = bind(fd, (const struct sockaddr *)address, sizeof(*address)) < 0 ? -errno : 0;

	umask(old);
	return e;
}

static int open_to_group(const char *path, const char *group, char **ret_text)
{
	gid_t gid = (gid_t)-1; /* as it is */
	int e;

	if (group) {
		e = find_group(group, &gid, ret_text);
		if (e < 0)
			return e;
		if (lchown(path, (uid_t)-1, gid) < 0)
			return fail(-errno, ret_text, "%s cannot be given to group '%s': %s", path, group, strerror(errno));
	}
	if (chmod(path, 0660) < 0)
		return fail(-errno, ret_text, "the mode of %s cannot be set: %s", path, strerror(errno));
	return 0;
}

/* The socket's own folder is made when it is missing, those above it are not. */
static int make_folder(const char *path, char **ret_text)
{
	_cleanup_free_ char *folder = strndup(path, (size_t)(strrchr(path, '/') - path));

	if (!folder)
		return -ENOMEM;
	if (folder[0] && mkdir(folder, 0755) < 0 && errno != EEXIST)
		return fail(-errno, ret_text, "the folder %s cannot be made: %s", folder, strerror(errno));
	return 0;
}

static int bind_and_listen(struct server *s, const struct sockaddr_un *address, const char *group, char **ret_text)
{
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;
	int e;

	if (fd < 0)
		return -errno;
	e = bind_closed(fd, address);
	if (e < 0)
		return fail(e, ret_text, "the socket %s cannot be made: %s", address->sun_path, strerror(-e));
	s->path = strdup(address->sun_path);
	if (!s->path || stat(address->sun_path, &st) < 0) {
		unlink(address->sun_path);
		return -ENOMEM;
	}
	s->device = st.st_dev;
	s->inode = st.st_ino;
	e = open_to_group(s->path, group, ret_text);
	if (e < 0)
		return e;
	e = fd;
	fd = -1;
	return e;
}

int server_bind(struct server *s, const char *path, const char *group, char **ret_text)
{
	struct sockaddr_un address;
	int e = make_address(path, &address, ret_text);

	if (e < 0 || (e = make_folder(path, ret_text)) < 0 || (e = take_lock(path, &s->lock, ret_text)) < 0 ||
			(e = remove_stale(path, &address, ret_text)) < 0)
		return e;
	e = bind_and_listen(s, &address, group, ret_text);
	if (e < 0)
		server_unbind(s);
	return e;
}

void server_unbind(struct server *s)
{
	struct stat st;

	if (s->path && lstat(s->path, &st) == 0 && st.st_dev == s->device && st.st_ino == s->inode)
		unlink(s->path);
	free(TAKE_PTR(s->path));
	if (s->lock >= 0)
		close(s->lock);
	s->lock = -1;
}

gid_t server_find_group(int fd)
{
	struct sockaddr_un address = { 0 };
	socklen_t size = sizeof(address);
	struct stat st;

	if (getsockname(fd, (struct sockaddr *)&address, &size) < 0 || address.sun_path[0] != '/' ||
			stat(address.sun_path, &st) < 0 || (st.st_mode & 0020) == 0)
		return (gid_t)-1;
	return st.st_gid;
}

/* For the log and for who waits: a process may call itself what it likes. Read at once, because ids are used again. */
static void read_command(pid_t pid, char *command, size_t size)
{
	char path[40];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
	fd = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	n = fd < 0 ? 0 : read(fd, command, size - 1);
	command[n > 0 ? n : 0] = '\0';
	command[strcspn(command, "\n")] = '\0';
	if (fd >= 0)
		close(fd);
}

/* As many as there are: up to 65536, and people in a directory service are in hundreds. */
static void read_groups(int fd, struct peer *ret)
{
	socklen_t size = 0;
	gid_t *groups;

	/* The first call is only told how much room it takes; without groups it succeeds. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) == 0 || errno != ERANGE)
		return;
	groups = malloc(size);
	if (groups && getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) == 0) {
		ret->groups = TAKE_PTR(groups);
		ret->group_count = size / sizeof(gid_t);
	}
	free(groups);
}

void server_read_peer(int fd, struct peer *ret)
{
	struct ucred credentials = { .pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	socklen_t size = sizeof(credentials);

	getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size);
	*ret = (struct peer){ .pid = credentials.pid, .uid = credentials.uid, .gid = credentials.gid };
	read_command(ret->pid, ret->command, sizeof(ret->command));
	read_groups(fd, ret);
}

bool server_peer_is_gone(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) < 0 || (p.revents & (POLLHUP | POLLERR | POLLNVAL));
}
