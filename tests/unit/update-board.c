/* SPDX-License-Identifier: MIT */

#include "update-board.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/registry.h"

#define STEPS_MAX 20000

static struct bench *bench;
static uint8_t image_data[MODEL_IMAGE_BYTES];

const char *happening_name(enum happening what)
{
	static const char *const names[] = {"nothing", "unplug", "unplug-for-good", "cancel", "lose-request", "lose-reply",
		"rc-unknown", "rc-busy", "rc-group", "broken-reply", "power-cut", "die", "deadline",
		"unplug-at-record", "lose-at-record", "cancel-at-record", "replug-at-record"};
	return names[what];
}

/* --- the device layer --------------------------------------------------------------------------------------------- */

#define PENDING_MAX 32
static struct request *pending[PENDING_MAX];
static size_t pending_count;
static void (*back)(void *user);
static void *back_user;
static bool back_due;

int device_submit(struct device *d, struct request *request)
{
	if (d->state == DEVICE_ABSENT)
		return -ENODEV;
	/* Chunks of an upload that goes on may pass the record of what was asked meanwhile. */
	if (!bench->u->run || request == &bench->u->request)
		ck_assert_msg(!bench->u->job.unrecorded, "%s is sent before it is on record", bench->u->job.step->name);
	ck_assert_uint_lt(pending_count, PENDING_MAX);
	pending[pending_count++] = request;
	return 0;
}

static void take_pending(size_t i)
{
	memmove(&pending[i], &pending[i + 1], (pending_count - i - 1) * sizeof(*pending));
	pending_count--;
}

void device_cancel(struct device *d, struct request *request)
{
	(void)d;
	for (size_t i = 0; i < pending_count; i++)
		if (pending[i] == request)
			take_pending(i--);
}

void device_expect_reboot(struct device *d, bool recovery_wanted, bool taken _unused_)
{
	ck_assert(!recovery_wanted);
	d->info = (struct device_info){0};
	if (bench->board.boot_due && bench->board.waits == 0)
		model_boot(&bench->board);
	back_due = true;
}

void device_await(struct device *d, void (*callback)(void *user), void *user)
{
	(void)d;
	back = callback;
	back_user = user;
}

void device_await_cancel(struct device *d)
{
	(void)d;
	back = NULL;
}

int device_learn_images(struct device *d, const struct value *reply)
{
	(void)d;
	(void)reply;
	return 0;
}

void device_learn_parameters(struct device *d, const struct value *reply)
{
	(void)reply;
	d->info.has_parameters = true;
}

void device_learn_window(struct device *d _unused_, unsigned int window _unused_)
{
}

void device_limits(const struct device *d, struct device_limits *ret)
{
	(void)d;
	*ret = (struct device_limits){.message_max = 380, .window_max = 1, .window_start = 1};
}

uv_loop_t *device_loop(const struct device *d)
{
	(void)d;
	return NULL;
}

unsigned int device_on_cable(const struct device *d)
{
	(void)d;
	return 0;
}

bool device_watches(const struct device *d)
{
	(void)d;
	return false;
}

void device_set_window(struct device *d, unsigned int window)
{
	(void)d;
	(void)window;
}

void device_identify(struct device *d)
{
	(void)d;
}

void device_expect_swap(struct device *d, uint64_t bytes)
{
	(void)d;
	(void)bytes;
}

void registry_job_save(struct registry *r, struct job *job)
{
	(void)r;
	if (job_running(job))
		job->unrecorded = 1;
}

void request_release(struct request *request)
{
	free(request->payload);
	request->payload = NULL;
}

struct blob *blob_ref(struct blob *blob)
{
	blob->references++;
	return blob;
}

void blob_unref(struct blob *blob)
{
	blob->references--;
}

/* --- what happens ------------------------------------------------------------------------------------------------- */

static void answer_error(struct request *request, int error)
{
	const struct answer answer = {.error = error, .text = "a sentence of the session"};
	request->done(request, &answer);
}

static void answer_status(struct request *request, int group, uint64_t rc)
{
	const struct answer answer = {
		.error = -EREMOTEIO, .status = {.failed = true, .group = group, .rc = rc}, .text = "refused"};
	request->done(request, &answer);
}

static void answer_reply(struct request *request, struct writer *w)
{
	_cleanup_(value_doc_freep) struct value_doc *doc = NULL;
	_cleanup_free_ uint8_t *data = NULL;
	size_t size;

	ck_assert_int_eq(writer_finish(w, &data, &size), 0);
	ck_assert_int_eq(value_decode(data, size, &doc, NULL), 0);
	const struct answer answer = {.payload = value_root(doc)};
	request->done(request, &answer);
}

