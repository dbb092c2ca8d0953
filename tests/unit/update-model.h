/* SPDX-License-Identifier: MIT */
#pragma once

/* A model of a board: MCUboot and Zephyr's image management (SMP §5.1, §6.2, §7.4, §7.5). */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/device.h"

#define MODEL_IMAGE_BYTES 1500

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
	bool worn_out; /* after the first chunk */
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
	/* set by the bench */
	struct device *device;
	const char *new_version;
};

/* What happens at a reset or power-up, to the end: the device's state and boots change as the daemon would see it. */
void model_boot(struct model *m);
bool model_has_marks(const struct model *m);
void model_hash(enum held h, uint8_t *hash); /* 32 bytes */
/* A word for a request: list, params, bootloader, mode, slots, erase, chunk, mark, reset, confirm. */
const char *model_operation(const struct request *r, const struct value *payload);
/* Executes it: 0 and a reply in w, an error of the image group, or a plain one (negative). */
int model_execute(struct model *m, const char *what, const struct value *request, struct writer *w);
