/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/api-private.h"
#include "daemon/log.h"

static json_object *new_text(const char *format, va_list args)
{
	_cleanup_free_ char *text = NULL;

	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	return text ? json_object_new_string(text) : NULL;
}

/* The error is Varlink's own and names only the parameter; the sentence is an addition that clients may ignore. */
void api_invalid(struct call *call, const char *parameter, const char *format, ...)
{
	json_object *o = json_object_new_object();
	va_list args;

	api_put_string(o, "parameter", parameter);
	va_start(args, format);
	api_put(o, "message", new_text(format, args));
	va_end(args);
	call_error(call, "org.varlink.service.InvalidParameter", o);
}

void api_fail(struct call *call, const char *name, json_object *parameters, const char *hint, const char *format, ...)
{
	json_object *o = parameters ? parameters : json_object_new_object();
	char error[64];
	va_list args;

	va_start(args, format);
	api_put(o, "message", new_text(format, args));
	va_end(args);
	api_put_string(o, "hint", hint);
	snprintf(error, sizeof(error), "%s.%s", API_INTERFACE, name);
	call_error(call, error, o);
}

void api_fail_limit(struct call *call, const char *limit, int64_t maximum, const char *hint, const char *message)
{
	json_object *o = json_object_new_object();

	api_put_string(o, "limit", limit);
	api_put_int(o, "maximum", maximum);
	api_fail(call, "LimitExceeded", o, hint, "%s", message);
}

static json_object *new_device(const char *id)
{
	json_object *o = json_object_new_object();

	api_put_string(o, "device", id);
	return o;
}

void api_fail_role(struct call *call, enum role needed, enum role has)
{
	const struct peer *p = call_peer(call);
	json_object *o = json_object_new_object();
	char hint[160];

	api_put_string(o, "role", role_name(needed));
	snprintf(hint, sizeof(hint), "an administrator may add you to a group that '%s' in the [daemon] section of the "
		"configuration names; without such lines that is the socket's group", role_name(needed));
	log_info(NULL, "api", "%s is refused to user %u (process %d): role '%s' is missing", call->message.method,
		(unsigned int)p->uid, (int)p->pid, role_name(needed));
	api_fail(call, "PermissionDenied", o, hint, "%s needs the role '%s'; user %u has %s%s%s",
		strrchr(call->message.method, '.') + 1, role_name(needed), (unsigned int)p->uid,
		has == ROLE_NONE ? "no role" : "the role '", has == ROLE_NONE ? "" : role_name(has), has == ROLE_NONE ? "" : "'");
}

/* "b0 (2fe3:0100:2, /dev/ttyACM0)": what a selector could have matched. */
static json_object *describe(const struct device *d)
{
	const struct usb_port port = {.vendor_id = d->vendor_id, .product_id = d->product_id, .interface = d->interface};
	char usb[32] = "", text[320];

	if (d->vendor_id || d->product_id)
		usb_port_identifier(&port, usb, sizeof(usb));
	if (usb[0] || d->tty)
		snprintf(text, sizeof(text), "%.100s (%s%s%.150s)", d->id, usb, usb[0] && d->tty ? ", " : "", d->tty ? d->tty : "");
	else
		snprintf(text, sizeof(text), "%.100s", d->id);
	return json_object_new_string(text);
}

static void put_boards(json_object *o, const char *key, struct device *const *devices, size_t count)
{
	json_object *ids = json_object_new_array(), *details = json_object_new_array();

	for (size_t i = 0; i < count && ids && details; i++) {
		json_object_array_add(ids, json_object_new_string(devices[i]->id));
		json_object_array_add(details, describe(devices[i]));
	}
	api_put(o, key, ids);
	api_put(o, "details", details);
}

