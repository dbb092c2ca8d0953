/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <openssl/evp.h>

#include "image.h"
#include "tlv.h"
#include "util.h"

#define HEADER_SIZE 0x200
#define SIGNATURE_LEN 70
#define KEYHASH_LEN 32
#define ENC_AES128 0x04u

/* The file under construction. Its buffer is made large enough before. */
struct maker {
	const struct image_recipe *recipe;
	struct rng rng;
	uint8_t *file;
	size_t len;
	size_t hash_len;
};

static void append(struct maker *m, const void *data, size_t len)
{
	memcpy(m->file + m->len, data, len);
	m->len += len;
}

static void append_tlv(struct maker *m, uint16_t type, const void *data, size_t len)
{
	uint8_t head[4];

	put_le16(head, type);
	put_le16(head + 2, (uint16_t)len);
	append(m, head, sizeof(head));
	append(m, data, len);
}

static size_t protected_len(const struct maker *m)
{
	return m->recipe->protected_tlvs ? 4 + 4 + 4 : 0;
}

/* Everything behind the body: as long in every file of a recipe, broken or not. */
static size_t tail_len(const struct maker *m)
{
	size_t hashes = m->recipe->broken == BREAK_NO_HASH     ? 0
			: m->recipe->broken == BREAK_TWO_HASHES ? 2
								: 1;

	return protected_len(m) + 4 + hashes * (4 + m->hash_len) + 4 + KEYHASH_LEN + 4 +
	       SIGNATURE_LEN;
}

static void append_header(struct maker *m, size_t body)
{
	const struct image_recipe *r = m->recipe;
	uint8_t h[HEADER_SIZE] = { 0 };
	uint32_t flags = r->rom_fixed ? IMAGE_F_ROM_FIXED : 0;

	if (r->broken == BREAK_ENCRYPTED)
		flags |= ENC_AES128;
	put_le32(h, r->broken == BREAK_MAGIC ? IMAGE_MAGIC ^ 0xffu : IMAGE_MAGIC);
	put_le32(h + 4, r->rom_address);
	put_le16(h + 8, r->broken == BREAK_HEADER_SIZE ? 16 : HEADER_SIZE);
	put_le16(h + 10, (uint16_t)protected_len(m));
	put_le32(h + 12, (uint32_t)body);
	put_le32(h + 16, flags);
	h[20] = r->version.major;
	h[21] = r->version.minor;
	put_le16(h + 22, r->version.revision);
	put_le32(h + 24, r->version.build);
	append(m, h, sizeof(h));
}

static void append_protected(struct maker *m)
{
	uint8_t head[4], counter[4];

	if (!m->recipe->protected_tlvs)
		return;
	put_le16(head, TLV_PROTECTED_MAGIC);
	put_le16(head + 2, (uint16_t)protected_len(m));
	put_le32(counter, 1);
	append(m, head, sizeof(head));
	append_tlv(m, TLV_SEC_CNT, counter, sizeof(counter));
}

/* The unprotected area. A signature is only bytes here: nobody holds a key. */
static void append_tlvs(struct maker *m, const uint8_t *digest)
{
	enum image_break broken = m->recipe->broken;
	uint16_t type = m->hash_len == 32 ? TLV_SHA256 : m->hash_len == 48 ? TLV_SHA384 : TLV_SHA512;
	uint8_t head[4], hash[64], key[KEYHASH_LEN], signature[SIGNATURE_LEN];
	size_t area = tail_len(m) - protected_len(m);

	memcpy(hash, digest, m->hash_len);
	hash[0] ^= broken == BREAK_HASH ? 0xff : 0;
	memset(key, 0x4b, sizeof(key));
	rng_fill(&m->rng, signature, sizeof(signature));
	if (broken == BREAK_SIGNATURE)
		memcpy(signature, SIGNATURE_REFUSED, sizeof(SIGNATURE_REFUSED) - 1);
	put_le16(head, TLV_INFO_MAGIC);
	put_le16(head + 2, (uint16_t)(area + (broken == BREAK_TLV_LENGTH ? 0x4000 : 0)));
	append(m, head, sizeof(head));
	if (broken != BREAK_NO_HASH)
		append_tlv(m, type, hash, m->hash_len);
	if (broken == BREAK_TWO_HASHES)
		append_tlv(m, type, hash, m->hash_len);
	append_tlv(m, TLV_KEYHASH, key, sizeof(key));
	append_tlv(m, TLV_ECDSA, signature, sizeof(signature));
}

