/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/failure.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/verbs.h"
#include "proto/json.h"
#include "proto/smp.h"

static const struct arg echo_words[] = {
	{ "text", .meta = "TEXT", .kind = ARG_TEXT, .json = "text", .help = "what to send" },
	{ NULL },
};
static const struct arg reset_options[] = {
	{ "force", 'f', .kind = ARG_FLAG, .json = "force", .help = "even if the application objects" },
	{ "bootmode", .meta = "N", .kind = ARG_NUMBER, .json = "bootMode", .max = 255,
		.help = "0: boot the application, 1: the bootloader's recovery" },
	{ "no-wait", .kind = ARG_FLAG, .help = "do not wait until the bootloader answers" },
	{ "boot-timeout", .meta = "TIME", .kind = ARG_TIME, .min = 1, .max = 3600000, .unit_ms = 1000,
		.help = "how long that may take (1min; bare number: seconds)" },
	{ NULL },
};
static const struct arg time_words[] = {
	{ "value", .meta = "TIME", .kind = ARG_TEXT, .optional = true,
		.help = "2026-01-02T03:04:05, with a zone or without; left out: this computer's time" },
	{ NULL },
};
static const struct arg time_options[] = {
	{ "utc", .kind = ARG_FLAG, .help = "give the board UTC instead of local time" },
	{ NULL },
};
static const struct arg info_options[] = {
	{ "kernel-name", 's', .kind = ARG_FLAG, .help = "name of the kernel" },
	{ "node-name", 'n', .kind = ARG_FLAG, .help = "name of the node" },
	{ "kernel-release", 'r', .kind = ARG_FLAG, .help = "release of the kernel" },
	{ "kernel-version", 'v', .kind = ARG_FLAG, .help = "version of the kernel" },
	{ "build-time", 'b', .kind = ARG_FLAG, .help = "date and time of the build" },
	{ "machine", 'm', .kind = ARG_FLAG, .help = "architecture" },
	{ "processor", 'p', .kind = ARG_FLAG, .help = "processor" },
	{ "hardware-platform", 'i', .kind = ARG_FLAG, .help = "board" },
	{ "operating-system", 'o', .kind = ARG_FLAG, .help = "name of the operating system" },
	{ "everything", 'a', .kind = ARG_FLAG, .help = "all of them on one line" },
	{ NULL },
};

static void print_text(struct board *b, json_object *reply)
{
	say(b, "%s\n", show_key(reply, "text"));
}

static void say_parameter(struct board *b, const char *label, json_object *reply, const char *key)
{
	int64_t n;

	if (member_int(reply, key, &n))
		say(b, "%-14s %" PRId64 "\n", label, n);
}

static void print_parameters(struct board *b, json_object *reply)
{
	say_parameter(b, "Buffer size:", reply, "bufferSize");
	say_parameter(b, "Buffer count:", reply, "bufferCount");
}

static void print_time(struct board *b, json_object *reply)
{
	say(b, "%s%s\n", b->ctl->verbose ? "Device time: " : "", show_key(reply, "time"));
}

static void print_time_set(struct board *b, json_object *reply)
{
	(void)reply;
	if (b->ctl->verbose)
		say(b, "Device time set: %s\n", show_key(b->ctl->parameters, "time"));
}

/* What several replies have said of it is one object to --json. */
static enum next end_bootloader_info(struct board *b)
{
	if (b->ctl->json)
		board_print_json(b, b->memory);
	return NEXT_DONE;
}

static void remember(struct board *b, json_object *reply)
{
	if (!b->memory)
		b->memory = json_object_new_object();
	json_object_object_foreach(reply, key, value) json_object_object_add(b->memory, key, json_object_get(value));
}

/* Two calls: the name, and for MCUboot the mode, which not every one tells. */
static enum next bootloader_info(struct board *b, json_object *reply, const struct mcumgr_error *error)
{
	_cleanup_json_ json_object *query = NULL;
	const char *name;
	int64_t mode;

