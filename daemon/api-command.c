/* SPDX-License-Identifier: MIT */
/* Every method that is one SMP command, and Request, which is any. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/api-private.h"

struct run {
	struct request request;
	struct api *api;
	const struct smp_command *command; /* NULL: Request, and a command that no row names */
	bool raw;
	struct device *device; /* valid while the request is pending */
	char *device_id;
	struct call *call;
	bool recovery_wanted; /* a reset into the bootloader */
};

static void run_free(struct run *r)
{
	if (!r)
		return;
	request_release(&r->request);
	free(r->device_id);
	free(r);
}
DEFINE_FREEP(struct run, run_free)

static void run_closed(struct call *call)
{
	struct run *r = call->user;

	device_cancel(r->device, &r->request);
	run_free(r);
}

static bool is(const struct run *r, uint8_t op, uint16_t group, uint8_t id)
{
	return r->request.op == op && r->request.group == group && r->request.id == id;
}

/* A board that went away when the reset was sent did what it was told: its USB port hung up before the answer was read. */
static bool left_for_reset(const struct run *r, const struct answer *a)
{
	return is(r, SMP_WRITE, SMP_OS, 5) && a->error == -ENODEV && a->attempts > 0 && !r->api->stopping;
}

/* What the daemon itself learns from answers that it passes on. A reset counts also when its answer was lost. */
static void learn(struct run *r, const struct answer *a)
{
	if (is(r, SMP_WRITE, SMP_OS, 5) && (a->error == 0 || a->error == -ETIMEDOUT || left_for_reset(r, a)))
		device_expect_reboot(r->device, r->recovery_wanted, a->error != -ETIMEDOUT);
	if (a->error == 0 && r->request.group == SMP_IMAGE && r->request.id == 0)
		device_learn_images(r->device, a->payload);
	if (a->error == 0 && is(r, SMP_READ, SMP_OS, 6))
		device_learn_parameters(r->device, a->payload);
}

static void fail_reply(struct call *call, const char *device, const char *reason)
{
	struct answer a = { .error = -EBADMSG, .text = reason };
	struct api_request request = { .device = device };

	api_fail_answer(call, &request, &a);
}

static int decode(const struct run *r, const struct answer *a, json_object **ret, char *text, size_t size)
{
	json_object *payload = NULL;
	int e;

	if (!r->raw)
		return smp_command_decode(r->command, a->payload, ret, text, size);
	e = cbor_to_json(a->payload, &payload, text, size);
	if (e < 0)
		return e;
	if (!json_object_is_type(payload, json_type_object)) {
		snprintf(text, size, "the payload is no map");
		json_object_put(payload);
		return -EBADMSG;
	}
	*ret = json_object_new_object();
	api_put(*ret, "payload", payload);
	return 0;
}

static void on_done(struct request *request, const struct answer *a)
{
	_cleanup_(run_freep) struct run *r = request->user;
	struct api_request named = {
		.device = r->device_id,
		.group = request->group,
		.command = request->id,
		.recovery = r->device->state == DEVICE_RECOVERY,
	};
	struct call *call = r->call;
	json_object *reply = NULL;
	char text[200] = "";

	if (r->device->session)
		named.message_max = session_message_max(r->device->session);
	learn(r, a);
	if (left_for_reset(r, a) && !r->raw)
		call_reply(call, NULL);
	else if (a->error == -ENODEV && r->api->stopping)
		api_fail_stopping(call);
	else if (a->error < 0)
		api_fail_answer(call, &named, a);
	else if (decode(r, a, &reply, text, sizeof(text)) < 0)
		fail_reply(call, r->device_id, text);
	else
		call_reply(call, reply);
}

/* Takes the run over. */
static void submit(struct api *api, struct run *run, struct device *d, struct call *call)
{
	_cleanup_(run_freep) struct run *r = run;
	int e;

	r->api = api;
	r->device = d;
	r->call = call;
	r->device_id = strdup(d->id);
	r->request.done = on_done;
	r->request.user = r;
	r->request.timeout_ms = (unsigned int)api_int(call, "timeoutMs", 0);
	e = r->device_id ? device_submit(d, &r->request) : -ENOMEM;
	if (e < 0) {
		api_fail_submit(call, d, e);
		return;
	}
	if (r->request.class == REQUEST_WRITE)
		api_audit(call, d, strrchr(call->message.method, '.') + 1);
	call->user = r;
	call->closed = run_closed;
	r = NULL;
}