void api_fail_no_device(struct api *api, struct call *call, const char *selector)
{
	json_object *o = new_device(selector);
	size_t count = 0;
	_cleanup_free_ struct device **devices = calloc(registry_count(api->registry) + 1, sizeof(*devices));

	for (size_t i = 0; devices && i < registry_count(api->registry); i++)
		if (device_is_managed(registry_at(api->registry, i)))
			devices[count++] = registry_at(api->registry, i);
	put_boards(o, "available", devices, count);
	if (count == 0)
		api_fail(call, "NoSuchDevice", o, "plug one in, and name it in a [device] section of the configuration",
				"no board is known");
	else
		api_fail(call, "NoSuchDevice", o, "name one of the available boards by id, alias, tag, tty or VID:PID expression",
				"no board goes by '%.80s'", selector ? selector : "");
}

void api_fail_selector(struct call *call, const char *parameter, const char *selector, const char *problem)
{
	if (selector && *selector)
		api_invalid(call, parameter, "'%.80s' is no name of a board and no regular expression: %s", selector, problem);
	else
		api_invalid(call, parameter, "'%s' is empty: it takes an id, alias, tag, tty or VID:PID expression", parameter);
}

void api_fail_ambiguous(struct call *call, const char *selector, struct device *const *matches, size_t count)
{
	json_object *o = new_device(selector);

	put_boards(o, "matches", matches, count);
	if (selector)
		api_fail(call, "AmbiguousDevice", o, "name one of them by its id, or mean all of them (mcumgrctl --all -d ...)",
				"%zu boards go by '%.80s'", count, selector);
	else
		api_fail(call, "AmbiguousDevice", o, "name one (mcumgrctl -d ID), or mean all of them (mcumgrctl --all)",
				"%zu boards are known, and the call names none", count);
}

static const char *unavailable_hint(const struct device *d)
{
	switch (d->state) {
	case DEVICE_ABSENT:
		return "plug it in, and look whether its cable carries data";
	case DEVICE_UNAVAILABLE:
		if (!device_is_managed(d))
			return "mcumgrctl suggest prints such a section; the configuration takes effect with systemctl reload mcumgrd";
		return "the reason says who holds the tty or what is missing; it is tried again";
	case DEVICE_BROKEN:
		return "it is left alone until it is quiet for a while; mcumgrctl reset-state looks at it at once";
	case DEVICE_RELEASED:
		return "another program has its tty; it is back when that has ended";
	default:
		if (d->config && d->config->probe == PROBE_NEVER)
			return "with probe = passive there, nothing is sent but what clients ask for";
		return "try again in a moment";
	}
}

void api_fail_unavailable(struct call *call, const struct device *d, const char *reason)
{
	json_object *o = new_device(d->id);

	if (!reason)
		reason = d->reason;
	api_put_string(o, "state", device_state_name(d));
	api_put_string(o, "reason", reason);
	api_fail(call, "DeviceUnavailable", o, unavailable_hint(d), "%s is %s%s%s", d->id, device_state_name(d),
			!reason ? "" : d->state == DEVICE_READY ? ", but not for this: " : ": ", reason ? reason : "");
}

void api_fail_stopping(struct call *call)
{
	api_fail(call, "Stopping", NULL, NULL, "the daemon is ending");
}

/* Beyond 2^63-1 a decimal string, as everywhere in the API. */
static void put_uint(json_object *o, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	api_put(o, name, value > INT64_MAX ? json_object_new_string(text) : json_object_new_int64((int64_t)value));
}

