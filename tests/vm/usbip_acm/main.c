/* SPDX-License-Identifier: MIT */

/*
 * usbip_acm: any number of simulated USB boards (composite CDC ACM devices) on the root hub ports of
 * vhci_hcd. Needs root and the module vhci-hcd; made for a virtual machine, where a mistake is cheap.
 *
 * Commands are lines on stdin, each answered by "ok" or "error: TEXT" on stdout, among the events
 * that device.h lists. End of input unplugs everything.
 *
 *   add NAME vid=HEX pid=HEX [serial=S] [functions=N] [port=N] [far=PATH[,PATH]...]
 *                      a device, not yet on the bus; far ends in order of functions: a Unix socket
 *                      or a tty, "loop" for an echo, "-" for none; S may have %XX for any byte
 *   set NAME key=value...   change what `add` gave; seen at the next plug
 *   plug NAME | unplug NAME | hang NAME | resume NAME | remove NAME      NAME may be *
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device.h"

#define DEVICES_MAX 64
#define RETRY_MS 5

static struct device *devices;

static struct device **find(const char *name)
{
	struct device **at = &devices;

	while (*at && strcmp((*at)->name, name) != 0)
		at = &(*at)->next;
	return at;
}

static int hex_id(const char *value, uint16_t *ret_id)
{
	char *end;
	unsigned long id = strtoul(value, &end, 16);

	if (!*value || *end || id > UINT16_MAX)
		return -EINVAL;
	*ret_id = (uint16_t)id;
	return 0;
}

static int number(const char *value, long min, long max, long *ret_number)
{
	char *end;
	long n = strtol(value, &end, 10);

	if (!*value || *end || n < min || n > max)
		return -EINVAL;
	*ret_number = n;
	return 0;
}

static int set_serial(struct acm *acm, const char *value)
{
	char serial[ACM_STRING_MAX + 1];
	size_t length = 0;

	for (const char *p = value; *p; length++) {
		unsigned byte = (unsigned char)*p;
		int taken = 1;

		if (*p == '%' && (sscanf(p, "%%%2x%n", &byte, &taken) != 1 || taken != 3 || byte == 0))
			return -EINVAL;
		if (length == ACM_STRING_MAX)
			return -ENAMETOOLONG;
		serial[length] = (char)byte;
		p += taken;
	}
	serial[length] = '\0';
	memcpy(acm->serial, serial, length + 1);
	return 0;
}

static int set_far_ends(struct device *device, char *value)
{
	char *path;

	for (int i = 0; (path = strsep(&value, ",")); i++) {
		if (i == ACM_FUNCTIONS_MAX || strlen(path) >= sizeof(device->far[i].path))
			return -E2BIG;
		snprintf(device->far[i].path, sizeof(device->far[i].path), "%s", strcmp(path, "-") == 0 ? "" : path);
	}
	return 0;
}

static int set_property(struct device *device, const char *key, char *value)
{
	long n;
	int r;

	if (strcmp(key, "vid") == 0)
		return hex_id(value, &device->acm.vid);
	if (strcmp(key, "pid") == 0)
		return hex_id(value, &device->acm.pid);
	if (strcmp(key, "serial") == 0)
		return set_serial(&device->acm, value);
	if (strcmp(key, "far") == 0)
		return set_far_ends(device, value);
	if (strcmp(key, "port") == 0) {
		r = number(value, 0, 255, &n);
		device->fixed_port = r < 0 ? device->fixed_port : (int)n;
		return r;
	}
	if (strcmp(key, "functions") == 0) {
		r = device->fd >= 0 ? -EBUSY : number(value, 1, ACM_FUNCTIONS_MAX, &n);
		device->acm.functions = r < 0 ? device->acm.functions : (unsigned)n;
		return r;
	}
	return -EINVAL;
}

static int set_properties(struct device *device, char *words)
{
	char *word;

	while ((word = strsep(&words, " "))) {
		char *value = strchr(word, '=');

		if (!*word)
			continue;
		if (!value)
			return -EINVAL;
		*value++ = '\0';
		if (set_property(device, word, value) < 0)
			return -EINVAL;
	}
	return 0;
}

static int add(const char *name, char *words)
{
	struct device *device;
	int count = 0, r;

	for (const struct device *d = devices; d; d = d->next)
		count++;
	if (count == DEVICES_MAX)
		return -ENOSPC;
	if (*find(name))
		return -EEXIST;
	if (!*name || strlen(name) > DEVICE_NAME_MAX || strchr("*.", name[0]))
		return -EINVAL;
	device = device_new(name);
	if (!device)
		return -ENOMEM;
	r = set_properties(device, words);
	if (r < 0) {
		device_free(device);
		return r;
	}
	*find(name) = device; /* no such name: the end of the list */
	return 0;
}

