/* SPDX-License-Identifier: MIT */

#include "update-board.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/registry.h"

#define STEPS_MAX 20000
#define IMAGE_BYTES 1500

static struct bench *bench;
static uint8_t image_data[IMAGE_BYTES];

const char *happening_name(enum happening what)
{
	static const char *const names[] = {"nothing", "unplug", "unplug-for-good", "cancel", "lose-request", "lose-reply",
		"rc-unknown", "rc-busy", "rc-group", "broken-reply", "power-cut", "die", "deadline"};
	return names[what];
}

/* --- the bootloader --------------------------------------------------------------------------------------------------- */

static bool has_marks(const struct model *m)
{
	return m->mode != 4 && m->mode != 6 && m->mode != 8;
}

static bool swaps(const struct model *m)
{
	return m->mode == 1 || m->mode == 3 || m->mode == 9;
}

static int version_of(const struct model *m, enum held h)
{
	static const int versions[] = {[OLD] = 10, [NEW] = 20, [OTHER] = 15};
	if (h == EMPTY || h == PARTIAL || (h == NEW && m->new_is_bad))
		return 0;
	return h == NEW && m->new_is_lower ? 5 : versions[h];
}

static void exchange(struct model *m)
{
	enum held h = m->slot[0];
	m->slot[0] = m->slot[1];
	m->slot[1] = h;
}

static void boot_swap(struct model *m)
{
	if (m->mark != UNMARKED) {
		if (version_of(m, m->slot[1]) == 0) {
			m->slot[1] = EMPTY; /* refused, and erased */
		} else {
			exchange(m);
			m->confirmed = m->mark == PERMANENT;
		}
		m->mark = UNMARKED;
	} else if (!m->confirmed) {
		exchange(m);
		m->confirmed = true;
	}
}

static void boot_overwrite(struct model *m)
{
	if (m->mark != UNMARKED && version_of(m, m->slot[1]) > 0)
		m->slot[0] = m->slot[1];
	if (m->mark != UNMARKED)
		m->slot[1] = EMPTY;
	m->mark = UNMARKED;
	m->confirmed = true;
}

static void boot_highest(struct model *m)
{
	m->active = version_of(m, m->slot[1]) > version_of(m, m->slot[0]) ? 1 : 0;
	m->confirmed = true;
}

static void boot_xip_revert(struct model *m)
{
	int other = 1 - m->active;

	if (!m->confirmed) { /* tried once: erased */
		m->slot[m->active] = EMPTY;
		m->active = other;
		m->confirmed = true;
	} else if (m->mark != UNMARKED) {
		if (version_of(m, m->slot[other]) > version_of(m, m->slot[m->active])) {
			m->active = other;
			m->confirmed = m->mark == PERMANENT;
		} else {
			m->slot[other] = EMPTY;
		}
	}
	m->mark = UNMARKED;
}

static void boot_once(struct model *m)
{
	m->boots++;
	m->offset = 0;
	if (m->slot[1 - m->active] == PARTIAL && m->mark == UNMARKED)
		m->slot[1 - m->active] = PARTIAL; /* nobody looks at it */
	if (swaps(m))
		boot_swap(m);
	else if (m->mode == 2)
		boot_overwrite(m);
	else if (m->mode == 5)
		boot_xip_revert(m);
	else if (m->mode != 0)
		boot_highest(m);
	m->in_recovery = version_of(m, m->slot[m->active]) == 0;
}

static void boot(struct model *m)
{
	m->boot_due = false;
	boot_once(m);
	if (m->slot[m->active] == NEW && !m->confirmed && m->new_crashes)
		boot_once(m);
	if (m->slot[m->active] == NEW && m->new_confirms_itself)
		m->confirmed = true;
	if (m->slot[m->active] == NEW && m->never_back)
		m->dead = true;
	if (m->stuck)
		m->in_recovery = true;
	bench->device.state = m->in_recovery ? DEVICE_RECOVERY : DEVICE_READY;
	if (!m->no_banner)
		bench->device.boots++;
}

/* --- the image group -------------------------------------------------------------------------------------------------- */

static void fill_hash(enum held h, uint8_t *hash)
{
	memset(hash, (int)h * 17, 32);
}

static const char *version_text(enum held h)
{
	return h == NEW ? bench->blob.info.version : h == OLD ? "1.0.0" : "1.5.0";
}

static bool is_listed(const struct model *m, int slot)
{
	if (m->in_recovery && version_of(m, m->slot[slot]) == 0)
		return false;
	return m->slot[slot] != EMPTY && m->slot[slot] != PARTIAL;
}

