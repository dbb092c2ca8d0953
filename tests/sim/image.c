/* SPDX-License-Identifier: MIT */
#include "image.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "smp-codes.h"
#include "tlv.h"
#include "util.h"

static const EVP_MD *hash_md(uint16_t tlv)
{
	return tlv == TLV_SHA256 ? EVP_sha256() : tlv == TLV_SHA384 ? EVP_sha384() : EVP_sha512();
}

static size_t hash_size(uint16_t tlv)
{
	return tlv == TLV_SHA256 ? 32 : tlv == TLV_SHA384 ? 48 : 64;
}

/* One TLV of the unprotected area: remembers the hash and the verdict on the signature. */
static int tlv_take(const struct flash_area *a, size_t off, uint16_t type, size_t len,
		    struct image_info *info)
{
	uint8_t mark[sizeof(SIGNATURE_REFUSED) - 1];

	if (type == TLV_SHA256 || type == TLV_SHA384 || type == TLV_SHA512) {
		if (info->hash_len)
			return IMG_TLV_MULTIPLE_HASHES_FOUND;
		if (len != hash_size(type))
			return IMG_INVALID_TLV;
		flash_read(a, off, info->hash, len);
		info->hash_len = len;
	}
	if (type == TLV_ECDSA && len >= sizeof(mark)) {
		flash_read(a, off, mark, sizeof(mark));
		info->signature_bad = !memcmp(mark, SIGNATURE_REFUSED, sizeof(mark));
	}
	return 0;
}

static int tlvs_read(const struct flash_area *a, struct image_info *info)
{
	uint8_t head[4];
	size_t off = info->hashed, end;

	if (off + sizeof(head) > a->size)
		return IMG_NO_TLVS;
	flash_read(a, off, head, sizeof(head));
	if (get_le16(head) != TLV_INFO_MAGIC)
		return IMG_NO_TLVS;
	end = off + get_le16(head + 2);
	if (end > a->size)
		return IMG_INVALID_TLV;
	for (off += sizeof(head); off + sizeof(head) <= end;) {
		size_t len;
		int r;

		flash_read(a, off, head, sizeof(head));
		len = get_le16(head + 2);
		off += sizeof(head);
		if (off + len > end)
			return IMG_INVALID_TLV;
		r = tlv_take(a, off, get_le16(head), len, info);
		if (r)
			return r;
		off += len;
	}
	if (off != end)
		return IMG_INVALID_TLV;
	info->size = end;
	return info->hash_len ? 0 : IMG_HASH_NOT_FOUND;
}

int image_read(const struct flash_area *a, struct image_info *ret)
{
	uint8_t h[IMAGE_HEADER_LEN];
	uint64_t hashed;

	memset(ret, 0, sizeof(*ret));
	flash_read(a, 0, h, sizeof(h));
	if (get_le32(h) == 0xffffffffu)
		return IMG_NO_IMAGE;
	if (get_le32(h) != IMAGE_MAGIC)
		return IMG_INVALID_IMAGE_HEADER_MAGIC;
	ret->load_addr = get_le32(h + 4);
	ret->flags = get_le32(h + 16);
	ret->version = (struct image_version){ h[20], h[21], get_le16(h + 22), get_le32(h + 24) };
	hashed = (uint64_t)get_le16(h + 8) + get_le32(h + 12) + get_le16(h + 10);
	if (get_le16(h + 8) < IMAGE_HEADER_LEN || hashed > a->size)
		return IMG_INVALID_IMAGE_HEADER;
	ret->hashed = (size_t)hashed;
	return tlvs_read(a, ret);
}

bool image_is_valid(const struct flash_area *a, const struct image_info *info)
{
	_cleanup_(freep) uint8_t *all = malloc(info->hashed);
	uint16_t type = info->hash_len == 32   ? TLV_SHA256
			: info->hash_len == 48 ? TLV_SHA384
					       : TLV_SHA512;
	uint8_t digest[EVP_MAX_MD_SIZE];

	if (!all || info->signature_bad || info->flags & IMAGE_F_NON_BOOTABLE)
		return false;
	/* This bootloader holds no key to decrypt with. */
	if (info->flags & IMAGE_F_ENCRYPTED)
		return false;
	flash_read(a, 0, all, info->hashed);
	if (!EVP_Digest(all, info->hashed, digest, NULL, hash_md(type), NULL))
		return false;
	return !memcmp(digest, info->hash, info->hash_len);
}

void image_version_format(const struct image_version *v, char out[IMAGE_VERSION_MAX])
{
	int n = snprintf(out, IMAGE_VERSION_MAX, "%u.%u.%u", v->major, v->minor, v->revision);

	if (v->build)
		snprintf(out + n, IMAGE_VERSION_MAX - (size_t)n, ".%u", (unsigned int)v->build);
}

int image_version_parse(const char *text, struct image_version *ret)
{
	static const uint64_t max[] = { 255, 255, 65535, UINT32_MAX };
	uint64_t part[4] = { 0 };
	size_t i = 0;

	for (const char *p = text;; p++) {
		char *end;

		if (i == 4 || *p < '0' || *p > '9')
			return -EINVAL;
		part[i] = strtoull(p, &end, 10);
		if (part[i] > max[i])
			return -EINVAL;
		i++;
		p = end;
		if (!*p)
			break;
		if (*p != '.')
			return -EINVAL;
	}
	if (i < 3)
		return -EINVAL;
	*ret = (struct image_version){ (uint8_t)part[0], (uint8_t)part[1], (uint16_t)part[2],
				       (uint32_t)part[3] };
	return 0;
}

int image_version_compare(const struct image_version *a, const struct image_version *b)
{
	if (a->major != b->major)
		return a->major - b->major;
	if (a->minor != b->minor)
		return a->minor - b->minor;
	return a->revision - b->revision;
}
