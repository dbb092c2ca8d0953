/* SPDX-License-Identifier: MIT */

#include "daemon/transfer-run.h"

#include <errno.h>
#include <stdio.h>

#include "daemon/round-trip.h"

/* The first chunk of an image may erase a slot before it is answered (SMP §6.3); others write flash, at times a page
 * erase; the last one may hash the whole slot. */
#define ERASE_ANSWER_MS 40000
#define CHUNK_ANSWER_MS 2500
#define LAST_ANSWER_MS 5000

struct flight {
	struct request request;
	struct transfer_run *run;
	struct transfer_chunk chunk;
	bool busy;
	bool patient; /* given the time of an erase, because its loss would be noticed otherwise */
};

struct transfer_run {
	struct device *device;
	struct transfer *transfer;
	const struct transfer_run_callbacks *callbacks;
	void *user;
	unsigned int timeout_ms;
	struct round_trip round_trip;
	struct flight flights[TRANSFER_WINDOW_MAX];
	struct request question; /* "are you there?" */
	bool asking, asked_patiently;
	bool beside; /* the question went out behind a first chunk */
	uint64_t told; /* bytes last told to progress() */
	unsigned int window;
	char broken[128];  /* what is wrong with the latest reply, if anything is */
	uv_timer_t *pause; /* or NULL */
	bool paused;	   /* ... is over */
	bool forgotten;	   /* the board would have it all again */
	bool inside, stopped; /* stopped from one of its own callbacks: freed when that has returned */
};

static void land(struct flight *f)
{
	request_release(&f->request);
	f->busy = false;
}

static void on_pause_closed(uv_handle_t *handle)
{
	free(handle);
}

static void stop_pause(struct transfer_run *run)
{
	if (run->pause)
		uv_close((uv_handle_t *)TAKE_PTR(run->pause), on_pause_closed);
}

static void stop_flights(struct transfer_run *run)
{
	if (run->asking)
		device_cancel(run->device, &run->question);
	run->asking = run->beside = false;
	stop_pause(run);
	request_release(&run->question);
	for (size_t i = 0; i < TRANSFER_WINDOW_MAX; i++) {
		struct flight *f = &run->flights[i];
		if (!f->busy)
			continue;
		device_cancel(run->device, &f->request);
		land(f);
	}
}

static void finish(struct transfer_run *run, int result, const char *text)
{
	stop_flights(run);
	if (result == 0) /* others may have met a board that went away */
		device_learn_window(run->device, transfer_window_learnt(run->transfer));
	run->callbacks->done(run->user, result, text);
}

static bool is_last(const struct transfer_run *run, const struct transfer_chunk *chunk)
{
	uint64_t total = transfer_total(run->transfer);
	return chunk->length > 0 && total > 0 && chunk->offset + chunk->length >= total;
}

static bool may_erase(const struct transfer_run *run, const struct transfer_chunk *chunk)
{
	return chunk->first && !run->callbacks->resumes;
}

/* Chunks between the first and the last take about as long as those before them. */
static bool is_usual(const struct transfer_chunk *chunk, bool last)
{
	return !chunk->first && !chunk->close && !last;
}

static void set_deadline(const struct transfer_run *run, struct flight *f)
{
	const struct transfer_chunk *chunk = &f->chunk;
	struct request *request = &f->request;
	bool last = is_last(run, chunk);

	request->timeout_ms = run->timeout_ms;
	f->patient = chunk->first && !run->callbacks->quick && device_watches(run->device);
	request->answer_ms = f->patient || may_erase(run, chunk) ? ERASE_ANSWER_MS : last ? LAST_ANSWER_MS : CHUNK_ANSWER_MS;
	if (run->timeout_ms || !is_usual(chunk, last) || !run->round_trip.smoothed_us)
		return;
	request->timeout_ms = round_trip_ms(&run->round_trip, CHUNK_ANSWER_MS);
	request->answer_ms = 0;
}

