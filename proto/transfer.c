/* SPDX-License-Identifier: MIT */
#include "proto/transfer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/transfer-private.h"

#define IMAGE_HEADER 32
#define DATA_LEAST 32 /* in later chunks, when message_max allows it */
#define STALL_MAX 16
#define STALLS_QUICK 4 /* without a pause: chunks lost twice and three times on a bad cable */
#define STALL_FIRST_MS 10
#define STALL_MOST_MS 500
#define BUSY_FIRST_MS 20
#define BUSY_MOST_MS 1000
#define RESTART_MAX 3
#define LOST_MAX 10
#define LOST_FIRST_MAX 4 /* each may wait for an erase */
#define LOST_ALIVE_MAX 40 /* by a board that answers other requests meanwhile */

/* Data that a first chunk must hold: servers look at the image header in it (SMP §6.1). */
static uint64_t first_least(const struct transfer_config *c)
{
	if (c->kind != TRANSFER_IMAGE_UPLOAD)
		return c->size > 0 ? 1 : 0;
	return c->size < IMAGE_HEADER ? c->size : IMAGE_HEADER;
}

static bool fits(const struct transfer_config *c, bool first, uint64_t offset, uint64_t length)
{
	return transfer_chunk_size(c, first, offset, length) <= c->message_max;
}

/* The shortest messages that are worth sending. */
static void choose_least(struct transfer *t)
{
	const struct transfer_config *c = &t->config;
	t->message_first = transfer_chunk_size(c, true, 0, first_least(c));
	t->message_more = transfer_chunk_size(c, false, c->size, DATA_LEAST);
	if (t->message_more > c->message_max)
		t->message_more = c->message_max;
}

static int check_config(struct transfer_config *c)
{
	bool upload = c->kind != TRANSFER_FILE_DOWNLOAD, image = c->kind == TRANSFER_IMAGE_UPLOAD;
	if (c->window_max == 0 || (!image && !c->name) || (upload && c->size > 0 && !c->data) ||
		(image && c->size == 0) || c->size > SIZE_MAX)
		return -EINVAL;
	c->window_max = c->window_max < TRANSFER_WINDOW_MAX ? c->window_max : TRANSFER_WINDOW_MAX;
	c->window_start = c->window_start == 0 ? 1 : c->window_start > c->window_max ? c->window_max : c->window_start;
	c->stall_max = c->stall_max ? c->stall_max : STALL_MAX;
	c->size = upload || c->size ? c->size : TRANSFER_DOWNLOAD_MAX;
	if (c->sha && !fits(c, true, 0, first_least(c)))
		c->sha = NULL;
	/* the last offset is the longest */
	return fits(c, true, 0, first_least(c)) && fits(c, false, c->size, 1) ? 0 : -EMSGSIZE;
}

int transfer_new(const struct transfer_config *config, struct transfer **ret)
{
	struct transfer_config c = *config;
	int r = check_config(&c);
	if (r < 0)
		return r;
	_cleanup_(transfer_freep) struct transfer *t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->config = c;
	t->status.group = -1;
	if (c.name) {
		t->config.name = t->name = strdup(c.name);
		if (!t->name)
			return -ENOMEM;
	}
	if (c.sha)
		t->config.sha = memcpy(t->sha, c.sha, SHA_SIZE);
	t->phase = c.kind == TRANSFER_IMAGE_UPLOAD ? PHASE_FIRST : PHASE_CLOSE;
	t->ahead = c.window_max > 1;
	choose_least(t);
	transfer_window_start(t);
	*ret = TAKE_PTR(t);
	return 0;
}

int transfer_limit(struct transfer *t, size_t message_max)
{
	struct transfer_config c = t->config;
	if (message_max >= c.message_max)
		return 0;
	c.message_max = message_max;
	int r = check_config(&c);
	if (r < 0)
		return r;
	t->config = c;
	choose_least(t);
	transfer_window_limit(t);
	return 0;
}

void transfer_free(struct transfer *t)
{
	if (!t)
		return;
	smp_status_release(&t->status);
	free(t->name);
	free(t->data);
	free(t);
}

void transfer_fail(struct transfer *t, int error, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(t->text, sizeof(t->text), format, args);
	va_end(args);
	t->state = TRANSFER_FAILED;
	t->error = error;
	t->flight_count = 0;
}

