/* SPDX-License-Identifier: MIT */

/* Serial framing. The first byte chooses the framing and how the rest is cut up. However it is cut, the reader must say
 * the same; nothing that was not fed may come out as text; and a message that came out survives being sent. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/serial.h"
#include "proto/smp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
	uint64_t hash; /* of all that was said, in order, however text was cut */
	size_t text, messages;
	enum serial_framing framing;
};

static void mix(struct seen *s, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		s->hash = (s->hash ^ data[i]) * 0x100000001b3;
}

static void count_message(void *user, const uint8_t *data, size_t size)
{
	(void)data;
	((struct seen *)user)->messages += size;
}

static void on_message(void *user, const uint8_t *data, size_t size)
{
	struct seen *s = user;
	s->messages++;
	mix(s, (const uint8_t *)"m", 1);
	mix(s, data, size);
	if (size < SMP_HEADER_SIZE)
		abort();

	static const struct serial_sink sink = {.message = count_message};
	struct seen again = {0};
	struct serial_frame frame;
	struct serial_reader *r;
	if (serial_encode(s->framing, data, size, &frame) < 0 || serial_reader_new(s->framing, &sink, &again, &r) < 0)
		abort();
	serial_reader_feed(r, frame.data, frame.size);
	if (again.messages != size)
		abort();
	serial_reader_free(r);
	serial_frame_release(&frame);
}

static void on_text(void *user, const uint8_t *data, size_t size)
{
	struct seen *s = user;
	s->text += size;
	mix(s, data, size);
}

static void on_damaged(void *user, enum serial_damage why)
{
	uint8_t byte = (uint8_t)why;
	mix(user, (const uint8_t *)"d", 1);
	mix(user, &byte, 1);
}

static struct seen read_all(enum serial_framing framing, const uint8_t *data, size_t size, size_t piece)
{
	static const struct serial_sink sink = {on_message, on_text, on_damaged};
	struct seen seen = {.framing = framing};
	struct serial_reader *r;
	if (serial_reader_new(framing, &sink, &seen, &r) < 0)
		abort();
	for (size_t at = 0; at < size; at += piece) {
		size_t n = piece < size - at ? piece : size - at;
		uint8_t *exact = malloc(n);
		memcpy(exact, data + at, n);
		serial_reader_feed(r, exact, n);
		free(exact);
	}
	serial_reader_free(r);
	return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	enum serial_framing framing = data[0] & 1 ? SERIAL_RAW : SERIAL_CONSOLE;
	struct seen whole = read_all(framing, data + 1, size - 1, size);
	struct seen pieces = read_all(framing, data + 1, size - 1, 1u + data[0] / 2 % 16);
	if (whole.hash != pieces.hash || whole.messages != pieces.messages || whole.text > size)
		abort();
	return 0;
}