/* A late answer to an earlier copy of a chunk does not come here: each copy has a sequence number of its own. */
static void measure(struct transfer_run *run, const struct transfer_chunk *chunk, const struct answer *answer)
{
	if (answer->error == 0 && is_usual(chunk, is_last(run, chunk)))
		round_trip_took(&run->round_trip, answer->round_trip_us);
}

static void answered(struct request *request, const struct answer *answer);

static int launch(struct transfer_run *run, struct flight *f)
{
	struct request *request = &f->request;
	struct writer w = {0};

	*request = (struct request){
		.class = REQUEST_JOB,
		.repeat = REPEAT_NEVER,
		.watched = true,
		.done = answered,
		.user = f,
	};
	set_deadline(run, f);
	transfer_command(run->transfer, &f->chunk, &request->op, &request->group, &request->id);
	int r = transfer_encode(run->transfer, &f->chunk, &w);
	if (r == 0)
		r = writer_finish(&w, &request->payload, &request->payload_size);
	else
		writer_release(&w);
	if (r == 0)
		r = device_submit(run->device, request);
	if (r < 0) {
		request_release(request);
		return r;
	}
	f->busy = true;
	return 0;
}

static struct flight *free_flight(struct transfer_run *run)
{
	for (size_t i = 0; i < TRANSFER_WINDOW_MAX; i++)
		if (!run->flights[i].busy)
			return &run->flights[i];
	return NULL;
}

static void set_window(struct transfer_run *run, unsigned int window)
{
	if (window != run->window)
		device_set_window(run->device, window);
	run->window = window;
}

static bool submit_question(struct transfer_run *run, enum smp_repeat repeat, unsigned int answer_ms);

/* Where a first chunk erases each time that it is sent (in recovery it does), it is not sent again early. But boards work in
 * order: what is asked right behind it is answered after it, so an answer to that alone tells that the chunk was lost. */
static void ask_beside(struct transfer_run *run)
{
	set_window(run, 2);
	run->beside = submit_question(run, REPEAT_NEVER, ERASE_ANSWER_MS);
}

static void on_pause_over(uv_timer_t *timer);

/* 1: what is next waits until the board may have room again. */
static int pause_first(struct transfer_run *run)
{
	unsigned int ms = run->paused ? 0 : transfer_pause_ms(run->transfer);
	uv_loop_t *loop = device_loop(run->device);

	if (run->pause)
		return 1;
	run->paused = false;
	if (ms == 0 || !loop)
		return 0;
	run->pause = malloc(sizeof(*run->pause));
	if (!run->pause)
		return -ENOMEM;
	uv_timer_init(loop, run->pause);
	run->pause->data = run;
	uv_timer_start(run->pause, on_pause_over, ms, 0);
	return 1;
}

static bool is_final_close(const struct transfer_run *run, const struct transfer_chunk *chunk)
{
	uint64_t total = transfer_total(run->transfer);
	return chunk->close && total > 0 && transfer_acknowledged(run->transfer) == total;
}

/* A client may have said how long messages are to be, or the board: it was reset, and nobody noticed. */
static int take_limit(struct transfer_run *run)
{
	struct device_limits limits;

	device_limits(run->device, &limits);
	return transfer_limit(run->transfer, limits.message_max);
}

static int pump(struct transfer_run *run)
{
	struct flight *f;

	if (run->beside)
		return 0; /* for the first chunk */
	int waits = pause_first(run);
	if (waits != 0)
		return waits < 0 ? waits : 0;
	set_window(run, transfer_window(run->transfer));
	int r = take_limit(run);
	if (r < 0)
		return r;
	while ((f = free_flight(run)) && transfer_next(run->transfer, &f->chunk) > 0) {
		f->run = run;
		r = launch(run, f);
		if (r < 0)
			return r;
		if (is_final_close(run, &f->chunk) && run->callbacks->closing)
			run->callbacks->closing(run->user);
		if (may_erase(run, &f->chunk) && !f->patient) {
			ask_beside(run);
			break;
		}
	}
	return 0;
}

