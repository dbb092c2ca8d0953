/* SPDX-License-Identifier: MIT */
#include "frame.h"

#include <errno.h>
#include <openssl/evp.h>

#include "util.h"

#define START 0x0609
#define CONTINUATION 0x0414
#define LINE_MAX_CHARS 124 /* 127 without marker and newline */

uint16_t frame_crc(const uint8_t *data, size_t len)
{
	uint16_t crc = 0;

	while (len--) {
		crc ^= (uint16_t)(*data++ << 8);
		for (int i = 0; i < 8; i++)
			crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
	}
	return crc;
}

static int base64_digit(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Whole quads only, padding at the end only. Returns the length, or -1. */
static ssize_t base64_decode(const uint8_t *in, size_t len, uint8_t *out, size_t cap)
{
	size_t n = 0, pad = 0;

	if (len % 4)
		return -1;
	for (; pad < 2 && pad < len && in[len - 1 - pad] == '='; pad++)
		;
	if (len / 4 * 3 - pad > cap)
		return -1;
	for (size_t i = 0; i < len; i += 4) {
		uint32_t quad = 0;
		size_t bytes = i + 4 == len ? 3 - pad : 3;

		for (size_t k = 0; k < 4; k++) {
			int d = k <= bytes ? base64_digit(in[i + k]) : 0;

			if (d < 0)
				return -1;
			quad = quad << 6 | (uint32_t)d;
		}
		for (size_t k = 0; k < bytes; k++)
			out[n++] = (uint8_t)(quad >> (16 - 8 * k));
	}
	return (ssize_t)n;
}

int frame_rx_init(struct frame_rx *rx)
{
	memset(rx, 0, sizeof(*rx));
	rx->buf = malloc(FRAME_PACKET_MAX);
	return rx->buf ? 0 : -ENOMEM;
}

void frame_rx_clear(struct frame_rx *rx)
{
	free(TAKE_PTR(rx->buf));
}

void frame_rx_reset(struct frame_rx *rx, size_t cap)
{
	rx->cap = MIN(cap, (size_t)FRAME_PACKET_MAX);
	rx->len = 0;
	rx->started = false;
}

/* Strips the newline and blanks; an app tolerates \r before it, recovery does not (SMP §2.1). */
static size_t line_text(enum frame_style style, const uint8_t *line, size_t len)
{
	if (len && line[len - 1] == '\n')
		len--;
	if (style == FRAME_ZEPHYR && len && line[len - 1] == '\r')
		len--;
	while (len && line[len - 1] == ' ')
		len--;
	return len;
}

bool frame_line_begins(const uint8_t *line, size_t len)
{
	return len >= 2 && get_be16(line) == START;
}

bool frame_rx_line(struct frame_rx *rx, enum frame_style style, const uint8_t *line, size_t len,
		   const uint8_t **ret_msg, size_t *ret_len)
{
	uint16_t marker;
	ssize_t n;
	size_t plen;

	len = line_text(style, line, len);
	if (len < 2)
		return false;
	marker = get_be16(line);
	if (marker == START) {
		rx->len = 0;
		rx->started = true;
	} else if (marker != CONTINUATION || !rx->started) {
		return false;
	}
	n = base64_decode(line + 2, len - 2, rx->buf + rx->len, rx->cap - rx->len);
	if (n < 0 || rx->len + (size_t)n < 2) {
		rx->started = false;
		return false;
	}
	rx->len += (size_t)n;
	plen = get_be16(rx->buf);
	if (rx->len - 2 < plen)
		return false;
	rx->started = false;
	if (rx->len - 2 > plen || plen < 2 || frame_crc(rx->buf + 2, plen))
		return false;
	*ret_msg = rx->buf + 2;
	*ret_len = plen - 2;
	return true;
}

/*
 * How many packet bytes go into the next line. Zephyr plans 93 for a line, but
 * takes three off for the length on the first line and never puts them back;
 * and the two bytes of the CRC stay together, so that a line that would hold
 * one of them alone, or the last message byte without them, is cut earlier.
 */
static size_t zephyr_cut(size_t left, bool first)
{
	size_t head = first ? 3 : 0;
	size_t body = left - head - 2; /* message bytes still to come */
	size_t room = LINE_MAX_CHARS / 4 * 3 - 3;

	if (body + 2 <= room)
		return left;
	if (body <= room)
		return head + (body - 1) / 3 * 3;
	return head + room;
}

static int encode_line(const uint8_t *raw, size_t len, bool first, const struct frame_damage *d,
		       void (*line)(void *, const uint8_t *, size_t), void *user)
{
	_cleanup_(freep) uint8_t *out = malloc(2 + (len + 2) / 3 * 4 + 3);
	size_t n = 2;

	if (!out)
		return -ENOMEM;
	put_be16(out, first ? START : CONTINUATION);
	n += (size_t)EVP_EncodeBlock(out + n, raw, (int)len);
	if (d->bad_base64)
		out[2 + (n - 2) / 2] = '!';
	if (d->half)
		n /= 2;
	if (d->crlf)
		out[n++] = '\r';
	out[n++] = '\n';
	line(user, out, n);
	return 0;
}

int frame_lines(const uint8_t *msg, size_t len, enum frame_style style,
		const struct frame_damage *d, void (*line)(void *, const uint8_t *, size_t),
		void *user)
{
	_cleanup_(freep) uint8_t *packet = malloc(len + 4);
	size_t total = len + 4;

	if (!packet)
		return -ENOMEM;
	put_be16(packet, d->plen ? d->plen : (uint16_t)(len + 2));
	memcpy(packet + 2, msg, len);
	put_be16(packet + 2 + len, (uint16_t)(frame_crc(msg, len) ^ (d->bad_crc ? 0x5a5a : 0)));
	for (size_t at = 0, cut; at < total; at += cut) {
		struct frame_damage whole = *d;
		int r;

		if (d->one_line)
			cut = total;
		else if (style == FRAME_ZEPHYR)
			cut = zephyr_cut(total - at, at == 0);
		else
			cut = MIN(total - at, (size_t)LINE_MAX_CHARS / 4 * 3);
		whole.half = d->half && at + cut == total;
		r = encode_line(packet + at, cut, at == 0, &whole, line, user);
		if (r < 0)
			return r;
	}
	return 0;
}
