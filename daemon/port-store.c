/* SPDX-License-Identifier: MIT */

#include "daemon/port-store.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/notify.h"
#include "daemon/port-private.h"
#include "daemon/port-termios.h"

struct stored {
	struct stored *next;
	int fd;
	bool waiting; /* from the daemon before, and not taken yet */
	dev_t device;
	char name[PORT_STORE_NAME_MAX];
};

_Static_assert(PORT_STORE_NAME_MAX <= NOTIFY_FD_NAME_MAX, "names fit into a message");

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct stored *all;
static atomic_bool keeping;

/* Linked in when it could be allocated; a descriptor that is not known is not removed from the store later, no more. */
static void add(int fd, const char *name, dev_t device, bool waiting)
{
	struct stored *s = calloc(1, sizeof(*s));
	if (!s)
		return;
	s->fd = fd;
	s->waiting = waiting;
	s->device = device;
	snprintf(s->name, sizeof(s->name), "%s", name);
	pthread_mutex_lock(&lock);
	s->next = all;
	all = s;
	pthread_mutex_unlock(&lock);
}

/* Unlinks the first that fits; the caller's. waiting: any fd of this device that waits. */
static struct stored *take_out(int fd, bool waiting, dev_t device)
{
	struct stored *found = NULL;
	pthread_mutex_lock(&lock);
	for (struct stored **at = &all; *at; at = &(*at)->next) {
		if (waiting ? !(*at)->waiting || (device && (*at)->device != device) : (*at)->fd != fd || (*at)->waiting)
			continue;
		found = *at;
		*at = found->next;
		break;
	}
	pthread_mutex_unlock(&lock);
	return found;
}

static bool is_living_tty(int fd, dev_t *ret)
{
	struct stat st;
	unsigned int baud;
	if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || termios_baud(fd, &baud) < 0)
		return false; /* one that hung up answers EIO, also when another board has its number now */
	*ret = st.st_rdev;
	return true;
}

void port_store_begin(void)
{
	int count = notify_listen_fds();
	char name[PORT_STORE_NAME_MAX];
	for (int i = 0; i < count; i++) {
		int fd = NOTIFY_FIRST_FD + i;
		dev_t device = 0;
		if (!notify_listen_name((unsigned int)i, name, sizeof(name)) || strncmp(name, NOTIFY_STORED, strlen(NOTIFY_STORED)))
			continue;
		if (is_living_tty(fd, &device)) {
			add(fd, name, device, true);
			continue;
		}
		log_info(NULL, "port", "%s, kept open since the last start, has hung up", name);
		notify_unstore(name);
		close(fd);
	}
}

void port_store_end_take_over(void)
{
	struct stored *s;
	while ((s = take_out(-1, true, 0))) {
		log_info(NULL, "port", "%s, kept open since the last start, is closed: nobody wants it", s->name);
		s->waiting = false;
		pthread_mutex_lock(&lock);
		s->next = all;
		all = s;
		pthread_mutex_unlock(&lock);
		closing_start(s->fd);
	}
}

int port_store_take(const char *tty)
{
	struct stat st;
	dev_t device;
	if (stat(tty, &st) < 0 || !S_ISCHR(st.st_mode) || !st.st_rdev)
		return -1;
	for (struct stored *s; (s = take_out(-1, true, st.st_rdev));) {
		int fd = s->fd;
		if (is_living_tty(fd, &device)) {
			add(fd, s->name, device, false);
			free(s);
			return fd;
		}
		notify_unstore(s->name);
		close(fd);
		free(s);
	}
	return -1;
}

static void make_name(const char *tty, char name[static PORT_STORE_NAME_MAX])
{
	const char *slash = strrchr(tty, '/');
	uint32_t number = 0;
	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) < 0)
		number = (uint32_t)uv_hrtime();
	snprintf(name, PORT_STORE_NAME_MAX, NOTIFY_STORED "%.40s-%08x", slash ? slash + 1 : tty, number);
	for (char *c = name; *c; c++)
		if (*c <= ' ' || *c >= 0x7f || *c == ':')
			*c = '_';
}

void port_store_put(int fd, const char *tty)
{
	char name[PORT_STORE_NAME_MAX];
	make_name(tty, name);
	if (notify_store(fd, name) == 0)
		add(fd, name, 0, false);
}

bool port_store_forget(int fd)
{
	struct stored *s = take_out(fd, false, 0);
	bool keep = s && atomic_load(&keeping);
	if (s && !keep)
		notify_unstore(s->name);
	free(s);
	return !keep;
}

bool port_store_name(int fd, char name[static PORT_STORE_NAME_MAX])
{
	bool found = false;
	pthread_mutex_lock(&lock);
	for (struct stored *s = all; s && !found; s = s->next) {
		found = s->fd == fd && !s->waiting;
		if (found)
			memcpy(name, s->name, sizeof(s->name));
	}
	pthread_mutex_unlock(&lock);
	return found;
}

void port_store_keep(void)
{
	atomic_store(&keeping, true);
}
