/* SPDX-License-Identifier: MIT */

#include "daemon/usb.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "daemon/log.h"
#include "daemon/place.h"
#include "daemon/usb-private.h"
#include "proto/macro.h"

#define RECEIVE_BUFFER_BYTES (4 << 20)

struct entry {
	struct usb_port port; /* first, so that it is what callbacks get */
	struct entry *next;
	bool seen; /* by the enumeration under way */
};

struct usb {
	uv_loop_t *loop;
	struct usb_callbacks callbacks;
	void *user;
	struct udev *udev;
	struct udev_monitor *monitor;
	uv_poll_t poll;
	bool polling, closing;
	bool lost; /* events, so that those still to be read tell of things that may be over */
	struct entry *entries;
	struct hub_list hubs;
};

const char *usb_property(struct udev_device *d, const char *name)
{
	const char *value = udev_device_get_property_value(d, name);
	return value && *value ? value : NULL;
}

static unsigned int hexadecimal(const char *text, unsigned int otherwise)
{
	char *end;
	if (!text)
		return otherwise;
	unsigned long value = strtoul(text, &end, 16);
	return end == text || *end || value > 0xffff ? otherwise : (unsigned int)value;
}

static char *copy_of(const char *text)
{
	return text ? strdup(text) : NULL;
}

/* udev keeps the board's own strings with odd characters as \xNN. */
static char *decode(const char *text)
{
	char *copy = strdup(text), *out = copy;
	for (const char *s = text; copy && *s; s++) {
		char digits[3] = "";
		if (s[0] == '\\' && s[1] == 'x' && isxdigit((unsigned char)s[2]) && isxdigit((unsigned char)s[3])) {
			memcpy(digits, s + 2, 2);
			*out++ = (char)strtoul(digits, NULL, 16);
			s += 3;
		} else {
			*out++ = *s;
		}
	}
	if (copy)
		*out = 0;
	return copy;
}

/* What the board says of itself, else what the hardware database says. sysfs is only read when udev has kept nothing: the
 * kernel answers it with the device locked, which takes long while a board misbehaves. */
static char *describe(struct udev_device *d, const char *encoded, const char *id, const char *database, const char *attribute)
{
	const char *text = usb_property(d, encoded), *number = usb_property(d, id);
	if (text && (!number || strcasecmp(text, number))) /* without a string udev puts the number there */
		return decode(text);
	if ((text = usb_property(d, database)))
		return strdup(text);
	if (usb_property(d, encoded))
		return NULL;
	struct udev_device *parent = udev_device_get_parent_with_subsystem_devtype(d, "usb", "usb_device");
	text = parent ? udev_device_get_sysattr_value(parent, attribute) : NULL;
	return text && *text ? strdup(text) : NULL;
}

static void entry_free(struct entry *e)
{
	free(e->port.syspath);
	free(e->port.node);
	free(e->port.path);
	free(e->port.bus_path);
	free(e->port.serial);
	free(e->port.manufacturer);
	free(e->port.product);
	free(e->port.driver);
	free(e);
}

uint64_t usb_plugged_us(struct udev_device *d)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	uint64_t now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	uint64_t ago_us = udev_device_get_usec_since_initialized(d);
	return ago_us < now_us ? now_us - ago_us : now_us;
}

static struct entry *entry_new(struct udev_device *d)
{
	struct entry *e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	struct usb_port *p = &e->port;
	p->since_us = usb_plugged_us(d);
	p->syspath = copy_of(udev_device_get_syspath(d));
	p->node = copy_of(udev_device_get_devnode(d));
	p->path = copy_of(usb_property(d, "ID_PATH"));
	p->bus_path = place_bus_path(p->syspath);
	p->serial = copy_of(usb_property(d, "ID_SERIAL_SHORT"));
	p->driver = copy_of(usb_property(d, "ID_USB_DRIVER"));
	p->manufacturer = describe(d, "ID_VENDOR_ENC", "ID_VENDOR_ID", "ID_VENDOR_FROM_DATABASE", "manufacturer");
	p->product = describe(d, "ID_MODEL_ENC", "ID_MODEL_ID", "ID_MODEL_FROM_DATABASE", "product");
	p->vendor_id = hexadecimal(usb_property(d, "ID_VENDOR_ID"), 0);
	p->product_id = hexadecimal(usb_property(d, "ID_MODEL_ID"), 0);
	p->interface = (int)hexadecimal(usb_property(d, "ID_USB_INTERFACE_NUM"), UINT16_MAX + 1u);
	if (p->interface > UINT16_MAX)
		p->interface = -1;
	if (!p->syspath || !p->node) {
		entry_free(e);
		return NULL;
	}
	return e;
}

static struct entry **find(struct usb *u, const char *syspath)
{
	struct entry **at = &u->entries;
	while (*at && strcmp((*at)->port.syspath, syspath))
		at = &(*at)->next;
	return at;
}