static void lose_everything(int error)
{
	while (pending_count > 0) {
		struct request *request = pending[0];
		take_pending(0);
		answer_error(request, error);
	}
}

static void unplug(bool for_good)
{
	struct model *m = &bench->board;

	bench->device.state = DEVICE_ABSENT;
	m->unplugged = true;
	m->dead |= for_good;
	job_unplugged(&bench->u->job);
	lose_everything(-ENODEV);
}

static void plug(void)
{
	bench->board.unplugged = false;
	model_boot(&bench->board); /* was without power */
	if (!bench->board.no_banner)
		return;
	bench->device.boots++; /* an attachment is seen at any rate */
}

/* Something happens instead of the answer to a request. true: it is not answered. */
static bool happen(struct request *request, const char *what, const struct value *payload)
{
	struct writer w = {0};

	switch (bench->what) {
	case UNPLUG:
	case UNPLUG_FOR_GOOD:
		unplug(bench->what == UNPLUG_FOR_GOOD);
		return true;
	case CANCEL:
		job_cancel(&bench->u->job);
		for (size_t i = 0; i < pending_count; i++)
			if (pending[i] == request)
				return false;
		return true;
	case LOSE_REPLY:
		model_execute(&bench->board, what, payload, &w);
		writer_release(&w);
		break;
	case POWER_CUT:
		model_boot(&bench->board);
		back_due = true;
		break;
	case DIE:
		bench->board.dead = true;
		break;
	case DEADLINE:
		job_expired(&bench->u->job);
		return true;
	case RC_UNKNOWN:
	case RC_BUSY:
	case RC_GROUP:
		device_cancel(&bench->device, request);
		answer_status(request, bench->what == RC_GROUP ? SMP_IMAGE : -1,
				bench->what == RC_GROUP ? 12 : bench->what == RC_BUSY ? 10 : 1);
		return true;
	default:
		break;
	}
	device_cancel(&bench->device, request);
	answer_error(request, bench->what == BROKEN_REPLY ? -EBADMSG : -ETIMEDOUT);
	return true;
}

static void note(const char *what)
{
	char *o = bench->board.operations;
	size_t n = strlen(o);
	/* Chunks come in numbers. */
	if (strcmp(what, "chunk") == 0 && n >= 5 && strcmp(o + n - 5, "chunk") == 0)
		return;
	snprintf(o + n, sizeof(bench->board.operations) - n, "%s%s", n ? " " : "", what);
}

static void answer_next(void)
{
	struct request *request = pending[0];
	_cleanup_(value_doc_freep) struct value_doc *doc = NULL;
	struct writer w = {0};

	ck_assert_int_eq(value_decode(request->payload, request->payload_size, &doc, NULL), 0);
	const struct value *payload = value_root(doc);
	const char *what = model_operation(request, payload);
	note(what);
	if (bench->requests++ == bench->at && bench->what != NOTHING && bench->what < UNPLUG_AT_RECORD) {
		snprintf(bench->hit, sizeof(bench->hit), "%s", what);
		if (happen(request, what, payload))
			return;
	}
	device_cancel(&bench->device, request);
	if (bench->board.dead || bench->board.unplugged) {
		answer_error(request, -ETIMEDOUT);
		return;
	}
	int r = model_execute(&bench->board, what, payload, &w);
	if (r == 0) {
		answer_reply(request, &w);
		return;
	}
	writer_release(&w);
	answer_status(request, r < 0 ? -1 : SMP_IMAGE, (uint64_t)(r < 0 ? -r : r));
}

static void pass_time(void)
{
	unsigned int ms = bench->armed;

	ck_assert_msg(ms > 0, "waits for nothing in step %s", bench->u->job.step->name);
	/* A cable is put back while somebody waits for that. */
	if (bench->board.unplugged && !bench->board.dead && back) {
		bench->now_ms += 500;
		plug();
		back_due = true;
		return;
	}
	bench->now_ms += ms;
	bench->armed = 0;
	job_expired(&bench->u->job);
}

static void replug(void)
{
	unplug(false);
	plug();
	back_due = false;
	if (back)
		back(back_user);
}

