/* SPDX-License-Identifier: MIT */
#include "daemon/server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/notify.h"
#include "daemon/server-private.h"

#define BACKLOG 128

int server_new(uv_loop_t *loop, void (*handle)(void *user, struct call *call), void *user, struct server **ret)
{
	struct server *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->loop = loop;
	s->handle = handle;
	s->user = user;
	s->lock = -1;
	s->group = (gid_t)-1;
	uv_timer_init(loop, &s->look);
	uv_unref((uv_handle_t *)&s->look);
	s->look.data = s;
	s->handles = 1;
	signal(SIGPIPE, SIG_IGN); /* a client that goes away in the middle of a reply */
	*ret = s;
	return 0;
}

json_object *server_limit_exceeded(const char *limit, int64_t maximum, const char *message, const char *hint)
{
	json_object *o = json_object_new_object();

	json_object_object_add(o, "limit", json_object_new_string(limit));
	json_object_object_add(o, "maximum", json_object_new_int64(maximum));
	json_object_object_add(o, "message", json_object_new_string(message));
	json_object_object_add(o, "hint", json_object_new_string(hint));
	return o;
}

json_object *server_answer_too_long(size_t size)
{
	char text[80];

	snprintf(text, sizeof(text), "the answer has %zu bytes, more than a message may have", size);
	return server_limit_exceeded("message", LIMIT_MESSAGE_BYTES, text, "ask for less at once");
}

json_object *server_call_too_long(void)
{
	char text[100];

	snprintf(text, sizeof(text), "the call is longer than the %u MiB that a message may have", LIMIT_MESSAGE_BYTES >> 20);
	return server_limit_exceeded("message", LIMIT_MESSAGE_BYTES, text, "a message holds a file of about 12 MiB as base64");
}

static void on_connection(uv_stream_t *stream, int status)
{
	struct server *s = stream->data;

	if (status < 0) {
		log_warning(NULL, "api", "a connection cannot be taken: %s", uv_strerror(status));
		return;
	}
	connection_accept(s);
}

static bool is_listening_socket(int fd)
{
	int listening = 0, domain = 0, type = 0;
	socklen_t a = sizeof(listening), b = sizeof(domain), c = sizeof(type);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &a) == 0 && listening &&
		getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &b) == 0 && domain == AF_UNIX &&
		getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &c) == 0 && type == SOCK_STREAM;
}

/* The service manager's socket, or one of our own. */
static int find_socket(struct server *s, const char *path, const char *group, char **ret_text)
{
	int fd = -1, count = notify_sockets(&fd);

	if (count <= 0)
		return server_bind(s, path, group, ret_text);
	if (count > 1 || !is_listening_socket(fd)) {
		if (asprintf(ret_text, "the service manager gave %d sockets; one listening Unix stream socket is expected",
				    count) < 0)
			*ret_text = NULL;
		return -EINVAL;
	}
	return fd;
}

static void on_closed(uv_handle_t *handle)
{
	struct server *s = handle->data;

	s->handles--;
	server_check_stopped(s);
}

static int listen_on(struct server *s, int fd)
{
	int e = uv_pipe_init(s->loop, &s->socket, 0);

	if (e < 0) {
		close(fd);
		return e;
	}
	s->socket.data = s;
	s->handles++;
	s->open = true;
	e = uv_pipe_open(&s->socket, fd);
	if (e < 0)
		close(fd);
	else
		e = uv_listen((uv_stream_t *)&s->socket, BACKLOG, on_connection);
	return e;
}

int server_open(struct server *s, const char *path, const char *group, char **ret_text)
{
	int e;

	*ret_text = NULL;
	e = find_socket(s, path, group, ret_text);
	if (e >= 0)
		s->group = server_find_group(e);
	if (e >= 0)
		e = listen_on(s, e);
	if (e < 0 && !*ret_text && asprintf(ret_text, "the socket %s cannot be listened on: %s", path, uv_strerror(e)) < 0)
		*ret_text = NULL;
	if (e == 0)
		log_info(NULL, "api", "listening on %s", s->path ? s->path : "the service manager's socket");
	return e;
}

gid_t server_group(const struct server *s)
{
	return s->group;
}

/* Frees the server when everything is closed. */
void server_check_stopped(struct server *s)
{
	void (*stopped)(void *user) = s->stopped;
	void *user = s->stopped_user;

	if (!s->stopping)
		return;
	if (!s->connections && s->handles > 0 && !uv_is_closing((uv_handle_t *)&s->timer)) {
		uv_close((uv_handle_t *)&s->timer, on_closed);
		uv_close((uv_handle_t *)&s->look, on_closed);
	}
	if (s->connections || s->handles > 0)
		return;
	server_unbind(s);
	free(s);
	if (stopped)
		stopped(user);
}

static void on_stop_timer(uv_timer_t *timer)
{
	struct server *s = timer->data;

	for (struct connection *c = s->connections, *next; c; c = next) {
		next = connection_next(c);
		connection_close(c);
	}
}

void server_stop(struct server *s, void (*done)(void *user), void *user)
{
	s->stopping = true;
	s->stopped = done;
	s->stopped_user = user;
	uv_timer_init(s->loop, &s->timer);
	s->timer.data = s;
	s->handles++;
	uv_timer_start(&s->timer, on_stop_timer, SERVER_STOP_MS, 0);
	if (s->open)
		uv_close((uv_handle_t *)&s->socket, on_closed);
	for (struct connection *c = s->connections, *next; c; c = next) {
		next = connection_next(c);
		connection_stop(c);
	}
	server_check_stopped(s);
}
