/* SPDX-License-Identifier: MIT */
#include "lane.h"

#include <stdlib.h>
#include <string.h>

#define BITS_PER_BYTE 10
#define START 0x06	  /* first byte of a frame's first line (SMP over console) */
#define CONTINUATION 0x04 /* and of its later lines */

struct piece {
	struct piece *next;
	uint64_t due;
	size_t size, done;
	uint8_t data[];
};

/* xorshift64*: small, and the same everywhere. */
static uint64_t draw(struct lane *lane)
{
	uint64_t x = lane->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	lane->random = x;
	return x * 0x2545f4914f6cdd1dull;
}

static bool strikes(struct lane *lane, double chance)
{
	return chance > 0 && (double)(draw(lane) >> 11) / (double)(1ull << 53) < chance;
}

void lane_init(struct lane *lane, const struct lane_settings *settings, uint64_t seed)
{
	*lane = (struct lane){ .settings = settings, .random = seed * 0x9e3779b97f4a7c15ull | 1 };
	lane->last = &lane->first;
	for (int i = 0; i < 8; i++)
		draw(lane);
}

static struct piece *pop(struct lane *lane)
{
	struct piece *p = lane->first;

	lane->first = p->next;
	if (!lane->first)
		lane->last = &lane->first;
	return p;
}

void lane_clear(struct lane *lane)
{
	while (lane->first)
		free(pop(lane));
}

/* Wire time passes for all that is sent, whether it arrives or not. */
static void pass(struct lane *lane, size_t size, uint64_t now)
{
	struct lane_counters *c = &lane->counters;

	if (lane->free_ns < now)
		lane->free_ns = now;
	if (lane->settings->baud)
		lane->free_ns += size * BITS_PER_BYTE * 1000000000ull / lane->settings->baud;
	c->wire += size;
	if (!c->first_ns)
		c->first_ns = now;
	c->last_ns = lane->free_ns;
}

static uint8_t *send(struct lane *lane, const void *data, size_t size, uint64_t now)
{
	struct piece *p = malloc(sizeof(*p) + size);

	if (!p)
		abort();
	pass(lane, size, now);
	*p = (struct piece){ .due = lane->free_ns + lane->settings->latency_ns, .size = size };
	memcpy(p->data, data, size);
	*lane->last = p;
	lane->last = &p->next;
	lane->backlog += size;
	return p->data;
}

static void send_log(struct lane *lane, uint64_t now)
{
	static const char text[] = "[00:01:23.456,000] <inf> app: temperature 21.5, humidity 40\r\n";

	lane->counters.log += sizeof(text) - 1;
	send(lane, text, sizeof(text) - 1, now);
}

/* size: as much of the line as is there yet. */
static void begin_line(struct lane *lane, const uint8_t *line, uint64_t now)
{
	const struct lane_settings *s = lane->settings;

	lane->counters.lines++;
	if ((line[0] == START && strikes(lane, s->log_between)) || (line[0] == CONTINUATION && strikes(lane, s->log_inside)))
		send_log(lane, now);
	lane->losing = strikes(lane, s->loss);
	lane->counters.lost_lines += lane->losing;
}

static void offer_part(struct lane *lane, const uint8_t *part, size_t size, uint64_t now)
{
	bool begins = !lane->in_line, flips;

	if (begins)
		begin_line(lane, part, now);
	flips = begins && !lane->losing && strikes(lane, lane->settings->flip);
	lane->in_line = part[size - 1] != '\n';
	if (lane->losing) {
		pass(lane, size, now);
		return;
	}
	uint8_t *sent = send(lane, part, size, now);
	if (flips) {
		uint64_t number = draw(lane);
		sent[number / 8 % size] ^= (uint8_t)(1u << number % 8);
		lane->counters.flipped_lines++;
	}
}

void lane_offer(struct lane *lane, const uint8_t *data, size_t size, uint64_t now)
{
	lane->counters.offered += size;
	while (size > 0) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t part = end ? (size_t)(end - data) + 1 : size;

		offer_part(lane, data, part, now);
		data += part;
		size -= part;
	}
}

uint64_t lane_due(const struct lane *lane)
{
	return lane->first ? lane->first->due : UINT64_MAX;
}

const uint8_t *lane_peek(const struct lane *lane, uint64_t now, size_t *ret_size)
{
	const struct piece *p = lane->first;

	if (!p || p->due > now)
		return NULL;
	*ret_size = p->size - p->done;
	return p->data + p->done;
}

void lane_taken(struct lane *lane, size_t size)
{
	struct piece *p = lane->first;

	p->done += size;
	lane->backlog -= size;
	lane->counters.delivered += size;
	if (p->done == p->size)
		free(pop(lane));
}
