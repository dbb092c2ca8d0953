/* SPDX-License-Identifier: MIT */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "usbip.h"

#define VHCI "/sys/devices/platform/vhci_hcd.0/"
#define VHCI_CONTROLLERS 8
#define VHCI_CONTROLLER_PORTS 30 /* numbers; the upper half are its SuperSpeed ports */
#define VHCI_PORT_FREE 4         /* VDEV_ST_NULL in drivers/usb/usbip/usbip_common.h */
#define SPEED_HIGH 3             /* enum usb_device_speed */

enum {
	CMD_SUBMIT = 1,
	CMD_UNLINK = 2,
	RET_SUBMIT = 3,
	RET_UNLINK = 4,
};

/* 48 bytes on the wire, every word big-endian; the words after `endpoint` depend on the command. */
struct header {
	uint32_t command, seq, devid, direction, endpoint;
	union {
		struct {
			uint32_t flags, length, start_frame, packets, interval;
			uint8_t setup[8];
		} submit;
		struct {
			uint32_t status, length, start_frame, packets, errors;
			uint8_t padding[8];
		} result;
		struct {
			uint32_t seq;
			uint8_t padding[24];
		} unlink;
		struct {
			uint32_t status;
			uint8_t padding[24];
		} unlinked;
	};
};

_Static_assert(sizeof(struct header) == 48, "USB/IP header");

/*
 * Whether the kernel has not yet noticed that the device before is gone. It would take one plugged now
 * for the same, never unplugged; no hand is that quick.
 */
static bool device_lingers(int port)
{
	char pattern[96];
	glob_t found;
	bool lingers;

	snprintf(pattern, sizeof(pattern), "/sys/devices/platform/vhci_hcd.%d/usb*/[0-9]*-%d",
		port / VHCI_CONTROLLER_PORTS, port % VHCI_CONTROLLER_PORTS + 1);
	lingers = glob(pattern, GLOB_NOSORT, NULL, &found) == 0;
	globfree(&found);
	return lingers;
}

static bool line_is_free(const char *line, int wanted, int *ret_port)
{
	int port, state;

	if (sscanf(line, "hs %d %d", &port, &state) != 2 || state != VHCI_PORT_FREE)
		return false;
	if ((wanted != USBIP_PORT_ANY && wanted != port) || device_lingers(port))
		return false;
	*ret_port = port;
	return true;
}

static int find_port(int wanted, int *ret_port)
{
	for (int i = 0; i < VHCI_CONTROLLERS; i++) {
		char path[96], line[200];
		bool found = false;
		FILE *status;

		snprintf(path, sizeof(path), i ? VHCI "status.%d" : VHCI "status", i);
		status = fopen(path, "re");
		if (!status)
			return i ? -EAGAIN : -errno;
		while (!found && fgets(line, sizeof(line), status))
			found = line_is_free(line, wanted, ret_port);
		fclose(status);
		if (found)
			return 0;
	}
	return -EAGAIN;
}

static int write_attach(int port, int fd)
{
	char line[64];
	int length = snprintf(line, sizeof(line), "%d %d %d %d", port, fd, port + 1, SPEED_HIGH);
	int attach = open(VHCI "attach", O_WRONLY | O_CLOEXEC);
	int r = 0;

	if (attach < 0)
		return -errno;
	if (write(attach, line, (size_t)length) != length)
		r = -errno;
	close(attach);
	return r;
}

int usbip_attach(int port, int *ret_port, int *ret_fd)
{
	int found = -1, pair[2], r;

	r = find_port(port, &found);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	r = write_attach(found, pair[1]);
	close(pair[1]); /* the kernel holds its own reference by now */
	if (r < 0) {
		close(pair[0]);
		return r;
	}
	*ret_port = found;
	*ret_fd = pair[0];
	return 0;
}

int usbip_read_data(int fd, void *data, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t n = read(fd, (char *)data + done, length - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EPIPE;
		done += (size_t)n;
	}
	return 0;
}

int usbip_read_request(int fd, struct usbip_request *ret_request)
{
	struct header header;
	struct usbip_request request = {0};
	int r = usbip_read_data(fd, &header, sizeof(header));

	if (r < 0)
		return r;
	request.seq = ntohl(header.seq);
	switch (ntohl(header.command)) {
	case CMD_UNLINK:
		request.unlink = true;
		request.victim = ntohl(header.unlink.seq);
		break;
	case CMD_SUBMIT:
		request.endpoint = ntohl(header.endpoint);
		request.in = ntohl(header.direction) != 0;
		request.length = ntohl(header.submit.length);
		memcpy(request.setup, header.submit.setup, sizeof(request.setup));
		if (request.endpoint >= USBIP_ENDPOINTS || request.length > USBIP_TRANSFER_MAX)
			return -EPROTO;
		break;
	default:
		return -EPROTO;
	}
	*ret_request = request;
	return 0;
}

static int send_message(int fd, const struct header *header, const void *data, size_t length)
{
	struct iovec part[2] = {
		{.iov_base = (void *)header, .iov_len = sizeof(*header)},
		{.iov_base = (void *)data, .iov_len = length},
	};
	struct msghdr message = {.msg_iov = part, .msg_iovlen = 2};

	while (part[0].iov_len + part[1].iov_len > 0) {
		ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		for (int i = 0; i < 2; i++) {
			size_t taken = (size_t)n < part[i].iov_len ? (size_t)n : part[i].iov_len;

			part[i].iov_base = (char *)part[i].iov_base + taken;
			part[i].iov_len -= taken;
			n -= (ssize_t)taken;
		}
	}
	return 0;
}

int usbip_reply(int fd, uint32_t seq, int status, const void *data, size_t length)
{
	struct header header = {
		.command = htonl(RET_SUBMIT),
		.seq = htonl(seq),
		.result = {.status = htonl((uint32_t)status), .length = htonl((uint32_t)length)},
	};

	return send_message(fd, &header, data, data ? length : 0);
}

int usbip_reply_unlink(int fd, uint32_t seq, int status)
{
	struct header header = {
		.command = htonl(RET_UNLINK),
		.seq = htonl(seq),
		.unlinked = {.status = htonl((uint32_t)status)},
	};

	return send_message(fd, &header, NULL, 0);
}
