/* SPDX-License-Identifier: MIT */
#pragma once

/* A file for /etc/udev/rules.d that makes the ports of the configured boards fit for mcumgrd: ModemManager leaves them alone
 * (ID_MM_DEVICE_IGNORE), they belong to the group that the service is in, FTDI chips hand over what they have received after
 * 1 ms instead of 16 (latency_timer), and none is suspended (power/control). reply: of Ports. */

#include <json-c/json.h>
#include <stdio.h>

void udev_rules_print(json_object *reply, FILE *f);
