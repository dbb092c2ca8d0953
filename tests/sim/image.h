/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * MCUboot images (SMP §7.1, §7.2): reading one out of a slot, judging it as a
 * bootloader does, and making one, good or broken.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flash.h"

#define IMAGE_MAGIC 0x96f3b83du
#define IMAGE_HEADER_LEN 32
#define IMAGE_F_ROM_FIXED 0x100u
#define IMAGE_F_NON_BOOTABLE 0x10u
#define IMAGE_F_ENCRYPTED 0x0cu
#define IMAGE_VERSION_MAX 32 /* room for "255.255.65535.4294967295" */

struct image_version {
	uint8_t major, minor;
	uint16_t revision;
	uint32_t build;
};

struct image_info {
	struct image_version version;
	uint32_t flags, load_addr;
	size_t size;       /* header, body and all TLVs */
	size_t hashed;     /* bytes the hash is over */
	uint8_t hash[64];
	size_t hash_len;
	bool signature_bad;
};

/*
 * Reads header and TLVs of the image in a slot. Returns 0, or the error of the
 * image group that says why there is none (SMP §4.2: 3 NO_IMAGE …).
 */
int image_read(const struct flash_area *a, struct image_info *ret);

/* Whether the bootloader would start it: the hash holds and the signature is not a refused one. */
bool image_is_valid(const struct flash_area *a, const struct image_info *info);

void image_version_format(const struct image_version *v, char out[IMAGE_VERSION_MAX]);
int image_version_parse(const char *text, struct image_version *ret);
/* By major, minor and revision; the build number does not count (SMP §5.1). */
int image_version_compare(const struct image_version *a, const struct image_version *b);

#define IMAGE_BREAKS(X)                                                                            \
	X(BREAK_NONE, "none")                                                                      \
	X(BREAK_MAGIC, "magic")                                                                    \
	X(BREAK_TRUNCATED, "truncated")                                                            \
	X(BREAK_HASH, "hash")                                                                      \
	X(BREAK_NO_HASH, "no-hash")                                                                \
	X(BREAK_TWO_HASHES, "two-hashes")                                                          \
	X(BREAK_TLV_LENGTH, "tlv-length")                                                          \
	X(BREAK_SIGNATURE, "signature")                                                            \
	X(BREAK_HEADER_SIZE, "header-size")                                                        \
	X(BREAK_NOT_AN_IMAGE, "not-an-image")                                                      \
	X(BREAK_ENCRYPTED, "encrypted")

enum image_break {
#define X(id, name) id,
	IMAGE_BREAKS(X)
#undef X
};

struct image_recipe {
	struct image_version version;
	size_t size;  /* of the file; 0 is 32 KiB */
	uint64_t seed;
	unsigned int hash_bits; /* 256, 384, 512 */
	bool protected_tlvs;
	bool rom_fixed;
	uint32_t rom_address;
	size_t slot_size; /* > 0: padded to this with a trailer */
	bool confirmed;   /* that trailer says "permanent" */
	enum image_break broken;
};

/*
 * Makes the file. ret_hash, when not NULL, gets the digest and ret_hash_len
 * its length (the right digest, also when the file is broken). -EINVAL when
 * the size is too small for an image.
 */
int image_make(const struct image_recipe *r, uint8_t **ret_file, size_t *ret_len,
	       uint8_t ret_hash[64], size_t *ret_hash_len);

/* Name to kind and back; -EINVAL when unknown. */
int image_break_parse(const char *name, enum image_break *ret);
const char *image_break_names(void);
