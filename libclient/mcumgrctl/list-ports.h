/* SPDX-License-Identifier: MIT */
#pragma once

/* --serial or --usb-serial without a value: the serial ports on USB, as the kernel has them, whether a daemon runs or not. */

struct ctl;

/* Prints them; an exit code. */
int list_ports(const struct ctl *ctl);
