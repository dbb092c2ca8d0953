/* SPDX-License-Identifier: MIT */

/* How long the answer to a chunk may take. */

#include <check.h>
#include <stddef.h>

#include "daemon/round-trip.h"
#include "proto/macro.h"
#include "tests/unit/suite.h"

#define MOST 2500

/* took: so many answers, all the same or in turn with `other`; then so many that did not come. */
static const struct {
	unsigned int answers;
	uint64_t took_us, other_us;
	unsigned int lost, least, most;
} rows[] = {
	{ 0, 0, 0, 0, MOST, MOST },
	{ 0, 0, 0, 3, MOST, MOST },
	{ 1, 10000, 10000, 0, 110, 110 },
	{ 1, 0, 0, 0, 100, 101 },
	{ 1, 200000, 200000, 0, 600, 600 }, /* one is no measure: half of it may be variation */
	{ 100, 10000, 10000, 0, 110, 110 },
	{ 100, 10000, 10000, 1, 220, 220 },
	{ 100, 10000, 10000, 3, 880, 880 },
	{ 100, 10000, 10000, 5, MOST, MOST },
	{ 100, 10000, 10000, 1000, MOST, MOST },
	{ 100, 10000, 210000, 0, 400, 700 }, /* flash pages */
	{ 100, 5000000, 5000000, 0, MOST, MOST },
	{ 100, UINT64_MAX / 16, UINT64_MAX / 16, 16, MOST, MOST },
};

START_TEST(table)
{
	struct round_trip r = { 0 };

	for (unsigned int i = 0; i < rows[_i].answers; i++)
		round_trip_took(&r, i % 2 ? rows[_i].other_us : rows[_i].took_us);
	for (unsigned int i = 0; i < rows[_i].lost; i++)
		round_trip_lost(&r);
	ck_assert_uint_ge(round_trip_ms(&r, MOST), rows[_i].least);
	ck_assert_uint_le(round_trip_ms(&r, MOST), rows[_i].most);
}
END_TEST

START_TEST(answer_ends_the_doubling)
{
	struct round_trip r = { 0 };

	round_trip_took(&r, 10000);
	for (unsigned int i = 0; i < 20; i++)
		round_trip_lost(&r);
	ck_assert_uint_eq(round_trip_ms(&r, MOST), MOST);
	round_trip_took(&r, 10000);
	ck_assert_uint_eq(round_trip_ms(&r, MOST), 110);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("round-trip");
	TCase *tcase = tcase_create("round-trip");
	tcase_add_loop_test(tcase, table, 0, (int)ARRAY_SIZE(rows));
	tcase_add_test(tcase, answer_ends_the_doubling);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
