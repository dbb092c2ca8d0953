/* SPDX-License-Identifier: MIT */
#include "link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "util.h"

#define IN_HIGH 16384  /* bytes under way to the board before reading stops */
#define OUT_HIGH 262144 /* bytes nobody reads before they are dropped */

struct piece {
	struct piece *next;
	uint64_t due;
	size_t len;
	uint8_t data[];
};

static bool paced(const struct link *l)
{
	return l->set->baud || l->set->latency_ms;
}

/* When `len` more bytes will have arrived. */
static uint64_t arrival(const struct link *l, struct piece_queue *q, size_t len)
{
	uint64_t now = loop_now();

	if (q->line_free < now)
		q->line_free = now;
	if (l->set->baud)
		q->line_free += len * 10 * 1000000u / l->set->baud;
	return q->line_free + l->set->latency_ms * 1000u;
}

static void queue_rearm(struct link *l, struct piece_queue *q)
{
	if (q->first)
		loop_timer_at(l->loop, &q->timer, q->first->due);
	else
		loop_timer_stop(l->loop, &q->timer);
}

static void queue_push(struct link *l, struct piece_queue *q, const uint8_t *data, size_t len)
{
	struct piece *p = malloc(sizeof(*p) + len);

	if (!p)
		abort();
	p->next = NULL;
	p->due = arrival(l, q, len);
	p->len = len;
	memcpy(p->data, data, len);
	*q->last = p;
	q->last = &p->next;
	q->bytes += len;
}

static struct piece *queue_pop(struct piece_queue *q)
{
	struct piece *p = q->first;

	q->first = p->next;
	if (!q->first)
		q->last = &q->first;
	q->bytes -= p->len;
	return p;
}

static void queue_clear(struct link *l, struct piece_queue *q)
{
	while (q->first)
		free(queue_pop(q));
	q->line_free = 0;
	loop_timer_stop(l->loop, &q->timer);
}

static void watch(struct link *l)
{
	bool in = l->in.bytes < IN_HIGH;

	l->paused = !in;
	loop_watch(l->loop, &l->fd, (in ? EPOLLIN : 0u) | (l->stalled ? EPOLLOUT : 0u));
}

/* Pieces end at newlines: what a board does, it does when a line is complete. */
static void receive(struct link *l, const uint8_t *data, size_t len)
{
	l->rx_bytes += len;
	if (!paced(l) && !l->in.first) {
		l->received(l->user, data, len);
		return;
	}
	while (len) {
		const uint8_t *nl = l->set->baud ? memchr(data, '\n', len) : NULL;
		size_t n = nl ? (size_t)(nl - data) + 1 : len;

		queue_push(l, &l->in, data, n);
		data += n;
		len -= n;
	}
	queue_rearm(l, &l->in);
}

static void in_due(void *user)
{
	struct link *l = user;
	uint64_t now = loop_now();

	while (l->in.first && l->in.first->due <= now) {
		_cleanup_(freep) struct piece *p = queue_pop(&l->in);

		l->received(l->user, p->data, p->len);
	}
	queue_rearm(l, &l->in);
	if (l->open && l->paused && l->in.bytes < IN_HIGH)
		watch(l);
}

/* Writes what has arrived; a client that does not read holds it up until OUT_HIGH. */
static void out_due(void *user)
{
	struct link *l = user;
	uint64_t now = loop_now();

	while (l->open && !l->stalled && l->out.first && l->out.first->due <= now) {
		struct piece *p = l->out.first;
		ssize_t n = write(l->fd.fd, p->data, p->len);

		if (n < 0 || (size_t)n < p->len) {
			size_t done = n < 0 ? 0 : (size_t)n;

			memmove(p->data, p->data + done, p->len - done);
			p->len -= done;
			l->out.bytes -= done;
			l->tx_bytes += done;
			l->stalled = true;
			watch(l);
			return;
		}
		l->tx_bytes += p->len;
		free(queue_pop(&l->out));
	}
	if (!l->stalled)
		queue_rearm(l, &l->out);
}

void link_write(struct link *l, const void *data, size_t len)
{
	const uint8_t *p = data;

	if (!l->plugged)
		return;
	if (!l->open) {
		size_t n = MIN(len, sizeof(l->held) - l->n_held);

		memcpy(l->held + l->n_held, p, n);
		l->n_held += n;
		l->lost_bytes += len - n;
		return;
	}
	if (l->out.bytes + len > OUT_HIGH) {
		l->lost_bytes += len;
		return;
	}
	queue_push(l, &l->out, p, len);
	if (l->stalled)
		return;
	if (paced(l))
		queue_rearm(l, &l->out);
	else
		out_due(l);
}

