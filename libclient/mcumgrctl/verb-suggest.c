/* SPDX-License-Identifier: MIT */
/* suggest: lines for mcumgrd.conf(5), and rules for udev. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/failure.h"
#include "libclient/mcumgrctl/private.h"
#include "libclient/mcumgrctl/section.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/udev-rules.h"
#include "libclient/mcumgrctl/verbs.h"
#include "proto/json.h"
#include "proto/macro.h"

#define SETTLE_MS 500 /* other ports of a board may come so much later */

/* --- which boards ------------------------------------------------------------------------------------------------- */

static const struct plug *newest(const struct plug *plugs, size_t count)
{
	const struct plug *found = NULL;
	size_t i;

	for (i = 0; i < count; i++)
		if (!plugs[i].section && (!found || (plugs[i].since && found->since && strcmp(plugs[i].since, found->since) > 0)))
			found = &plugs[i];
	return found;
}

/* Boards that no section manages; ret_there: that are plugged in. */
static size_t count_unmanaged(json_object *reply, size_t *ret_there)
{
	size_t i, count, unmanaged = 0;
	struct plug *plugs = plugs_find(reply, &count);

	for (i = 0; i < count; i++)
		unmanaged += !plugs[i].section;
	plugs_free(plugs, count);
	*ret_there = count;
	return unmanaged;
}

/* --- waiting for a plug ------------------------------------------------------------------------------------------- */

struct watch {
	json_object *latest; /* a reference */
	uint64_t changed_ms;
	int result;	     /* of the call, once it has ended */
	struct mcumgr_error *error;
	bool ended;
	enum exit_code code;
	struct ctl *ctl;
};

static int on_ports(struct mcumgr *m, const struct mcumgr_reply *reply, void *user)
{
	struct watch *w = user;

	if (reply->result == 0) {
		json_object_put(w->latest);
		w->latest = json_object_get(reply->parameters);
		w->changed_ms = ctl_now();
	} else if (reply->result != -ECANCELED) {
		w->code = reply->result == -EREMOTEIO ? failure_report(w->ctl, NULL, reply->error)
						      : failure_connection(w->ctl, NULL, m, reply->result);
	}
	w->ended = reply->result < 0 || !reply->continues;
	return 0;
}

static void say_waiting(const struct ctl *ctl, size_t there)
{
	if (ctl->quiet)
		return;
	if (there)
		fprintf(stderr, "The configuration manages all that is plugged in (%zu board%s). ", there, there == 1 ? "" : "s");
	else
		fputs("No serial port on USB is plugged in. ", stderr);
	fputs("Waiting for a new board: plug it in. Ctrl-C ends this.\n", stderr);
}

static int fail_timeout(struct ctl *ctl)
{
	_cleanup_free_ char *message = ctl->timeout_ms % 1000
					       ? format("no new board within %" PRId64 " ms", ctl->timeout_ms)
					       : format("no new board within %" PRId64 " s", ctl->timeout_ms / 1000);

	return (int)failure_local(ctl, NULL, CODE_SILENT, "TimedOut", message,
		"mcumgrctl list --all-ports shows what is plugged in; mcumgrctl doctor tells of missing drivers.");
}

/* Ctrl-C is heard here: a daemon of this run has to be ended in order. */
static void wait_until(struct pollfd *p, uint64_t until, uint64_t now)
{
	uint64_t left = until > now ? until - now : 0;
	struct timespec pause = { .tv_sec = (time_t)(left / 1000), .tv_nsec = (long)(left % 1000) * 1000000 };

	ppoll(p, 1, until == UINT64_MAX ? NULL : &pause, interrupt_mask());
}

