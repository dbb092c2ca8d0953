/* SPDX-License-Identifier: MIT */

#include "daemon/dry-run.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/usb.h"

struct listing {
	const struct config *config;
	unsigned int ports, managed;
};

static void print_line(const char *name, enum line_level level)
{
	if (level != LINE_KEEP)
		printf(", %s %s", name, level == LINE_ON ? "on" : "off");
}

static void print_plan(const struct config_device *d)
{
	printf("    would be opened exclusively at %u baud, %s flow control", d->baud, d->rtscts ? "RTS/CTS" : "no");
	print_line("DTR", d->dtr);
	print_line("RTS", d->rts);
	printf(", %s framing\n", d->raw ? "raw" : "console");
	switch (d->probe) {
	case PROBE_SMP:
		printf("    after %u ms without a byte sent (a boot banner ends them early): a newline, then SMP reads of the\n"
		       "    parameters (0/6), the images (1/0), the bootloader (0/8) and the groups (10), %u ms each\n",
				d->quiet_ms, d->timeout_ms);
		break;
	case PROBE_PASSIVE:
		puts("    nothing would be sent before a client asks");
		break;
	case PROBE_NEVER:
		puts("    nothing would be sent, for clients neither: only its console is kept");
		break;
	}
}

static const char *or_dash(const char *text)
{
	return text ? text : "-";
}

static void print_port(void *user, const struct usb_port *port)
{
	struct listing *l = user;
	const struct config_device *d = config_find(l->config, port);
	char identifier[64];
	usb_port_identifier(port, identifier, sizeof(identifier));
	l->ports++;
	printf("%s  %s  %s %s\n    serial number %s, path %s\n", port->node, identifier, or_dash(port->manufacturer),
			or_dash(port->product), or_dash(port->serial), or_dash(port->path));
	if (d) {
		l->managed++;
		printf("    managed by [device %s]\n", d->name);
		print_plan(d);
		return;
	}
	printf("    not managed; these lines would change that:\n        [device NAME]\n        match = %s\n", identifier);
}

static void ignore_port(void *user, const struct usb_port *port)
{
	(void)user;
	(void)port;
}

static void print_configured(struct listing *l)
{
	for (size_t i = 0; i < l->config->device_count; i++) {
		const struct config_device *d = &l->config->devices[i];
		if (!d->tty)
			continue;
		bool there = !access(d->tty, F_OK);
		printf("%s  --port, id %s%s\n", d->tty, d->name, there ? "" : "  (not there now)");
		print_plan(d);
		l->ports++;
		l->managed++;
	}
}

int dry_run(uv_loop_t *loop, const struct config *config)
{
	static const struct usb_callbacks callbacks = { .added = print_port, .removed = ignore_port };
	struct listing l = { .config = config };
	struct usb *usb;
	printf("configuration %s, socket %s, state directory %s\n", config->file ? config->file : "none",
			or_dash(config->socket), or_dash(config->state_dir));
	print_configured(&l);
	int r = usb_new(loop, &callbacks, &l, &usb);
	if (r == 0) {
		r = usb_start(usb);
		usb_close(usb);
		uv_run(loop, UV_RUN_DEFAULT);
	}
	if (r < 0) {
		fprintf(stderr, "mcumgrd: cannot list the USB ports: %s\n", strerror(-r));
		return r;
	}
	printf("%u serial port%s, %u managed\n", l.ports, l.ports == 1 ? "" : "s", l.managed);
	return 0;
}
