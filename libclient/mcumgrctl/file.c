/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/failure.h"
#include "libclient/mcumgrctl/file.h"
#include "libclient/mcumgrctl/text.h"
#include "proto/macro.h"

#define READ_SIZE 65536

/* 0, or -errno. */
static int read_all(int fd, uint8_t **ret, size_t *ret_size)
{
	_cleanup_free_ uint8_t *data = NULL;
	size_t size = 0, room = 0;
	ssize_t n;

	for (;;) {
		if (room - size < READ_SIZE) {
			uint8_t *grown = realloc(data, room = room * 2 + READ_SIZE);

			if (!grown)
				return -ENOMEM;
			data = grown;
		}
		n = read(fd, data + size, READ_SIZE);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		size += (size_t)n;
		if (size > FILE_SIZE_MAX)
			return -EFBIG;
	}
	*ret = TAKE_PTR(data);
	*ret_size = size;
	return 0;
}

int file_read(struct ctl *ctl, const char *path, uint8_t **ret, size_t *ret_size)
{
	bool input = strcmp(path, "-") == 0;
	int fd = input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC), r;
	_cleanup_free_ char *message = NULL;

	r = fd < 0 ? -errno : read_all(fd, ret, ret_size);
	if (fd >= 0 && !input)
		close(fd);
	if (r == 0)
		return 0;
	message = format("cannot read %s: %s", input ? "the standard input" : path, strerror(-r));
	return (int)failure_local(ctl, NULL, CODE_OTHER, "FileNotReadable", message, NULL);
}

const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* ---- writing ---- */

static struct {
	int fd;
	char *path, *temporary; /* temporary: NULL when there is none (any more) */
} target = { .fd = -1 };

static int complain(int error, char **ret_message)
{
	*ret_message = format("cannot write %s: %s", target.path ? target.path : "the standard output", strerror(error));
	return -error;
}

static void discard(void)
{
	if (target.temporary)
		unlink(target.temporary);
	free(TAKE_PTR(target.temporary));
	free(TAKE_PTR(target.path));
}

/* As open() would have given it. */
static void set_mode(int fd)
{
	mode_t mask = umask(0);

	umask(mask);
	fchmod(fd, 0666 & ~mask);
}

static int open_temporary(char **ret_message)
{
	int length = (int)(file_name(target.path) - target.path);
	char *name = format("%.*s.%s.XXXXXX", length, target.path, target.path + length);

	target.fd = mkostemp(name, O_CLOEXEC);
	if (target.fd < 0) {
		free(name);
		return complain(errno, ret_message);
	}
	target.temporary = name;
	set_mode(target.fd);
	return 0;
}

/* A symbolic link stays one. */
static void follow_links(void)
{
	char *real = realpath(target.path, NULL);

	if (!real)
		return;
	free(target.path);
	target.path = real;
}

int file_write_begin(const char *path, const char *name, char **ret_message)
{
	size_t length = strlen(path);
	struct stat st;

	if (strcmp(path, "-") == 0) {
		target.fd = STDOUT_FILENO;
		return 0;
	}
	atexit(discard);
	if (length && path[length - 1] == '/')
		target.path = format("%s%s", path, file_name(name));
	else if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		target.path = format("%s/%s", path, file_name(name));
	else
		target.path = format("%s", path);
	follow_links();
	if (stat(target.path, &st) < 0 || S_ISREG(st.st_mode))
		return open_temporary(ret_message);
	target.fd = open(target.path, O_WRONLY | O_CLOEXEC);
	return target.fd < 0 ? complain(errno, ret_message) : 0;
}

int file_write(const uint8_t *data, size_t size, char **ret_message)
{
	ssize_t n;

	for (; size; data += n, size -= (size_t)n) {
		n = write(target.fd, data, size);
		if (n < 0 && errno == EINTR)
			n = 0;
		if (n < 0)
			return complain(errno, ret_message);
	}
	return 0;
}

int file_write_end(char **ret_message)
{
	if (target.fd != STDOUT_FILENO && close(target.fd) < 0)
		return complain(errno, ret_message);
	if (target.temporary && rename(target.temporary, target.path) < 0)
		return complain(errno, ret_message);
	free(TAKE_PTR(target.temporary));
	return 0;
}

const char *file_write_path(void)
{
	return target.path;
}
