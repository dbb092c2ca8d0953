/* SPDX-License-Identifier: MIT */
#pragma once

/* A long operation as a table of steps, run one after another against one board.
 *
 * A step starts one operation and, when that ends, judges the outcome. The runner alone owns waiting: deadlines,
 * unplugging, cancelling. Leaving a step, however it is left, cancels its pending request (step->leave, which may find
 * nothing pending; it is also called before end() is told of a deadline or an unplugged board). An operation never
 * completes inside the call that starts it. The runner knows no loop: the clock and the board are given by the owner, so
 * that the table is tested without either.
 *
 * A job is counted: the registry's list of jobs holds one reference, watchers others. It goes on without any watcher
 * when detached; else the owner cancels it when its last client has gone. */

#include <stdbool.h>
#include <stdint.h>

#include "proto/macro.h"

struct job;
struct device;

/* What begin and end say: on to the next step; begin this step again; its operation runs; the job is done; on to
 * job->next; or a negative errno with job->failure filled by job_fail. */
enum verdict { JOB_NEXT = 1, JOB_AGAIN, JOB_WAIT, JOB_DONE, JOB_GOTO };

struct job_step {
	const char *name;		   /* the word in the API, the log and the progress bar */
	int (*begin)(struct job *job);	   /* JOB_WAIT, or a verdict at once */
	int (*end)(struct job *job, int result); /* the operation ended: 0, -ETIMEDOUT (the step's deadline too), -ENODEV,
						    -EREMOTEIO ...; NULL: a failure ends the job */
	void (*leave)(struct job *job);	   /* cancel what is pending; may be NULL */
	unsigned int deadline_ms;	   /* 0: none of its own */
	unsigned int weight;		   /* share of the progress bar */
	bool unplug_ok;			   /* the board may vanish meanwhile: end() is not told */
	bool committed;			   /* too late to cancel */
	bool whole;			   /* a cancel waits for the end of the operation, so that its outcome is known */
};

enum job_state { JOB_RUNNING, JOB_ENDED_DONE, JOB_ENDED_FAILED, JOB_ENDED_CANCELLED };

/* An API error in the making: name without the interface ("NotBooted"); params is JSON text of an object or NULL. */
struct failure {
	char *error;
	char *parameters;
};

struct job_owner {
	void (*arm)(struct job *job, unsigned int ms); /* one timer; 0 disarms; firing calls job_expired */
	void (*progress)(struct job *job);	       /* step, bytes or message changed */
	void (*finished)(struct job *job);	       /* state is set; last callback */
	uint64_t (*now_ms)(struct job *job);	       /* a clock that only goes forward */
};

struct job {
	char id[24];
	const char *kind; /* "update", "upload" */
	const struct job_step *steps, *step;
	const struct job_step *next; /* for JOB_GOTO */
	struct device *device;	     /* borrowed; NULL once it is gone for good */
	char *device_id;
	enum job_state state;
	bool cancelled, detached;
	uint64_t done_bytes, total_bytes;
	unsigned int percent; /* of the whole job, by weights; never falls */
	char *message;	      /* for people, about this step; or NULL */
	const char *outcome;  /* when done */
	char hash[129], version[32];
	struct failure failure;
	struct job_evidence *evidence;	  /* of a failure, job-evidence.h; or NULL */
	uint64_t started_us, finished_us; /* CLOCK_REALTIME */
	const struct job_owner *owner;
	void *user;
	void (*destroy)(struct job *job); /* frees the job that embeds this */
	/* Names the failure of a verdict that came without one (-ECANCELED, -ETIMEDOUT, -ENODEV ...); NULL: generic. */
	void (*explain)(struct job *job, int error);
	void (*abandon)(struct job *job); /* the daemon ends: says so and ends the job (job_abort) */
	unsigned int references;
	unsigned int clients; /* connections that wait for it */
	unsigned int unrecorded; /* of its records, those that the disk does not have yet */
	void (*recorded)(struct job *job); /* it has them all; or NULL */
	bool on_record;	      /* the registry's: as one that runs; and, of one that ended, not yet */
	bool unsaved;
	uint64_t ended;	      /* the registry's: which to end it was; 0: it has not, or with an earlier daemon */
	bool settling, waiting, untold; /* private to the runner */
};

void job_init(struct job *job, const char *kind, const struct job_step *steps, const struct job_owner *owner, void *user);
void job_start(struct job *job);
void job_complete(struct job *job, int result); /* the step's operation ended */
void job_expired(struct job *job);		/* its deadline passed */
void job_unplugged(struct job *job);
void job_cancel(struct job *job); /* at the next safe point: at once when the step waits and is not committed */
/* Ends it here and now, whatever it does; for a daemon that ends. The failure should be set before. */
void job_abort(struct job *job, int error);
/* Replaces the deadline of the step that is waiting or in begin(); 0: none. */
void job_set_deadline(struct job *job, unsigned int ms);
void job_set_progress(struct job *job, uint64_t done_bytes, uint64_t total_bytes);
void job_set_message(struct job *job, const char *format, ...) _printf_(2, 3);

/* Sets the failure; the first one wins. Returns error (negative) for `return job_fail(...)`. */
int job_fail(struct job *job, int error, const char *name, char *parameters_taken);
bool job_running(const struct job *job);
/* The step has moved all its bytes, which is told at once: who shows progress would end with some part of it otherwise. */
bool job_has_all_bytes(const struct job *job);

struct job *job_ref(struct job *job);
void job_unref(struct job *job);
DEFINE_FREEP(struct job, job_unref)
