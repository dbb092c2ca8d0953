/* SPDX-License-Identifier: MIT */
#pragma once

/* The server under test runs on a loop in a thread of its own; the test is its client, with blocking sockets and deadlines. */

#include <check.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#define WIRE_DEADLINE_MS 120000

struct wire_job {
	void (*run)(void *user);
	void *user;
};

struct wire {
	uv_loop_t loop;
	uv_async_t async;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t done;
	struct wire_job job;
	bool pending;
	char folder[64], path[128];
};

static inline void wire_on_async(uv_async_t *async)
{
	struct wire *w = async->data;

	pthread_mutex_lock(&w->mutex);
	if (w->pending) {
		w->job.run(w->job.user);
		w->pending = false;
		pthread_cond_signal(&w->done);
	}
	pthread_mutex_unlock(&w->mutex);
}

static inline void *wire_run(void *user)
{
	struct wire *w = user;

	uv_run(&w->loop, UV_RUN_DEFAULT);
	return NULL;
}

/* Runs a function on the loop and waits for it. */
static inline void wire_do(struct wire *w, void (*run)(void *user), void *user)
{
	pthread_mutex_lock(&w->mutex);
	w->job = (struct wire_job){ run, user };
	w->pending = true;
	uv_async_send(&w->async);
	while (w->pending)
		pthread_cond_wait(&w->done, &w->mutex);
	pthread_mutex_unlock(&w->mutex);
}

static inline void wire_init(struct wire *w)
{
	memset(w, 0, sizeof(*w));
	strcpy(w->folder, "/tmp/test-api-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(w->folder));
	snprintf(w->path, sizeof(w->path), "%s/io.mcumgr", w->folder);
	uv_loop_init(&w->loop);
	uv_async_init(&w->loop, &w->async, wire_on_async);
	w->async.data = w;
	pthread_mutex_init(&w->mutex, NULL);
	pthread_cond_init(&w->done, NULL);
}

static inline void wire_start(struct wire *w)
{
	ck_assert_int_eq(pthread_create(&w->thread, NULL, wire_run, w), 0);
}

static inline void wire_close_async(void *user)
{
	struct wire *w = user;

	uv_close((uv_handle_t *)&w->async, NULL);
}

/* After everything else on the loop was closed or is closing. */
static inline void wire_end(struct wire *w)
{
	char command[200];

	wire_do(w, wire_close_async, w);
	pthread_join(w->thread, NULL);
	ck_assert_int_eq(uv_loop_close(&w->loop), 0);
	snprintf(command, sizeof(command), "rm -rf '%s'", w->folder);
	ck_assert_int_eq(system(command), 0);
	pthread_mutex_destroy(&w->mutex);
	pthread_cond_destroy(&w->done);
}

static inline int wire_try_connect(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval deadline = { WIRE_DEADLINE_MS / 1000, 0 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof(deadline));
	ck_assert_uint_lt(strlen(path), sizeof(address.sun_path));
	memcpy(address.sun_path, path, strlen(path));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -errno;
	}
	return fd;
}

static inline int wire_connect(struct wire *w)
{
	int fd = wire_try_connect(w->path);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static inline void wire_send(int fd, const void *data, size_t size)
{
	const char *p = data;

	while (size > 0) {
		/* Newer libuv works by io_uring, which interrupts calls that have a deadline. */
		ssize_t n = TEMP_FAILURE_RETRY(send(fd, p, size, MSG_NOSIGNAL));

		ck_assert_msg(n > 0, "send: %s", strerror(errno));
		p += n;
		size -= (size_t)n;
	}
}

/* With its NUL. */
static inline void wire_say(int fd, const char *text)
{
	wire_send(fd, text, strlen(text) + 1);
}

/* The next message, malloc'd; NULL: the other side has closed. */
static inline char *wire_hear(int fd)
{
	size_t size = 0, capacity = 256;
	char *text = malloc(capacity);

	for (;;) {
		ssize_t n;

		if (size == capacity)
			text = realloc(text, capacity *= 2);
		n = TEMP_FAILURE_RETRY(recv(fd, text + size, capacity - size, MSG_PEEK));
		if (n == 0 || (n < 0 && errno == ECONNRESET)) {
			ck_assert_uint_eq(size, 0);
			free(text);
			return NULL;
		}
		ck_assert_msg(n > 0, "no answer: %s", strerror(errno));
		char *nul = memchr(text + size, 0, (size_t)n);
		size_t take = nul ? (size_t)(nul - (text + size)) + 1 : (size_t)n;

		ck_assert_int_eq(TEMP_FAILURE_RETRY(recv(fd, text + size, take, 0)), (int)take);
		size += take;
		if (nul)
			return text;
	}
}

#define wire_expect(fd, wanted)                                                                                        \
	do {                                                                                                           \
		char *_heard = wire_hear(fd);                                                                          \
		ck_assert_pstr_eq(_heard, wanted);                                                                     \
		free(_heard);                                                                                          \
	} while (0)

/* Whether a condition of the loop's thread becomes true before the deadline. */
static inline bool wire_wait(bool (*holds)(void *user), void *user)
{
	for (int i = 0; i < WIRE_DEADLINE_MS; i++) {
		if (holds(user))
			return true;
		poll(NULL, 0, 1);
	}
	return false;
}
