/* SPDX-License-Identifier: MIT */
#pragma once

#include <stdbool.h>

/* --serial TTY, for boards that no daemon looks after: a tty is opened by mcumgrd and nobody else, so that where the
 * daemon that is running does not have it, one is started for this run alone, with a directory of its own. It ends with
 * its standard input, thus with mcumgrctl, however that ends. */

struct ctl;

/* --usb-serial REGEX, for a machine on which no daemon runs: the same, with the USB ports that match. */

/* Sets ctl->socket, and for --serial ctl->device. 0, or an exit code of something reported. */
int private_setup(struct ctl *ctl);

/* Without a daemon: one that opens nothing, and tells what is plugged in. 0, or an exit code of something reported. */
int private_observe(struct ctl *ctl);

/* Whether calls go to a daemon of this run. */
bool private_is_on(void);

/* Ends the daemon that was started, if any, and removes its directory. */
void private_end(void);
