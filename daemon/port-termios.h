/* SPDX-License-Identifier: MIT */
#pragma once

/* The kernel's own struct termios2, which takes any baud rate. A file of its own because its definitions and those of
 * <termios.h>, which <uv.h> needs, cannot be seen together. */

#include <stdbool.h>

/* Raw, 8N1, no echo, no HUPCL, local line, at once. 0/-errno. */
int termios_set_raw(int fd, unsigned int baud, bool rtscts);
/* The baud rate that the driver has really set. 0/-errno. */
int termios_baud(int fd, unsigned int *ret);
void termios_discard_output(int fd); /* what the other end has not read */
