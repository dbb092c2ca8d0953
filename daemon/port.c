/* SPDX-License-Identifier: MIT */

#include "daemon/port.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/limits.h"
#include "daemon/log.h"
#include "daemon/port-private.h"
#include "daemon/port-store.h"

#define READ_BYTES 16384

/* Bytes that go to the kernel in one write; after them a pause, when pause_ms is not 0. */
struct segment {
	struct segment *next;
	unsigned int pause_ms;
	bool typed; /* and not to be discarded */
	size_t size;
	uint8_t data[];
};

/* One open tty. It has a life of its own, because its handle closes later than the port may be opened again. */
struct line {
	uv_pipe_t pipe; /* not uv_tty_t (changes modes) nor uv_poll_t (EBADF at hang-up): a pipe ends with a clean EOF */
	uv_write_t write;
	struct port *port; /* NULL: given up */
	struct segment *writing;
	int fd; /* a second descriptor: the last close, which may hang, is done by a thread */
};

/* What libuv reads into is handed on before it reads again, from whichever port. */
static char read_buffer[READ_BYTES];

struct port {
	uv_loop_t *loop;
	char *tty;
	struct port_settings settings;
	struct port_callbacks callbacks;
	void *user;
	struct opening *opening; /* at most one of these two */
	struct line *line;
	bool paces_itself, kept, closed, pausing;
	void (*after)(void *user); /* of port_close_then */
	void *after_user;
	unsigned int parts; /* that are not closed yet */
	uv_timer_t pause;
	struct segment *first, **last;
	size_t unsent;
};

static void send_next(struct port *p);
static void on_pause_over(uv_timer_t *timer);

static void drop_queue(struct port *p)
{
	while (p->first) {
		struct segment *s = p->first;
		p->first = s->next;
		p->unsent -= s->size;
		free(s);
	}
	p->last = &p->first;
}

static void on_line_closed(uv_handle_t *handle)
{
	struct line *line = handle->data;
	free(line->writing);
	free(line);
}

static void part_closed(void *user)
{
	struct port *p = user;
	if (--p->parts > 0)
		return;
	if (p->after)
		p->after(p->after_user);
	free(p->tty);
	free(p);
}

static void close_descriptor(struct port *p, int fd)
{
	if (!p->after) {
		closing_start(fd);
		return;
	}
	p->parts++;
	closing_start_then(p->loop, fd, part_closed, p);
}

static void give_up_line(struct port *p)
{
	struct line *line = TAKE_PTR(p->line);
	if (!line)
		return;
	line->port = NULL;
	/* The pipe's descriptor goes at once and never is the last one; the thread closes that. */
	uv_close((uv_handle_t *)&line->pipe, on_line_closed);
	close_descriptor(p, line->fd);
	uv_timer_stop(&p->pause);
	p->pausing = false;
	drop_queue(p);
	p->unsent = 0;
}

static void fail(struct port *p, enum port_failure why, const char *reason)
{
	give_up_line(p);
	p->callbacks.failed(p->user, why, reason);
}

static void hang_up(struct port *p, int error)
{
	char reason[320];
	if (error == UV_EOF || error == UV_EIO || error == UV_ENODEV || error == UV_ENXIO || error == UV_EPIPE)
		snprintf(reason, sizeof(reason), "%s hung up: the board or its USB port has gone", p->tty);
	else
		snprintf(reason, sizeof(reason), "%s: %s", p->tty, uv_strerror(error));
	fail(p, PORT_GONE, reason);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	(void)handle;
	(void)suggested;
	*buffer = uv_buf_init(read_buffer, sizeof(read_buffer));
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
	struct line *line = stream->data;
	struct port *p = line->port;
	if (!p || size == 0)
		return;
	if (size < 0)
		hang_up(p, (int)size);
	else
		p->callbacks.received(p->user, (const uint8_t *)buffer->base, (size_t)size);
}

static void pause_for(struct port *p, unsigned int ms)
{
	p->pausing = true;
	uv_update_time(p->loop); /* else the pause begins when this turn of the loop began */
	uv_timer_start(&p->pause, on_pause_over, ms, 0);
}

static void on_pause_over(uv_timer_t *timer)
{
	struct port *p = timer->data;
	p->pausing = false;
	send_next(p);
}

static void on_written(uv_write_t *request, int status)
{
	struct line *line = request->data;
	struct port *p = line->port;
	if (!p)
		return; /* freed with the line */
	struct segment *s = TAKE_PTR(line->writing);
	unsigned int pause_ms = s->pause_ms;
	p->unsent -= s->size;
	free(s);
	if (status < 0) {
		hang_up(p, status);
		return;
	}
	if (pause_ms)
		pause_for(p, pause_ms);
	if (p->first)
		send_next(p);
	else if (p->callbacks.sent)
		p->callbacks.sent(p->user);
}

static void send_next(struct port *p)
{
	struct line *line = p->line;
	if (!line || line->writing || p->pausing || !p->first)
		return;
	struct segment *s = p->first;
	p->first = s->next;
	if (!p->first)
		p->last = &p->first;
	if (s->size == 0) {
		pause_for(p, s->pause_ms);
		free(s);
		return;
	}
	line->writing = s;
	uv_buf_t buffer = uv_buf_init((char *)s->data, (unsigned int)s->size);
	line->write.data = line;
	int r = uv_write(&line->write, (uv_stream_t *)&line->pipe, &buffer, 1, on_written);
	if (r < 0)
		log_warning(NULL, "port", "%s: %s", p->tty, uv_strerror(r)); /* the pipe is closing: its end is told elsewhere */
}

