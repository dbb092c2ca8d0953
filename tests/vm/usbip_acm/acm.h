/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What a composite CDC ACM device says on endpoint 0: descriptors and class requests, as a function of
 * its identity. No I/O here.
 *
 * Function i has the interfaces 2i (control) and 2i+1 (data), an interrupt endpoint numbered 2i+1, on
 * which it never says anything, and a bulk endpoint pair numbered 2i+2.
 *
 * Sources: USB 2.0 §9 (descriptors, standard requests), CDC 1.2 §5 and PSTN 1.2 §6.3 (class requests).
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ACM_FUNCTIONS_MAX 7 /* endpoint numbers end at 15 */
#define ACM_STRING_MAX 126  /* characters in a string descriptor */
#define ACM_REPLY_MAX 1024

struct acm_line {
	uint32_t baud;
	uint8_t stop, parity, bits;
	bool dtr, rts;
};

struct acm {
	uint16_t vid, pid;
	char serial[ACM_STRING_MAX + 1]; /* Latin-1; empty: the device has no serial number */
	unsigned functions;
	struct acm_line line[ACM_FUNCTIONS_MAX];
};

enum acm_event {
	ACM_NOTHING,
	ACM_LINE_CODING, /* baud rate, stop bits, parity, data bits were set */
	ACM_LINE_STATE,  /* DTR, RTS were set */
	ACM_BREAK,
};

/* A request to the class, which a hung firmware leaves unanswered while the bus hardware still works. */
static inline bool acm_is_class_request(const uint8_t setup[static 8])
{
	return (setup[0] & 0x60) == 0x20;
}

/*
 * Carry out a control request. `data` holds what came with an outgoing one. Returns the length of the
 * answer in `reply` (ACM_REPLY_MAX bytes; 0 for outgoing requests), or -1 to stall. What the host
 * changed is in `ret_event` and `ret_function`.
 */
int acm_control(struct acm *acm, const uint8_t setup[static 8], const uint8_t *data, size_t length, uint8_t *reply,
	enum acm_event *ret_event, unsigned *ret_function);
