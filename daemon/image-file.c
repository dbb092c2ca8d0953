/* SPDX-License-Identifier: MIT */
#include "daemon/image-file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/limits.h"

static char *file_path(const char *folder, const char *hash, const char *suffix)
{
	char *path;

	return asprintf(&path, "%s/%s%s", folder, hash, suffix) < 0 ? NULL : path;
}

static int write_all(int fd, const uint8_t *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

int image_file_write(const char *folder, const char *hash, const uint8_t *data, size_t size)
{
	_cleanup_free_ char *path = file_path(folder, hash, ""), *draft = file_path(folder, hash, ".XXXXXX");
	struct stat st;
	int fd, e;

	if (!path || !draft)
		return -ENOMEM;
	/* One that was cut short is written again. */
	if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == size)
		return 0;
	fd = mkostemp(draft, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	e = write_all(fd, data, size);
	if (e == 0 && fdatasync(fd) < 0)
		e = -errno;
	if (close(fd) < 0 && e == 0)
		e = -errno;
	if (e == 0 && rename(draft, path) < 0)
		e = -errno;
	if (e < 0)
		unlink(draft);
	return e;
}

int image_file_read(const char *folder, const char *hash, size_t size, uint8_t **ret)
{
	_cleanup_free_ char *path = file_path(folder, hash, "");
	_cleanup_free_ uint8_t *data = malloc(size + 1);
	size_t n;
	FILE *f;

	if (!path || !data)
		return -ENOMEM;
	f = fopen(path, "re");
	if (!f)
		return -errno;
	n = fread(data, 1, size + 1, f);
	fclose(f);
	if (n != size)
		return -EBADMSG;
	*ret = TAKE_PTR(data);
	return 0;
}

void image_file_remove(const char *folder, const char *hash)
{
	_cleanup_free_ char *path = file_path(folder, hash, "");

	if (path)
		unlink(path);
}

struct found {
	struct image_file file; /* first */
	struct timespec time;
};

static int by_time(const void *a, const void *b)
{
	const struct timespec *x = &((const struct found *)a)->time, *y = &((const struct found *)b)->time;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? -1 : 1;
	return x->tv_nsec < y->tv_nsec ? -1 : x->tv_nsec > y->tv_nsec;
}

static size_t hash_length(const char *name)
{
	return strspn(name, "0123456789abcdef");
}

/* What is not ours is left alone. */
static bool look_at(int folder, const char *name, struct found *ret)
{
	struct stat st;

	if (hash_length(name) == 64 && name[64] == '.' && strlen(name) == 71)
		unlinkat(folder, name, 0);
	if (hash_length(name) != 64 || name[64] || fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
			!S_ISREG(st.st_mode) || st.st_size > LIMIT_MESSAGE_BYTES)
		return false;
	memcpy(ret->file.hash, name, sizeof(ret->file.hash));
	ret->file.size = (size_t)st.st_size;
	ret->time = st.st_mtim;
	return true;
}

static int read_folder(DIR *d, struct found **ret, size_t *ret_count)
{
	struct found *all = NULL;
	size_t count = 0;

	for (struct dirent *entry; (entry = readdir(d));) {
		struct found *more = reallocarray(all, count + 1, sizeof(*all));

		if (!more) {
			free(all);
			return -ENOMEM;
		}
		all = more;
		if (look_at(dirfd(d), entry->d_name, &all[count]))
			count++;
	}
	*ret = all;
	*ret_count = count;
	return 0;
}

int image_file_list(const char *folder, struct image_file **ret, size_t *ret_count)
{
	_cleanup_free_ struct found *all = NULL;
	struct image_file *files;
	DIR *d = opendir(folder);
	size_t count = 0;
	int e;

	if (!d)
		return -errno;
	e = read_folder(d, &all, &count);
	closedir(d);
	if (e < 0)
		return e;
	files = calloc(count + 1, sizeof(*files));
	if (!files)
		return -ENOMEM;
	if (count > 0)
		qsort(all, count, sizeof(*all), by_time);
	for (size_t i = 0; i < count; i++)
		files[i] = all[i].file;
	*ret = files;
	*ret_count = count;
	return 0;
}
