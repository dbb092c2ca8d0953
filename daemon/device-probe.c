/* SPDX-License-Identifier: MIT */

/* Who answers? One request after the other, each of which a board may not have; what is certain is that something answers.
 *
 * Application or MCUboot's serial recovery: recovery has no bootloader info and no group enumeration (rc 8), lists images
 * without splitStatus, takes one request at a time, and is the only server that has the console echo command (os 1), which
 * Zephyr's applications refuse (SMP §5). All of that must hold. */

#include <errno.h>
#include <string.h>

#include "daemon/device-private.h"
#include "daemon/log.h"
#include "daemon/registry.h"

#define SILENT_MAX 2 /* requests in a row without an answer, after there were some: gone again */
#define PACING_LINES_BYTES 186 /* a message of more takes three lines */
#define PACING_MESSAGE_MAX 1024

static int begin(struct device *d, enum probe_step step);

void device_probe_cancel(struct device *d)
{
	struct probe *probe = &d->private->probe;

	if (probe->pending)
		session_cancel(d->session, &probe->request);
	probe->pending = false;
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static void take_groups(struct device *d, const struct value *payload)
{
	const struct value *groups = value_get(payload, "groups");
	uint64_t id;

	d->info.group_count = 0;
	for (size_t i = 0; groups && groups->kind == VALUE_ARRAY && i < groups->size; i++)
		if (d->info.group_count < ARRAY_SIZE(d->info.groups) && value_to_uint(&groups->items[i], &id) && id <= 65535)
			d->info.groups[d->info.group_count++] = (unsigned int)id;
}

static void take(struct device *d, enum probe_step step, const struct value *payload)
{
	struct probe *probe = &d->private->probe;

	switch (step) {
	case PROBE_PARAMETERS:
	case PROBE_PARAMETERS_AGAIN:
	case PROBE_VERSION_1:
		device_learn_parameters(d, payload);
		break;
	case PROBE_IMAGES:
		probe->split_status = value_get(payload, "splitStatus");
		device_learn_images(d, payload);
		break;
	case PROBE_BOOTLOADER:
		device_info_take_bootloader(&d->info, payload);
		break;
	case PROBE_MODE:
		device_info_take_mode(&d->info, payload);
		break;
	case PROBE_GROUPS:
		take_groups(d, payload);
		break;
	case PROBE_CONSOLE_ECHO:
		probe->recovery = true;
		break;
	case PROBE_PACING:
		/* Whether pauses were needed, the session found out on the way. */
		d->private->learnt.line_delay = (int)session_line_delay(d->session);
		device_learned(d);
		break;
	case PROBE_END:
		break;
	}
}

static void refused(struct probe *probe, const struct answer *answer)
{
	if (!smp_status_unsupported(&answer->status))
		return;
	if (probe->step == PROBE_PARAMETERS || probe->step == PROBE_PARAMETERS_AGAIN || probe->step == PROBE_VERSION_1)
		probe->no_parameters = true;
	else if (probe->step == PROBE_BOOTLOADER)
		probe->no_bootloader = true;
	else if (probe->step == PROBE_GROUPS)
		probe->no_groups = true;
	else if (probe->step == PROBE_IMAGES)
		probe->no_images = true;
}

/* --- what to ask next --------------------------------------------------------------------------------------------- */

static bool may_be_recovery(const struct device *d)
{
	const struct probe *probe = &d->private->probe;
	const struct device_info *info = &d->info;

	return probe->no_bootloader && probe->no_groups && info->has_images && !probe->split_status &&
		(probe->no_parameters || (info->has_parameters && info->buffer_count == 1));
}

static bool must_learn_pacing(const struct device *d)
{
	const struct device_private *p = d->private;

	return !p->probe.recovery && !d->config->raw && d->config->line_delay_ms < 0 && p->learnt.line_delay < 0 && d->port &&
		!port_paces_itself(d->port) && session_message_max(d->session) > PACING_LINES_BYTES;
}

static bool wanted(const struct device *d, enum probe_step step)
{
	const struct probe *probe = &d->private->probe;

	/* Nobody there: not worth five more requests. */
	if (!probe->alive)
		return step == PROBE_IMAGES || step == PROBE_VERSION_1;
	switch (step) {
	case PROBE_VERSION_1:
		return false;
	case PROBE_PARAMETERS_AGAIN:
		return !d->info.has_parameters && !probe->no_parameters;
	case PROBE_MODE:
		return strcmp(d->info.bootloader, "MCUboot") == 0;
	case PROBE_CONSOLE_ECHO:
		return may_be_recovery(d);
	case PROBE_PACING:
		return must_learn_pacing(d);
	default:
		return true;
	}
}

static void end(struct device *d)
{
	struct probe *probe = &d->private->probe;

	/* A board that does not tell its buffer's size: the defaults of what it is. */
	if (probe->alive && !d->info.has_parameters)
		device_learn_parameters(d, NULL);
	if (!probe->alive)
		session_set_version(d->session, SMP_V2);
	device_probed(d, probe->alive, probe->recovery);
}

static void go_on(struct device *d)
{
	struct probe *probe = &d->private->probe;
	enum probe_step step = probe->step + 1;

	/* It speaks version 1 alone: what was asked before, it could not understand. */
	if (probe->alive && probe->step == PROBE_VERSION_1)
		step = PROBE_IMAGES;
	if (probe->alive && probe->silent >= SILENT_MAX) {
		probe->alive = false;
		step = PROBE_END;
	}
	while (step < PROBE_END && (!wanted(d, step) || begin(d, step) < 0))
		step++;
	if (step == PROBE_END)
		end(d);
}

static void answered(struct request *request, const struct answer *answer)
{
	struct device *d = request->user;
	struct probe *probe = &d->private->probe;

	probe->pending = false;
	/* The port went: whoever closes it says what comes next. */
	if (answer->error == -ENODEV)
		return;
	if (answer->error == 0 || answer->error == -EREMOTEIO || answer->error == -EBADMSG) {
		probe->alive = true;
		probe->silent = 0;
	} else {
		probe->silent++;
	}
	if (answer->error == 0)
		take(d, probe->step, answer->payload);
	else if (answer->error == -EREMOTEIO)
		refused(probe, answer);
	go_on(d);
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

/* A message that takes three lines or more: on a link that paces nothing, a board with two line buffers loses it, every
 * time. The session then tries pauses. Better now than with the first chunk of an upload, whose deadline is long. */
static void write_burst(struct device *d, struct writer *w)
{
	char text[PACING_MESSAGE_MAX];
	size_t size = session_message_max(d->session);

	if (size > PACING_MESSAGE_MAX)
		size = PACING_MESSAGE_MAX;
	size -= SMP_HEADER_SIZE + 16;
	memset(text, 'm', size);
	writer_map(w, 1);
	writer_text(w, "d");
	writer_text_n(w, text, size);
}

static void write_payload(struct device *d, enum probe_step step, struct writer *w)
{
	switch (step) {
	case PROBE_MODE:
		writer_map(w, 1);
		writer_text(w, "query");
		writer_text(w, "mode");
		break;
	case PROBE_CONSOLE_ECHO:
		writer_map(w, 1);
		writer_text(w, "echo");
		writer_bool(w, false);
		break;
	case PROBE_PACING:
		write_burst(d, w);
		break;
	default:
		writer_map(w, 0);
	}
}

static int begin(struct device *d, enum probe_step step)
{
	static const struct {
		uint8_t op;
		uint16_t group;
		uint8_t id;
	} commands[PROBE_END] = {
		[PROBE_PARAMETERS] = {SMP_READ, SMP_OS, 6},
		[PROBE_IMAGES] = {SMP_READ, SMP_IMAGE, 0},
		[PROBE_VERSION_1] = {SMP_READ, SMP_OS, 6},
		[PROBE_PARAMETERS_AGAIN] = {SMP_READ, SMP_OS, 6},
		[PROBE_BOOTLOADER] = {SMP_READ, SMP_OS, 8},
		[PROBE_MODE] = {SMP_READ, SMP_OS, 8},
		[PROBE_GROUPS] = {SMP_READ, SMP_ENUM, 1},
		[PROBE_CONSOLE_ECHO] = {SMP_WRITE, SMP_OS, 1},
		[PROBE_PACING] = {SMP_WRITE, SMP_OS, 0},
	};
	struct probe *probe = &d->private->probe;
	struct writer w = {0};

	probe->step = step;
	if (step == PROBE_VERSION_1)
		session_set_version(d->session, SMP_V1);
	request_release(&probe->request);
	probe->request = (struct request){
		.class = REQUEST_READ,
		.op = commands[step].op,
		.group = commands[step].group,
		.id = commands[step].id,
		.repeat = REPEAT_HARMLESS,
		.any_state = true,
		.done = answered,
		.user = d,
	};
	write_payload(d, step, &w);
	int r = writer_finish(&w, &probe->request.payload, &probe->request.payload_size);
	if (r == 0)
		r = session_submit(d->session, &probe->request);
	probe->pending = r == 0;
	return r;
}

void device_probe(struct device *d)
{
	struct probe *probe = &d->private->probe;

	device_probe_cancel(d);
	if (!device_sends(d)) {
		/* Its section says so: never asked of the daemon's own accord. */
		session_set_message_max(d->session, 0);
		device_found(d, DEVICE_READY);
		return;
	}
	if (d->state != DEVICE_UNRESPONSIVE)
		device_set_state(d, DEVICE_PROBING, NULL);
	request_release(&probe->request);
	*probe = (struct probe){0};
	device_forget(d);
	session_set_message_max(d->session, 0);
	if (begin(d, PROBE_PARAMETERS) < 0)
		device_probed(d, false, false);
}
