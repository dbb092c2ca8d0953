/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/inotify.h>

#include "link.h"
#include "util.h"

/*
 * A pty master cannot wait for somebody to open its slave: with nobody there
 * it only reports a hang-up, over and over. So the master is watched only
 * while the slave is open, and inotify says when to look.
 */

struct tty_watch {
	struct loop *loop;
	struct loop_watch fd;
	struct link **links; /* by watch number */
	size_t n_links;
};

static void events_read(void *user, uint32_t events)
{
	char buf[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct tty_watch *w = user;
	ssize_t n;

	(void)events;
	while ((n = read(w->fd.fd, buf, sizeof(buf))) > 0) {
		for (char *p = buf; p < buf + n;) {
			struct inotify_event *e = (struct inotify_event *)p;

			if (e->wd >= 0 && (size_t)e->wd < w->n_links && w->links[e->wd])
				link_opened_or_closed(w->links[e->wd]);
			p += sizeof(*e) + e->len;
		}
	}
}

int tty_watch_new(struct loop *loop, struct tty_watch **ret)
{
	struct tty_watch *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->loop = loop;
	w->fd.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	w->fd.ready = events_read;
	w->fd.user = w;
	r = w->fd.fd < 0 ? -errno : loop_watch(loop, &w->fd, EPOLLIN);
	if (r < 0) {
		closep(&w->fd.fd);
		free(w);
		return r;
	}
	*ret = w;
	return 0;
}

void tty_watch_free(struct tty_watch *w)
{
	if (!w)
		return;
	loop_unwatch(w->loop, &w->fd);
	close(w->fd.fd);
	free(w->links);
	free(w);
}

int tty_watch_add(struct tty_watch *w, struct link *l)
{
	int wd = inotify_add_watch(w->fd.fd, l->tty, IN_OPEN | IN_CLOSE);

	if (wd < 0)
		return -errno;
	if ((size_t)wd >= w->n_links) {
		size_t n = 2 * (size_t)wd + 16;
		struct link **links = realloc(w->links, n * sizeof(struct link *));

		if (!links) {
			inotify_rm_watch(w->fd.fd, wd);
			return -ENOMEM;
		}
		memset(links + w->n_links, 0, (n - w->n_links) * sizeof(struct link *));
		w->links = links;
		w->n_links = n;
	}
	w->links[wd] = l;
	l->inotify = wd;
	return 0;
}

void tty_watch_remove(struct tty_watch *w, struct link *l)
{
	if (l->inotify < 0)
		return;
	inotify_rm_watch(w->fd.fd, l->inotify);
	w->links[l->inotify] = NULL;
	l->inotify = -1;
}
