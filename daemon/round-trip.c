/* SPDX-License-Identifier: MIT */

#include "daemon/round-trip.h"

#define DOUBLINGS_MAX 16

void round_trip_took(struct round_trip *r, uint64_t us)
{
	uint64_t off = us > r->smoothed_us ? us - r->smoothed_us : r->smoothed_us - us;

	us = us ? us : 1;
	r->doublings = 0;
	if (!r->smoothed_us) {
		r->smoothed_us = us;
		r->variation_us = us / 2;
		return;
	}
	r->variation_us = (3 * r->variation_us + off) / 4;
	r->smoothed_us = (7 * r->smoothed_us + us) / 8;
	r->smoothed_us = r->smoothed_us ? r->smoothed_us : 1;
}

void round_trip_lost(struct round_trip *r)
{
	if (r->doublings < DOUBLINGS_MAX)
		r->doublings++;
}

uint64_t round_trip_us(const struct round_trip *r, uint64_t slack_us)
{
	return r->smoothed_us + (4 * r->variation_us > slack_us ? 4 * r->variation_us : slack_us);
}

unsigned int round_trip_ms(const struct round_trip *r, unsigned int most)
{
	if (!r->smoothed_us)
		return most;
	uint64_t ms = (round_trip_us(r, ROUND_TRIP_SLACK_MS * 1000) + 999) / 1000 << r->doublings;
	return ms < most ? (unsigned int)ms : most;
}
