/* SPDX-License-Identifier: MIT */

/* To be preloaded: the kernel hangs in open() of the tty $HANG_TTY, or in its last close(), as it does with USB ttys. Or in
 * fopen() or unlink() of $HANG_FILE, or in renameat() to $HANG_RECORD, on a disk that sleeps; or a name service does, when a user's name is
 * asked for.
 *
 * It does so by reading $HANG_OPEN, $HANG_CLOSE, $HANG_FOPEN, $HANG_UNLINK, $HANG_RENAME or $HANG_NAMES, named pipes: whoever opens such
 * a pipe for writing knows that the daemon hangs there, and closes it to let go. */

#undef _FILE_OFFSET_BITS /* open and open64 are both wanted, by their own names */

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int (*real_open)(const char *path, int flags, ...);
static int (*real_close)(int fd);
static FILE *(*real_fopen)(const char *path, const char *mode);
static int (*real_unlink)(const char *path);
static int (*real_renameat)(int old_directory, const char *old, int directory, const char *name);
static int (*real_getpwuid_r)(uid_t uid, struct passwd *entry, char *buffer, size_t size, struct passwd **ret);
static dev_t tty; /* 0: not opened yet */

__attribute__((constructor)) static void find_real(void)
{
	*(void **)&real_open = dlsym(RTLD_NEXT, "open");
	*(void **)&real_close = dlsym(RTLD_NEXT, "close");
	*(void **)&real_fopen = dlsym(RTLD_NEXT, "fopen64");
	*(void **)&real_unlink = dlsym(RTLD_NEXT, "unlink");
	*(void **)&real_renameat = dlsym(RTLD_NEXT, "renameat");
	*(void **)&real_getpwuid_r = dlsym(RTLD_NEXT, "getpwuid_r");
}

static void hang(const char *variable)
{
	char byte;
	const char *pipe = getenv(variable);
	if (!pipe)
		return;
	int fd = real_open(pipe, O_RDONLY | O_CLOEXEC);
	while (fd >= 0 && read(fd, &byte, 1) > 0)
		;
	if (fd >= 0)
		real_close(fd);
}

static int open_tty(const char *path, int flags, int mode)
{
	struct stat st;
	const char *wanted = getenv("HANG_TTY");
	bool hangs = wanted && !strcmp(path, wanted);
	if (hangs)
		hang("HANG_OPEN");
	int fd = real_open(path, flags, mode);
	if (hangs && fd >= 0 && !fstat(fd, &st))
		tty = st.st_rdev;
	return fd;
}

#define DEFINE_OPEN(name)                                                                                              \
	int name(const char *path, int flags, ...);                                                                    \
	int name(const char *path, int flags, ...)                                                                     \
	{                                                                                                              \
		va_list ap;                                                                                            \
		va_start(ap, flags);                                                                                   \
		int mode = flags & O_CREAT ? va_arg(ap, int) : 0;                                                      \
		va_end(ap);                                                                                            \
		return open_tty(path, flags, mode);                                                                    \
	}
DEFINE_OPEN(open)
DEFINE_OPEN(open64)

static FILE *open_file(const char *path, const char *mode)
{
	const char *wanted = getenv("HANG_FILE");
	if (wanted && !strcmp(path, wanted))
		hang("HANG_FOPEN");
	return real_fopen(path, mode);
}

#define DEFINE_FOPEN(name)                                                                                             \
	FILE *name(const char *path, const char *mode);                                                                \
	FILE *name(const char *path, const char *mode)                                                                 \
	{                                                                                                              \
		return open_file(path, mode);                                                                          \
	}
DEFINE_FOPEN(fopen)
DEFINE_FOPEN(fopen64)

int unlink(const char *path)
{
	const char *wanted = getenv("HANG_FILE");
	if (wanted && !strcmp(path, wanted))
		hang("HANG_UNLINK");
	return real_unlink(path);
}

int renameat(int old_directory, const char *old, int directory, const char *name)
{
	const char *wanted = getenv("HANG_RECORD");
	if (wanted && !strcmp(name, wanted))
		hang("HANG_RENAME");
	return real_renameat(old_directory, old, directory, name);
}

int getpwuid_r(uid_t uid, struct passwd *entry, char *buffer, size_t size, struct passwd **ret)
{
	hang("HANG_NAMES");
	return real_getpwuid_r(uid, entry, buffer, size, ret);
}

/* Only the last close of a tty reaches its driver. */
static bool is_last(int closing)
{
	struct stat st;
	unsigned int count = 0;
	DIR *d = opendir("/proc/self/fd");
	for (struct dirent *e; d && (e = readdir(d));)
		count += !fstat(atoi(e->d_name), &st) && S_ISCHR(st.st_mode) && st.st_rdev == tty;
	if (d)
		closedir(d);
	return tty && !fstat(closing, &st) && S_ISCHR(st.st_mode) && st.st_rdev == tty && count == 1;
}

int close(int fd)
{
	if (tty && getenv("HANG_CLOSE") && is_last(fd))
		hang("HANG_CLOSE");
	return real_close(fd);
}
