/* SPDX-License-Identifier: MIT */

/* TLV types, flags and problems by name (SMP §7.1). */

#include "proto/macro.h"
#include "proto/mcuboot-private.h"

const char *mcuboot_problem_name(enum mcuboot_problem problem)
{
	static const char *const names[] = {
		[MCUBOOT_OK] = "ok",
		[MCUBOOT_NOT_AN_IMAGE] = "not-an-image",
		[MCUBOOT_TRUNCATED] = "truncated",
		[MCUBOOT_BAD_TLV] = "bad-tlv",
		[MCUBOOT_NO_HASH] = "no-hash",
		[MCUBOOT_MANY_HASHES] = "many-hashes",
		[MCUBOOT_HASH_MISMATCH] = "hash-mismatch",
	};
	return (size_t)problem < ARRAY_SIZE(names) ? names[problem] : NULL;
}

/* 0x80 and 0x81: as the design document numbers the UUIDs, against the header and imgtool. */
#define TLVS(X)                                                                                                        \
	X(0x01, "KEYHASH")                                                                                             \
	X(0x02, "PUBKEY")                                                                                              \
	X(0x10, "SHA256")                                                                                              \
	X(0x11, "SHA384")                                                                                              \
	X(0x12, "SHA512")                                                                                              \
	X(0x20, "RSA2048")                                                                                             \
	X(0x21, "ECDSA224")                                                                                            \
	X(0x22, "ECDSA")                                                                                               \
	X(0x23, "RSA3072")                                                                                             \
	X(0x24, "ED25519")                                                                                             \
	X(0x25, "SIG_PURE")                                                                                            \
	X(0x30, "ENC_RSA2048")                                                                                         \
	X(0x31, "ENC_KW")                                                                                              \
	X(0x32, "ENC_EC256")                                                                                           \
	X(0x33, "ENC_X25519")                                                                                          \
	X(0x34, "ENC_X25519_SHA512")                                                                                   \
	X(0x40, "DEPENDENCY")                                                                                          \
	X(0x50, "SEC_CNT")                                                                                             \
	X(0x60, "BOOT_RECORD")                                                                                         \
	X(0x70, "DECOMP_SIZE")                                                                                         \
	X(0x71, "DECOMP_SHA")                                                                                          \
	X(0x72, "DECOMP_SIGNATURE")                                                                                    \
	X(0x73, "COMP_DEC_SIZE")                                                                                       \
	X(0x74, "UUID_VID")                                                                                            \
	X(0x75, "UUID_CID")                                                                                            \
	X(0x80, "UUID_VID")                                                                                            \
	X(0x81, "UUID_CID")

const char *mcuboot_tlv_name(uint16_t type)
{
	switch (type) {
#define TLV_CASE(number, name)                                                                                         \
	case number:                                                                                                   \
		return name;
		TLVS(TLV_CASE)
	default:
		return NULL;
	}
}

const char *mcuboot_flag_name(unsigned int bit)
{
	static const char *const names[] = {
		[0] = "PIC",
		[2] = "ENCRYPTED_AES128",
		[3] = "ENCRYPTED_AES256",
		[4] = "NON_BOOTABLE",
		[5] = "RAM_LOAD",
		[8] = "ROM_FIXED",
		[9] = "COMPRESSED_LZMA1",
		[10] = "COMPRESSED_LZMA2",
		[11] = "COMPRESSED_ARM_THUMB",
	};
	return bit < ARRAY_SIZE(names) ? names[bit] : NULL;
}

const char *mcuboot_signature_name(uint16_t type)
{
	switch (type) {
	case 0x20:
		return "rsa2048";
	case 0x21:
		return "ecdsa224";
	case 0x22:
		return "ecdsa";
	case 0x23:
		return "rsa3072";
	case 0x24:
		return "ed25519";
	default:
		return NULL;
	}
}

/* What people mistake for an image. */
static const struct {
	const char *start;
	size_t size;
	const char *is, *advice;
} lookalikes[] = {
	{"\x7f"
	 "ELF",
		4, "an ELF file", "send the signed binary (zephyr.signed.bin)"},
	{":0", 2, "an Intel hex file", "send the signed binary (zephyr.signed.bin)"},
	{":1", 2, "an Intel hex file", "send the signed binary (zephyr.signed.bin)"},
	{":2", 2, "an Intel hex file", "send the signed binary (zephyr.signed.bin)"},
	{"S0", 2, "a Motorola S-record file", "send the signed binary (zephyr.signed.bin)"},
	{"UF2\n", 4, "a UF2 file", "send the signed binary (zephyr.signed.bin)"},
	{"PK\x03\x04", 4, "a zip archive", "unpack it and send the image in it"},
	{"\x1f\x8b", 2, "a gzip file", "unpack it first"},
	{"\xfd"
	 "7zXZ",
		5, "an xz file", "unpack it first"},
	{"\x3c\xb8\xf3\x96", 4, "an image of MCUboot's old format", "sign it with a current imgtool"},
	{"{", 1, "text", "send the signed binary (zephyr.signed.bin)"},
	{"<", 1, "text", "send the signed binary (zephyr.signed.bin)"},
	{"#", 1, "text", "send the signed binary (zephyr.signed.bin)"},
};

static uint32_t word(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* A Cortex-M vector table: a stack in RAM, a reset handler in Thumb code. */
static bool is_vector_table(const uint8_t *data, size_t size)
{
	return size >= 8 && word(data) >> 28 == 2 && word(data) % 4 == 0 && word(data + 4) % 2 == 1 &&
	       word(data + 4) < 0x20000000;
}

const char *mcuboot_looks_like(const uint8_t *data, size_t size, const char **ret_advice)
{
	for (size_t i = 0; i < ARRAY_SIZE(lookalikes); i++) {
		if (size < lookalikes[i].size || memcmp(data, lookalikes[i].start, lookalikes[i].size) != 0)
			continue;
		*ret_advice = lookalikes[i].advice;
		return lookalikes[i].is;
	}
	if (is_vector_table(data, size)) {
		*ret_advice = "send the signed one (zephyr.signed.bin)";
		return "a binary that was not signed";
	}
	*ret_advice = "send the signed binary (zephyr.signed.bin)";
	return NULL;
}