/* Until a board is there that nothing manages, with all of its ports. 0, or an exit code of something reported. */
static int wait_for_plug(struct ctl *ctl, json_object **ret)
{
	struct watch w = { .ctl = ctl };
	uint64_t deadline = ctl->timeout_ms ? ctl_now() + (uint64_t)ctl->timeout_ms : UINT64_MAX, now;
	bool said = false;
	int r = ctl_connect(ctl);

	if (r)
		return r;
	r = mcumgr_send(ctl->connection, "Ports", NULL, MCUMGR_MORE, 0, on_ports, &w);

	if (r < 0)
		return (int)failure_connection(ctl, NULL, ctl->connection, r);
	interrupt_setup();
	while (!w.ended) {
		struct pollfd p = { .fd = mcumgr_fd(ctl->connection), .events = mcumgr_events(ctl->connection) };
		size_t there = 0, found = w.latest ? count_unmanaged(w.latest, &there) : 0;
		uint64_t settled = w.changed_ms + SETTLE_MS;

		now = ctl_now();
		if (found && now >= settled)
			break;
		if (now >= deadline && !found) {
			w.code = (enum exit_code)fail_timeout(ctl);
			break;
		}
		if (w.latest && !found && !said)
			say_waiting(ctl, there);
		said |= w.latest != NULL;
		wait_until(&p, found ? settled : deadline, now);
		if (interrupt_count()) {
			w.code = CODE_CANCELLED;
			break;
		}
		mcumgr_process(ctl->connection);
	}
	mcumgr_close(ctl->connection);
	if (w.code)
		json_object_put(w.latest);
	else
		*ret = w.latest;
	return (int)w.code;
}

/* --- what is said ------------------------------------------------------------------------------------------------- */

static void print_comment(const struct section *s)
{
	const struct plug *p = s->plug;
	size_t i;

	printf("# %s%s%s:", p->product ? show(p->product) : "a board", p->manufacturer ? " of " : "",
		p->manufacturer ? show(p->manufacturer) : "");
	for (i = 0; i < p->port_count; i++)
		printf("%s %s", i ? "," : "", show_key(p->ports[i], "tty"));
	if (p->serial)
		printf(", serial number %s", show(p->serial));
	printf("%s%s\n", p->hub ? ", at " : "", p->hub ? show(p->hub) : "");
	if (s->why)
		printf("# %s: chosen by %s\n", s->why, strcmp(s->key, "path") == 0 ? "the hub port it is in" : "its USB ids");
}

static void print_section(const struct section *s)
{
	print_comment(s);
	printf("[device %s]\n%s = %s\nalias = %s\n\n", s->name, s->key, s->value, s->name);
}

static json_object *section_json(const struct section *s)
{
	json_object *o = json_object_new_object(), *ttys = json_object_new_array();
	size_t i;

	for (i = 0; i < s->plug->port_count; i++)
		json_object_array_add(ttys, json_object_new_string(show_key(s->plug->ports[i], "tty")));
	json_object_object_add(o, "name", json_object_new_string(s->name));
	json_object_object_add(o, s->key, json_object_new_string(s->value));
	json_object_object_add(o, "alias", json_object_new_string(s->name));
	json_object_object_add(o, "ttys", ttys);
	if (s->why)
		json_object_object_add(o, "reason", json_object_new_string(s->why));
	return o;
}

static void print_json(const struct section *sections, size_t count)
{
	_cleanup_json_ json_object *o = json_object_new_object();
	json_object *list = json_object_new_array();
	size_t i;

	for (i = 0; i < count; i++)
		json_object_array_add(list, section_json(&sections[i]));
	json_object_object_add(o, "sections", list);
	ctl_print_json(o);
}

