/* SPDX-License-Identifier: MIT */

/* Threads for open() and close(): one each, detached, because one that hangs in the kernel must not hold a place that
 * others need. The opening belongs half to the loop and half to its thread and is freed when both are done with it. */

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "daemon/limits.h"
#include "daemon/log.h"
#include "daemon/port-private.h"

#define STACK_BYTES (1u << 20)

static atomic_uint thread_count;

struct opening {
	uv_async_t async;
	void (*done)(void *user, const struct port_result *result);
	void *user;
	char *tty;
	struct port_settings settings;
	pthread_mutex_t lock; /* for what follows */
	bool abandoned, finished;
	unsigned int owners;
	struct port_result result;
};

static int start_thread(void *(*function)(void *), void *argument)
{
	if (atomic_fetch_add(&thread_count, 1) >= LIMIT_HANGING_PORTS) {
		atomic_fetch_sub(&thread_count, 1);
		return -EAGAIN;
	}
	pthread_t thread;
	pthread_attr_t attributes;
	sigset_t all, before;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	sigfillset(&all); /* signals are the loop's */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&thread, &attributes, function, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	if (error)
		atomic_fetch_sub(&thread_count, 1);
	return -error;
}

/* Closes for which there was no thread; the next one that has time does them. */
struct late_close {
	struct late_close *next;
	int fd;
};
static pthread_mutex_t late_lock = PTHREAD_MUTEX_INITIALIZER;
static struct late_close *late_closes;

static struct late_close *take_late_close(void)
{
	pthread_mutex_lock(&late_lock);
	struct late_close *late = late_closes;
	if (late)
		late_closes = late->next;
	pthread_mutex_unlock(&late_lock);
	return late;
}

static void end_thread(void)
{
	struct late_close *late;
	while ((late = take_late_close())) {
		tty_close(late->fd);
		free(late);
	}
	atomic_fetch_sub(&thread_count, 1);
}

static void disown(struct opening *o)
{
	pthread_mutex_lock(&o->lock);
	bool last = --o->owners == 0;
	pthread_mutex_unlock(&o->lock);
	if (!last)
		return;
	pthread_mutex_destroy(&o->lock);
	free(o->tty);
	free(o);
}

static void on_async_closed(uv_handle_t *handle)
{
	disown(handle->data);
}

static void on_async(uv_async_t *async)
{
	struct opening *o = async->data;
	uv_close((uv_handle_t *)async, on_async_closed);
	o->done(o->user, &o->result);
}

static void *run_open(void *argument)
{
	struct opening *o = argument;
	struct port_result result;
	tty_open(o->tty, &o->settings, &result);

	pthread_mutex_lock(&o->lock);
	o->result = result;
	o->finished = true;
	bool abandoned = o->abandoned;
	if (!abandoned)
		uv_async_send(&o->async); /* with the lock held: the handle cannot be closed meanwhile */
	pthread_mutex_unlock(&o->lock);

	if (abandoned && result.fd >= 0)
		tty_close(result.fd);
	disown(o);
	end_thread();
	return NULL;
}

int opening_start(uv_loop_t *loop, const char *tty, const struct port_settings *settings,
		void (*done)(void *user, const struct port_result *result), void *user, struct opening **ret)
{
	struct opening *o = calloc(1, sizeof(*o));
	char *copy = strdup(tty);
	int r = o && copy ? uv_async_init(loop, &o->async, on_async) : -ENOMEM;
	if (r < 0) {
		free(copy);
		free(o);
		return r;
	}
	o->async.data = o;
	o->done = done;
	o->user = user;
	o->tty = copy;
	o->settings = *settings;
	o->owners = 2;
	pthread_mutex_init(&o->lock, NULL);
	r = start_thread(run_open, o);
	if (r < 0) {
		o->owners = 1;
		o->finished = true;
		o->result = (struct port_result){ .fd = -1, .why = PORT_ERROR };
		snprintf(o->result.reason, sizeof(o->result.reason),
				"%s: cannot be opened now: %u opens and closes hang in the kernel already", tty,
				atomic_load(&thread_count));
		uv_async_send(&o->async);
	}
	*ret = o;
	return 0;
}

void opening_abandon(struct opening *o)
{
	pthread_mutex_lock(&o->lock);
	o->abandoned = true;
	int fd = o->finished ? o->result.fd : -1;
	pthread_mutex_unlock(&o->lock);
	if (fd >= 0)
		closing_start(fd);
	uv_close((uv_handle_t *)&o->async, on_async_closed);
}

static void *run_close(void *argument)
{
	tty_close((int)(intptr_t)argument);
	end_thread();
	return NULL;
}

void closing_start(int fd)
{
	if (start_thread(run_close, (void *)(intptr_t)fd) == 0)
		return;
	struct late_close *late = malloc(sizeof(*late));
	if (!late)
		return; /* one descriptor is lost: better than a loop that hangs */
	log_warning(NULL, "port", "%u opens and closes hang in the kernel; a close waits for them",
			atomic_load(&thread_count));
	pthread_mutex_lock(&late_lock);
	*late = (struct late_close){ .next = late_closes, .fd = fd };
	late_closes = late;
	pthread_mutex_unlock(&late_lock);
}
