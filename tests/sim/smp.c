/* SPDX-License-Identifier: MIT */
#include "smp.h"

struct command {
	uint16_t group;
	uint8_t id;
	smp_handler read, write;
};

static const struct command commands[] = {
	{ GROUP_ENUM, 0, enum_count, NULL },
	{ GROUP_ENUM, 1, enum_list, NULL },
	{ GROUP_ENUM, 2, enum_single, NULL },
	{ GROUP_ENUM, 3, enum_details, NULL },
	{ GROUP_FS, 0, fs_download, fs_upload },
	{ GROUP_FS, 1, fs_status, NULL },
	{ GROUP_FS, 2, fs_checksum, NULL },
	{ GROUP_FS, 3, fs_types, NULL },
	{ GROUP_FS, 4, NULL, fs_close },
	{ GROUP_IMAGE, 0, img_state_read, img_state_write },
	{ GROUP_IMAGE, 1, NULL, img_upload },
	{ GROUP_IMAGE, 5, NULL, img_erase },
	{ GROUP_IMAGE, 6, img_slot_info, NULL },
	{ GROUP_OS, 0, os_echo, os_echo },
	{ GROUP_OS, 2, os_taskstat, NULL },
	{ GROUP_OS, 3, os_mpstat, NULL },
	{ GROUP_OS, 4, os_datetime_read, os_datetime_write },
	{ GROUP_OS, 5, NULL, os_reset },
	{ GROUP_OS, 6, os_params, NULL },
	{ GROUP_OS, 7, os_info, NULL },
	{ GROUP_OS, 8, os_bootloader, NULL },
	{ GROUP_SETTINGS, 0, settings_read, settings_write },
	{ GROUP_SETTINGS, 1, NULL, settings_delete },
	{ GROUP_SETTINGS, 2, NULL, settings_commit },
	{ GROUP_SETTINGS, 3, settings_load, settings_save },
	{ GROUP_SHELL, 0, NULL, shell_exec },
	{ GROUP_STAT, 0, stat_show, NULL },
	{ GROUP_STAT, 1, stat_list, NULL },
	{ GROUP_ZEPHYR, 0, NULL, zephyr_erase_storage },
	{ GROUP_TRANSPORT, 0, NULL, transport_connect },
	{ GROUP_TRANSPORT, 1, NULL, transport_disconnect },
	{ GROUP_TRANSPORT, 2, transport_status, NULL },
	{ GROUP_TRANSPORT, 6, transport_list, NULL },
	{ GROUP_TRANSPORT, 7, transport_modes, NULL },
};

static const struct smp_group_info groups[] = {
	{ GROUP_ENUM, "enum mgmt", 0 },         { GROUP_FS, "fs mgmt", 0 },
	{ GROUP_IMAGE, "img mgmt", 0 },         { GROUP_OS, "os mgmt", 0 },
	{ GROUP_SETTINGS, "settings mgmt", 0 }, { GROUP_SHELL, "shell mgmt", 0 },
	{ GROUP_STAT, "stat mgmt", 0 },         { GROUP_ZEPHYR, "zephyr basic mgmt", 0 },
	{ GROUP_TRANSPORT, "transport mgmt", 0 },
};

static bool group_is_built(const struct board *b, uint16_t group)
{
	if (group == GROUP_IMAGE)
		return b->set.image_group && b->set.mode != MODE_SINGLE;
	if (group == GROUP_TRANSPORT)
		return b->set.transport;
	return group != GROUP_ENUM || b->set.enumerate;
}

static bool os_command_is_built(const struct board *b, uint8_t id)
{
	switch (id) {
	case 0:
		return b->set.echo;
	case 3:
		return b->set.mpstat;
	case 4:
		return b->set.datetime;
	case 6:
		return b->set.params;
	case 8:
		return b->set.bootloader_info;
	default:
		return true;
	}
}

static bool command_is_built(const struct board *b, const struct command *c, uint8_t op)
{
	if (!group_is_built(b, c->group))
		return false;
	if (c->group == GROUP_IMAGE && c->id == 6 && !b->set.slot_info)
		return false;
	if (c->group == GROUP_IMAGE && c->id == 0 && op == SMP_OP_WRITE)
		return boot_mode_has_state_write(b->set.mode);
	return c->group != GROUP_OS || os_command_is_built(b, c->id);
}

size_t smp_groups(const struct board *b, struct smp_group_info *ret, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(groups) && n < cap; i++) {
		if (!group_is_built(b, groups[i].group))
			continue;
		ret[n] = groups[i];
		for (size_t c = 0; c < ARRAY_SIZE(commands); c++)
			if (commands[c].group == groups[i].group &&
			    command_is_built(b, &commands[c], SMP_OP_READ))
				ret[n].handlers = commands[c].id + 1u;
		n++;
	}
	return n;
}