	if (error)
		return b->step == 1 && (mcumgr_error_is(error, "NotSupported") || mcumgr_error_is(error, "DeviceError"))
			       ? end_bootloader_info(b)
			       : NEXT_ERROR;
	if (!reply)
		return board_lookup(b, "BootloaderInfo", b->ctl->parameters);
	remember(b, reply);
	if (b->step++ == 0) {
		name = member_string(reply, "name");
		say(b, "Name:                  %s\n", show(name ? name : "?"));
		if (!name || strcmp(name, "MCUboot") != 0)
			return end_bootloader_info(b);
		query = json_object_new_object();
		json_object_object_add(query, "query", json_object_new_string("mode"));
		return board_lookup(b, "BootloaderInfo", query);
	}
	if (member_int(reply, "mode", &mode)) {
		const char *text = smp_bootloader_mode_name(mode);

		say(b, "Mode:                  %" PRId64 " (%s)\n", mode, text ? text : "unknown");
		say(b, "Downgrade prevention:  %s\n", member_bool(reply, "noDowngrade") ? "yes" : "no");
	}
	return end_bootloader_info(b);
}

/* Without a verb: the board says back what nobody could guess. */
static int make_secret(struct ctl *ctl, json_object *parameters)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuv0123456789wxyz-_";
	unsigned char random[sizeof(ctl->secret) - 1];
	size_t i;

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return (int)failure_local(
			ctl, NULL, CODE_OTHER, "Other", "there are no random numbers to be had", NULL);
	for (i = 0; i < sizeof(random); i++)
		ctl->secret[i] = letters[random[i] % (sizeof(letters) - 1)];
	json_object_object_add(parameters, "text", json_object_new_string(ctl->secret));
	return 0;
}

static void check_secret(struct board *b, json_object *reply)
{
	const char *text = member_string(reply, "text");

	if (text && strcmp(text, b->ctl->secret) == 0)
		say(b, "Device alive and responsive.\n");
	else
		board_fail(b, CODE_OTHER, "WrongEcho", "the board's echo is not what was sent", NULL);
}

const struct verb echo_check = { .name = "connection test",
	.summary = "ask the only board whether it is alive",
	.method = "Echo",
	.flags = VERB_BOARD,
	.prepare = make_secret,
	.print = check_secret };

#define OS .group = "os", .flags = VERB_BOARD
const struct verb os_verbs[] = {
	{ OS, .name = "echo", .summary = "send a text, which the board sends back", .words = echo_words,
		.method = "Echo", .print = print_text },
	{ OS, .name = "application-info", .summary = "what runs on the board", .options = info_options,
		.method = "OsInfo", .prepare = os_prepare_application_info, .print = os_print_application_info,
		.help = "Asks what runs on the board. Without an option: everything, a line each. With options: those fields, on\n"
			"one line, in the board's order" },
	{ OS, .name = "bootloader-info", .summary = "which bootloader, in which mode", .next = bootloader_info },
	{ OS, .name = "mcumgr-parameters", .summary = "the board's buffers for SMP", .method = "Parameters",
		.print = print_parameters },
	{ OS, .name = "task-statistics", .summary = "tasks with their stacks and run times", .method = "Tasks",
		.print = os_print_tasks },
	{ OS, .name = "memory-pool-statistics", .summary = "memory pools and their use", .method = "MemoryPools",
		.print = os_print_pools },
	{ OS, .name = "get-datetime", .summary = "the board's clock", .method = "GetTime", .print = print_time },
	{ OS, .name = "set-datetime", .summary = "set the board's clock", .words = time_words, .options = time_options,
		.method = "SetTime", .prepare = os_prepare_set_datetime, .print = print_time_set,
		.help = "Sets the board's clock, which knows no zones. A TIME without a zone is sent as it is; one with a zone,\n"
			"and this computer's, as local time, or with --utc as UTC" },
	{ OS, .name = "system-reset", .summary = "reset the board", .options = reset_options, .next = os_reset_next,
		.prepare = os_prepare_reset, .event = os_reset_event, .overdue = os_reset_overdue,
		.help = "Resets the board, once: a lost reply is not asked for again. With --bootmode 1 it waits until the board\n"
			"is back in its bootloader, a minute or --boot-timeout at most (then the exit code is 5); --no-wait does not" },
	{ .name = NULL },
};