/* What is no matter of the transfer: true when the run is over. */
static bool fatal(struct transfer_run *run, const struct answer *answer)
{
	switch (answer->error) {
	case 0:
	case -EREMOTEIO:
	case -ETIMEDOUT:
	case -EBADMSG:
	case -EMSGSIZE: /* not sent: while it waited, messages were to be shorter */
		return false;
	default:
		finish(run, answer->error, answer->text);
		return true;
	}
}

static void judge(struct transfer_run *run, uint32_t token, const struct answer *answer)
{
	unsigned int losses = transfer_losses(run->transfer);
	uint64_t before = transfer_acknowledged(run->transfer);

	snprintf(run->broken, sizeof(run->broken), "%s", answer->error == -EBADMSG && answer->text ? answer->text : "");
	transfer_tick(run->transfer, uv_hrtime() / 1000000);
	transfer_on_cable(run->transfer, device_on_cable(run->device));
	if (answer->error == 0)
		transfer_reply(run->transfer, token, answer->payload);
	else if (answer->error == -EREMOTEIO)
		transfer_failed(run->transfer, token, &answer->status, answer->payload);
	else
		transfer_lost(run->transfer, token, answer->passed_over);
	run->forgotten |= before > 0 && transfer_acknowledged(run->transfer) == 0;
	/* not for the rest of a window that went with it */
	if (answer->error == -ETIMEDOUT && !answer->passed_over && transfer_losses(run->transfer) > losses)
		round_trip_lost(&run->round_trip);
}

static void progress(struct transfer_run *run)
{
	uint64_t acknowledged = transfer_acknowledged(run->transfer);
	if (acknowledged == run->told)
		return;
	run->told = acknowledged;
	run->callbacks->progress(run->user, acknowledged, transfer_total(run->transfer));
}

/* Chunks whose outcome no longer matters: nobody waits for their deadlines. */
static void drop_stale(struct transfer_run *run)
{
	for (size_t i = 0; i < TRANSFER_WINDOW_MAX; i++) {
		struct flight *f = &run->flights[i];
		if (!f->busy || transfer_waits(run->transfer, f->chunk.token))
			continue;
		device_cancel(run->device, &f->request);
		land(f);
	}
}

static void go_on(struct transfer_run *run)
{
	const char *text = NULL;
	int r = 0;

	drop_stale(run);
	if (transfer_state(run->transfer) == TRANSFER_RUNNING) {
		r = run->forgotten && run->callbacks->looks ? -EAGAIN : pump(run);
		if (r < 0)
			finish(run, r, r == -EMSGSIZE ? "the longest message that is allowed holds no chunk any more" : NULL);
		return;
	}
	if (transfer_state(run->transfer) == TRANSFER_FAILED) {
		r = transfer_error(run->transfer, NULL, &text);
		if (r == 0)
			r = -EREMOTEIO;
	}
	if (transfer_verify_needed(run->transfer) && (r == 0 || r == -ETIMEDOUT))
		r = -EAGAIN;
	if (r == -ETIMEDOUT && run->broken[0]) { /* it was no silence */
		r = -EPROTO;
		text = run->broken;
	}
	finish(run, r, text);
}

static void on_pause_over(uv_timer_t *timer)
{
	struct transfer_run *run = timer->data;

	stop_pause(run);
	run->paused = run->inside = true;
	go_on(run);
	run->inside = false;
	if (run->stopped)
		transfer_run_stop(run);
}

static void question_answered(struct request *request, const struct answer *answer);

/* A first chunk that nothing answered was lost, or it erases. A board works in order: whatever is asked after the chunk is
 * answered after it, so this first question is given the time of an erase. An answer to it means that the chunk was either
 * done with or lost, and may be sent again; another one, in the usual time, tells whether anybody is there at all. What
 * erases nothing needs only that. */
static bool ask(struct transfer_run *run)
{
	run->asked_patiently = run->callbacks->resumes && !run->callbacks->quick && !run->asked_patiently;
	return run->asked_patiently ? submit_question(run, REPEAT_NEVER, ERASE_ANSWER_MS)
				    : submit_question(run, REPEAT_HARMLESS, 0);
}