static int remove_device(const char *name)
{
	struct device **at = find(name), *device = *at;

	if (!device)
		return -ENODEV;
	*at = device->next;
	device_free(device);
	return 0;
}

static int apply(struct device *device, const char *verb)
{
	if (strcmp(verb, "plug") == 0)
		device_plug(device);
	else if (strcmp(verb, "unplug") == 0)
		device_unplug(device);
	else if (strcmp(verb, "hang") == 0)
		device_hang(device, true);
	else if (strcmp(verb, "resume") == 0)
		device_hang(device, false);
	else
		return -EINVAL;
	return 0;
}

static int apply_to_all(const char *verb)
{
	int r = 0;

	if (strcmp(verb, "remove") == 0)
		while (devices)
			remove_device(devices->name);
	for (struct device *device = devices; device && r == 0; device = device->next)
		r = apply(device, verb);
	return r;
}

static int run(char *line)
{
	char *verb = strsep(&line, " "), *name = strsep(&line, " ");
	struct device *device;

	if (!name)
		return -EINVAL;
	if (strcmp(verb, "add") == 0)
		return add(name, line);
	if (strcmp(name, "*") == 0)
		return apply_to_all(verb);
	device = *find(name);
	if (!device)
		return -ENODEV;
	if (strcmp(verb, "remove") == 0)
		return remove_device(name);
	if (strcmp(verb, "set") == 0)
		return set_properties(device, line);
	return apply(device, verb);
}

/* Returns false at the end of input. */
static bool read_commands(void)
{
	static char buffer[4096];
	static size_t fill;
	ssize_t n = read(STDIN_FILENO, buffer + fill, sizeof(buffer) - 1 - fill);
	char *line = buffer, *end;

	if (n <= 0)
		return n < 0 && errno == EINTR;
	fill += (size_t)n;
	buffer[fill] = '\0';
	for (; (end = strchr(line, '\n')); line = end + 1) {
		int r;

		*end = '\0';
		r = run(line);
		if (r < 0)
			printf("error: %s\n", strerror(-r));
		else
			puts("ok");
	}
	fill -= (size_t)(line - buffer);
	memmove(buffer, line, fill);
	return fill < sizeof(buffer) - 1;
}

/* One turn: what can be done at once, then whatever happens next. Returns false at the end of input. */
static bool turn(void)
{
	static struct pollfd pollfds[1 + DEVICES_MAX * DEVICE_POLL_MAX];
	int count = 1, at = 1, timeout = -1;

	pollfds[0] = (struct pollfd){.fd = STDIN_FILENO, .events = POLLIN};
	for (struct device *device = devices; device; device = device->next) {
		if (device_step(device))
			timeout = RETRY_MS;
		count += device_poll(device, pollfds + count);
	}
	if (poll(pollfds, (nfds_t)count, timeout) < 0)
		return errno == EINTR;
	for (struct device *device = devices; device; device = device->next) {
		int entries = device->fd >= 0 ? 1 + (int)device->acm.functions : 0;

		if (entries)
			device_dispatch(device, pollfds + at);
		at += entries;
	}
	return !pollfds[0].revents || read_commands();
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 4096);
	while (turn())
		;
	apply_to_all("remove");
	return 0;
}
