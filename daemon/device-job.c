/* SPDX-License-Identifier: MIT */

/* The job of a board: one at a time. */

#include <errno.h>

#include "daemon/device-private.h"
#include "daemon/registry.h"

int device_job_possible(const struct device *d, const char **ret_text)
{
	*ret_text = NULL;
	switch (d->state) {
	case DEVICE_ABSENT:
	case DEVICE_UNAVAILABLE:
	case DEVICE_BROKEN:
	case DEVICE_RELEASED:
		*ret_text = d->reason ? d->reason : "the board is not there";
		return -ENODEV;
	default:
		break;
	}
	if (d->config->probe == PROBE_NEVER) {
		*ret_text = "its section says probe = never: nothing is sent to this port";
		return -ENODEV;
	}
	if (d->job) {
		*ret_text = d->job->id;
		return -EBUSY;
	}
	return 0;
}

int device_job_begin(struct device *d, struct job *job)
{
	if (d->job)
		return -EBUSY;
	d->job = job_ref(job);
	if (d->session)
		session_set_job_active(d->session, true);
	registry_changed(d->registry, REGISTRY_CHANGED, d, NULL);
	return 0;
}

void device_job_ended(struct device *d)
{
	struct job *job = TAKE_PTR(d->job);

	if (!job)
		return;
	if (d->session) {
		session_set_window(d->session, 1);
		session_set_job_active(d->session, false);
	}
	device_foresee_swap(d);
	registry_changed(d->registry, REGISTRY_CHANGED, d, NULL);
	job_unref(job);
}

void device_await(struct device *d, void (*back)(void *user), void *user)
{
	d->private->back = back;
	d->private->back_user = user;
}

void device_await_cancel(struct device *d)
{
	d->private->back = NULL;
}
