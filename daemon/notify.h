/* SPDX-License-Identifier: MIT */
#pragma once

/* sd_notify without a library: READY=1, STATUS=, STOPPING=1, WATCHDOG=1 to $NOTIFY_SOCKET; silent when there is none. And the
 * service manager's store of file descriptors: what is put there under a name comes back with the next start. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int notify_send(const char *format, ...) __attribute__((format(printf, 1, 2))); /* lost when the service manager is busy */
int notify_ready(size_t boards); /* waits for it, up to half a minute: before the loop runs */
uint64_t notify_watchdog_us(void); /* WATCHDOG_USEC for this process, or 0 */
#define NOTIFY_FIRST_FD 3
#define NOTIFY_FD_NAME_MAX 64
#define NOTIFY_STORED "tty-" /* how the names begin of what we put into the store */
/* LISTEN_FDS for this process: that many from NOTIFY_FIRST_FD on; close-on-exec set. -EINVAL: more than we ever asked for. */
int notify_listen_fds(void);
/* The name that number `index` of them came with (LISTEN_FDNAMES). false: none. */
bool notify_listen_name(unsigned int index, char *name, size_t size);
/* How many of them are not from the store, and the first of those. */
int notify_sockets(int *ret_first);

/* Puts a copy into the store, or removes what has this name. May wait a moment for a busy service manager: not on the loop.
 * -ENOTCONN: there is none. */
int notify_store(int fd, const char *name);
int notify_unstore(const char *name);
