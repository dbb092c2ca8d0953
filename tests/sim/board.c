/* SPDX-License-Identifier: MIT */
#include "board.h"

#include <errno.h>
#include <stdio.h>

#include "sim.h"

#define FLOOD_US 10000

static const char *const phase_names[] = {
#define X(id, name) name,
	BOARD_PHASES(X)
#undef X
};

static const struct fault_context no_request = { -1, -1, -1, 0 };

const char *board_phase_name(enum board_phase p)
{
	return phase_names[p];
}

void board_print(struct board *b, const char *text)
{
	link_write(&b->link, text, strlen(text));
}

static void banner(struct board *b, const char *text)
{
	if (b->set.banner)
		board_print(b, text);
}

static void enter(struct board *b, enum board_phase phase)
{
	b->phase = phase;
}

static void ram_lose(struct board *b)
{
	rx_reset(b);
	loop_timer_stop(b->loop, &b->phase_timer);
	loop_timer_stop(b->loop, &b->reset_timer);
	loop_timer_stop(b->loop, &b->die_timer);
	free(b->ram.file.data);
	memset(&b->ram, 0, sizeof(b->ram));
}

/* The firmware brings its USB up; without native USB the cable alone decides. */
static void usb_up(struct board *b)
{
	int r = b->cable ? link_plug(&b->link) : 0;

	if (r < 0)
		fprintf(stderr, "mcumgr-sim: %s: %s\n", b->link.path, strerror(-r));
}

static bool fault(struct board *b, enum fault_kind kind, struct fault *ret)
{
	return faults_strike(&b->faults, &b->rng, kind, &no_request, ret);
}

/* Whether the image that starts now would be taken back by the next boot. */
static bool on_trial(const struct board *b)
{
	struct flash_trailer t;

	flash_trailer_read(&b->image[0].slot[b->image[0].active], &t);
	return t.magic_good && t.copy_done && !t.image_ok;
}

static void app_begin(struct board *b)
{
	struct fault f;

	b->up_since = loop_now();
	b->ram.variables = b->saved;
	usb_up(b);
	banner(b, "*** Booting Zephyr OS build v4.4.0 ***\r\n");
	if (on_trial(b) && fault(b, FAULT_REVERT_ON_BOOT, &f)) {
		b->stats.crashes++;
		banner(b, "[00:00:00.012,000] <err> os: ***** USAGE FAULT *****\r\n");
		board_reset(b);
		return;
	}
	b->stats.app_starts++;
	enter(b, PHASE_APP);
	if (b->set.shell)
		shell_prompt(b);
}

static void banner_version(struct board *b)
{
	char line[IMAGE_VERSION_MAX + 32] = "I: Image version: v";
	struct image_info info;

	if (image_read(&b->image[0].slot[b->image[0].active], &info))
		return;
	image_version_format(&info.version, line + strlen(line));
	strcat(line, "\r\n");
	banner(b, line);
}

static void jump(struct board *b)
{
	banner_version(b);
	banner(b, "I: Jumping to the first image slot\r\n");
	if (b->set.hang_up && b->booted_before)
		link_unplug(&b->link);
	b->booted_before = true;
	rx_reset(b);
	b->ram.line_len = 0;
	enter(b, PHASE_STARTING);
	loop_timer_in(b->loop, &b->phase_timer, b->set.boot_ms * 1000);
}

void board_enter_recovery(struct board *b)
{
	loop_timer_stop(b->loop, &b->phase_timer);
	b->booted_before = true;
	usb_up(b);
	enter(b, PHASE_RECOVERY);
}

static void bootloader_end(struct board *b)
{
	bool good = bootloader_finish(b);
	bool recovery = b->boot_into_recovery || b->set.recovery;

	/* Both say it once only: the next boot is an ordinary one. */
	b->boot_into_recovery = b->set.recovery = false;
	if (recovery || (!good && b->set.no_app)) {
		banner(b, "I: Enter the serial recovery mode\r\n");
		board_enter_recovery(b);
		rx_process(b);
	} else if (!good) {
		banner(b, "E: Unable to find bootable image\r\n");
		enter(b, PHASE_HUNG);
	} else if (b->set.wait_dfu_ms) {
		uint64_t end = b->boot_began + b->set.wait_dfu_ms * 1000;
		uint64_t soonest = loop_now() + 1000;

		enter(b, PHASE_WAIT_DFU);
		loop_timer_at(b->loop, &b->phase_timer, end > soonest ? end : soonest);
		rx_process(b);
	} else {
		jump(b);
	}
}

static void bootloader_start(struct board *b)
{
	struct fault f;

	ram_lose(b);
	b->stats.boots++;
	b->boot_began = loop_now();
	enter(b, PHASE_BOOTLOADER);
	if (b->set.wait_dfu_ms)
		usb_up(b);
	banner(b, "*** Booting MCUboot v2.2.0 ***\r\n*** Using Zephyr OS build v4.4.0 ***\r\n"
		  "I: Starting bootloader\r\n");
	if (fault(b, FAULT_HANG_AT_BOOT, &f)) {
		enter(b, PHASE_HUNG);
		return;
	}
	b->swap_ms = (double)(bootloader_begin(b) * b->set.swap_ms_per_kb);
	if (fault(b, FAULT_SLOW_BOOT, &f))
		b->swap_ms += (double)f.ms;
	loop_timer_in(b->loop, &b->phase_timer, (uint64_t)(b->swap_ms * 1000));
}

static void phase_due(void *user)
{
	struct board *b = user;

	switch (b->phase) {
	case PHASE_OFF:
		bootloader_start(b);
		break;
	case PHASE_BOOTLOADER:
		bootloader_end(b);
		break;
	case PHASE_WAIT_DFU:
		jump(b);
		break;
	case PHASE_STARTING:
		app_begin(b);
		break;
	default:
		break;
	}
}

