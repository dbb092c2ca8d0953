/* SPDX-License-Identifier: MIT */

#include "daemon/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTEN_FDS_START 3
#define LISTEN_FDS_MAX 16

static int address_of(const char *path, struct sockaddr_un *ret, socklen_t *ret_size)
{
	size_t length = strlen(path);
	if ((path[0] != '/' && path[0] != '@') || length < 2 || length >= sizeof(ret->sun_path))
		return -EINVAL;
	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	memcpy(ret->sun_path, path, length);
	if (path[0] == '@') /* the abstract name space */
		ret->sun_path[0] = 0;
	*ret_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
	return 0;
}

int notify_send(const char *format, ...)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address;
	socklen_t size;
	if (!path)
		return 0;
	int r = address_of(path, &address, &size);
	if (r < 0)
		return r;

	char text[512];
	va_list ap;
	va_start(ap, format);
	int length = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (length < 0 || (size_t)length >= sizeof(text))
		return -EMSGSIZE;

	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	r = sendto(fd, text, (size_t)length, MSG_NOSIGNAL, (struct sockaddr *)&address, size) < 0 ? -errno : 0;
	close(fd);
	return r;
}

static bool parse_number(const char *name, unsigned long long *ret)
{
	const char *text = getenv(name);
	char *end;
	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return !errno && !*end;
}

uint64_t notify_watchdog_us(void)
{
	unsigned long long us, pid;
	if (!parse_number("WATCHDOG_USEC", &us))
		return 0;
	if (getenv("WATCHDOG_PID") && (!parse_number("WATCHDOG_PID", &pid) || pid != (unsigned long long)getpid()))
		return 0;
	return us;
}

int notify_listen_fds(void)
{
	unsigned long long pid, count;
	if (!parse_number("LISTEN_PID", &pid) || pid != (unsigned long long)getpid() || !parse_number("LISTEN_FDS", &count))
		return 0;
	if (count > LISTEN_FDS_MAX)
		return -EINVAL;
	for (int fd = LISTEN_FDS_START; fd < LISTEN_FDS_START + (int)count; fd++) {
		int flags = fcntl(fd, F_GETFD);
		if (flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC) < 0)
			return -errno;
	}
	return (int)count;
}
