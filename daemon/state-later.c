/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "daemon/log.h"
#include "daemon/state-private.h"

/* A record on its way to the disk, or from it: text NULL. Without a kind: nothing but its place in the order. */
struct change {
	struct change *next;
	char *kind, *name, *text;
	size_t size;
	int error;
	void (*done)(void *user, const char *name);
	void *user;
};

static void change_free(struct change *c)
{
	free(c->kind);
	free(c->name);
	free(c->text);
	free(c);
}
DEFINE_FREEP(struct change, change_free)

/* On a thread. */
static int make(int directory, const struct change *c)
{
	if (!c->kind)
		return 0;
	_cleanup_(state_fd_closep) int kind = state_open_kind(directory, c->kind);
	if (kind < 0)
		return kind;
	if (c->text)
		return state_write(kind, c->name, c->text, c->size);
	return unlinkat(kind, c->name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static void on_work(uv_work_t *work)
{
	struct state *s = container_of(work, struct state, work);

	for (struct change *c = s->making; c; c = c->next)
		c->error = make(s->directory, c);
}

static void on_done(uv_work_t *work, int status);

/* What has gathered goes as one: the order in which it was said is the order on the disk. */
static void make_all(struct state *s)
{
	s->making = s->first;
	s->first = NULL;
	s->last = &s->first;
	uv_queue_work(s->loop, &s->work, on_work, on_done);
}

static void tell(struct change *c)
{
	if (c->error < 0)
		log_warning(NULL, "state", "%s/%s cannot be %s the state directory: %s", c->kind, c->name,
				c->text ? "recorded in" : "removed from", strerror(-c->error));
	if (c->done)
		c->done(c->user, c->name);
	change_free(c);
}

static void on_done(uv_work_t *work, int status)
{
	struct state *s = container_of(work, struct state, work);
	struct change *next;

	for (struct change *c = s->making; c; c = next) {
		next = c->next;
		if (status < 0)
			c->error = status;
		tell(c);
	}
	s->making = NULL;
	if (s->first)
		make_all(s);
	else if (s->closed)
		state_close(s);
}

/* Takes it over. */
static void queue(struct state *s, uv_loop_t *loop, struct change *c)
{
	s->loop = loop;
	*s->last = c;
	s->last = &c->next;
	if (!s->making)
		make_all(s);
}

static int change(struct state *s, uv_loop_t *loop, struct change *c_taken)
{
	_cleanup_(change_freep) struct change *c = c_taken;

	if (!c || !c->kind || !c->name)
		return -ENOMEM;
	if (!state_is_name(c->name))
		return -EINVAL;
	queue(s, loop, TAKE_PTR(c));
	return 0;
}

static struct change *change_new(const char *kind, const char *name)
{
	struct change *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->kind = strdup(kind);
	c->name = strdup(name);
	return c;
}

int state_save_later(struct state *s, uv_loop_t *loop, const char *kind, const char *name, const struct record *r,
		void (*done)(void *user, const char *name), void *user)
{
	if (s->directory < 0) {
		if (done)
			done(user, name);
		return 0;
	}
	_cleanup_(change_freep) struct change *c = change_new(kind, name);
	if (!c)
		return -ENOMEM;
	c->text = record_print(r, &c->size);
	if (!c->text)
		return -ENOMEM;
	c->done = done;
	c->user = user;
	return change(s, loop, TAKE_PTR(c));
}

int state_forget_later(struct state *s, uv_loop_t *loop, const char *kind, const char *name)
{
	return s->directory < 0 ? 0 : change(s, loop, change_new(kind, name));
}

int state_then(struct state *s, uv_loop_t *loop, void (*done)(void *user, const char *name), void *user)
{
	struct change *c;

	if (!s->making) {
		done(user, NULL);
		return 0;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->done = done;
	c->user = user;
	queue(s, loop, c);
	return 0;
}
