/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A simulated device: its identity, its place on the bus and, behind each of its functions, a far end
 * where the firmware sits (a Unix stream socket that somebody listens on, a tty, or an echo).
 *
 * A device that is wanted on the bus is plugged as soon as its root hub port is free and all its far
 * ends can be reached; until then device_step() tries again. When a far end hangs up the device
 * drops off the bus, as a board does that resets, and comes back when the far end is there again.
 *
 * Events are lines on stdout, each beginning with the device's name:
 *   NAME plugged port=N | NAME unplugged | NAME lost (a far end hung up)
 *   NAME.I baud=N bits=N parity=N stop=N | NAME.I dtr=0|1 rts=0|1 | NAME.I break
 *
 * The list of devices owns them.
 */

#include <poll.h>
#include <stdbool.h>

#include "acm.h"

#define DEVICE_NAME_MAX 31
#define DEVICE_POLL_MAX (1 + ACM_FUNCTIONS_MAX)

struct urb;

struct far_end {
	char path[108]; /* "loop": an echo; empty: nothing there, bytes are swallowed */
	int read_fd, write_fd;
	long long hung_up_at; /* ms; 0: has not hung up */
};

struct device {
	struct device *next;
	char name[DEVICE_NAME_MAX + 1];
	struct acm acm;
	struct far_end far[ACM_FUNCTIONS_MAX];
	int fixed_port; /* the root hub port to use, or USBIP_PORT_ANY until the first plug */
	int fd;         /* -1: not on the bus */
	bool wanted;    /* shall be on the bus */
	bool hung;      /* the firmware answers nothing, the bus does */
	struct urb *urbs;
};

struct device *device_new(const char *name);
void device_free(struct device *device);

void device_plug(struct device *device);
void device_unplug(struct device *device);

/* A hung device keeps every class request and every byte waiting: open, write and close sleep. */
void device_hang(struct device *device, bool hung);

/* Do what can be done without an event; true: something is left to try again in a few ms. */
bool device_step(struct device *device);

/* Fill in what to poll for; returns the number of entries (at most DEVICE_POLL_MAX), and takes the
 * same entries back after the poll. */
int device_poll(struct device *device, struct pollfd *pollfds);
void device_dispatch(struct device *device, const struct pollfd *pollfds);
