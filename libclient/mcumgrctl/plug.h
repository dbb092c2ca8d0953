/* SPDX-License-Identifier: MIT */
#pragma once

/* What is plugged in, by board: the ports of one hub port (where udev tells none: of one serial number; where there is
 * neither: each port by itself). Made from what the method Ports replies, and borrows its strings. */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>

#define PLUG_PORTS_MAX 16

struct plug {
	json_object *ports[PLUG_PORTS_MAX]; /* Port objects; more are left out */
	size_t port_count;
	char *hub; /* ID_PATH without the interface, as `path` takes it; NULL: unknown */
	const char *serial, *manufacturer, *product, *driver; /* NULL: unknown */
	const char *section; /* that manages one of its ports, or NULL */
	const char *device;  /* its id, or NULL */
	const char *since;   /* of the newest port */
};

/* In the order of their first ports; count is 0 for a reply without ports. plugs_free() frees them. */
struct plug *plugs_find(json_object *reply, size_t *ret_count);
void plugs_free(struct plug *plugs, size_t count);

/* "pci-0000:00:14.0-usb-0:2.3:1.0" -> "pci-0000:00:14.0-usb-0:2.3". malloc'd; NULL for NULL. */
char *plug_hub(const char *path);
