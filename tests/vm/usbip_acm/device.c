/* SPDX-License-Identifier: MIT */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "device.h"
#include "usbip.h"

#define LAST_WORDS_MS 200 /* how long what a far end said before it hung up waits for a reader */

struct urb {
	struct urb *next;
	struct usbip_request request;
	size_t done;
	uint8_t data[];
};

static long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static void far_end_close(struct far_end *far)
{
	if (far->read_fd >= 0)
		close(far->read_fd);
	if (far->write_fd >= 0 && far->write_fd != far->read_fd)
		close(far->write_fd);
	far->read_fd = far->write_fd = -1;
	far->hung_up_at = 0;
}

static int connect_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		close(fd);
		return -1;
	}
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static int far_end_open(struct far_end *far)
{
	struct stat st;
	int pair[2];

	if (!far->path[0] || far->read_fd >= 0)
		return 0;
	if (strcmp(far->path, "loop") == 0) {
		if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) < 0)
			return -errno;
		far->read_fd = pair[0];
		far->write_fd = pair[1];
		return 0;
	}
	if (stat(far->path, &st) < 0)
		return -errno;
	far->read_fd = S_ISSOCK(st.st_mode) ? connect_socket(far->path)
					    : open(far->path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	far->write_fd = far->read_fd;
	return far->read_fd < 0 ? -errno : 0;
}

static void drop_urbs(struct device *device)
{
	while (device->urbs) {
		struct urb *urb = device->urbs;

		device->urbs = urb->next;
		free(urb);
	}
}

/* Off the bus; `wanted` is left alone. */
static void drop_off(struct device *device, const char *why)
{
	for (unsigned i = 0; i < device->acm.functions; i++)
		far_end_close(&device->far[i]);
	drop_urbs(device);
	if (device->fd < 0)
		return;
	close(device->fd);
	device->fd = -1;
	printf("%s %s\n", device->name, why);
}

struct device *device_new(const char *name)
{
	struct device *device = calloc(1, sizeof(*device));

	if (!device)
		return NULL;
	snprintf(device->name, sizeof(device->name), "%s", name);
	device->fd = -1;
	device->fixed_port = USBIP_PORT_ANY;
	device->acm.functions = 1;
	for (int i = 0; i < ACM_FUNCTIONS_MAX; i++) {
		device->far[i].read_fd = device->far[i].write_fd = -1;
		device->acm.line[i] = (struct acm_line){.baud = 9600, .bits = 8};
	}
	return device;
}

void device_free(struct device *device)
{
	if (!device)
		return;
	drop_off(device, "unplugged");
	free(device);
}

void device_plug(struct device *device)
{
	device->wanted = true;
}

void device_unplug(struct device *device)
{
	device->wanted = false;
	drop_off(device, "unplugged");
}

static bool try_to_plug(struct device *device)
{
	for (unsigned i = 0; i < device->acm.functions; i++)
		if (far_end_open(&device->far[i]) < 0)
			return true;
	if (usbip_attach(device->fixed_port, &device->fixed_port, &device->fd) < 0)
		return true;
	printf("%s plugged port=%d\n", device->name, device->fixed_port);
	return false;
}

/* A far end is gone once it hung up and what it said before has been read, or nobody reads it. */
static bool far_end_is_gone(const struct far_end *far)
{
	int unread = 0;

	if (ioctl(far->read_fd, FIONREAD, &unread) < 0 || unread == 0)
		return true;
	return now_ms() - far->hung_up_at > LAST_WORDS_MS;
}

bool device_step(struct device *device)
{
	bool draining = false;

	for (unsigned i = 0; i < device->acm.functions && device->fd >= 0; i++) {
		if (!device->far[i].hung_up_at)
			continue;
		draining = true;
		if (far_end_is_gone(&device->far[i]))
			drop_off(device, "lost");
	}
	if (device->fd >= 0)
		return draining;
	return device->wanted && try_to_plug(device);
}

static void report(const struct device *device, unsigned function, enum acm_event event)
{
	const struct acm_line *line = &device->acm.line[function];

	if (event == ACM_LINE_CODING)
		printf("%s.%u baud=%u bits=%u parity=%u stop=%u\n", device->name, function, line->baud, line->bits,
			line->parity, line->stop);
	else if (event == ACM_LINE_STATE)
		printf("%s.%u dtr=%d rts=%d\n", device->name, function, line->dtr, line->rts);
	else if (event == ACM_BREAK)
		printf("%s.%u break\n", device->name, function);
}

static bool complete_control(struct device *device, struct urb *urb)
{
	const struct usbip_request *request = &urb->request;
	uint8_t reply[ACM_REPLY_MAX];
	enum acm_event event;
	unsigned function;
	int n;

	if (device->hung && acm_is_class_request(request->setup))
		return false;
	n = acm_control(&device->acm, request->setup, urb->data, request->length, reply, &event, &function);
	if (n < 0)
		usbip_reply(device->fd, request->seq, -EPIPE, NULL, 0);
	else if (!request->in)
		usbip_reply(device->fd, request->seq, 0, NULL, request->length);
	else
		usbip_reply(device->fd, request->seq, 0, reply,
			(uint32_t)n < request->length ? (size_t)n : request->length);
	report(device, function, event);
	return true;
}

