/* SPDX-License-Identifier: MIT */
#pragma once

/* The end of every main() here: runs the suite, prints what failed, and gives the exit code. */

#include <check.h>

static inline int suite_run_as(Suite *suite, enum fork_status how)
{
	SRunner *runner = srunner_create(suite);

	srunner_set_fork_status(runner, how);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}

/* Each test in a process of its own, unless CK_FORK=no. */
static inline int suite_run(Suite *suite)
{
	return suite_run_as(suite, CK_FORK_GETENV);
}

/* All in this one: for fixtures too large to be made again for each, and tests that cannot crash the others. */
static inline int suite_run_in_process(Suite *suite)
{
	return suite_run_as(suite, CK_NOFORK);
}
