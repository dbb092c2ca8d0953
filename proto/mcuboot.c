/* SPDX-License-Identifier: MIT */
#include "proto/mcuboot.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/macro.h"
#include "proto/mcuboot-private.h"

#define MAGIC 0x96f3b83du
#define HEADER_SIZE 32
#define INFO_SIZE 4
#define TLV_HEAD 4
#define INFO_MAGIC 0x6907
#define INFO_PROTECTED_MAGIC 0x6908
#define FLAGS_ENCRYPTED 0x0cu

#define TLV_SHA256 0x10
#define TLV_SHA384 0x11
#define TLV_SHA512 0x12

struct check {
	const uint8_t *data;
	size_t size;
	struct mcuboot_image *image;
	enum mcuboot_problem problem;
	char *text;
	size_t text_size;
	unsigned int hashes;
};

_printf_(3, 4) static int fail(struct check *c, enum mcuboot_problem problem, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(c->text, c->text_size, format, args);
	va_end(args);
	c->problem = problem;
	return -EBADMSG;
}

static uint16_t get_16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get_32(const uint8_t *p)
{
	return (uint32_t)get_16(p) | (uint32_t)get_16(p + 2) << 16;
}

static int check_magic(struct check *c)
{
	const char *advice, *like;
	if (c->size == 0)
		return fail(c, MCUBOOT_NOT_AN_IMAGE, "the file is empty");
	if (c->size >= 4 && get_32(c->data) == MAGIC) {
		if (c->size >= HEADER_SIZE)
			return 0;
		return fail(c, MCUBOOT_TRUNCATED, "the file has %zu bytes, and the header alone has %d", c->size,
			HEADER_SIZE);
	}
	like = mcuboot_looks_like(c->data, c->size, &advice);
	return fail(c, MCUBOOT_NOT_AN_IMAGE, "not an MCUboot image%s%s: %s", like ? ", it looks like " : "",
		like ? like : "", advice);
}

static void read_header(struct check *c)
{
	const uint8_t *p = c->data;
	struct mcuboot_image *m = c->image;
	m->load_address = get_32(p + 4);
	m->header_size = get_16(p + 8);
	m->protected_size = get_16(p + 10);
	m->image_size = get_32(p + 12);
	m->flags = get_32(p + 16);
	m->major = p[20];
	m->minor = p[21];
	m->revision = get_16(p + 22);
	m->build = get_32(p + 24);
	m->file_size = c->size;
	m->encrypted = m->flags & FLAGS_ENCRYPTED;
	int n = snprintf(m->version, sizeof(m->version), "%u.%u.%u", m->major, m->minor, m->revision);
	if (m->build != 0)
		snprintf(m->version + n, sizeof(m->version) - (size_t)n, ".%" PRIu32, m->build);
}

/* Up to the unprotected TLVs, all of which must be there. */
static int check_sizes(struct check *c, size_t *ret_tlvs)
{
	const struct mcuboot_image *m = c->image;
	if (m->header_size < HEADER_SIZE)
		return fail(c, MCUBOOT_NOT_AN_IMAGE,
			"the header says that it has %" PRIu32 " bytes, and no header has less than %d", m->header_size,
			HEADER_SIZE);
	uint64_t tlvs = (uint64_t)m->header_size + m->image_size + m->protected_size;
	if (tlvs + INFO_SIZE > c->size)
		return fail(c, MCUBOOT_TRUNCATED,
			"the file has %zu bytes, and its header announces %" PRIu64
			" without the TLVs: it was cut short",
			c->size, tlvs);
	*ret_tlvs = (size_t)tlvs;
	return 0;
}

static int read_hash(struct check *c, const struct mcuboot_tlv *tlv)
{
	static const struct {
		uint16_t type, size;
		const char *name;
	} kinds[] = {{TLV_SHA256, 32, "sha256"}, {TLV_SHA384, 48, "sha384"}, {TLV_SHA512, 64, "sha512"}};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (kinds[i].type != tlv->type)
			continue;
		if (kinds[i].size != tlv->size)
			return fail(c, MCUBOOT_BAD_TLV, "the %s TLV at offset %zu has %u bytes instead of %u",
				mcuboot_tlv_name(tlv->type), tlv->offset, tlv->size, kinds[i].size);
		c->hashes++;
		memcpy(c->image->hash, c->data + tlv->offset, tlv->size);
		c->image->hash_size = tlv->size;
		c->image->hash_type = kinds[i].name;
	}
	return 0;
}

static int add_tlv(struct check *c, const struct mcuboot_tlv *tlv)
{
	struct mcuboot_image *m = c->image;
	if (m->tlv_count == MCUBOOT_TLV_MAX)
		return fail(c, MCUBOOT_BAD_TLV, "there are more than %d TLVs", MCUBOOT_TLV_MAX);
	m->tlvs[m->tlv_count++] = *tlv;
	if (!m->signature)
		m->signature = mcuboot_signature_name(tlv->type);
	/* only the unprotected area's hash counts (SMP §7.2) */
	return tlv->protected ? 0 : read_hash(c, tlv);
}