void transfer_finish(struct transfer *t)
{
	t->state = TRANSFER_DONE;
	t->flight_count = 0;
}

static bool is_download(const struct transfer *t)
{
	return t->config.kind == TRANSFER_FILE_DOWNLOAD;
}

static void miss(struct transfer *t, const struct flight *f)
{
	if (is_download(t) && !f->stale && !f->chunk.close)
		transfer_download_miss(t, f->chunk.offset, f->end);
}

void transfer_go_back(struct transfer *t, uint64_t offset)
{
	for (unsigned int i = 0; i < t->flight_count; i++) {
		miss(t, &t->flights[i]);
		t->flights[i].stale = true;
	}
	if (!is_download(t))
		t->next = offset;
}

void transfer_advance(struct transfer *t, uint64_t offset)
{
	t->acknowledged = offset;
	if (t->next < offset)
		t->next = offset;
	t->progress_ms = t->now_ms;
	t->stalls = t->lost_in_a_row = t->passed_over = t->loss_streak = 0;
}

void transfer_restart(struct transfer *t, enum phase phase, uint64_t offset, const char *what)
{
	if (t->restarts++ == RESTART_MAX) {
		transfer_fail(t, -ENOLINK, "%s for the %uth time", what, RESTART_MAX + 1);
		return;
	}
	t->phase = phase;
	t->acknowledged = offset;
	t->sent = offset;
	t->final_token = 0;
	transfer_go_back(t, offset);
}

void transfer_stall(struct transfer *t)
{
	if (++t->stalls >= t->config.stall_max && t->now_ms - t->progress_ms >= t->config.stall_ms)
		transfer_fail(t, -ELOOP, "the board stays at offset %" PRIu64 " after %u replies", t->acknowledged,
			t->stalls);
}

/* Chunks in flight whose outcome is still wanted. */
static unsigned int current_flights(const struct transfer *t)
{
	unsigned int n = 0;
	for (unsigned int i = 0; i < t->flight_count; i++)
		n += !t->flights[i].stale;
	return n;
}

static struct transfer_chunk plan_first(struct transfer *t)
{
	struct transfer_chunk c = {.first = true};
	if (t->config.kind != TRANSFER_FILE_DOWNLOAD) {
		size_t message = transfer_window_message(t);
		message = message > t->message_first ? message : t->message_first;
		c.length = transfer_chunk_fit(&t->config, true, 0, message);
	}
	return c;
}

static struct transfer_chunk plan_more(struct transfer *t)
{
	struct transfer_chunk c = {.offset = t->next};
	size_t message = transfer_window_message(t);
	message = message > t->message_more ? message : t->message_more;
	if (t->config.kind != TRANSFER_FILE_DOWNLOAD)
		c.length = transfer_chunk_fit(&t->config, false, t->next, message);
	return c;
}

/* Cuts a chunk to what is left, and to the alignment. */
static void trim(const struct transfer *t, struct transfer_chunk *c)
{
	uint64_t left = t->config.size - c->offset, over;
	if (t->config.kind == TRANSFER_FILE_DOWNLOAD || c->close)
		return;
	if (c->length >= left) {
		c->length = left;
		return;
	}
	over = t->config.align > 1 ? (c->offset + c->length) % t->config.align : 0;
	if (over < c->length && (!c->first || c->length - over >= first_least(&t->config)))
		c->length -= over;
}

/* Boards work in order, so the first chunk need not wait for the answer to the close before it. It is only taken for good
 * when that was answered. */
static bool is_closing(const struct transfer *t)
{
	return t->phase == PHASE_CLOSE && t->ahead && current_flights(t) == 1;
}

static struct transfer_chunk plan(struct transfer *t)
{
	struct transfer_chunk c = {.close = true};
	if (t->phase == PHASE_FIRST || is_closing(t))
		c = plan_first(t);
	else if (t->phase == PHASE_MOVE)
		c = plan_more(t);
	trim(t, &c);
	c.token = ++t->token;
	return c;
}

static void launch(struct transfer *t, struct transfer_chunk *c)
{
	bool upload = !is_download(t);
	uint64_t end = upload ? c->offset + c->length : t->phase == PHASE_MOVE ? transfer_download_plan(t, c) : 0;
	t->flights[t->flight_count++] = (struct flight){.chunk = *c, .end = end, .before = t->sent};
	if (c->close)
		return;
	if (t->next < end)
		t->next = end;
	if (t->sent < end)
		t->sent = end;
	if (upload && end == t->config.size && t->final_token == 0)
		t->final_token = c->token;
}

