/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * SMP over console, device side (SMP §2.1): lines to packets and packets to
 * lines, once as Zephyr's app does it and once as MCUboot's serial recovery.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_PACKET_MAX 65537 /* largest `plen` and its own two bytes */

uint16_t frame_crc(const uint8_t *data, size_t len);

enum frame_style { FRAME_ZEPHYR, FRAME_MCUBOOT };

/* A packet being put together. */
struct frame_rx {
	uint8_t *buf;
	size_t cap;      /* the packet buffer of the device */
	size_t len;      /* bytes decoded, the two of plen included */
	bool started;
};

int frame_rx_init(struct frame_rx *rx);
void frame_rx_clear(struct frame_rx *rx);
/* Forgets what was received, and sets how large a packet may become. */
void frame_rx_reset(struct frame_rx *rx, size_t cap);

/* Whether a line is the first one of a packet. */
bool frame_line_begins(const uint8_t *line, size_t len);

/*
 * Takes one line, its newline included. Returns true when it completes a
 * packet with a good CRC: *ret_msg points to the message (header and payload)
 * inside rx until the next call. Everything bad is dropped in silence, as the
 * devices do it.
 */
bool frame_rx_line(struct frame_rx *rx, enum frame_style style, const uint8_t *line, size_t len,
		   const uint8_t **ret_msg, size_t *ret_len);

/* How a reply is spoilt on its way out; all zero is a good one. */
struct frame_damage {
	bool bad_crc, bad_base64, one_line, crlf, half;
	uint16_t plen; /* replaces the packet length when it is not 0 */
};

/*
 * The lines of a message, one call of `line` each, newline included. Returns 0
 * or -ENOMEM.
 */
int frame_lines(const uint8_t *msg, size_t len, enum frame_style style,
		const struct frame_damage *damage,
		void (*line)(void *user, const uint8_t *data, size_t len), void *user);
