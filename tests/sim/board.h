/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * A simulated board: its flash, the bootloader and the app in it, and the cable
 * it hangs on. board.c is power, reset and boot; rx.c turns what arrives into
 * SMP messages; smp.c and the group files answer as the app does, recovery.c
 * as MCUboot's serial recovery does; bootloader.c is what MCUboot does to the
 * flash.
 *
 * A board lives in phases:
 *
 *     OFF → BOOTLOADER → [WAIT_DFU →] STARTING → APP
 *                  ↘ RECOVERY      ↘ RECOVERY   ↘ (reset) BOOTLOADER
 *
 * Everything in struct board_ram is lost at a reset or power cut, flash is not.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fault.h"
#include "flash.h"
#include "frame.h"
#include "image.h"
#include "link.h"
#include "loop.h"
#include "payload.h"
#include "settings.h"
#include "util.h"

#define BOARD_PHASES(X)                                                                            \
	X(PHASE_OFF, "off")                                                                        \
	X(PHASE_BOOTLOADER, "bootloader")                                                          \
	X(PHASE_WAIT_DFU, "wait-dfu")                                                              \
	X(PHASE_RECOVERY, "recovery")                                                              \
	X(PHASE_STARTING, "starting")                                                              \
	X(PHASE_APP, "app")                                                                        \
	X(PHASE_HUNG, "hung")

enum board_phase {
#define X(id, name) id,
	BOARD_PHASES(X)
#undef X
};

enum swap_type { SWAP_NONE, SWAP_TEST, SWAP_PERM, SWAP_REVERT };

#define IMAGES_MAX 2

/* The two slots of an image, and how far a swap of them has come. In flash. */
struct image_slots {
	struct flash_area slot[2];
	enum swap_type swapping;
	size_t swapped, to_swap; /* sectors */
	bool kept_at_start;      /* swap-offset: where the image in slot 1 is */
	int active;              /* the slot that runs */
};

/* Image upload session of the app (SMP §6.2) and of recovery. */
struct upload {
	bool active;
	int image, slot;
	uint64_t off, size;
	uint8_t sha[32];
	size_t sha_len;
};

struct file {
	struct file *next;
	char *name;
	uint8_t *data;
	size_t len;
};

/* The one file the FS group keeps open (SMP §5.8). */
struct open_file {
	enum { FILE_CLOSED, FILE_UPLOAD, FILE_DOWNLOAD } state;
	char name[65];
	uint64_t off, len;
	uint8_t *data; /* written, but not in the file until it is closed */
	size_t data_len, position;
};

#define VARIABLES_MAX 16

struct variable {
	char name[33];
	uint8_t value[32];
	size_t len;
};

struct variables {
	struct variable list[VARIABLES_MAX];
	size_t n;
};

/* A message or line that waits, or the reply that a slow command will give. */
struct message {
	struct message *next;
	struct fault_context where;
	size_t len;
	uint8_t data[];
};

struct message_queue {
	struct message *first, **last;
	size_t n;
};

#define LINE_BUF_MAX 1024

/* When replies have left, by the rate of the UART: until then their buffers are held. */
struct departures {
	uint64_t free_us, at[32];
	size_t next;
};

struct board_ram {
	struct upload upload;
	struct open_file file;
	struct variables variables;
	uint8_t line[LINE_BUF_MAX]; /* of the console, as it comes in */
	size_t line_len;
	bool line_ignored;
	struct message_queue lines;    /* complete lines that wait for the CPU */
	struct message_queue requests; /* complete packets that wait for the SMP thread */
	struct message_queue replies;  /* of the request that is being worked on */
	struct departures departures;
	bool busy;
	bool reset_pending;
	bool clock_set;
	unsigned int bridge; /* the transport that this one is bridged to; 0: none */
	int64_t clock_offset_us; /* of the board's RTC to loop_now() */
	char shell[256];
	size_t shell_len;
	bool shell_cut, shell_cr;
};

struct request_count {
	int group, id;
	uint64_t n;
};

#define REQUEST_COUNTS_MAX 64

struct board_stats {
	uint64_t boots, app_starts, resets_smp, crashes, power_cuts;
	uint64_t dropped_lines, dropped_packets, requests, replies;
	struct request_count counts[REQUEST_COUNTS_MAX];
	size_t n_counts;
};

struct sim;

