/* SPDX-License-Identifier: MIT */

#include "daemon/console-file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/console-text.h"
#include "daemon/log.h"

#define WRITERS_MAX 2	  /* at once, of all files: a disk that hangs must not take the threads that others need */
#define BATCH_BYTES 65536 /* of one write, about */
#define GATHER_MS 100	  /* lines that come together are written together */
#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS 60000
#define MODE 0640
#define NOT_PLAIN (-EBADFD) /* what is there under its name */

static unsigned int writers; /* under way */

struct console_file {
	struct console_reader reader;
	struct console_file_settings settings;
	char *name;
	uv_loop_t *loop;
	uv_timer_t timer;
	uv_work_t work;
	bool working, closing, timer_closed;
	unsigned int pause_ms; /* after an error; 0: there was none */
	/* the batch: with the thread while it works */
	char *text;
	size_t size, written;
	int error;
	char *rest; /* of a file that is closed while the thread works: the last batch */
	size_t rest_size;
};

/* --- in the thread ------------------------------------------------------------------------------------------------ */

static int rotated(const struct console_file *f, unsigned int number, char *out, size_t size)
{
	int n = number ? snprintf(out, size, "%s.%u", f->settings.path, number) : snprintf(out, size, "%s", f->settings.path);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* PATH.COUNT-1 becomes PATH.COUNT, and so on; the oldest goes. */
static int rotate(const struct console_file *f)
{
	char from[4096], to[4096];

	if (f->settings.count == 0)
		return unlink(f->settings.path) < 0 ? -errno : 0;
	for (unsigned int i = f->settings.count; i > 0; i--) {
		if (rotated(f, i - 1, from, sizeof(from)) < 0 || rotated(f, i, to, sizeof(to)) < 0)
			return -ENAMETOOLONG;
		if (rename(from, to) < 0 && errno != ENOENT)
			return -errno;
	}
	return 0;
}

static int make_folder(const struct console_file *f)
{
	char folder[4096];
	int n = snprintf(folder, sizeof(folder), "%s", f->settings.path);

	if (n < 0 || (size_t)n >= sizeof(folder))
		return -ENAMETOOLONG;
	*strrchr(folder, '/') = '\0';
	return mkdir(folder, 0750) < 0 && errno != EEXIST ? -errno : 0;
}

/* ret_size: of the file so far. again: the folder was made. */
static int open_file(const struct console_file *f, off_t *ret_size, bool again)
{
	struct stat st;
	int fd = open(f->settings.path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, MODE);

	if (fd < 0 && errno == ENOENT && !again && make_folder(f) == 0)
		return open_file(f, ret_size, true);
	if (fd < 0)
		return -errno;
	int r = fstat(fd, &st) < 0 ? -errno : !S_ISREG(st.st_mode) ? NOT_PLAIN : 0;
	/* Against the umask of a service, for the group of the directory; a file that was there keeps what it has. */
	if (r == 0 && st.st_size == 0 && fchmod(fd, MODE) < 0)
		r = -errno;
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_size = st.st_size;
	return fd;
}

/* As many whole lines as fit into the file, at least one into an empty one. */
static size_t fitting(const struct console_file *f, off_t there)
{
	const char *from = f->text + f->written;
	size_t left = f->size - f->written, room = (size_t)there < f->settings.max_bytes ? f->settings.max_bytes - (size_t)there : 0;

	if (left <= room)
		return left;
	while (room > 0 && from[room - 1] != '\n')
		room--;
	if (room == 0 && there == 0)
		room = (size_t)((const char *)memchr(from, '\n', left) - from) + 1;
	return room;
}

static int write_some(struct console_file *f)
{
	off_t there = 0;
	int fd = open_file(f, &there, false), r = 0;

	if (fd < 0)
		return fd;
	size_t most = fitting(f, there);
	if (most == 0)
		r = rotate(f);
	while (most > 0 && r == 0) {
		ssize_t n = write(fd, f->text + f->written, most);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			r = n < 0 ? -errno : -ENOSPC;
			break;
		}
		f->written += (size_t)n;
		most -= (size_t)n;
	}
	close(fd);
	return r;
}

static void run(uv_work_t *work)
{
	struct console_file *f = work->data;

	f->error = 0;
	while (f->error == 0 && f->written < f->size)
		f->error = write_some(f);
}

/* --- on the loop -------------------------------------------------------------------------------------------------- */

static void go_on(struct console_file *f);

static void maybe_free(struct console_file *f)
{
	if (f->working || !f->timer_closed)
		return;
	free(f->text);
	free(f->rest);
	free(f->settings.path);
	free(f->name);
	free(f);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct console_file *f = handle->data;

	f->timer_closed = true;
	maybe_free(f);
}

static void on_timer(uv_timer_t *timer)
{
	go_on(timer->data);
}

static void tell(struct console_file *f)
{
	const char *what = f->error == NOT_PLAIN ? "not a plain file" : strerror(-f->error);

	if (f->error && !f->pause_ms)
		log_warning(f->name, "console", "%s cannot be written: %s; it is tried again", f->settings.path, what);
	else if (!f->error && f->pause_ms)
		log_info(f->name, "console", "%s is written again", f->settings.path);
}

