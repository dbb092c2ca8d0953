/* SPDX-License-Identifier: MIT */

/* JobCancel is answered once the next daemon would not go on with the job, be it that it has ended or stops a little later. One
 * record is enough for all that ask before it is on the disk, however often they come. */

#include "daemon/api-private.h"
#include "daemon/registry.h"

struct cancel {
	struct cancel *next;
	struct api *api;
	struct job *job; /* a reference */
	struct waiter *waiters;
};

/* A call, until it is answered or closed. */
struct waiter {
	struct waiter *next, **pprev;
	struct call *call;
};

static void take_out(struct waiter *w)
{
	*w->pprev = w->next;
	if (w->next)
		w->next->pprev = w->pprev;
	free(w);
}

static void on_closed(struct call *call)
{
	take_out(call->user);
}

static void add(struct cancel *c, struct waiter *w)
{
	w->next = c->waiters;
	w->pprev = &c->waiters;
	if (w->next)
		w->next->pprev = &w->next;
	c->waiters = w;
	w->call->user = w;
	w->call->closed = on_closed;
}

static void on_recorded(void *user, const char *id _unused_)
{
	struct cancel *c = user, **at = &c->api->cancels;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	while (c->waiters) {
		struct call *call = c->waiters->call;
		take_out(c->waiters);
		call->closed = NULL;
		call->user = NULL;
		call_reply(call, NULL);
	}
	job_unref(c->job);
	free(c);
}

static struct cancel *find(const struct api *api, const struct job *job)
{
	struct cancel *c = api->cancels;

	while (c && c->job != job)
		c = c->next;
	return c;
}

bool api_cancel_is_under_way(const struct api *api, const struct job *job)
{
	return find(api, job);
}

void api_cancel_later(struct api *api, struct call *call, struct job *job)
{
	struct cancel *c = find(api, job), *begun = c ? NULL : calloc(1, sizeof(*begun));
	struct waiter *w = calloc(1, sizeof(*w));

	if (!w || !(c || begun)) {
		free(w);
		free(begun);
		api_fail_limit(call, "memory", 0, NULL, "the daemon is out of memory");
		return;
	}
	w->call = call;
	if (c) {
		add(c, w);
		return;
	}
	*begun = (struct cancel){.next = api->cancels, .api = api, .job = job_ref(job)};
	api->cancels = begun;
	add(begun, w);
	if (job_running(job))
		registry_job_save_then(api->registry, job, on_recorded, begun);
	else
		registry_job_ended_then(api->registry, on_recorded, begun);
}
