/* SPDX-License-Identifier: MIT */
#include "img.h"

/* The image group without upload (SMP §5.1). */

/* What happens to an image at the next boot, seen from the app. */
struct next_boot {
	int slot;
	enum { NEXT_NORMAL, NEXT_TEST, NEXT_REVERT } type;
};

static struct next_boot next_boot_direct_xip_revert(const struct image_slots *im, int higher)
{
	struct next_boot next = { im->active, NEXT_NORMAL };
	struct flash_trailer a, o;
	int other = !im->active;
	struct image_info info;

	flash_trailer_read(&im->slot[im->active], &a);
	flash_trailer_read(&im->slot[other], &o);
	if (image_read(&im->slot[other], &info))
		return next;
	if (a.magic_good && !a.image_ok && a.copy_done)
		return (struct next_boot){ other, NEXT_REVERT };
	if (o.magic_good && higher) {
		if (o.image_ok)
			next.slot = other;
		else if (!o.copy_done)
			next = (struct next_boot){ other, NEXT_TEST };
	}
	return next;
}

static struct next_boot next_boot(const struct board *b, int image)
{
	const struct image_slots *im = &b->image[image];
	struct next_boot next = { im->active, NEXT_NORMAL };
	struct image_info active, other;
	bool higher;

	if (boot_mode_picks_slot(b->set.mode)) {
		higher = !image_read(&im->slot[im->active], &active) &&
			 !image_read(&im->slot[!im->active], &other) &&
			 image_version_compare(&other.version, &active.version) > 0;
		if (b->set.mode == MODE_DIRECT_XIP_REVERT)
			return next_boot_direct_xip_revert(im, higher);
		next.slot = higher ? !im->active : im->active;
		return next;
	}
	switch (bootloader_swap_type(b, image)) {
	case SWAP_NONE:
		break;
	case SWAP_TEST:
		next = (struct next_boot){ !im->active, NEXT_TEST };
		break;
	case SWAP_PERM:
		next.slot = !im->active;
		break;
	case SWAP_REVERT:
		next = (struct next_boot){ !im->active, NEXT_REVERT };
		break;
	}
	return next;
}

unsigned int img_slot_flags(const struct board *b, int image, int slot)
{
	struct next_boot next = next_boot(b, image);
	int active = b->image[image].active;

	if (slot == active)
		return IMG_ACTIVE | (next.type == NEXT_REVERT ? 0 : IMG_CONFIRMED);
	if (next.slot == active)
		return 0;
	if (next.type == NEXT_REVERT)
		return IMG_CONFIRMED;
	return next.type == NEXT_TEST ? IMG_PENDING : IMG_PENDING | IMG_PERMANENT;
}

static void put_flag(const struct board *b, struct writer *w, const char *name, bool set)
{
	if (set || !b->set.frugal)
		writer_pair_bool(w, name, set);
}

static void put_slot(const struct board *b, struct writer *w, int image, int slot)
{
	unsigned int flags = img_slot_flags(b, image, slot);
	char version[IMAGE_VERSION_MAX];
	struct image_info info;

	if (bootloader_find_image(b, image, slot, &info))
		return;
	image_version_format(&info.version, version);
	writer_map_begin(w);
	if (b->set.images > 1)
		writer_pair_uint(w, "image", (uint64_t)image);
	writer_pair_uint(w, "slot", (uint64_t)slot);
	writer_pair_text(w, "version", version);
	writer_pair_bytes(w, "hash", info.hash, info.hash_len);
	put_flag(b, w, "bootable", !(info.flags & IMAGE_F_NON_BOOTABLE));
	put_flag(b, w, "pending", flags & IMG_PENDING);
	put_flag(b, w, "confirmed", flags & IMG_CONFIRMED);
	put_flag(b, w, "active", flags & IMG_ACTIVE);
	put_flag(b, w, "permanent", flags & IMG_PERMANENT);
	writer_map_end(w);
}

int img_state_read(struct board *b, const struct request *req, struct reply *reply)
{
	(void)req;
	writer_text(&reply->w, "images");
	writer_list_begin(&reply->w);
	for (uint64_t i = 0; i < b->set.images; i++)
		for (int s = 0; s < 2; s++)
			put_slot(b, &reply->w, (int)i, s);
	writer_list_end(&reply->w);
	if (!b->set.frugal)
		writer_pair_int(&reply->w, "splitStatus", 0);
	return 0;
}

/* First match wins, in the order of slots. -1 when there is none. */
static int find_hash(const struct board *b, const struct payload_value *hash, bool *ret_bad_length)
{
	*ret_bad_length = true;
	for (int n = 0; n < 2 * (int)b->set.images; n++) {
		struct image_info info;

		if (bootloader_find_image(b, n / 2, n % 2, &info))
			continue;
		if (info.hash_len != hash->len)
			continue;
		*ret_bad_length = false;
		if (!memcmp(info.hash, hash->data, hash->len))
			return n;
	}
	return -1;
}

