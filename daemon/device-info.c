/* SPDX-License-Identifier: MIT */

/* What boards say of themselves, decoded: image state (SMP §5.1), bootloader. Free of the loop, so that jobs are tested with it. */

#include <errno.h>
#include <string.h>

#include "daemon/device.h"

/* Printable ASCII from the character on; anything else is made harmless. */
static void copy_text(const struct value *v, char from, char *out, size_t size)
{
	size_t n = 0;
	for (; v && v->kind == VALUE_TEXT && n < v->size && n < size - 1; n++)
		out[n] = v->data[n] >= from && v->data[n] < 0x7f ? (char)v->data[n] : '?';
	out[n] = '\0';
}

void device_info_take_bootloader(struct device_info *info, const struct value *reply)
{
	copy_text(value_get(reply, "bootloader"), ' ', info->bootloader, sizeof(info->bootloader));
}

void device_info_take_mode(struct device_info *info, const struct value *reply)
{
	info->has_mode = value_to_int(value_get(reply, "mode"), &info->mode);
	info->no_downgrade = false;
	value_to_bool(value_get(reply, "no-downgrade"), &info->no_downgrade);
}

static bool flag(const struct value *entry, const char *key)
{
	bool set = false;
	return value_to_bool(value_get(entry, key), &set) && set;
}

static int decode_slot(const struct value *entry, struct image_slot *ret)
{
	const struct value *hash = value_get(entry, "hash"), *image = value_get(entry, "image");
	uint64_t number = 0, slot;
	struct image_slot s = {0};

	if (entry->kind != VALUE_MAP || !value_to_uint(value_get(entry, "slot"), &slot) || slot > 255)
		return -EBADMSG;
	if (image && (!value_to_uint(image, &number) || number > 255))
		return -EBADMSG;
	if (hash && (hash->kind != VALUE_BYTES || hash->size > sizeof(s.hash)))
		return -EBADMSG;
	s.image = (unsigned int)number;
	s.slot = (unsigned int)slot;
	/* Digits and dots on every server. */
	copy_text(value_get(entry, "version"), '!', s.version, sizeof(s.version));
	if (hash) {
		memcpy(s.hash, hash->data, hash->size);
		s.hash_size = hash->size;
	}
	s.bootable = flag(entry, "bootable");
	s.pending = flag(entry, "pending");
	s.confirmed = flag(entry, "confirmed");
	s.active = flag(entry, "active");
	s.permanent = flag(entry, "permanent");
	*ret = s;
	return 0;
}

int image_slots_decode(const struct value *reply, struct image_slot *slots, size_t max, size_t *ret_count)
{
	const struct value *images = value_get(reply, "images");

	if (!images || images->kind != VALUE_ARRAY || images->size > max)
		return -EBADMSG;
	for (size_t i = 0; i < images->size; i++) {
		int r = decode_slot(&images->items[i], &slots[i]);
		if (r < 0)
			return r;
	}
	*ret_count = images->size;
	return 0;
}
