/* SPDX-License-Identifier: MIT */
/* The daemon and its socket; drivers, and programs that take ports. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/doctor.h"
#include "proto/macro.h"

#define CALL_MS 10000
#define SAID_BYTES 4096
#define CONFIGURATION "/etc/mcumgrd.conf"

/* --- the socket --------------------------------------------------------------------------------------------------- */

static bool is_installed(void)
{
	static const char *const directories[] = { "/etc/systemd/system", "/usr/local/lib/systemd/system",
		"/usr/lib/systemd/system", "/lib/systemd/system" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(directories); i++) {
		_cleanup_free_ char *unit = format("%s/mcumgrd.socket", directories[i]);

		if (host_exists(unit))
			return true;
	}
	return false;
}

static void no_socket(struct doctor *d, const char *socket)
{
	pid_t pid = host_process("mcumgrd");

	doctor_say(d, "socket", DOCTOR_PROBLEM, "there is no socket %s", show(socket));
	if (pid)
		doctor_advise(d, "mcumgrd runs (process %d), but listens elsewhere: --socket PATH or MCUMGR_SOCKET.", (int)pid);
	else if (is_installed())
		doctor_advise(d, "The service does not run: sudo systemctl enable --now mcumgrd.socket mcumgrd.service");
	else
		doctor_advise(d, "No mcumgrd.socket is installed: sudo ninja -C build install, then sudo systemd-sysusers.");
}

static void has_ended(struct doctor *d, const char *socket)
{
	struct stat st;

	if (stat(socket, &st) == 0 && !S_ISSOCK(st.st_mode)) {
		doctor_say(d, "socket", DOCTOR_PROBLEM, "%s", mcumgr_message(d->ctl->connection));
		doctor_advise(d, "Name the daemon's: --socket PATH or MCUMGR_SOCKET.");
		return;
	}
	doctor_say(d, "service", DOCTOR_PROBLEM, "no daemon listens on %s any more", show(socket));
	doctor_advise(d, "sudo systemctl restart mcumgrd.socket mcumgrd.service");
	doctor_advise(d, "Why it ended: journalctl -u mcumgrd -n 20");
}

static void not_allowed(struct doctor *d, const char *socket)
{
	_cleanup_free_ char *group = NULL;
	struct stat st;

	doctor_say(d, "permission", DOCTOR_PROBLEM, "you may not use %s", show(socket));
	if (stat(socket, &st) < 0) {
		doctor_advise(d, "The directory that it is in does not let you through.");
		return;
	}
	group = host_group_name(st.st_gid);
	if (st.st_gid == 0)
		doctor_advise(d, "Its group is root, which nobody should join: group = mcumgr in the [daemon] section, or "
				 "SocketGroup=mcumgr of mcumgrd.socket, gives it to another one.");
	else if (host_in_group(st.st_gid))
		doctor_advise(d, "Its group %s, which you are in, may not write to it: chmod g+rw, or SocketMode=0660.", group);
	else if (host_listed_in_group(st.st_gid))
		doctor_advise(d, "You are in its group %s from your next login on: log in again, or newgrp %s.", group, group);
	else
		doctor_advise(d, "Join its group %s and log in again: sudo usermod -aG %s $USER", group, group);
}

/* What the daemon's own check says of its configuration; malloc'd. NULL: nothing, or it cannot be run. */
static char *complaints(const char *file)
{
	const char *named = getenv("MCUMGRD");
	char *said = calloc(1, SAID_BYTES);
	size_t used = 0;
	int ends[2], status;
	ssize_t n;
	pid_t pid;

	if (!said || pipe(ends) < 0)
		out_of_memory();
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		execl(named ? named : MCUMGRD_PATH, "mcumgrd", "-c", file, "--check-config", NULL);
		_exit(127);
	}
	close(ends[1]);
	while (used + 1 < SAID_BYTES && (n = read(ends[0], said + used, SAID_BYTES - 1 - used)) > 0)
		used += (size_t)n;
	close(ends[0]);
	if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) &&
		WEXITSTATUS(status) != 127)
		return said;
	free(said);
	return NULL;
}

/* A daemon that does not start may not like its configuration. */
static void check_configuration(struct doctor *d)
{
	_cleanup_free_ char *file = host_path(CONFIGURATION), *text = NULL;
	char *rest, *line;

	if (!host_exists(CONFIGURATION))
		return;
	text = complaints(file);
	if (!text)
		return;
	doctor_say(d, "configuration", DOCTOR_PROBLEM, "%s has errors, and the daemon does not start on them", file);
	rest = text;
	while ((line = strsep(&rest, "\n")))
		if (*line)
			doctor_advise(d, "%s", show(line));
}

