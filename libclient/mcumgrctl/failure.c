/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/failure.h"
#include "libclient/mcumgrctl/screen.h"
#include "libclient/mcumgrctl/text.h"
#include "proto/json.h"

#define API "io.mcumgr."
#define SERVICE "org.varlink.service."

enum exit_code failure_code(const char *name)
{
	static const struct {
		const char *name;
		enum exit_code code;
	} classes[] = {
		{ API "NoSuchDevice", CODE_DEVICE },
		{ API "AmbiguousDevice", CODE_DEVICE },
		{ API "DeviceBusy", CODE_BUSY },
		{ API "NoSuchLease", CODE_BUSY },
		{ API "DeviceGone", CODE_SILENT },
		{ API "DeviceUnavailable", CODE_SILENT },
		{ API "TimedOut", CODE_SILENT },
		{ API "NotSupported", CODE_REFUSED },
		{ API "DeviceError", CODE_REFUSED },
		{ API "UpdateRefused", CODE_UPDATE },
		{ API "NotBooted", CODE_UPDATE },
		{ API "BadImage", CODE_IMAGE },
		{ API "NoSuchImage", CODE_IMAGE },
		{ API "Stopping", CODE_DAEMON },
		{ API "Cancelled", CODE_CANCELLED },
		{ API "PermissionDenied", CODE_PERMISSION },
		{ SERVICE "PermissionDenied", CODE_PERMISSION },
		{ SERVICE "InvalidParameter", CODE_USAGE },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(classes); i++)
		if (strcmp(classes[i].name, name) == 0)
			return classes[i].code;
	return CODE_OTHER;
}

const char *failure_short(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot ? dot + 1 : name;
}

char *failure_sentence(const char *device, const char *message)
{
	_cleanup_free_ char *quoted = format("'%s'", device ? device : "");
	size_t length = device ? strlen(device) : 0;

	/* The daemon may have named the board already. */
	if (!length || strstr(message, quoted) || (strncmp(message, device, length) == 0 && (message[length] == ':' || message[length] == ' ')))
		return format("%s", message);
	return format("%s: %s", device, message);
}

static void print_object(struct ctl *ctl, const char *device, const char *name, json_object *parameters)
{
	_cleanup_json_ json_object *object = json_object_new_object();

	if (ctl->all && device)
		json_object_object_add(object, "device", json_object_new_string(device));
	json_object_object_add(object, "error", json_object_new_string(name));
	json_object_object_add(object, "parameters", json_object_get(parameters));
	ctl_print_json(object);
}

/* Lines of the message and the hint behind the first are indented. */
static void print_indented(const char *text)
{
	_cleanup_free_ char *clean = text_clean_lines(text);
	char *line, *rest = clean;

	while ((line = strsep(&rest, "\n")))
		if (*line)
			fprintf(stderr, "  %s\n", line);
}

static void print_text(const char *device, const char *message, const char *hint)
{
	_cleanup_free_ char *sentence = failure_sentence(device, message), *clean = text_clean_lines(sentence);
	char *rest = clean, *first = strsep(&rest, "\n");

	screen_clear();
	fflush(stdout);
	fprintf(stderr, "mcumgrctl: %s\n", first);
	if (rest)
		print_indented(rest);
	if (hint && *hint)
		print_indented(hint);
}

/* The boards that an error lists, where its sentence does not name them. */
static char *hint_with_names(const struct mcumgr_error *error)
{
	bool several = mcumgr_error_is(error, "AmbiguousDevice");
	const char *key = several ? "matches" : "available";
	size_t i, n = member_count(error->parameters, key), size;
	bool detailed = n && member_count(error->parameters, "details") == n;
	const char *lease = getenv("MCUMGR_LEASE");
	char *text;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		out_of_memory();
	if (mcumgr_error_is(error, "NoSuchLease") && lease)
		fprintf(f, "MCUMGR_LEASE is %s.\n", *lease ? "set, and names it" : "empty");
	if (error->hint)
		fprintf(f, "%s\n", error->hint);
	if (n)
		fprintf(f, "%s\n", !several ? "There is:" : member_string(error->parameters, "device") ? "These match:" : "These are there:");
	for (i = 0; i < n; i++) {
		const char *name = json_object_get_string(member_at(error->parameters, detailed ? "details" : key, i));

		/* On its own line each, and no more than its own line. */
		fprintf(f, " - %s\n", show(name));
	}
	if (fclose(f))
		out_of_memory();
	return text;
}

enum exit_code failure_report(struct ctl *ctl, const char *device, const struct mcumgr_error *error)
{
	_cleanup_free_ char *hint = hint_with_names(error);
	const char *named = member_string(error->parameters, "device");

	if (ctl->json)
		print_object(ctl, device, error->name, error->parameters);
	else
		print_text(ctl->all && device ? device : named ? named : device ? device : ctl->subject, error->message, hint);
	return failure_code(error->name);
}

enum exit_code failure_local(struct ctl *ctl, const char *device, enum exit_code code, const char *error,
	const char *message, const char *hint)
{
	_cleanup_json_ json_object *parameters = json_object_new_object();
	_cleanup_free_ char *name = format("mcumgrctl.%s", error);

	if (!ctl->json) {
		print_text(device, message, hint);
		return code;
	}
	json_object_object_add(parameters, "message", json_object_new_string(message));
	if (hint && *hint)
		json_object_object_add(parameters, "hint", json_object_new_string(hint));
	print_object(ctl, device, name, parameters);
	return code;
}

enum exit_code failure_usage(struct ctl *ctl)
{
	const char *hint = ctl->args->hint;

	if (!*hint)
		hint = "mcumgrctl --help lists verbs and options, mcumgrctl VERB --help tells about one.";
	return failure_local(ctl, NULL, CODE_USAGE, "Usage", ctl->args->problem, hint);
}

enum exit_code failure_connection(struct ctl *ctl, const char *device, struct mcumgr *m, int result)
{
	const char *message = mcumgr_message(m);

	switch (result) {
	case -EACCES:
		return failure_local(ctl, device, CODE_PERMISSION, "PermissionDenied", message,
			"Join the group that owns the socket, and log in again: sudo usermod -aG mcumgr $USER");
	case -ENOENT:
	case -ECONNREFUSED:
		return failure_local(ctl, device, CODE_DAEMON, "DaemonUnreachable", message,
			"Start it (systemctl start mcumgrd.socket), or name its socket: --socket PATH, MCUMGR_SOCKET.");
	case -ECONNRESET:
		return failure_local(ctl, device, CODE_DAEMON, "ConnectionLost", message, NULL);
	case -EPROTO:
		return failure_local(
			ctl, device, CODE_DAEMON, "NotADaemon", message, "Is it mcumgrd that listens there?");
	default:
		return failure_local(ctl, device, CODE_DAEMON, "DaemonUnreachable", message, NULL);
	}
}
