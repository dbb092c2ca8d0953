/* SPDX-License-Identifier: MIT */
/* doctor: runs the checks on the machine, and on one board or all. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/doctor.h"
#include "libclient/mcumgrctl/failure.h"
#include "libclient/mcumgrctl/plug.h"
#include "libclient/mcumgrctl/verbs.h"
#include "proto/json.h"
#include "proto/macro.h"

/* --- whom it looks at --------------------------------------------------------------------------------------------- */

static void examine_device(struct doctor *d, json_object *device)
{
	const char *state = member_string(device, "state"), *tty = member_string(device, "tty");

	d->subject = member_string(device, "id");
	doctor_board(d, device);
	if (tty && state && strcmp(state, "absent") != 0 && strcmp(state, "released") != 0)
		doctor_port(d, tty, true);
	d->subject = NULL;
}

/* Whether a word means this board, which has no id yet. */
static bool is_meant(const struct plug *p, const char *word)
{
	size_t i;

	if (!word)
		return true;
	for (i = 0; i < p->port_count; i++) {
		const char *tty = member_string(p->ports[i], "tty");

		if (tty && strcmp(tty, word) == 0)
			return true;
	}
	return p->serial && strcmp(p->serial, word) == 0;
}

/* Boards that the configuration does not know; returns how many. */
static size_t examine_unmanaged(struct doctor *d, const char *word)
{
	size_t i, count, found = 0;
	struct plug *plugs = plugs_find(d->ports, &count);

	for (i = 0; i < count; i++) {
		if (plugs[i].section || !is_meant(&plugs[i], word))
			continue;
		d->subject = member_string(plugs[i].ports[0], "tty");
		if (!d->subject)
			continue;
		found++;
		doctor_configured(d, plugs[i].ports[0]);
		doctor_port(d, d->subject, false);
		d->subject = NULL;
	}
	plugs_free(plugs, count);
	return found;
}

/* A hub that is gone explains why many boards are. */
static void examine_hub(struct doctor *d, json_object *hub)
{
	const char *state = member_string(hub, "state");

	if (!state || strcmp(state, "absent") != 0)
		return;
	d->subject = member_string(hub, "path");
	doctor_say(d, "hub", DOCTOR_PROBLEM, "no hub there since %s, nor any board below it", show_key(hub, "since"));
	doctor_advise(d, "The configuration names it. Is it plugged in, in this very port, and powered?");
	d->subject = NULL;
}

static void examine_all(struct doctor *d)
{
	_cleanup_free_ char *error = NULL;
	_cleanup_json_ json_object *reply = doctor_call(d, "List", NULL, &error, NULL);
	size_t i, n = member_count(reply, "devices"), hubs = member_count(reply, "hubs");

	if (!reply)
		doctor_say(d, "service", DOCTOR_PROBLEM, "the daemon does not list its boards: %s", show(error));
	for (i = 0; i < n; i++)
		if (member_string(member_at(reply, "devices", i), "section"))
			examine_device(d, member_at(reply, "devices", i));
	for (i = 0; i < hubs; i++)
		examine_hub(d, member_at(reply, "hubs", i));
	if (examine_unmanaged(d, NULL) + n + hubs == 0) {
		doctor_say(d, "plugged", DOCTOR_WARNING, "no board is plugged in, and none is expected");
		doctor_advise(d, "mcumgrctl suggest waits for one, and prints the section for it.");
	}
}

/* 0, or the exit code of an error that was reported. */
static int examine_one(struct doctor *d, const char *word)
{
	_cleanup_json_ json_object *parameters = json_object_new_object(), *reply = NULL;
	struct mcumgr_error *error = NULL;
	int r;

	json_object_object_add(parameters, "device", json_object_new_string(word));
	r = mcumgr_call(d->ctl->connection, "Get", parameters, &reply, &error);
	if (r == 0 && member_string(json_object_object_get(reply, "device"), "section"))
		examine_device(d, json_object_object_get(reply, "device"));
	else if (examine_unmanaged(d, r == 0 ? show_key(json_object_object_get(reply, "device"), "tty") : word))
		r = 0;
	else if (r == -EREMOTEIO)
		r = (int)failure_report(d->ctl, NULL, error);
	else if (r < 0)
		r = (int)failure_connection(d->ctl, NULL, d->ctl->connection, r);
	mcumgr_error_free(error);
	return r;
}