static void take_record(void)
{
	struct job *job = &bench->u->job;

	if (bench->u->held && bench->records++ == bench->at && bench->what >= UNPLUG_AT_RECORD) {
		snprintf(bench->hit, sizeof(bench->hit), "record of %s", job->step->name);
		if (bench->what == CANCEL_AT_RECORD) {
			job_cancel(job);
		} else if (bench->what == REPLUG_AT_RECORD) {
			replug();
			replug();
		} else {
			unplug(bench->what == LOSE_AT_RECORD);
		}
	}
	job->unrecorded = 0;
	if (job->recorded)
		job->recorded(job);
}

static void play(void)
{
	if (pending_count > 0) {
		answer_next();
	} else if (bench->u->job.unrecorded) {
		take_record();
	} else if (back && back_due && !bench->board.dead && !bench->board.unplugged) {
		back_due = false;
		if (bench->device.state == DEVICE_PROBING)
			bench->device.state = DEVICE_READY;
		back(back_user);
	} else {
		pass_time();
	}
}

/* --- the job's owner ---------------------------------------------------------------------------------------------- */

static void arm(struct job *job, unsigned int ms)
{
	(void)job;
	bench->armed = ms;
}

static void progress(struct job *job)
{
	size_t n = strlen(bench->trail), k = strlen(job->step->name);
	if (n >= k && strcmp(bench->trail + n - k, job->step->name) == 0)
		return;
	snprintf(bench->trail + n, sizeof(bench->trail) - n, "%s%s", n ? " " : "", job->step->name);
}

static void finished(struct job *job)
{
	(void)job;
	bench->ended = true;
}

static uint64_t now_ms(struct job *job)
{
	(void)job;
	return bench->now_ms;
}

static const struct job_owner owner = {.arm = arm, .progress = progress, .finished = finished, .now_ms = now_ms};

void bench_init(struct bench *at)
{
	memset(at, 0, sizeof(*at));
	at->board = (struct model){.mode = 3, .slot = {OLD, EMPTY}, .confirmed = true, .slot_size = 65536};
	at->device.state = DEVICE_READY;
	at->device.id = (char *)"board";
	at->device.config = &at->config;
	at->blob = (struct blob){.data = image_data, .size = MODEL_IMAGE_BYTES, .is_image = true, .references = 1};
	memset(at->blob.hash, 'f', 64);
	at->blob.info = (struct mcuboot_image){.major = 2, .version = "2.0.0", .hash_size = 32, .total_size = MODEL_IMAGE_BYTES};
	model_hash(NEW, at->blob.info.hash);
	at->now_ms = 1000;
}

/* As update_resume does it; the board is found as soon as somebody waits for it, or was found before. */
static void resume(struct bench *at)
{
	struct update *u = at->u;

	u->resumed = true;
	u->phase = at->phase;
	u->recovery = at->recovery;
	u->flagless = !model_has_marks(&at->board);
	snprintf(u->old_version, sizeof(u->old_version), "1.0.0");
	if (u->phase >= PHASE_RESET) {
		update_goto(u, "reattach");
		u->job.step = u->job.next;
		u->deadline_ms = at->now_ms + update_boot_timeout(u);
		u->resets = 1;
	} else if (!u->job.detached) {
		u->job.cancelled = true;
	}
	back_due = !at->found_before;
	if (!at->found_before)
		at->device.state = DEVICE_PROBING;
	at->device.boots = 7;
}

void bench_run(struct bench *at, const struct update_options *options)
{
	static const struct update_options none;

	bench = at;
	at->board.device = &at->device;
	at->board.new_version = at->blob.info.version;
	pending_count = 0;
	back = NULL;
	back_due = false;
	if (at->board.new_is_lower) {
		at->blob.info.major = 0;
		strcpy(at->blob.info.version, "0.5.0");
	}
	if (at->board.in_recovery)
		at->device.state = DEVICE_RECOVERY;
	ck_assert_int_eq(update_new(&at->device, "board", &at->blob, options ? options : &none, &at->u), 0);
	job_init(&at->u->job, "update", at->u->options.upload_only ? upload_steps : update_steps, &owner, NULL);
	at->u->job.recorded = update_recorded;
	if (at->resumed)
		resume(at);
	job_start(&at->u->job);
	while (!at->ended) {
		ck_assert_msg(at->steps++ < STEPS_MAX, "never ends: %s", at->board.operations);
		play();
	}
	/* Nothing is left behind that could still call. */
	ck_assert_uint_eq(pending_count, 0);
	ck_assert_ptr_null(back);
	ck_assert_uint_eq(at->armed, 0);
}

void bench_release(struct bench *at)
{
	job_unref(&at->u->job);
	ck_assert_uint_eq(at->blob.references, 1);
}
