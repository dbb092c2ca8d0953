/* SPDX-License-Identifier: MIT */
#pragma once

/* What went wrong, said once: as a sentence with a hint on stderr, or with --json as an error object on stdout, like
 * the API's own. Failures that never were a reply have names too: mcumgrctl.Usage, mcumgrctl.DaemonUnreachable, ... */

#include "libclient/mcumgr.h"
#include "libclient/mcumgrctl/exit-code.h"

struct ctl;

/* The exit code of an error of the API. */
enum exit_code failure_code(const char *error_name);

/* "TimedOut" of "io.mcumgr.TimedOut". */
const char *failure_short(const char *error_name);

/* Reports an error that a board's call ended with; device may be NULL. Returns the exit code. */
enum exit_code failure_report(struct ctl *ctl, const char *device, const struct mcumgr_error *error);

/* Reports what is no reply. error: "Usage", ... hint may be NULL. Returns code. */
enum exit_code failure_local(struct ctl *ctl, const char *device, enum exit_code code, const char *error,
	const char *message, const char *hint);

/* Reports what args_parse() or args_refuse() left in ctl->args. */
enum exit_code failure_usage(struct ctl *ctl);

/* Reports that a call (or the connection) failed with this errno, as mcumgr_message() has it. */
enum exit_code failure_connection(struct ctl *ctl, const char *device, struct mcumgr *m, int result);

/* The same sentence without a report, for tables; malloc'd. */
char *failure_sentence(const char *device, const char *message);
