/* SPDX-License-Identifier: MIT */
#include "loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

#include "util.h"

#define BATCH 64

struct loop {
	int epoll;
	struct loop_watch timer_watch;
	struct loop_timer **heap;
	size_t n_heap, cap_heap;
	struct epoll_event batch[BATCH];
	int n_batch;
	uint64_t armed; /* what the timerfd is set to; 0 is nothing */
	void (*after)(void *user);
	void *after_user;
	bool stopped;
};

uint64_t loop_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

static void heap_put(struct loop *l, size_t i, struct loop_timer *t)
{
	l->heap[i] = t;
	t->slot = i + 1;
}

static void heap_up(struct loop *l, size_t i)
{
	struct loop_timer *t = l->heap[i];

	for (; i > 0 && t->due < l->heap[(i - 1) / 2]->due; i = (i - 1) / 2)
		heap_put(l, i, l->heap[(i - 1) / 2]);
	heap_put(l, i, t);
}

static void heap_down(struct loop *l, size_t i)
{
	struct loop_timer *t = l->heap[i];

	for (size_t child; (child = 2 * i + 1) < l->n_heap; i = child) {
		if (child + 1 < l->n_heap && l->heap[child + 1]->due < l->heap[child]->due)
			child++;
		if (t->due <= l->heap[child]->due)
			break;
		heap_put(l, i, l->heap[child]);
	}
	heap_put(l, i, t);
}

void loop_timer_stop(struct loop *l, struct loop_timer *t)
{
	size_t i;

	if (!t->slot)
		return;
	i = t->slot - 1;
	t->slot = 0;
	l->n_heap--;
	if (i == l->n_heap)
		return;
	heap_put(l, i, l->heap[l->n_heap]);
	heap_up(l, i);
	heap_down(l, i);
}

void loop_timer_at(struct loop *l, struct loop_timer *t, uint64_t due)
{
	loop_timer_stop(l, t);
	if (l->n_heap == l->cap_heap) {
		size_t cap = l->cap_heap ? 2 * l->cap_heap : 64;
		void *heap = realloc(l->heap, cap * sizeof(*l->heap));

		if (!heap)
			abort();
		l->heap = heap;
		l->cap_heap = cap;
	}
	t->due = due;
	heap_put(l, l->n_heap++, t);
	heap_up(l, t->slot - 1);
}

void loop_timer_in(struct loop *l, struct loop_timer *t, uint64_t us)
{
	loop_timer_at(l, t, loop_now() + us);
}

/* Sets the timerfd to the first timer; a timer already due fires on the next turn. */
static void timers_arm(struct loop *l)
{
	uint64_t due = l->n_heap ? l->heap[0]->due : 0;
	struct itimerspec its = { 0 };

	if (due == l->armed)
		return;
	if (due) {
		its.it_value.tv_sec = (time_t)(due / 1000000u);
		its.it_value.tv_nsec = (long)(due % 1000000u) * 1000;
	}
	timerfd_settime(l->timer_watch.fd, TFD_TIMER_ABSTIME, &its, NULL);
	l->armed = due;
}

static void timers_run(void *user, uint32_t events)
{
	struct loop *l = user;
	uint64_t now = loop_now(), ticks;

	(void)events;
	if (read(l->timer_watch.fd, &ticks, sizeof(ticks)) < 0 && errno != EAGAIN)
		return;
	l->armed = 0;
	while (l->n_heap && l->heap[0]->due <= now) {
		struct loop_timer *t = l->heap[0];

		loop_timer_stop(l, t);
		t->fired(t->user);
	}
}

int loop_watch(struct loop *l, struct loop_watch *w, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = w };

	if (epoll_ctl(l->epoll, w->added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, w->fd, &ev) < 0)
		return -errno;
	w->added = true;
	return 0;
}

void loop_unwatch(struct loop *l, struct loop_watch *w)
{
	if (!w->added)
		return;
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	w->added = false;
	/* Its event may already be in the batch that is being handled. */
	for (int i = 0; i < l->n_batch; i++)
		if (l->batch[i].data.ptr == w)
			l->batch[i].data.ptr = NULL;
}

int loop_run(struct loop *l)
{
	while (!l->stopped) {
		timers_arm(l);
		l->n_batch = epoll_wait(l->epoll, l->batch, BATCH, -1);
		if (l->n_batch < 0) {
			l->n_batch = 0;
			if (errno != EINTR)
				return -errno;
		}
		for (int i = 0; i < l->n_batch && !l->stopped; i++) {
			struct loop_watch *w = l->batch[i].data.ptr;

			if (w)
				w->ready(w->user, l->batch[i].events);
		}
		l->n_batch = 0;
		if (l->after && !l->stopped)
			l->after(l->after_user);
	}
	return 0;
}

void loop_set_after(struct loop *l, void (*after)(void *), void *user)
{
	l->after = after;
	l->after_user = user;
}

void loop_stop(struct loop *l)
{
	l->stopped = true;
}

int loop_new(struct loop **ret)
{
	_cleanup_(loop_freep) struct loop *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->timer_watch.fd = -1;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0)
		return -errno;
	l->timer_watch.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (l->timer_watch.fd < 0)
		return -errno;
	l->timer_watch.ready = timers_run;
	l->timer_watch.user = l;
	r = loop_watch(l, &l->timer_watch, EPOLLIN);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(l);
	return 0;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	if (l->timer_watch.fd >= 0)
		close(l->timer_watch.fd);
	if (l->epoll >= 0)
		close(l->epoll);
	free(l->heap);
	free(l);
}

void loop_freep(struct loop **l)
{
	loop_free(*l);
}
