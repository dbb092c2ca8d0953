/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The device's side of USB/IP, without a network: one end of a socket pair is handed to the kernel's
 * vhci_hcd, which from then on sees a USB device on one of its root hub ports; on the other end this
 * program reads the host's requests (URBs) and answers them. Closing that end unplugs the device.
 *
 * Wire format: Linux Documentation/usb/usbip_protocol.rst (USBIP_CMD_SUBMIT, USBIP_CMD_UNLINK and
 * their replies; the device list and import messages are of the network only).
 *
 * All functions return 0 or -errno.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define USBIP_ENDPOINTS 16
#define USBIP_PORT_ANY (-1)

struct usbip_request {
	bool unlink; /* the host takes back the request with number `victim` */
	uint32_t seq;
	uint32_t victim;
	unsigned endpoint; /* below USBIP_ENDPOINTS; without the direction bit */
	bool in;           /* towards the host */
	uint32_t length;   /* bytes wanted (in) or following (out), at most USBIP_TRANSFER_MAX */
	uint8_t setup[8];  /* of endpoint 0 */
};

#define USBIP_TRANSFER_MAX (64 * 1024)

/*
 * Plug a high-speed device into root hub port `port`, or into the first free one (USBIP_PORT_ANY).
 * -EAGAIN: that port is still occupied (also for some ms after an unplug). The descriptor in
 * `ret_fd` is the caller's; closing it unplugs.
 */
int usbip_attach(int port, int *ret_port, int *ret_fd);

/* Read one request; blocks for the rest of a request that has begun. -EPIPE: the host hung up. */
int usbip_read_request(int fd, struct usbip_request *ret_request);

/* Read the `length` bytes that follow an outgoing request. */
int usbip_read_data(int fd, void *data, size_t length);

/*
 * Complete a request. `status` is 0 or a negative errno of the USB core (-EPIPE: stall). `length` is
 * the number of bytes moved; `data` goes with incoming ones and is NULL for outgoing ones.
 */
int usbip_reply(int fd, uint32_t seq, int status, const void *data, size_t length);

/* Answer an unlink: -ECONNRESET when the request was taken back, 0 when it was already complete. */
int usbip_reply_unlink(int fd, uint32_t seq, int status);