int transfer_next(struct transfer *t, struct transfer_chunk *ret)
{
	if (t->state != TRANSFER_RUNNING || t->flight_count >= transfer_window(t))
		return 0;
	unsigned int current = current_flights(t);
	if (t->phase != PHASE_MOVE && current > 0 && !is_closing(t))
		return 0;
	if (current == 0 && !is_download(t))
		t->next = t->acknowledged;
	if (t->phase == PHASE_MOVE && (is_download(t) ? transfer_download_is_asked(t) : t->next >= t->config.size))
		return 0;
	*ret = plan(t);
	launch(t, ret);
	return 1;
}

static struct flight *find_flight(struct transfer *t, uint32_t token)
{
	for (unsigned int i = 0; i < t->flight_count; i++)
		if (t->flights[i].chunk.token == token)
			return &t->flights[i];
	return NULL;
}

static void drop_flights(struct transfer *t, unsigned int from, unsigned int count)
{
	t->flight_count -= count;
	memmove(&t->flights[from], &t->flights[from + count], (t->flight_count - from) * sizeof(t->flights[0]));
}

/* Takes the flight of an answer out, and older ones, which the board will not answer any more. False: it means nothing.
 */
static bool land(struct transfer *t, uint32_t token, struct flight *ret)
{
	struct flight *f = find_flight(t, token);
	if (!f || t->state != TRANSFER_RUNNING)
		return false;
	*ret = *f;
	t->unanswered = 0;
	for (const struct flight *older = t->flights; older < f; older++) {
		t->unanswered += !is_download(t) || !older->stale;
		miss(t, older);
	}
	drop_flights(t, 0, (unsigned int)(f - t->flights) + 1);
	return !ret->stale;
}

/* Opens anew, a step at a time. */
static void go_slowly(struct transfer *t)
{
	t->ahead = false;
	t->losses++;
	transfer_go_back(t, t->acknowledged);
}

void transfer_reply(struct transfer *t, uint32_t token, const struct value *payload)
{
	struct flight f;
	if (!land(t, token, &f))
		return;
	t->busy = 0;
	if (f.chunk.first && t->phase == PHASE_CLOSE) /* the close was lost: what this says may be of a file that was open */
		go_slowly(t);
	else if (f.chunk.close)
		transfer_close_reply(t);
	else if (t->config.kind == TRANSFER_IMAGE_UPLOAD)
		transfer_image_reply(t, &f, payload);
	else if (t->config.kind == TRANSFER_FILE_UPLOAD)
		transfer_upload_reply(t, &f, payload);
	else
		transfer_download_reply(t, &f, payload);
}

static void fail_by_board(struct transfer *t, const struct flight *f, const struct smp_status *status)
{
	const char *text = smp_rc_text(status->group, status->rc);
	transfer_fail(t, 0, "the board refused %s at offset %" PRIu64 ": %s",
		f->chunk.close ? "to close the file" : "the chunk", f->chunk.offset, text ? text : "unknown error");
	t->status = *status;
	t->status.reason = status->reason ? strdup(status->reason) : NULL;
}

void transfer_failed(struct transfer *t, uint32_t token, const struct smp_status *status, const struct value *payload)
{
	struct flight f;
	if (!land(t, token, &f))
		return;
	bool busy = status->group == -1 && (status->rc == SMP_ENOMEM || status->rc == SMP_EBUSY);
	if (busy && ++t->busy < t->config.stall_max) {
		transfer_window_busy(t);
		t->ahead = false;
		miss(t, &f);
		transfer_go_back(t, t->acknowledged);
		return;
	}
	bool refused =
		t->config.kind == TRANSFER_FILE_UPLOAD && !f.chunk.close && status->group == SMP_FS && status->rc == 11;
	if (!busy && f.chunk.close)
		transfer_close_reply(t); /* older servers have no close */
	else if (!refused || !transfer_upload_refused(t, &f, payload))
		fail_by_board(t, &f, status);
}

