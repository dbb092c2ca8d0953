/* SPDX-License-Identifier: MIT */
#include "img.h"

/* Image upload as the app serves it: SMP §6.2, row by row. */

struct upload_request {
	uint64_t off, size, image;
	struct payload_value data, sha;
	bool upgrade;
};

static void put_off(struct board *b, struct reply *reply)
{
	writer_pair_uint(&reply->w, "off", b->ram.upload.off);
}

static int refuse(struct board *b, struct reply *reply, int err)
{
	b->ram.upload = (struct upload){ 0 };
	reply_error(reply, GROUP_IMAGE, err);
	return 0;
}

/* Which slot an upload goes to. -1 when the number names none. */
static int target_slot(const struct board *b, uint64_t image)
{
	uint64_t n = b->set.images > 1 ? image : 0;

	if (b->set.direct_upload && image) {
		if (image > 2 * b->set.images)
			return -1;
		return (int)image - 1;
	}
	if (n >= b->set.images)
		return -1;
	return (int)(2 * n) + !b->image[n].active;
}

/* The address a slot would be linked for, when an image says which it wants. */
static uint32_t slot_address(const struct board *b, int n)
{
	return (uint32_t)(0x10000 + (uint64_t)n * b->set.slot_size);
}

static bool wrong_address(const struct board *b, const uint8_t *header, int n)
{
	bool fixed = get_le32(header + 16) & IMAGE_F_ROM_FIXED;

	return boot_mode_picks_slot(b->set.mode) && fixed &&
	       get_le32(header + 4) != slot_address(b, n);
}

/* `upgrade`: 0 when the new version is higher, else the reason (build numbers do not count). */
static int check_upgrade(const struct board *b, const uint8_t *header, int image)
{
	struct image_version v = { header[20], header[21], get_le16(header + 22),
				   get_le32(header + 24) };
	struct image_info running;

	if (image_read(&b->image[image].slot[b->image[image].active], &running))
		return IMG_VERSION_GET_FAILED;
	return image_version_compare(&v, &running.version) > 0 ? 0 : IMG_CURRENT_VERSION_IS_NEWER;
}

static bool resumes(const struct upload *u, const struct upload_request *r)
{
	return u->active && r->sha.len && r->sha.len == u->sha_len &&
	       !memcmp(r->sha.data, u->sha, u->sha_len);
}

/* The checks of a first chunk, in the server's order. Sets up the session when all pass. */
static int first_chunk(struct board *b, const struct upload_request *r, bool *ret_resumed)
{
	struct upload *u = &b->ram.upload;
	int n, err;

	*ret_resumed = false;
	if (r->data.len < IMAGE_HEADER_LEN)
		return IMG_INVALID_IMAGE_HEADER;
	if (r->size == UINT64_MAX)
		return IMG_INVALID_LENGTH;
	if (get_le32(r->data.data) != IMAGE_MAGIC)
		return IMG_INVALID_IMAGE_HEADER_MAGIC;
	if (r->sha.len > sizeof(u->sha))
		return IMG_INVALID_HASH;
	if (resumes(u, r)) {
		*ret_resumed = true;
		return 0;
	}
	n = target_slot(b, r->image);
	if (n < 0 || img_slot_in_use(b, n / 2, n % 2))
		return IMG_NO_FREE_SLOT;
	if (r->size > b->image[n / 2].slot[n % 2].size)
		return IMG_INVALID_IMAGE_TOO_LARGE;
	if (wrong_address(b, r->data.data, n))
		return IMG_INVALID_FLASH_ADDRESS;
	err = r->upgrade ? check_upgrade(b, r->data.data, n / 2) : 0;
	if (err)
		return err;
	*u = (struct upload){ .active = true, .image = n / 2, .slot = n % 2, .size = r->size,
			      .sha_len = r->sha.len };
	if (r->sha.len)
		memcpy(u->sha, r->sha.data, r->sha.len);
	return 0;
}