static void write_entry(const struct model *m, struct writer *w, int slot)
{
	bool active = !m->in_recovery && slot == m->active, other = !m->in_recovery && !active;
	uint8_t hash[32];

	fill_hash(m->slot[slot], hash);
	writer_map(w, m->in_recovery ? 3 : 7);
	writer_text(w, "slot");
	writer_uint(w, (uint64_t)slot);
	writer_text(w, "version");
	writer_text(w, version_text(m->slot[slot]));
	writer_text(w, "hash");
	writer_bytes(w, hash, sizeof(hash));
	if (m->in_recovery)
		return;
	writer_text(w, "active");
	writer_bool(w, active);
	writer_text(w, "pending");
	writer_bool(w, other && m->mark != UNMARKED);
	writer_text(w, "permanent");
	writer_bool(w, other && m->mark == PERMANENT);
	writer_text(w, "confirmed");
	writer_bool(w, active ? m->confirmed : swaps(m) && !m->confirmed);
}

static void write_list(const struct model *m, struct writer *w)
{
	writer_map(w, 1);
	writer_text(w, "images");
	writer_array(w, (size_t)is_listed(m, 0) + is_listed(m, 1));
	for (int i = 0; i < 2; i++)
		if (is_listed(m, i))
			write_entry(m, w, i);
}

/* What a command says: 0, or an error of the image group (negative: a plain one). */
static int write_state(struct model *m, const struct value *request)
{
	const struct value *hash = value_get(request, "hash");
	uint8_t active[32], other[32];
	bool confirm = false;

	value_to_bool(value_get(request, "confirm"), &confirm);
	fill_hash(m->slot[m->active], active);
	fill_hash(m->slot[1 - m->active], other);
	if (!has_marks(m) || m->in_recovery)
		return -8;
	if (!hash && !confirm)
		return 24;
	if (!hash || memcmp(hash->data, active, 32) == 0) {
		if (!confirm)
			return 33;
		if (m->mark != UNMARKED)
			return 28;
		m->confirms++;
		if (!m->ignores_confirm)
			m->confirmed = true;
		return 0;
	}
	if (memcmp(hash->data, other, 32) != 0 || !is_listed(m, 1 - m->active))
		return 8;
	if (!m->confirmed && !confirm)
		return 28;
	if (!m->confirmed)
		return 0; /* ok, and does nothing (SMP §5.1) */
	if (m->mark == TEST && confirm)
		return 28;
	m->marks++;
	if (m->mark == UNMARKED && !m->ignores_mark)
		m->mark = confirm ? PERMANENT : TEST;
	return 0;
}

static int upload(struct model *m, const struct value *request, struct writer *w)
{
	int target = m->in_recovery ? 0 : 1 - m->active;
	const struct value *data = value_get(request, "data");
	uint64_t offset = 0;

	value_to_uint(value_get(request, "off"), &offset);
	if (offset == 0 && (m->mark != UNMARKED || (!m->in_recovery && !m->confirmed)))
		return 9;
	if (offset == 0 || offset == m->offset) {
		m->slot[target] = PARTIAL;
		m->offset = offset + data->size;
	}
	writer_map(w, 1);
	writer_text(w, "off");
	writer_uint(w, m->offset);
	if (m->offset >= IMAGE_BYTES) {
		m->slot[target] = NEW;
		m->offset = 0;
		m->uploads++;
	}
	return 0;
}

static void write_slots(const struct model *m, struct writer *w)
{
	writer_map(w, 1);
	writer_text(w, "images");
	writer_array(w, 1);
	writer_map(w, 2);
	writer_text(w, "image");
	writer_uint(w, 0);
	writer_text(w, "slots");
	writer_array(w, 2);
	for (uint64_t i = 0; i < 2; i++) {
		writer_map(w, 2);
		writer_text(w, "slot");
		writer_uint(w, i);
		writer_text(w, "size");
		writer_uint(w, m->slot_size);
	}
}

static int bootloader_info(const struct model *m, const struct value *request, struct writer *w)
{
	if (m->no_bootloader_info || m->in_recovery)
		return -8;
	writer_map(w, 1);
	if (value_get(request, "query")) {
		writer_text(w, "mode");
		writer_int(w, m->mode);
	} else {
		writer_text(w, "bootloader");
		writer_text(w, "MCUboot");
	}
	return 0;
}

static const char *operation(const struct request *r, const struct value *payload)
{
	if (r->group == SMP_OS)
		return r->id == 5 ? "reset" : r->id == 6 ? "params" : value_get(payload, "query") ? "mode" : "bootloader";
	if (r->id == 0)
		return r->op == SMP_READ ? "list" : value_get(payload, "hash") ? "mark" : "confirm";
	return r->id == 1 ? "chunk" : r->id == 5 ? "erase" : "slots";
}

