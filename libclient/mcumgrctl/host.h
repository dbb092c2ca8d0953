/* SPDX-License-Identifier: MIT */
#pragma once

/* The machine as the caller may see it: sysfs, udev's database, processes, groups. For doctor, which has to work where the
 * daemon does not, and with its caller's rights, which are others than the daemon's. $MCUMGRCTL_ROOT stands before every
 * path, so that tests can make machines up. Strings are malloc'd unless said otherwise. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

char *host_path(const char *path);
bool host_exists(const char *path);
char *host_line(const char *path);		   /* the first line of a file; NULL: no such file, or not allowed */
char *host_link(const char *path);		   /* the last part of what a symlink leads to; NULL: none */
char **host_names(const char *path, size_t *ret);  /* of a directory, sorted; NULL: none, or not allowed */
void host_names_free(char **names, size_t count);

/* A serial port on USB, from sysfs. */
struct host_tty {
	char *node;   /* /dev/ttyACM0 */
	char *usb;    /* of the board: "1-2.3" */
	char *driver; /* NULL: unknown */
	char *serial, *manufacturer, *product;
	char *number; /* "166:0", as udev's database names it */
	unsigned int vendor_id, product_id;
	int interface;
	bool left_alone; /* udev's rules keep ModemManager away */
};
struct host_tty *host_ttys(size_t *ret_count);
void host_ttys_free(struct host_tty *ttys, size_t count);

/* An interface on USB that is a serial port, and that no driver has taken. */
struct host_orphan {
	char *usb, *product;
	unsigned int vendor_id, product_id;
	const char *module, *option; /* what the kernel lacks: "ftdi_sio", "CONFIG_USB_SERIAL_FTDI_SIO" */
};
struct host_orphan *host_orphans(size_t *ret_count);
void host_orphans_free(struct host_orphan *orphans, size_t count);

/* A process that has a file open. */
struct host_holder {
	pid_t pid;
	char *name, *user;
};
/* ret_hidden: so many processes could not be looked into. */
struct host_holder *host_holders(const char *node, size_t *ret_count, size_t *ret_hidden);
void host_holders_free(struct host_holder *holders, size_t count);
pid_t host_process(const char *name); /* one of that name; 0: none */

/* Who the caller is. */
char *host_group_name(gid_t gid);
char *host_user_name(uid_t uid);
bool host_in_group(gid_t gid);	   /* now */
bool host_listed_in_group(gid_t gid); /* in /etc/group: from the next login on */
