/* SPDX-License-Identifier: MIT */
/* release: ttys for another program, and back. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/command.h"
#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/failure.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/verbs.h"
#include "proto/json.h"

#define SETTLE_MS 60000 /* a board that takes longer to be identified is not waited for */

/* The boards, and what has become of them. */
struct back {
	struct ctl *ctl;
	json_object *ports;  /* of Release */
	json_object *states; /* id -> state, once settled */
};

static int named(struct ctl *ctl, json_object *parameters)
{
	if (ctl->serial)
		return args_refuse(ctl->args, "Nobody else has the tty of a board that no daemon manages.",
			"release has no use for --serial");
	if (ctl->args->list_count && (ctl->device || ctl->all))
		return args_refuse(ctl->args, NULL, "boards are named by %s and after it", ctl->all ? "--all" : "--device");
	if (!ctl->all || ctl->device)
		return lease_devices(ctl, parameters);
	json_object_object_add(parameters, "all", json_object_new_boolean(true));
	return 0;
}

/* "/dev/ttyACM0 /dev/ttyACM1" */
static char *ttys(const struct back *k)
{
	char *text = format("%s", ""), *longer;

	for (size_t i = 0; i < json_object_array_length(k->ports); i++) {
		const char *tty = member_string(json_object_array_get_idx(k->ports, i), "tty");

		longer = format("%s%s%s", text, *text && tty ? " " : "", tty ? tty : "");
		free(text);
		text = longer;
	}
	return text;
}

/* A command that gets no tty might take another one. The end of the connection is the end of the release. */
static int check_ttys(const struct back *k)
{
	_cleanup_free_ char *names = ttys(k);
	json_object *first = json_object_array_get_idx(k->ports, 0);

	if (*names)
		return 0;
	return (int)failure_local(k->ctl, member_string(first, "device"), CODE_SILENT, "DeviceUnavailable",
		"it is not plugged in, and has no tty to hand over", NULL);
}

static int run(struct back *k)
{
	struct hold hold = { .ctl = k->ctl };
	_cleanup_free_ char *names = ttys(k);

	if (k->ctl->args->command) {
		setenv("MCUMGR_TTY", names, 1);
		return command_run(&hold, k->ctl->args->command);
	}
	if (!k->ctl->json)
		printf("%s\n", show(names));
	if (!k->ctl->quiet)
		fputs("mcumgrctl: released, until Ctrl-C or the end of standard input\n", stderr);
	return command_wait(&hold);
}

/* ---- back again ---- */

static bool is_settled(const char *state)
{
	static const char *const settled[] = { "ready", "busy", "recovery", "unresponsive", "unavailable", "absent", "broken",
		"released" };

	for (size_t i = 0; state && i < ARRAY_SIZE(settled); i++)
		if (strcmp(state, settled[i]) == 0)
			return true;
	return false;
}

static bool is_ours(const struct back *k, const char *id)
{
	for (size_t i = 0; i < json_object_array_length(k->ports); i++)
		if (strcmp(show_key(json_object_array_get_idx(k->ports, i), "device"), id) == 0)
			return true;
	return false;
}

static int on_event(struct mcumgr *m, json_object *reply, void *user)
{
	json_object *device = json_object_object_get(reply, "device");
	const char *id = member_string(device, "id"), *state = member_string(device, "state");
	struct back *k = user;

	(void)m;
	if (!id || !state || !is_ours(k, id) || !is_settled(state) || json_object_object_get(k->states, id))
		return 0;
	json_object_object_add(k->states, id, json_object_new_string(state));
	if (!k->ctl->quiet)
		fprintf(stderr, "mcumgrctl: %s is %s%s%s%s\n", show(id), show(state),
			member_string(device, "version") ? ", version " : "", show_key(device, "version"),
			member_string(device, "reason") ? "; see mcumgrctl list" : "");
	return json_object_object_length(k->states) == (int)json_object_array_length(k->ports);
}

/* The command has ended whatever becomes of the boards: its exit code stays. */
static void take_back(struct back *k)
{
	struct ctl *ctl = k->ctl;
	_cleanup_json_ json_object *none = json_object_new_object(), *reply = NULL;

	if (!mcumgr_connected(ctl->connection) || ctl_call(ctl, "Reclaim", none, &reply) != 0)
		return;
	mcumgr_set_timeout(ctl->connection, SETTLE_MS);
	if (mcumgr_call_stream(ctl->connection, "Watch", none, on_event, k, NULL) < 0 && !ctl->quiet)
		fputs("mcumgrctl: not all boards are identified yet; see mcumgrctl list\n", stderr);
}

int lease_release(struct ctl *ctl)
{
	_cleanup_json_ json_object *parameters = json_object_new_object(), *reply = NULL;
	struct back k = { .ctl = ctl, .states = json_object_new_object() };
	int r = named(ctl, parameters);

	if (r == -EINVAL)
		r = (int)failure_usage(ctl);
	if (r == 0) {
		args_parameters(ctl->args, parameters);
		r = ctl_call(ctl, "Release", parameters, &reply);
	}
	k.ports = json_object_object_get(reply, "ports");
	if (r == 0 && !json_object_is_type(k.ports, json_type_array))
		r = (int)failure_local(ctl, NULL, CODE_DAEMON, "NotADaemon", "the daemon's reply to Release has no ports", NULL);
	if (r == 0)
		r = check_ttys(&k);
	if (r == 0) {
		if (ctl->json && !ctl->args->command)
			ctl_print_json(reply);
		r = run(&k);
		take_back(&k);
	}
	mcumgr_free(ctl->connection);
	json_object_put(k.states);
	return r;
}
