/* SPDX-License-Identifier: MIT */

#include "daemon/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/limits.h"
#include "daemon/log.h"
#include "daemon/port-termios.h"

#define LOOK_MS 100 /* how often a terminal that nobody has open is looked at: the kernel tells of hang-ups only */
#define RETRY_MS 50 /* when the board takes no more keystrokes */
#define TELL_MS 10000 /* between two lines of the log about what is lost */
#define KEYS_BYTES 1024
#define OUT_BYTES (LIMIT_CONSOLE_LINE_BYTES + 2) /* a piece and its end */
#define BAUD 115200 /* what programs see; it means nothing */

struct terminal {
	struct console_reader reader;
	struct terminal_settings settings;
	char *name, *link, *node;
	struct console *console;
	int master;
	uv_poll_t poll;	  /* while somebody has the other end */
	uv_timer_t timer; /* looks for somebody, or offers keys again */
	unsigned int handles;
	bool open, closing;
	char out[OUT_BYTES]; /* read from the ring, not written yet */
	size_t out_size, out_sent;
	uint8_t keys[KEYS_BYTES]; /* read, not taken yet */
	size_t key_count;
	uint64_t dropped;
	uint64_t untold; /* of them, since the log told of some */
	uint64_t told_ms;
};

static void on_timer(uv_timer_t *timer);
static void on_poll(uv_poll_t *poll, int status, int events);

/* --- the link ----------------------------------------------------------------------------------------------------- */

