/* SPDX-License-Identifier: MIT */

/* A transfer against a board that answers anything. The first bytes configure it, then each byte pair is an outcome of the
 * oldest or newest chunk in flight. It must never wait for nothing, send beyond its limits, or go on for ever. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/transfer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t content[5000];

struct flights {
	struct transfer_chunk chunk[64];
	size_t count;
};

static void send_all(struct transfer *t, const struct transfer_config *c, struct flights *f)
{
	struct transfer_chunk chunk;
	while (transfer_next(t, &chunk) > 0) {
		struct writer w = {0};
		uint8_t *payload;
		size_t size;
		if (transfer_encode(t, &chunk, &w) < 0 || writer_finish(&w, &payload, &size) < 0 ||
				size + SMP_HEADER_SIZE > c->message_max || transfer_in_flight(t) > transfer_window(t))
			abort();
		free(payload);
		if (f->count == 64) /* answers that never come: the oldest is forgotten */
			memmove(f->chunk, f->chunk + 1, --f->count * sizeof(f->chunk[0]));
		f->chunk[f->count++] = chunk;
	}
	if (transfer_state(t) == TRANSFER_RUNNING && transfer_in_flight(t) == 0)
		abort();
}

/* A reply with `off`, `len` and `data` in some relation to the chunk. */
static struct value_doc *make_reply(const struct transfer_chunk *chunk, uint8_t a, uint8_t b)
{
	static const int64_t steps[] = {0, 1, -1, 32, -32, 300, 5000, INT64_MAX};
	struct writer w = {0};
	uint8_t *payload;
	size_t size;
	struct value_doc *doc;
	uint64_t base = a & 8 ? 0 : chunk->offset + (a & 16 ? 0 : chunk->length);
	writer_map(&w, 3u + (b & 1));
	writer_text(&w, "off");
	writer_uint(&w, base + (uint64_t)steps[a & 7]);
	writer_text(&w, "len");
	writer_uint(&w, b & 2 ? base + (uint64_t)steps[b >> 2 & 7] : 4000);
	writer_text(&w, "data");
	writer_bytes(&w, content, b >> 3);
	if (b & 1) {
		writer_text(&w, "match");
		writer_bool(&w, b & 2);
	}
	if (writer_finish(&w, &payload, &size) < 0 || value_decode(payload, size, &doc, NULL) < 0)
		abort();
	free(payload);
	return doc;
}

static void answer(struct transfer *t, struct flights *f, uint8_t a, uint8_t b)
{
	if (f->count == 0)
		return;
	size_t i = a & 128 ? f->count - 1 : 0;
	struct transfer_chunk chunk = f->chunk[i];
	if ((a & 96) != 96) { /* otherwise it is answered once more later */
		memmove(f->chunk + i, f->chunk + i + 1, (f->count - i - 1) * sizeof(f->chunk[0]));
		f->count--;
	}
	struct value_doc *doc = make_reply(&chunk, a, b);
	const struct smp_status status = {.failed = true, .group = b & 1 ? SMP_FS : -1, .rc = b & 2 ? 10u + (b & 1) : b >> 2};
	if ((a & 96) == 32)
		transfer_failed(t, chunk.token, &status, value_root(doc));
	else if ((a & 96) == 64)
		transfer_lost(t, chunk.token, false);
	else
		transfer_reply(t, chunk.token, value_root(doc));
	value_doc_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 4)
		return 0;
	struct transfer_config c = {
		.kind = (enum transfer_kind)(data[0] % 3),
		.data = content,
		.size = data[0] / 3 * 50u,
		.name = "/f",
		.sha = data[1] & 1 ? content : NULL,
		.has_image = data[1] & 2,
		.upgrade_only = data[1] & 4,
		.align = data[1] >> 3,
		.message_max = 20u + data[2] * 4u,
		.window_max = data[3] % 20u,
		.window_start = data[3] / 20u,
	};
	struct transfer *t;
	if (transfer_new(&c, &t) < 0)
		return 0;
	struct flights f = {.count = 0};
	send_all(t, &c, &f);
	for (size_t i = 4; i + 1 < size && transfer_state(t) == TRANSFER_RUNNING; i += 2) {
		answer(t, &f, data[i], data[i + 1]);
		send_all(t, &c, &f);
	}
	/* a board that falls silent ends it */
	for (unsigned int n = 0; transfer_state(t) == TRANSFER_RUNNING; n++) {
		if (n > 1000)
			abort();
		while (f.count > 0)
			transfer_lost(t, f.chunk[--f.count].token, false);
		send_all(t, &c, &f);
	}
	const char *text;
	const struct smp_status *status;
	int r = transfer_error(t, &status, &text);
	if (transfer_state(t) == TRANSFER_FAILED && ((r == 0) != (status != NULL) || text[0] == '\0'))
		abort();
	transfer_free(t);
	return 0;
}
