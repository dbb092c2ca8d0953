/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "board.h"
#include "sim.h"
#include "smp-codes.h"

/*
 * MCUboot's part (SMP §7): what it does with the slots at boot, by mode. Swaps
 * go sector by sector and remember how far they came, so that a power cut in
 * the middle is resumed.
 */

static int slot_fill(struct flash_area *a, const char *path, uint64_t seed)
{
	struct image_recipe recipe = { .version = { 1, 0, 0, 0 }, .seed = seed };
	_cleanup_(freep) uint8_t *file = NULL;
	size_t len;
	int r;

	if (path)
		r = file_read(path, a->size, &file, &len);
	else
		r = image_make(&recipe, &file, &len, NULL, NULL);
	if (r < 0 && path) {
		fprintf(stderr, "mcumgr-sim: %s: %s\n", path,
			r == -EFBIG ? "larger than the slot (slot_size)" : strerror(-r));
		return -EINVAL;
	}
	return r < 0 ? r : flash_write(a, 0, file, len);
}

/* An app that is in charge from the factory; direct-XIP with revert wants that said in the trailer. */
static int mark_initial(struct board *b, struct flash_area *a)
{
	struct flash_trailer t = { .magic_good = true, .image_ok = true, .copy_done = true };

	return b->set.mode == MODE_DIRECT_XIP_REVERT ? flash_trailer_write(a, &t) : 0;
}

