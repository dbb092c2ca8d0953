/* SPDX-License-Identifier: MIT */
/* A tty: whether it is there, who may open it, who has it open, and whether the configuration wants it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/doctor.h"
#include "libclient/mcumgrctl/port.h"
#include "proto/macro.h"

const struct host_tty *doctor_tty(const struct doctor *d, const char *node)
{
	size_t i;

	for (i = 0; i < d->tty_count; i++)
		if (strcmp(d->ttys[i].node, node) == 0)
			return &d->ttys[i];
	return NULL;
}

/* --- who has it open ---------------------------------------------------------------------------------------------- */

static const char *advice_for(const char *name)
{
	static const char *const known[][2] = {
		{ "ModemManager", "mcumgrctl suggest --udev prints rules that keep it away; until then: sudo systemctl stop "
				  "ModemManager" },
		{ "brltty", "Without a braille display: sudo apt-get remove brltty" },
		{ "agetty", "A login runs there: sudo systemctl disable --now serial-getty@TTY.service" },
		{ "mcumgrd", "Another mcumgrd, perhaps one that mcumgrctl -s started for one run: one of them has to go." },
		{ "mcumgrctl", "It ends by itself." },
	};
	static const char *const terminals[] = { "minicom", "picocom", "screen", "tio", "cu", "putty", "gtkterm", "cutecom",
		"miniterm", "pyserial-minite", "plink", "kermit" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (strncmp(known[i][0], name, 15) == 0)
			return known[i][1];
	for (i = 0; i < ARRAY_SIZE(terminals); i++)
		if (strcmp(terminals[i], name) == 0)
			return "End that terminal; mcumgrctl console -i is one that shares the port with SMP.";
	return "End it, or let it have the port for a while: mcumgrctl release DEV -- COMMAND.";
}

static void say_holder(struct doctor *d, const char *node, const struct host_holder *h)
{
	const char *name = h->name ? h->name : "a program";

	doctor_say(d, "holder", DOCTOR_PROBLEM, "%s (process %d%s%s) has %s open", show(name), (int)h->pid,
		h->user ? ", user " : "", h->user ? show(h->user) : "", show(node));
	doctor_advise(d, "%s", advice_for(name));
}

/* It keeps the daemon's ttys open over a restart, and reads nothing. */
static bool is_service_manager(const struct host_holder *h)
{
	return h->name && strcmp(h->name, "systemd") == 0;
}

/* Root by itself finds the system's daemon only, and sudo drops MCUMGR_SOCKET. */
static void advise_root(struct doctor *d)
{
	const char *socket = mcumgr_socket(d->ctl->connection);

	if (d->reachable && strcmp(socket, MCUMGR_SOCKET_SYSTEM) != 0)
		doctor_advise(d, "sudo mcumgrctl --socket %s doctor sees them all.", show(socket));
	else
		doctor_advise(d, "sudo mcumgrctl doctor sees them all.");
}

static void check_holders(struct doctor *d, const char *node, bool managed)
{
	size_t i, n, hidden, others = 0;
	struct host_holder *holders = host_holders(node, &n, &hidden);
	bool ours = false;

	for (i = 0; i < n; i++) {
		/* The daemon has it open, once. */
		bool daemon = managed && !ours && holders[i].name && strcmp(holders[i].name, "mcumgrd") == 0;

		ours |= daemon;
		if (daemon || (managed && is_service_manager(&holders[i])))
			continue;
		say_holder(d, node, &holders[i]);
		others++;
	}
	if (!others && hidden) {
		doctor_say(d, "holder", DOCTOR_UNKNOWN, "who has %s open: %zu process%s of others may not be looked into", show(node),
			hidden, hidden == 1 ? "" : "es");
		advise_root(d);
	} else if (!others) {
		doctor_say(d, "holder", DOCTOR_OK, "nobody else has %s open", show(node));
	}
	host_holders_free(holders, n);
}

/* --- who may open it ---------------------------------------------------------------------------------------------- */

static void say_refused(struct doctor *d, const char *node, const struct stat *st)
{
	_cleanup_free_ char *group = host_group_name(st->st_gid);

	doctor_say(d, "permission", DOCTOR_PROBLEM, "you may not open %s, which belongs to the group %s", show(node), group);
	if (st->st_gid == 0)
		doctor_advise(d, "Nobody should join that one: mcumgrctl suggest --udev prints rules that give it to dialout.");
	else if ((st->st_mode & 0060) != 0060)
		doctor_advise(d, "The group may not either: sudo chmod g+rw %s", show(node));
	else if (host_listed_in_group(st->st_gid) && !host_in_group(st->st_gid))
		doctor_advise(d, "You are in that group from your next login on: log in again, or newgrp %s.", group);
	else
		doctor_advise(d, "sudo usermod -aG %s $USER, and log in again", group);
}

/* A folder such as /dev/serial, a disk, or /dev/null and its kind (devices of memory). */
static bool is_no_tty(const struct stat *st)
{
	return S_ISDIR(st->st_mode) || S_ISBLK(st->st_mode) || (S_ISCHR(st->st_mode) && major(st->st_rdev) == 1);
}

void doctor_port(struct doctor *d, const char *node, bool managed)
{
	_cleanup_free_ char *full = host_path(node);
	struct stat st;

	if (stat(full, &st) < 0 && managed) {
		doctor_say(d, "port", DOCTOR_UNKNOWN, "%s is the daemon's, and not to be seen from here", show(node));
		doctor_advise(d, "In a container that is as it should be.");
		return;
	}
	if (stat(full, &st) < 0) {
		doctor_say(d, "port", DOCTOR_PROBLEM, "there is no %s", show(node));
		doctor_advise(d, "Is the board plugged in, and powered? mcumgrctl list --all-ports shows what is there.");
		return;
	}
	if (is_no_tty(&st)) {
		doctor_say(d, "port", DOCTOR_PROBLEM, "%s is no serial port", show(node));
		doctor_advise(d, "mcumgrctl -s lists those on USB.");
		return;
	}
	/* Where a daemon runs, ports are its own to open. */
	if (!managed && !d->reachable && faccessat(AT_FDCWD, full, R_OK | W_OK, AT_EACCESS) < 0)
		say_refused(d, node, &st);
	check_holders(d, node, managed);
}

/* --- who wants it ------------------------------------------------------------------------------------------------- */

/* Sections for the same vendor, which are perhaps meant. */
static void advise_near(struct doctor *d, const char *usb)
{
	size_t i;

	for (i = 0; i < member_count(d->ports, "sections"); i++) {
		json_object *section = member_at(d->ports, "sections", i);
		const char *match = member_string(section, "match");

		if (match && strncasecmp(match, usb, 4) == 0)
			doctor_advise(d, "[device %s] has match = %s, which does not fit %s.", show_key(section, "name"), show(match),
				usb);
	}
}

void doctor_configured(struct doctor *d, json_object *port)
{
	const char *file = member_string(d->ports, "configuration");
	_cleanup_free_ char *usb = port_usb_id(port);

	doctor_say(d, "configured", DOCTOR_PROBLEM, "no section of %s manages %s (%s)", file ? show(file) : "the configuration",
		show_key(port, "tty"), usb);
	advise_near(d, usb);
	doctor_advise(d, "One with match = %s would; mcumgrctl suggest prints one for this board alone.", usb);
}
