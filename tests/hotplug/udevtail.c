/* SPDX-License-Identifier: MIT */

/*
 * udevtail: what a program sees of ttys and USB devices through libudev. One line each: first those
 * that are there ("present"), then the word "listening", then events as they come:
 *
 *   ACTION SUBSYSTEM SYSNAME [TAB KEY=VALUE]...
 *
 * The monitor is on before the enumeration begins, so that nothing falls in between; a device may
 * therefore show up in both. Ends when its stdin does, or by a signal.
 */

#include <libudev.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void show(struct udev_device *device, const char *action)
{
	struct udev_list_entry *entry;

	printf("%s %s %s", action, udev_device_get_subsystem(device), udev_device_get_sysname(device));
	udev_list_entry_foreach(entry, udev_device_get_properties_list_entry(device))
		printf("\t%s=%s", udev_list_entry_get_name(entry), udev_list_entry_get_value(entry));
	putchar('\n');
}

static void enumerate(struct udev *udev)
{
	struct udev_enumerate *enumerate = udev_enumerate_new(udev);
	struct udev_list_entry *entry;

	udev_enumerate_add_match_subsystem(enumerate, "tty");
	udev_enumerate_add_match_property(enumerate, "ID_BUS", "usb");
	udev_enumerate_scan_devices(enumerate);
	udev_list_entry_foreach(entry, udev_enumerate_get_list_entry(enumerate))
	{
		struct udev_device *device = udev_device_new_from_syspath(udev, udev_list_entry_get_name(entry));

		if (device)
			show(device, "present");
		udev_device_unref(device);
	}
	udev_enumerate_unref(enumerate);
}

static struct udev_monitor *monitor_new(struct udev *udev)
{
	struct udev_monitor *monitor = udev_monitor_new_from_netlink(udev, "udev");

	if (!monitor)
		return NULL;
	udev_monitor_filter_add_match_subsystem_devtype(monitor, "tty", NULL);
	udev_monitor_filter_add_match_subsystem_devtype(monitor, "usb", "usb_device");
	udev_monitor_set_receive_buffer_size(monitor, 4 << 20);
	if (udev_monitor_enable_receiving(monitor) < 0)
		return udev_monitor_unref(monitor);
	return monitor;
}

static void follow(struct udev_monitor *monitor)
{
	struct pollfd pollfds[] = {
		{.fd = udev_monitor_get_fd(monitor), .events = POLLIN},
		{.fd = STDIN_FILENO},
	};

	while (poll(pollfds, 2, -1) >= 0 && !pollfds[1].revents) {
		struct udev_device *device = udev_monitor_receive_device(monitor);

		if (device)
			show(device, udev_device_get_action(device));
		udev_device_unref(device);
	}
}

int main(void)
{
	struct udev *udev = udev_new();
	struct udev_monitor *monitor = udev ? monitor_new(udev) : NULL;

	setvbuf(stdout, NULL, _IOLBF, 64 * 1024);
	if (!monitor) {
		fputs("udevtail: no udev monitor\n", stderr);
		return 1;
	}
	enumerate(udev);
	puts("listening");
	follow(monitor);
	udev_monitor_unref(monitor);
	udev_unref(udev);
	return 0;
}
