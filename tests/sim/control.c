/* SPDX-License-Identifier: MIT */
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define LINE_MAX_LEN 8192

struct client {
	struct client *next;
	struct control *control;
	struct loop_watch fd;
	char in[LINE_MAX_LEN];
	size_t n_in;
	char *out; /* what the socket did not take yet */
	size_t n_out;
	bool waiting;
	bool ended; /* says nothing more, and still has answers to get (echo ... | socat) */
	struct wait wait;
	struct loop_timer timeout;
};

struct control {
	struct sim *sim;
	char *path;
	struct loop_watch listener;
	struct client *clients;
};

static void client_free(struct client *c)
{
	struct control *k = c->control;
	struct client **at = &k->clients;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	loop_timer_stop(k->sim->loop, &c->timeout);
	loop_unwatch(k->sim->loop, &c->fd);
	close(c->fd.fd);
	free(c->out);
	free(c);
}

static void flush(struct client *c)
{
	ssize_t n = send(c->fd.fd, c->out, c->n_out, MSG_NOSIGNAL);

	if (n > 0) {
		c->n_out -= (size_t)n;
		memmove(c->out, c->out + n, c->n_out);
	}
	loop_watch(c->control->sim->loop, &c->fd, (c->ended ? 0u : EPOLLIN) | (c->n_out ? EPOLLOUT : 0u));
}

/* Sends an answer with its newline and frees it. */
static void reply(struct client *c, char *text)
{
	size_t len = strlen(text);
	char *out = realloc(c->out, c->n_out + len + 1);

	if (!out)
		abort();
	c->out = out;
	memcpy(out + c->n_out, text, len);
	out[c->n_out + len] = '\n';
	c->n_out += len + 1;
	free(text);
	flush(c);
}

static void reply_text(struct client *c, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		abort();
	reply(c, copy);
}

/* Answers the wait when it has come true. Returns whether the client may go on. */
static bool wait_settle(struct client *c)
{
	int r = wait_check(&c->wait);

	if (!r)
		return false;
	c->waiting = false;
	loop_timer_stop(c->control->sim->loop, &c->timeout);
	reply_text(c, r > 0 ? "ok" : "error wait: state has no such name");
	return true;
}

static void line_run(struct client *c, char *line)
{
	struct sim *sim = c->control->sim;
	char *error = NULL;
	int r = wait_parse(sim, line, &c->wait, &error);

	if (r < 0) {
		reply(c, error);
	} else if (!r) {
		reply(c, command_run(sim, line));
	} else {
		c->waiting = true;
		if (!wait_settle(c))
			loop_timer_in(sim->loop, &c->timeout, c->wait.timeout_ms * 1000);
	}
}

static void lines_run(struct client *c)
{
	char *end;

	while (!c->waiting && (end = memchr(c->in, '\n', c->n_in))) {
		char line[LINE_MAX_LEN];
		size_t len = (size_t)(end - c->in);

		memcpy(line, c->in, len);
		line[len] = '\0';
		c->n_in -= len + 1;
		memmove(c->in, end + 1, c->n_in);
		line_run(c, line);
	}
}

/* Frees a client that has ended and has all its answers. */
static void client_leave(struct client *c)
{
	if (c->ended && !c->waiting && !c->n_out)
		client_free(c);
}

static void timed_out(void *user)
{
	struct client *c = user;
	_cleanup_(freep) char *state = NULL;
	char *text;

	c->waiting = false;
	state = state_json(c->wait.board);
	if (asprintf(&text, "error timeout: %s", state) < 0)
		abort();
	reply(c, text);
	lines_run(c);
	client_leave(c);
}

static void client_ready(void *user, uint32_t events)
{
	struct client *c = user;
	ssize_t n;

	if (events & EPOLLOUT)
		flush(c);
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) {
		client_leave(c);
		return;
	}
	if (c->ended || c->n_in == sizeof(c->in)) {
		client_free(c); /* nobody is there to be answered; a line without end */
		return;
	}
	n = read(c->fd.fd, c->in + c->n_in, sizeof(c->in) - c->n_in);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0) {
		client_free(c);
		return;
	}
	if (n == 0) {
		c->ended = true;
		loop_watch(c->control->sim->loop, &c->fd, c->n_out ? EPOLLOUT : 0u);
		client_leave(c);
		return;
	}
	c->n_in += (size_t)n;
	lines_run(c);
}

static void accept_ready(void *user, uint32_t events)
{
	struct control *k = user;
	struct client *c;
	int fd = accept4(k->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0)
		return;
	c = calloc(1, sizeof(*c));
	if (!c)
		abort();
	c->control = k;
	c->fd = (struct loop_watch){ .fd = fd, .ready = client_ready, .user = c };
	c->timeout.fired = timed_out;
	c->timeout.user = c;
	c->next = k->clients;
	k->clients = c;
	loop_watch(k->sim->loop, &c->fd, EPOLLIN);
}

/* After every turn of the loop: something a client waits for may have come true. */
static void waits_settle(void *user)
{
	struct control *k = user;

	for (struct client *c = k->clients, *next; c; c = next) {
		next = c->next;
		if (!c->waiting || !wait_settle(c))
			continue;
		lines_run(c);
		client_leave(c);
	}
}

int control_new(struct sim *sim, const char *path, struct control **ret)
{
	struct control *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->sim = sim;
	c->path = strdup(path);
	c->listener = (struct loop_watch){ .fd = -1, .ready = accept_ready, .user = c };
	r = c->path ? (port_is_served(path) ? -EADDRINUSE : port_listen(path, &c->listener.fd)) : -ENOMEM;
	if (!r)
		r = loop_watch(sim->loop, &c->listener, EPOLLIN);
	if (r < 0) {
		control_free(c);
		return r;
	}
	loop_set_after(sim->loop, waits_settle, c);
	*ret = c;
	return 0;
}

void control_free(struct control *c)
{
	if (!c)
		return;
	while (c->clients)
		client_free(c->clients);
	loop_set_after(c->sim->loop, NULL, NULL);
	loop_unwatch(c->sim->loop, &c->listener);
	if (c->listener.fd >= 0) {
		port_remove(c->path, NULL);
		close(c->listener.fd);
	}
	free(c->path);
	free(c);
}
