/* SPDX-License-Identifier: MIT */
/* Serial ports on USB, and interfaces that should be one, from sysfs. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/host.h"
#include "libclient/mcumgrctl/text.h"
#include "proto/macro.h"

#define DEPTH_MAX 32 /* of hubs and controllers above a port */

static unsigned int hexadecimal(const char *text)
{
	return text ? (unsigned int)strtoul(text, NULL, 16) : 0;
}

static char *attribute(const char *directory, const char *name)
{
	_cleanup_free_ char *path = format("%s/%s", directory, name);

	return host_line(path);
}

/* --- ports -------------------------------------------------------------------------------------------------------- */

/* The directory of a device in sysfs, links resolved, without the root. */
static char *device_directory(const char *link)
{
	_cleanup_free_ char *full = host_path(link), *root = host_path(""), *real = realpath(full, NULL);
	_cleanup_free_ char *real_root = *root ? realpath(root, NULL) : format("%s", "");
	size_t size = real_root ? strlen(real_root) : 0;

	return real && real_root && strncmp(real, real_root, size) == 0 ? format("%s", real + size) : NULL;
}

/* The nearest directory at or above this one that has the file. */
static char *above(const char *directory, const char *name)
{
	_cleanup_free_ char *at = format("%s", directory);
	int depth;

	for (depth = 0; depth < DEPTH_MAX && *at; depth++) {
		_cleanup_free_ char *file = format("%s/%s", at, name);
		char *slash = strrchr(at, '/');

		if (host_exists(file))
			return TAKE_PTR(at);
		if (!slash)
			break;
		*slash = '\0';
	}
	return NULL;
}

static bool database_says(const char *kind, const char *number, const char *property)
{
	_cleanup_free_ char *path = format("/run/udev/data/%s%s", kind, number), *full = host_path(path);
	char line[512];
	bool found = false;
	FILE *f = fopen(full, "re");

	while (f && !found && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		found = strncmp(line, "E:", 2) == 0 && strcmp(line + 2, property) == 0;
	}
	if (f)
		fclose(f);
	return found;
}

static bool is_left_alone(const char *tty_number, const char *usb_number)
{
	return (tty_number && (database_says("c", tty_number, "ID_MM_PORT_IGNORE=1") ||
				      database_says("c", tty_number, "ID_MM_DEVICE_IGNORE=1"))) ||
	       (usb_number && database_says("c", usb_number, "ID_MM_DEVICE_IGNORE=1"));
}

static bool fill_tty(struct host_tty *t, const char *name)
{
	_cleanup_free_ char *link = format("/sys/class/tty/%s", name), *directory = device_directory(link);
	_cleanup_free_ char *usb = directory ? above(directory, "idVendor") : NULL, *vendor = NULL, *product = NULL;
	_cleanup_free_ char *interface = NULL, *number = NULL, *driver = NULL, *usb_number = NULL;

	if (!usb)
		return false;
	interface = above(directory, "bInterfaceNumber");
	vendor = attribute(usb, "idVendor");
	product = attribute(usb, "idProduct");
	number = interface ? attribute(interface, "bInterfaceNumber") : NULL;
	driver = interface ? format("%s/driver", interface) : NULL;
	usb_number = attribute(usb, "dev");
	*t = (struct host_tty){
		.node = format("/dev/%s", name),
		.usb = format("%s", strrchr(usb, '/') + 1),
		.driver = driver ? host_link(driver) : NULL,
		.serial = attribute(usb, "serial"),
		.manufacturer = attribute(usb, "manufacturer"),
		.product = attribute(usb, "product"),
		.number = attribute(directory, "dev"),
		.vendor_id = hexadecimal(vendor),
		.product_id = hexadecimal(product),
		.interface = number ? (int)hexadecimal(number) : -1,
	};
	t->left_alone = is_left_alone(t->number, usb_number);
	return true;
}