static void cannot_connect(struct doctor *d, int error)
{
	const char *socket = mcumgr_socket(d->ctl->connection);

	switch (error) {
	case -ENOENT:
		no_socket(d, socket);
		break;
	case -ECONNREFUSED:
		has_ended(d, socket);
		break;
	case -EACCES:
		not_allowed(d, socket);
		return;
	default:
		doctor_say(d, "service", DOCTOR_PROBLEM, "%s", show(mcumgr_message(d->ctl->connection)));
		doctor_advise(d, "journalctl -u mcumgrd -n 20");
	}
	check_configuration(d);
}

void doctor_service(struct doctor *d)
{
	_cleanup_free_ char *error = NULL, *hint = NULL;
	int r;

	if (mcumgr_new(&d->ctl->connection) < 0)
		out_of_memory();
	mcumgr_set_timeout(d->ctl->connection, CALL_MS);
	r = mcumgr_connect(d->ctl->connection, d->ctl->socket);
	if (r < 0) {
		cannot_connect(d, r);
		return;
	}
	d->ports = doctor_call(d, "Ports", NULL, &error, &hint);
	d->reachable = d->ports;
	if (d->reachable) {
		doctor_say(d, "service", DOCTOR_OK, "the daemon answers on %s", show(mcumgr_socket(d->ctl->connection)));
		return;
	}
	doctor_say(d, "service", DOCTOR_PROBLEM, "the daemon on %s says: %s", show(mcumgr_socket(d->ctl->connection)),
		show(error));
	doctor_advise(d, "%s", hint ? show(hint) : "journalctl -u mcumgrd -n 20");
}

/* --- the machine -------------------------------------------------------------------------------------------------- */

static void check_drivers(struct doctor *d)
{
	size_t i, n;
	struct host_orphan *orphans = host_orphans(&n);

	for (i = 0; i < n; i++) {
		const struct host_orphan *o = &orphans[i];

		if (i && strcmp(o->usb, orphans[i - 1].usb) == 0)
			continue; /* another interface of the same board */
		doctor_say(d, "driver", DOCTOR_PROBLEM, "%s (%04x:%04x) in hub port %s has no driver: it gets no tty",
			o->product ? show(o->product) : "a board", o->vendor_id, o->product_id, show(o->usb));
		doctor_advise(d, "sudo modprobe %s; where that module is missing, the kernel needs %s.", o->module, o->option);
	}
	if (!n && d->tty_count)
		doctor_say(d, "driver", DOCTOR_OK, "every serial port on USB has a driver");
	host_orphans_free(orphans, n);
}

/* Whether the daemon is to have it; without a daemon to ask, whichever there is. */
static bool concerns(const struct doctor *d, const struct host_tty *t)
{
	size_t i;

	for (i = 0; i < member_count(d->ports, "ports"); i++) {
		json_object *port = member_at(d->ports, "ports", i);
		const char *tty = member_string(port, "tty");

		if (tty && strcmp(tty, t->node) == 0)
			return member_string(port, "section");
	}
	return !d->ports;
}

static void check_modem_manager(struct doctor *d)
{
	pid_t pid = host_process("ModemManager");
	size_t i, asked = 0, left_alone = 0;

	for (i = 0; i < d->tty_count; i++) {
		asked += concerns(d, &d->ttys[i]) && !d->ttys[i].left_alone;
		left_alone += concerns(d, &d->ttys[i]) && d->ttys[i].left_alone;
	}
	if (pid && asked) {
		doctor_say(d, "modem-manager", DOCTOR_WARNING,
			"ModemManager (process %d) runs, and nothing keeps it from sending AT commands to %zu ports", (int)pid,
			asked);
		doctor_advise(d, "mcumgrctl suggest --udev | sudo tee /etc/udev/rules.d/70-mcumgrd-boards.rules");
		doctor_advise(d, "sudo udevadm control --reload && sudo udevadm trigger");
	} else if (pid && left_alone) {
		doctor_say(d, "modem-manager", DOCTOR_OK, "ModemManager runs, and leaves the ports alone");
	}
}

/* brltty takes the chips that braille displays have, too. */
static void check_brltty(struct doctor *d)
{
	pid_t pid = host_process("brltty");
	size_t i;

	for (i = 0; pid && i < d->tty_count; i++) {
		const struct host_tty *t = &d->ttys[i];

		if (t->vendor_id != 0x0403 && t->vendor_id != 0x10c4 && t->vendor_id != 0x1a86)
			continue;
		doctor_say(d, "brltty", DOCTOR_WARNING, "brltty (process %d) runs, and takes chips such as that of %s", (int)pid,
			show(t->node));
		doctor_advise(d, "Without a braille display: sudo apt-get remove brltty");
		return;
	}
}

void doctor_machine(struct doctor *d)
{
	check_drivers(d);
	check_modem_manager(d);
	check_brltty(d);
}
