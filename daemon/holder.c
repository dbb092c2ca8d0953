/* SPDX-License-Identifier: MIT */

#include "daemon/holder.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "daemon/console-text.h"

#define COMMAND_BYTES 120 /* enough to know whose it is */
#define LOOKUPS_MAX 2 /* at once: a name service that hangs must not take the threads that others need */

static unsigned int lookups; /* under way */
static struct holder_lookup *waiting, **waiting_end = &waiting;

/* The first bytes of a file; its length, or -1. */
static ssize_t read_file(const char *path, char *data, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;

	if (fd < 0)
		return -1;
	do
		n = read(fd, data, size);
	while (n < 0 && errno == EINTR);
	close(fd);
	return n;
}

/* Clean text on one line; NULL: empty, or out of memory. */
static char *clean(char *data, size_t size)
{
	bool changed;

	while (size > 0 && (data[size - 1] == 0 || data[size - 1] == '\n' || data[size - 1] == ' '))
		size--;
	for (size_t i = 0; i < size; i++)
		if ((unsigned char)data[i] < ' ')
			data[i] = ' ';
	return size > 0 ? console_text_clean(data, size, &changed) : NULL;
}

/* Its arguments, or its name when it hides them. NULL: the daemon does not see the process. */
static char *read_command(pid_t pid)
{
	static const char *const files[] = {"cmdline", "comm"};
	char path[64], data[COMMAND_BYTES], *text = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(files) && !text; i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, files[i]);
		ssize_t n = read_file(path, data, sizeof(data));
		if (n > 0)
			text = clean(data, (size_t)n);
	}
	return text;
}

/* The numbers that a process has, one a pid namespace, as a file of /proc lists them; 0: it does not. */
static unsigned int count_pids(const char *path)
{
	char data[4096], *line;
	unsigned int count = 0;

	ssize_t n = read_file(path, data, sizeof(data) - 1);
	if (n <= 0)
		return 0;
	data[n] = 0;
	line = strstr(data, "\nNSpid:");
	if (!line)
		return 0;
	for (line += strlen("\nNSpid:"); *line && *line != '\n'; line++)
		count += *line == '\t';
	return count;
}

/* How many pid namespaces deep a process lives, as far as ours; 0: not known. The sandbox of the unit hides /proc/PID of other
 * users (ProtectProc=), but not what a descriptor of the process says of it. */
static unsigned int namespace_depth(pid_t pid)
{
	int fd = pidfd_open(pid, 0);
	unsigned int depth = 0;
	char path[64];

	if (fd >= 0) {
		snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
		depth = count_pids(path);
		close(fd);
	}
	if (depth > 0)
		return depth;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	return count_pids(path);
}

static bool is_elsewhere(pid_t pid)
{
	if (pid <= 0)
		return true;
	unsigned int theirs = namespace_depth(pid);
	return theirs > 0 && theirs != namespace_depth(getpid());
}

/* In the first user namespace every uid is somebody's. In any other one those that it does not know look like one user. */
static bool is_unmapped(uid_t uid)
{
	char data[64];
	unsigned int first, mapped, count, overflow = 65534;
	ssize_t n = read_file("/proc/self/uid_map", data, sizeof(data) - 1);

	if (n > 0) {
		data[n] = 0;
		if (sscanf(data, "%u %u %u", &first, &mapped, &count) == 3 && count == UINT32_MAX)
			return false;
	}
	n = read_file("/proc/sys/kernel/overflowuid", data, sizeof(data) - 1);
	if (n > 0) {
		data[n] = 0;
		if (sscanf(data, "%u", &overflow) != 1)
			overflow = 65534;
	}
	return uid == overflow || uid == (uid_t)-1;
}

static char *user_name(uid_t uid)
{
	char buffer[4096];
	struct passwd entry, *found = NULL;

	if (getpwuid_r(uid, &entry, buffer, sizeof(buffer), &found) != 0 || !found)
		return NULL;
	return clean(found->pw_name, strlen(found->pw_name));
}

/* In the thread: only what belongs to the lookup is touched. */
static void look(uv_work_t *work)
{
	struct holder_lookup *l = container_of(work, struct holder_lookup, work);
	struct lease_holder *h = &l->holder;

	h->unmapped = is_unmapped(h->uid);
	if (!h->unmapped)
		h->user = user_name(h->uid);
	l->other_namespace = is_elsewhere(h->pid);
	if (h->pid > 0)
		h->command = read_command(h->pid);
	if (!h->command && l->said)
		h->command = clean(l->said, strlen(l->said));
}

static int start(struct holder_lookup *l);

static void finished(uv_work_t *work, int status _unused_)
{
	struct holder_lookup *l = container_of(work, struct holder_lookup, work), *next;

	lookups--;
	while (lookups < LOOKUPS_MAX && (next = waiting)) {
		waiting = next->next;
		if (!waiting)
			waiting_end = &waiting;
		if (start(next) < 0)
			next->done(next); /* what is not known is not said */
	}
	l->done(l);
}

static int start(struct holder_lookup *l)
{
	int e = uv_queue_work(l->loop, &l->work, look, finished);

	lookups += e == 0;
	return e;
}

int holder_look_up(uv_loop_t *loop, struct holder_lookup *l, const struct peer *peer, const char *said)
{
	l->holder.uid = peer->uid;
	l->holder.pid = peer->pid;
	l->loop = loop;
	l->next = NULL;
	l->said = said ? strdup(said) : NULL;
	if (said && !l->said)
		return -ENOMEM;
	if (lookups < LOOKUPS_MAX)
		return start(l);
	*waiting_end = l;
	waiting_end = &l->next;
	return 0;
}

bool holder_look_away(struct holder_lookup *l)
{
	struct holder_lookup **at = &waiting;

	while (*at && *at != l)
		at = &(*at)->next;
	if (!*at)
		return false;
	*at = l->next;
	if (!l->next)
		waiting_end = at;
	return true;
}

void holder_lookup_release(struct holder_lookup *l)
{
	lease_holder_release(&l->holder);
	free(TAKE_PTR(l->said));
}
