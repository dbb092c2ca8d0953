/* SPDX-License-Identifier: MIT */

/* What the book of leases asks about boards, and tells of them. */

#include <time.h>

#include "daemon/registry-private.h"

/* A board that somebody names may be away: whoever takes it may wait for it, or plug it in. Out of a pool only those are
 * given that can be used. */
static enum lease_obstacle obstacle(void *user, const char *id, bool any)
{
	const struct device *d = registry_by_id(user, id);

	if (d && d->job)
		return LEASE_OCCUPIED;
	if (any && (!d || d->state != DEVICE_READY))
		return LEASE_NOT_READY;
	return LEASE_FREE;
}

static void changed(void *user, const char *id, bool given)
{
	struct registry *r = user;
	struct device *d = registry_by_id(r, id);

	if (d)
		registry_changed(r, given ? REGISTRY_LOCKED : REGISTRY_UNLOCKED, d, NULL);
}

uint64_t registry_wall_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t wall_us(void *user _unused_)
{
	return registry_wall_us();
}

int registry_leases_new(struct registry *r)
{
	static const struct lease_rack rack = {.obstacle = obstacle, .changed = changed, .wall_us = wall_us};

	return lease_book_new(&rack, r, &r->leases);
}

struct lease_book *registry_leases(struct registry *r)
{
	return r->leases;
}

uint64_t registry_selectable(const struct registry *r)
{
	return r->selectable;
}
