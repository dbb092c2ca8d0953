/* SPDX-License-Identifier: MIT */

#include "daemon/place.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS "0123456789"

/* "1.0": configuration and interface, and nothing behind. */
static bool is_interface(const char *s)
{
	size_t configuration = strspn(s, DIGITS);

	return configuration && s[configuration] == '.' && s[configuration + 1] && !s[configuration + 1 + strspn(s + configuration + 1, DIGITS)];
}

/* "1.4.2", perhaps ":1.0" behind it. ret_ports: how many. */
static bool is_chain(const char *s, unsigned int *ret_ports)
{
	unsigned int ports = 0;

	for (;; s++) {
		size_t digits = strspn(s, DIGITS);
		if (!digits)
			return false;
		ports++;
		s += digits;
		if (*s != '.')
			break;
	}
	*ret_ports = ports;
	return !*s || (*s == ':' && is_interface(s + 1));
}

/* The hub ports in the name of a place; NULL: it names a bus, or nothing on USB. */
static const char *chain_of(const char *place)
{
	size_t bus = strspn(place, DIGITS);
	const char *last = NULL;

	if (bus && place[bus] == '-')
		return place + bus + 1;
	for (const char *s = place; (s = strstr(s, "-usb-")); s += 5)
		last = s + 5;
	if (!last)
		return NULL;
	last += strspn(last, DIGITS);
	return *last == ':' ? last + 1 : NULL;
}

unsigned int place_depth(const char *place)
{
	const char *chain = chain_of(place);
	unsigned int ports;

	return chain && is_chain(chain, &ports) ? ports : 0;
}

bool place_is_bus_path(const char *place)
{
	size_t bus = strspn(place, DIGITS);
	return (bus && place[bus] == '-') || (strncmp(place, "usb", 3) == 0 && place[3] && !place[3 + strspn(place + 3, DIGITS)]);
}

bool place_is_bus(const char *place)
{
	return !chain_of(place) && (place_is_bus_path(place) || strncmp(place, "pci-", 4) == 0);
}

bool place_may_be_hub(const char *place)
{
	const char *chain = chain_of(place);
	return !chain || !strchr(chain, ':');
}

/* A bus or a controller, and a port on it. */
static bool is_on_bus(const char *wanted, size_t size, const char *place)
{
	if (strncmp(wanted, "usb", 3) == 0 && wanted[3])
		return strncmp(place, wanted + 3, size - 3) == 0 && place[size - 3] == '-';
	const char *chain = strncmp(place, wanted, size) == 0 ? chain_of(place) : NULL;
	return chain && strncmp(place + size, "-usb-", 5) == 0 && place + size + 5 + strspn(place + size + 5, DIGITS) + 1 == chain;
}

enum place_fit place_fits(const char *wanted, const char *place)
{
	size_t size = strlen(wanted);
	const char *rest;
	unsigned int ports;

	if (!place || !size)
		return PLACE_ELSEWHERE;
	if (strcmp(wanted, place) == 0)
		return PLACE_EXACT;
	if (!chain_of(wanted) && is_on_bus(wanted, size, place))
		return PLACE_BELOW;
	if (strncmp(wanted, place, size))
		return PLACE_ELSEWHERE;
	rest = place + size;
	if (*rest == ':' && is_interface(rest + 1) && place_may_be_hub(wanted))
		return PLACE_EXACT;
	return *rest == '.' && place_depth(wanted) && place_may_be_hub(wanted) && is_chain(rest + 1, &ports) ? PLACE_BELOW
													    : PLACE_ELSEWHERE;
}

/* "1-1.4", "1-1.4:1.0", "usb1" */
static bool is_component(const char *s, size_t size)
{
	size_t bus = strspn(s, DIGITS);

	if (size > 3 && strncmp(s, "usb", 3) == 0)
		return 3 + strspn(s + 3, DIGITS) == size;
	return bus && s[bus] == '-' && bus + 1 < size && bus + 1 + strspn(s + bus + 1, DIGITS ".:") == size &&
		isdigit((unsigned char)s[bus + 1]);
}

char *place_bus_path(const char *syspath)
{
	const char *found = NULL;
	size_t found_size = 0;

	for (const char *s = syspath; s && *s;) {
		s += *s == '/';
		size_t size = strcspn(s, "/");
		if (is_component(s, size)) {
			found = s;
			found_size = size;
		}
		s += size;
	}
	return found ? strndup(found, found_size) : NULL;
}