static bool complete_in(struct device *device, struct far_end *far, struct urb *urb)
{
	uint8_t data[4096];
	size_t room = urb->request.length < sizeof(data) ? urb->request.length : sizeof(data);
	ssize_t n;

	if (far->read_fd < 0)
		return false;
	n = read(far->read_fd, data, room);
	if (n > 0)
		usbip_reply(device->fd, urb->request.seq, 0, data, (size_t)n);
	else if (!far->hung_up_at && (n == 0 || (errno != EAGAIN && errno != EINTR)))
		far->hung_up_at = now_ms();
	return n > 0;
}

static bool complete_out(struct device *device, struct far_end *far, struct urb *urb)
{
	while (far->write_fd >= 0 && urb->done < urb->request.length) {
		ssize_t n = write(far->write_fd, urb->data + urb->done, urb->request.length - urb->done);

		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0)
			break; /* nobody there any more: the bytes are lost, the read side will notice */
		urb->done += (size_t)n;
	}
	usbip_reply(device->fd, urb->request.seq, 0, NULL, urb->request.length);
	return true;
}

static bool complete(struct device *device, struct urb *urb)
{
	unsigned endpoint = urb->request.endpoint;
	struct far_end *far;

	if (endpoint == 0)
		return complete_control(device, urb);
	if (endpoint % 2 == 1 || endpoint / 2 > device->acm.functions || device->hung)
		return false;
	far = &device->far[endpoint / 2 - 1];
	return urb->request.in ? complete_in(device, far, urb) : complete_out(device, far, urb);
}

/* Requests of one endpoint are completed in order: one that must wait holds up those behind it. */
static void pump(struct device *device)
{
	bool waiting[2][USBIP_ENDPOINTS] = {0};

	for (struct urb **at = &device->urbs; *at;) {
		struct urb *urb = *at;
		bool *held = &waiting[urb->request.in][urb->request.endpoint];

		if (*held || !complete(device, urb)) {
			*held = urb->request.endpoint != 0;
			at = &urb->next;
			continue;
		}
		*at = urb->next;
		free(urb);
	}
}

void device_hang(struct device *device, bool hung)
{
	device->hung = hung;
	if (device->fd >= 0)
		pump(device);
}

static int take_back(struct device *device, const struct usbip_request *request)
{
	for (struct urb **at = &device->urbs; *at; at = &(*at)->next) {
		struct urb *urb = *at;

		if (urb->request.seq != request->victim)
			continue;
		*at = urb->next;
		free(urb);
		return usbip_reply_unlink(device->fd, request->seq, -ECONNRESET);
	}
	return usbip_reply_unlink(device->fd, request->seq, 0);
}

static int receive(struct device *device)
{
	struct usbip_request request;
	struct urb *urb, **end = &device->urbs;
	size_t payload;
	int r;

	r = usbip_read_request(device->fd, &request);
	if (r < 0)
		return r;
	if (request.unlink)
		return take_back(device, &request);
	payload = request.in ? 0 : request.length;
	urb = calloc(1, sizeof(*urb) + payload);
	if (!urb)
		return -ENOMEM;
	urb->request = request;
	r = usbip_read_data(device->fd, urb->data, payload);
	if (r < 0) {
		free(urb);
		return r;
	}
	while (*end)
		end = &(*end)->next;
	*end = urb;
	pump(device);
	return 0;
}

static short far_end_interest(const struct device *device, unsigned function)
{
	short events = 0;

	for (const struct urb *urb = device->urbs; urb && !device->hung; urb = urb->next)
		if (urb->request.endpoint == 2 * function + 2)
			events |= urb->request.in ? POLLIN : POLLOUT;
	return events;
}

int device_poll(struct device *device, struct pollfd *pollfds)
{
	if (device->fd < 0)
		return 0;
	pollfds[0] = (struct pollfd){.fd = device->fd, .events = POLLIN};
	for (unsigned i = 0; i < device->acm.functions; i++) {
		const struct far_end *far = &device->far[i];
		short events = far_end_interest(device, i);
		bool two_ended = far->read_fd != far->write_fd;

		/* one that hung up has nothing new to tell, but poll would go on telling it */
		pollfds[1 + i] = (struct pollfd){
			.fd = far->hung_up_at || (two_ended && !(events & POLLIN)) ? -1 : far->read_fd,
			.events = two_ended ? events & POLLIN : events,
		};
	}
	return 1 + (int)device->acm.functions;
}

void device_dispatch(struct device *device, const struct pollfd *pollfds)
{
	for (unsigned i = 0; i < device->acm.functions; i++)
		if ((pollfds[1 + i].revents & (POLLHUP | POLLERR)) && !device->far[i].hung_up_at)
			device->far[i].hung_up_at = now_ms();
	if (pollfds[0].revents && receive(device) < 0) {
		device->wanted = false;
		drop_off(device, "rejected"); /* the kernel gave up on the device */
		return;
	}
	pump(device);
}
