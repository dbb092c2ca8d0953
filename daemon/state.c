/* SPDX-License-Identifier: MIT */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/state-private.h"

#define STATE_VERSION 1
#define NEW ".new" /* the file that becomes a record */
#define RECORDS_MAX 8192 /* of a kind; a directory with more is not ours */

static const char *const kinds[] = {"boards", "hubs", "jobs", "ended", "resume"};

static int text_error(char **ret_text, int error, const char *dir, const char *what)
{
	if (asprintf(ret_text, "state directory %s: %s: %s", dir, what, strerror(-error)) < 0)
		*ret_text = NULL;
	return error;
}

/* The last directory of the path is made when it is missing, with its parents where that is possible. */
static int make_directory(const char *dir)
{
	_cleanup_free_ char *path = strdup(dir);

	if (!path)
		return -ENOMEM;
	for (char *c = path + 1; *c; c++)
		if (*c == '/') {
			*c = '\0';
			mkdir(path, 0755);
			*c = '/';
		}
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

static int read_small(int directory, const char *name, char *buffer, size_t size, size_t *ret_size)
{
	_cleanup_(state_fd_closep) int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	size_t n = 0;

	if (fd < 0)
		return -errno;
	while (n < size) {
		ssize_t r = read(fd, buffer + n, size - n);
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		n += (size_t)r;
	}
	if (n == size)
		return -E2BIG;
	*ret_size = n;
	return 0;
}

int state_write(int directory, const char *name, const char *data, size_t size)
{
	_cleanup_(state_fd_closep) int fd = openat(directory, NEW, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	while (size > 0) {
		ssize_t r = write(fd, data, size);
		if (r < 0)
			return -errno;
		data += r;
		size -= (size_t)r;
	}
	return renameat(directory, NEW, directory, name) < 0 ? -errno : 0;
}

static int check_version(struct state *s, const char *dir, char **ret_text)
{
	char text[32];
	size_t size = 0;
	unsigned int version = 0;

	int r = read_small(s->directory, "version", text, sizeof(text), &size);
	/* A new directory, or one whose power failed before the disk had it: records of another version would say more. */
	if (r == -ENOENT || (r == 0 && size == 0)) {
		int n = snprintf(text, sizeof(text), "%d\n", STATE_VERSION);
		r = state_write(s->directory, "version", text, (size_t)n);
		return r < 0 ? text_error(ret_text, r, dir, "cannot be written") : 0;
	}
	if (r < 0)
		return text_error(ret_text, r, dir, "its version cannot be read");
	text[size] = '\0';
	if (sscanf(text, "%u", &version) == 1 && version == STATE_VERSION)
		return 0;
	if (asprintf(ret_text,
			    version > STATE_VERSION ? "state directory %s: a newer mcumgrd wrote it (version %u, this one knows "
						      "%d): use that one, or another directory"
						    : "state directory %s: its file 'version' says %u instead of %d: is it a "
						      "directory of mcumgrd?",
			    dir, version, STATE_VERSION) < 0)
		*ret_text = NULL;
	return -EPROTO;
}

static int prepare(struct state *s, const char *dir, char **ret_text)
{
	int r = make_directory(dir);
	if (r < 0)
		return text_error(ret_text, r, dir, "cannot be made");
	s->directory = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->directory < 0)
		return text_error(ret_text, -errno, dir, "cannot be opened");
	s->lock = openat(s->directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (s->lock < 0)
		return text_error(ret_text, -errno, dir, "cannot be written");
	if (flock(s->lock, LOCK_EX | LOCK_NB) < 0)
		return text_error(ret_text, -EBUSY, dir, "another daemon uses it");
	r = check_version(s, dir, ret_text);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(kinds); i++)
		if (mkdirat(s->directory, kinds[i], 0700) < 0 && errno != EEXIST)
			r = text_error(ret_text, -errno, dir, "cannot be written");
	return r;
}

int state_open(const char *dir, struct state **ret, char **ret_text)
{
	_cleanup_(state_closep) struct state *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->directory = s->lock = -1;
	s->last = &s->first;
	int r = dir ? prepare(s, dir, ret_text) : 0;
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

void state_close(struct state *s)
{
	if (!s)
		return;
	s->closed = true;
	if (s->making)
		return;
	state_fd_closep(&s->lock);
	state_fd_closep(&s->directory);
	free(s);
}

bool state_is_name(const char *name)
{
	return *name && *name != '.' && strlen(name) <= 128 &&
		!name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-")];
}

int state_open_kind(int directory, const char *kind)
{
	int fd = openat(directory, kind, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int state_forget(struct state *s, const char *kind, const char *name)
{
	if (s->directory < 0)
		return 0;
	if (!state_is_name(name))
		return -EINVAL;
	_cleanup_(state_fd_closep) int directory = state_open_kind(s->directory, kind);
	if (directory < 0)
		return directory;
	return unlinkat(directory, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static void load_one(int directory, const char *name,
		void (*each)(void *user, const char *name, const struct record *record, const char *problem), void *user)
{
	_cleanup_(record_freep) struct record *record = NULL;
	char text[RECORD_BYTES_MAX + 1], problem[128];
	unsigned int line = 0;
	size_t size = 0;

	int r = read_small(directory, name, text, sizeof(text), &size);
	if (r == 0)
		r = record_parse(text, size, &record, &line);
	/* What was written last when the power failed may be that. */
	if (r == 0 && size == 0)
		r = -ENODATA;
	if (r == -EBADMSG)
		snprintf(problem, sizeof(problem), "line %u is damaged", line);
	else if (r == -ENODATA)
		snprintf(problem, sizeof(problem), "it is empty");
	else if (r < 0)
		snprintf(problem, sizeof(problem), "%s", strerror(-r));
	each(user, name, r < 0 ? NULL : record, r < 0 ? problem : NULL);
}

int state_load(struct state *s, const char *kind,
		void (*each)(void *user, const char *name, const struct record *record, const char *problem), void *user)
{
	struct dirent *entry;
	size_t count = 0;

	if (s->directory < 0)
		return 0;
	int fd = state_open_kind(s->directory, kind);
	if (fd < 0)
		return fd;
	DIR *directory = fdopendir(fd);
	if (!directory) {
		close(fd);
		return -ENOMEM;
	}
	while ((entry = readdir(directory)) && count < RECORDS_MAX)
		if (state_is_name(entry->d_name)) {
			count++;
			load_one(dirfd(directory), entry->d_name, each, user);
		}
	closedir(directory);
	return 0;
}