static smp_handler find_handler(const struct board *b, const struct request *req)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		const struct command *c = &commands[i];

		if (c->group != req->group || c->id != req->id ||
		    !command_is_built(b, c, req->op))
			continue;
		if (req->op == SMP_OP_READ)
			return c->read;
		return req->op == SMP_OP_WRITE ? c->write : NULL;
	}
	return NULL;
}

bool request_parse(const uint8_t *msg, size_t len, struct request *ret)
{
	uint64_t off = 0;
	struct payload_want want[] = { WANT_UINT("off", &off) };

	if (len < SMP_HEADER_LEN)
		return false;
	*ret = (struct request){
		.op = msg[0] & 7,
		.version = msg[0] >> 3 & 3,
		.group = get_be16(msg + 4),
		.seq = msg[6],
		.id = msg[7],
		.payload = msg + SMP_HEADER_LEN,
		.len = MIN((size_t)get_be16(msg + 2), len - SMP_HEADER_LEN),
	};
	ret->has_map = payload_read(ret->payload, ret->len, &ret->map) == 0;
	if (ret->has_map)
		payload_get(&ret->map, want, 1);
	ret->where = (struct fault_context){ ret->op, ret->group, ret->id, off };
	return true;
}

int request_get(const struct request *req, struct payload_want *want, size_t n_want)
{
	if (!req->has_map || payload_get(&req->map, want, n_want) < 0)
		return RC_INVAL;
	return RC_OK;
}

void reply_error(struct reply *reply, uint16_t group, int rc)
{
	reply->failed = true;
	reply->err_group = group;
	reply->err_rc = rc;
	if (reply->v1)
		return;
	writer_text(&reply->w, "err");
	writer_map_begin(&reply->w);
	writer_pair_uint(&reply->w, "group", group);
	writer_pair_int(&reply->w, "rc", rc);
	writer_map_end(&reply->w);
}

/* What becomes of a group error when the request was SMP v1 (SMP §4.3). */
static int v1_rc(uint16_t group, int err)
{
	static const struct {
		uint16_t group;
		int err, rc;
	} table[] = {
		{ GROUP_OS, 2, RC_INVAL },     { GROUP_OS, 3, RC_NOENT },
		{ GROUP_OS, 4, RC_NOENT },     { GROUP_IMAGE, 3, RC_NOENT },
		{ GROUP_IMAGE, 4, RC_NOENT },  { GROUP_IMAGE, 9, RC_BADSTATE },
		{ GROUP_IMAGE, 27, RC_BADSTATE }, { GROUP_IMAGE, 28, RC_BADSTATE },
		{ GROUP_IMAGE, 15, RC_NOMEM }, { GROUP_IMAGE, 14, RC_INVAL },
		{ GROUP_IMAGE, 19, RC_INVAL }, { GROUP_IMAGE, 20, RC_INVAL },
		{ GROUP_IMAGE, 21, RC_INVAL }, { GROUP_IMAGE, 22, RC_INVAL },
		{ GROUP_IMAGE, 24, RC_INVAL }, { GROUP_IMAGE, 25, RC_INVAL },
		{ GROUP_STAT, 3, RC_NOENT },   { GROUP_SETTINGS, 2, RC_INVAL },
		{ GROUP_SETTINGS, 3, RC_NOENT }, { GROUP_SETTINGS, 4, RC_NOENT },
		{ GROUP_FS, 2, RC_INVAL },     { GROUP_FS, 13, RC_INVAL },
		{ GROUP_FS, 3, RC_NOENT },     { GROUP_FS, 14, RC_NOENT },
		{ GROUP_SHELL, 2, RC_INVAL },  { GROUP_SHELL, 3, RC_INVAL },
		{ GROUP_ENUM, 2, RC_INVAL },   { GROUP_ZEPHYR, 2, RC_NOENT },
		{ GROUP_ZEPHYR, 3, RC_OK },    { GROUP_ZEPHYR, 4, RC_OK },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].group == group && table[i].err == err)
			return table[i].rc;
	return RC_UNKNOWN;
}

void reply_finish(struct board *b, const struct request *req, uint8_t version, uint8_t *msg,
		  size_t payload_len)
{
	msg[0] = (uint8_t)(version << 3 | (req->op == SMP_OP_READ ? 1 : 3));
	msg[1] = 0;
	put_be16(msg + 2, (uint16_t)payload_len);
	put_be16(msg + 4, req->group);
	msg[6] = req->seq;
	msg[7] = req->id;
	message_push(&b->ram.replies, msg, SMP_HEADER_LEN + payload_len, &req->where);
}