static bool submit_question(struct transfer_run *run, enum smp_repeat repeat, unsigned int answer_ms)
{
	struct writer w = {0};

	request_release(&run->question);
	run->question = (struct request){
		.class = REQUEST_JOB,
		.op = SMP_READ,
		.group = SMP_OS,
		.id = 6,
		.repeat = repeat,
		.answer_ms = answer_ms,
		.timeout_ms = run->timeout_ms,
		.done = question_answered,
		.user = run,
	};
	writer_map(&w, 0);
	run->asking = writer_finish(&w, &run->question.payload, &run->question.payload_size) == 0 &&
		device_submit(run->device, &run->question) == 0;
	return run->asking;
}

/* What was asked behind the first chunk was answered before it: that one is sent again. */
static void overtaken(struct transfer_run *run, const struct answer *answer)
{
	run->beside = false;
	if (answer->error != 0 && answer->error != -EREMOTEIO && answer->error != -EBADMSG)
		return; /* the chunk's own deadline decides */
	for (size_t i = 0; i < TRANSFER_WINDOW_MAX; i++) {
		struct flight *f = &run->flights[i];
		if (!f->busy)
			continue;
		device_cancel(run->device, &f->request);
		land(f);
		transfer_lost(run->transfer, f->chunk.token, true);
	}
	go_on(run);
}

/* Anything but silence is an answer. */
static void question_answered(struct request *request, const struct answer *answer)
{
	struct transfer_run *run = request->user;
	bool silent = answer->error == -ETIMEDOUT, patiently = run->asked_patiently;

	run->asking = false;
	run->inside = true;
	if (run->beside)
		overtaken(run, answer);
	else if (silent && (!patiently || !ask(run)))
		finish(run, -ETIMEDOUT, "the board no longer answers");
	else if (!silent) {
		run->asked_patiently = false;
		if (answer->error == 0) /* another board than was looked at may be the reason for the loss */
			device_learn_parameters(run->device, answer->payload);
		if (!fatal(run, answer))
			go_on(run);
	}
	run->inside = false;
	if (run->stopped)
		transfer_run_stop(run);
}

static void answered(struct request *request, const struct answer *answer)
{
	struct flight *f = request->user;
	struct transfer_run *run = f->run;
	uint32_t token = f->chunk.token;
	bool lost_first = f->chunk.first && answer->error == -ETIMEDOUT && !answer->passed_over;

	land(f);
	run->asked_patiently |= lost_first && f->patient;
	run->inside = true;
	if (run->beside) {
		if (run->asking)
			device_cancel(run->device, &run->question);
		run->asking = run->beside = false;
	}
	if (!fatal(run, answer)) {
		measure(run, &f->chunk, answer);
		judge(run, token, answer);
		progress(run);
		if (!run->stopped && (!lost_first || transfer_state(run->transfer) != TRANSFER_RUNNING || !ask(run)))
			go_on(run);
	}
	run->inside = false;
	if (run->stopped)
		transfer_run_stop(run);
}

int transfer_run_start(struct device *device, struct transfer *transfer, unsigned int timeout_ms,
		const struct transfer_run_callbacks *callbacks, void *user, struct transfer_run **ret)
{
	_cleanup_(transfer_run_stopp) struct transfer_run *run = calloc(1, sizeof(*run));

	if (!run) {
		transfer_free(transfer);
		return -ENOMEM;
	}
	run->device = device;
	run->transfer = transfer;
	run->callbacks = callbacks;
	run->user = user;
	run->timeout_ms = timeout_ms;
	int r = pump(run);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(run);
	return 0;
}

struct transfer *transfer_run_transfer(struct transfer_run *run)
{
	return run->transfer;
}

void transfer_run_stop(struct transfer_run *run)
{
	if (!run)
		return;
	stop_flights(run);
	run->stopped = true;
	if (run->inside)
		return;
	transfer_free(run->transfer);
	free(run);
}
