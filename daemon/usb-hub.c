/* SPDX-License-Identifier: MIT */

/* Hubs, for sections that name one. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/place.h"
#include "daemon/usb-private.h"

static void hub_free(struct hub_entry *h)
{
	free(h->hub.syspath);
	free(h->hub.path);
	free(h->hub.bus_path);
	free(h);
}

static struct hub_entry **find(struct hub_list *l, const char *syspath)
{
	struct hub_entry **at = &l->first;
	while (*at && strcmp((*at)->hub.syspath, syspath))
		at = &(*at)->next;
	return at;
}

static void forget(struct hub_list *l, const char *syspath)
{
	struct hub_entry **at = find(l, syspath), *h = *at;
	if (!h)
		return;
	*at = h->next;
	log_debug(NULL, "usb", "hub %s unplugged", h->hub.bus_path);
	hub_free(h);
	if (l->changed)
		l->changed(l->user);
}

/* The kernel tells class, subclass and protocol of a device: 9 is a hub, and 9/0/3 the half of one that only USB 3 devices are
 * below, which has the ID_PATH of the other half or of a stranger. */
static bool is_hub(struct udev_device *d)
{
	const char *devtype = udev_device_get_devtype(d), *type = usb_property(d, "TYPE");
	return devtype && !strcmp(devtype, "usb_device") && type && !strncmp(type, "9/", 2) && strcmp(type, "9/0/3");
}

static void learn(struct hub_list *l, struct udev_device *d)
{
	const char *syspath = udev_device_get_syspath(d);
	struct hub_entry *h = syspath ? *find(l, syspath) : NULL;
	if (h || !syspath || !is_hub(d)) {
		if (h)
			h->seen = true;
		return;
	}
	h = calloc(1, sizeof(*h));
	if (!h)
		return;
	const char *path = usb_property(d, "ID_PATH");
	h->hub.syspath = strdup(syspath);
	h->hub.path = path ? strdup(path) : NULL;
	h->hub.bus_path = place_bus_path(syspath);
	h->hub.since_us = usb_plugged_us(d);
	if (!h->hub.syspath || !h->hub.bus_path) {
		hub_free(h);
		return;
	}
	h->seen = true;
	h->next = l->first;
	l->first = h;
	log_debug(NULL, "usb", "hub %s plugged, at %s", h->hub.bus_path, h->hub.path ? h->hub.path : "-");
	if (l->changed)
		l->changed(l->user);
}

int hub_list_enumerate(struct hub_list *l, struct udev *udev)
{
	_cleanup_(udev_enumerate_unrefp) struct udev_enumerate *all = udev_enumerate_new(udev);
	if (!all)
		return -ENOMEM;
	int r = udev_enumerate_add_match_subsystem(all, "usb");
	if (r >= 0)
		r = udev_enumerate_add_match_property(all, "TYPE", "9/*");
	if (r >= 0)
		r = udev_enumerate_scan_devices(all);
	if (r < 0)
		return r;
	for (struct hub_entry *h = l->first; h; h = h->next)
		h->seen = false;
	struct udev_list_entry *item;
	udev_list_entry_foreach(item, udev_enumerate_get_list_entry(all)) {
		_cleanup_(udev_device_unrefp) struct udev_device *d =
			udev_device_new_from_syspath(udev, udev_list_entry_get_name(item));
		if (d)
			learn(l, d);
	}
	for (struct hub_entry *h = l->first, *next; h; h = next) {
		next = h->next;
		if (!h->seen)
			forget(l, h->hub.syspath);
	}
	return 0;
}

void hub_list_event(struct hub_list *l, struct udev_device *d, const char *action)
{
	const char *syspath = udev_device_get_syspath(d);

	if (!strcmp(action, "remove"))
		forget(l, syspath);
	else
		learn(l, d);
}

void hub_list_free(struct hub_list *l)
{
	while (l->first) {
		struct hub_entry *h = l->first;
		l->first = h->next;
		hub_free(h);
	}
}
