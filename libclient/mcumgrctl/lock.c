/* SPDX-License-Identifier: MIT */
/* lock: takes a lease, and keeps it while a command runs, or as long as somebody waits. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "libclient/mcumgrctl/command.h"
#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/failure.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/verbs.h"
#include "proto/json.h"

#define COMMAND_BYTES 200 /* that the daemon takes */

struct lock {
	struct hold hold;
	json_object *reply; /* the last one: token and lease */
	bool lost;
};

/* ---- what is asked for ---- */

/* Those that go by --device, or every one that is managed. */
static int add_all(struct ctl *ctl, json_object *devices)
{
	_cleanup_json_ json_object *selector = json_object_new_object(), *reply = NULL;
	int r;

	if (ctl->device)
		json_object_object_add(selector, "device", json_object_new_string(ctl->device));
	r = ctl_call(ctl, "List", selector, &reply);
	for (size_t i = 0; r == 0 && i < member_count(reply, "devices"); i++)
		if (ctl->device || member_string(member_at(reply, "devices", i), "section"))
			json_object_array_add(devices, json_object_get(json_object_object_get(
				member_at(reply, "devices", i), "id")));
	/* Without a name the daemon would take the only board there is, whichever. */
	if (r == 0 && !json_object_array_length(devices))
		r = (int)failure_local(ctl, NULL, CODE_DEVICE, "NoSuchDevice", "there is no board",
			"mcumgrctl watch shows boards as they are plugged in.");
	return r;
}

int lease_devices(struct ctl *ctl, json_object *parameters)
{
	const struct args *args = ctl->args;
	json_object *devices = json_object_new_array();
	int r = 0;

	for (size_t i = 0; i < args->list_count; i++)
		json_object_array_add(devices, json_object_new_string(args->list[i].text));
	if (ctl->all)
		r = add_all(ctl, devices);
	else if (ctl->device)
		json_object_array_add(devices, json_object_new_string(ctl->device));
	if (r == 0 && json_object_array_length(devices))
		json_object_object_add(parameters, "devices", devices);
	else
		json_object_put(devices);
	return r;
}

static int check(struct ctl *ctl)
{
	struct args *args = ctl->args;
	bool bound = args_has(args, "pid") || args_has(args, "for"), any = args_has(args, "any");
	size_t named = args->list_count + (ctl->device != NULL) + ctl->all;

	if (ctl->serial)
		return args_refuse(args, "Name a board of the daemon.", "%s has no use for --serial", verb_title(ctl->verb));
	if (args->list_count && (ctl->device || ctl->all))
		return args_refuse(args, NULL, "boards are named by %s and after it", ctl->all ? "--all" : "--device");
	if (any && named)
		return args_refuse(args, NULL, "--any and named boards exclude each other");
	if (args_has(args, "count") && !any)
		return args_refuse(args, NULL, "--count goes with --any");
	if (bound && args->command)
		return args_refuse(args, "With a command the lease lasts as long as that runs.",
			"--%s and a command exclude each other", args_has(args, "pid") ? "pid" : "for");
	return 0;
}

/* The daemon's pid is 0 for whoever does not see it: then numbers of processes mean something else to it, too. */
static int check_namespace(struct ctl *ctl)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (!args_has(ctl->args, "pid") ||
		getsockopt(mcumgr_fd(ctl->connection), SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.pid > 0)
		return 0;
	return (int)failure_local(ctl, NULL, CODE_USAGE, "Usage",
		"--pid does not work here: the daemon runs in another pid namespace",
		"Bind the lease to a time (--for), or keep the connection: lock DEV -- COMMAND.");
}

static void add_words(struct ctl *ctl, json_object *parameters)
{
	static char *const own[] = { (char *)"mcumgrctl", (char *)"lock", NULL };
	_cleanup_free_ char *text = command_text(ctl->args->command ? ctl->args->command : own, COMMAND_BYTES);
	const struct arg_value *wait = args_value(ctl->args, "wait");

	json_object_object_add(parameters, "command", json_object_new_string(text));
	if (!wait->given)
		return;
	if (wait->text)
		json_object_object_add(parameters, "waitMs", json_object_new_int64(wait->number));
	else
		json_object_object_add(parameters, "wait", json_object_new_boolean(true));
}

/* ---- the wait ---- */

static int on_reply(struct mcumgr *m, json_object *reply, void *user)
{
	struct lock *k = user;
	struct ctl *ctl = k->hold.ctl;

	(void)m;
	if (ctl->json && (!ctl->args->command || !member_string(reply, "token")))
		ctl_print_json(reply);
	if (member_string(reply, "token"))
		k->reply = json_object_get(reply);
	else if (!ctl->json && !ctl->quiet)
		fprintf(stderr, "mcumgrctl: waiting: %s\n", show_key(reply, "message"));
	return 0;
}

