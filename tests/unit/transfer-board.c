/* SPDX-License-Identifier: MIT */
#include "transfer-board.h"

#include <check.h>
#include <string.h>

#include "proto/serial.h"

#define QUEUE_MAX 64

struct answer {
	bool failed;
	int group;
	uint64_t rc;
	uint8_t *payload;
	size_t size;
};

struct request {
	uint32_t token;
	unsigned int position;
	uint16_t group;
	uint8_t op, id;
	uint8_t *payload;
	size_t size;
};

static void answer_write(struct answer *a, struct writer *w)
{
	expect(writer_finish(w, &a->payload, &a->size) == 0);
}

static struct answer answer_offset(uint64_t offset, const bool *match)
{
	struct answer a = {.group = -1};
	struct writer w = {0};
	writer_map(&w, match ? 2 : 1);
	writer_text(&w, "off");
	writer_uint(&w, offset);
	if (match) {
		writer_text(&w, "match");
		writer_bool(&w, *match);
	}
	answer_write(&a, &w);
	return a;
}

static struct answer answer_error(int group, uint64_t rc, const char *key, uint64_t v)
{
	struct answer a = {.failed = true, .group = group, .rc = rc};
	struct writer w = {0};
	writer_map(&w, key ? 1 : 0);
	if (key) {
		writer_text(&w, key);
		writer_uint(&w, v);
	}
	answer_write(&a, &w);
	return a;
}

static uint64_t get_uint(const struct value *map, const char *key)
{
	uint64_t v;
	expect_msg(value_to_uint(value_get(map, key), &v), "no %s in the request", key);
	return v;
}

static struct answer image_first(struct board *b, const struct value *map, const struct value *data)
{
	const struct value *sha = value_get(map, "sha");
	uint64_t len = get_uint(map, "len");
	expect_msg(data->size >= 32 || data->size == len, "a first chunk without an image header");
	expect(!sha || (sha->kind == VALUE_BYTES && sha->size == 32));
	if (!b->mcuboot && b->active && sha && b->has_sha && memcmp(sha->data, b->sha, 32) == 0)
		return answer_offset(b->offset, NULL);
	b->active = true;
	b->complete = false;
	b->size = len;
	b->has_sha = sha;
	if (sha)
		memcpy(b->sha, sha->data, 32);
	b->firsts++;
	b->offset = 0;
	memset(b->memory, 0xff, len);
	return (struct answer){0};
}

static struct answer image_end(struct board *b)
{
	bool match = !b->wrong_match;
	b->active = false;
	b->complete = true;
	return answer_offset(b->size, b->checks ? &match : NULL);
}

static struct answer image_upload(struct board *b, const struct value *map)
{
	uint64_t offset = get_uint(map, "off");
	const struct value *data = value_get(map, "data");
	expect(data && data->kind == VALUE_BYTES);
	if (offset == 0) {
		struct answer resumed = image_first(b, map, data);
		if (resumed.payload)
			return resumed;
	}
	if (!b->active) /* MCUboot goes on answering the end */
		return answer_offset(b->mcuboot && b->complete ? b->size : 0, NULL);
	if (offset != b->offset)
		return answer_offset(b->offset, NULL);
	size_t n = data->size;
	expect(offset + n <= b->size);
	if (b->mcuboot && b->align > 1 && offset + n < b->size)
		n -= n % b->align;
	memcpy(b->memory + offset, data->data, n);
	b->offset += n;
	return b->offset == b->size ? image_end(b) : answer_offset(b->offset, NULL);
}

static struct answer file_upload(struct board *b, const struct value *map)
{
	uint64_t offset = get_uint(map, "off");
	const struct value *data = value_get(map, "data");
	expect(data && data->kind == VALUE_BYTES);
	expect(value_get(map, "name"));
	if (!b->open) {
		b->open = true;
		b->size = 0; /* without a first chunk the board does not know the end */
		b->file_offset = offset == 0 ? 0 : b->file_size;
	}
	if (offset == 0) {
		b->size = get_uint(map, "len");
	} else if (offset != b->file_offset) {
		b->open = false;
		return answer_error(SMP_FS, 11, "len", b->file_offset);
	}
	expect(b->file_offset + data->size <= b->memory_size);
	memcpy(b->memory + b->file_offset, data->data, data->size); /* an open file is appended to, also at offset 0 */
	b->file_offset += data->size;
	b->file_size = b->file_offset;
	if (b->file_offset >= b->size && b->size > 0)
		b->open = false;
	return answer_offset(b->file_offset, NULL);
}