static void fail_remote(struct call *call, const struct api_request *r, const struct smp_status *s)
{
	const char *name = smp_rc_name(s->group, s->rc), *text = smp_rc_text(s->group, s->rc);
	const char *hint = smp_rc_hint(s->group, s->rc, r->group, r->command);
	json_object *o = new_device(r->device);

	if (smp_status_unsupported(s) && r->recovery)
		hint = DEVICE_RECOVERY_HINT;
	if (!hint)
		hint = smp_status_unsupported(s) ? "the command is an option of the board's firmware"
						 : "the firmware decides that; what the board prints may say more";
	if (smp_status_unsupported(s)) {
		api_put_int(o, "group", r->group);
		api_put_int(o, "command", r->command);
		const char *group = smp_group_name(r->group);
		api_fail(call, "NotSupported", o, hint, "%s does not have command %u of group %u%s%s%s", r->device, r->command,
				r->group, group ? " (" : "", group ? group : "", group ? ")" : "");
		return;
	}
	if (s->group >= 0)
		api_put_int(o, "group", s->group);
	else
		json_object_object_add(o, "group", NULL);
	api_put_string(o, "groupName", s->group >= 0 ? smp_group_name((unsigned int)s->group) : NULL);
	put_uint(o, "rc", s->rc);
	api_put_string(o, "name", name);
	api_put_string(o, "reason", s->reason);
	api_fail(call, "DeviceError", o, hint, "%s answered with error %" PRIu64 "%s%s%s%s%s%s", r->device, s->rc,
			name ? " " : "", name ? name : "", text ? ": " : "", text ? text : "", s->reason ? " -- " : "",
			s->reason ? s->reason : "");
}

static void fail_message_size(struct call *call, const struct api_request *r)
{
	char text[120];

	snprintf(text, sizeof(text), "the request is larger than the %zu bytes that %.40s takes", r->message_max, r->device);
	api_fail_limit(call, "request", (int64_t)r->message_max, "send less at once", text);
}

static void fail_queue(struct call *call, const char *id)
{
	char text[120];

	snprintf(text, sizeof(text), "%d requests wait for %.40s already", LIMIT_QUEUE, id);
	api_fail_limit(call, "queue", LIMIT_QUEUE, "wait for the answers of earlier ones", text);
}

void api_fail_answer(struct call *call, const struct api_request *r, const struct answer *a)
{
	const char *text = a->text ? a->text : "";
	json_object *o;

	switch (a->error) {
	case -EREMOTEIO:
		fail_remote(call, r, &a->status);
		return;
	case -EMSGSIZE:
		fail_message_size(call, r);
		return;
	case -EBUSY:
		fail_queue(call, r->device);
		return;
	}
	o = new_device(r->device);
	if (a->error == -ENODEV)
		api_fail(call, "DeviceGone", o, "it is looked for; its state tells when it is back", "%s went away%s%s", r->device,
				text[0] ? ": " : "", text);
	else if (a->error == -ETIMEDOUT)
		api_fail(call, "TimedOut", o, "a slow command needs a longer timeoutMs (mcumgrctl --timeout); else mcumgrctl doctor looks for the cause",
				"%s did not answer%s%s", r->device, text[0] ? ": " : "", text);
	else if (a->error == -EAGAIN)
		api_fail(call, "TimedOut", o, "wait for the job that runs on the board, or cancel it",
				"the request waited behind a job of %s until its deadline", r->device);
	else {
		api_put_string(o, "reason", text[0] ? text : strerror(-a->error));
		api_fail(call, "ProtocolError", o, "the board's firmware or its line is at fault; Request shows the raw reply",
				"the answer of %s breaks the protocol%s%s", r->device, text[0] ? ": " : "", text);
	}
}

void api_fail_submit(struct call *call, const struct device *d, int error)
{
	struct api_request r = { .device = d->id, .message_max = d->session ? session_message_max(d->session) : 0 };

	if (error == -EMSGSIZE)
		fail_message_size(call, &r);
	else if (error == -EBUSY)
		fail_queue(call, d->id);
	else if (error == -ENOMEM)
		api_fail_limit(call, "memory", 0, NULL, "the daemon is out of memory");
	else
		api_fail_unavailable(call, d, NULL);
}

void api_fail_failure(struct call *call, const struct failure *failure)
{
	json_object *o = NULL;
	char error[96];

	if (failure->parameters && json_parse(failure->parameters, strlen(failure->parameters), &o, NULL) < 0)
		o = NULL;
	snprintf(error, sizeof(error), "%s.%s", API_INTERFACE, failure->error ? failure->error : "Cancelled");
	call_error(call, error, o);
}