static void closed(struct link *l)
{
	if (!l->open)
		return;
	l->open = false;
	l->stalled = false;
	loop_unwatch(l->loop, &l->fd);
	queue_clear(l, &l->out);
	if (l->listener.fd >= 0) {
		closep(&l->fd.fd);
		l->fd.fd = -1;
	} else if (l->plugged) {
		/* What was not read goes with the one who did not read it. */
		port_flush(l->tty);
	}
}

static void fd_ready(void *user, uint32_t events)
{
	struct link *l = user;
	uint8_t buf[4096];
	ssize_t n = -1;

	if (events & EPOLLOUT) {
		l->stalled = false;
		watch(l);
		out_due(l);
	}
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	n = read(l->fd.fd, buf, sizeof(buf));
	if (n > 0) {
		receive(l, buf, (size_t)n);
		if (l->open && l->in.bytes >= IN_HIGH && !(events & EPOLLHUP))
			watch(l);
	} else if (n == 0 || errno != EAGAIN) {
		closed(l);
	}
}

static void opened(struct link *l)
{
	size_t n = l->n_held;

	if (l->open)
		return;
	l->open = true;
	l->opens++;
	l->n_held = 0;
	watch(l);
	link_write(l, l->held, n);
}

void link_opened_or_closed(struct link *l)
{
	struct pollfd p = { .fd = l->fd.fd, .events = POLLIN };

	if (poll(&p, 1, 0) < 0)
		return;
	if (!(p.revents & POLLHUP)) {
		opened(l);
		return;
	}
	/* It may have come, said something and gone since we last looked. */
	if (p.revents & POLLIN)
		opened(l);
	else
		closed(l);
}

static void listener_ready(void *user, uint32_t events)
{
	struct link *l = user;
	int fd = accept4(l->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0)
		return;
	closed(l); /* one cable: the new client replaces the old one */
	l->fd.fd = fd;
	opened(l);
}

int link_plug(struct link *l)
{
	int r;

	if (l->plugged)
		return 0;
	if (l->set->unix_path) {
		r = port_listen(l->path, &l->listener.fd);
		if (!r)
			r = loop_watch(l->loop, &l->listener, EPOLLIN);
	} else {
		r = port_open_pty(l->path, &l->fd.fd, &l->tty);
		if (!r)
			r = tty_watch_add(l->ttys, l);
	}
	l->plugged = true;
	if (r < 0) {
		link_unplug(l);
		return r;
	}
	if (l->tty)
		link_opened_or_closed(l); /* the symlink may have been followed already */
	return 0;
}

void link_unplug(struct link *l)
{
	if (!l->plugged)
		return;
	l->plugged = false;
	port_remove(l->path, l->tty);
	closed(l);
	link_drop(l);
	tty_watch_remove(l->ttys, l);
	loop_unwatch(l->loop, &l->listener);
	closep(&l->listener.fd);
	closep(&l->fd.fd);
	l->fd.fd = l->listener.fd = -1;
	free(TAKE_PTR(l->tty));
}

void link_drop(struct link *l)
{
	queue_clear(l, &l->in);
	queue_clear(l, &l->out);
	l->n_held = 0;
	if (l->stalled || l->paused) {
		l->stalled = false;
		if (l->open)
			watch(l);
	}
}

bool link_is_idle(const struct link *l)
{
	return !l->in.first && !l->out.first;
}

static void queue_init(struct link *l, struct piece_queue *q, void (*due)(void *))
{
	q->last = &q->first;
	q->timer.fired = due;
	q->timer.user = l;
}

int link_init(struct link *l, struct loop *loop, struct tty_watch *ttys,
	      const struct settings *set, const char *dir, const char *name)
{
	l->loop = loop;
	l->ttys = ttys;
	l->set = set;
	l->inotify = -1;
	l->fd = (struct loop_watch){ .fd = -1, .ready = fd_ready, .user = l };
	l->listener = (struct loop_watch){ .fd = -1, .ready = listener_ready, .user = l };
	queue_init(l, &l->in, in_due);
	queue_init(l, &l->out, out_due);
	if (set->unix_path)
		l->path = strdup(set->unix_path);
	else if (asprintf(&l->path, "%s/%s", dir, name) < 0)
		l->path = NULL;
	return l->path ? 0 : -ENOMEM;
}

void link_clear(struct link *l)
{
	if (!l->path)
		return;
	link_unplug(l);
	free(TAKE_PTR(l->path));
}
