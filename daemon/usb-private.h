/* SPDX-License-Identifier: MIT */
#pragma once

/* Inside usb: usb.c has the ports and the socket with udev's events, usb-hub.c the hubs. */

#include <libudev.h>
#include <stdbool.h>

#include "daemon/usb.h"
#include "proto/macro.h"

DEFINE_FREEP(struct udev_device, udev_device_unref)
DEFINE_FREEP(struct udev_enumerate, udev_enumerate_unref)

const char *usb_property(struct udev_device *d, const char *name); /* NULL: none, or empty */
uint64_t usb_plugged_us(struct udev_device *d);

struct hub_entry {
	struct usb_hub hub; /* first, so that it is what others get */
	struct hub_entry *next;
	bool seen; /* by the enumeration under way */
};

struct hub_list {
	struct hub_entry *first;
	void (*changed)(void *user); /* or NULL */
	void *user;
};

int hub_list_enumerate(struct hub_list *l, struct udev *udev); /* 0, -errno */
void hub_list_event(struct hub_list *l, struct udev_device *d, const char *action); /* of any device of subsystem usb */
void hub_list_free(struct hub_list *l);