/* What the bootloader was doing with the flash stays half done. */
static void interrupt_bootloader(struct board *b)
{
	double part = (double)(loop_now() - b->boot_began) / 1000 / (b->swap_ms + 0.001);

	if (b->phase == PHASE_BOOTLOADER && b->phase_timer.slot)
		bootloader_interrupted(b, MIN(part, 1.0));
}

void board_reset(struct board *b)
{
	if (b->phase == PHASE_OFF)
		return;
	interrupt_bootloader(b);
	if (b->set.hang_up)
		link_unplug(&b->link);
	bootloader_start(b);
}

void board_power_cut(struct board *b, uint64_t off_ms)
{
	interrupt_bootloader(b);
	b->stats.power_cuts++;
	ram_lose(b);
	b->boot_into_recovery = false; /* retained memory needs power too */
	if (b->set.hang_up)
		link_unplug(&b->link);
	else
		link_drop(&b->link);
	enter(b, PHASE_OFF);
	if (b->cable || !b->set.bus_power)
		loop_timer_in(b->loop, &b->phase_timer, off_ms * 1000);
}

int board_plug(struct board *b)
{
	int r = 0;

	if (b->cable)
		return 0;
	b->cable = true;
	if (!b->set.hang_up || b->phase == PHASE_APP || board_is_serial_bootloader(b) ||
	    b->phase == PHASE_OFF)
		r = link_plug(&b->link);
	if (b->set.bus_power && b->phase == PHASE_OFF)
		bootloader_start(b);
	return r;
}

void board_unplug(struct board *b)
{
	if (!b->cable)
		return;
	b->cable = false;
	link_unplug(&b->link);
	if (b->set.bus_power && b->phase != PHASE_OFF) {
		board_power_cut(b, 0);
		b->booted_before = false;
	}
}

static void reset_due(void *user)
{
	board_reset(user);
}

static void die_due(void *user)
{
	board_power_cut(user, 0);
}

void board_reset_later(struct board *b, bool into_recovery)
{
	b->stats.resets_smp++;
	if (into_recovery)
		b->boot_into_recovery = true;
	if (!b->reset_timer.slot)
		loop_timer_in(b->loop, &b->reset_timer, b->set.reset_delay_ms * 1000);
}

static void flood_due(void *user)
{
	struct board *b = user;
	char line[96];

	for (int i = 0; i < 20; i++) {
		snprintf(line, sizeof(line), "[%llu] <dbg> flood: %016llx%016llx\r\n",
			 (unsigned long long)loop_now() / 1000,
			 (unsigned long long)rng_next(&b->rng),
			 (unsigned long long)rng_next(&b->rng));
		board_print(b, line);
	}
	loop_timer_in(b->loop, &b->flood_timer, FLOOD_US);
}

void board_flood(struct board *b, bool on)
{
	if (on)
		loop_timer_in(b->loop, &b->flood_timer, 0);
	else
		loop_timer_stop(b->loop, &b->flood_timer);
}

bool board_is_idle(const struct board *b)
{
	return !b->ram.busy && !b->ram.lines.first && !b->ram.requests.first && !b->late &&
	       !b->reset_timer.slot && !b->die_timer.slot && !b->phase_timer.slot &&
	       link_is_idle(&b->link);
}

void board_count(struct board *b, int group, int id)
{
	struct board_stats *st = &b->stats;
	size_t i;

	st->requests++;
	for (i = 0; i < st->n_counts; i++)
		if (st->counts[i].group == group && st->counts[i].id == id)
			break;
	if (i == REQUEST_COUNTS_MAX)
		return;
	if (i == st->n_counts)
		st->counts[st->n_counts++] = (struct request_count){ group, id, 0 };
	st->counts[i].n++;
}

static void timer_init(struct board *b, struct loop_timer *t, void (*fired)(void *))
{
	t->fired = fired;
	t->user = b;
}

int board_new(struct sim *sim, const char *name, struct settings *set, struct board **ret)
{
	struct board *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return -ENOMEM;
	b->sim = sim;
	b->loop = sim->loop;
	b->set = *set;
	settings_init(set);
	b->name = strdup(name);
	b->rng.state = sim->seed ^ hash_name(name);
	b->link.received = rx_received;
	b->link.user = b;
	timer_init(b, &b->phase_timer, phase_due);
	timer_init(b, &b->reset_timer, reset_due);
	timer_init(b, &b->die_timer, die_due);
	timer_init(b, &b->flood_timer, flood_due);
	rx_init(b);
	r = b->name ? frame_rx_init(&b->frame) : -ENOMEM;
	if (!r)
		r = link_init(&b->link, sim->loop, sim->ttys, &b->set, sim->dir, name);
	if (!r)
		r = bootloader_fill(b, sim->seed);
	if (r < 0) {
		board_free(b);
		return r;
	}
	*ret = b;
	return 0;
}

int board_start(struct board *b)
{
	int r;

	b->cable = true;
	r = link_plug(&b->link);
	if (r < 0)
		return r;
	bootloader_start(b);
	return 0;
}

void board_free(struct board *b)
{
	if (!b)
		return;
	ram_lose(b);
	board_flood(b, false);
	link_clear(&b->link);
	for (int i = 0; i < IMAGES_MAX; i++)
		for (int s = 0; s < 2; s++)
			flash_clear(&b->image[i].slot[s]);
	while (b->files) {
		struct file *f = b->files;

		b->files = f->next;
		free(f->name);
		free(f->data);
		free(f);
	}
	frame_rx_clear(&b->frame);
	settings_clear(&b->set);
	free(b->name);
	free(b);
}
