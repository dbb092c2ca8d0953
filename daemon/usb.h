/* SPDX-License-Identifier: MIT */
#pragma once

/* USB serial ports, and hubs, as udev sees them: what is plugged in, what comes, what goes. The only file that knows libudev.
 *
 * The monitor listens before the enumeration starts, so nothing is missed; a port is told once. When the netlink socket
 * overflowed everything is enumerated again and differences are told as usual, those that have gone first. Ends of USB gadgets
 * and ttys without ID_BUS=usb are left alone. The callbacks run on the loop; the port's strings live until its removed
 * callback returns. */

#include <stdint.h>
#include <uv.h>

struct usb_port {
	char *syspath; /* the key: on removal nothing else is sure */
	char *node;    /* /dev/ttyACM0 */
	char *path;    /* ID_PATH, or NULL */
	char *bus_path; /* 1-1.4:1.0, or NULL (place.h) */
	char *serial;  /* ID_SERIAL_SHORT, or NULL */
	char *manufacturer, *product;
	char *driver; /* ID_USB_DRIVER: cdc_acm, ftdi_sio ...; or NULL */
	unsigned int vendor_id, product_id;
	int interface; /* -1: unknown */
	uint64_t since_us; /* CLOCK_REALTIME: when it was plugged in, as udev says */
};

/* A hub. Of one for USB 3, the half that USB 2 devices are below, as boards are. */
struct usb_hub {
	char *syspath;
	char *path;	/* ID_PATH, or NULL: udev has no rule that asks for it */
	char *bus_path; /* 1-1.4, or usb1 */
	uint64_t since_us; /* CLOCK_REALTIME: when it was plugged in, as udev says */
};

struct usb_callbacks {
	void (*added)(void *user, const struct usb_port *port);
	void (*removed)(void *user, const struct usb_port *port);
	void (*hubs_changed)(void *user); /* one came or went; NULL: of no interest */
};

struct usb;
int usb_new(uv_loop_t *loop, const struct usb_callbacks *callbacks, void *user, struct usb **ret);
int usb_start(struct usb *u); /* calls added for everything there, then goes on */
void usb_close(struct usb *u); /* frees itself in its close callback */

/* The ports that are there, in no order: the one after `previous` (NULL: the first); NULL: no more. In added() and after it
 * the port is among them, in removed() it is not any more. */
const struct usb_port *usb_next(const struct usb *u, const struct usb_port *previous);

const struct usb_hub *usb_next_hub(const struct usb *u, const struct usb_hub *previous); /* likewise */

/* "2fe3:00ab:10": lower-case hex, interface in decimal, left out when unknown. */
void usb_port_identifier(const struct usb_port *port, char *buffer, size_t size);
