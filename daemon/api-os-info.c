/* SPDX-License-Identifier: MIT */
/* OsInfo without a format: every field by itself. Values hold blanks, so that a board's answer to 'a' cannot be cut: it is
 * asked letter by letter, in the order in which it would answer (SMP §5.0). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/api-private.h"

/* Of the fields that the row's reply has after `text`. */
static const char letters[] = "snrvbmpio";

struct info {
	struct request request;
	struct api *api;
	const struct smp_command *command;
	struct device *device; /* valid while a request is pending */
	char *device_id;
	struct call *call;
	size_t at; /* in letters */
	json_object *reply;
};

static void info_free(struct info *info)
{
	if (!info)
		return;
	request_release(&info->request);
	json_object_put(info->reply);
	free(info->device_id);
	free(info);
}
DEFINE_FREEP(struct info, info_free)

static void info_closed(struct call *call)
{
	struct info *info = call->user;

	device_cancel(info->device, &info->request);
	info_free(info);
}

static int encode(struct info *info)
{
	const char format[] = { letters[info->at], 0 };
	_cleanup_json_ json_object *parameters = json_object_new_object();
	const char *parameter;
	struct writer w = { 0 };
	char text[200];

	request_release(&info->request);
	api_put_string(parameters, "format", format);
	if (!parameters || smp_command_encode(info->command, parameters, NULL, &w, &parameter, text, sizeof(text)) < 0)
		return -ENOMEM;
	return writer_finish(&w, &info->request.payload, &info->request.payload_size);
}

/* Answers the call and frees info when that fails. */
static void ask(struct info *info)
{
	int e = encode(info);

	if (e == 0)
		e = device_submit(info->device, &info->request);
	if (e == 0)
		return;
	info->call->user = NULL;
	info->call->closed = NULL;
	api_fail_submit(info->call, info->device, e);
	info_free(info);
}

/* What `a` would answer. */
static void put_text(json_object *reply, const struct smp_field *fields)
{
	_cleanup_free_ char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return;
	for (const struct smp_field *field = fields; field->json; field++) {
		json_object *value = json_object_object_get(reply, field->json);

		if (value && field != fields)
			fprintf(f, "%s%s", ftell(f) > 0 ? " " : "", json_object_get_string(value));
	}
	fclose(f);
	api_put_string(reply, fields->json, text);
}

/* Firmware without a field refuses its letter: INVALID_FORMAT, or of old firmware EINVAL. */
static bool is_refused_letter(const struct answer *a)
{
	return a->error == -EREMOTEIO &&
	       ((a->status.group == SMP_OS && a->status.rc == 2) || (a->status.group < 0 && a->status.rc == SMP_EINVAL));
}

/* 0, or as smp_command_decode. */
static int take(struct info *info, const struct answer *a, char *text, size_t size)
{
	const struct smp_field *field = info->command->reply + 1 + info->at;
	_cleanup_json_ json_object *one = NULL;
	int e;

	if (is_refused_letter(a))
		return 0;
	e = smp_command_decode(info->command, a->payload, &one, text, size);
	if (e == 0)
		api_put_string(info->reply, field->json, json_object_get_string(json_object_object_get(one, "text")));
	return e;
}

static void on_done(struct request *request, const struct answer *a)
{
	struct info *info = request->user;
	struct api_request named = {
		.device = info->device_id,
		.group = request->group,
		.command = request->id,
		.recovery = info->device->state == DEVICE_RECOVERY,
	};
	struct answer broken = { .error = -EBADMSG };
	struct call *call = info->call;
	char text[200] = "";

	/* The first letter is every firmware's: refused, it is the command that is. */
	if (a->error < 0 && (info->at == 0 || !is_refused_letter(a))) {
		if (a->error == -ENODEV && info->api->stopping)
			api_fail_stopping(call);
		else
			api_fail_answer(call, &named, a);
	} else if (take(info, a, text, sizeof(text)) < 0) {
		broken.text = text;
		api_fail_answer(call, &named, &broken);
	} else if (letters[++info->at]) {
		ask(info);
		return;
	} else {
		put_text(info->reply, info->command->reply);
		call_reply(call, json_object_get(info->reply));
	}
	info_free(info);
}

void api_os_info(struct api *api, struct call *call, const struct smp_command *c, struct device *d)
{
	_cleanup_(info_freep) struct info *info = calloc(1, sizeof(*info));

	if (!info || !(info->device_id = strdup(d->id)) || !(info->reply = json_object_new_object())) {
		api_fail_submit(call, d, -ENOMEM);
		return;
	}
	info->api = api;
	info->command = c;
	info->device = d;
	info->call = call;
	info->request = (struct request){ .class = REQUEST_READ, .op = c->op, .group = c->group, .id = c->id,
		.repeat = c->repeat, .answer_ms = c->deadline_ms, .done = on_done, .user = info,
		.timeout_ms = (unsigned int)api_int(call, "timeoutMs", 0) };
	call->user = info;
	call->closed = info_closed;
	ask(TAKE_PTR(info));
}
