/* SPDX-License-Identifier: MIT */
#pragma once

/* A job that ended, as a record of the state directory (ended/ID): what Jobs and JobWatch say of it, and what it left behind
 * when it failed, so that the next daemon answers for it as this one does.
 *
 * A record is believed as far as it is well-formed: words in their alphabet, numbers in their bounds, an error that is not
 * longer than LIMIT_JOB_FAILURE_BYTES; whoever speaks JSON checks the parameters of the error again. */

#include "daemon/job.h"
#include "daemon/record.h"

/* Of an ended job. 0, -ENOMEM, -E2BIG. */
int job_ended_remember(const struct job *job, struct record **ret);
/* 0 and a job that never runs again; -EBADMSG: it is no record of an ended job. */
int job_ended_restore(const char *id, const struct record *r, struct job **ret);