/* Whether this loss is one too many. */
static bool is_hopeless(struct transfer *t, const struct flight *lost, bool alive)
{
	unsigned int limit = lost->chunk.first && t->config.kind == TRANSFER_IMAGE_UPLOAD ? LOST_FIRST_MAX : LOST_MAX;
	if (alive)
		t->passed_over++;
	else
		t->lost_in_a_row++;
	if (t->lost_in_a_row < limit && t->passed_over < LOST_ALIVE_MAX)
		return false;
	t->unverified = t->config.kind == TRANSFER_IMAGE_UPLOAD && t->final_token > 0;
	t->losses++;
	transfer_fail(t, -ETIMEDOUT, "the board did not answer %u times in a row, at offset %" PRIu64,
		t->lost_in_a_row + t->passed_over, t->acknowledged);
	return true;
}

void transfer_lost(struct transfer *t, uint32_t token, bool alive)
{
	struct flight *f = find_flight(t, token);
	if (!f || t->state != TRANSFER_RUNNING)
		return;
	struct flight lost = *f;
	drop_flights(t, (unsigned int)(f - t->flights), 1);
	if (lost.stale)
		return;
	if (is_hopeless(t, &lost, alive))
		return;
	t->unanswered = current_flights(t) + 1;
	t->ahead = false;
	transfer_window_loss(t, alive);
	miss(t, &lost);
	transfer_go_back(t, t->acknowledged);
	/* it may have arrived: sent again, it would be appended */
	if (lost.chunk.first && t->config.kind == TRANSFER_FILE_UPLOAD)
		t->phase = PHASE_CLOSE;
}

enum transfer_state transfer_state(const struct transfer *t)
{
	return t->state;
}

uint64_t transfer_acknowledged(const struct transfer *t)
{
	return t->acknowledged;
}

uint64_t transfer_total(const struct transfer *t)
{
	return t->config.kind == TRANSFER_FILE_DOWNLOAD ? t->total : t->config.size;
}

unsigned int transfer_in_flight(const struct transfer *t)
{
	return t->flight_count;
}

unsigned int transfer_window(const struct transfer *t)
{
	return t->phase == PHASE_CLOSE && t->ahead && t->window < 2 ? 2 : t->window;
}

unsigned int transfer_losses(const struct transfer *t)
{
	return t->losses;
}

size_t transfer_message_size(const struct transfer *t)
{
	return transfer_window_message(t);
}

bool transfer_waits(const struct transfer *t, uint32_t token)
{
	for (unsigned int i = 0; i < t->flight_count; i++)
		if (t->flights[i].chunk.token == token)
			return true;
	return false;
}

void transfer_tick(struct transfer *t, uint64_t now_ms)
{
	if (t->now_ms == 0)
		t->progress_ms = now_ms;
	t->now_ms = now_ms;
}

void transfer_on_cable(struct transfer *t, unsigned int messages)
{
	t->on_cable = messages < TRANSFER_WINDOW_MAX ? messages : TRANSFER_WINDOW_MAX;
}

static unsigned int pause_for(unsigned int times, unsigned int first, unsigned int most)
{
	return times == 0 ? 0 : times > 10 || first << (times - 1) > most ? most : first << (times - 1);
}

unsigned int transfer_pause_ms(const struct transfer *t)
{
	unsigned int stalls = t->stalls > STALLS_QUICK ? t->stalls - STALLS_QUICK : 0;
	return t->busy > 0 ? pause_for(t->busy, BUSY_FIRST_MS, BUSY_MOST_MS)
			   : pause_for(stalls, STALL_FIRST_MS, STALL_MOST_MS);
}

bool transfer_verify_needed(const struct transfer *t)
{
	return t->unverified;
}

bool transfer_matched(const struct transfer *t)
{
	return t->matched;
}

int transfer_error(const struct transfer *t, const struct smp_status **ret_status, const char **ret_text)
{
	if (ret_status)
		*ret_status = t->error == 0 && t->status.failed ? &t->status : NULL;
	if (ret_text)
		*ret_text = t->text;
	return t->error;
}

const uint8_t *transfer_data(const struct transfer *t, size_t *ret_size)
{
	return t->state == TRANSFER_DONE ? transfer_received(t, ret_size) : NULL;
}

const uint8_t *transfer_received(const struct transfer *t, size_t *ret_size)
{
	if (t->config.kind != TRANSFER_FILE_DOWNLOAD || !t->total_known)
		return NULL;
	*ret_size = (size_t)t->acknowledged;
	return t->data;
}