/* Words that are no boards, and were not meant as such. */
static void explain(struct ctl *ctl, const struct mcumgr_error *error)
{
	static const char *const units[] = { "", "ms", "s", "min", "h" };
	const struct arg_value *wait = args_value(ctl->args, "wait");
	const char *word = member_string(error->parameters, "device");
	size_t i, digits = word ? strspn(word, "0123456789") : 0;

	if (ctl->json || !word || !mcumgr_error_is(error, "NoSuchDevice"))
		return;
	for (i = 0; i < ARRAY_SIZE(units) && digits && wait->given && !wait->text; i++)
		if (strcmp(word + digits, units[i]) == 0)
			fprintf(stderr, "  A time for --wait stands behind an equals sign: --wait=%s.\n", word);
	if (ctl->args->list_count > 1 && !ctl->args->command)
		fputs("  A command stands behind --: mcumgrctl lock DEV -- COMMAND.\n", stderr);
}

static int take(struct lock *k, json_object *parameters)
{
	struct ctl *ctl = k->hold.ctl;
	struct mcumgr_error *error = NULL;
	int r = mcumgr_call_stream(ctl->connection, "Lock", parameters, on_reply, k, &error);

	if (r == -EREMOTEIO) {
		r = (int)failure_report(ctl, NULL, error);
		explain(ctl, error);
	} else if (r < 0) {
		r = (int)failure_connection(ctl, NULL, ctl->connection, r);
	} else if (!k->reply) {
		r = (int)failure_local(ctl, NULL, CODE_DAEMON, "NotADaemon", "the daemon's reply to Lock has no token", NULL);
	}
	mcumgr_error_free(error);
	return r;
}

/* ---- holding ---- */

static json_object *first_device(struct lock *k)
{
	return member_at(json_object_object_get(k->reply, "lease"), "devices", 0);
}

/* A lease that is taken away by force is told by the board's events. */
static int on_event(struct mcumgr *m, const struct mcumgr_reply *reply, void *user)
{
	struct lock *k = user;
	json_object *device = json_object_object_get(reply->parameters, "device"), *lease, *own;
	const char *id = member_string(device, "id");

	(void)m;
	if (reply->result < 0 || !id || strcmp(id, json_object_get_string(first_device(k))) != 0)
		return 0;
	lease = json_object_object_get(device, "lease");
	own = json_object_object_get(k->reply, "lease");
	if (!lease || strcmp(show_key(lease, "since"), show_key(own, "since")) != 0)
		k->lost = true;
	return 0;
}

static bool is_lost(struct hold *h)
{
	return container_of(h, struct lock, hold)->lost;
}

static char *device_names(struct lock *k)
{
	json_object *lease = json_object_object_get(k->reply, "lease");
	char *text = format("%s", ""), *longer;

	for (size_t i = 0; i < member_count(lease, "devices"); i++) {
		longer = format("%s%s%s", text, i ? " " : "", json_object_get_string(member_at(lease, "devices", i)));
		free(text);
		text = longer;
	}
	return text;
}

static int run(struct lock *k)
{
	_cleanup_free_ char *names = device_names(k);

	setenv("MCUMGR_LEASE", member_string(k->reply, "token"), 1);
	setenv("MCUMGR_LEASE_DEVICES", names, 1);
	setenv("MCUMGR_SOCKET", mcumgr_socket(k->hold.ctl->connection), 1);
	return command_run(&k->hold, k->hold.ctl->args->command);
}

static int hold(struct lock *k)
{
	struct ctl *ctl = k->hold.ctl;
	bool bound = args_has(ctl->args, "pid") || args_has(ctl->args, "for");
	_cleanup_free_ char *names = device_names(k);
	_cleanup_json_ json_object *parameters = json_object_new_object();

	if (!bound) {
		k->hold.lost = is_lost;
		json_object_object_add(parameters, "device", json_object_get(first_device(k)));
		mcumgr_send(ctl->connection, "Watch", parameters, MCUMGR_MORE, 0, on_event, k);
	}
	if (ctl->args->command)
		return run(k);
	if (!ctl->json)
		printf("%s\n", member_string(k->reply, "token"));
	if (!ctl->quiet)
		fprintf(stderr, "mcumgrctl: locked: %s%s\n", show(names),
			bound ? "" : " (until Ctrl-C, or the end of standard input)");
	return bound ? CODE_DONE : command_wait(&k->hold);
}

int lease_lock(struct ctl *ctl)
{
	_cleanup_json_ json_object *parameters = json_object_new_object();
	struct lock k = { .hold.ctl = ctl };
	int r = check(ctl) < 0 ? (int)failure_usage(ctl) : ctl_connect(ctl);

	if (r == 0)
		r = check_namespace(ctl);
	if (r == 0)
		r = lease_devices(ctl, parameters);
	if (r == 0) {
		args_parameters(ctl->args, parameters);
		add_words(ctl, parameters);
		r = take(&k, parameters);
	}
	if (r == 0)
		r = hold(&k);
	mcumgr_free(ctl->connection);
	json_object_put(k.reply);
	return r;
}
