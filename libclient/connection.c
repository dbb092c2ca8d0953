/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "libclient/client.h"
#include "proto/json.h"

uint64_t client_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

int client_say(struct mcumgr *m, int error, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(m->message, sizeof(m->message), format, args);
	va_end(args);
	return error;
}

int mcumgr_new(struct mcumgr **ret)
{
	struct mcumgr *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->fd = -1;
	m->calls_end = &m->calls;
	*ret = m;
	return 0;
}

void mcumgr_free(struct mcumgr *m)
{
	if (!m)
		return;
	mcumgr_close(m);
	free(m->path);
	free(m);
}

static void drop_connection(struct mcumgr *m)
{
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
	m->generation++;
	varlink_stream_free(m->stream);
	m->stream = NULL;
	free(m->output);
	m->output = NULL;
	m->output_start = m->output_size = 0;
}

int client_fail(struct mcumgr *m, int error)
{
	/* Calls that a callback sends on a new connection must not be failed with the old ones. */
	struct client_call *call = m->calls, *next;

	m->calls = NULL;
	m->calls_end = &m->calls;
	drop_connection(m);
	for (; call; call = next) {
		struct mcumgr_reply reply = { .result = error };

		next = call->next;
		if (call->func)
			call->func(m, &reply, call->user);
		free(call);
	}
	return error;
}

void mcumgr_close(struct mcumgr *m)
{
	if (!m || m->fd < 0)
		return;
	m->closing = true;
	client_fail(m, -ECANCELED);
	m->closing = false;
}

bool mcumgr_connected(const struct mcumgr *m)
{
	return m->fd >= 0;
}

const char *mcumgr_socket(const struct mcumgr *m)
{
	return m->path ? m->path : "";
}

const char *mcumgr_message(const struct mcumgr *m)
{
	return m->message;
}

void mcumgr_set_timeout(struct mcumgr *m, unsigned int timeout_ms)
{
	m->timeout_ms = timeout_ms;
}

static int connect_failed(struct mcumgr *m, int error)
{
	struct stat st;

	switch (error) {
	case ENOENT:
		return client_say(m, -ENOENT, "no daemon listens on %s: there is no such socket", m->path);
	case ECONNREFUSED:
		if (stat(m->path, &st) == 0 && !S_ISSOCK(st.st_mode))
			return client_say(m, -ECONNREFUSED, "%s is %s, not the socket of a daemon", m->path,
				S_ISDIR(st.st_mode) ? "a directory" : "a file");
		return client_say(m, -ECONNREFUSED, "no daemon listens on %s: it has ended", m->path);
	case EACCES:
	case EPERM:
		return client_say(m, -EACCES, "no permission to use %s", m->path);
	case EAGAIN: /* SO_SNDTIMEO */
		return client_say(m, -ETIMEDOUT, "the daemon on %s takes no connections: it did not answer for %u s",
			m->path, CLIENT_CONNECT_MS / 1000);
	default:
		return client_say(m, -error, "cannot connect to %s: %s", m->path, strerror(error));
	}
}

static int open_socket(struct mcumgr *m)
{
	const struct timeval patience = { .tv_sec = CLIENT_CONNECT_MS / 1000 };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(m->path);
	int fd, r;

	if (!length)
		return client_say(m, -ENOENT, "an empty path names no socket");
	if (length >= sizeof(address.sun_path))
		return client_say(m, -ENAMETOOLONG, "%.60s...: a socket's path has at most %zu bytes, this has %zu",
			m->path, sizeof(address.sun_path) - 1, length);
	memcpy(address.sun_path, m->path, length + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return client_say(m, -errno, "no socket to be had: %s", strerror(errno));
	/* A full backlog would block connect() for ever. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	do
		r = connect(fd, (struct sockaddr *)&address, sizeof(address));
	while (r < 0 && errno == EINTR);
	if (r < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
		r = connect_failed(m, errno);
		close(fd);
		return r;
	}
	return fd;
}

/* All calls are the holder's, whose process this one may be a child of. It needs no reply: once the lease has ended, the daemon
 * says so to every call that needs it. */
static int use_lease(struct mcumgr *m)
{
	const char *token = getenv("MCUMGR_LEASE");
	_cleanup_json_ json_object *parameters = NULL;
	int r = -ENOMEM;

	if (!token || !*token)
		return 0;
	parameters = json_object_new_object();
	if (parameters && json_object_object_add(parameters, "lease", json_object_new_string(token)) == 0)
		r = mcumgr_send(m, "LeaseUse", parameters, MCUMGR_ONEWAY, 0, NULL, NULL);
	if (r == -EMSGSIZE)
		client_say(m, r, "MCUMGR_LEASE is no token of a lease");
	if (r < 0)
		drop_connection(m);
	return r;
}

int mcumgr_connect(struct mcumgr *m, const char *path)
{
	char *copy;
	int fd, r;

	if (m->closing)
		return client_say(m, -ECANCELED, "the connection to %s is being closed", m->path);
	copy = path ? strdup(path) : client_default_path();
	if (!copy)
		return client_say(m, -ENOMEM, "out of memory");
	mcumgr_close(m);
	free(m->path);
	m->path = copy;
	fd = open_socket(m);
	if (fd < 0)
		return fd;
	r = varlink_stream_new(CLIENT_MESSAGE_MAX, &m->stream);
	if (r < 0) {
		close(fd);
		return client_say(m, r, "out of memory");
	}
	m->fd = fd;
	m->generation++;
	return use_lease(m);
}

int mcumgr_fd(const struct mcumgr *m)
{
	return m->fd;
}

short mcumgr_events(const struct mcumgr *m)
{
	if (m->fd < 0)
		return 0;
	return m->output_size ? POLLIN | POLLOUT : POLLIN;
}