/* The TLVs in [at, end), which lies in the file. */
static int walk_tlvs(struct check *c, size_t at, size_t end, bool protected)
{
	while (at < end) {
		struct mcuboot_tlv tlv = {.protected = protected};
		if (end - at >= TLV_HEAD)
			tlv = (struct mcuboot_tlv){
				get_16(c->data + at), get_16(c->data + at + 2), at + TLV_HEAD, protected};
		if (end - at < TLV_HEAD || tlv.size > end - at - TLV_HEAD)
			return fail(
				c, MCUBOOT_BAD_TLV, "the TLV at offset %zu passes the end of its area at %zu", at, end);
		int r = add_tlv(c, &tlv);
		if (r < 0)
			return r;
		at += TLV_HEAD + (size_t)tlv.size;
	}
	return 0;
}

/* The area at offset `at`: its magic, and its length with that of the info header. */
static int check_area(struct check *c, size_t at, bool protected, size_t *ret_total)
{
	uint16_t magic = get_16(c->data + at), want = protected ? INFO_PROTECTED_MAGIC : INFO_MAGIC;
	size_t total = get_16(c->data + at + 2);
	if (magic != want)
		return fail(c, MCUBOOT_BAD_TLV,
			"there are no %sTLVs at offset %zu, where the header says (0x%04x instead of 0x%04x)",
			protected ? "protected " : "", at, magic, want);
	if (total < INFO_SIZE || (protected && total != c->image->protected_size))
		return fail(c, MCUBOOT_BAD_TLV, "the TLVs at offset %zu announce %zu bytes in all%s", at, total,
			protected ? ", and the header another number" : "");
	if (total > c->size - at)
		return fail(c, MCUBOOT_TRUNCATED, "the file has %zu bytes, and the image %zu: it was cut short",
			c->size, at + total);
	*ret_total = total;
	return 0;
}

static int check_tlvs(struct check *c, size_t tlvs)
{
	const struct mcuboot_image *m = c->image;
	size_t start = tlvs - m->protected_size, total;
	int r = 0;
	if (m->protected_size > 0) {
		if (m->protected_size < INFO_SIZE)
			return fail(c, MCUBOOT_BAD_TLV,
				"the protected TLVs have %" PRIu32 " bytes, less than their own header",
				m->protected_size);
		r = check_area(c, start, true, &total);
		if (r == 0)
			r = walk_tlvs(c, start + INFO_SIZE, tlvs, true);
	}
	if (r == 0)
		r = check_area(c, tlvs, false, &total);
	if (r < 0)
		return r;
	c->image->total_size = tlvs + total;
	return walk_tlvs(c, tlvs + INFO_SIZE, tlvs + total, false);
}

static int check_hash(struct check *c, size_t size)
{
	const struct mcuboot_image *m = c->image;
	if (c->hashes == 0)
		return fail(c, MCUBOOT_NO_HASH, "the image has no hash: sign it with imgtool");
	if (c->hashes > 1)
		return fail(c, MCUBOOT_MANY_HASHES, "the image has %u hashes, and boards take exactly one", c->hashes);
	/* that of an encrypted image is over its plaintext */
	if (m->encrypted)
		return 0;
	const EVP_MD *kind = m->hash_size == 32 ? EVP_sha256() : m->hash_size == 48 ? EVP_sha384() : EVP_sha512();
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int digest_size = 0;
	if (EVP_Digest(c->data, size, digest, &digest_size, kind, NULL) != 1)
		return -ENOMEM;
	if (digest_size != m->hash_size || memcmp(digest, m->hash, digest_size) != 0)
		return fail(c, MCUBOOT_HASH_MISMATCH,
			"the %s of the image is not the one written in it: the file is damaged", m->hash_type);
	return 0;
}

int mcuboot_parse(const uint8_t *data, size_t size, struct mcuboot_image *ret, enum mcuboot_problem *ret_problem,
	char *text, size_t text_size)
{
	struct mcuboot_image image = {0};
	struct check c = {.data = data, .size = size, .image = &image, .text = text, .text_size = text_size};
	size_t tlvs = 0;
	int r = check_magic(&c);
	if (r == 0) {
		read_header(&c);
		r = check_sizes(&c, &tlvs);
	}
	if (r == 0)
		r = check_tlvs(&c, tlvs);
	if (r == 0)
		r = check_hash(&c, tlvs);
	if (r == 0)
		*ret = image;
	if (ret_problem)
		*ret_problem = c.problem;
	return r;
}

/* The next number of a version; 0 when there is none left. */
static uint64_t next_number(const char **p)
{
	uint64_t n = 0;
	while (**p && (**p < '0' || **p > '9'))
		(*p)++;
	for (; **p >= '0' && **p <= '9'; (*p)++)
		n = n < UINT32_MAX ? 10 * n + (uint64_t)(**p - '0') : n;
	return n;
}

int mcuboot_version_compare(const struct mcuboot_image *image, const char *version)
{
	const uint64_t mine[] = {image->major, image->minor, image->revision, image->build};
	for (size_t i = 0; i < ARRAY_SIZE(mine); i++) {
		uint64_t theirs = next_number(&version);
		if (mine[i] != theirs)
			return mine[i] < theirs ? -1 : 1;
	}
	return 0;
}