static struct run *run_new(uint8_t op, uint16_t group, uint8_t id, const struct smp_command *c)
{
	struct run *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->command = c;
	r->request.op = op;
	r->request.group = group;
	r->request.id = id;
	r->request.repeat = REPEAT_NEVER;
	r->request.class = op == SMP_WRITE ? REQUEST_WRITE : REQUEST_READ;
	if (c) {
		r->request.class = c->changes ? REQUEST_WRITE : REQUEST_READ;
		r->request.answer_ms = c->deadline_ms;
	}
	return r;
}

static enum role role_of(const struct run *r)
{
	return r->request.class == REQUEST_WRITE ? ROLE_CHANGE : ROLE_READ;
}

static void no_memory(struct call *call)
{
	api_fail_limit(call, "memory", 0, NULL, "the daemon is out of memory");
}

void api_command_start(struct api *api, struct call *call, const struct smp_command *c)
{
	static const struct api_parameter common[] = { API_DEVICE, API_TIMEOUT, API_LEASE,
		{ "repeat", API_BOOL, .optional = true }, { NULL } };
	static const char *const names[] = { "device", "timeoutMs", "lease", NULL };
	static const char *const names_repeatable[] = { "device", "timeoutMs", "lease", "repeat", NULL };
	static const char *const names_of_reads[] = { "device", "timeoutMs", NULL };
	_cleanup_(run_freep) struct run *r = run_new(c->op, c->group, c->id, c);
	struct writer w = { 0 };
	const char *parameter = NULL;
	struct device *d;
	char text[200];

	if (!r) {
		no_memory(call);
		return;
	}
	if (!api_permitted(api, call, role_of(r)))
		return;
	r->request.repeat = c->may_repeat && api_bool(call, "repeat", false) ? REPEAT_HARMLESS : c->repeat;
	if (smp_command_encode(c, call->message.parameters,
			    c->may_repeat ? names_repeatable : c->changes ? names : names_of_reads, &w, &parameter, text,
			    sizeof(text)) < 0) {
		api_invalid(call, parameter, "%s", text);
		return;
	}
	if (writer_finish(&w, &r->request.payload, &r->request.payload_size) < 0) {
		no_memory(call);
		return;
	}
	if (!api_check(call, common, false) || !(c->changes ? api_device_to_change : api_device)(api, call, &d))
		return;
	if (strcmp(c->name, "OsInfo") == 0 && !api_string(call, "format")) {
		api_os_info(api, call, c, d);
		return;
	}
	r->recovery_wanted = c->restarts && api_int(call, "bootMode", 0) == 1;
	submit(api, TAKE_PTR(r), d, call);
}

static void request(struct api *api, struct call *call)
{
	uint8_t op = strcmp(api_string(call, "operation"), "read") == 0 ? SMP_READ : SMP_WRITE;
	uint16_t group = (uint16_t)api_int(call, "group", 0);
	uint8_t id = (uint8_t)api_int(call, "command", 0);
	json_object *payload = json_object_object_get(call->message.parameters, "payload");
	_cleanup_(run_freep) struct run *r = run_new(op, group, id, smp_command_by_id(op, group, id));
	struct writer w = { 0 };
	struct device *d;
	char text[200];

	if (!r) {
		no_memory(call);
		return;
	}
	if (!api_permitted(api, call, role_of(r)))
		return;
	r->raw = true;
	if (!payload) {
		writer_map(&w, 0);
	} else if (json_to_cbor(payload, &w, text, sizeof(text)) < 0) {
		api_invalid(call, "payload", "%s", text);
		return;
	}
	if (writer_finish(&w, &r->request.payload, &r->request.payload_size) < 0) {
		no_memory(call);
		return;
	}
	if (!(r->request.class == REQUEST_WRITE ? api_device_to_change : api_device)(api, call, &d))
		return;
	r->recovery_wanted = json_object_get_int64(json_object_object_get(payload, "boot_mode")) == 1;
	submit(api, TAKE_PTR(r), d, call);
}

static const struct api_parameter request_parameters[] = {
	API_DEVICE,
	{ "operation", API_STRING, .one = "read", .other = "write" },
	{ "group", API_INT, .min = 0, .max = UINT16_MAX },
	{ "command", API_INT, .min = 0, .max = UINT8_MAX },
	{ "payload", API_OBJECT, .optional = true },
	API_TIMEOUT,
	API_LEASE,
	{ NULL },
};

const struct api_method api_command_methods[] = {
	{ "Request", request_parameters, request, ROLE_READ },
	{ NULL },
};
