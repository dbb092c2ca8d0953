/* SPDX-License-Identifier: MIT */
#pragma once

/* Places on USB, as text. A port has two names for its place: udev's ID_PATH (pci-0000:00:14.0-usb-0:1.4.2:1.0), which says the
 * controller and then the ports of the hubs on the way, and the kernel's bus path (1-1.4.2:1.0), which says the number of the
 * bus instead. Both end in configuration and interface; without them they name a port of a hub, and whatever is plugged in
 * there: a board, or another hub with boards below it. usb1 (or pci-0000:00:14.0) is the bus itself (all buses of the
 * controller).
 *
 * Pure text: no look at the system. */

#include <stdbool.h>

/* How a port's place fits what was asked for; larger fits better. */
enum place_fit { PLACE_ELSEWHERE, PLACE_BELOW, PLACE_EXACT };

/* place: one name of a port's place, or NULL, which fits nothing. EXACT: the very same, or wanted without its interface. BELOW:
 * wanted is a hub on the way to it, at any depth; names end at a component, so 1-1.4 is no hub of 1-1.40. */
enum place_fit place_fits(const char *wanted, const char *place);

/* How deep a place is: hub ports on the way to it. 0: a bus or a controller. */
unsigned int place_depth(const char *place);

bool place_is_bus_path(const char *place); /* not an ID_PATH */
bool place_is_bus(const char *place);	   /* usb1, pci-0000:00:14.0: no board is ever in there itself */

/* May be a hub: it names no interface. */
bool place_may_be_hub(const char *place);

/* "/sys/devices/.../1-1.4/1-1.4:1.0/tty/ttyACM0" -> "1-1.4:1.0"; of a USB device "1-1.4" or "usb1". malloc'd; NULL: not on USB, or
 * no memory. */
char *place_bus_path(const char *syspath);
