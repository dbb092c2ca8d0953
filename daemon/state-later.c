/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/state-private.h"

/* One record on its way to the disk. It has descriptors of its own, so that it needs nothing of the state: the copy of the
 * lock keeps other daemons out until it is written. */
struct later {
	uv_work_t work;
	int directory, lock;
	char *kind, *name, *instead_of, *text;
	size_t size;
	int error;
	void (*done)(void *user, const char *name);
	void *user;
};

static void later_free(struct later *l)
{
	state_fd_closep(&l->directory);
	state_fd_closep(&l->lock);
	free(l->kind);
	free(l->name);
	free(l->instead_of);
	free(l->text);
	free(l);
}
DEFINE_FREEP(struct later, later_free)

static int put(const struct later *l)
{
	static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER; /* the new file has the same name for all */
	_cleanup_(state_fd_closep) int kind = state_open_kind(l->directory, l->kind);

	if (kind < 0)
		return kind;
	pthread_mutex_lock(&one_at_a_time);
	int e = state_write(kind, l->name, l->text, l->size);
	pthread_mutex_unlock(&one_at_a_time);
	return e;
}

static void on_work(uv_work_t *work)
{
	struct later *l = container_of(work, struct later, work);

	l->error = put(l);
	if (!l->instead_of)
		return;
	/* Also of one that could not be written: what it stands for is over. */
	_cleanup_(state_fd_closep) int old = state_open_kind(l->directory, l->instead_of);
	if (old >= 0)
		unlinkat(old, l->name, 0);
}

static void on_done(uv_work_t *work, int status)
{
	_cleanup_(later_freep) struct later *l = container_of(work, struct later, work);

	if (status < 0)
		l->error = status;
	if (l->error < 0)
		log_warning(NULL, "state", "%s/%s cannot be recorded in the state directory: %s", l->kind, l->name,
				strerror(-l->error));
	if (l->done)
		l->done(l->user, l->name);
}

int state_save_later(struct state *s, uv_loop_t *loop, const char *kind, const char *name, const struct record *r,
		const char *instead_of)
{
	return state_save_and_tell(s, loop, kind, name, r, instead_of, NULL, NULL);
}

int state_save_and_tell(struct state *s, uv_loop_t *loop, const char *kind, const char *name, const struct record *r,
		const char *instead_of, void (*done)(void *user, const char *name), void *user)
{
	if (s->directory < 0) {
		if (done)
			done(user, name);
		return 0;
	}
	if (!state_is_name(name))
		return -EINVAL;
	_cleanup_(later_freep) struct later *l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->directory = fcntl(s->directory, F_DUPFD_CLOEXEC, 0);
	l->lock = fcntl(s->lock, F_DUPFD_CLOEXEC, 0);
	if (l->directory < 0 || l->lock < 0)
		return -errno;
	l->done = done;
	l->user = user;
	l->kind = strdup(kind);
	l->name = strdup(name);
	l->instead_of = instead_of ? strdup(instead_of) : NULL;
	l->text = record_print(r, &l->size);
	if (!l->kind || !l->name || (instead_of && !l->instead_of) || !l->text)
		return -ENOMEM;
	int e = uv_queue_work(loop, &l->work, on_work, on_done);
	if (e < 0)
		return e;
	TAKE_PTR(l);
	return 0;
}
