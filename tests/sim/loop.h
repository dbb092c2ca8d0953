/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The event loop: file descriptors (epoll) and one-shot timers (a heap behind
 * one timerfd). Times are microseconds of CLOCK_MONOTONIC.
 *
 * Watches and timers are embedded in their owner, which must remove or stop
 * them before it goes away. Callbacks run from loop_run() only, and may add
 * or remove anything, themselves included.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;

struct loop_watch {
	int fd;
	void (*ready)(void *user, uint32_t events);
	void *user;
	bool added;
};

struct loop_timer {
	void (*fired)(void *user);
	void *user;
	uint64_t due;
	size_t slot; /* place in the heap plus one; 0 is idle */
};

int loop_new(struct loop **ret);
void loop_free(struct loop *l);
void loop_freep(struct loop **l);

/* Runs until loop_stop(). Returns 0 or -errno. */
int loop_run(struct loop *l);
void loop_stop(struct loop *l);

uint64_t loop_now(void);

/* Called each time after everything that was ready has been handled. */
void loop_set_after(struct loop *l, void (*after)(void *user), void *user);

/* Watches `w->fd` for `events` (EPOLLIN …); changes them if it is watched already. */
int loop_watch(struct loop *l, struct loop_watch *w, uint32_t events);
void loop_unwatch(struct loop *l, struct loop_watch *w);

/* Starts the timer, or moves it. */
void loop_timer_at(struct loop *l, struct loop_timer *t, uint64_t due);
void loop_timer_in(struct loop *l, struct loop_timer *t, uint64_t us);
void loop_timer_stop(struct loop *l, struct loop_timer *t);