static int start_line(struct port *p, int fd)
{
	struct line *line = calloc(1, sizeof(*line));
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (!line || copy < 0) {
		free(line);
		return copy < 0 ? -errno : -ENOMEM;
	}
	uv_pipe_init(p->loop, &line->pipe, 0);
	line->pipe.data = line;
	line->port = p;
	line->fd = fd;
	int r = uv_pipe_open(&line->pipe, copy);
	if (r < 0)
		close(copy);
	else
		r = uv_read_start((uv_stream_t *)&line->pipe, on_alloc, on_read);
	if (r < 0) {
		line->port = NULL;
		uv_close((uv_handle_t *)&line->pipe, on_line_closed);
		return r;
	}
	p->line = line;
	return 0;
}

static void on_port_closed(uv_handle_t *handle)
{
	part_closed(handle->data);
}

static void end_port(struct port *p)
{
	p->parts++;
	give_up_line(p);
	uv_close((uv_handle_t *)&p->pause, on_port_closed);
}

static void on_opened(void *user, const struct port_result *result)
{
	struct port *p = user;
	p->opening = NULL;
	if (p->closed) {
		if (result->fd >= 0)
			close_descriptor(p, result->fd);
		end_port(p);
		return;
	}
	if (result->fd < 0) {
		fail(p, result->why, result->reason);
		return;
	}
	p->paces_itself = result->paces_itself;
	p->kept = result->kept;
	if (result->low_latency < 0)
		log_debug(NULL, "port", "%s: its driver cannot be told to hand over at once what arrives: %s", p->tty,
				strerror(-result->low_latency));
	int r = start_line(p, result->fd);
	if (r < 0) {
		closing_start(result->fd);
		fail(p, PORT_ERROR, uv_strerror(r));
		return;
	}
	p->callbacks.opened(p->user);
}

int port_new(uv_loop_t *loop, const char *tty, const struct port_settings *settings, const struct port_callbacks *callbacks,
		void *user, struct port **ret)
{
	struct port *p = calloc(1, sizeof(*p));
	char *copy = strdup(tty);
	if (!p || !copy) {
		free(p);
		free(copy);
		return -ENOMEM;
	}
	p->loop = loop;
	p->tty = copy;
	p->settings = *settings;
	p->callbacks = *callbacks;
	p->user = user;
	p->last = &p->first;
	uv_timer_init(loop, &p->pause);
	p->pause.data = p;
	*ret = p;
	return 0;
}

void port_set_callbacks(struct port *p, const struct port_callbacks *callbacks, void *user)
{
	p->callbacks = *callbacks;
	p->user = user;
}

void port_open(struct port *p)
{
	if (p->opening || p->line || p->closed)
		return;
	int r = opening_start(p->loop, p->tty, &p->settings, on_opened, p, &p->opening);
	if (r < 0)
		log_error(NULL, "port", "%s: cannot be opened: %s", p->tty, strerror(-r));
}

bool port_is_open(const struct port *p)
{
	return p->line;
}

bool port_paces_itself(const struct port *p)
{
	return p->paces_itself;
}

bool port_was_kept(const struct port *p)
{
	return p->kept;
}

bool port_kept_name(const struct port *p, char *name, size_t size)
{
	char found[PORT_STORE_NAME_MAX];
	if (!p->line || !port_store_name(p->line->fd, found) || strlen(found) >= size)
		return false;
	strcpy(name, found);
	return true;
}

static int add_segment(struct port *p, const uint8_t *data, size_t size, unsigned int pause_ms)
{
	struct segment *s = malloc(sizeof(*s) + size);
	if (!s)
		return -ENOMEM;
	*s = (struct segment){ .pause_ms = pause_ms, .size = size };
	if (size)
		memcpy(s->data, data, size);
	*p->last = s;
	p->last = &s->next;
	p->unsent += size;
	return 0;
}

int port_send(struct port *p, const uint8_t *data, size_t size, const size_t *line_ends, size_t line_count,
		unsigned int gap_ms)
{
	if (!p->line)
		return -ENOTCONN;
	if (size > LIMIT_PORT_WRITE_BYTES - p->unsent)
		return -ENOBUFS;
	size_t at = 0;
	int r = 0;
	for (size_t i = 0; gap_ms && i < line_count && r == 0; i++) {
		r = add_segment(p, data + at, line_ends[i] - at, gap_ms);
		at = line_ends[i];
	}
	if (r == 0 && at < size)
		r = add_segment(p, data + at, size - at, 0);
	send_next(p);
	return r;
}

int port_type(struct port *p, const uint8_t *data, size_t size)
{
	if (!p->line)
		return -ENOTCONN;
	if (p->unsent + size > LIMIT_TYPED_UNSENT_BYTES)
		return -ENOBUFS;
	struct segment **last = p->last;
	int r = size ? add_segment(p, data, size, 0) : 0;
	if (r == 0 && *last)
		(*last)->typed = true;
	send_next(p);
	return r;
}

void port_pause(struct port *p, unsigned int ms)
{
	if (p->line)
		add_segment(p, NULL, 0, ms);
	send_next(p);
}

void port_discard_unsent(struct port *p)
{
	struct segment **at = &p->first;
	while (*at) {
		struct segment *s = *at;
		if (s->typed) {
			at = &s->next;
			continue;
		}
		*at = s->next;
		p->unsent -= s->size;
		free(s);
	}
	p->last = at;
}

void port_close(struct port *p)
{
	if (!p || p->closed)
		return;
	p->closed = true;
	if (p->opening)
		opening_abandon(TAKE_PTR(p->opening));
	end_port(p);
}

void port_close_then(struct port *p, void (*closed)(void *user), void *user)
{
	p->closed = true;
	p->after = closed;
	p->after_user = user;
	/* What is being opened is closed when it is open: then it is known to be. */
	if (!p->opening)
		end_port(p);
}
