/* SPDX-License-Identifier: MIT */
/* What a lease lasts as long as: a connection, a process, a time without a sign of its holder. */
#include <errno.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "daemon/api-private.h"
#include "daemon/log.h"

struct lease_bond {
	struct api *api;
	struct api_client *client; /* or NULL */
	struct lease *lease;	   /* NULL: not tied yet, or ended */
	uv_timer_t timer;
	uv_poll_t poll;
	int pidfd;
	pid_t pid;
	uint64_t keep_ms;
	unsigned int handles;
	struct registry_observer observer; /* of one that is bound to a time, from tie to end */
	bool working;
};

static void on_closed(uv_handle_t *handle)
{
	struct lease_bond *b = handle->data;

	if (--b->handles > 0)
		return;
	/* Not before the loop has let go of it. */
	if (b->pidfd >= 0)
		close(b->pidfd);
	free(b);
}

void lease_bond_free(struct lease_bond *b)
{
	if (!b)
		return;
	uv_close((uv_handle_t *)&b->timer, on_closed);
	if (b->pidfd >= 0)
		uv_close((uv_handle_t *)&b->poll, on_closed);
}

int lease_bond_new(struct api *api, struct api_client *client, pid_t pid, uint64_t keep_ms, struct lease_bond **ret)
{
	struct lease_bond *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	b->pidfd = pid > 0 ? pidfd_open(pid, 0) : -1;
	if (pid > 0 && b->pidfd < 0) {
		int e = -errno;
		free(b);
		return e;
	}
	b->api = api;
	b->client = client;
	b->pid = pid;
	b->keep_ms = keep_ms;
	b->handles = b->pidfd >= 0 ? 2 : 1;
	uv_timer_init(api->loop, &b->timer);
	b->timer.data = b;
	if (b->pidfd >= 0 && uv_poll_init(api->loop, &b->poll, b->pidfd) < 0) {
		close(b->pidfd);
		b->pidfd = -1;
		b->handles = 1;
		lease_bond_free(b);
		return -ENOSYS;
	}
	b->poll.data = b;
	*ret = b;
	return 0;
}

static void on_exit_of(uv_poll_t *poll, int status _unused_, int events _unused_)
{
	struct lease_bond *b = poll->data;

	lease_end(b->api->leases, b->lease, LEASE_EXITED);
}

/* A long update is a sign of its holder, too, and so is a tty that another program has. */
static bool works(const struct lease_bond *b)
{
	for (size_t i = 0; i < b->lease->board_count; i++) {
		const struct device *d = registry_by_id(b->api->registry, lease_board_id(b->lease->boards[i]));
		if (d && (d->job || d->state == DEVICE_RELEASED))
			return true;
	}
	return false;
}

/* The time begins with the end of the work. */
static void on_change(struct registry_observer *o, const struct registry_change *change)
{
	struct lease_bond *b = container_of(o, struct lease_bond, observer);

	if (!change->device || lease_of(b->api->leases, change->device->id) != b->lease)
		return;
	bool worked = b->working;
	b->working = works(b);
	if (worked && !b->working)
		lease_bond_keep(b->lease, 0);
}

static void on_time(uv_timer_t *timer)
{
	struct lease_bond *b = timer->data;

	if (works(b))
		lease_bond_keep(b->lease, 0);
	else
		lease_end(b->api->leases, b->lease, LEASE_EXPIRED);
}

void lease_bond_keep(struct lease *lease, uint64_t keep_ms)
{
	struct lease_bond *b = lease->user;

	if (!b->keep_ms)
		return;
	if (keep_ms)
		b->keep_ms = keep_ms;
	lease->until_us = registry_wall_us() + b->keep_ms * 1000;
	uv_update_time(b->api->loop);
	uv_timer_start(&b->timer, on_time, b->keep_ms, 0);
}

static void on_ended(struct lease *lease, enum lease_end why)
{
	struct lease_bond *b = lease->user;

	for (size_t i = 0; i < lease->board_count; i++)
		log_info(lease_board_id(lease->boards[i]), "lease", "ended: %s", lease_end_text(why));
	if (b->keep_ms)
		registry_unobserve(b->api->registry, &b->observer);
	b->lease = NULL;
	lease_bond_free(b);
}

void lease_bond_tie(struct lease_bond *b, struct lease *lease)
{
	b->lease = lease;
	lease->user = b;
	lease->ended = on_ended;
	lease->bound_to = b->pid;
	lease_bond_keep(lease, 0);
	b->working = works(b);
	b->observer.event = on_change;
	if (b->keep_ms)
		registry_observe(b->api->registry, &b->observer);
	if (b->pidfd >= 0)
		uv_poll_start(&b->poll, UV_READABLE, on_exit_of);
}

bool lease_bond_timed(const struct lease *lease)
{
	return ((const struct lease_bond *)lease->user)->keep_ms > 0;
}

struct api_client *lease_bond_client(const struct lease *lease)
{
	return ((const struct lease_bond *)lease->user)->client;
}
