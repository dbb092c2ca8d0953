/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "daemon/log.h"
#include "daemon/server-private.h"
#include "proto/json.h"

struct connection *connection_next(struct connection *c)
{
	return c->next;
}

static void link_connection(struct connection *c)
{
	struct server *s = c->server;

	c->next = s->connections;
	c->pprev = &s->connections;
	if (c->next)
		c->next->pprev = &c->next;
	s->connections = c;
	s->connection_count++;
}

static void on_closed(uv_handle_t *handle)
{
	struct connection *c = handle->data;
	struct server *s = c->server;

	if (--c->handles > 0)
		return;
	*c->pprev = c->next;
	if (c->next)
		c->next->pprev = c->pprev;
	s->connection_count--;
	varlink_stream_free(c->stream);
	free(c->peer.groups);
	free(c);
	server_check_stopped(s);
}

void call_free(struct call *call)
{
	varlink_call_release(&call->message);
	free(call);
}

/* Nobody waits for the call any more. */
static void abandon_call(struct connection *c)
{
	struct call *call = TAKE_PTR(c->call);

	if (!call)
		return;
	if (call->closed)
		call->closed(call);
	call_free(call);
}

static void count_input(struct connection *c, size_t now)
{
	c->server->input_bytes += now - c->counted;
	c->counted = now;
}

void connection_close(struct connection *c)
{
	if (c->closing)
		return;
	c->closing = true;
	abandon_call(c);
	if (c->state)
		c->state->closed(TAKE_PTR(c->state));
	count_input(c, 0);
	uv_close((uv_handle_t *)&c->pipe, on_closed);
	uv_close((uv_handle_t *)&c->turn, on_closed);
}

void connection_flush(struct connection *c)
{
	c->flushing = true;
	if (c->unsent == 0)
		connection_close(c);
}

static void start_call(struct connection *c, const char *text, size_t size)
{
	struct call *call = calloc(1, sizeof(*call));
	const char *why = "out of memory";
	int e = call ? varlink_call_decode(text, size, &call->message, &why) : -ENOMEM;

	if (e < 0) {
		log_info(NULL, "api", "process %d of user %u is cut off: %s", (int)c->peer.pid, (unsigned int)c->peer.uid, why);
		free(call);
		connection_flush(c);
		return;
	}
	call->connection = c;
	c->call = call;
	c->server->handle(c->server->user, call);
}

static void on_allocate(uv_handle_t *handle, size_t suggested _unused_, uv_buf_t *buffer)
{
	struct connection *c = handle->data;

	*buffer = uv_buf_init(c->server->buffer, SERVER_READ_BYTES);
}

static bool is_gone(struct connection *c)
{
	uv_os_fd_t fd;

	return uv_fileno((uv_handle_t *)&c->pipe, &fd) < 0 || server_peer_is_gone(fd);
}

/* Only who reads would be told that its client has gone. false: there is no need to look again. */
static bool look(struct connection *c)
{
	if (c->reading || c->closing)
		return false;
	if (is_gone(c))
		connection_close(c);
	return !c->closing;
}

static void on_look(uv_timer_t *timer)
{
	struct server *s = timer->data;
	bool more = false;

	for (struct connection *c = s->connections; c; c = c->next)
		more |= look(c);
	if (!more)
		uv_timer_stop(timer);
}

static void stop_reading(struct connection *c)
{
	struct server *s = c->server;

	c->reading = false;
	uv_read_stop((uv_stream_t *)&c->pipe);
	if (!s->stopping && !uv_is_active((uv_handle_t *)&s->look))
		uv_timer_start(&s->look, on_look, SERVER_LOOK_MS, SERVER_LOOK_MS);
}

/* All messages taken and answered, and no more will come. */
static void check_ended(struct connection *c)
{
	if (c->ended && !c->call && !uv_is_active((uv_handle_t *)&c->turn) && c->unsent < LIMIT_OUTPUT_BYTES)
		connection_flush(c);
}

static void on_end(struct connection *c, ssize_t why)
{
	c->ended = true;
	stop_reading(c);
	if (why != UV_EOF || is_gone(c))
		connection_close(c);
	else
		check_ended(c);
}

/* A message may be large; many messages wait in the client. */
static bool may_read_more(struct connection *c)
{
	bool waiting = c->call || c->unsent >= LIMIT_OUTPUT_BYTES || uv_is_active((uv_handle_t *)&c->turn);

	return !c->ended && !c->flushing && !c->broken &&
		(!waiting || varlink_stream_buffered(c->stream) < LIMIT_PIPELINE_BYTES);
}

