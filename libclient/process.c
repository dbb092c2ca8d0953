/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libclient/client.h"

#define READ_SIZE 65536
#define READS_MAX 64

static int flush_output(struct mcumgr *m)
{
	while (m->output_size) {
		ssize_t n = send(m->fd, m->output + m->output_start, m->output_size, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return -errno;
		m->output_start += (size_t)n;
		m->output_size -= (size_t)n;
	}
	free(m->output);
	m->output = NULL;
	m->output_start = 0;
	return 0;
}

static int queue_output(struct mcumgr *m, char *data, size_t size)
{
	char *grown;

	if (!m->output_size) {
		free(m->output);
		m->output = data;
		m->output_start = 0;
		m->output_size = size;
		return 0;
	}
	memmove(m->output, m->output + m->output_start, m->output_size);
	m->output_start = 0;
	grown = realloc(m->output, m->output_size + size);
	if (grown) {
		m->output = grown;
		memcpy(grown + m->output_size, data, size);
		m->output_size += size;
	}
	free(data);
	return grown ? 0 : -ENOMEM;
}

static int encode_call(struct mcumgr *m, const char *method, json_object *parameters, unsigned int flags)
{
	_cleanup_free_ char *name = NULL;
	size_t size;
	char *data;
	int r;

	if (asprintf(&name, "%s%s", strchr(method, '.') ? "" : "io.mcumgr.", method) < 0) {
		name = NULL;
		return client_say(m, -ENOMEM, "out of memory");
	}
	r = varlink_call_encode(name, parameters, flags & MCUMGR_MORE, flags & MCUMGR_ONEWAY, &data, &size);
	if (r == 0)
		r = queue_output(m, data, size);
	if (r == -ENOMEM)
		return client_say(m, r, "out of memory");
	return r < 0 ? client_say(m, -EMSGSIZE, "the parameters of %s do not fit a message", name) : 0;
}

static uint64_t deadline_in(unsigned int timeout_ms)
{
	return timeout_ms ? client_now() + timeout_ms : UINT64_MAX;
}

int mcumgr_send(struct mcumgr *m, const char *method, json_object *parameters, unsigned int flags,
	unsigned int timeout_ms, mcumgr_reply_func func, void *user)
{
	struct client_call *call = NULL;
	int r;

	if (m->fd < 0)
		return client_say(m, -ENOTCONN, "not connected to a daemon");
	if (!(flags & MCUMGR_ONEWAY)) {
		call = calloc(1, sizeof(*call));
		if (!call)
			return client_say(m, -ENOMEM, "out of memory");
	}
	r = encode_call(m, method, parameters, flags);
	if (r < 0) {
		free(call);
		return r;
	}
	/* Errors of this early try show again in mcumgr_process(), where calling back is allowed. */
	flush_output(m);
	if (!call)
		return 0;
	*call = (struct client_call){
		.func = func, .user = user, .more = flags & MCUMGR_MORE, .timeout_ms = timeout_ms
	};
	call->deadline = deadline_in(timeout_ms);
	*m->calls_end = call;
	m->calls_end = &call->next;
	return 0;
}

int mcumgr_wait_ms(const struct mcumgr *m)
{
	uint64_t first = UINT64_MAX, now;
	const struct client_call *call;

	for (call = m->calls; call; call = call->next)
		if (call->deadline < first)
			first = call->deadline;
	if (first == UINT64_MAX)
		return -1;
	now = client_now();
	if (first <= now)
		return 0;
	return first - now > INT_MAX ? INT_MAX : (int)(first - now);
}

/* Whoever stopped it knows, and is not called again; calls that wait behind it are. */
static void stop_stream(struct mcumgr *m)
{
	struct client_call *call = m->calls;

	m->calls = call->next;
	if (!m->calls)
		m->calls_end = &m->calls;
	free(call);
	client_fail(m, -ECANCELED);
}

int client_reply(struct mcumgr *m, const struct mcumgr_reply *reply)
{
	struct client_call *call = m->calls;
	unsigned int generation = m->generation;
	int r;

	if (reply->continues) {
		call->deadline = deadline_in(call->timeout_ms);
		m->streaming = generation;
		r = call->func ? call->func(m, reply, call->user) : 0;
		m->streaming = 0;
		if (r && m->generation == generation)
			stop_stream(m);
		return r;
	}
	m->calls = call->next;
	if (!m->calls)
		m->calls_end = &m->calls;
	r = call->func ? call->func(m, reply, call->user) : 0;
	free(call);
	return r;
}

/* 0, or why the reply breaks the protocol. */
static int take_message(struct mcumgr *m, const char *text, size_t size)
{
	struct mcumgr_error *error = NULL;
	struct varlink_reply decoded;
	const char *why;
	int r;

	r = varlink_reply_decode(text, size, &decoded, &why);
	if (r == -ENOMEM)
		return client_say(m, r, "out of memory");
	if (r < 0)
		return client_say(m, -EPROTO, "what came from %s is no Varlink reply: %s", m->path, why);
	if (!m->calls || (decoded.continues && (!m->calls->more || decoded.error)))
		r = client_say(m, -EPROTO, "a reply came from %s that nothing asked for", m->path);
	else if (decoded.error && !(error = client_error_new(&decoded)))
		r = client_say(m, -ENOMEM, "out of memory");
	else
		client_reply(m, &(struct mcumgr_reply){ .result = error ? -EREMOTEIO : 0,
					.parameters = error ? NULL : decoded.parameters,
					.error = error,
					.continues = decoded.continues });
	mcumgr_error_free(error);
	varlink_reply_release(&decoded);
	return r;
}

static int take_messages(struct mcumgr *m)
{
	unsigned int generation = m->generation;
	const char *text;
	size_t size;
	int r;

	while (varlink_stream_next(m->stream, &text, &size) == 1) {
		r = take_message(m, text, size);
		if (m->generation != generation)
			return 0; /* a callback closed: the rest is of no interest */
		if (r < 0)
			return r;
	}
	return 0;
}

/* What is there, within reason, so that a loop with other work gets its turn: 0, or the error that ended the
 * connection. */
static int read_input(struct mcumgr *m)
{
	static _Thread_local char buffer[READ_SIZE];
	unsigned int generation = m->generation, turns = READS_MAX;
	ssize_t n;
	int r;

	while (turns--) {
		n = recv(m->fd, buffer, sizeof(buffer), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return client_say(m, -ECONNRESET, "the connection to %s broke: %s", m->path, strerror(errno));
		if (n == 0)
			return client_say(m, -ECONNRESET, "the daemon on %s closed the connection", m->path);
		r = varlink_stream_feed(m->stream, buffer, (size_t)n);
		if (r == 0)
			r = take_messages(m);
		else
			r = client_say(m, r == -ENOMEM ? r : -EPROTO, "a reply of more than %u MiB came from %s",
				CLIENT_MESSAGE_MAX >> 20, m->path);
		if (r < 0 || m->generation != generation)
			return r;
	}
	return 0;
}

int mcumgr_process(struct mcumgr *m)
{
	unsigned int generation = m->generation;
	int sent, r;

	if (m->fd < 0)
		return client_say(m, -ENOTCONN, "not connected to a daemon");
	if (m->streaming == m->generation)
		return client_say(m, -EDEADLK, "a stream's callback must return before the next reply can be processed");
	sent = flush_output(m);
	/* What came before the connection broke still counts. */
	r = read_input(m);
	if (m->generation != generation)
		return 0;
	if (r == 0 && sent < 0)
		r = client_say(m, -ECONNRESET, "the connection to %s broke: %s", m->path, strerror(-sent));
	if (r == 0 && mcumgr_wait_ms(m) == 0)
		r = client_say(m, -ETIMEDOUT, "the daemon on %s did not answer in time", m->path);
	return r < 0 ? client_fail(m, r) : 0;
}
