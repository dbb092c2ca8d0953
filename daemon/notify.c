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

#include "daemon/limits.h"
#include "proto/macro.h"

#define LISTEN_FDS_MAX (LIMIT_DEVICES + 16)
#define STORE_WAIT_US 500000
#define READY_WAIT_US 30000000

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

/* descriptor -1: none goes with it. patience_us: how long a service manager that is busy is waited for; 0: not at all. */
static int send_text(const char *text, size_t length, int descriptor, long patience_us)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address;
	socklen_t size;
	if (!path)
		return -ENOTCONN;
	int r = address_of(path, &address, &size);
	if (r < 0)
		return r;
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {0};
	struct iovec part = { .iov_base = (char *)text, .iov_len = length };
	struct msghdr message = { .msg_name = &address, .msg_namelen = size, .msg_iov = &part, .msg_iovlen = 1 };
	if (descriptor >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control.space);
		control.header = (struct cmsghdr){
			.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
		memcpy(CMSG_DATA(&control.header), &descriptor, sizeof(int));
	}
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | (patience_us ? 0 : SOCK_NONBLOCK), 0);
	if (fd < 0)
		return -errno;
	struct timeval patience = { .tv_sec = patience_us / 1000000, .tv_usec = patience_us % 1000000 };
	if (patience_us)
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	r = sendmsg(fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
	close(fd);
	return r;
}

int notify_send(const char *format, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, format);
	int length = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (length < 0 || (size_t)length >= sizeof(text))
		return -EMSGSIZE;

	int r = send_text(text, (size_t)length, -1, 0);
	return r == -ENOTCONN ? 0 : r;
}

int notify_ready(size_t boards)
{
	char text[64];
	int length = snprintf(text, sizeof(text), "READY=1\nSTATUS=%zu boards", boards);
	int r = send_text(text, (size_t)length, -1, READY_WAIT_US);
	return r == -ENOTCONN ? 0 : r;
}

int notify_store(int fd, const char *name)
{
	char text[NOTIFY_FD_NAME_MAX + 32];
	int length = snprintf(text, sizeof(text), "FDSTORE=1\nFDNAME=%s", name);
	return send_text(text, (size_t)length, fd, STORE_WAIT_US);
}

int notify_unstore(const char *name)
{
	char text[NOTIFY_FD_NAME_MAX + 32];
	int length = snprintf(text, sizeof(text), "FDSTOREREMOVE=1\nFDNAME=%s", name);
	return send_text(text, (size_t)length, -1, STORE_WAIT_US);
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
	for (int fd = NOTIFY_FIRST_FD; fd < NOTIFY_FIRST_FD + (int)count; fd++) {
		int flags = fcntl(fd, F_GETFD);
		if (flags < 0 || fcntl(fd, F_SETFD, flags | FD_CLOEXEC) < 0)
			return -errno;
	}
	return (int)count;
}

bool notify_listen_name(unsigned int index, char *name, size_t size)
{
	const char *at = getenv("LISTEN_FDNAMES");
	for (; at && index > 0; index--) {
		at = strchr(at, ':');
		at = at ? at + 1 : NULL;
	}
	size_t length = at ? strcspn(at, ":") : 0;
	if (!at || length >= size)
		return false;
	memcpy(name, at, length);
	name[length] = 0;
	return true;
}

int notify_sockets(int *ret_first)
{
	char name[NOTIFY_FD_NAME_MAX];
	int count = notify_listen_fds(), sockets = 0;
	for (int i = count - 1; i >= 0; i--) {
		if (notify_listen_name((unsigned int)i, name, sizeof(name)) && !strncmp(name, NOTIFY_STORED, strlen(NOTIFY_STORED)))
			continue;
		*ret_first = NOTIFY_FIRST_FD + i;
		sockets++;
	}
	return count < 0 ? count : sockets;
}
