/* SPDX-License-Identifier: MIT */

/* Why a tty could not be had, in a sentence that helps: who holds it, which group to join. */

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "daemon/port-private.h"

/* The process that holds a flock on the file; 0: not known. */
static long lock_holder(const struct stat *st)
{
	FILE *f = fopen("/proc/locks", "re");
	char line[256];
	long found = 0;
	while (f && !found && fgets(line, sizeof(line), f)) {
		long pid;
		unsigned int device_major, device_minor;
		unsigned long long inode;
		if (sscanf(line, "%*d: FLOCK %*s %*s %ld %x:%x:%llu", &pid, &device_major, &device_minor, &inode) == 4 &&
				inode == st->st_ino && makedev(device_major, device_minor) == st->st_dev && pid > 0)
			found = pid;
	}
	if (f)
		fclose(f);
	return found;
}

static bool process_name(long pid, char *name, size_t size)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
	FILE *f = fopen(path, "re");
	bool good = f && fgets(name, (int)size, f);
	if (f)
		fclose(f);
	if (good)
		name[strcspn(name, "\n")] = 0;
	return good;
}

static void explain_busy(const char *tty, const struct stat *st, struct port_result *ret)
{
	char name[32];
	long pid = st ? lock_holder(st) : 0;
	if (pid == (long)getpid())
		snprintf(ret->reason, sizeof(ret->reason), "%s is still being closed", tty);
	else if (pid && process_name(pid, name, sizeof(name)))
		snprintf(ret->reason, sizeof(ret->reason), "%s is in use by %s (process %ld)", tty, name, pid);
	else if (pid)
		snprintf(ret->reason, sizeof(ret->reason), "%s is in use by process %ld", tty, pid);
	else
		snprintf(ret->reason, sizeof(ret->reason), "%s is in use by another program", tty);
}

static void explain_refused(const char *tty, const struct stat *st, int error, struct port_result *ret)
{
	char buffer[4096];
	struct group group, *found = NULL;
	if (error == EPERM) {
		snprintf(ret->reason, sizeof(ret->reason),
				"%s: the system does not let this service open it (DeviceAllow= of the unit)", tty);
		return;
	}
	bool has_group = st && (st->st_mode & 0060) == 0060 && st->st_gid &&
		!getgrgid_r(st->st_gid, &group, buffer, sizeof(buffer), &found) && found;
	if (has_group)
		snprintf(ret->reason, sizeof(ret->reason), "%s: permission denied; its user must be in group %s", tty,
				found->gr_name);
	else
		snprintf(ret->reason, sizeof(ret->reason), "%s: permission denied", tty);
}

static enum port_failure classify(int error)
{
	switch (error) {
	case EBUSY:
		return PORT_BUSY;
	case EACCES:
	case EPERM:
		return PORT_REFUSED;
	case ENOENT:
	case ENXIO:
	case ENODEV:
	case ENOTDIR:
	case ELOOP:
		return PORT_MISSING;
	case EIO:
		return PORT_GONE;
	default:
		return PORT_ERROR;
	}
}

void port_explain(const char *tty, int fd, int error, struct port_result *ret)
{
	struct stat st;
	bool known = !(fd >= 0 ? fstat(fd, &st) : stat(tty, &st));
	ret->why = classify(error);
	if (ret->why == PORT_BUSY)
		explain_busy(tty, known ? &st : NULL, ret);
	else if (ret->why == PORT_REFUSED)
		explain_refused(tty, known ? &st : NULL, error, ret);
	else if (ret->why == PORT_MISSING)
		snprintf(ret->reason, sizeof(ret->reason), "%s is not there", tty);
	else
		snprintf(ret->reason, sizeof(ret->reason), "%s: %s", tty, strerror(error));
}
