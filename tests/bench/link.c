/* SPDX-License-Identifier: MIT */

/* Serial cables for a benchmark: each stands between a tty (of a simulated board, or any other) and a pseudo terminal of its
 * own, which DIR/NAME points to; TTY may be a Unix socket. All of them in one process that waits for events.
 *
 *     bench-link --dir DIR [--baud N] [--latency-us N] [--loss P] [--flip P] [--log-between P] [--log-inside P] [--seed N]
 *                --link NAME=TTY...
 *
 * Prints "ready", then reads commands, a line each: "report" prints a line of JSON with what crossed each way since the
 * start or the last "clear"; "clear"; "set KEY VALUE" with an option's name. Ends with its standard input. */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "lane.h"

#define BACKLOG_MAX 16384 /* bytes under way before a cable stops taking more */

enum { HOST, BOARD };
enum { TO_BOARD, TO_HOST }; /* lane i takes from end i and gives to end 1 - i */

struct cable;

struct end {
	struct cable *cable;
	int fd;
	uint32_t events;
	bool full; /* does not take more at the moment */
	bool gone; /* hung up for good */
};

struct cable {
	struct cable *next;
	char *name, *path;
	struct end ends[2];
	struct lane lanes[2];
	int hold; /* the pty's slave end, so that it never hangs up */
};

/* Log text is what a board says, the rest holds for both directions. */
static struct lane_settings settings[2];
static struct cable *cables;
static const char *directory = ".";
static uint64_t seed = 1;
static int epoll_fd, timer_fd;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "bench-link: %s: %s\n", what, strerror(errno));
	exit(1);
}

static bool set(const char *key, const char *value)
{
	char *end;
	double number = strtod(value, &end);

	if (*end || end == value || !(number >= 0) || number > 1e15)
		return false;
	for (int i = 0; i < 2; i++) {
		struct lane_settings *s = &settings[i];
		if (strcmp(key, "baud") == 0)
			s->baud = (uint64_t)number;
		else if (strcmp(key, "latency-us") == 0)
			s->latency_ns = (uint64_t)(number * 1000);
		else if (strcmp(key, "loss") == 0)
			s->loss = number;
		else if (strcmp(key, "flip") == 0)
			s->flip = number;
		else if (strcmp(key, "log-between") == 0)
			s->log_between = i == TO_HOST ? number : 0;
		else if (strcmp(key, "log-inside") == 0)
			s->log_inside = i == TO_HOST ? number : 0;
		else if (strcmp(key, "seed") == 0)
			seed = (uint64_t)number;
		else
			return false;
	}
	return true;
}

/* --- ttys --------------------------------------------------------------------------------------------------------------- */

static int open_raw(const char *path)
{
	struct termios t;
	int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || tcgetattr(fd, &t) < 0)
		die(path);
	cfmakeraw(&t);
	t.c_cflag = (t.c_cflag & ~(tcflag_t)HUPCL) | CLOCAL | CREAD;
	if (tcsetattr(fd, TCSANOW, &t) < 0)
		die(path);
	return fd;
}

static int connect_to(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(a.sun_path))
		die(path);
	memcpy(a.sun_path, path, strlen(path));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		die(path);
	return fd;
}

static int open_board(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISSOCK(st.st_mode) ? connect_to(path) : open_raw(path);
}

static void make_pty(struct cable *c)
{
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0 || grantpt(fd) < 0 || unlockpt(fd) < 0)
		die("no pseudo terminal");
	c->ends[HOST].fd = fd;
	c->hold = open_raw(ptsname(fd));
	if (asprintf(&c->path, "%s/%s", directory, c->name) < 0 || symlink(ptsname(fd), c->path) < 0)
		die(c->name);
}

