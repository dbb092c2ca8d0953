/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/plug.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/udev-rules.h"
#include "proto/macro.h"

static const char head[] =
	"ACTION==\"remove\", GOTO=\"mcumgrd_boards_end\"\n"
	"SUBSYSTEM!=\"usb|usb-serial|tty\", GOTO=\"mcumgrd_boards_end\"\n"
	"SUBSYSTEM==\"usb\", ENV{DEVTYPE}!=\"usb_device\", GOTO=\"mcumgrd_boards_end\"\n"
	"ENV{ID_PATH}==\"\", IMPORT{builtin}=\"path_id\"\n\n";

static const char tail[] =
	"\nENV{.MCUMGRD_BOARD}!=\"1\", GOTO=\"mcumgrd_boards_end\"\n"
	"# ModemManager would send AT commands.\n"
	"ENV{ID_MM_DEVICE_IGNORE}=\"1\", ENV{ID_MM_PORT_IGNORE}=\"1\"\n"
	"# What the service is in.\n"
	"SUBSYSTEM==\"tty\", GROUP=\"dialout\", MODE=\"0660\"\n"
	"# No autosuspend: a board that sleeps loses what it is sent.\n"
	"SUBSYSTEM==\"usb\", TEST==\"power/control\", ATTR{power/control}=\"on\"\n"
	"# An FTDI chip keeps what it has received for 16 ms, a request and its answer for twice that.\n"
	"SUBSYSTEM==\"usb-serial\", DRIVERS==\"ftdi_sio\", ATTR{latency_timer}=\"1\"\n"
	"LABEL=\"mcumgrd_boards_end\"\n";

/* A value in a rule is a pattern in quotation marks: what has a meaning there becomes "any character". malloc'd. */
static char *pattern(const char *value)
{
	char *copy = format("%s", value), *s;

	for (s = copy; *s; s++)
		if (iscntrl((unsigned char)*s) || strchr("\"\\*?[]|{}", *s))
			*s = '?';
	return copy;
}

/* Once for each pair of ids that was found plugged in. */
static size_t print_ids(json_object *reply, const char *section, FILE *f)
{
	size_t i, k, printed = 0, n = member_count(reply, "ports");
	uint64_t *seen = calloc(n + 1, sizeof(*seen));

	if (!seen)
		out_of_memory();
	for (i = 0; i < n; i++) {
		json_object *port = member_at(reply, "ports", i);
		const char *by = member_string(port, "section");
		int64_t vendor, product;
		uint64_t ids;

		if (!by || strcmp(by, section) != 0 || !member_int(port, "vendorId", &vendor) ||
			!member_int(port, "productId", &product))
			continue;
		ids = (uint64_t)vendor << 16 | (uint64_t)product;
		for (k = 0; k < printed && seen[k] != ids; k++)
			;
		if (k < printed)
			continue;
		seen[printed++] = ids;
		fprintf(f, "ATTRS{idVendor}==\"%04" PRIx64 "\", ATTRS{idProduct}==\"%04" PRIx64 "\", ENV{.MCUMGRD_BOARD}=\"1\"\n",
			(uint64_t)vendor, (uint64_t)product);
	}
	free(seen);
	return printed;
}

/* A board's place, or a hub's: then whatever is below it. A bus path is the kernel's name of the device in that place. */
static void print_place(const char *path, FILE *f)
{
	bool bus = isdigit((unsigned char)*path) || strncmp(path, "usb", 3) == 0, port = strstr(path, "-usb-");
	_cleanup_free_ char *hub = port ? plug_hub(path) : format("%s", path), *place = pattern(hub);

	if (bus)
		fprintf(f, "KERNELS==\"%.*s\", ENV{.MCUMGRD_BOARD}=\"1\"\n", (int)strcspn(place, ":"), place);
	else
		fprintf(f, "ENV{ID_PATH}==\"%s|%s:*|%s%s\", ENV{.MCUMGRD_BOARD}=\"1\"\n", place, place, place,
			port ? ".*" : "-usb-*");
}

static void print_section(json_object *reply, json_object *section, FILE *f)
{
	const char *name = member_string(section, "name"), *serial = member_string(section, "serial");
	const char *path = member_string(section, "path");
	_cleanup_free_ char *number = serial ? pattern(serial) : NULL;

	/* A tty that the command line names is none of udev's business. */
	if (!name || member_string(section, "tty"))
		return;
	fprintf(f, "# [device %s]\n", show(name));
	if (number)
		fprintf(f, "ATTRS{serial}==\"%s\", ENV{.MCUMGRD_BOARD}=\"1\"\n", number);
	else if (path && *path)
		print_place(path, f);
	else if (!print_ids(reply, name, f))
		fputs("# ... nothing of it is plugged in: its USB ids are not known\n", f);
}

void udev_rules_print(json_object *reply, FILE *f)
{
	const char *configuration = member_string(reply, "configuration");
	size_t i;

	fprintf(f, "# The boards of %s. For /etc/udev/rules.d/70-mcumgrd-boards.rules; then: udevadm control --reload,\n"
		   "# udevadm trigger.\n", configuration ? show(configuration) : "mcumgrd");
	fputs(head, f);
	for (i = 0; i < member_count(reply, "sections"); i++)
		print_section(reply, member_at(reply, "sections", i), f);
	fputs(tail, f);
}
