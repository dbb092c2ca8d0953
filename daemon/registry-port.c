/* SPDX-License-Identifier: MIT */

/* The ports on USB, managed or not, and who is told of them. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/registry-private.h"

/* ttyACM2 before ttyACM10. */
static int by_tty(const void *a, const void *b)
{
	const struct usb_port *const *one = a, *const *other = b;
	return strverscmp((*one)->node, (*other)->node);
}

int registry_ports(const struct registry *r, const struct usb_port ***ret, size_t *ret_count)
{
	const struct usb_port *port = NULL, **ports;
	size_t count = 0, i = 0;

	while (r->usb && (port = usb_next(r->usb, port)))
		count++;
	ports = calloc(count + 1, sizeof(*ports));
	if (!ports)
		return -ENOMEM;
	while (r->usb && (port = usb_next(r->usb, port)))
		ports[i++] = port;
	qsort(ports, count, sizeof(*ports), by_tty);
	*ret = ports;
	*ret_count = count;
	return 0;
}

static const struct device_candidate *find_port(const struct device *d, const struct usb_port *port)
{
	for (size_t i = 0; i < d->private->candidate_count; i++)
		if (strcmp(d->private->candidates[i].syspath, port->syspath) == 0)
			return &d->private->candidates[i];
	return NULL;
}

struct device *registry_port_device(const struct registry *r, const struct usb_port *port)
{
	for (size_t i = 0; i < r->device_count; i++)
		if (find_port(r->devices[i], port))
			return r->devices[i];
	return NULL;
}

/* Its bootloader may have product ids that fit none. */
const struct config_device *registry_port_section(const struct registry *r, const struct usb_port *port)
{
	const struct device *d = registry_port_device(r, port);
	const struct device_candidate *c = d ? find_port(d, port) : NULL;

	return c && c->config ? c->config : config_find(r->config, port);
}

const struct config *registry_config(const struct registry *r)
{
	return r->config;
}

void registry_set_socket_group(struct registry *r, gid_t group)
{
	r->socket_group = group;
}

gid_t registry_socket_group(const struct registry *r)
{
	return r->socket_group;
}

void registry_ports_observe(struct registry *r, struct registry_port_observer *o)
{
	o->next = r->port_observers;
	r->port_observers = o;
}

void registry_ports_unobserve(struct registry *r, struct registry_port_observer *o)
{
	for (struct registry_port_observer **at = &r->port_observers; *at; at = &(*at)->next)
		if (*at == o) {
			*at = o->next;
			return;
		}
}

void registry_ports_changed(struct registry *r)
{
	struct registry_port_observer *next;

	for (struct registry_port_observer *o = r->port_observers; o; o = next) {
		next = o->next;
		o->changed(o);
	}
}
