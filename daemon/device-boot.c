/* SPDX-License-Identifier: MIT */

/* Boots: when nothing may be sent, and what to do about a board that stayed in its bootloader all the same.
 *
 * MCUboot may wait for a request after a reset (500 ms by default, 5 s on some boards) and stays when one comes; bytes that
 * arrive while it exchanges images count, too. Once it stays, the way out is a reset, and that undoes an image under test. So:
 * quiet first, for as long as the boot is thought to take, or until the application says on the console that it is up. */

#include <string.h>

#include "daemon/device-private.h"
#include "daemon/image-store.h"
#include "daemon/log.h"
#include "daemon/registry.h"

#define BANNER_GRACE_MS 100	  /* old MCUboots print Zephyr's banner before their own */
#define RESET_DELAY_MS 400	  /* so long the firmware of before may still answer: 250 ms after the reset was taken (SMP §9) */
#define QUIET_AFTER_RECOVERY_MS 6000 /* the second time: windows of 5 s exist */
#define QUIET_MAX_MS 60000
#define QUIET_BANNER_MS 10000	  /* boards whose boot is seen on the console: no hurry without it */
#define SWAP_MS_PER_KB 20	  /* about the slowest internal flash (SMP §9) */
#define SWAP_BANNER_MS_PER_KB 100
#define SWAP_UNKNOWN_BYTES (256 * 1024) /* of an image that somebody else uploaded */
#define PROBE_PAUSE_FIRST_MS 2000
#define PROBE_PAUSE_MAX_MS 60000
#define PROBE_PAUSE_EXPECTING_MS 2000
#define FAULT_TELL_MS 10000 /* between two lines of the log about a board's faults */

static unsigned int most(unsigned int a, unsigned int b)
{
	return a > b ? a : b;
}

/* As far as the board's window is known. After the reset out of recovery it is thought to be long, whatever the boot shows. */
static unsigned int window_ms(const struct device *d)
{
	const struct device_private *p = d->private;
	unsigned int quiet = most(d->config->quiet_ms, p->learnt.quiet_ms);

	return p->expecting && p->recovery_reset ? most(quiet, QUIET_AFTER_RECOVERY_MS) : quiet;
}

unsigned int device_quiet_ms(const struct device *d)
{
	return d->private->expecting ? window_ms(d) : d->config->quiet_ms;
}

/* After a reset or a bootloader's banner. */
static unsigned int boot_ms(const struct device *d)
{
	const struct device_private *p = d->private;
	uint64_t kb = p->swap_bytes / 1024;
	unsigned int quiet = window_ms(d);

	/* Nothing to spoil, and no banner of an application to wait for. */
	if (d->recovery_wanted)
		return d->config->quiet_ms;
	uint64_t ms = quiet + kb * SWAP_MS_PER_KB;
	if (p->learnt.banner && quiet > 0)
		ms = most(quiet, QUIET_BANNER_MS) + kb * SWAP_BANNER_MS_PER_KB;
	return ms > QUIET_MAX_MS ? QUIET_MAX_MS : (unsigned int)ms;
}

void device_quiet(struct device *d, unsigned int ms)
{
	device_probe_cancel(d);
	session_hold(d->session);
	device_set_state(d, DEVICE_QUIET, NULL);
	device_arm(d, ms ? ms : 1);
}

void device_boot_cancel(struct device *d)
{
	struct device_private *p = d->private;
	if (p->resetting)
		session_cancel(d->session, &p->reset);
	p->resetting = false;
}

static bool is_open(const struct device *d)
{
	return d->state >= DEVICE_QUIET && d->state <= DEVICE_UNRESPONSIVE;
}

/* --- what the console tells --------------------------------------------------------------------------------------- */

static void zephyr_boots(struct device *d)
{
	struct device_private *p = d->private;

	if (!p->learnt.banner) {
		p->learnt.banner = true;
		device_learned(d);
	}
	device_quiet(d, BANNER_GRACE_MS);
}

/* A board may say so for ever, thousands of times in a second: the log need not. */
static void tell_fault(struct device *d, enum console_mark mark)
{
	struct device_private *p = d->private;
	const char *what = mark == CONSOLE_FATAL ? "fatal error" : "failed assertion";
	uint64_t now = uv_hrtime() / 1000000;

	if (p->fault_told_ms && now - p->fault_told_ms < FAULT_TELL_MS) {
		p->faults_untold++;
		return;
	}
	if (p->faults_untold)
		log_warning(d->id, "console", "the board reports a %s; it reported %u more since the last of these lines", what,
				p->faults_untold);
	else
		log_warning(d->id, "console", "the board reports a %s", what);
	p->fault_told_ms = now;
	p->faults_untold = 0;
}

void device_boot_mark(struct device *d, enum console_mark mark)
{
	if (mark == CONSOLE_FATAL || mark == CONSOLE_ASSERT) {
		tell_fault(d, mark);
		return;
	}
	if (d->state == DEVICE_BROKEN)
		device_trouble_booted(d);
	if (!is_open(d))
		return;
	d->boots++;
	if (device_boot_seen(d, mark == CONSOLE_ZEPHYR_BOOT ? BOOT_SIGN_ZEPHYR : BOOT_SIGN_LOADER) && device_trouble_booted(d))
		return;
	device_boot_cancel(d);
	device_forget(d);
	if (mark == CONSOLE_ZEPHYR_BOOT)
		zephyr_boots(d);
	else
		device_quiet(d, boot_ms(d));
}

/* A board that was silent prints something: it may be up, or on its way. A console that never stops must not have it probed
 * for ever, so each time that it was no sign of an answer the next one counts later. */