/* All clients together have sent more than the daemon wants to hold: the one with the most goes. */
static void check_input(struct server *s)
{
	struct connection *most = s->connections;

	if (s->input_bytes <= LIMIT_INPUT_BYTES)
		return;
	for (struct connection *c = s->connections; c; c = c->next)
		if (c->counted > most->counted)
			most = c;
	log_warning(NULL, "api", "process %d of user %u is cut off: clients have sent too much at once",
			(int)most->peer.pid, (unsigned int)most->peer.uid);
	connection_close(most);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
	struct connection *c = stream->data;
	int e;

	if (size < 0)
		on_end(c, size);
	if (size <= 0)
		return;
	e = varlink_stream_feed(c->stream, buffer->base, (size_t)size);
	if (e < 0) {
		log_info(NULL, "api", "process %d of user %u is cut off: %s", (int)c->peer.pid, (unsigned int)c->peer.uid,
				e == -E2BIG ? "a message is too large" : "out of memory");
		connection_close(c);
		return;
	}
	count_input(c, varlink_stream_buffered(c->stream));
	check_input(c->server);
	if (!c->closing)
		connection_process(c);
}

static void set_reading(struct connection *c)
{
	bool wanted = may_read_more(c);

	if (wanted == c->reading)
		return;
	if (!wanted) {
		stop_reading(c);
		return;
	}
	c->reading = true;
	uv_read_start((uv_stream_t *)&c->pipe, on_allocate, on_read);
}

static void on_turn(uv_timer_t *timer)
{
	struct connection *c = timer->data;

	if (c->broken)
		connection_close(c);
	else
		connection_process(c);
}

void connection_turn(struct connection *c)
{
	uv_timer_start(&c->turn, on_turn, 0, 0);
}

static bool may_call(const struct connection *c)
{
	return !c->closing && !c->flushing && !c->broken && !c->call && c->unsent < LIMIT_OUTPUT_BYTES;
}

/* Takes the messages that have come, as far as calls may begin. Not entered again from inside. */
void connection_process(struct connection *c)
{
	unsigned int calls = 0;
	const char *text;
	size_t size;
	int next;

	if (c->processing)
		return;
	c->processing = true;
	while (may_call(c) && calls < SERVER_CALLS_A_TURN && (next = varlink_stream_next(c->stream, &text, &size)) != 0) {
		calls++;
		if (next > 0)
			start_call(c, text, size);
		else
			connection_reply(c, "io.mcumgr.LimitExceeded", server_call_too_long(), false);
	}
	c->processing = false;
	if (c->closing)
		return;
	count_input(c, varlink_stream_buffered(c->stream));
	if (calls == SERVER_CALLS_A_TURN)
		connection_turn(c);
	set_reading(c);
	check_ended(c);
}

/* Says so as if to the first call, which the client is about to make or has made. */
static void refuse(struct connection *c)
{
	log_warning(NULL, "api", "process %d of user %u is refused: %d connections are open", (int)c->peer.pid,
			(unsigned int)c->peer.uid, LIMIT_CONNECTIONS);
	connection_reply(c, "io.mcumgr.LimitExceeded", server_limit_exceeded("connections", LIMIT_CONNECTIONS,
			"too many connections are open", "close some, or try again later"), false);
	connection_flush(c);
}

static int new_connection(struct server *s, struct connection **ret)
{
	struct connection *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	if (varlink_stream_new(LIMIT_MESSAGE_BYTES, &c->stream) < 0 || uv_pipe_init(s->loop, &c->pipe, 0) < 0) {
		varlink_stream_free(c->stream);
		free(c);
		return -ENOMEM;
	}
	varlink_stream_skip(c->stream);
	uv_timer_init(s->loop, &c->turn);
	c->pipe.data = c->turn.data = c;
	c->handles = 2;
	c->server = s;
	link_connection(c);
	*ret = c;
	return 0;
}

void connection_accept(struct server *s)
{
	struct connection *c;
	uv_os_fd_t fd;
	int e = new_connection(s, &c);

	if (e < 0) {
		log_warning(NULL, "api", "a connection cannot be taken: %s", strerror(-e));
		return;
	}
	e = uv_accept((uv_stream_t *)&s->socket, (uv_stream_t *)&c->pipe);
	if (e < 0) {
		connection_close(c);
		return;
	}
	if (uv_fileno((uv_handle_t *)&c->pipe, &fd) == 0)
		server_read_peer(fd, &c->peer);
	if (s->connection_count > LIMIT_CONNECTIONS)
		refuse(c);
	else
		set_reading(c);
}

void connection_stop(struct connection *c)
{
	struct call *call = c->call;
	json_object *o;

	if (c->closing)
		return;
	c->flushing = true; /* no further calls */
	set_reading(c);
	if (call) {
		o = json_object_new_object();
		json_object_object_add(o, "message", json_object_new_string("the daemon is ending"));
		if (call->closed)
			call->closed(call);
		call_error(call, "io.mcumgr.Stopping", o);
	}
	if (!c->closing && c->unsent == 0)
		connection_close(c);
}