int bootloader_fill(struct board *b, uint64_t image_seed)
{
	for (uint64_t i = 0; i < b->set.images; i++) {
		struct image_slots *im = &b->image[i];
		int r;

		for (int s = 0; s < 2; s++) {
			r = flash_init(&im->slot[s], b->set.slot_size);
			if (r < 0)
				return r;
		}
		r = slot_fill(&im->slot[0], i ? NULL : b->set.image, image_seed + i);
		if (!r)
			r = mark_initial(b, &im->slot[0]);
		if (!r && !i && b->set.image1)
			r = slot_fill(&im->slot[1], b->set.image1, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

int bootloader_find_image(const struct board *b, int image, int slot, struct image_info *ret)
{
	const struct image_slots *im = &b->image[image];
	bool reverts = bootloader_swap_type(b, image) == SWAP_REVERT;

	if (slot == 1 && b->set.mode == MODE_SWAP_OFFSET && im->kept_at_start != reverts)
		return IMG_NO_IMAGE;
	return image_read(&im->slot[slot], ret);
}

enum swap_type bootloader_swap_type(const struct board *b, int image)
{
	const struct image_slots *im = &b->image[image];
	struct flash_trailer primary, secondary;

	flash_trailer_read(&im->slot[0], &primary);
	flash_trailer_read(&im->slot[1], &secondary);
	if (secondary.magic_good)
		return secondary.image_ok ? SWAP_PERM : SWAP_TEST;
	if (primary.magic_good && primary.copy_done && !primary.image_ok &&
	    boot_mode_swaps(b->set.mode))
		return SWAP_REVERT;
	return SWAP_NONE;
}

int bootloader_set_next(struct board *b, int image, int slot, bool confirm)
{
	struct image_slots *im = &b->image[image];
	struct flash_area *a = &im->slot[slot];
	struct flash_trailer t;

	flash_trailer_read(a, &t);
	if (slot == im->active) {
		/* Without a good magic the image was never on trial: nothing to confirm. */
		if (!t.magic_good || t.image_ok)
			return 0;
		return flash_trailer_write(a, &(struct flash_trailer){ .image_ok = true });
	}
	if (!t.magic_good)
		flash_trailer_erase(a);
	return flash_trailer_write(a, &(struct flash_trailer){ .magic_good = true,
							       .image_ok = confirm });
}

/* The image in a slot when the bootloader would start it. */
static bool bootable(const struct board *b, const struct image_slots *im, int slot,
		     struct image_info *ret)
{
	const struct flash_area *a = &im->slot[slot];

	(void)b;
	return !image_read(a, ret) && ret->size <= flash_image_max(a) && image_is_valid(a, ret);
}

static size_t sectors(size_t bytes)
{
	return (bytes + FLASH_SECTOR - 1) / FLASH_SECTOR;
}

/* How many sectors a swap has to exchange: those of the larger image. */
static size_t sectors_to_swap(const struct image_slots *im)
{
	size_t n = 0;

	for (int s = 0; s < 2; s++) {
		struct image_info info;

		if (!image_read(&im->slot[s], &info) && sectors(info.size) > n)
			n = sectors(info.size);
	}
	return MIN(n, im->slot[0].size / FLASH_SECTOR - 1);
}

static bool is_downgrade(const struct board *b, const struct image_slots *im,
			 const struct image_info *next)
{
	struct image_info now;

	return !b->set.downgrade && !image_read(&im->slot[0], &now) &&
	       image_version_compare(&next->version, &now.version) < 0;
}

static void plan_swap(struct board *b, struct image_slots *im, enum swap_type type)
{
	struct image_info next;

	if (!bootable(b, im, 1, &next) || is_downgrade(b, im, &next)) {
		/* Refused: the slot is erased, so that it is not tried again. */
		if (type != SWAP_REVERT)
			flash_erase(&im->slot[1], 0, im->slot[1].size);
		else
			flash_trailer_write(&im->slot[0],
					    &(struct flash_trailer){ .image_ok = true });
		return;
	}
	im->swapping = type;
	im->swapped = 0;
	im->to_swap = boot_mode_swaps(b->set.mode) ? sectors_to_swap(im) : sectors(next.size);
}

size_t bootloader_begin(struct board *b)
{
	size_t left = 0;

	if (!boot_mode_swaps(b->set.mode) && b->set.mode != MODE_OVERWRITE)
		return 0;
	for (uint64_t i = 0; i < b->set.images; i++) {
		struct image_slots *im = &b->image[i];

		if (im->swapping == SWAP_NONE) {
			enum swap_type type = bootloader_swap_type(b, (int)i);

			if (type != SWAP_NONE)
				plan_swap(b, im, type);
		}
		if (im->swapping != SWAP_NONE)
			left += im->to_swap - im->swapped;
	}
	return left * FLASH_SECTOR / 1024;
}

static void swap_on(struct board *b, struct image_slots *im, size_t n)
{
	for (; n && im->swapped < im->to_swap; n--, im->swapped++) {
		if (boot_mode_swaps(b->set.mode))
			flash_swap_sector(&im->slot[0], &im->slot[1], im->swapped);
		else
			flash_copy_sector(&im->slot[0], &im->slot[1], im->swapped);
	}
}

void bootloader_interrupted(struct board *b, double part)
{
	for (uint64_t i = 0; i < b->set.images; i++) {
		struct image_slots *im = &b->image[i];

		if (im->swapping != SWAP_NONE)
			swap_on(b, im, (size_t)((double)(im->to_swap - im->swapped) * part));
	}
}

static void finish_swap(struct board *b, struct image_slots *im)
{
	swap_on(b, im, im->to_swap);
	if (boot_mode_swaps(b->set.mode)) {
		flash_trailer_erase(&im->slot[0]);
		flash_trailer_erase(&im->slot[1]);
		flash_trailer_write(&im->slot[0], &(struct flash_trailer){
							  .magic_good = true,
							  .copy_done = true,
							  .image_ok = im->swapping != SWAP_TEST });
	} else {
		flash_erase(&im->slot[1], 0, FLASH_SECTOR);
		flash_trailer_erase(&im->slot[1]);
	}
	im->kept_at_start = im->swapping != SWAP_REVERT;
	im->swapping = SWAP_NONE;
}

/*
 * Direct-XIP with revert: an image that was started once and not confirmed, or
 * was never marked for start, is erased (SMP §7.5).
 */
static bool may_start(struct board *b, struct flash_area *a)
{
	struct flash_trailer t;

	if (b->set.mode != MODE_DIRECT_XIP_REVERT)
		return true;
	flash_trailer_read(a, &t);
	if (t.magic_good && (t.image_ok || !t.copy_done)) {
		flash_trailer_write(a, &(struct flash_trailer){ .copy_done = true });
		return true;
	}
	flash_erase(a, 0, a->size);
	return false;
}

/* The highest version that may start; slot 0 when they are equal. */
static bool pick_slot(struct board *b, struct image_slots *im)
{
	bool tried[2] = { false };

	for (;;) {
		struct image_info info[2];
		int best = -1;

		for (int s = 0; s < 2; s++)
			if (!tried[s] && bootable(b, im, s, &info[s]) &&
			    (best < 0 || image_version_compare(&info[s].version,
							       &info[best].version) > 0))
				best = s;
		if (best < 0)
			return false;
		if (may_start(b, &im->slot[best])) {
			im->active = best;
			return true;
		}
		tried[best] = true;
	}
}

bool bootloader_finish(struct board *b)
{
	bool good = true;

	for (uint64_t i = 0; i < b->set.images; i++) {
		struct image_slots *im = &b->image[i];
		struct image_info info;

		if (im->swapping != SWAP_NONE)
			finish_swap(b, im);
		if (boot_mode_picks_slot(b->set.mode))
			good &= pick_slot(b, im);
		else
			good &= bootable(b, im, 0, &info);
	}
	return good;
}
