/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/table.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/verbs.h"
#include "proto/macro.h"

#define DAY_MS 86400000

static const struct arg boards[] = {
	{ "devs", .meta = "DEV", .kind = ARG_TEXT, .many = true, .optional = true, .help = "boards, each as with --device" },
	{ NULL },
};

static const struct arg lock_options[] = {
	{ "wait", .meta = "TIME", .kind = ARG_TIME, .optional = true, .unit_ms = 1000, .min = 1, .max = DAY_MS,
		.help = "wait in line; at most so long" },
	{ "reason", .meta = "TEXT", .kind = ARG_TEXT, .json = "reason", .help = "shown to others who want the board" },
	{ "any", .meta = "SELECTOR", .kind = ARG_TEXT, .json = "any", .help = "boards that are free, out of a pool" },
	{ "count", .meta = "N", .kind = ARG_NUMBER, .json = "count", .min = 1, .max = 1024, .help = "so many of the pool (1)" },
	{ "pid", .meta = "PID", .kind = ARG_NUMBER, .json = "pid", .min = 1, .max = INT32_MAX,
		.help = "until this process ends; prints the token" },
	{ "for", .meta = "TIME", .kind = ARG_TIME, .json = "keepMs", .unit_ms = 1000, .min = 100, .max = DAY_MS,
		.help = "until nothing was done for so long; prints the token" },
	{ NULL },
};

static const struct arg release_options[] = {
	{ "reason", .meta = "TEXT", .kind = ARG_TEXT, .json = "reason", .help = "shown to others who want the board" },
	{ NULL },
};

static const struct arg unlock_options[] = {
	{ "force", .kind = ARG_FLAG, .json = "force", .help = "somebody else's lease, too" },
	{ NULL },
};

static const struct arg keep_options[] = {
	{ "for", .meta = "TIME", .kind = ARG_TIME, .json = "keepMs", .unit_ms = 1000, .min = 100, .max = DAY_MS,
		.help = "from now on so long, instead of the time it had" },
	{ NULL },
};

/* "a b" */
static char *names(json_object *object)
{
	char *text = format("%s", ""), *longer;

	for (size_t i = 0; i < member_count(object, "devices"); i++) {
		longer = format("%s%s%s", text, i ? " " : "", json_object_get_string(member_at(object, "devices", i)));
		free(text);
		text = longer;
	}
	return text;
}

char *lease_holder(json_object *lease)
{
	const char *user = member_string(lease, "user");
	_cleanup_free_ char *who = NULL;
	int64_t uid = 0, pid = 0;

	who = user ? format("%s", user) : member_int(lease, "uid", &uid) ? format("uid %" PRId64, uid) : format("?");
	return member_int(lease, "pid", &pid) ? format("%s, %" PRId64, who, pid) : format("%s", who);
}

static void print_leases(struct board *b, json_object *reply)
{
	static const char *const columns[] = { "DEVICES", "HOLDER", "SINCE", "UNTIL", ">WAITING", "REASON", "COMMAND", NULL };
	size_t i, n = member_count(reply, "leases");
	struct table *t;

	if (!n) {
		note(b, "No leases.\n");
		return;
	}
	t = table_new(columns);
	for (i = 0; i < n; i++) {
		json_object *lease = member_at(reply, "leases", i);
		_cleanup_free_ char *devices = names(lease), *who = lease_holder(lease), *waiting = NULL, *until = NULL;
		int64_t count = 0, pid;

		member_int(lease, "waiting", &count);
		waiting = format("%" PRId64, count);
		until = member_int(lease, "boundTo", &pid) ? format("process %" PRId64 " ends", pid)
							   : format("%s", show_key(lease, "until"));
		table_row(t, (const char *const[]){ devices, who, member_string(lease, "since"), until, waiting,
				     member_string(lease, "reason"), member_string(lease, "command") });
	}
	table_print(t, b->out);
}

static void print_unlocked(struct board *b, json_object *reply)
{
	_cleanup_free_ char *text = names(reply);

	note(b, "Unlocked: %s\n", show(text));
}

static void print_kept(struct board *b, json_object *reply)
{
	json_object *lease = json_object_object_get(reply, "lease");
	_cleanup_free_ char *text = names(lease);

	if (member_string(lease, "until"))
		note(b, "%s: locked until %s\n", show(text), show_key(lease, "until"));
	else
		note(b, "%s: locked, not bound to a time\n", show(text));
}

const struct verb lease_verbs[] = {
	{ .name = "lock",
		.summary = "keep boards for yourself",
		.options = lock_options,
		.words = boards,
		.command = "[-- COMMAND...]",
		.flags = VERB_DEVICE,
		.offline = lease_lock,
		.help = "Takes a lease on boards, all or none: others may look, and not change anything, until it ends. It ends with the\n"
			"COMMAND, which runs with MCUMGR_LEASE set, so that mcumgrctl and other clients in it are the holder; its exit\n"
			"code is returned. Without a COMMAND the lease is kept, and its token printed, until Ctrl-C or the end of\n"
			"standard input; with --pid or --for the token is printed and mcumgrctl ends. Whoever has it in MCUMGR_LEASE is\n"
			"the holder. With --wait it waits in line, and says for whom. --any takes boards by tag, alias, id or VID:PID\n"
			"regex, '*' for all, out of those that are ready" },
	{ .name = "unlock",
		.summary = "end a lease",
		.options = unlock_options,
		.words = verb_device_words,
		.prepare = verb_take_device,
		.method = "Unlock",
		.flags = VERB_DEVICE,
		.print = print_unlocked,
		.help = "Ends the lease in MCUMGR_LEASE, or with --force whoever's lease on the board, which is logged. With several\n"
			"boards it ends for all of them" },
	{ .name = "leases",
		.summary = "who has locked what",
		.method = "Leases",
		.print = print_leases },
	{ .name = "keep",
		.summary = "a sign of life for a lease that is bound to a time",
		.options = keep_options,
		.method = "LeaseKeep",
		.print = print_kept,
		.help = "Keeps the lease in MCUMGR_LEASE that was taken with --for: its time begins anew. Every mcumgrctl with\n"
			"MCUMGR_LEASE does so, too, and so does the end of a job or a release of its boards" },
	{ .name = "release",
		.summary = "hand a board's tty over to another program",
		.options = release_options,
		.words = boards,
		.command = "[-- COMMAND...]",
		.flags = VERB_DEVICE,
		.offline = lease_release,
		.help = "Has the daemon close the ttys of boards, all or none, runs the COMMAND (a flasher, a terminal) with MCUMGR_TTY set,\n"
			"has them opened again and waits until the boards are identified; the exit code is the command's. Without a\n"
			"COMMAND until Ctrl-C or the end of standard input. --all frees the whole rack. Should mcumgrctl die, the ttys\n"
			"are opened again. While a job runs on a board it is refused" },
	{ .name = NULL },
};
