/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "libclient/mcumgrctl/port.h"
#include "libclient/mcumgrctl/text.h"

char *port_usb_id(json_object *port)
{
	int64_t vendor, product, interface;

	if (!member_int(port, "vendorId", &vendor) || !member_int(port, "productId", &product))
		return format("%s", "");
	if (!member_int(port, "interface", &interface))
		return format("%04" PRIx64 ":%04" PRIx64, (uint64_t)vendor, (uint64_t)product);
	return format("%04" PRIx64 ":%04" PRIx64 ":%" PRId64, (uint64_t)vendor, (uint64_t)product, interface);
}
