/* SPDX-License-Identifier: MIT */
#pragma once

/* Exit codes by class. Larger is worse: with --all the largest is the exit code. */

#define EXIT_CODES(X)                                                                                                  \
	X(DONE, 0, "done")                                                                                             \
	X(OTHER, 1, "any other failure")                                                                               \
	X(USAGE, 2, "the command line, or a value that the daemon does not take")                                      \
	X(DEVICE, 3, "no such board, or several that match")                                                           \
	X(BUSY, 4, "somebody holds a lease on the board, or yours has ended")                                                              \
	X(SILENT, 5, "the board does not answer, is gone or unavailable")                                              \
	X(REFUSED, 6, "the board answered with an error")                                                              \
	X(UPDATE, 7, "the update was refused, or the new image does not run")                                          \
	X(IMAGE, 8, "the file is no image that a board could take")                                                    \
	X(DAEMON, 9, "the daemon cannot be reached, or went away")                                                     \
	X(PERMISSION, 10, "not allowed")                                                                               \
	X(CANCELLED, 130, "cancelled, or ended by Ctrl-C")

enum exit_code {
#define EXIT_ENUM(name, code, text) CODE_##name = code,
	EXIT_CODES(EXIT_ENUM)
#undef EXIT_ENUM
};
