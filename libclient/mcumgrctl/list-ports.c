/* SPDX-License-Identifier: MIT */
#include <json-c/json.h>
#include <stdio.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/host.h"
#include "libclient/mcumgrctl/list-ports.h"
#include "libclient/mcumgrctl/text.h"
#include "proto/macro.h"

static void add(json_object *port, const char *name, const char *value)
{
	if (value)
		json_object_object_add(port, name, json_object_new_string(value));
}

/* The members are those of the API's Port. */
static json_object *describe(const struct host_tty *t)
{
	json_object *port = json_object_new_object();

	add(port, "tty", t->node);
	json_object_object_add(port, "vendorId", json_object_new_int64(t->vendor_id));
	json_object_object_add(port, "productId", json_object_new_int64(t->product_id));
	if (t->interface >= 0)
		json_object_object_add(port, "interface", json_object_new_int(t->interface));
	add(port, "serial", t->serial);
	add(port, "manufacturer", t->manufacturer);
	add(port, "product", t->product);
	add(port, "driver", t->driver);
	return port;
}

static void print(const struct host_tty *t, const char *usb)
{
	_cleanup_free_ char *node = format("%s", show(t->node)), *product = format("%s", t->product ? show(t->product) : "");

	printf("%s  %s%s%s\n", node, usb, *product ? "  " : "", product);
}

int list_ports(const struct ctl *ctl)
{
	json_object *ports = json_object_new_array(), *all = json_object_new_object();
	size_t i, count;
	struct host_tty *ttys = host_ttys(&count);

	for (i = 0; i < count; i++) {
		const struct host_tty *t = &ttys[i];
		_cleanup_free_ char *interface = t->interface >= 0 ? format(":%d", t->interface) : format("%s", "");
		_cleanup_free_ char *usb = format("%04x:%04x%s", t->vendor_id, t->product_id, interface);

		if (ctl->json)
			json_object_array_add(ports, describe(t));
		else
			print(t, usb);
	}
	if (count == 0 && !ctl->json && !ctl->quiet)
		fputs("No serial port on USB.\n", stderr);
	json_object_object_add(all, "ports", ports);
	if (ctl->json)
		ctl_print_json(all);
	json_object_put(all);
	host_ttys_free(ttys, count);
	return CODE_DONE;
}
