/* SPDX-License-Identifier: MIT */

/* What every step of an update uses: one request at a time, and the board's list of images. */

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/registry.h"
#include "daemon/update-private.h"
#include "proto/hex.h"

#define BOOT_TIMEOUT_MS 180000

uint64_t update_now(struct update *u)
{
	return u->job.owner->now_ms(&u->job);
}

unsigned int update_boot_timeout(const struct update *u)
{
	return u->options.boot_timeout_ms ? u->options.boot_timeout_ms : BOOT_TIMEOUT_MS;
}

int update_goto(struct update *u, const char *name)
{
	for (const struct job_step *s = u->job.steps; s->name; s++)
		if (strcmp(s->name, name) == 0) {
			u->job.next = s;
			return JOB_GOTO;
		}
	assert(!"no such step");
	return -EINVAL;
}

void update_reach(struct update *u, enum update_phase phase)
{
	if (u->phase == phase)
		return;
	u->phase = phase;
	registry_job_save(u->job.device->registry, &u->job);
}

static void answered(struct request *request, const struct answer *answer)
{
	struct update *u = request->user;

	job_ref(&u->job);
	u->pending = false;
	u->answer = answer;
	job_complete(&u->job, answer->error);
	u->answer = NULL;
	job_unref(&u->job);
}

static int submit(struct update *u)
{
	int r = u->job.device ? device_submit(u->job.device, &u->request) : -ENODEV;

	if (r < 0)
		return r;
	u->pending = true;
	return JOB_WAIT;
}

int update_ask(struct update *u, uint8_t op, uint16_t group, uint8_t id, struct writer *payload, enum smp_repeat repeat,
		unsigned int answer_ms)
{
	assert(!u->pending && !u->held);
	request_release(&u->request);
	u->request = (struct request){
		.class = REQUEST_JOB,
		.op = op,
		.group = group,
		.id = id,
		.repeat = repeat,
		.answer_ms = answer_ms,
		.timeout_ms = u->options.timeout_ms,
		.watched = repeat == REPEAT_HARMLESS,
		.done = answered,
		.user = u,
	};
	int r = writer_finish(payload, &u->request.payload, &u->request.payload_size);
	if (r < 0)
		return r;
	return u->job.unrecorded ? update_hold(u, submit) : submit(u);
}

int update_hold(struct update *u, int (*go)(struct update *u))
{
	u->held = go;
	job_set_deadline(&u->job, 0);
	return JOB_WAIT;
}

void update_recorded(struct job *job)
{
	struct update *u = update_of(job);

	int (*go)(struct update *u) = TAKE_PTR(u->held);
	if (!go)
		return;
	/* The mark: its outcome would have been waited for, had it been sent. */
	if (job->cancelled && job->step->whole) {
		u->phase = PHASE_UPLOADED;
		job_abort(job, -ECANCELED);
		return;
	}
	job_set_deadline(job, job->step->deadline_ms);
	int r = go(u);
	if (r < 0)
		job_complete(job, r);
}

int update_ask_state(struct update *u)
{
	struct writer w = {0};
	writer_map(&w, 0);
	return update_ask(u, SMP_READ, SMP_IMAGE, 0, &w, REPEAT_HARMLESS, 0);
}

void update_stop(struct job *job)
{
	struct update *u = update_of(job);

	if (u->pending && job->device)
		device_cancel(job->device, &u->request);
	u->pending = false;
	u->held = NULL;
	transfer_run_stop(TAKE_PTR(u->run));
	if (u->awaiting && job->device)
		device_await_cancel(job->device);
	u->awaiting = false;
}

static bool lists(const struct update *u, unsigned int image)
{
	for (size_t i = 0; i < u->slot_count; i++)
		if (u->slots[i].image == image)
			return true;
	return false;
}

/* A board without slot information that lists nothing under the number: it may be that of a slot (SMP §5.1), or the build
 * has one image and does not look at it. */
static void find_image(struct update *u)
{
	unsigned int number = u->options.image;

	if (!u->direct && u->options.has_image && number > 0 && !lists(u, number) && lists(u, (number - 1) / 2))
		u->image = (number - 1) / 2;
}

int update_take_state(struct update *u)
{
	struct image_slot slots[IMAGE_SLOTS_MAX];
	size_t count;
	int r = image_slots_decode(u->answer->payload, slots, IMAGE_SLOTS_MAX, &count);

	if (r < 0)
		return r;
	memcpy(u->slots, slots, sizeof(slots));
	u->slot_count = count;
	u->confirming = false;
	find_image(u);
	device_learn_images(u->job.device, u->answer->payload);
	return 0;
}

bool update_is_new(const struct update *u, const struct image_slot *s)
{
	const struct mcuboot_image *image = &u->blob->info;
	return s->image == u->image && image->hash_size > 0 && s->hash_size == image->hash_size &&
		memcmp(s->hash, image->hash, s->hash_size) == 0;
}

const struct image_slot *update_active(const struct update *u)
{
	const struct image_slot *primary = NULL;

	for (size_t i = 0; i < u->slot_count; i++) {
		const struct image_slot *s = &u->slots[i];
		if (s->image != u->image)
			continue;
		if (s->active)
			return s;
		if (s->slot == 0)
			primary = s;
	}
	/* Older servers call only the application's image active, of several (SMP §7.4). */
	return u->image > 0 ? primary : NULL;
}

const struct image_slot *update_found(const struct update *u)
{
	const struct image_slot *active = update_active(u), *found = NULL;

	if (active && update_is_new(u, active))
		return active;
	for (size_t i = 0; i < u->slot_count; i++)
		if (update_is_new(u, &u->slots[i]) && (!found || u->slots[i].pending))
			found = &u->slots[i];
	return found;
}

const struct image_slot *update_pending(const struct update *u)
{
	for (size_t i = 0; i < u->slot_count; i++)
		if (u->slots[i].image == u->image && u->slots[i].pending && !update_is_new(u, &u->slots[i]))
			return &u->slots[i];
	return NULL;
}

static void update_destroy(struct job *job)
{
	struct update *u = update_of(job);

	request_release(&u->request);
	transfer_run_stop(u->run);
	free(u->run_text);
	blob_unref(u->blob);
	free(u);
}

int update_new(struct device *device, const char *device_id, struct blob *blob, const struct update_options *options,
		struct update **ret)
{
	struct update *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	u->job.device_id = strdup(device_id);
	if (!u->job.device_id) {
		free(u);
		return -ENOMEM;
	}
	u->job.device = device;
	u->job.destroy = update_destroy;
	u->job.explain = update_explain;
	u->job.detached = options->detached;
	u->options = *options;
	u->image = options->has_image ? options->image : 0;
	u->blob = blob_ref(blob);
	if (blob->is_image) {
		hex_text(blob->info.hash, blob->info.hash_size, u->job.hash);
		snprintf(u->job.version, sizeof(u->job.version), "%s", blob->info.version);
	}
	*ret = u;
	return 0;
}
