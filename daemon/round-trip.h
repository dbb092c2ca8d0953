/* SPDX-License-Identifier: MIT */
#pragma once

/* How long the answer to a chunk may take, from how long answers took before (RFC 6298: smoothed round trip plus four times
 * its variation), so that a lost chunk costs a little more than a round trip and not the longest time that flash may need.
 * A board that is only slow is given twice the time with each answer that does not come, up to that longest time. */

#include <stdint.h>

#define ROUND_TRIP_SLACK_MS 100 /* above the smoothed round trip at least: flash pages, schedulers, USB */

struct round_trip {
	uint64_t smoothed_us, variation_us; /* smoothed 0: nothing was measured yet */
	unsigned int doublings;
};

void round_trip_took(struct round_trip *r, uint64_t us);
/* The smoothed time plus four times the variation, that at least slack_us. */
uint64_t round_trip_us(const struct round_trip *r, uint64_t slack_us);

void round_trip_lost(struct round_trip *r);

/* most: what holds until something was measured, and the bound afterwards. */
unsigned int round_trip_ms(const struct round_trip *r, unsigned int most);
