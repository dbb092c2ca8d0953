/* SPDX-License-Identifier: MIT */
#include "proto/smp.h"

#include <errno.h>
#include <limits.h>

/* Byte 0: three reserved bits, two of version, three of op. */
#define OP_MASK 0x07u
#define VERSION_SHIFT 3
#define VERSION_MASK 0x03u

static uint16_t get_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

int smp_header_decode(const uint8_t *data, size_t size, struct smp_header *ret)
{
	if (size < SMP_HEADER_SIZE || get_be16(data + 2) != size - SMP_HEADER_SIZE)
		return -EBADMSG;
	*ret = (struct smp_header){
		.op = data[0] & OP_MASK,
		.version = data[0] >> VERSION_SHIFT & VERSION_MASK,
		.flags = data[1],
		.length = get_be16(data + 2),
		.group = get_be16(data + 4),
		.sequence = data[6],
		.id = data[7],
	};
	return 0;
}

void smp_header_encode(const struct smp_header *h, uint8_t out[SMP_HEADER_SIZE])
{
	out[0] = (uint8_t)((h->version & VERSION_MASK) << VERSION_SHIFT | (h->op & OP_MASK));
	out[1] = h->flags;
	put_be16(out + 2, h->length);
	put_be16(out + 4, h->group);
	out[6] = h->sequence;
	out[7] = h->id;
}

bool smp_header_answers(const struct smp_header *reply, const struct smp_header *request)
{
	return reply->op == request->op + 1 && reply->group == request->group && reply->id == request->id &&
	       reply->sequence == request->sequence;
}

/* A code of any width and sign; negative ones have no meaning in SMP and become EUNKNOWN. */
static bool read_code(const struct value *v, uint64_t *ret)
{
	if (v && v->kind == VALUE_NEGINT) {
		*ret = SMP_EUNKNOWN;
		return true;
	}
	return value_to_uint(v, ret);
}

/* {"group": u, "rc": u}; an absent rc is success. false: broken. */
static bool read_group_error(const struct value *map, struct smp_status *status)
{
	uint64_t group = 0, rc = 0;
	const struct value *v = value_get(map, "rc");
	if (v && !read_code(v, &rc))
		return false;
	if (rc == 0)
		return true;
	if (!value_to_uint(value_get(map, "group"), &group) || group > INT_MAX)
		return false;
	status->failed = true;
	status->group = (int)group;
	status->rc = rc;
	return true;
}

static bool read_plain_rc(const struct value *reply, uint16_t request_group, struct smp_status *status)
{
	const struct value *v = value_get(reply, "rc");
	uint64_t rc;
	if (!v || (request_group == SMP_SHELL && value_get(reply, "o")))
		return true;
	if (!read_code(v, &rc))
		return false;
	if (rc != 0) {
		status->failed = true;
		status->rc = rc;
	}
	return true;
}

int smp_status_decode(const struct value *reply, uint16_t request_group, struct smp_status *ret)
{
	struct smp_status status = {.group = -1};
	const struct value *err = value_get(reply, "err"), *old = value_get(reply, "ret");

	if (err && err->kind == VALUE_MAP) {
		if (!read_group_error(err, &status))
			return -EBADMSG;
	} else {
		/* the payload of user groups is private: `rc` may be anything there */
		if (!read_plain_rc(reply, request_group, &status) && request_group < SMP_PERUSER)
			return -EBADMSG;
		if (!status.failed && old && old->kind == VALUE_MAP && !read_group_error(old, &status))
			return -EBADMSG;
	}

	const struct value *reason = value_get(reply, "rsn");
	if (status.failed && reason && reason->kind == VALUE_TEXT) {
		struct value start = *reason;
		if (start.size > SMP_REASON_MAX)
			start.size = SMP_REASON_MAX;
		status.reason = value_to_text(&start);
		if (!status.reason)
			return -ENOMEM;
	}
	*ret = status;
	return 0;
}

void smp_status_release(struct smp_status *status)
{
	free(status->reason);
	*status = (struct smp_status){.group = -1};
}

bool smp_status_unsupported(const struct smp_status *status)
{
	return status->failed && status->group == -1 && status->rc == SMP_ENOTSUP;
}
