/* SPDX-License-Identifier: MIT */
#include "proto/mcuboot.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/macro.h"

#define MAGIC 0x96f3b83du
#define MAGIC_V1 0x96f3b83cu
#define HEADER_MIN 32u
#define TLV_INFO_MAGIC 0x6907u
#define TLV_PROTECTED_MAGIC 0x6908u
#define TLV_INFO_SIZE 4u
#define TLV_HEAD_SIZE 4u
#define FLAG_ENCRYPTED 0x0cu /* AES128 or AES256 */

/* Where a parse stands: the file, what goes into ret, and the words for what is wrong. */
struct parse {
	const uint8_t *data;
	size_t size;
	struct mcuboot_image *image;
	enum mcuboot_problem problem;
	char *text;
	size_t text_size;
	unsigned int hashes;
};

static const char *const problem_names[] = {
	[MCUBOOT_OK] = "ok",
	[MCUBOOT_NOT_AN_IMAGE] = "not-an-image",
	[MCUBOOT_TRUNCATED] = "truncated",
	[MCUBOOT_BAD_TLV] = "bad-tlv",
	[MCUBOOT_NO_HASH] = "no-hash",
	[MCUBOOT_MANY_HASHES] = "many-hashes",
	[MCUBOOT_HASH_MISMATCH] = "hash-mismatch",
};

const char *mcuboot_problem_name(enum mcuboot_problem problem)
{
	return (size_t)problem < ARRAY_SIZE(problem_names) ? problem_names[problem] : "unknown";
}

/* SMP §7.1; the UUID types have two numbers in the field's sources. */
static const struct {
	uint16_t type;
	const char *name;
	const char *signature; /* how `signature` is told, for those that are one */
} tlv_names[] = {
	{ 0x01, "KEYHASH", NULL },
	{ 0x02, "PUBKEY", NULL },
	{ 0x10, "SHA256", NULL },
	{ 0x11, "SHA384", NULL },
	{ 0x12, "SHA512", NULL },
	{ 0x20, "RSA2048", "rsa2048" },
	{ 0x21, "ECDSA224", "ecdsa224" },
	{ 0x22, "ECDSA", "ecdsa" },
	{ 0x23, "RSA3072", "rsa3072" },
	{ 0x24, "ED25519", "ed25519" },
	{ 0x25, "SIG_PURE", NULL },
	{ 0x30, "ENC_RSA2048", NULL },
	{ 0x31, "ENC_KW", NULL },
	{ 0x32, "ENC_EC256", NULL },
	{ 0x33, "ENC_X25519", NULL },
	{ 0x34, "ENC_X25519_SHA512", NULL },
	{ 0x40, "DEPENDENCY", NULL },
	{ 0x50, "SEC_CNT", NULL },
	{ 0x60, "BOOT_RECORD", NULL },
	{ 0x70, "DECOMP_SIZE", NULL },
	{ 0x71, "DECOMP_SHA", NULL },
	{ 0x72, "DECOMP_SIGNATURE", NULL },
	{ 0x73, "COMP_DEC_SIZE", NULL },
	{ 0x74, "UUID_VID", NULL },
	{ 0x75, "UUID_CID", NULL },
	{ 0x80, "UUID_VID", NULL },
	{ 0x81, "UUID_CID", NULL },
};

static size_t tlv_name_index(uint16_t type)
{
	size_t i = 0;
	while (i < ARRAY_SIZE(tlv_names) && tlv_names[i].type != type)
		i++;
	return i;
}

const char *mcuboot_tlv_name(uint16_t type)
{
	const size_t i = tlv_name_index(type);
	if (i < ARRAY_SIZE(tlv_names))
		return tlv_names[i].name;
	return (type & 0xff) >= 0xa0 && (type & 0xff) <= 0xfe ? "VENDOR" : NULL;
}

const char *mcuboot_flag_name(unsigned int bit)
{
	switch (bit) {
	case 0x01:
		return "PIC";
	case 0x04:
		return "ENCRYPTED_AES128";
	case 0x08:
		return "ENCRYPTED_AES256";
	case 0x10:
		return "NON_BOOTABLE";
	case 0x20:
		return "RAM_LOAD";
	case 0x100:
		return "ROM_FIXED";
	case 0x200:
		return "COMPRESSED_LZMA1";
	case 0x400:
		return "COMPRESSED_LZMA2";
	case 0x800:
		return "COMPRESSED_ARM_THUMB";
	default:
		return NULL;
	}
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) | (uint32_t)get16(p + 2) << 16;
}

