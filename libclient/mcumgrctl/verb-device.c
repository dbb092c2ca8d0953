/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/verbs.h"
#include "proto/macro.h"

const struct arg verb_device_words[] = {
	{ "dev", .meta = "DEV", .kind = ARG_TEXT, .optional = true, .help = "the board, as with --device" },
	{ NULL },
};

int verb_take_device(struct ctl *ctl, json_object *parameters _unused_)
{
	const char *device = args_text(ctl->args, "dev");

	if (!device)
		return 0;
	if (ctl->device || ctl->serial)
		return args_refuse(ctl->args, NULL, "the board is named twice: %s, and by an option", show(device));
	ctl->device = device;
	return 0;
}

bool verb_wants_no_lines(const struct board *b)
{
	return args_has(b->ctl->args, "lines") && args_value(b->ctl->args, "lines")->number == 0;
}

/* "2026-01-02T03:04:05.678Z" -> "03:04:05Z" today, "2026-01-02" before: a table has to fit a terminal. */
static char *since_when(const char *since)
{
	const char *t = strchr(since, 'T');
	char today[16];
	time_t now = time(NULL);

	if (!t || !strftime(today, sizeof(today), "%Y-%m-%d", gmtime(&now)))
		return format("%s", since);
	if (strncmp(since, today, strlen(today)) == 0)
		return format("%.*sZ", (int)strcspn(t + 1, ".Z"), t + 1);
	return format("%.*s", (int)(t - since), since);
}

/* With the share of the job that keeps it busy. */
char *device_state(json_object *device)
{
	json_object *job = json_object_object_get(device, "job");
	const char *name = member_string(device, "state");
	int64_t percent;

	if (name && job && strcmp(name, "busy") == 0 && member_int(job, "percent", &percent))
		return format("%s (%s %" PRId64 " %%)", name, show_key(job, "kind"), percent);
	if (name && strcmp(name, "absent") == 0 && member_string(device, "since")) {
		_cleanup_free_ char *since = since_when(show_key(device, "since"));

		return format("absent since %s", since);
	}
	return format("%s", name ? name : "?");
}

/* "2026-01-02T03:04:05.678Z" -> "03:04:05.678": what a line of a running log needs. */
static const char *time_of_day(json_object *reply)
{
	const char *text = show_key(reply, "time"), *t = strchr(text, 'T');

	return t ? t + 1 : text;
}

static void say_facts(struct board *b, json_object *d)
{
	if (member_string(d, "tty"))
		say(b, " %s", show_key(d, "tty"));
	if (member_string(d, "version"))
		say(b, " version %s", show_key(d, "version"));
}

static void say_reason(struct board *b, json_object *object)
{
	if (member_string(object, "reason"))
		say(b, " (%s)", show_key(object, "reason"));
}

static void say_job(struct board *b, json_object *job)
{
	int64_t percent = 0;

	member_int(job, "percent", &percent);
	say(b, " %s: %s %s, %s %" PRId64 " %%", show_key(job, "id"), show_key(job, "kind"), show_key(job, "state"),
		show_key(job, "step"), percent);
}

#define HASH_DIGITS 12 /* tell images apart well enough for a line */

static void say_firmware(struct board *b, json_object *firmware)
{
	say(b, " %s", show_key(firmware, "version"));
	if (member_string(firmware, "hash"))
		say(b, " (%.*s)", HASH_DIGITS, show_key(firmware, "hash"));
}

/* Behind the board and the event. */
static void say_event(struct board *b, const char *event, json_object *reply)
{
	json_object *device = json_object_object_get(reply, "device");
	_cleanup_free_ char *shown = device_state(device);

	if (strcmp(event, "job") == 0) {
		say_job(b, json_object_object_get(reply, "job"));
	} else if (strcmp(event, "console") == 0) {
		json_object *line = json_object_object_get(reply, "line");

		say(b, " %s: %s", show_key(line, "mark"), show_key(line, "text"));
	} else if (strcmp(event, "locked") == 0) {
		json_object *lease = json_object_object_get(device, "lease");
		_cleanup_free_ char *holder = lease_holder(lease);

		say(b, " by %s%s%s", show(holder), member_string(lease, "reason") ? ": " : "", show_key(lease, "reason"));
	} else if (strcmp(event, "firmware") == 0) {
		say_firmware(b, json_object_object_get(reply, "after"));
		say(b, ", before");
		say_firmware(b, json_object_object_get(reply, "before"));
	} else if (strcmp(event, "present") == 0 || strcmp(event, "changed") == 0) {
		say(b, " %s", show(shown));
		say_facts(b, device);
		say_reason(b, device);
	} else if (strcmp(event, "removed") != 0 && strcmp(event, "unlocked") != 0) { /* the state is not why */
		if (strcmp(event, "attached") == 0 || strcmp(event, "ready") == 0)
			say_facts(b, device);
		say_reason(b, member_string(reply, "reason") ? reply : device);
	}
}

