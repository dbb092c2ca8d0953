/* SPDX-License-Identifier: MIT */
/* list: the boards, or with --all-ports whatever is plugged in. */
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/port.h"
#include "libclient/mcumgrctl/table.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/verbs.h"
#include "proto/macro.h"

const struct arg list_ports_options[] = {
	{ "all-ports", .kind = ARG_FLAG, .help = "every serial port on USB, also those that nothing manages" },
	{ NULL },
};

/* Names in an array of strings, with a comma between. malloc'd. */
static char *names(json_object *object, const char *key)
{
	char *text = format("%s", "");

	for (size_t i = 0; i < member_count(object, key); i++) {
		char *longer = format("%s%s%s", text, i ? "," : "", json_object_get_string(member_at(object, key, i)));
		free(text);
		text = longer;
	}
	return text;
}

/* Why it is in this state, and that it is one of several with a serial number. malloc'd. */
static char *remark(json_object *device)
{
	_cleanup_free_ char *twins = names(device, "sameSerial");
	const char *reason = member_string(device, "reason");

	return format("%s%s%s%s", reason ? reason : "", reason && *twins ? "; " : "",
		*twins ? "same serial number as " : "", twins);
}

static bool any(json_object *reply, const char *key)
{
	size_t i, n = member_count(reply, "devices");

	for (i = 0; i < n; i++)
		if (json_object_object_get(member_at(reply, "devices", i), key))
			return true;
	return false;
}

#define EXTRA_COLUMNS 6 /* from here on only where a board has something in them */

static void print_device(struct table *t, json_object *d, const char *const *columns)
{
	json_object *lease = json_object_object_get(d, "lease");
	_cleanup_free_ char *usb = port_usb_id(d), *shown = device_state(d), *tags = names(d, "tags"), *why = remark(d);
	_cleanup_free_ char *holder = lease ? lease_holder(lease) : NULL;
	const char *cells[EXTRA_COLUMNS + 4] = { member_string(d, "id"), member_string(d, "name"), shown,
		member_string(d, "tty"), usb, member_string(d, "version") };

	for (size_t i = EXTRA_COLUMNS; columns[i]; i++)
		cells[i] = strcmp(columns[i], "TAGS") == 0 ? tags : strcmp(columns[i], "REASON") == 0 ? why : holder;
	table_row(t, cells);
}

/* Behind the boards, when sections name any. */
static void print_hubs(struct board *b, json_object *reply, size_t boards)
{
	static const char *const columns[] = { "HUB", "STATE", "SECTION", "BOARDS", NULL };
	size_t i, n = member_count(reply, "hubs");
	struct table *t;

	if (!n)
		return;
	if (boards)
		fputc('\n', b->out);
	t = table_new(columns);
	for (i = 0; i < n; i++) {
		json_object *h = member_at(reply, "hubs", i);
		_cleanup_free_ char *sections = names(h, "sections"), *state = device_state(h), *below = names(h, "devices");

		table_row(t, (const char *const[]){ member_string(h, "path"), state, sections,
				     *below ? below : member_string(h, "state") && !strcmp(member_string(h, "state"), "attached")
					     ? "none" : NULL });
	}
	table_print(t, b->out);
}

static void print_devices(struct board *b, json_object *reply)
{
	const char *columns[EXTRA_COLUMNS + 4] = { "ID", "ALIAS", "STATE", "TTY", "USB", "VERSION" };
	size_t i, n = member_count(reply, "devices"), extra = EXTRA_COLUMNS;
	struct table *t;

	if (!n && !member_count(reply, "hubs")) {
		note(b, "No boards: nothing is plugged in that a section of mcumgrd.conf(5) manages. "
			"See mcumgrctl list --all-ports, and mcumgrctl suggest.\n");
		return;
	}
	if (any(reply, "tags"))
		columns[extra++] = "TAGS";
	if (any(reply, "lease"))
		columns[extra++] = "LOCKED BY";
	if (any(reply, "reason") || any(reply, "sameSerial"))
		columns[extra++] = "REASON";
	t = n ? table_new(columns) : NULL;
	for (i = 0; i < n; i++)
		print_device(t, member_at(reply, "devices", i), columns);
	if (t)
		table_print(t, b->out);
	print_hubs(b, reply, n);
}

static void print_ports(struct board *b, json_object *reply)
{
	static const char *const columns[] = { "TTY", "USB", "SERIAL", "PATH", "DRIVER", "SECTION", "BOARD", "PRODUCT", NULL };
	size_t i, n = member_count(reply, "ports");
	struct table *t;

	if (!n) {
		note(b, "No serial port on USB.\n");
		return;
	}
	t = table_new(columns);
	for (i = 0; i < n; i++) {
		json_object *p = member_at(reply, "ports", i);
		_cleanup_free_ char *usb = port_usb_id(p);

		table_row(t, (const char *const[]){ member_string(p, "tty"), usb, member_string(p, "serial"),
				     member_string(p, "path"), member_string(p, "driver"), member_string(p, "section"),
				     member_string(p, "device"), member_string(p, "product") });
	}
	table_print(t, b->out);
}

enum next list_next(struct board *b, json_object *reply, const struct mcumgr_error *error)
{
	bool ports = args_value(b->ctl->args, "all-ports")->given;

	if (error)
		return NEXT_ERROR;
	if (!reply)
		return board_call(b, ports ? "Ports" : "List", b->ctl->parameters);
	if (ports)
		print_ports(b, reply);
	else
		print_devices(b, reply);
	return NEXT_DONE;
}
