/* SPDX-License-Identifier: MIT */
#pragma once

/* MCUboot image files (SMP §7.1, §7.2): header, TLVs, the image hash, and the check of a file before it is sent.
 *
 * A file is header, body, protected TLVs (part of what is hashed), TLVs; then, when padded, erased flash and a trailer. The
 * image hash is the value of the one hash TLV among the unprotected ones: what boards list and what a state write names.
 * It is not the SHA-256 of the file, which an upload carries. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MCUBOOT_HASH_MAX 64
#define MCUBOOT_TLV_MAX 64
#define MCUBOOT_VERSION_MAX 32

enum mcuboot_problem {
	MCUBOOT_OK,
	MCUBOOT_NOT_AN_IMAGE, /* no magic, or too short for a header; text names what it looks like (ELF, Intel hex, ...) */
	MCUBOOT_TRUNCATED,
	MCUBOOT_BAD_TLV,
	MCUBOOT_NO_HASH,
	MCUBOOT_MANY_HASHES,
	MCUBOOT_HASH_MISMATCH,
};
/* "not-an-image", "truncated", "bad-tlv", "no-hash", "many-hashes", "hash-mismatch" as in io.mcumgr.BadImage. */
const char *mcuboot_problem_name(enum mcuboot_problem problem);

struct mcuboot_tlv {
	uint16_t type;
	uint16_t size;
	size_t offset; /* of the value in the file */
	bool protected;
};

struct mcuboot_image {
	uint8_t major, minor;
	uint16_t revision;
	uint32_t build;
	char version[MCUBOOT_VERSION_MAX]; /* "1.2.3" or "1.2.3.4" as boards print it */
	uint32_t load_address, header_size, image_size, protected_size, flags;
	size_t file_size;  /* as given */
	size_t total_size; /* header, body and TLVs: a larger file is padded */
	bool encrypted;
	uint8_t hash[MCUBOOT_HASH_MAX];
	size_t hash_size;
	const char *hash_type; /* "sha256", ... */
	const char *signature; /* "ed25519", ...; NULL when unsigned */
	struct mcuboot_tlv tlvs[MCUBOOT_TLV_MAX];
	size_t tlv_count;
};

/* Parses and checks a file; the hash is recomputed (not possible for encrypted images, whose hash is over plaintext).
 * 0, or -EBADMSG with the problem (may be NULL) and a sentence in text (size text_size, what is wrong and what would be
 * right), -ENOMEM. ret is written only on success. */
int mcuboot_parse(const uint8_t *data, size_t size, struct mcuboot_image *ret, enum mcuboot_problem *ret_problem,
		char *text, size_t text_size);

const char *mcuboot_tlv_name(uint16_t type);	    /* NULL when unknown */
const char *mcuboot_flag_name(unsigned int bit);    /* NULL when unknown */
/* <0, 0, >0, as numbers. Takes "1.2.3", "1.2.3.4" and "1.2.3+4"; numbers that are missing count as 0. */
int mcuboot_version_compare(const struct mcuboot_image *image, const char *version);