static void add_cable(const char *word)
{
	const char *equals = strchr(word, '=');
	struct cable *c = calloc(1, sizeof(*c));

	if (!equals || !c) {
		fprintf(stderr, "bench-link: --link %s: want NAME=TTY\n", word);
		exit(2);
	}
	c->name = strndup(word, (size_t)(equals - word));
	c->ends[BOARD].fd = open_board(equals + 1);
	make_pty(c);
	for (unsigned int i = 0; i < 2; i++) {
		uint64_t own = seed * 2 + i;
		for (const char *p = c->name; *p; p++)
			own = own * 31 + (unsigned char)*p;
		lane_init(&c->lanes[i], &settings[i], own);
		c->ends[i].cable = c;
		struct epoll_event event = { .data.ptr = &c->ends[i] };
		if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->ends[i].fd, &event) < 0)
			die("epoll");
	}
	c->next = cables;
	cables = c;
}

static void remove_cables(void)
{
	while (cables) {
		struct cable *c = cables;
		cables = c->next;
		unlink(c->path);
		for (int i = 0; i < 2; i++) {
			lane_clear(&c->lanes[i]);
			close(c->ends[i].fd);
		}
		close(c->hold);
		free(c->name);
		free(c->path);
		free(c);
	}
}

/* --- moving bytes ------------------------------------------------------------------------------------------------------- */

static void watch(struct end *e, const struct lane *from_here)
{
	uint32_t events = (from_here->backlog < BACKLOG_MAX ? EPOLLIN : 0u) | (e->full ? EPOLLOUT : 0u);
	struct epoll_event event = { .events = events, .data.ptr = e };

	if (events == e->events || e->gone)
		return;
	e->events = events;
	if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, e->fd, &event) < 0)
		die("epoll");
}

static void deliver(struct cable *c, int way, uint64_t now)
{
	struct lane *lane = &c->lanes[way];
	struct end *sink = &c->ends[1 - way];
	const uint8_t *data;
	size_t size;

	while (!sink->full && (data = lane_peek(lane, now, &size))) {
		ssize_t n = write(sink->fd, data, size);
		if (n < 0 && errno != EAGAIN)
			n = (ssize_t)size; /* the board has gone: its bytes with it */
		if (n > 0)
			lane_taken(lane, (size_t)n);
		sink->full = n < (ssize_t)size;
	}
}

/* Everything that has arrived goes on; returns when the next does. */
static uint64_t deliver_all(uint64_t now)
{
	uint64_t next = UINT64_MAX;

	for (struct cable *c = cables; c; c = c->next)
		for (int way = 0; way < 2; way++) {
			if (lane_due(&c->lanes[way]) <= now)
				deliver(c, way, now);
			if (!c->ends[1 - way].full && lane_due(&c->lanes[way]) < next)
				next = lane_due(&c->lanes[way]);
			watch(&c->ends[way], &c->lanes[way]);
		}
	return next;
}

static void arm(uint64_t at)
{
	static uint64_t armed;
	struct itimerspec t = { 0 };

	if (at == armed)
		return;
	armed = at;
	if (at != UINT64_MAX)
		t.it_value = (struct timespec){ (time_t)(at / 1000000000), (long)(at % 1000000000) };
	if (timerfd_settime(timer_fd, TFD_TIMER_ABSTIME, &t, NULL) < 0)
		die("timerfd");
}

static void ready(struct end *e, uint32_t events)
{
	struct cable *c = e->cable;
	int way = e == &c->ends[HOST] ? TO_BOARD : TO_HOST;
	uint8_t data[4096];

	if (events & EPOLLOUT)
		e->full = false;
	if (!(events & (EPOLLIN | EPOLLHUP)))
		return;
	ssize_t n = read(e->fd, data, sizeof(data));
	if (n > 0)
		lane_offer(&c->lanes[way], data, (size_t)n, now_ns());
	else if (n == 0 || errno != EAGAIN)
		e->gone = epoll_ctl(epoll_fd, EPOLL_CTL_DEL, e->fd, NULL) == 0;
}

/* --- commands ----------------------------------------------------------------------------------------------------------- */

