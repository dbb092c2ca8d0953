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

struct closing {
	struct closing *next;
	int fd;
	uv_async_t async; /* only when somebody is told */
	void (*done)(void *user);
	void *user;
};

/* Closes for which there was no thread; the next one that has time does them. */
static pthread_mutex_t late_lock = PTHREAD_MUTEX_INITIALIZER;
static struct closing *late_closes;

static struct closing *take_late_close(void)
{
	pthread_mutex_lock(&late_lock);
	struct closing *late = late_closes;
	if (late)
		late_closes = late->next;
	pthread_mutex_unlock(&late_lock);
	return late;
}

static void close_now(struct closing *c)
{
	tty_close(c->fd);
	if (c->done)
		uv_async_send(&c->async); /* the loop frees it */
	else
		free(c);
}

static void end_thread(void)
{
	struct closing *late;
	while ((late = take_late_close()))
		close_now(late);
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
	close_now(argument);
	end_thread();
	return NULL;
}

static void start_closing(struct closing *c)
{
	if (start_thread(run_close, c) == 0)
		return;
	log_warning(NULL, "port", "%u opens and closes hang in the kernel; a close waits for them",
			atomic_load(&thread_count));
	pthread_mutex_lock(&late_lock);
	c->next = late_closes;
	late_closes = c;
	pthread_mutex_unlock(&late_lock);
}

void closing_start(int fd)
{
	struct closing *c = calloc(1, sizeof(*c));
	if (!c)
		return; /* one descriptor is lost: better than a loop that hangs */
	c->fd = fd;
	start_closing(c);
}

static void on_closing_freed(uv_handle_t *handle)
{
	free(handle->data);
}

static void on_closing_done(uv_async_t *async)
{
	struct closing *c = async->data;
	uv_close((uv_handle_t *)async, on_closing_freed);
	c->done(c->user);
}

void closing_start_then(uv_loop_t *loop, int fd, void (*done)(void *user), void *user)
{
	struct closing *c = calloc(1, sizeof(*c));
	if (!c || uv_async_init(loop, &c->async, on_closing_done) < 0) {
		free(c);
		closing_start(fd);
		done(user);
		return;
	}
	/* A close that hangs for ever must not keep the daemon from ending. */
	uv_unref((uv_handle_t *)&c->async);
	c->async.data = c;
	c->fd = fd;
	c->done = done;
	c->user = user;
	start_closing(c);
}
