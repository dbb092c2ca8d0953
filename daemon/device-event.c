/* SPDX-License-Identifier: MIT */

/* What happens to a board, told once and by its name: boots, whoever caused them, and another firmware. */

#include <errno.h>
#include <string.h>

#include "daemon/device-private.h"
#include "daemon/log.h"
#include "daemon/registry.h"

#define SAME_BOOT_MS 100 /* between two lines of one bootloader; none starts twice within this time */

enum registry_event device_state_event(enum device_state before, enum device_state after)
{
	if (before == after)
		return REGISTRY_CHANGED;
	if (after == DEVICE_ABSENT)
		return REGISTRY_DETACHED;
	if (after == DEVICE_BROKEN)
		return REGISTRY_BROKEN;
	if (before == DEVICE_ABSENT)
		return REGISTRY_ATTACHED;
	switch (after) {
	case DEVICE_READY:
		return REGISTRY_READY;
	case DEVICE_RECOVERY:
		return REGISTRY_RECOVERY;
	case DEVICE_UNRESPONSIVE:
		return REGISTRY_UNRESPONSIVE;
	case DEVICE_UNAVAILABLE:
		return REGISTRY_UNAVAILABLE;
	default:
		return REGISTRY_CHANGED;
	}
}

/* --- boots -------------------------------------------------------------------------------------------------------- */

/* One boot has several signs: MCUboot's lines, Zephyr's line (old MCUboots print that one, too, and first), a port that
 * comes back. Only a sign that cannot belong to the boot under way begins another one. */
static bool begins_another(struct boot *b, enum boot_sign sign, uint64_t now_ms)
{
	bool another;

	if (sign == BOOT_SIGN_LOADER) {
		another = b->stage == BOOT_APPLICATION || (b->stage == BOOT_LOADER && now_ms - b->loader_ms > SAME_BOOT_MS);
		b->stage = BOOT_LOADER;
		b->loader_ms = now_ms;
		return another;
	}
	if (sign == BOOT_SIGN_ZEPHYR) {
		another = b->stage == BOOT_APPLICATION || b->stage == BOOT_EARLY;
		b->stage = b->stage == BOOT_LOADER ? BOOT_APPLICATION : BOOT_EARLY;
		return another;
	}
	return false;
}

bool device_boot_seen(struct device *d, enum boot_sign sign)
{
	static const char *const reasons[] = {
		[BOOT_SIGN_LOADER] = "its bootloader starts",
		[BOOT_SIGN_ZEPHYR] = "its console shows a boot",
		[BOOT_SIGN_BACK] = "it was reset, and its port came back",
		[BOOT_SIGN_AWAY] = "it was reset, and is silent",
		[BOOT_SIGN_TAKEN] = "it was reset",
	};
	struct boot *b = &d->private->boot;

	if (begins_another(b, sign, uv_hrtime() / 1000000))
		b->told = false;
	if (b->told)
		return false;
	b->told = true;
	log_info(d->id, "device", "boots: %s", reasons[sign]);
	registry_tell(d->registry,
			&(struct registry_change){.event = REGISTRY_REBOOTED, .device = d, .reason = reasons[sign]});
	return true;
}

/* --- firmware ----------------------------------------------------------------------------------------------------- */

static bool is_same(const struct firmware *a, const struct firmware *b)
{
	return strcmp(a->version, b->version) == 0 && a->hash_size == b->hash_size &&
		memcmp(a->hash, b->hash, a->hash_size) == 0;
}

/* The image that runs, from a list that tells; recovery tells of none. */
static bool running(const struct device_info *info, struct firmware *ret)
{
	for (size_t i = 0; i < info->image_count; i++) {
		const struct image_slot *s = &info->images[i];
		if (!s->active || s->image != 0)
			continue;
		*ret = (struct firmware){.hash_size = s->hash_size};
		strcpy(ret->version, s->version);
		memcpy(ret->hash, s->hash, s->hash_size);
		return true;
	}
	return false;
}

/* Compared with what ran when the board was last seen, also by an earlier daemon. */
static void compare_firmware(struct device *d)
{
	struct firmware *known = &d->private->learnt.firmware, before = *known, now;

	if (!running(&d->info, &now) || is_same(known, &now))
		return;
	*known = now;
	device_learned(d);
	if (!before.version[0])
		return;
	/* However quiet the boot was, it is one. */
	if (d->private->expecting)
		device_boot_seen(d, BOOT_SIGN_TAKEN);
	log_info(d->id, "device", "runs %s now, and %s before", now.version, before.version);
	registry_tell(d->registry, &(struct registry_change){
			.event = REGISTRY_FIRMWARE, .device = d, .before = &before, .after = &now});
}

static bool is_same_slot(const struct image_slot *a, const struct image_slot *b)
{
	return a->image == b->image && a->slot == b->slot && strcmp(a->version, b->version) == 0 &&
		a->hash_size == b->hash_size && memcmp(a->hash, b->hash, a->hash_size) == 0 && a->bootable == b->bootable &&
		a->pending == b->pending && a->confirmed == b->confirmed && a->active == b->active &&
		a->permanent == b->permanent;
}

int device_learn_images(struct device *d, const struct value *reply)
{
	struct image_slot slots[IMAGE_SLOTS_MAX] = {0};
	size_t count;
	int r = image_slots_decode(reply, slots, IMAGE_SLOTS_MAX, &count);

	if (r < 0)
		return r;
	bool same = d->info.has_images && d->info.image_count == count;
	for (size_t i = 0; same && i < count; i++)
		same = is_same_slot(&d->info.images[i], &slots[i]);
	if (same)
		return 0;
	d->info.has_images = true;
	memcpy(d->info.images, slots, sizeof(slots));
	d->info.image_count = count;
	device_foresee_swap(d);
	registry_changed(d->registry, REGISTRY_CHANGED, d, NULL);
	compare_firmware(d);
	return 0;
}
