/* SPDX-License-Identifier: MIT */
#include "img.h"

/*
 * The SMP server in MCUboot's serial recovery (SMP §5.MCUboot): few commands,
 * every error an rc whatever the version, and an upload that overwrites the
 * app where it is.
 */

static int rc_only(struct reply *reply, int rc)
{
	writer_pair_int(&reply->w, "rc", rc);
	return 0;
}

static bool has_state_write(const struct board *b)
{
	return b->set.rec_state && boot_mode_has_state_write(b->set.mode);
}

static void put_slot(struct board *b, struct writer *w, int image, int slot)
{
	struct image_slots *im = &b->image[image];
	unsigned int flags = img_slot_flags(b, image, slot);
	char version[IMAGE_VERSION_MAX];
	struct image_info info;

	if (bootloader_find_image(b, image, slot, &info) || !image_is_valid(&im->slot[slot], &info))
		return;
	image_version_format(&info.version, version);
	writer_map_begin(w);
	if (b->set.images > 1)
		writer_pair_uint(w, "image", (uint64_t)image);
	if (b->set.rec_state) {
		writer_pair_bool(w, "bootable", true);
		if (flags & IMG_CONFIRMED)
			writer_pair_bool(w, "confirmed", true);
		if (flags & IMG_PENDING)
			writer_pair_bool(w, "pending", true);
		if (flags & IMG_PERMANENT)
			writer_pair_bool(w, "permanent", true);
	}
	writer_pair_uint(w, "slot", (uint64_t)slot);
	writer_pair_bytes(w, "hash", info.hash, info.hash_len);
	writer_pair_text(w, "version", version);
	writer_map_end(w);
}

static int list(struct board *b, struct reply *reply)
{
	writer_text(&reply->w, "images");
	writer_list_begin(&reply->w);
	for (uint64_t i = 0; i < b->set.images; i++)
		for (int s = 0; s < (b->set.mode == MODE_SINGLE ? 1 : 2); s++)
			put_slot(b, &reply->w, (int)i, s);
	writer_list_end(&reply->w);
	return 0;
}

static int set_state(struct board *b, const struct request *req, struct reply *reply)
{
	struct payload_value hash = { 0 };
	bool confirm = false;
	struct payload_want want[] = { WANT_BOOL("confirm", &confirm), WANT_BYTES("hash", &hash) };

	if (!has_state_write(b))
		return rc_only(reply, RC_NOTSUP);
	if (request_get(req, want, ARRAY_SIZE(want)) || (!hash.len && b->set.images > 1))
		return rc_only(reply, RC_INVAL);
	for (int n = 0; hash.len && n < 2 * (int)b->set.images; n++) {
		struct image_info info;

		if (bootloader_find_image(b, n / 2, n % 2, &info) || info.hash_len != hash.len ||
		    memcmp(info.hash, hash.data, hash.len))
			continue;
		if (n % 2 == 0 && !confirm)
			return rc_only(reply, RC_INVAL);
		if (bootloader_swap_type(b, n / 2) != SWAP_NONE)
			return rc_only(reply, RC_BADSTATE);
		bootloader_set_next(b, n / 2, n % 2, confirm);
		return list(b, reply);
	}
	return hash.len ? rc_only(reply, RC_NOENT) : list(b, reply);
}

/* Without direct upload an image number, slot 0 of it; with it SMP's count of slots. */
static int upload_target(const struct board *b, uint64_t image)
{
	if (!b->set.direct_upload)
		return image < b->set.images ? (int)image * 2 : -1;
	if (image <= 1)
		return 0;
	return image <= 2 * b->set.images ? (int)image - 1 : -1;
}

static int upload_answer(struct reply *reply, const struct upload *u)
{
	rc_only(reply, 0);
	writer_pair_uint(&reply->w, "off", u->off);
	return 0;
}

static int upload_write(struct board *b, const struct payload_value *data, struct reply *reply)
{
	struct upload *u = &b->ram.upload;
	struct flash_area *a = &b->image[u->image].slot[u->slot];
	uint64_t len = data->len;

	if (u->off + len > u->size)
		return rc_only(reply, RC_INVAL);
	/* Flash is written in units: what is over comes again with the next chunk, if there is one. */
	if (u->off + len < u->size)
		len -= len % b->set.rec_align;
	if (flash_write(a, u->off, data->data, len) < 0)
		return rc_only(reply, RC_INVAL);
	reply->cost_us += b->set.write_us;
	u->off += len;
	return upload_answer(reply, u);
}