/* Without a daemon there are ttys, and no boards. 0, or an exit code. */
static int examine_ttys(struct doctor *d, const char *word)
{
	bool path = word && *word == '/', found = false;
	size_t i;

	for (i = 0; i < d->tty_count; i++) {
		const struct host_tty *t = &d->ttys[i];

		if (word && strcmp(t->node, word) != 0 && !(t->serial && strcmp(t->serial, word) == 0))
			continue;
		d->subject = t->node;
		doctor_port(d, t->node, false);
		found = true;
	}
	if (path && !found) {
		d->subject = word;
		doctor_port(d, word, false);
	} else if (word && !found) {
		doctor_say(d, "board", DOCTOR_UNKNOWN, "only the daemon knows which board %s is", show(word));
	}
	d->subject = NULL;
	return 0;
}

/* --- what it says ------------------------------------------------------------------------------------------------- */

static void print_advice(const char *advice, int indent)
{
	_cleanup_free_ char *copy = format("%s", advice);
	char *rest = copy, *line;

	while ((line = strsep(&rest, "\n")))
		printf("%*s%s\n", indent, "", line);
}

static void print_text(const struct doctor *d)
{
	const char *subject = NULL;
	size_t i, problems = 0, warnings = 0;

	for (i = 0; i < d->count; i++) {
		const struct finding *f = &d->findings[i];
		int indent = f->subject ? 2 : 0;

		problems += f->result == DOCTOR_PROBLEM;
		warnings += f->result == DOCTOR_WARNING;
		if (d->ctl->quiet && f->result == DOCTOR_OK)
			continue;
		if (f->subject && (!subject || strcmp(subject, f->subject) != 0))
			printf("%s:\n", show(f->subject));
		subject = f->subject;
		printf("%*s%-8s %s\n", indent, "", doctor_result_name(f->result), f->message);
		if (f->advice)
			print_advice(f->advice, indent + 9);
	}
	if (!d->ctl->quiet)
		printf("%zu problem%s, %zu warning%s.\n", problems, problems == 1 ? "" : "s", warnings, warnings == 1 ? "" : "s");
}

static json_object *finding_json(const struct finding *f)
{
	json_object *o = json_object_new_object(), *lines;
	_cleanup_free_ char *copy = f->advice ? format("%s", f->advice) : NULL;
	char *rest = copy, *line;

	json_object_object_add(o, "check", json_object_new_string(f->check));
	json_object_object_add(o, "result", json_object_new_string(doctor_result_name(f->result)));
	if (f->subject)
		json_object_object_add(o, "subject", json_object_new_string(f->subject));
	json_object_object_add(o, "message", json_object_new_string(f->message));
	if (!f->advice)
		return o;
	lines = json_object_new_array();
	while ((line = strsep(&rest, "\n")))
		json_object_array_add(lines, json_object_new_string(line));
	json_object_object_add(o, "advice", lines);
	return o;
}

static void print_json(const struct doctor *d)
{
	_cleanup_json_ json_object *o = json_object_new_object();
	json_object *findings = json_object_new_array();
	size_t i;

	for (i = 0; i < d->count; i++)
		json_object_array_add(findings, finding_json(&d->findings[i]));
	json_object_object_add(o, "findings", findings);
	ctl_print_json(o);
}

static int doctor(struct ctl *ctl)
{
	struct doctor d = { .ctl = ctl };
	const char *word;
	int r = 0;

	if (verb_take_device(ctl, NULL) < 0)
		return (int)failure_usage(ctl);
	word = ctl->serial ? ctl->serial : ctl->device;
	d.ttys = host_ttys(&d.tty_count);
	doctor_service(&d);
	doctor_machine(&d);
	if (!d.reachable)
		r = examine_ttys(&d, word);
	else if (word)
		r = examine_one(&d, word);
	else
		examine_all(&d);
	if (r == 0 && ctl->json)
		print_json(&d);
	else if (r == 0)
		print_text(&d);
	if (r == 0 && doctor_has_problem(&d))
		r = CODE_OTHER;
	doctor_release(&d);
	mcumgr_free(ctl->connection);
	return r;
}

const struct verb doctor_verbs[] = {
	{ .name = "doctor",
		.summary = "why a board does not answer, and what to do",
		.words = verb_device_words,
		.flags = VERB_DEVICE,
		.offline = doctor,
		.help = "Looks at the service and its socket, at drivers and at programs that take serial ports, and then at one board\n"
			"or at all: whether the configuration manages it, who has its tty open, whether it answers, what it prints.\n"
			"Works without the daemon, too, and with your own rights: some things only root may see.\n"
			"\n"
			"Nothing is changed; a board that is ready is sent an echo. The exit code is 1 when something keeps a board\n"
			"from answering, 0 when there are warnings at most" },
	{ .name = NULL },
};
