/* SPDX-License-Identifier: MIT */
/* list: the boards, or with --all-ports whatever is plugged in. */
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
		list_print(b, reply);
	return NEXT_DONE;
}