static struct answer file_download(struct board *b, const struct value *map)
{
	struct answer a = {.group = -1};
	struct writer w = {0};
	uint64_t offset = get_uint(map, "off");
	expect(value_get(map, "name"));
	expect(offset <= b->file_size);
	/* the first reply has room for less */
	size_t n = b->download_chunk - (offset == 0 ? 6 : 0);
	n = n < b->file_size - offset ? n : b->file_size - offset;
	writer_map(&w, offset == 0 ? 3 : 2);
	writer_text(&w, "off");
	writer_uint(&w, offset);
	writer_text(&w, "data");
	writer_bytes(&w, b->memory + offset, n);
	if (offset == 0) {
		writer_text(&w, "len");
		writer_uint(&w, b->file_size);
	}
	answer_write(&a, &w);
	return a;
}

static struct answer file_close(struct board *b)
{
	struct answer a = {.group = -1};
	struct writer w = {0};
	b->open = false;
	b->closes++;
	writer_map(&w, 0);
	answer_write(&a, &w);
	return a;
}

static struct answer board_handle(struct board *b, const struct request *q)
{
	struct value_doc *doc = NULL;
	expect(value_decode(q->payload, q->size, &doc, NULL) == 0);
	struct answer a;
	if (q->group == SMP_IMAGE && q->id == 1 && q->op == SMP_WRITE)
		a = image_upload(b, value_root(doc));
	else if (q->group == SMP_FS && q->id == 0)
		a = q->op == SMP_WRITE ? file_upload(b, value_root(doc)) : file_download(b, value_root(doc));
	else if (q->group == SMP_FS && q->id == 4 && q->op == SMP_WRITE)
		a = file_close(b);
	else
		a = answer_error(-1, SMP_ENOTSUP, NULL, 0);
	value_doc_free(doc);
	return a;
}

static void deliver(struct transfer *t, uint32_t token, const struct answer *a)
{
	struct value_doc *doc = NULL;
	expect(value_decode(a->payload, a->size, &doc, NULL) == 0);
	const struct smp_status status = {.failed = true, .group = a->group, .rc = a->rc};
	if (a->failed)
		transfer_failed(t, token, &status, value_root(doc));
	else
		transfer_reply(t, token, value_root(doc));
	value_doc_free(doc);
}

static struct request make_request(struct transfer *t, const struct transfer_chunk *chunk, unsigned int position)
{
	struct request q = {.token = chunk->token, .position = position};
	struct writer w = {0};
	expect(transfer_encode(t, chunk, &w) == 0);
	expect(writer_finish(&w, &q.payload, &q.size) == 0);
	transfer_command(t, chunk, &q.op, &q.group, &q.id);
	return q;
}

/* What happened to the tokens that got no answer: their deadlines pass in the order of sending. */
struct link {
	struct request inbox[QUEUE_MAX];
	size_t inbox_count;
	struct {
		uint32_t token;
		struct answer late; /* comes after the deadline; no payload: never */
	} lost[QUEUE_MAX];
	size_t lost_count;
};

/* Deadlines that nobody waits for any more are forgotten. */
static void forget_lost(const struct transfer *t, struct link *l)
{
	size_t kept = 0;
	for (size_t i = 0; i < l->lost_count; i++)
		if (l->lost[i].late.payload || transfer_waits(t, l->lost[i].token))
			l->lost[kept++] = l->lost[i];
	l->lost_count = kept;
}

static void lose(const struct transfer *t, struct link *l, uint32_t token, struct answer late)
{
	forget_lost(t, l);
	expect(l->lost_count < QUEUE_MAX);
	l->lost[l->lost_count].token = token;
	l->lost[l->lost_count++].late = late;
}

