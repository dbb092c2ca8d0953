/* SPDX-License-Identifier: MIT */
#pragma once

/* A board without a wire, for the update's table: the device layer that jobs call, answered by a model of Zephyr's image
 * management and of MCUboot (SMP §5.1, §6.2, §7.4, §7.5). No loop and no clock: time passes when nothing else is left to
 * do. At any request something can be made to happen to the board, the cable or the job. */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/update-private.h"

enum held { EMPTY, OLD, NEW, OTHER, PARTIAL };
enum mark { UNMARKED, TEST, PERMANENT };

struct model {
	int mode; /* of the bootloader, as in SMP §5.0 */
	enum held slot[2];
	int active;
	bool confirmed; /* the running image */
	enum mark mark; /* of the other slot */
	bool in_recovery;
	/* habits */
	bool new_is_lower, new_is_bad, new_crashes, new_lacks_group, new_confirms_itself;
	bool never_back, stuck, ignores_mark, ignores_confirm, ignores_reset, no_group, no_bootloader_info, no_slot_info, v1;
	bool no_banner;	     /* boots are not seen */
	unsigned int slow_resets; /* lists still answered by the old firmware after a reset */
	unsigned int slot_size;
	/* state */
	bool dead, unplugged, boot_due;
	unsigned int waits; /* looks until the boot that is due happens */
	uint64_t offset;    /* of the upload session; 0: none */
	unsigned int boots, resets, marks, confirms, uploads; /* executed */
	char operations[1024];
};

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
	char hit[32];	       /* the operation that it hit */
	/* the job */
	uint64_t now_ms;
	unsigned int armed;
	bool ended;
	unsigned int steps;
	char trail[256]; /* steps begun */
};

/* A board with OLD active and confirmed, swap mode, everything supported. */
void bench_init(struct bench *b);
/* Starts the update and plays to its end. Fails the test if it has none. */
void bench_run(struct bench *b, const struct update_options *options);
void bench_release(struct bench *b);
