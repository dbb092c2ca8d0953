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

/* Polynomial 0x1021: what a byte in the upper half becomes. */
/* clang-format off */
static const uint16_t crc_table[256] = {
	0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7, 0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
	0x1231, 0x0210, 0x3273, 0x2252, 0x52b5, 0x4294, 0x72f7, 0x62d6, 0x9339, 0x8318, 0xb37b, 0xa35a, 0xd3bd, 0xc39c, 0xf3ff, 0xe3de,
	0x2462, 0x3443, 0x0420, 0x1401, 0x64e6, 0x74c7, 0x44a4, 0x5485, 0xa56a, 0xb54b, 0x8528, 0x9509, 0xe5ee, 0xf5cf, 0xc5ac, 0xd58d,
	0x3653, 0x2672, 0x1611, 0x0630, 0x76d7, 0x66f6, 0x5695, 0x46b4, 0xb75b, 0xa77a, 0x9719, 0x8738, 0xf7df, 0xe7fe, 0xd79d, 0xc7bc,
	0x48c4, 0x58e5, 0x6886, 0x78a7, 0x0840, 0x1861, 0x2802, 0x3823, 0xc9cc, 0xd9ed, 0xe98e, 0xf9af, 0x8948, 0x9969, 0xa90a, 0xb92b,
	0x5af5, 0x4ad4, 0x7ab7, 0x6a96, 0x1a71, 0x0a50, 0x3a33, 0x2a12, 0xdbfd, 0xcbdc, 0xfbbf, 0xeb9e, 0x9b79, 0x8b58, 0xbb3b, 0xab1a,
	0x6ca6, 0x7c87, 0x4ce4, 0x5cc5, 0x2c22, 0x3c03, 0x0c60, 0x1c41, 0xedae, 0xfd8f, 0xcdec, 0xddcd, 0xad2a, 0xbd0b, 0x8d68, 0x9d49,
	0x7e97, 0x6eb6, 0x5ed5, 0x4ef4, 0x3e13, 0x2e32, 0x1e51, 0x0e70, 0xff9f, 0xefbe, 0xdfdd, 0xcffc, 0xbf1b, 0xaf3a, 0x9f59, 0x8f78,
	0x9188, 0x81a9, 0xb1ca, 0xa1eb, 0xd10c, 0xc12d, 0xf14e, 0xe16f, 0x1080, 0x00a1, 0x30c2, 0x20e3, 0x5004, 0x4025, 0x7046, 0x6067,
	0x83b9, 0x9398, 0xa3fb, 0xb3da, 0xc33d, 0xd31c, 0xe37f, 0xf35e, 0x02b1, 0x1290, 0x22f3, 0x32d2, 0x4235, 0x5214, 0x6277, 0x7256,
	0xb5ea, 0xa5cb, 0x95a8, 0x8589, 0xf56e, 0xe54f, 0xd52c, 0xc50d, 0x34e2, 0x24c3, 0x14a0, 0x0481, 0x7466, 0x6447, 0x5424, 0x4405,
	0xa7db, 0xb7fa, 0x8799, 0x97b8, 0xe75f, 0xf77e, 0xc71d, 0xd73c, 0x26d3, 0x36f2, 0x0691, 0x16b0, 0x6657, 0x7676, 0x4615, 0x5634,
	0xd94c, 0xc96d, 0xf90e, 0xe92f, 0x99c8, 0x89e9, 0xb98a, 0xa9ab, 0x5844, 0x4865, 0x7806, 0x6827, 0x18c0, 0x08e1, 0x3882, 0x28a3,
	0xcb7d, 0xdb5c, 0xeb3f, 0xfb1e, 0x8bf9, 0x9bd8, 0xabbb, 0xbb9a, 0x4a75, 0x5a54, 0x6a37, 0x7a16, 0x0af1, 0x1ad0, 0x2ab3, 0x3a92,
	0xfd2e, 0xed0f, 0xdd6c, 0xcd4d, 0xbdaa, 0xad8b, 0x9de8, 0x8dc9, 0x7c26, 0x6c07, 0x5c64, 0x4c45, 0x3ca2, 0x2c83, 0x1ce0, 0x0cc1,
	0xef1f, 0xff3e, 0xcf5d, 0xdf7c, 0xaf9b, 0xbfba, 0x8fd9, 0x9ff8, 0x6e17, 0x7e36, 0x4e55, 0x5e74, 0x2e93, 0x3eb2, 0x0ed1, 0x1ef0,
};
/* clang-format on */

uint16_t serial_crc16(uint16_t crc, const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < size; i++)
		crc = (uint16_t)(crc << 8 ^ crc_table[crc >> 8 ^ data[i]]);
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
