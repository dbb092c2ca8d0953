/* SPDX-License-Identifier: MIT */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/failure.h"
#include "libclient/mcumgrctl/help.h"
#include "libclient/mcumgrctl/list-ports.h"
#include "libclient/mcumgrctl/private.h"
#include "libclient/mcumgrctl/screen.h"
#include "libclient/mcumgrctl/text.h"

/* --json also holds for the error of a command line that could not be read to its end. */
static bool wants_json(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--json") == 0)
			return true;
	return false;
}

static int help(const struct args *args)
{
	if (args->verb)
		help_verb(args->verb);
	else if (args->group)
		help_group(args->group);
	else
		help_program();
	return CODE_DONE;
}

/* Options that make no sense together, or with this verb. */
static int check(struct ctl *ctl)
{
	const char *title = verb_title(ctl->verb);
	unsigned int flags = ctl->verb->flags;

	bool all = args_global(ctl->args, "all")->given;

	bool serial = ctl->serial, device = args_global(ctl->args, "device")->given;
	bool usb = args_global(ctl->args, "usb-serial")->given;

	if (device + serial + usb > 1)
		return args_refuse(ctl->args, NULL, "--device, --serial and --usb-serial exclude each other");
	if (all && serial)
		return args_refuse(ctl->args, NULL, "--all and --serial exclude each other");
	if (ctl->baud && !serial && !usb)
		return args_refuse(ctl->args, "The daemon's boards have theirs from mcumgrd.conf(5).",
			"--baud goes with --serial and --usb-serial only");
	if (ctl->raw && !serial && !usb)
		return args_refuse(ctl->args, "The daemon's boards have their framing from mcumgrd.conf(5).",
			"--raw goes with --serial and --usb-serial only");
	if (all && !(flags & VERB_ALL) && (!(flags & VERB_DEVICE) || flags & VERB_FOREVER))
		return args_refuse(ctl->args, NULL, "%s has no use for --all", title);
	if ((ctl->parallel || ctl->stop_after) && (!ctl->all || ctl->verb->offline))
		return args_refuse(ctl->args, "They are for a verb that is run on each of several boards.",
			"--%s goes with --all only, and not with every verb", ctl->parallel ? "parallel" : "stop-after");
	if ((ctl->device || serial) && !(flags & VERB_DEVICE))
		return args_refuse(ctl->args, NULL, "%s has no use for %s", title, serial ? "--serial" : "--device");
	if (ctl->timeout_ms && !(flags & VERB_TIMEOUT) && !ctl->verb->expired)
		return args_refuse(ctl->args, NULL, "%s has no use for --timeout", title);
	if (ctl_tunes(ctl) && !(flags & VERB_DEVICE))
		return args_refuse(ctl->args, NULL, "%s has no use for --smp-frame-size and --retries", title);
	if (ctl->detach && !(flags & VERB_JOB))
		return args_refuse(ctl->args, "Jobs are started by firmware update and image upload.",
			"%s has no use for --detach", title);
	return 0;
}

/* Who closed one of the three would have the connection to the daemon in its place, and the output sent there. What takes
 * the place fails as a closed one does. */
static void keep_places(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
			_exit(CODE_OTHER);
}

static void take_globals(struct ctl *ctl, const struct args *args)
{
	ctl->verb = args->verb ? args->verb : &echo_check;
	ctl->socket = args_global(args, "socket")->text;
	ctl->device = args_global(args, args_global(args, "device")->given ? "device" : "usb-serial")->text;
	ctl->serial = args_global(args, "serial")->text;
	ctl->baud = args_global(args, "baud")->number;
	ctl->usb = args_global(args, "usb-serial")->text;
	ctl->raw = args_global(args, "raw")->given;
	ctl->verbose = args_global(args, "verbose")->given;
	ctl->all = args_global(args, "all")->given && !ctl->verb->expired;
	ctl->json = args_global(args, "json")->given;
	ctl->quiet = args_global(args, "quiet")->given;
	ctl->detach = args_global(args, "detach")->given;
	ctl->timeout_ms = args_global(args, "timeout")->number;
	ctl->parallel = args_global(args, "parallel")->number;
	ctl->stop_after = args_global(args, "stop-after")->number;
}

/* The exit code, once it is known whether what was printed arrived. */
static int leave(const struct ctl *ctl, int r)
{
	if ((!fflush(stdout) && !ferror(stdout)) || ctl->reader_left)
		return r;
	fputs("mcumgrctl: cannot write the output\n", stderr);
	return r ? r : CODE_OTHER;
}

int main(int argc, char **argv)
{
	struct args args;
	struct ctl ctl = { .args = &args, .json = wants_json(argc, argv) };
	int r;

	keep_places();
	text_setup();
	if (argc == 2 && strcmp(argv[1], "--verbs") == 0) {
		help_machine();
		return leave(&ctl, CODE_DONE);
	}
	if (args_parse(argc, argv, &args) < 0)
		return (int)failure_usage(&ctl);
	if (args.help)
		return leave(&ctl, help(&args));
	if (args_global(&args, "version")->given) {
		puts("mcumgrctl " MCUMGRD_VERSION);
		return leave(&ctl, CODE_DONE);
	}
	take_globals(&ctl, &args);
	if (args.list_ports)
		return leave(&ctl, list_ports(&ctl));
	if (check(&ctl) < 0)
		return (int)failure_usage(&ctl);
	args.verb = ctl.verb;
	screen_setup(!ctl.json && !ctl.quiet);
	r = ctl.verb->offline ? ctl.verb->offline(&ctl) : ctl_run(&ctl);
	private_end();
	free(ctl.device_found);
	args_release(&args);
	return leave(&ctl, r);
}