struct board {
	struct board *next;
	struct sim *sim;
	struct loop *loop;
	char *name;
	struct settings set;
	struct rng rng;
	struct link link;
	struct frame_rx frame;
	struct faults faults;
	struct board_stats stats;

	/* flash, and the retained boot mode that survives a reset */
	struct image_slots image[IMAGES_MAX];
	struct file *files;
	struct variables saved;
	bool boot_into_recovery;

	enum board_phase phase;
	bool cable; /* plugged in, whether or not the firmware has its USB up */
	bool booted_before;
	uint64_t boot_began, up_since;
	double swap_ms; /* how long the bootloader needs for what it does now */
	struct loop_timer phase_timer, reset_timer, busy_timer, line_timer, flood_timer, die_timer;
	struct late_reply *late;
	struct board_ram ram;
};

/* A board with its flash filled, not yet powered. `set` is taken over. */
int board_new(struct sim *sim, const char *name, struct settings *set, struct board **ret);
void board_free(struct board *b);

/* Plugs the cable and powers up. */
int board_start(struct board *b);

const char *board_phase_name(enum board_phase p);

/* Through the reset pin, the reset command or a crash: RAM is lost, the bootloader starts. */
void board_reset(struct board *b);
/* Power off now; on again after `off_ms`. */
void board_power_cut(struct board *b, uint64_t off_ms);
int board_plug(struct board *b);
void board_unplug(struct board *b);

/* Prints console text as the firmware does. */
void board_print(struct board *b, const char *text);
/* Console text without end; every 10 ms some lines. */
void board_flood(struct board *b, bool on);
bool board_is_idle(const struct board *b);

/* Enters serial recovery, from the bootloader or its wait for a DFU request. */
void board_enter_recovery(struct board *b);
/* A request arrived over SMP that asks for a reset; it happens after the reset delay. */
void board_reset_later(struct board *b, bool into_recovery);

/* A request was read: for the counts that `state` shows. */
void board_count(struct board *b, int group, int id);

/* Whether the board takes serial input as MCUboot's serial recovery does. */
bool board_is_serial_bootloader(const struct board *b);

/* rx.c: what arrives on the cable */
void rx_received(void *user, const uint8_t *data, size_t len);
void rx_init(struct board *b);
void rx_reset(struct board *b);   /* forgets all that came in; part of losing RAM */
void rx_process(struct board *b); /* works off lines and requests that waited */
/*
 * The answer to the request in hand has been put into ram.replies and takes
 * `cost_us` of work. Nothing else is worked on meanwhile.
 */
void rx_answered(struct board *b, uint64_t cost_us);

/* Queues; what is pushed is copied. */
void message_push(struct message_queue *q, const uint8_t *data, size_t len,
		  const struct fault_context *where);
struct message *message_pop(struct message_queue *q);
void message_clear(struct message_queue *q);

/* reply.c: frames a message and sends it, with the faults that are due */
void reply_send(struct board *b, const uint8_t *msg, size_t len, const struct fault_context *where);
void reply_drop_late(struct board *b);

/* shell.c: the console shell on the same port */
void shell_input(struct board *b, const uint8_t *data, size_t len);
void shell_prompt(struct board *b);
/* Runs a line; output goes to `out`, cut at its end. Returns what the command returns. */
int shell_run(struct board *b, const char *line, char *out, size_t cap);

/* bootloader.c */
int bootloader_fill(struct board *b, uint64_t image_seed); /* puts the first images into flash */
/* Decides what to do with new images. Returns how many KiB there are to move. */
size_t bootloader_begin(struct board *b);
/* A power cut came when `part` (0…1) of the work was done. */
void bootloader_interrupted(struct board *b, double part);
/* Ends the work. Returns whether there is an app to start. */
bool bootloader_finish(struct board *b);
/*
 * The image in a slot as the app finds it, or the error that says why not. With
 * swap-offset an image is one sector in, except the one that a revert would
 * bring back: when the new one has been confirmed, nobody finds it any more.
 */
int bootloader_find_image(const struct board *b, int image, int slot, struct image_info *ret);
/* What the next boot would do with an image (SMP §7.3). */
enum swap_type bootloader_swap_type(const struct board *b, int image);
/* Like boot_set_next() of MCUboot: marks a slot for test or for good. */
int bootloader_set_next(struct board *b, int image, int slot, bool confirm);
