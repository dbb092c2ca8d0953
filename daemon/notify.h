/* SPDX-License-Identifier: MIT */
#pragma once

/* sd_notify without a library: READY=1, STATUS=, STOPPING=1, WATCHDOG=1 to $NOTIFY_SOCKET; silent when there is none. */

#include <stdint.h>

int notify_send(const char *format, ...) __attribute__((format(printf, 1, 2)));
uint64_t notify_watchdog_us(void); /* WATCHDOG_USEC for this process, or 0 */
int notify_listen_fds(void);	   /* LISTEN_FDS for this process; close-on-exec set; descriptors from 3 */
