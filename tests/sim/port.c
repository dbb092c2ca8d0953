/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>

#include "link.h"
#include "util.h"

/* The termios of a serial tty nobody has touched: 9600 8N1, cooked, echo. */
static int set_default_mode(int fd)
{
	struct termios t;

	if (tcgetattr(fd, &t) < 0)
		return -errno;
	t.c_iflag = ICRNL | IXON;
	t.c_oflag = OPOST | ONLCR;
	t.c_cflag = CS8 | CREAD | HUPCL | CLOCAL;
	t.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
	cfsetspeed(&t, B9600);
	return tcsetattr(fd, TCSANOW, &t) < 0 ? -errno : 0;
}

/* Replaces what is at `path` in one step, so that no client sees it missing or half made. */
static int replace_symlink(const char *target, const char *path)
{
	_cleanup_(freep) char *temporary = NULL;

	if (asprintf(&temporary, "%s.new", path) < 0)
		return -ENOMEM;
	unlink(temporary);
	if (symlink(target, temporary) < 0 || rename(temporary, path) < 0) {
		int r = -errno;

		unlink(temporary);
		return r;
	}
	return 0;
}

int port_open_pty(const char *symlink_path, int *ret_fd, char **ret_tty)
{
	_cleanup_(closep) int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	_cleanup_(closep) int slave = -1;
	_cleanup_(freep) char *tty = NULL;
	char name[64];
	int r;

	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0)
		return -errno;
	r = ptsname_r(master, name, sizeof(name));
	if (r)
		return -r;
	tty = strdup(name);
	if (!tty)
		return -ENOMEM;
	slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0)
		return -errno;
	r = set_default_mode(slave);
	if (r < 0)
		return r;
	r = replace_symlink(name, symlink_path);
	if (r < 0)
		return r;
	*ret_fd = master;
	master = -1;
	*ret_tty = TAKE_PTR(tty);
	return 0;
}

int port_listen(const char *path, int *ret_fd)
{
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct stat st;

	if (fd < 0)
		return -errno;
	if (strlen(path) >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	memcpy(a.sun_path, path, strlen(path));
	if (lstat(path, &st) == 0 && (S_ISSOCK(st.st_mode) || S_ISLNK(st.st_mode)))
		unlink(path);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 16) < 0)
		return -errno;
	*ret_fd = fd;
	fd = -1;
	return 0;
}

void port_flush(const char *tty)
{
	_cleanup_(closep) int fd = open(tty, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		tcflush(fd, TCIFLUSH);
}

void port_remove(const char *path, const char *tty)
{
	char target[64];
	struct stat st;
	ssize_t n;

	if (tty) {
		n = readlink(path, target, sizeof(target));
		if (n >= 0 && (size_t)n == strlen(tty) && memcmp(target, tty, (size_t)n) == 0)
			unlink(path);
	} else if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
		unlink(path);
	}
}

bool port_is_served(const char *path)
{
	_cleanup_(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (fd < 0 || strlen(path) >= sizeof(a.sun_path))
		return false;
	memcpy(a.sun_path, path, strlen(path));
	return connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0 || errno == EAGAIN;
}