/* Executes a request: 0 and a reply, an image group's error, or a plain one (negative). */
static int execute(struct model *m, const char *what, const struct value *request, struct writer *w)
{
	bool grouped = strcmp(what, "reset") != 0 && strcmp(what, "params") != 0 && strcmp(what, "bootloader") != 0 &&
		strcmp(what, "mode") != 0;

	if (grouped && !m->in_recovery && (m->no_group || (m->new_lacks_group && m->slot[m->active] == NEW)))
		return -8;
	if (strcmp(what, "list") == 0) {
		write_list(m, w);
		if (m->boot_due && m->waits-- == 0)
			boot(m);
		return 0;
	}
	if (strcmp(what, "mark") == 0 || strcmp(what, "confirm") == 0) {
		int r = write_state(m, request);
		if (r == 0)
			write_list(m, w);
		return r;
	}
	if (strcmp(what, "chunk") == 0)
		return upload(m, request, w);
	if (strcmp(what, "slots") == 0) {
		write_slots(m, w);
		return m->no_slot_info ? -8 : 0;
	}
	if (strcmp(what, "bootloader") == 0 || strcmp(what, "mode") == 0)
		return bootloader_info(m, request, w);
	if (strcmp(what, "reset") == 0 && !m->ignores_reset) {
		m->resets++;
		m->boot_due = true;
		m->waits = m->slow_resets;
	}
	if (strcmp(what, "erase") == 0)
		m->slot[1 - m->active] = EMPTY;
	writer_map(w, 0);
	return 0;
}

/* --- the device layer ------------------------------------------------------------------------------------------------- */

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

void device_expect_reboot(struct device *d, bool recovery_wanted)
{
	ck_assert(!recovery_wanted);
	d->info = (struct device_info){0};
	if (bench->board.boot_due && bench->board.waits == 0)
		boot(&bench->board);
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

void device_limits(const struct device *d, struct device_limits *ret)
{
	(void)d;
	*ret = (struct device_limits){.message_max = 380, .window_max = 1, .window_start = 1};
}

void device_set_window(struct device *d, unsigned int window)
{
	(void)d;
	(void)window;
}

void device_expect_swap(struct device *d, uint64_t bytes)
{
	(void)d;
	(void)bytes;
}

void registry_job_save(struct registry *r, struct job *job)
{
	(void)r;
	(void)job;
}

void request_release(struct request *request)
{
	free(request->payload);
	request->payload = NULL;
}

struct blob *blob_ref(struct blob *b)
{
	b->references++;
	return b;
}

void blob_unref(struct blob *b)
{
	b->references--;
}

/* --- what happens ----------------------------------------------------------------------------------------------------- */

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
	boot(&bench->board); /* was without power */
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
		execute(&bench->board, what, payload, &w);
		writer_release(&w);
		break;
	case POWER_CUT:
		boot(&bench->board);
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
	const char *what = operation(request, payload);
	note(what);
	if (bench->requests++ == bench->at && bench->what != NOTHING) {
		snprintf(bench->hit, sizeof(bench->hit), "%s", what);
		if (happen(request, what, payload))
			return;
	}
	device_cancel(&bench->device, request);
	if (bench->board.dead || bench->board.unplugged) {
		answer_error(request, -ETIMEDOUT);
		return;
	}
	int r = execute(&bench->board, what, payload, &w);
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

static void play(void)
{
	if (pending_count > 0) {
		answer_next();
	} else if (back && back_due && !bench->board.dead && !bench->board.unplugged) {
		back_due = false;
		back(back_user);
	} else {
		pass_time();
	}
}

/* --- the job's owner -------------------------------------------------------------------------------------------------- */

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

void bench_init(struct bench *b)
{
	memset(b, 0, sizeof(*b));
	b->board = (struct model){.mode = 3, .slot = {OLD, EMPTY}, .confirmed = true, .slot_size = 65536};
	b->device.state = DEVICE_READY;
	b->device.id = (char *)"board";
	b->device.config = &b->config;
	b->blob = (struct blob){.data = image_data, .size = IMAGE_BYTES, .is_image = true, .references = 1};
	memset(b->blob.hash, 'f', 64);
	b->blob.info = (struct mcuboot_image){.major = 2, .version = "2.0.0", .hash_size = 32, .total_size = IMAGE_BYTES};
	fill_hash(NEW, b->blob.info.hash);
	b->now_ms = 1000;
}

void bench_run(struct bench *b, const struct update_options *options)
{
	static const struct update_options none;

	bench = b;
	pending_count = 0;
	back = NULL;
	back_due = false;
	if (b->board.new_is_lower) {
		b->blob.info.major = 0;
		strcpy(b->blob.info.version, "0.5.0");
	}
	if (b->board.in_recovery)
		b->device.state = DEVICE_RECOVERY;
	ck_assert_int_eq(update_new(&b->device, "board", &b->blob, options ? options : &none, &b->u), 0);
	job_init(&b->u->job, "update", b->u->options.upload_only ? upload_steps : update_steps, &owner, NULL);
	job_start(&b->u->job);
	while (!b->ended) {
		ck_assert_msg(b->steps++ < STEPS_MAX, "never ends: %s", b->board.operations);
		play();
	}
	/* Nothing is left behind that could still call. */
	ck_assert_uint_eq(pending_count, 0);
	ck_assert_ptr_null(back);
	ck_assert_uint_eq(b->armed, 0);
}

void bench_release(struct bench *b)
{
	job_unref(&b->u->job);
	ck_assert_uint_eq(b->blob.references, 1);
}