static void send_all(struct transfer *t, struct board *b, struct link *l, struct ride *ride)
{
	struct transfer_chunk chunk;
	while (transfer_next(t, &chunk) > 0) {
		struct request q = make_request(t, &chunk, ride->sends++);
		expect(transfer_waits(t, chunk.token));
		if (ride->message_seen < q.size + SMP_HEADER_SIZE)
			ride->message_seen = q.size + SMP_HEADER_SIZE;
		ride->wire += serial_wire_size(SERIAL_CONSOLE, q.size + SMP_HEADER_SIZE);
		if (ride->window_seen < transfer_in_flight(t))
			ride->window_seen = transfer_in_flight(t);
		expect(transfer_in_flight(t) <= transfer_window(t));
		bool room = b->queue_max == 0 || l->inbox_count < b->queue_max;
		if (room && (b->message_limit == 0 || q.size + SMP_HEADER_SIZE <= b->message_limit)) {
			l->inbox[l->inbox_count++] = q;
		} else {
			lose(t, l, q.token, (struct answer){0});
			free(q.payload);
		}
	}
}

static bool cable_loses(struct board *b, unsigned int lines)
{
	bool lost = false;
	for (unsigned int i = 0; i < lines; i++) {
		b->luck = b->luck * 1664525 + 1013904223;
		lost |= ((uint64_t)b->luck * 1000 >> 32) < b->line_loss;
	}
	return lost;
}

static void handle_one(struct transfer *t, struct board *b, struct link *l, fault_fn faults, void *user)
{
	struct request q = l->inbox[0];
	memmove(l->inbox, l->inbox + 1, --l->inbox_count * sizeof(q));
	enum fault fault = faults ? faults(user, q.position) : FINE;
	struct answer a = {0}, second = {0};
	if (cable_loses(b, (unsigned int)((q.size + SMP_HEADER_SIZE + 4 + 92) / 93)))
		fault = LOSE_REQUEST;
	else if (cable_loses(b, 1))
		fault = LOSE_REPLY;
	if (fault == FORGET_BEFORE)
		b->active = b->open = false;
	if (fault == BUSY || fault == NO_MEMORY)
		a = answer_error(-1, fault == BUSY ? SMP_EBUSY : SMP_ENOMEM, NULL, 0);
	else if (fault != LOSE_REQUEST)
		a = board_handle(b, &q);
	if (fault == TWICE || fault == TWICE_FIRST_REPLY_LOST)
		second = board_handle(b, &q);
	if (fault == LOSE_REQUEST || fault == LOSE_REPLY)
		lose(t, l, q.token, (struct answer){0});
	else if (fault == LATE_REPLY)
		lose(t, l, q.token, a);
	else if (fault != TWICE_FIRST_REPLY_LOST)
		deliver(t, q.token, &a);
	if (second.payload)
		deliver(t, q.token, &second);
	if (fault != LATE_REPLY)
		free(a.payload);
	free(second.payload);
	free(q.payload);
}

static void pass_deadline(struct transfer *t, struct link *l, struct ride *ride)
{
	uint32_t token = l->lost[0].token;
	struct answer late = l->lost[0].late;
	memmove(l->lost, l->lost + 1, --l->lost_count * sizeof(l->lost[0]));
	ride->deadlines += transfer_waits(t, token);
	transfer_lost(t, token, false);
	if (late.payload)
		deliver(t, token, &late);
	free(late.payload);
}

void ride_run(struct transfer *t, struct board *b, fault_fn faults, void *user, unsigned int limit, struct ride *ret)
{
	struct link l = {0};
	*ret = (struct ride){0};
	while (transfer_state(t) == TRANSFER_RUNNING) {
		send_all(t, b, &l, ret);
		expect_msg(ret->sends <= limit, "%u sends", ret->sends);
		expect_msg(l.inbox_count + l.lost_count > 0, "waits for nothing at %u",
			(unsigned int)transfer_acknowledged(t));
		if (l.inbox_count > 0)
			handle_one(t, b, &l, faults, user);
		else
			pass_deadline(t, &l, ret);
	}
	for (size_t i = 0; i < l.inbox_count; i++)
		free(l.inbox[i].payload);
	for (size_t i = 0; i < l.lost_count; i++)
		free(l.lost[i].late.payload);
}