static void print_lane(const char *name, const struct lane_counters *c)
{
	printf("\"%s\": {\"offered\": %" PRIu64 ", \"wire\": %" PRIu64 ", \"delivered\": %" PRIu64 ", \"log\": %" PRIu64
	       ", \"lines\": %" PRIu64 ", \"lost_lines\": %" PRIu64 ", \"flipped_lines\": %" PRIu64 ", \"busy_s\": %.6f}",
			name, c->offered, c->wire, c->delivered, c->log, c->lines, c->lost_lines, c->flipped_lines,
			(double)(c->last_ns - c->first_ns) / 1e9);
}

static void report(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	printf("{\"cpu_s\": %.6f, \"links\": {",
			(double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
					(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
	for (struct cable *c = cables; c; c = c->next) {
		printf("\"%s\": {", c->name);
		print_lane("to_board", &c->lanes[TO_BOARD].counters);
		printf(", ");
		print_lane("to_host", &c->lanes[TO_HOST].counters);
		printf("}%s", c->next ? ", " : "");
	}
	printf("}}\n");
}

static void command(char *line)
{
	char key[32], value[32];

	if (strcmp(line, "report") == 0) {
		report();
	} else if (strcmp(line, "clear") == 0) {
		for (struct cable *c = cables; c; c = c->next)
			for (int i = 0; i < 2; i++)
				c->lanes[i].counters = (struct lane_counters){ 0 };
		printf("ok\n");
	} else if (sscanf(line, "set %31s %31s", key, value) == 2 && set(key, value)) {
		printf("ok\n");
	} else {
		printf("error\n");
	}
	fflush(stdout);
}

/* False at the end of standard input. */
static bool take_commands(void)
{
	static char text[512];
	static size_t size;
	char *end;
	ssize_t n = read(STDIN_FILENO, text + size, sizeof(text) - size);

	if (n <= 0)
		return false;
	size += (size_t)n;
	while ((end = memchr(text, '\n', size))) {
		*end++ = 0;
		command(text);
		size -= (size_t)(end - text);
		memmove(text, end, size);
	}
	return size < sizeof(text);
}

static void run(void)
{
	struct epoll_event events[64];

	for (;;) {
		arm(deliver_all(now_ns()));
		int n = epoll_wait(epoll_fd, events, 64, -1);
		if (n < 0 && errno != EINTR)
			die("epoll");
		for (int i = 0; i < n; i++) {
			uint64_t ticks;
			if (events[i].data.ptr == &timer_fd) {
				ssize_t ignored = read(timer_fd, &ticks, sizeof(ticks));
				(void)ignored;
			} else if (events[i].data.ptr) {
				ready(events[i].data.ptr, events[i].events);
			} else if (!take_commands()) {
				return;
			}
		}
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "dir", 1, NULL, 'd' }, { "link", 1, NULL, 'l' }, { "baud", 1, NULL, 0 },
		{ "latency-us", 1, NULL, 0 }, { "loss", 1, NULL, 0 }, { "flip", 1, NULL, 0 },
		{ "log-between", 1, NULL, 0 }, { "log-inside", 1, NULL, 0 }, { "seed", 1, NULL, 0 }, { 0 } };
	struct epoll_event input = { .events = EPOLLIN }, timer = { .events = EPOLLIN, .data.ptr = &timer_fd };
	int c, index;

	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, STDIN_FILENO, &input) < 0 ||
			epoll_ctl(epoll_fd, EPOLL_CTL_ADD, timer_fd, &timer) < 0)
		die("epoll");
	while ((c = getopt_long(argc, argv, "", options, &index)) >= 0) {
		if (c == 'd')
			directory = optarg;
		else if (c == 'l')
			add_cable(optarg);
		else if (c != 0 || !set(options[index].name, optarg))
			return 2;
	}
	if (!cables || optind < argc)
		return 2;
	puts("ready");
	fflush(stdout);
	run();
	remove_cables();
	return 0;
}