struct host_tty *host_ttys(size_t *ret_count)
{
	size_t i, n, count = 0;
	char **names = host_names("/sys/class/tty", &n);
	struct host_tty *ttys = calloc(n + 1, sizeof(*ttys));

	if (!ttys)
		out_of_memory();
	for (i = 0; i < n; i++)
		count += fill_tty(&ttys[count], names[i]);
	host_names_free(names, n);
	*ret_count = count;
	return ttys;
}

void host_ttys_free(struct host_tty *ttys, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		free(ttys[i].node);
		free(ttys[i].usb);
		free(ttys[i].driver);
		free(ttys[i].serial);
		free(ttys[i].manufacturer);
		free(ttys[i].product);
		free(ttys[i].number);
	}
	free(ttys);
}

/* --- what has no driver ------------------------------------------------------------------------------------------- */

#define CLASS_COMMUNICATION 0x02 /* subclass 2: abstract control model, a serial port */
#define CLASS_VENDOR 0xff

static const struct driver {
	unsigned int class, vendor_id; /* 0: any vendor */
	const char *module, *option;
} drivers[] = {
	{ CLASS_COMMUNICATION, 0, "cdc_acm", "CONFIG_USB_ACM" },
	{ CLASS_VENDOR, 0x0403, "ftdi_sio", "CONFIG_USB_SERIAL_FTDI_SIO" },
	{ CLASS_VENDOR, 0x10c4, "cp210x", "CONFIG_USB_SERIAL_CP210X" },
	{ CLASS_VENDOR, 0x1a86, "ch341", "CONFIG_USB_SERIAL_CH341" },
	{ CLASS_VENDOR, 0x067b, "pl2303", "CONFIG_USB_SERIAL_PL2303" },
};

static const struct driver *driver_for(unsigned int class, unsigned int subclass, unsigned int vendor_id)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(drivers); i++)
		if (drivers[i].class == class && (class != CLASS_COMMUNICATION || subclass == 2) &&
			(!drivers[i].vendor_id || drivers[i].vendor_id == vendor_id))
			return &drivers[i];
	return NULL;
}

static unsigned int number_of(const char *directory, const char *name)
{
	_cleanup_free_ char *text = attribute(directory, name);

	return hexadecimal(text);
}

/* name: of an interface, "1-2.3:1.0". */
static bool fill_orphan(struct host_orphan *o, const char *name)
{
	_cleanup_free_ char *interface = format("/sys/bus/usb/devices/%s", name), *driver = format("%s/driver", interface);
	_cleanup_free_ char *usb = format("%.*s", (int)strcspn(name, ":"), name), *taken = host_link(driver);
	_cleanup_free_ char *device = format("/sys/bus/usb/devices/%s", usb);
	const struct driver *wanted = driver_for(number_of(interface, "bInterfaceClass"),
		number_of(interface, "bInterfaceSubClass"), number_of(device, "idVendor"));

	if (!wanted || taken)
		return false;
	*o = (struct host_orphan){
		.usb = TAKE_PTR(usb),
		.product = attribute(device, "product"),
		.vendor_id = number_of(device, "idVendor"),
		.product_id = number_of(device, "idProduct"),
		.module = wanted->module,
		.option = wanted->option,
	};
	return true;
}

struct host_orphan *host_orphans(size_t *ret_count)
{
	size_t i, n, count = 0;
	char **names = host_names("/sys/bus/usb/devices", &n);
	struct host_orphan *orphans = calloc(n + 1, sizeof(*orphans));

	if (!orphans)
		out_of_memory();
	for (i = 0; i < n; i++)
		if (strchr(names[i], ':'))
			count += fill_orphan(&orphans[count], names[i]);
	host_names_free(names, n);
	*ret_count = count;
	return orphans;
}

void host_orphans_free(struct host_orphan *orphans, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		free(orphans[i].usb);
		free(orphans[i].product);
	}
	free(orphans);
}
