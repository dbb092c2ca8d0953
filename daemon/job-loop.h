/* SPDX-License-Identifier: MIT */
#pragma once

/* A job on the loop: its one timer, its progress told to the registry at most every 100 ms, and its end. It owns one
 * reference to the job, until its timer is closed. */

#include "daemon/job.h"
#include "daemon/registry.h"

/* Makes the job ready (job_init) with this as its owner. 0, -ENOMEM. */
int job_loop_put(struct job *job, const char *kind, const struct job_step *steps, struct registry *registry);
/* job_start in the next turn of the loop, or now and then job_expired: what comes first in the job's life. */
void job_loop_start(struct job *job);
/* Gives a job up that was never started. */
void job_loop_drop(struct job *job);