/* Fills up to the slot's size, with the trailer that imgtool --pad (--confirm) writes. */
static int append_padding(struct maker *m)
{
	const struct image_recipe *r = m->recipe;
	struct flash_area slot = { 0 };
	int rc = flash_init(&slot, r->slot_size);

	if (!rc)
		rc = flash_write(&slot, 0, m->file, m->len);
	if (!rc)
		rc = flash_trailer_write(&slot, &(struct flash_trailer){
							.magic_good = true,
							.image_ok = r->confirmed });
	if (!rc)
		flash_read(&slot, 0, m->file, r->slot_size);
	m->len = r->slot_size;
	flash_clear(&slot);
	return rc;
}

static int make_body(struct maker *m, size_t body, uint8_t digest[EVP_MAX_MD_SIZE])
{
	const EVP_MD *md = m->hash_len == 32   ? EVP_sha256()
			   : m->hash_len == 48 ? EVP_sha384()
					       : EVP_sha512();

	append_header(m, body);
	rng_fill(&m->rng, m->file + m->len, body);
	m->len += body;
	append_protected(m);
	return EVP_Digest(m->file, m->len, digest, NULL, md, NULL) ? 0 : -ENOMEM;
}

int image_make(const struct image_recipe *r, uint8_t **ret_file, size_t *ret_len,
	       uint8_t ret_hash[64], size_t *ret_hash_len)
{
	struct maker m = { .recipe = r, .hash_len = r->hash_bits ? r->hash_bits / 8 : 32 };
	size_t size = r->size ? r->size : 32768;
	_cleanup_(freep) uint8_t *file = NULL;
	uint8_t digest[EVP_MAX_MD_SIZE];
	char version[IMAGE_VERSION_MAX];
	int rc;

	if (size < HEADER_SIZE + 4 + tail_len(&m) || (r->slot_size && size > r->slot_size))
		return -EINVAL;
	file = m.file = malloc(r->slot_size > size ? r->slot_size : size);
	if (!file)
		return -ENOMEM;
	image_version_format(&r->version, version);
	m.rng.state = r->seed ^ hash_name(version);
	rc = make_body(&m, size - HEADER_SIZE - tail_len(&m), digest);
	if (rc < 0)
		return rc;
	append_tlvs(&m, digest);
	if (r->broken == BREAK_NOT_AN_IMAGE)
		rng_fill(&m.rng, m.file, m.len);
	if (r->broken == BREAK_TRUNCATED)
		m.len -= m.len / 3;
	rc = r->slot_size ? append_padding(&m) : 0;
	if (rc < 0)
		return rc;
	if (ret_hash)
		memcpy(ret_hash, digest, m.hash_len);
	if (ret_hash_len)
		*ret_hash_len = m.hash_len;
	*ret_len = m.len;
	*ret_file = TAKE_PTR(file);
	return 0;
}

static const char *const break_names[] = {
#define X(id, name) name,
	IMAGE_BREAKS(X)
#undef X
};

int image_break_parse(const char *name, enum image_break *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(break_names); i++)
		if (!strcmp(break_names[i], name)) {
			*ret = (enum image_break)i;
			return 0;
		}
	return -EINVAL;
}

const char *image_break_names(void)
{
#define X(id, name) name " "
	return IMAGE_BREAKS(X);
#undef X
}
