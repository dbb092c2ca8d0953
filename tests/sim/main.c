/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "control.h"
#include "mkimage.h"
#include "sim.h"

struct board *sim_find(struct sim *s, const char *name)
{
	for (struct board *b = s->boards; b; b = b->next)
		if (!strcmp(b->name, name))
			return b;
	return NULL;
}

int file_read(const char *path, size_t max, uint8_t **ret, size_t *ret_len)
{
	_cleanup_(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_(freep) uint8_t *data = NULL;
	struct stat st;
	size_t len = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size < 0 || (uint64_t)st.st_size > max)
		return -EFBIG;
	data = malloc((size_t)st.st_size + 1);
	if (!data)
		return -ENOMEM;
	while (len < (size_t)st.st_size) {
		ssize_t n = read(fd, data + len, (size_t)st.st_size - len);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		len += (size_t)n;
	}
	*ret = TAKE_PTR(data);
	*ret_len = len;
	return 0;
}

int file_write(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "we");
	bool good;

	if (!f)
		return -errno;
	good = fwrite(data, 1, len, f) == len;
	if (fclose(f) || !good)
		return -EIO;
	return 0;
}

static void usage(FILE *f)
{
	fprintf(f, "usage: mcumgr-sim [--dir DIR] [--control SOCKET] [--seed N] [--until-eof]\n"
		   "                  --board NAME[,KEY=VALUE]... [--board ...]\n"
		   "       mcumgr-sim image --version M.m.r[.b] -o FILE ...\n"
		   "mcumgr-sim(1) describes the keys and the control commands.\n");
}

static int complain(const char *what, const char *why)
{
	fprintf(stderr, "mcumgr-sim: %s: %s\n", what, why);
	return -EINVAL;
}

static bool is_name(const char *s)
{
	return *s && s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				 "0123456789._-")] == '\0' &&
	       *s != '.';
}

static int settings_parse(struct settings *set, char *keys)
{
	char *save = NULL;

	for (char *word = strtok_r(keys, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		_cleanup_(freep) char *sentence = NULL;
		char *value = strchr(word, '=');

		if (!value)
			return complain(word, "expected KEY=VALUE");
		*value++ = '\0';
		if (settings_set(set, word, value, false, &sentence) < 0)
			return complain("--board", sentence ? sentence : "no memory");
	}
	if (set->slot_size % FLASH_SECTOR)
		return complain("slot_size", "must be a multiple of 4096");
	return 0;
}

/* NAME[,key=value]… */
static int board_add(struct sim *sim, char *spec)
{
	char *keys = spec + strcspn(spec, ",");
	struct settings set;
	struct board *b;
	int r;

	if (*keys)
		*keys++ = '\0';
	if (!is_name(spec))
		return complain(spec, "a name is made of letters, digits, '.', '_' and '-'");
	if (sim_find(sim, spec))
		return complain(spec, "there is a board of that name already");
	settings_init(&set);
	r = settings_parse(&set, keys);
	if (!r)
		r = board_new(sim, spec, &set, &b);
	settings_clear(&set);
	if (r < 0) {
		if (r != -EINVAL)
			complain(spec, strerror(-r));
		return r;
	}
	*sim->last_board = b;
	sim->last_board = &b->next;
	return 0;
}

struct arguments {
	const char *control;
	char **boards;
	size_t n_boards;
	bool until_eof;
};

static int arguments_parse(int argc, char **argv, struct sim *sim, struct arguments *a)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "control", required_argument, NULL, 'c' },
		{ "seed", required_argument, NULL, 's' },
		{ "board", required_argument, NULL, 'b' },
		{ "until-eof", no_argument, NULL, 'e' },
		{ "link-only", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'd') {
			sim->dir = optarg;
		} else if (c == 'c') {
			a->control = optarg;
		} else if (c == 's') {
			sim->seed = strtoull(optarg, &end, 0);
			if (*end || end == optarg)
				return complain("--seed", "expected a number");
		} else if (c == 'b') {
			a->boards[a->n_boards++] = optarg;
		} else if (c == 'e') {
			a->until_eof = true;
		} else if (c == 'h') {
			usage(stdout);
			exit(0);
		} else if (c != 'l') {
			usage(stderr);
			return -EINVAL;
		}
	}
	if (optind != argc || !a->n_boards) {
		usage(stderr);
		return -EINVAL;
	}
	return 0;
}

static void signal_ready(void *user, uint32_t events)
{
	(void)events;
	loop_stop(user);
}

struct eof_watch {
	struct loop *loop;
	struct loop_watch fd;
};

static void stdin_ready(void *user, uint32_t events)
{
	struct eof_watch *w = user;
	char buf[256];

	(void)events;
	if (read(w->fd.fd, buf, sizeof(buf)) <= 0)
		loop_stop(w->loop);
}

static int watch_signals(struct loop *loop, struct loop_watch *w)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	w->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	w->ready = signal_ready;
	w->user = loop;
	return w->fd < 0 ? -errno : loop_watch(loop, w, EPOLLIN);
}

static int boards_start(struct sim *sim, const struct arguments *a)
{
	int r;

	for (size_t i = 0; i < a->n_boards; i++) {
		r = board_add(sim, a->boards[i]);
		if (r < 0)
			return r;
	}
	/* Before the links: one that runs already keeps its own. */
	if (a->control) {
		r = control_new(sim, a->control, &sim->control);
		if (r == -EADDRINUSE)
			return complain(a->control, "another mcumgr-sim listens there");
		if (r < 0)
			return complain(a->control, strerror(-r));
	}
	for (struct board *b = sim->boards; b; b = b->next) {
		r = board_start(b);
		if (r < 0)
			return complain(b->link.path, strerror(-r));
	}
	printf("ready\n");
	fflush(stdout);
	return 0;
}

static void sim_clear(struct sim *sim)
{
	control_free(TAKE_PTR(sim->control));
	while (sim->boards) {
		struct board *b = sim->boards;

		sim->boards = b->next;
		board_free(b);
	}
	tty_watch_free(sim->ttys);
	loop_free(sim->loop);
}

int main(int argc, char **argv)
{
	struct sim sim = { .dir = ".", .seed = 1 };
	_cleanup_(freep) char **boards = calloc((size_t)argc + 1, sizeof(*boards));
	struct arguments a = { .boards = boards };
	struct loop_watch signals = { .fd = -1 };
	struct eof_watch eof = { .fd = { .fd = STDIN_FILENO, .ready = stdin_ready } };
	int r;

	if (argc > 1 && !strcmp(argv[1], "image"))
		return mkimage_main(argc - 1, argv + 1);
	sim.last_board = &sim.boards;
	if (!boards || arguments_parse(argc, argv, &sim, &a) < 0)
		return 2;
	r = loop_new(&sim.loop);
	if (!r)
		r = tty_watch_new(sim.loop, &sim.ttys);
	if (!r)
		r = watch_signals(sim.loop, &signals);
	eof.loop = sim.loop;
	eof.fd.user = &eof;
	if (!r && a.until_eof && (r = loop_watch(sim.loop, &eof.fd, EPOLLIN)) < 0)
		complain("--until-eof", "needs a pipe or a terminal as standard input");
	if (!r)
		r = boards_start(&sim, &a);
	if (!r)
		r = loop_run(sim.loop);
	sim_clear(&sim);
	closep(&signals.fd);
	return r < 0 ? 1 : 0;
}