/* "hubAttached" -> "hub 1-1.4 attached" */
static void say_hub(struct board *b, const char *event, json_object *reply)
{
	json_object *hub = json_object_object_get(reply, "hub");
	_cleanup_free_ char *shown = device_state(hub), *word = format("%s", strncmp(event, "hub", 3) == 0 ? event + 3 : event);

	*word = (char)tolower((unsigned char)*word);
	say(b, "%s hub %s %s", time_of_day(reply), show_key(hub, "path"), show(word));
	if (strcmp(event, "hubPresent") == 0)
		say(b, " %s", show(shown));
	say(b, "\n");
}

static void watch_event(struct board *b, json_object *reply)
{
	json_object *device = json_object_object_get(reply, "device"), *job = json_object_object_get(reply, "job");
	const char *event = member_string(reply, "event");
	int64_t missed;

	if (member_int(reply, "missed", &missed) && missed > 0)
		say(b, "%s (%" PRId64 " events were missed; what is there now follows)\n", time_of_day(reply), missed);
	if (!event || strcmp(event, "current") == 0)
		return;
	if (json_object_object_get(reply, "hub")) {
		say_hub(b, event, reply);
		return;
	}
	say(b, "%s %s %s", time_of_day(reply), device ? show_key(device, "id") : show_key(job, "device"), show(event));
	say_event(b, event, reply);
	say(b, "\n");
}

static const char *const states[] = { "absent", "opening", "quiet", "probing", "ready", "busy", "recovery",
	"unresponsive", "unavailable", "broken", "released", NULL };
static const struct arg wait_options[] = {
	{ "state", .meta = "STATE", .kind = ARG_WORD, .choices = states, .help = "as list shows it (ready)" },
	{ NULL },
};

const struct verb device_verbs[] = {
	{ .name = "list",
		.summary = "the boards and their states",
		.options = list_ports_options,
		.next = list_next,
		.help = "Lists the boards that the daemon knows, in order of their ids: id, alias, state, tty, USB ids as\n"
			"--device takes them, version of the running image, tags, who has locked it, and a reason where a state\n"
			"needs one; then the hubs that sections of mcumgrd.conf(5) name as their path, absent ones too. With\n"
			"--all-ports the serial ports on USB instead, those that no section of mcumgrd.conf(5) manages\n"
			"among them; mcumgrctl suggest prints the lines that would" },
	{ .name = "watch",
		.summary = "follow boards as they come, go and change",
		.words = verb_device_words,
		.prepare = verb_take_device,
		.method = "Watch",
		.flags = VERB_DEVICE | VERB_STREAM | VERB_FOREVER,
		.event = watch_event,
		.help = "Prints what is there, then a line for everything that happens, until Ctrl-C: when, which board, what.\n"
			"Boards are attached and detached, ready, in recovery, unresponsive, unavailable or broken; they are\n"
			"rebooted, run another firmware, print that they failed; leases are taken (locked) and given back; jobs\n"
			"make progress. With --device, of one board" },
	{ .name = "reset-state",
		.summary = "look at a broken board at once",
		.words = verb_device_words,
		.prepare = verb_take_device,
		.method = "ResetState",
		.flags = VERB_DEVICE,
		.help = "Forgets how often a board was attached and booted, which made it broken, and looks at it at once; likewise\n"
			"at one that is unresponsive or unavailable" },
	{ .name = "wait-for",
		.summary = "wait until boards are in a state",
		.options = wait_options,
		.words = verb_device_words,
		.prepare = wait_prepare,
		.method = "Watch",
		.flags = VERB_DEVICE | VERB_STREAM,
		.event = wait_event,
		.expired = wait_expired,
		.help = "Waits until a board is in a state (ready); with --device one that goes by it, and need not be known yet;\n"
			"with --all every one that list shows (and that goes by --device), absent ones too, and at least one. --timeout says how long in all; then the exit code is 5. Without it, until Ctrl-C" },
	{ .name = NULL },
};