static void print_sections(struct ctl *ctl, json_object *reply, const struct section *sections, size_t count)
{
	const char *file = private_is_on() ? NULL : member_string(reply, "configuration");
	size_t i, there, unmanaged = count_unmanaged(reply, &there);

	if (ctl->json) {
		print_json(sections, count);
		return;
	}
	for (i = 0; i < count; i++)
		print_section(&sections[i]);
	fflush(stdout);
	if (ctl->quiet)
		return;
	if (count)
		fprintf(stderr, "Append this to %s, then: systemctl %s\n", file ? show(file) : "/etc/mcumgrd.conf",
			private_is_on() ? "enable --now mcumgrd.socket mcumgrd.service" : "reload-or-restart mcumgrd");
	if (unmanaged > count)
		fprintf(stderr, "This is for the board that was plugged in last; there %s %zu more that nothing manages, see suggest --all.\n",
			unmanaged - count == 1 ? "is" : "are", unmanaged - count);
	if (!there)
		fputs("No serial port on USB is plugged in.\n", stderr);
	else if (!unmanaged)
		fputs("A section of the configuration manages every serial port on USB that there is.\n", stderr);
}

static void suggest_sections(struct ctl *ctl, json_object *reply)
{
	size_t i, count, section_count;
	struct plug *plugs = plugs_find(reply, &count);
	const struct plug *only = newest(plugs, count);
	bool all = args_global(ctl->args, "all")->given, *wanted = calloc(count + 1, sizeof(*wanted));
	struct section *sections;

	if (!wanted)
		out_of_memory();
	for (i = 0; i < count; i++)
		wanted[i] = !plugs[i].section && (all || &plugs[i] == only);
	sections = sections_make(reply, plugs, count, wanted, &section_count);
	print_sections(ctl, reply, sections, section_count);
	sections_free(sections, section_count);
	plugs_free(plugs, count);
	free(wanted);
}

static void suggest_rules(struct ctl *ctl, json_object *reply)
{
	_cleanup_json_ json_object *o = NULL;
	_cleanup_free_ char *text = NULL;
	size_t size;
	FILE *f;

	if (!ctl->json) {
		udev_rules_print(reply, stdout);
		return;
	}
	f = open_memstream(&text, &size);
	if (!f)
		out_of_memory();
	udev_rules_print(reply, f);
	if (fclose(f))
		out_of_memory();
	o = json_object_new_object();
	json_object_object_add(o, "rules", json_object_new_string(text));
	ctl_print_json(o);
}

static int suggest(struct ctl *ctl)
{
	bool udev = args_has(ctl->args, "udev");
	_cleanup_json_ json_object *reply = NULL;
	int r;

	r = udev ? 0 : private_observe(ctl);
	if (r == 0 && private_is_on() && !ctl->quiet)
		fputs("mcumgrctl: no daemon runs; the sections of its configuration are not looked at\n", stderr);
	if (r)
		return r;
	if (udev || args_global(ctl->args, "all")->given)
		r = ctl_call(ctl, "Ports", NULL, &reply);
	else
		r = wait_for_plug(ctl, &reply);
	if (r == 0 && udev)
		suggest_rules(ctl, reply);
	else if (r == 0)
		suggest_sections(ctl, reply);
	mcumgr_free(ctl->connection);
	return r;
}

static const struct arg suggest_options[] = {
	{ "udev", .kind = ARG_FLAG, .help = "rules for udev instead, for the boards that are configured" },
	{ NULL },
};

const struct verb setup_verbs[] = {
	{ .name = "suggest",
		.summary = "lines of the configuration for a new board",
		.options = suggest_options,
		.flags = VERB_ALL | VERB_TIMEOUT,
		.offline = suggest,
		.help = "Prints the section of mcumgrd.conf(5) that makes the daemon manage the board that was plugged in last and\n"
			"that no section manages yet; where there is none, waits for a plug, with --timeout at most so long (then the\n"
			"exit code is 5). With --all, for every such board, at once. Without a daemon what is plugged in counts as new.\n"
			"Names are made from what the boards say of themselves; change them as you like.\n"
			"\n"
			"With --udev prints rules for udev for all boards that are configured: ModemManager leaves them alone, the\n"
			"service may open them, FTDI chips hand over at once what they receive, nothing is suspended" },
	{ .name = NULL },
};
