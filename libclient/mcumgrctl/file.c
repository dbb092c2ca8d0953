/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
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
