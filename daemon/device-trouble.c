/* SPDX-License-Identifier: MIT */

/* Boards that do not come to rest: a bad cable, a firmware that crashes as it starts. Whoever goes on talking to one makes it
 * worse and sees nothing of it. After so many attachments or boots within a while it is broken: nothing is opened, nothing is
 * sent, until nothing has happened for as long, or somebody says that it is repaired. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/device-private.h"
#include "daemon/log.h"

#define OWN_EVENTS 3 /* that a reset of ours may cause: it goes, comes back, and boots once more to undo a test */

void device_trouble_expected(struct device *d)
{
	d->private->trouble.own = OWN_EVENTS;
}

void device_trouble_forget(struct device *d)
{
	memset(&d->private->trouble, 0, sizeof(d->private->trouble));
}

struct trouble *device_trouble_copy(const struct device *d)
{
	const struct trouble *t = &d->private->trouble;
	struct trouble *copy = t->attached.count || t->booted.count ? malloc(sizeof(*copy)) : NULL;

	if (copy)
		*copy = (struct trouble){.attached = t->attached, .booted = t->booted};
	return copy;
}

/* How many there were within the window, this one among them. */
static unsigned int note(struct history *h, uint64_t now_ms, unsigned int window_ms)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < h->count; i++)
		if (now_ms - h->at_ms[i] < window_ms)
			h->at_ms[kept++] = h->at_ms[i];
	if (kept == ARRAY_SIZE(h->at_ms))
		memmove(h->at_ms, h->at_ms + 1, --kept * sizeof(h->at_ms[0]));
	h->at_ms[kept++] = now_ms;
	h->count = kept;
	return kept;
}

static void leave_alone(struct device *d, const char *what, unsigned int count)
{
	const struct config_device *c = d->config;

	device_probe_cancel(d);
	device_boot_cancel(d);
	device_arm(d, 0);
	if (d->job)
		job_unplugged(d->job);
	session_hold(d->session);
	session_detach(d->session, "the board is broken");
	device_forget(d);
	d->private->boot = (struct boot){0};
	device_set_state(d, DEVICE_BROKEN, "%s %u times within %g s", what, count, c->broken_window_ms / 1000.0);
	device_arm(d, c->broken_window_ms);
}

static bool happened(struct device *d, struct history *h, const char *what)
{
	struct device_private *p = d->private;
	const struct config_device *c = d->config;

	if (d->state == DEVICE_BROKEN) {
		device_arm(d, c->broken_window_ms);
		return true;
	}
	if (!c || !d->session || c->broken_count == 0)
		return false;
	if (p->expecting && p->trouble.own > 0) {
		p->trouble.own--;
		return false;
	}
	unsigned int count = note(h, uv_hrtime() / 1000000, c->broken_window_ms);
	if (count < c->broken_count)
		return false;
	leave_alone(d, what, count);
	return true;
}

bool device_trouble_attached(struct device *d)
{
	return happened(d, &d->private->trouble.attached, "was attached");
}

bool device_trouble_booted(struct device *d)
{
	return happened(d, &d->private->trouble.booted, "booted");
}

void device_trouble_over(struct device *d)
{
	device_trouble_forget(d);
	log_info(d->id, "device", "is looked at again");
	device_look_again(d);
}

void device_reset_state(struct device *d)
{
	device_trouble_forget(d);
	switch (d->state) {
	case DEVICE_BROKEN:
		device_trouble_over(d);
		break;
	case DEVICE_UNRESPONSIVE:
		d->private->probe_pause_ms = d->private->text_pause_ms = 0;
		device_probe(d);
		break;
	case DEVICE_UNAVAILABLE:
		d->private->open_pause_ms = 0;
		device_port_timeout(d);
		break;
	default:
		break;
	}
}
