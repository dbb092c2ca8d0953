/* SPDX-License-Identifier: MIT */

/* What goes out on a connection, and how much of it may wait. */

#include <string.h>

#include "daemon/log.h"
#include "daemon/server-private.h"

struct output {
	uv_write_t write;
	struct connection *connection;
	char *data;
	size_t size;
};

static void on_sent(uv_write_t *write, int status)
{
	struct output *o = container_of(write, struct output, write);
	struct connection *c = o->connection;

	c->unsent -= o->size;
	if (!c->broken)
		c->server->output_bytes -= o->size;
	free(o->data);
	free(o);
	if (c->closing)
		return;
	if (status < 0) {
		log_debug(NULL, "api", "a client went away: %s", uv_strerror(status));
		connection_close(c);
		return;
	}
	if (c->flushing) {
		connection_flush(c);
		return;
	}
	if (c->slow && c->unsent <= LIMIT_OUTPUT_BYTES / 2) {
		c->slow = false;
		if (c->call && c->call->drained)
			c->call->drained(c->call);
	}
	if (!c->closing)
		connection_process(c);
}

static void break_off(struct connection *c)
{
	if (!c->broken)
		c->server->output_bytes -= c->unsent;
	c->broken = true;
	connection_turn(c);
}

static void give_up(struct connection *c, const char *why)
{
	log_error(NULL, "api", "a reply cannot be sent: %s", why);
	break_off(c);
}

/* All clients together leave more unread than the daemon wants to hold: the one with the most goes. */
static void check_output(struct server *s)
{
	struct connection *most = NULL;

	if (s->output_bytes <= LIMIT_OUTPUT_TOTAL_BYTES)
		return;
	for (struct connection *c = s->connections; c; c = c->next)
		if (!c->closing && !c->broken && (!most || c->unsent > most->unsent))
			most = c;
	if (!most)
		return;
	log_warning(NULL, "api", "process %d of user %u is cut off: clients leave too much unread",
			(int)most->peer.pid, (unsigned int)most->peer.uid);
	break_off(most);
}

/* Takes data over. */
static void send_data(struct connection *c, char *data, size_t size)
{
	struct output *o = calloc(1, sizeof(*o));
	uv_buf_t buffer = uv_buf_init(data, (unsigned int)size);
	int e = -ENOMEM;

	if (o) {
		o->connection = c;
		o->data = data;
		o->size = size;
		e = uv_write(&o->write, (uv_stream_t *)&c->pipe, &buffer, 1, on_sent);
	}
	if (e < 0) {
		free(data);
		free(o);
		give_up(c, uv_strerror(e));
		return;
	}
	c->unsent += size;
	c->server->output_bytes += size;
	if (c->unsent > LIMIT_OUTPUT_BYTES)
		c->slow = true;
	check_output(c->server);
}

/* Takes parameters over. */
void connection_reply(struct connection *c, const char *error, json_object *parameters, bool continues)
{
	char *data = NULL;
	size_t size = 0;
	int e = varlink_reply_encode(error, parameters, continues, &data, &size);

	json_object_put(parameters);
	if (c->broken || c->closing) {
		free(data);
	} else if (e == 0 && size <= LIMIT_MESSAGE_BYTES) {
		send_data(c, data, size);
	} else if (e == 0 && !continues) {
		free(data);
		connection_reply(c, "io.mcumgr.LimitExceeded", server_answer_too_long(size), false);
	} else {
		free(data);
		give_up(c, e < 0 ? strerror(-e) : "it is too large");
	}
}

void call_continue(struct call *call, json_object *parameters)
{
	if (call->message.oneway) {
		json_object_put(parameters);
		return;
	}
	connection_reply(call->connection, NULL, parameters, true);
}

void call_error(struct call *call, const char *error, json_object *parameters)
{
	struct connection *c = call->connection;
	bool oneway = call->message.oneway;

	c->call = NULL;
	call_free(call);
	if (oneway)
		json_object_put(parameters);
	else
		connection_reply(c, error, parameters, false);
	/* The next call begins in a turn of its own: whoever replies has not to think of what that might do. */
	if (!c->processing && !c->closing)
		connection_turn(c);
}

void call_reply(struct call *call, json_object *parameters)
{
	call_error(call, NULL, parameters);
}

bool call_is_slow(const struct call *call)
{
	return call->connection->slow;
}

size_t call_unsent(const struct call *call)
{
	return call->connection->unsent;
}

const struct peer *call_peer(const struct call *call)
{
	return &call->connection->peer;
}

struct connection_state **call_state(const struct call *call)
{
	return &call->connection->state;
}