/* Erases what the image needs, and the page of the trailer, unless the slot is blank. */
static void make_room(struct board *b, struct flash_area *a, uint64_t size, struct reply *reply)
{
	if (flash_is_blank(a))
		return;
	flash_erase(a, 0, size);
	flash_trailer_erase(a);
	reply->cost_us += b->set.erase_ms * 1000;
}

/* With image_check: whether the slot holds exactly the bytes whose sha came with the upload. */
static bool matches(const struct board *b, const struct flash_area *a, const struct upload *u)
{
	uint8_t digest[32];

	(void)b;
	flash_sha256(a, u->size, digest);
	return u->sha_len == sizeof(digest) && !memcmp(digest, u->sha, sizeof(digest));
}

static void finish(struct board *b, const struct request *req, struct flash_area *a,
		   struct reply *reply)
{
	struct fault f;
	bool lie = faults_strike(&b->faults, &b->rng, FAULT_MATCH_FALSE, &req->where, &f);

	put_off(b, reply);
	if (b->set.image_check || lie)
		writer_pair_bool(&reply->w, "match", !lie && matches(b, a, &b->ram.upload));
	b->ram.upload = (struct upload){ 0 };
}

static int write_chunk(struct board *b, const struct request *req, const struct upload_request *r,
		       struct reply *reply)
{
	struct upload *u = &b->ram.upload;
	struct flash_area *a = &b->image[u->image].slot[u->slot];

	if (!r->data.len) {
		put_off(b, reply);
		return 0;
	}
	if (r->data.len > u->size - u->off)
		return refuse(b, reply, IMG_INVALID_IMAGE_DATA_OVERRUN);
	if (flash_write(a, u->off, r->data.data, r->data.len) < 0)
		return refuse(b, reply, IMG_FLASH_WRITE_FAILED);
	reply->cost_us += b->set.write_us;
	if (u->off / FLASH_SECTOR != (u->off + r->data.len) / FLASH_SECTOR)
		reply->cost_us += b->set.page_us;
	u->off += r->data.len;
	if (u->off == u->size)
		finish(b, req, a, reply);
	else
		put_off(b, reply);
	return 0;
}

static int begin(struct board *b, const struct request *req, const struct upload_request *r,
		 struct reply *reply)
{
	struct upload *u = &b->ram.upload;
	struct flash_area *a;
	bool resumed;
	int err = first_chunk(b, r, &resumed);

	if (err)
		return refuse(b, reply, err);
	if (resumed) {
		put_off(b, reply);
		return 0;
	}
	a = &b->image[u->image].slot[u->slot];
	if (b->set.image_check && u->sha_len == 32 && matches(b, a, u)) {
		u->off = u->size;
		finish(b, req, a, reply);
		return 0;
	}
	make_room(b, a, u->size, reply);
	b->image[u->image].kept_at_start = false;
	return write_chunk(b, req, r, reply);
}

int img_upload(struct board *b, const struct request *req, struct reply *reply)
{
	struct upload_request r = { .off = UINT64_MAX, .size = UINT64_MAX };
	struct payload_want want[] = {
		WANT_UINT("image", &r.image), WANT_BYTES("data", &r.data),
		WANT_UINT("len", &r.size),    WANT_UINT("off", &r.off),
		WANT_BYTES("sha", &r.sha),    WANT_BOOL("upgrade", &r.upgrade),
	};
	struct upload *u = &b->ram.upload;
	struct fault f;

	if (request_get(req, want, ARRAY_SIZE(want)))
		return RC_INVAL;
	if (r.off == UINT64_MAX)
		return refuse(b, reply, IMG_INVALID_OFFSET);
	if (faults_strike(&b->faults, &b->rng, FAULT_SESSION_LOSS, &req->where, &f))
		*u = (struct upload){ 0 };
	if (r.off == 0)
		return begin(b, req, &r, reply);
	if (!u->active || r.off != u->off ||
	    faults_strike(&b->faults, &b->rng, FAULT_STUCK_OFFSET, &req->where, &f)) {
		put_off(b, reply);
		return 0;
	}
	return write_chunk(b, req, &r, reply);
}
