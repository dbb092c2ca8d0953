/* SPDX-License-Identifier: MIT */
#pragma once

/* One direction of a serial cable. What is offered leaves the sender's end byte after byte at the baud rate (ten bits a
 * byte) and arrives `latency` later. It arrives in pieces that end with a line, at the time of their last byte, because
 * what a board or a host does, it does with whole lines.
 *
 * Bad cables: a lost line takes its time on the wire and does not arrive; a flipped one arrives with a wrong bit. Log text
 * is put before a frame ("between") or before a later line of one ("inside") and takes wire time of its own. All chances
 * are drawn a line from the lane's own generator: the same seed and the same lines give the same faults. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lane_settings {
	uint64_t baud; /* 0: no limit */
	uint64_t latency_ns;
	double loss, flip, log_between, log_inside; /* chance of a line, 0 to 1 */
};

struct lane_counters {
	uint64_t offered;   /* bytes that the sender gave */
	uint64_t wire;	    /* bytes that took wire time, log text included */
	uint64_t delivered; /* bytes that arrived */
	uint64_t log;	    /* bytes of log text */
	uint64_t lines, lost_lines, flipped_lines;
	uint64_t first_ns, last_ns; /* when the first byte was offered, and the last one has left; 0: none */
};

struct piece;

struct lane {
	const struct lane_settings *settings; /* borrowed; may change at any time */
	struct piece *first, **last;
	size_t backlog;	   /* bytes under way */
	uint64_t free_ns;  /* when the wire has sent everything offered so far */
	uint64_t random;
	bool in_line, losing; /* inside a line; one that is lost */
	struct lane_counters counters;
};

void lane_init(struct lane *lane, const struct lane_settings *settings, uint64_t seed);
void lane_clear(struct lane *lane);
void lane_offer(struct lane *lane, const uint8_t *data, size_t size, uint64_t now);

/* When the next piece arrives; UINT64_MAX: nothing is under way. */
uint64_t lane_due(const struct lane *lane);

/* What has arrived by now, borrowed until lane_taken() says how much of it was passed on. */
const uint8_t *lane_peek(const struct lane *lane, uint64_t now, size_t *ret_size);
void lane_taken(struct lane *lane, size_t size);