/* Ours to replace: a link to a pseudo-terminal, of our own user. */
static int may_replace(const char *link)
{
	char target[64];
	struct stat st;

	if (lstat(link, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISLNK(st.st_mode) || st.st_uid != geteuid())
		return -EEXIST;
	ssize_t n = readlink(link, target, sizeof(target) - 1);
	if (n < 0)
		return -errno;
	target[n] = '\0';
	return strncmp(target, "/dev/pts/", 9) == 0 ? 0 : -EEXIST;
}

static void make_folder(const struct terminal *t)
{
	_cleanup_free_ char *folder = strndup(t->link, (size_t)(strrchr(t->link, '/') - t->link));

	if (folder && mkdir(folder, 0755) == 0 && chmod(folder, 0755) < 0)
		log_warning(t->name, "terminal", "%s: %s", folder, strerror(errno));
}

/* In one step, so that nobody finds none in between. */
static int make_link(const struct terminal *t)
{
	_cleanup_free_ char *fresh = NULL;
	int r;

	make_folder(t);
	r = may_replace(t->link);
	if (r < 0)
		return r;
	if (asprintf(&fresh, "%s.new", t->link) < 0)
		return -ENOMEM;
	r = may_replace(fresh);
	if (r < 0)
		return r;
	unlink(fresh);
	if (symlink(t->node, fresh) < 0)
		return -errno;
	if (rename(fresh, t->link) == 0)
		return 0;
	r = -errno;
	unlink(fresh);
	return r;
}

static void remove_link(const struct terminal *t)
{
	char target[64];
	ssize_t n = readlink(t->link, target, sizeof(target) - 1);

	if (n < 0)
		return;
	target[n] = '\0';
	if (strcmp(target, t->node) == 0)
		unlink(t->link);
}

/* --- the pseudo-terminal ------------------------------------------------------------------------------------------ */

static void give_to_group(const struct terminal *t, int slave)
{
	if (t->settings.group == (gid_t)-1) {
		if (fchmod(slave, 0600) < 0)
			log_warning(t->name, "terminal", "%s: the mode cannot be set: %s", t->node, strerror(errno));
		return;
	}
	if (fchown(slave, (uid_t)-1, t->settings.group) < 0 || fchmod(slave, 0660) < 0)
		log_warning(t->name, "terminal", "%s cannot be given to group %u: %s", t->node, (unsigned int)t->settings.group,
				strerror(errno));
}

/* The other end is opened once: to be set up, and because the hang-up of its close is how "nobody" looks. */
static int make_pty(struct terminal *t)
{
	char node[64];

	t->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (t->master < 0)
		return -errno;
	if (unlockpt(t->master) < 0 || ptsname_r(t->master, node, sizeof(node)) != 0)
		return -errno;
	t->node = strdup(node);
	int slave = open(node, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (slave < 0 || !t->node) {
		int r = t->node ? -errno : -ENOMEM;
		if (slave >= 0)
			close(slave);
		return r;
	}
	int r = termios_set_raw(slave, BAUD, false);
	give_to_group(t, slave);
	close(slave);
	return r;
}

/* --- what the board prints ---------------------------------------------------------------------------------------- */

static void tell_lost(struct terminal *t)
{
	if (!t->untold)
		return;
	log_warning(t->name, "terminal", "whoever has %s open reads too slowly: %" PRIu64 " lines are lost", t->link, t->untold);
	t->untold = 0;
	t->told_ms = uv_hrtime() / 1000000;
}

/* A board that prints without end is read too slowly again and again: the log need not grow with it. */
static void lose(struct terminal *t, uint64_t lines)
{
	t->dropped += lines;
	t->untold += lines;
	if (!t->told_ms || uv_hrtime() / 1000000 - t->told_ms >= TELL_MS)
		tell_lost(t);
}

static bool fill(struct terminal *t)
{
	struct console_piece p;

	t->out_sent = t->out_size = 0;
	if (!console_read(&t->reader, true, &p))
		return false;
	if (p.dropped)
		lose(t, p.dropped);
	memcpy(t->out, p.text, p.size);
	t->out_size = p.size;
	if (!p.more && p.cr)
		t->out[t->out_size++] = '\r';
	if (!p.more)
		t->out[t->out_size++] = '\n';
	return true;
}

/* As much as the other end takes now. true: all of it. */
static bool print(struct terminal *t)
{
	while (t->out_sent < t->out_size || fill(t)) {
		ssize_t n = write(t->master, t->out + t->out_sent, t->out_size - t->out_sent);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false; /* full; a hang-up comes by poll */
		t->out_sent += (size_t)n;
	}
	return true;
}

static void go_on(struct terminal *t)
{
	int events = print(t) ? 0 : UV_WRITABLE;

	/* Keys that nobody takes stop the one who types, as a tty does. */
	if (t->key_count == 0)
		events |= UV_READABLE;
	uv_poll_start(&t->poll, events | UV_DISCONNECT, on_poll);
}

static void on_ready(struct console_reader *reader)
{
	struct terminal *t = container_of(reader, struct terminal, reader);

	if (t->open)
		go_on(t);
}

static void on_ended(struct console_reader *reader)
{
	(void)reader; /* its owner closes it before the console */
}

/* --- who has it open ---------------------------------------------------------------------------------------------- */

static void hung_up(struct terminal *t)
{
	t->open = false;
	console_unfollow(&t->reader);
	uv_poll_stop(&t->poll);
	termios_discard_output(t->master); /* the next one shall not read what this one left */
	tell_lost(t);
	log_info(t->name, "terminal", "%s is no longer in use", t->link);
	uv_timer_start(&t->timer, on_timer, LOOK_MS, 0);
}

/* --- what is typed ------------------------------------------------------------------------------------------------ */

static void offer_keys(struct terminal *t)
{
	size_t taken = t->settings.typed(t->settings.user, t->keys, t->key_count);

	t->key_count -= taken;
	memmove(t->keys, t->keys + taken, t->key_count);
	if (t->key_count)
		uv_timer_start(&t->timer, on_timer, RETRY_MS, 0);
}

/* false: a hang-up. */
static bool read_keys(struct terminal *t)
{
	ssize_t n = read(t->master, t->keys, sizeof(t->keys));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	t->key_count = (size_t)n;
	offer_keys(t);
	return true;
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct terminal *t = poll->data;
	bool hears = status < 0 || events & (UV_READABLE | UV_DISCONNECT);

	/* Keys that the board does not take yet outlive who typed them; the timer goes on with them. */
	if (t->key_count > 0 && (status < 0 || events & UV_DISCONNECT)) {
		uv_poll_stop(poll);
		return;
	}
	/* What was typed before the hang-up is read first: only then the kernel says EIO. */
	if (hears && t->key_count == 0 && !read_keys(t)) {
		hung_up(t);
		return;
	}
	go_on(t);
}

/* Who came and went between two looks may have typed. */
static void look_for_somebody(struct terminal *t)
{
	struct pollfd p = { .fd = t->master, .events = POLLIN };
	bool asked = poll(&p, 1, 0) >= 0;

	if (asked && p.revents & POLLHUP && p.revents & POLLIN && t->key_count == 0)
		read_keys(t);
	if (!asked || p.revents & POLLHUP) {
		uv_timer_start(&t->timer, on_timer, LOOK_MS, 0);
		return;
	}
	t->open = true;
	t->out_size = t->out_sent = 0;
	console_follow(t->console, &t->reader, 0);
	log_info(t->name, "terminal", "%s is in use", t->link);
	go_on(t);
}

static void on_timer(uv_timer_t *timer)
{
	struct terminal *t = timer->data;

	if (t->key_count > 0)
		offer_keys(t);
	if (!t->open)
		look_for_somebody(t);
	else if (t->key_count == 0)
		go_on(t);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static void terminal_free(struct terminal *t)
{
	if (t->master >= 0)
		close(t->master);
	free(t->name);
	free(t->link);
	free(t->node);
	free(t);
}
DEFINE_FREEP(struct terminal, terminal_free)

static void on_closed(uv_handle_t *handle)
{
	struct terminal *t = handle->data;

	if (--t->handles == 0)
		terminal_free(t);
}

int terminal_new(uv_loop_t *loop, struct console *console, const struct terminal_settings *settings, struct terminal **ret)
{
	_cleanup_(terminal_freep) struct terminal *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->master = -1;
	t->settings = *settings;
	t->name = strdup(settings->name);
	t->link = strdup(settings->link);
	if (!t->name || !t->link)
		return -ENOMEM;
	int r = make_pty(t);
	if (r == 0)
		r = make_link(t);
	if (r < 0)
		return r;
	r = uv_poll_init(loop, &t->poll, t->master);
	if (r < 0) {
		remove_link(t);
		return r;
	}
	uv_timer_init(loop, &t->timer);
	t->poll.data = t->timer.data = t;
	t->handles = 2;
	t->console = console;
	t->reader.ready = on_ready;
	t->reader.ended = on_ended;
	look_for_somebody(t);
	*ret = TAKE_PTR(t);
	return 0;
}

uint64_t terminal_dropped(const struct terminal *t)
{
	return t->dropped;
}

void terminal_close(struct terminal *t)
{
	if (!t || t->closing)
		return;
	t->closing = true;
	console_unfollow(&t->reader);
	remove_link(t);
	uv_close((uv_handle_t *)&t->poll, on_closed);
	uv_close((uv_handle_t *)&t->timer, on_closed);
}
