/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * What can be chosen about a board: `--board NAME,key=value` at the start and
 * `BOARD set KEY=VALUE` later. The table in settings.c has one row a key; the
 * manual page mcumgr-sim(1) documents them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How MCUboot brings an image to life (SMP §7.5). */
#define BOOT_MODES(X)                                                                              \
	X(MODE_SWAP_SCRATCH, "swap-scratch", 1)                                                    \
	X(MODE_OVERWRITE, "overwrite", 2)                                                          \
	X(MODE_SWAP_MOVE, "swap-move", 3)                                                          \
	X(MODE_SWAP_OFFSET, "swap-offset", 9)                                                      \
	X(MODE_DIRECT_XIP, "direct-xip", 4)                                                        \
	X(MODE_DIRECT_XIP_REVERT, "direct-xip-revert", 5)                                          \
	X(MODE_RAM_LOAD, "ram-load", 6)                                                            \
	X(MODE_SINGLE, "single", 0)

enum boot_mode {
#define X(id, name, number) id,
	BOOT_MODES(X)
#undef X
};

/* What the board makes of SMP versions (SMP §1). */
#define V1_KINDS(X)                                                                                \
	X(V1_OFF, "off")       /* speaks both: Zephyr since 3.3 */                                 \
	X(V1_ONLY, "on")       /* answers everything in v1 style: Zephyr before 3.3 */             \
	X(V1_REFUSE, "refuse") /* answers rc 13 to v2 */                                           \
	X(V1_SILENT, "silent") /* does not answer v2 at all */                                     \
	X(V1_TOO_OLD, "none")  /* built without v1: answers rc 12 to it */

enum v1_kind {
#define X(id, name) id,
	V1_KINDS(X)
#undef X
};

struct settings {
	enum boot_mode mode;
	enum v1_kind v1;
	uint64_t slot_size, images;
	uint64_t buf_size, buf_count, line_bufs, line_len, line_us;
	uint64_t rec_buf, rec_align;
	uint64_t baud, latency_ms, uart;
	uint64_t boot_ms, swap_ms_per_kb, reset_delay_ms, wait_dfu_ms, erase_ms, write_us, page_us;
	bool burst_lost;
	bool banner, shell, dead, recovery, hang_up, bus_power, no_app, downgrade;
	bool params, echo, bootloader_info, datetime, mpstat, build_time, transport, enumerate, image_group, slot_info;
	bool legacy_rc, canonical, frugal, image_check, direct_upload, erase_pending;
	bool rec_echo, rec_params, rec_state, rec_slots;
	char *image, *image1, *unix_path, *board_id;
};

void settings_init(struct settings *s);
void settings_clear(struct settings *s);

/*
 * Sets `key` to `value`. When `live`, keys that shape the board before it is
 * made (slot_size, images, image, image1, unix) are refused. Returns 0, or
 * -EINVAL or -ENOMEM with a sentence in *ret_error, which the caller frees.
 */
int settings_set(struct settings *s, const char *key, const char *value, bool live,
		 char **ret_error);

/* The mode's name and its number in bootloader info (SMP §5.0). */
const char *boot_mode_name(enum boot_mode m);
int boot_mode_number(enum boot_mode m);

/* Whether a new image is swapped into slot 0, and whether the app may choose what boots. */
bool boot_mode_swaps(enum boot_mode m);
bool boot_mode_has_state_write(enum boot_mode m);
/* Whether the app runs from whichever slot holds the highest version. */
bool boot_mode_picks_slot(enum boot_mode m);