static void start(struct console_file *f);

static void write_rest(struct console_file *f)
{
	free(f->text);
	f->text = TAKE_PTR(f->rest);
	f->size = f->rest_size;
	f->written = 0;
	start(f);
}

static void after(uv_work_t *work, int status)
{
	struct console_file *f = work->data;

	f->working = false;
	writers--;
	if (status < 0)
		f->error = status;
	tell(f);
	if (f->error)
		f->pause_ms = !f->pause_ms ? RETRY_FIRST_MS : f->pause_ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : f->pause_ms * 2;
	else
		f->pause_ms = 0;
	if (f->closing && !f->error && f->rest)
		write_rest(f);
	else if (f->closing)
		maybe_free(f);
	else if (f->error)
		uv_timer_start(&f->timer, on_timer, f->pause_ms, 0);
	else
		go_on(f);
}

static void write_line(FILE *out, const struct console_piece *p)
{
	bool changed;
	_cleanup_free_ char *text = console_text_clean(p->text, p->size, &changed);
	time_t seconds = (time_t)(p->time_us / 1000000);
	char stamp[32];
	struct tm tm;

	if (p->dropped)
		fprintf(out, "(%llu lines are lost)\n", (unsigned long long)p->dropped);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &tm));
	fprintf(out, "%s.%03uZ ", stamp, (unsigned int)(p->time_us / 1000 % 1000));
	if (p->mark)
		fprintf(out, "[%s] ", console_mark_name(p->mark));
	fprintf(out, "%s\n", text ? text : "");
}

/* About so many bytes of lines; a piece of a line that was cut is a line of the file. NULL: there are none. */
static char *take_lines(struct console_file *f, size_t most, size_t *ret_size)
{
	struct console_piece piece;
	size_t size = 0;
	char *text = NULL;
	FILE *out = NULL;

	*ret_size = 0;
	while (size < most && console_read(&f->reader, false, &piece)) {
		if (!out && !(out = open_memstream(&text, ret_size)))
			return NULL; /* a batch is lost with the memory */
		write_line(out, &piece);
		size += piece.size + 32;
	}
	if (out && fclose(out) != 0) {
		free(TAKE_PTR(text));
		*ret_size = 0;
	}
	return text;
}

/* The next batch. */
static bool gather(struct console_file *f)
{
	free(f->text);
	f->written = 0;
	f->text = take_lines(f, BATCH_BYTES, &f->size);
	return f->size > 0;
}

static void start(struct console_file *f)
{
	f->work.data = f;
	if (uv_queue_work(f->loop, &f->work, run, after) < 0)
		return;
	f->working = true;
	writers++;
}

static void go_on(struct console_file *f)
{
	if (f->working)
		return;
	if (writers >= WRITERS_MAX) {
		uv_timer_start(&f->timer, on_timer, GATHER_MS, 0);
		return;
	}
	if (f->written < f->size || gather(f))
		start(f);
}

static void on_ready(struct console_reader *reader)
{
	struct console_file *f = container_of(reader, struct console_file, reader);

	if (f->working || uv_is_active((uv_handle_t *)&f->timer) || console_waiting(reader) == 0)
		return;
	uv_timer_start(&f->timer, on_timer, GATHER_MS, 0);
}

static void on_ended(struct console_reader *reader)
{
	(void)reader; /* its owner closes it before the console */
}

int console_file_new(uv_loop_t *loop, struct console *console, const char *name, const struct console_file_settings *settings,
		struct console_file **ret)
{
	struct console_file *f = calloc(1, sizeof(*f));
	char *path = strdup(settings->path), *copy = strdup(name);

	if (!f || !path || !copy) {
		free(f);
		free(path);
		free(copy);
		return -ENOMEM;
	}
	f->settings = *settings;
	f->settings.path = path;
	f->name = copy;
	f->loop = loop;
	f->reader.ready = on_ready;
	f->reader.ended = on_ended;
	uv_timer_init(loop, &f->timer);
	f->timer.data = f;
	console_follow(console, &f->reader, 0);
	*ret = f;
	return 0;
}

bool console_file_is(const struct console_file *f, const struct console_file_settings *settings)
{
	return strcmp(f->settings.path, settings->path) == 0 && f->settings.max_bytes == settings->max_bytes &&
		f->settings.count == settings->count;
}

void console_file_close(struct console_file *f)
{
	if (!f || f->closing)
		return;
	f->closing = true;
	if (!f->pause_ms)
		f->rest = take_lines(f, SIZE_MAX, &f->rest_size);
	if (!f->pause_ms && !f->working && f->written < f->size)
		start(f); /* a batch that waits for its turn; then the rest */
	else if (!f->working && f->rest)
		write_rest(f);
	console_unfollow(&f->reader);
	uv_close((uv_handle_t *)&f->timer, on_timer_closed);
}
