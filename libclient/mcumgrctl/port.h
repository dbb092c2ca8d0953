/* SPDX-License-Identifier: MIT */
#pragma once

/* What Device and Port objects of the API say of a USB port. */

#include <json-c/json.h>

/* "2fe3:0100:2" as --device and `match` take it; "" for what is not USB. malloc'd. */
char *port_usb_id(json_object *port);