void device_text(struct device *d)
{
	struct device_private *p = d->private;

	if (d->state != DEVICE_UNRESPONSIVE || p->probe.pending || !device_sends(d))
		return;
	uint64_t since = uv_now(p->loop) - p->probed_ms, quiet = device_quiet_ms(d);
	uint64_t wait = since < p->text_pause_ms ? p->text_pause_ms - since : 0;
	if (wait < quiet)
		wait = quiet;
	if (p->text_heard || uv_timer_get_due_in(&p->timer) <= wait)
		return;
	p->text_heard = true;
	p->text_pause_ms = p->text_pause_ms ? p->text_pause_ms * 2 : PROBE_PAUSE_FIRST_MS;
	if (p->text_pause_ms > PROBE_PAUSE_MAX_MS)
		p->text_pause_ms = PROBE_PAUSE_MAX_MS;
	device_arm(d, (unsigned int)wait);
}

/* --- resets ------------------------------------------------------------------------------------------------------- */

void device_expect_swap(struct device *d, uint64_t bytes)
{
	d->private->swap_bytes = bytes;
}

/* Something is marked, or on trial and would be reverted: then the next reset exchanges images, whoever asks for it. */
static const struct image_slot *next_swapped(const struct device_info *info)
{
	bool tried = false;

	for (size_t i = 0; i < info->image_count; i++)
		tried |= info->images[i].active && !info->images[i].confirmed;
	for (size_t i = 0; i < info->image_count; i++)
		if (info->images[i].pending || (tried && !info->images[i].active && info->images[i].confirmed))
			return &info->images[i];
	return NULL;
}

void device_foresee_swap(struct device *d)
{
	const struct device_info *info = &d->info;
	const struct image_slot *s = next_swapped(info);
	bool swaps = !info->has_mode || (info->mode >= 1 && info->mode <= 3) || info->mode == 9;
	size_t bytes = s && swaps ? image_store_size_of(registry_images(d->registry), s->hash, s->hash_size) : 0;

	device_expect_swap(d, s && swaps && !bytes ? SWAP_UNKNOWN_BYTES : bytes);
}

void device_expect_reboot(struct device *d, bool recovery_wanted, bool taken)
{
	d->recovery_wanted = recovery_wanted;
	d->private->recovery_reset = false;
	d->private->expecting = true;
	d->private->reset_taken = taken;
	device_trouble_expected(d);
	if (!is_open(d))
		return;
	device_boot_cancel(d);
	device_forget(d);
	device_quiet(d, most(boot_ms(d), RESET_DELAY_MS));
}

void device_identify(struct device *d)
{
	/* Whoever answers is up: there is nothing to wait for. */
	if (d->state == DEVICE_READY)
		device_quiet(d, 1);
}

static void reset_sent(struct request *request, const struct answer *answer)
{
	struct device *d = request->user;
	struct device_private *p = d->private;

	p->resetting = false;
	if (answer->error == -ENODEV)
		return;
	p->expecting = true;
	p->reset_taken = answer->error == 0;
	device_trouble_expected(d);
	device_forget(d);
	device_quiet(d, most(boot_ms(d), QUIET_AFTER_RECOVERY_MS));
}

/* Once, until the application has been seen or the board was plugged again, by other than this reset: a board without an
 * application must not be reset for ever. */
void device_found_recovery(struct device *d)
{
	struct device_private *p = d->private;
	struct writer w = {0};

	if (d->recovery_wanted || p->recovery_reset) {
		device_found(d, DEVICE_RECOVERY);
		return;
	}
	log_info(d->id, "device", "is in its bootloader though nobody asked for that: it is reset once");
	p->recovery_reset = true;
	if (p->learnt.quiet_ms < QUIET_AFTER_RECOVERY_MS && p->expecting) {
		p->learnt.quiet_ms = QUIET_AFTER_RECOVERY_MS;
		device_learned(d);
	}
	request_release(&p->reset);
	writer_map(&w, 0);
	p->reset = (struct request){
		.class = REQUEST_WRITE,
		.op = SMP_WRITE,
		.group = SMP_OS,
		.id = 5,
		.repeat = REPEAT_NEVER,
		.any_state = true,
		.done = reset_sent,
		.user = d,
	};
	if (writer_finish(&w, &p->reset.payload, &p->reset.payload_size) < 0 || session_submit(d->session, &p->reset) < 0) {
		device_found(d, DEVICE_RECOVERY);
		return;
	}
	p->resetting = true;
}

/* --- the end of a probe ------------------------------------------------------------------------------------------- */

static void found_silent(struct device *d)
{
	struct device_private *p = d->private;

	/* A board of which a reset was asked and that does not answer now is away: it did reset. */
	if (p->expecting) {
		d->boots++;
		device_boot_seen(d, BOOT_SIGN_AWAY);
	}
	if (device_next_candidate(d))
		return;
	p->probe_pause_ms = p->probe_pause_ms ? p->probe_pause_ms * 2 : PROBE_PAUSE_FIRST_MS;
	if (p->probe_pause_ms > PROBE_PAUSE_MAX_MS)
		p->probe_pause_ms = PROBE_PAUSE_MAX_MS;
	session_release(d->session);
	device_set_state(d, DEVICE_UNRESPONSIVE, "nothing answers SMP on %s", d->tty);
	device_arm(d, p->back && p->expecting ? PROBE_PAUSE_EXPECTING_MS : p->probe_pause_ms);
}

void device_probed(struct device *d, bool alive, bool recovery)
{
	d->private->probed_ms = uv_now(d->private->loop);
	d->private->text_heard = false;
	if (!alive)
		found_silent(d);
	else if (recovery)
		device_found_recovery(d);
	else
		device_found(d, DEVICE_READY);
}