static int _printf_(3, 4) wrong(struct parse *p, enum mcuboot_problem problem, const char *format, ...)
{
	va_list args;

	p->problem = problem;
	va_start(args, format);
	if (p->text && p->text_size)
		(void)vsnprintf(p->text, p->text_size, format, args);
	va_end(args);
	return -EBADMSG;
}

/* What a file that is no image looks like, and what to do about it. */
static const char *looks_like(const uint8_t *data, size_t size)
{
	static const struct {
		const char *start;
		size_t size;
		const char *what;
	} kinds[] = {
		{ "\x7f" "ELF", 4, "an ELF file: sign its .bin with imgtool first" },
		{ "PK\x03\x04", 4, "a zip archive: unpack it and take the signed .bin in it" },
		{ ":10", 3, "an Intel hex file: convert it to a .bin" },
		{ ":02", 3, "an Intel hex file: convert it to a .bin" },
		{ "S0", 2, "a Motorola S-record file: convert it to a .bin" },
		{ "UF2\n", 4, "a UF2 file: take the signed .bin instead" },
		{ "\x3c\xb8\xf3\x96", 4, "an image of the first MCUboot format, which current boards refuse" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (size >= kinds[i].size && memcmp(data, kinds[i].start, kinds[i].size) == 0)
			return kinds[i].what;
	return "not signed: an image is made by imgtool sign and starts with the bytes 3d b8 f3 96";
}

static int parse_header(struct parse *p)
{
	struct mcuboot_image *image = p->image;
	const uint8_t *d = p->data;

	if (p->size == 0)
		return wrong(p, MCUBOOT_NOT_AN_IMAGE, "the file is empty");
	if (p->size < 4 || get32(d) != MAGIC)
		return wrong(p, MCUBOOT_NOT_AN_IMAGE, "no MCUboot image: it is %s", looks_like(d, p->size));
	if (p->size < HEADER_MIN)
		return wrong(p, MCUBOOT_TRUNCATED, "the file has %zu bytes, an image header has %u", p->size, HEADER_MIN);
	image->load_address = get32(d + 4);
	image->header_size = get16(d + 8);
	image->protected_size = get16(d + 10);
	image->image_size = get32(d + 12);
	image->flags = get32(d + 16);
	image->major = d[20];
	image->minor = d[21];
	image->revision = get16(d + 22);
	image->build = get32(d + 24);
	image->encrypted = image->flags & FLAG_ENCRYPTED;
	(void)snprintf(image->version, sizeof(image->version), image->build ? "%u.%u.%u.%u" : "%u.%u.%u", image->major,
			image->minor, image->revision, image->build);
	if (image->header_size < HEADER_MIN)
		return wrong(p, MCUBOOT_BAD_TLV, "the header says it is %u bytes long; %u is the least", image->header_size,
				HEADER_MIN);
	return 0;
}

static int add_tlv(struct parse *p, uint16_t type, uint16_t size, size_t offset, bool protected)
{
	static const struct {
		uint16_t type;
		size_t size;
		const char *name;
	} hashes[] = { { 0x10, 32, "sha256" }, { 0x11, 48, "sha384" }, { 0x12, 64, "sha512" } };
	struct mcuboot_image *image = p->image;

	if (image->tlv_count == MCUBOOT_TLV_MAX)
		return wrong(p, MCUBOOT_BAD_TLV, "more than %d TLVs", MCUBOOT_TLV_MAX);
	image->tlvs[image->tlv_count++] = (struct mcuboot_tlv){ type, size, offset, protected };
	const size_t index = tlv_name_index(type);
	if (index < ARRAY_SIZE(tlv_names) && tlv_names[index].signature)
		image->signature = tlv_names[index].signature;
	for (size_t i = 0; !protected && i < ARRAY_SIZE(hashes); i++) {
		if (hashes[i].type != type)
			continue;
		if (size != hashes[i].size)
			return wrong(p, MCUBOOT_BAD_TLV, "the %s TLV at offset %zu has %u bytes, %zu are right", hashes[i].name,
					offset, size, hashes[i].size);
		memcpy(image->hash, p->data + offset, size);
		image->hash_size = size;
		image->hash_type = hashes[i].name;
		p->hashes++;
	}
	return 0;
}

/* Walks one TLV area that starts at `at`; ret_end is where it ends. */
static int parse_area(struct parse *p, size_t at, bool protected, size_t *ret_end)
{
	const char *const what = protected ? "protected TLV area" : "TLV area";
	const uint16_t magic = protected ? TLV_PROTECTED_MAGIC : TLV_INFO_MAGIC;

	if (p->size < at || p->size - at < TLV_INFO_SIZE)
		return wrong(p, MCUBOOT_TRUNCATED, "the file ends at %zu, before its %s at offset %zu", p->size, what, at);
	const uint16_t found = get16(p->data + at);
	if (found != magic)
		return wrong(p, MCUBOOT_BAD_TLV, "no %s at offset %zu: 0x%04x is there instead of 0x%04x", what, at, found,
				magic);
	const uint16_t total = get16(p->data + at + 2);
	if (total < TLV_INFO_SIZE || (protected && total != p->image->protected_size))
		return wrong(p, MCUBOOT_BAD_TLV, "the %s at offset %zu says it is %u bytes long", what, at, total);
	const size_t end = at + total;
	if (end > p->size)
		return wrong(p, MCUBOOT_TRUNCATED, "the file ends at %zu, in the middle of its %s that ends at %zu", p->size,
				what, end);
	for (at += TLV_INFO_SIZE; at < end;) {
		if (end - at < TLV_HEAD_SIZE)
			return wrong(p, MCUBOOT_BAD_TLV, "half a TLV at offset %zu", at);
		const uint16_t type = get16(p->data + at), size = get16(p->data + at + 2);
		if (size > end - at - TLV_HEAD_SIZE)
			return wrong(p, MCUBOOT_BAD_TLV, "TLV 0x%02x at offset %zu is %u bytes long, %zu are left in its area",
					type, at, size, end - at - TLV_HEAD_SIZE);
		const int r = add_tlv(p, type, size, at + TLV_HEAD_SIZE, protected);
		if (r < 0)
			return r;
		at += TLV_HEAD_SIZE + size;
	}
	*ret_end = end;
	return 0;
}

/* SMP §7.2: the digest runs over header, body and the protected area. */
static int check_hash(struct parse *p, size_t covered)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned int size = 0;

	if (p->hashes == 0)
		return wrong(p, MCUBOOT_NO_HASH, "no hash TLV: boards could not list this image");
	if (p->hashes > 1)
		return wrong(p, MCUBOOT_MANY_HASHES, "%u hash TLVs, exactly one is right: boards refuse to list this image",
				p->hashes);
	if (p->image->encrypted)
		return 0; /* the hash is that of the plain text, which only the board can see */
	const EVP_MD *md = EVP_get_digestbyname(p->image->hash_type);
	if (!md || !EVP_Digest(p->data, covered, digest, &size, md, NULL))
		return -ENOMEM;
	if (size != p->image->hash_size || memcmp(digest, p->image->hash, size) != 0)
		return wrong(p, MCUBOOT_HASH_MISMATCH, "the %s TLV does not match the content: the file is damaged",
				p->image->hash_type);
	return 0;
}

static int parse_file(struct parse *p)
{
	size_t end = 0;
	int r = parse_header(p);
	if (r < 0)
		return r;
	const size_t body_end = (size_t)p->image->header_size + p->image->image_size;
	if (body_end > p->size)
		return wrong(p, MCUBOOT_TRUNCATED, "header and body are %zu bytes long, the file has %zu", body_end, p->size);
	size_t at = body_end;
	if (p->image->protected_size) {
		r = parse_area(p, at, true, &at);
		if (r < 0)
			return r;
	}
	const size_t covered = at;
	r = parse_area(p, at, false, &end);
	if (r < 0)
		return r;
	p->image->total_size = end;
	return check_hash(p, covered);
}

int mcuboot_parse(const uint8_t *data, size_t size, struct mcuboot_image *ret, enum mcuboot_problem *ret_problem,
		char *text, size_t text_size)
{
	struct mcuboot_image image = { .file_size = size };
	struct parse p = { .data = data, .size = size, .image = &image, .text = text, .text_size = text_size };

	if (text && text_size)
		text[0] = '\0';
	const int r = parse_file(&p);
	if (ret_problem)
		*ret_problem = p.problem;
	if (r == 0 && ret)
		*ret = image;
	return r;
}

int mcuboot_version_compare(const struct mcuboot_image *image, const char *version)
{
	unsigned long long other[4] = { 0 };
	const unsigned long long mine[4] = { image->major, image->minor, image->revision, image->build };

	(void)sscanf(version, "%20llu.%20llu.%20llu.%20llu", &other[0], &other[1], &other[2], &other[3]);
	for (size_t i = 0; i < ARRAY_SIZE(mine); i++)
		if (mine[i] != other[i])
			return mine[i] < other[i] ? -1 : 1;
	return 0;
}