/* Faults that take the place of the handler. Returns its rc, or -1 to go on. */
static int fault_instead(struct board *b, const struct request *req, struct reply *reply)
{
	struct fault f;

	if (faults_strike(&b->faults, &b->rng, FAULT_BUSY, &req->where, &f))
		return RC_BUSY;
	if (faults_strike(&b->faults, &b->rng, FAULT_ERROR, &req->where, &f)) {
		if (f.errgroup < 0)
			return f.rc;
		reply_error(reply, (uint16_t)f.errgroup, f.rc);
		return RC_OK;
	}
	return -1;
}

static int run_handler(struct board *b, const struct request *req, struct reply *reply)
{
	smp_handler handler = find_handler(b, req);
	int rc = handler ? fault_instead(b, req, reply) : RC_NOTSUP;

	if (rc < 0)
		rc = handler(b, req, reply);
	if (!rc && reply->failed && reply->v1)
		rc = v1_rc(reply->err_group, reply->err_rc);
	return rc;
}

static void writer_restart(struct writer *w)
{
	w->len = w->depth = 0;
	w->full = false;
	writer_map_begin(w);
}

/* The rc that a request earns by its version alone; RC_OK to go on. Sets the version to answer with. */
static int check_version(const struct board *b, const struct request *req, uint8_t *ret_version)
{
	*ret_version = MIN(req->version, 1);
	switch (b->set.v1) {
	case V1_ONLY:
		*ret_version = 0;
		return RC_OK;
	case V1_REFUSE:
		*ret_version = 0;
		return req->version ? RC_TOO_NEW : RC_OK;
	case V1_TOO_OLD:
		if (!req->version)
			return RC_TOO_OLD;
		break;
	default:
		break;
	}
	return req->version > 1 ? RC_TOO_NEW : RC_OK;
}

/* Answers one message. Returns the SMP level rc; `is_short` says that bytes of it are missing. */
static int answer(struct board *b, const struct request *req, bool is_short, uint64_t *cost_us)
{
	uint8_t *msg = malloc(SMP_HEADER_LEN + b->set.buf_size);
	struct reply reply = { 0 };
	uint8_t version;
	int rc;

	if (!msg)
		abort();
	reply.w.buf = msg + SMP_HEADER_LEN;
	reply.w.cap = b->set.buf_size - SMP_HEADER_LEN;
	reply.w.definite = b->set.canonical;
	writer_map_begin(&reply.w);
	rc = check_version(b, req, &version);
	reply.v1 = version == 0;
	if (!rc && is_short)
		rc = RC_CORRUPT;
	/* The answer needs a buffer of its own beside those that hold requests. */
	if (!rc && b->ram.requests.n + b->frame.started + 2 > b->set.buf_count)
		rc = RC_NOMEM;
	if (!rc)
		rc = run_handler(b, req, &reply);
	if (!rc && b->set.legacy_rc && !reply.failed && req->group != GROUP_SHELL)
		writer_pair_int(&reply.w, "rc", 0);
	if (!rc)
		writer_map_end(&reply.w);
	if (!rc && reply.w.full)
		rc = req->group == GROUP_ENUM ? RC_CORRUPT : RC_MSGSIZE;
	if (rc) {
		writer_restart(&reply.w);
		writer_pair_int(&reply.w, "rc", rc);
		writer_map_end(&reply.w);
	}
	*cost_us += reply.cost_us;
	reply_finish(b, req, version, msg, reply.w.len);
	free(msg);
	return rc;
}

/* Several messages may share a packet; the first one that fails ends it (SMP §1). */
void smp_message(struct board *b, const uint8_t *msg, size_t len)
{
	uint64_t cost_us = 0;
	struct request req;

	while (request_parse(msg, len, &req)) {
		bool is_short = get_be16(msg + 2) > len - SMP_HEADER_LEN;
		struct fault f;

		board_count(b, req.group, req.id);
		if ((b->set.v1 == V1_SILENT && req.version) ||
		    faults_strike(&b->faults, &b->rng, FAULT_LOSE_REQUEST, &req.where, &f))
			break;
		if (faults_strike(&b->faults, &b->rng, FAULT_DIE_AT, &req.where, &f)) {
			board_power_cut(b, f.ms);
			return;
		}
		if (answer(b, &req, is_short, &cost_us) || is_short)
			break;
		msg += SMP_HEADER_LEN + req.len;
		len -= SMP_HEADER_LEN + req.len;
	}
	rx_answered(b, cost_us);
}