static void forget(struct usb *u, const char *syspath)
{
	struct entry **at = find(u, syspath), *e = *at;
	if (!e)
		return;
	*at = e->next;
	log_info(NULL, "usb", "%s unplugged", e->port.node);
	u->callbacks.removed(u->user, &e->port);
	entry_free(e);
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Whether it is another board although the kernel gave it the same name: unplugged and plugged while nobody listened. */
static bool is_other(const struct usb_port *a, const struct usb_port *b)
{
	return strcmp(a->node, b->node) || !same_text(a->path, b->path) || !same_text(a->serial, b->serial) ||
		a->vendor_id != b->vendor_id || a->product_id != b->product_id || a->interface != b->interface;
}

/* NULL: not a port on USB. */
static struct entry *entry_of(struct udev_device *d)
{
	const char *bus = usb_property(d, "ID_BUS"), *subsystem = udev_device_get_subsystem(d);
	bool wanted = subsystem && !strcmp(subsystem, "tty") && bus && !strcmp(bus, "usb");
	return wanted ? entry_new(d) : NULL;
}

/* The same board at the same place, under the same name. */
static struct entry *known(struct usb *u, const struct entry *e)
{
	struct entry *old = *find(u, e->port.syspath);
	return old && !is_other(&old->port, &e->port) ? old : NULL;
}

static void add(struct usb *u, struct entry *e)
{
	e->seen = true;
	e->next = u->entries;
	u->entries = e;
	char identifier[64];
	usb_port_identifier(&e->port, identifier, sizeof(identifier));
	log_info(NULL, "usb", "%s plugged: %s %s %s, serial number %s, at %s", e->port.node, identifier,
			e->port.manufacturer ? e->port.manufacturer : "-", e->port.product ? e->port.product : "-",
			e->port.serial ? e->port.serial : "-", e->port.path ? e->port.path : "-");
	u->callbacks.added(u->user, &e->port);
}

static void learn(struct usb *u, struct udev_device *d)
{
	struct entry *e = entry_of(d);
	if (!e)
		return;
	if (known(u, e)) {
		entry_free(e);
		return;
	}
	forget(u, e->port.syspath);
	add(u, e);
}

static void forget_unseen(struct usb *u)
{
	struct entry *e = u->entries;
	while (e) {
		if (e->seen) {
			e = e->next;
			continue;
		}
		forget(u, e->port.syspath);
		e = u->entries; /* the list has changed: from the start */
	}
}

/* Marks those that are known; the others are the caller's to add. */
static struct entry *look_at(struct usb *u, struct udev_list_entry *list)
{
	struct entry *fresh = NULL, **end = &fresh;
	struct udev_list_entry *item;

	udev_list_entry_foreach(item, list) {
		_cleanup_(udev_device_unrefp) struct udev_device *d =
			udev_device_new_from_syspath(u->udev, udev_list_entry_get_name(item));
		struct entry *e = d ? entry_of(d) : NULL, *old = e ? known(u, e) : NULL;
		if (old) {
			old->seen = true;
			entry_free(e);
		} else if (e) {
			*end = e;
			end = &e->next;
		}
	}
	return fresh;
}

static int enumerate(struct usb *u)
{
	int hubs = hub_list_enumerate(&u->hubs, u->udev);
	if (hubs < 0)
		log_warning(NULL, "usb", "cannot list the hubs: %s", strerror(-hubs));
	_cleanup_(udev_enumerate_unrefp) struct udev_enumerate *all = udev_enumerate_new(u->udev);
	if (!all)
		return -ENOMEM;
	int r = udev_enumerate_add_match_subsystem(all, "tty");
	if (r >= 0)
		r = udev_enumerate_add_match_property(all, "ID_BUS", "usb");
	if (r >= 0)
		r = udev_enumerate_scan_devices(all);
	if (r < 0)
		return r;
	for (struct entry *e = u->entries; e; e = e->next)
		e->seen = false;
	/* Those that have gone are told of first: a board is in one place, and a tty name belongs to one board. */
	struct entry *fresh = look_at(u, udev_enumerate_get_list_entry(all));
	forget_unseen(u);
	while (fresh) {
		struct entry *e = fresh;
		fresh = e->next;
		add(u, e);
	}
	return 0;
}

static void take_event(struct usb *u, struct udev_device *d)
{
	const char *action = udev_device_get_action(d), *syspath = udev_device_get_syspath(d);
	if (!action || !syspath)
		return;
	const char *subsystem = udev_device_get_subsystem(d);
	if (subsystem && !strcmp(subsystem, "usb")) {
		hub_list_event(&u->hubs, d, action);
		return;
	}
	log_debug(NULL, "usb", "%s %s", action, syspath);
	if (!strcmp(action, "move") && usb_property(d, "DEVPATH_OLD")) {
		_cleanup_free_ char *old = NULL;
		if (asprintf(&old, "/sys%s", usb_property(d, "DEVPATH_OLD")) >= 0)
			forget(u, old);
	}
	if (!strcmp(action, "remove") || !strcmp(action, "offline"))
		forget(u, syspath);
	else if (strcmp(action, "unbind"))
		learn(u, d);
}

/* After a loss what had been waiting is thrown away, then everything looked at: an old event would bring back a board whose
 * going was lost. What happens from now on comes as an event. */
static void look_again(struct usb *u)
{
	u->lost = false;
	log_warning(NULL, "usb", "events were lost; looking at everything again");
	int r = enumerate(u);
	if (r < 0)
		log_error(NULL, "usb", "cannot list the ports: %s", strerror(-r));
}

/* libudev says the same of a message that it does not trust and of an empty queue. */
static bool is_drained(struct usb *u)
{
	struct pollfd waiting = { .fd = udev_monitor_get_fd(u->monitor), .events = POLLIN };
	return poll(&waiting, 1, 0) <= 0;
}

static void on_readable(uv_poll_t *handle, int status, int events)
{
	struct usb *u = handle->data;
	(void)events;
	while (!u->closing) {
		errno = 0;
		_cleanup_(udev_device_unrefp) struct udev_device *d = udev_monitor_receive_device(u->monitor);
		if (d && !u->lost)
			take_event(u, d);
		else if (!d && errno == ENOBUFS)
			u->lost = true;
		else if (!d && errno != EINTR && is_drained(u))
			break;
	}
	if (u->lost && !u->closing)
		look_again(u);
	if (status < 0 && !u->closing)
		log_debug(NULL, "usb", "monitor: %s", uv_strerror(status));
}

int usb_new(uv_loop_t *loop, const struct usb_callbacks *callbacks, void *user, struct usb **ret)
{
	struct usb *u = calloc(1, sizeof(*u));
	if (!u)
		return -ENOMEM;
	u->loop = loop;
	u->callbacks = *callbacks;
	u->user = user;
	u->hubs = (struct hub_list){ .changed = callbacks->hubs_changed, .user = user };
	u->udev = udev_new();
	u->monitor = u->udev ? udev_monitor_new_from_netlink(u->udev, "udev") : NULL;
	if (!u->monitor) {
		int error = errno > 0 ? errno : ENOMEM;
		udev_unref(u->udev);
		free(u);
		return -error;
	}
	*ret = u;
	return 0;
}

static int listen_to_events(struct usb *u)
{
	int r = udev_monitor_filter_add_match_subsystem_devtype(u->monitor, "tty", NULL);
	if (r >= 0)
		r = udev_monitor_filter_add_match_subsystem_devtype(u->monitor, "usb", "usb_device");
	if (r < 0)
		return r;
	/* More than net.core.rmem_max needs a right that the service does not have; then the usual size has to do. */
	if (udev_monitor_set_receive_buffer_size(u->monitor, RECEIVE_BUFFER_BYTES) < 0) {
		int size = RECEIVE_BUFFER_BYTES;
		setsockopt(udev_monitor_get_fd(u->monitor), SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	}
	r = udev_monitor_enable_receiving(u->monitor);
	if (r < 0)
		return r;
	r = uv_poll_init(u->loop, &u->poll, udev_monitor_get_fd(u->monitor));
	if (r < 0)
		return r;
	u->poll.data = u;
	u->polling = true;
	return uv_poll_start(&u->poll, UV_READABLE, on_readable);
}

int usb_start(struct usb *u)
{
	int r = listen_to_events(u);
	return r < 0 ? r : enumerate(u);
}

static void destroy(struct usb *u)
{
	while (u->entries) {
		struct entry *e = u->entries;
		u->entries = e->next;
		entry_free(e);
	}
	hub_list_free(&u->hubs);
	udev_monitor_unref(u->monitor);
	udev_unref(u->udev);
	free(u);
}

static void on_closed(uv_handle_t *handle)
{
	destroy(handle->data);
}

void usb_close(struct usb *u)
{
	if (!u || u->closing)
		return;
	u->closing = true;
	if (u->polling)
		uv_close((uv_handle_t *)&u->poll, on_closed);
	else
		destroy(u);
}

const struct usb_port *usb_next(const struct usb *u, const struct usb_port *previous)
{
	const struct entry *e = previous ? ((const struct entry *)previous)->next : u->entries;
	return e ? &e->port : NULL;
}

const struct usb_hub *usb_next_hub(const struct usb *u, const struct usb_hub *previous)
{
	const struct hub_entry *h = previous ? ((const struct hub_entry *)previous)->next : u->hubs.first;
	return h ? &h->hub : NULL;
}

void usb_port_identifier(const struct usb_port *port, char *buffer, size_t size)
{
	if (port->interface < 0)
		snprintf(buffer, size, "%04x:%04x", port->vendor_id, port->product_id);
	else
		snprintf(buffer, size, "%04x:%04x:%d", port->vendor_id, port->product_id, port->interface);
}