static int upload(struct board *b, const struct request *req, struct reply *reply)
{
	struct payload_value data = { 0 };
	uint64_t off = UINT64_MAX, size = UINT64_MAX, image = 0;
	struct payload_want want[] = { WANT_UINT("image", &image), WANT_BYTES("data", &data),
				       WANT_UINT("len", &size), WANT_UINT("off", &off) };
	struct upload *u = &b->ram.upload;
	struct flash_area *a;
	struct fault f;
	int n;

	if (request_get(req, want, ARRAY_SIZE(want)) || off == UINT64_MAX || !want[1].found)
		return rc_only(reply, RC_INVAL);
	if (faults_strike(&b->faults, &b->rng, FAULT_SESSION_LOSS, &req->where, &f))
		*u = (struct upload){ 0 };
	if (off) {
		if (off != u->off ||
		    faults_strike(&b->faults, &b->rng, FAULT_STUCK_OFFSET, &req->where, &f))
			return upload_answer(reply, u);
		return upload_write(b, &data, reply);
	}
	n = upload_target(b, image);
	if (n < 0)
		return rc_only(reply, RC_INVAL);
	a = &b->image[n / 2].slot[n % 2];
	if (size > a->size)
		return rc_only(reply, RC_INVAL);
	flash_erase(a, 0, a->size);
	reply->cost_us += b->set.erase_ms * 1000;
	*u = (struct upload){ .active = true, .image = n / 2, .slot = n % 2, .size = size };
	return upload_write(b, &data, reply);
}

static int reset(struct board *b, const struct request *req, struct reply *reply)
{
	struct fault f;

	if (!faults_strike(&b->faults, &b->rng, FAULT_RESET_IGNORED, &req->where, &f))
		board_reset_later(b, false);
	return rc_only(reply, 0);
}

static int dispatch(struct board *b, const struct request *req, struct reply *reply)
{
	if (req->group == GROUP_OS && req->id == 0 && b->set.rec_echo)
		return os_echo(b, req, reply);
	if (req->group == GROUP_OS && req->id == 1)
		return rc_only(reply, 0);
	if (req->group == GROUP_OS && req->id == 5)
		return reset(b, req, reply);
	if (req->group == GROUP_OS && req->id == 6 && b->set.rec_params) {
		writer_pair_uint(&reply->w, "buf_size", b->set.rec_buf);
		writer_pair_uint(&reply->w, "buf_count", 1);
		return 0;
	}
	if (req->group == GROUP_IMAGE && req->id == 0)
		return req->op == SMP_OP_READ ? list(b, reply) : set_state(b, req, reply);
	if (req->group == GROUP_IMAGE && req->id == 1)
		return upload(b, req, reply);
	if (req->group == GROUP_IMAGE && req->id == 6 && b->set.rec_slots)
		return img_slot_info(b, req, reply);
	return rc_only(reply, RC_NOTSUP);
}

static void answer(struct board *b, const struct request *req)
{
	size_t cap = b->set.rec_buf;
	_cleanup_(freep) uint8_t *msg = malloc(SMP_HEADER_LEN + cap);
	struct reply reply = { 0 };
	struct fault f;
	int rc = 0;

	if (!msg)
		abort();
	reply.w.buf = msg + SMP_HEADER_LEN;
	reply.w.cap = cap;
	reply.w.definite = b->set.canonical;
	writer_map_begin(&reply.w);
	if (faults_strike(&b->faults, &b->rng, FAULT_BUSY, &req->where, &f))
		rc_only(&reply, RC_BUSY);
	else if (faults_strike(&b->faults, &b->rng, FAULT_ERROR, &req->where, &f))
		rc_only(&reply, f.rc);
	else
		rc = dispatch(b, req, &reply);
	if (rc || reply.w.full) {
		reply.w.len = reply.w.depth = 0;
		reply.w.full = false;
		writer_map_begin(&reply.w);
		rc_only(&reply, rc ? rc : RC_NOMEM);
	}
	writer_map_end(&reply.w);
	reply_finish(b, req, req->version, msg, reply.w.len);
	rx_answered(b, reply.cost_us);
}

void recovery_message(struct board *b, const uint8_t *msg, size_t len)
{
	struct request req;
	struct fault f;

	if (!request_parse(msg, len, &req) || (req.op != SMP_OP_READ && req.op != SMP_OP_WRITE) ||
	    get_be16(msg + 2) < len - SMP_HEADER_LEN)
		return;
	/* Any request is taken as the wish to stay. */
	if (b->phase == PHASE_WAIT_DFU)
		board_enter_recovery(b);
	board_count(b, req.group, req.id);
	if (faults_strike(&b->faults, &b->rng, FAULT_LOSE_REQUEST, &req.where, &f))
		return;
	if (faults_strike(&b->faults, &b->rng, FAULT_DIE_AT, &req.where, &f)) {
		board_power_cut(b, f.ms);
		return;
	}
	answer(b, &req);
}
