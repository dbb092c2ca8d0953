/* SPDX-License-Identifier: MIT */
#include "proto/serial.h"

#include <errno.h>
#include <string.h>

#include "proto/smp.h"

#define LINE_BYTES 93            /* of a packet in a full line: 124 characters, two of the marker, a newline */
#define ANNOUNCED_MAX UINT16_MAX /* message and CRC */
#define CRC_SIZE 2

const char *serial_damage_name(enum serial_damage why)
{
	static const char *const names[] = {
		[SERIAL_BAD_BASE64] = "bad base64",
		[SERIAL_BAD_CRC] = "bad CRC",
		[SERIAL_BAD_LENGTH] = "bad length",
		[SERIAL_LINE_TOO_LONG] = "line too long",
		[SERIAL_ORPHAN_LINE] = "continuation without a start",
		[SERIAL_INTERRUPTED] = "interrupted by a new start",
	};
	return (size_t)why < ARRAY_SIZE(names) ? names[why] : NULL;
}

uint16_t serial_crc16(uint16_t crc, const uint8_t *data, size_t size)
{
	/* polynomial 0x1021, a byte at once: its set bits are 12, 5 and 0 */
	for (size_t i = 0; i < size; i++) {
		unsigned int e = (unsigned int)(crc >> 8) ^ data[i];
		e ^= e >> 4;
		crc = (uint16_t)((unsigned int)crc << 8 ^ e << 12 ^ e << 5 ^ e);
	}
	return crc;
}

static size_t message_limit(enum serial_framing framing)
{
	return framing == SERIAL_RAW ? SMP_MESSAGE_MAX : ANNOUNCED_MAX - CRC_SIZE;
}

static size_t line_count(size_t packet_size)
{
	return (packet_size + LINE_BYTES - 1) / LINE_BYTES;
}

size_t serial_wire_size(enum serial_framing framing, size_t message_size)
{
	if (framing == SERIAL_RAW)
		return message_size;
	size_t packet = message_size + SERIAL_OVERHEAD;
	return (packet + 2) / 3 * 4 + 3 * line_count(packet);
}

size_t serial_message_max(enum serial_framing framing, size_t buffer_size)
{
	size_t overhead = framing == SERIAL_RAW ? 0 : SERIAL_OVERHEAD;
	size_t max = buffer_size > overhead ? buffer_size - overhead : 0;
	return max < message_limit(framing) ? max : message_limit(framing);
}

/* size bytes, at most LINE_BYTES, to base64; returns where it ends. from may lie behind to in the same buffer. */
static uint8_t *encode_line(uint8_t *to, const uint8_t *from, size_t size)
{
	static const uint8_t alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (; size > 0; from += 3, to += 4) {
		size_t n = size < 3 ? size : 3;
		uint32_t quad = (uint32_t)from[0] << 16 | (uint32_t)(n > 1 ? from[1] : 0) << 8 | (n > 2 ? from[2] : 0);
		to[0] = alphabet[quad >> 18];
		to[1] = alphabet[quad >> 12 & 63];
		to[2] = n > 1 ? alphabet[quad >> 6 & 63] : '=';
		to[3] = n > 2 ? alphabet[quad & 63] : '=';
		size -= n;
	}
	return to;
}

/* The packet lies at the end of the frame and is encoded forwards within it: what is written never overtakes what is
 * read, because the rest always takes more room encoded than plain. */
static void encode_packet(struct serial_frame *frame, size_t packet_size)
{
	const uint8_t *from = frame->data + frame->size - packet_size;
	uint8_t *to = frame->data;
	for (size_t i = 0; i < frame->line_count; i++) {
		size_t n = packet_size < LINE_BYTES ? packet_size : LINE_BYTES;
		*to++ = i == 0 ? 0x06 : 0x04;
		*to++ = i == 0 ? 0x09 : 0x14;
		to = encode_line(to, from, n);
		*to++ = '\n';
		frame->lines[i] = (size_t)(to - frame->data);
		from += n;
		packet_size -= n;
	}
}

static void put_packet(uint8_t *to, const uint8_t *message, size_t size)
{
	uint16_t crc = serial_crc16(0, message, size);
	*to++ = (uint8_t)((size + CRC_SIZE) >> 8);
	*to++ = (uint8_t)(size + CRC_SIZE);
	if (size > 0)
		memcpy(to, message, size);
	to[size] = (uint8_t)(crc >> 8);
	to[size + 1] = (uint8_t)crc;
}

int serial_encode(enum serial_framing framing, const uint8_t *message, size_t size, struct serial_frame *ret)
{
	if (size > message_limit(framing))
		return -EMSGSIZE;
	struct serial_frame frame = {.size = serial_wire_size(framing, size)};
	frame.line_count = framing == SERIAL_RAW ? 1 : line_count(size + SERIAL_OVERHEAD);
	frame.data = malloc(frame.size ? frame.size : 1);
	frame.lines = calloc(frame.line_count, sizeof(*frame.lines));
	if (!frame.data || !frame.lines) {
		serial_frame_release(&frame);
		return -ENOMEM;
	}
	if (framing == SERIAL_RAW) {
		if (size > 0)
			memcpy(frame.data, message, size);
		frame.lines[0] = size;
	} else {
		put_packet(frame.data + frame.size - size - SERIAL_OVERHEAD, message, size);
		encode_packet(&frame, size + SERIAL_OVERHEAD);
	}
	*ret = frame;
	return 0;
}

void serial_frame_release(struct serial_frame *frame)
{
	free(frame->data);
	free(frame->lines);
	*frame = (struct serial_frame){0};
}
