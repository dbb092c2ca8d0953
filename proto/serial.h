/* SPDX-License-Identifier: MIT */
#pragma once

/* "SMP over console" (SMP §2.1): messages in base64 lines between console text, and the raw variant (SMP §2.2). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/macro.h"

#define SERIAL_LINE_MAX 127	   /* bytes a line sent, markers and newline included */
#define SERIAL_LINE_RECEIVE_MAX 98304 /* a line received: whole messages on one line exist */
#define SERIAL_OVERHEAD 4	   /* length and CRC share the board's packet buffer with the message */

enum serial_framing { SERIAL_CONSOLE, SERIAL_RAW };

/* Why bytes that looked like a frame were given up. */
enum serial_damage {
	SERIAL_BAD_BASE64,
	SERIAL_BAD_CRC,
	SERIAL_BAD_LENGTH,   /* announced and received length differ, or are impossible */
	SERIAL_LINE_TOO_LONG,
	SERIAL_ORPHAN_LINE,  /* a continuation without a start */
	SERIAL_INTERRUPTED,  /* a new start before the end */
};
const char *serial_damage_name(enum serial_damage why);

/* Called from within serial_reader_feed, in the order of the bytes. message: header and payload, CRC checked and cut off.
 * text: everything that is not part of a frame, byte for byte (also bytes before a marker on the same line). */
struct serial_sink {
	void (*message)(void *user, const uint8_t *data, size_t size);
	void (*text)(void *user, const uint8_t *data, size_t size);
	void (*damaged)(void *user, enum serial_damage why);
};

struct serial_reader;
int serial_reader_new(enum serial_framing framing, const struct serial_sink *sink, void *user, struct serial_reader **ret);
void serial_reader_feed(struct serial_reader *r, const uint8_t *data, size_t size);
void serial_reader_reset(struct serial_reader *r); /* forgets partial frames (after the line was closed) */
/* What comes first is the end of a frame whose beginning somebody else has read: dropped without a word. */
void serial_reader_skip(struct serial_reader *r);
bool serial_reader_idle(const struct serial_reader *r); /* no frame is under way */
void serial_reader_free(struct serial_reader *r);
DEFINE_FREEP(struct serial_reader, serial_reader_free)

/* A message as it goes on the wire: size bytes, of which each line ends at lines[i] (exclusive). Raw: one "line". */
struct serial_frame {
	uint8_t *data;
	size_t size;
	size_t *lines;
	size_t line_count;
};
/* 0, -EMSGSIZE (larger than SMP_MESSAGE_MAX), -ENOMEM. */
int serial_encode(enum serial_framing framing, const uint8_t *message, size_t size, struct serial_frame *ret);
void serial_frame_release(struct serial_frame *frame);

/* Bytes on the wire for a message of this size. */
size_t serial_wire_size(enum serial_framing framing, size_t message_size);
/* The largest message for a board's buffer: buf_size - 4 on the console, buf_size raw. */
size_t serial_message_max(enum serial_framing framing, size_t buffer_size);

/* CRC16 of SMP §2.1 (XMODEM). */
uint16_t serial_crc16(uint16_t crc, const uint8_t *data, size_t size);
