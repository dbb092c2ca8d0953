/* SPDX-License-Identifier: MIT */
#pragma once

/* Open ttys outlive the daemon: the service manager keeps a copy of each descriptor (sd_notify(3), FDSTORE=1), so that a
 * restart, an upgrade or a crash closes none of them. A board then sees neither DTR nor RTS change, the locks stay, and what
 * it prints meanwhile waits in the kernel. Without a service manager nothing is kept and nothing is different.
 *
 * Each open has a name of its own, "tty-ttyACM0-1b2c3d4e": what is remembered under that name was about this very open. The
 * service manager drops by itself what hangs up; what comes back and is no tty any more, or hung up meanwhile, is dropped here.
 *
 * All of it may be called from the threads that open and close; only those may call put, take and forget, which wait. */

#include <stdbool.h>
#include <stddef.h>

#define PORT_STORE_NAME_MAX 64

/* Once, before the first port is opened: what the service manager gave. */
void port_store_begin(void);
/* What nobody has taken by now belongs to no board: closed, by threads. */
void port_store_end_take_over(void);

/* The open descriptor of this tty, when it came from the store; -1. It is the caller's then. */
int port_store_take(const char *tty);
/* Leaves a copy with the service manager. */
void port_store_put(int fd, const char *tty);
/* Before a close. false: it stays in the store, because the daemon ends: then its lock and its flags have to stay too. */
bool port_store_forget(int fd);
/* The name of an open one; false: it is not stored. */
bool port_store_name(int fd, char name[static PORT_STORE_NAME_MAX]);

/* The daemon ends: what is closed from now on stays in the store. */
void port_store_keep(void);