/* The matrix of SMP §5.1. Returns 0, an error of the image group, or -1 to mark the slot. */
static int judge(const struct board *b, int image, int slot, bool confirm)
{
	struct next_boot next = next_boot(b, image);
	int active = b->image[image].active;

	if (confirm && image != 0 && slot == active)
		return IMG_IMAGE_CONFIRMATION_DENIED;
	if (!confirm && slot == active)
		return IMG_IMAGE_SETTING_TEST_TO_ACTIVE_DENIED;
	/* This mode has no rules beyond that. */
	if (b->set.mode == MODE_DIRECT_XIP_REVERT)
		return -1;
	switch (next.type) {
	case NEXT_TEST:
		return !confirm && slot == next.slot ? 0 : IMG_IMAGE_ALREADY_PENDING;
	case NEXT_NORMAL:
		if (confirm && slot == next.slot)
			return 0;
		if (slot == active || slot == next.slot)
			return IMG_IMAGE_ALREADY_PENDING;
		return -1;
	case NEXT_REVERT:
		if (confirm && slot == next.slot)
			return 0;
		return confirm ? -1 : IMG_IMAGE_ALREADY_PENDING;
	}
	return -1;
}

int img_state_write(struct board *b, const struct request *req, struct reply *reply)
{
	struct payload_value hash = { 0 };
	bool confirm = false, bad_length;
	struct payload_want want[] = { WANT_BYTES("hash", &hash), WANT_BOOL("confirm", &confirm) };
	int n = b->image[0].active, err = 0;

	if (request_get(req, want, ARRAY_SIZE(want)))
		return RC_INVAL;
	if (hash.len) {
		n = find_hash(b, &hash, &bad_length);
		if (n < 0)
			err = bad_length ? IMG_INVALID_HASH : IMG_HASH_NOT_FOUND;
	} else if (!confirm) {
		err = IMG_INVALID_HASH;
	}
	if (!err)
		err = judge(b, n / 2, n % 2, confirm);
	if (err < 0)
		err = bootloader_set_next(b, n / 2, n % 2, confirm) ? IMG_FLASH_WRITE_FAILED : 0;
	if (err) {
		reply_error(reply, GROUP_IMAGE, err);
		return 0;
	}
	return img_state_read(b, req, reply);
}

/* Whether erasing or writing a slot would take away what runs, or what a revert needs. */
bool img_slot_in_use(const struct board *b, int image, int slot)
{
	struct next_boot next = next_boot(b, image);

	if (slot == b->image[image].active)
		return true;
	if (slot == next.slot && next.type == NEXT_REVERT)
		return true;
	return slot == next.slot && !b->set.erase_pending;
}

int img_erase(struct board *b, const struct request *req, struct reply *reply)
{
	uint64_t n = (uint64_t)!b->image[0].active;
	struct payload_want want[] = { WANT_UINT("slot", &n) };
	struct flash_area *a;
	struct image_info info;

	if (request_get(req, want, ARRAY_SIZE(want)))
		return RC_INVAL;
	if (n >= 2 * b->set.images) {
		reply_error(reply, GROUP_IMAGE, IMG_FLASH_OPEN_FAILED);
		return 0;
	}
	a = &b->image[n / 2].slot[n % 2];
	if (!bootloader_find_image(b, (int)n / 2, (int)n % 2, &info) &&
	    img_slot_in_use(b, (int)n / 2, (int)n % 2)) {
		reply_error(reply, GROUP_IMAGE, IMG_NO_FREE_SLOT);
		return 0;
	}
	if (!flash_is_blank(a)) {
		flash_erase(a, 0, a->size);
		b->image[n / 2].kept_at_start = false;
		reply->cost_us += b->set.erase_ms * 1000;
	}
	b->ram.upload = (struct upload){ 0 };
	return 0;
}

int img_slot_info(struct board *b, const struct request *req, struct reply *reply)
{
	(void)req;
	writer_text(&reply->w, "images");
	writer_list_begin(&reply->w);
	for (uint64_t i = 0; i < b->set.images; i++) {
		const struct image_slots *im = &b->image[i];

		writer_map_begin(&reply->w);
		writer_pair_uint(&reply->w, "image", i);
		writer_text(&reply->w, "slots");
		writer_list_begin(&reply->w);
		for (int s = 0; s < 2; s++) {
			writer_map_begin(&reply->w);
			writer_pair_uint(&reply->w, "slot", (uint64_t)s);
			writer_pair_uint(&reply->w, "size", im->slot[s].size);
			if (b->set.direct_upload)
				writer_pair_uint(&reply->w, "upload_image_id", 2 * i + (uint64_t)s + 1);
			else if (s != im->active)
				writer_pair_uint(&reply->w, "upload_image_id", i);
			writer_map_end(&reply->w);
		}
		writer_list_end(&reply->w);
		writer_pair_uint(&reply->w, "max_image_size", flash_image_max(&im->slot[0]));
		writer_map_end(&reply->w);
	}
	writer_list_end(&reply->w);
	return 0;
}
