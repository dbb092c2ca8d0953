/* SPDX-License-Identifier: MIT */
#pragma once

/* A board without a wire, for the update's table: the device layer that jobs call, answered by a model (update-model.h). No
 * loop and no clock: time passes when nothing else is left to do. The disk is as slow as can be: it takes a record once
 * nobody waits for anything else. At any request or record something can be made to happen to the board, the cable or the
 * job. */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/update-private.h"
#include "update-model.h"

enum happening {
	NOTHING,
	UNPLUG,	     /* the cable, which powers the board; plugged in again some time later */
	UNPLUG_FOR_GOOD,
	CANCEL,
	LOSE_REQUEST,
	LOSE_REPLY,
	RC_UNKNOWN,  /* a plain rc 1 */
	RC_BUSY,     /* a plain rc 10 */
	RC_GROUP,    /* image group, rc 12: flash write failed */
	BROKEN_REPLY,
	POWER_CUT,   /* a boot that nobody asked for; what was under way is lost */
	DIE,	     /* never answers again */
	DEADLINE,    /* the step's own, or 150 s of nothing */
	UNPLUG_AT_RECORD, /* while a request waits for the how-manieth record to be on the disk */
	LOSE_AT_RECORD,	  /* ... for good */
	CANCEL_AT_RECORD,
	REPLUG_AT_RECORD, /* unplugged and back, twice, before the disk has the record */
	HAPPENINGS,
};
const char *happening_name(enum happening what);

struct bench {
	struct model board;
	struct device device;
	struct config_device config;
	struct blob blob;
	struct update *u;
	/* the one thing that happens, at the how-manieth request */
	enum happening what;
	unsigned int at;
	unsigned int requests; /* answered so far */
	unsigned int records;  /* waited for */
	char hit[32];	       /* the operation that it hit */
	/* an earlier daemon's job, that far */
	bool resumed, found_before, recovery;
	enum update_phase phase;
	/* the job */
	uint64_t now_ms;
	unsigned int armed;
	bool ended;
	unsigned int steps;
	char trail[256]; /* steps begun */
};

/* A board with OLD active and confirmed, swap mode, everything supported. */
void bench_init(struct bench *at);
/* Starts the update and plays to its end. Fails the test if it has none. */
void bench_run(struct bench *at, const struct update_options *options);
void bench_release(struct bench *at);

/* The one bench of a test program, its fixture, and what is held against it (update-claims.c). */
extern struct bench b;
void bench_setup(void);
void bench_teardown(void);
char *parameter(const char *name);    /* of the failure; "" when it has none by that name */
bool says(const char *sentence);      /* the failure's message */
const char *describe(void);	      /* everything, for a test that failed */
void check_truth(void);		      /* what the job says at its end is true of the board */

/* Requests of an update that finds nothing uploaded. */
#define FRESH "list params bootloader mode slots chunk list"
