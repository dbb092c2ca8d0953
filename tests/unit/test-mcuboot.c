/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "proto/macro.h"
#include "proto/mcuboot.h"
#include "tests/unit/suite.h"

/* A file under construction. */
struct file {
	uint8_t data[70000];
	size_t size;
};

static void put(struct file *f, const void *data, size_t size)
{
	memcpy(f->data + f->size, data, size);
	f->size += size;
}

static void put_16(struct file *f, unsigned int v)
{
	put(f, (const uint8_t[]){(uint8_t)v, (uint8_t)(v >> 8)}, 2);
}

static void put_32(struct file *f, uint32_t v)
{
	put_16(f, v & 0xffff);
	put_16(f, v >> 16);
}

static void put_tlv(struct file *f, unsigned int type, size_t size, uint8_t fill)
{
	put_16(f, type);
	put_16(f, (unsigned int)size);
	memset(f->data + f->size, fill, size);
	f->size += size;
}

struct recipe {
	uint32_t header, body, flags;
	uint8_t version[8]; /* as in the header */
	bool protected; /* dependency and security counter */
	unsigned int hash; /* TLV type; 0: none */
	unsigned int second_hash, protected_hash;
	unsigned int signature;
	unsigned int more; /* further TLVs */
	size_t pad;
	size_t hash_size; /* 0: as it should be */
};

#define PROTECTED_SIZE (4 + 4 + 12 + 4 + 4)

static size_t hash_size(unsigned int type)
{
	return type == 0x10 ? 32 : type == 0x11 ? 48 : 64;
}

static void put_hash(struct file *f, unsigned int type, size_t hashed, size_t size)
{
	unsigned char digest[64];
	unsigned int n;
	EVP_Digest(f->data, hashed, digest, &n, type == 0x10 ? EVP_sha256() : type == 0x11 ? EVP_sha384() : EVP_sha512(), NULL);
	put_16(f, type);
	put_16(f, (unsigned int)size);
	put(f, digest, size);
}

static void make(struct file *f, const struct recipe *r)
{
	f->size = 0;
	put_32(f, 0x96f3b83d);
	put_32(f, 0x08000000);
	put_16(f, r->header);
	put_16(f, r->protected ? PROTECTED_SIZE + (r->protected_hash ? 36 : 0) : 0);
	put_32(f, r->body);
	put_32(f, r->flags);
	put(f, r->version, 8);
	put_32(f, 0);
	memset(f->data + f->size, 0, r->header);
	f->size = r->header > 32 ? r->header : 32;
	for (uint32_t i = 0; i < r->body; i++)
		f->data[f->size++] = (uint8_t)(i * 7);
	if (r->protected) {
		put_16(f, 0x6908);
		put_16(f, PROTECTED_SIZE + (r->protected_hash ? 36 : 0));
		put_tlv(f, 0x40, 12, 0);
		put_tlv(f, 0x50, 4, 1);
		if (r->protected_hash)
			put_tlv(f, r->protected_hash, 32, 9);
	}
	size_t hashed = f->size;
	put_16(f, 0x6907);
	put_16(f, 0);
	if (r->signature)
		put_tlv(f, 0x01, 32, 0xaa);
	if (r->hash)
		put_hash(f, r->hash, hashed, r->hash_size ? r->hash_size : hash_size(r->hash));
	if (r->second_hash)
		put_hash(f, r->second_hash, hashed, hash_size(r->second_hash));
	if (r->signature)
		put_tlv(f, r->signature, 64, 0x55);
	for (unsigned int i = 0; i < r->more; i++)
		put_tlv(f, 0xa0 + 0x100 * i, i % 3, 0x77);
	f->data[hashed + 2] = (uint8_t)(f->size - hashed);
	f->data[hashed + 3] = (uint8_t)((f->size - hashed) >> 8);
	memset(f->data + f->size, 0xff, r->pad);
	f->size += r->pad;
}

struct verdict {
	int result;
	enum mcuboot_problem problem;
	struct mcuboot_image image;
	char text[256];
};

static struct verdict parse(const uint8_t *data, size_t size)
{
	struct verdict v = {0};
	uint8_t *exact = malloc(size ? size : 1);
	memcpy(exact, data, size);
	v.result = mcuboot_parse(exact, size, &v.image, &v.problem, v.text, sizeof(v.text));
	free(exact);
	return v;
}

static struct file file;

static const struct {
	struct recipe recipe;
	enum mcuboot_problem problem;
	const char *version, *hash_type, *signature;
	size_t tlvs;
} rows[] = {
		{{.header = 32, .body = 1000, .hash = 0x10}, MCUBOOT_OK, "0.0.0", "sha256", NULL, 1},
		{{.header = 512, .body = 40000, .hash = 0x10, .version = {1, 2, 3}, .signature = 0x24}, MCUBOOT_OK, "1.2.3",
				"sha256", "ed25519", 3},
		{{.header = 512, .body = 999, .hash = 0x11, .version = {255, 255, 255, 255, 255, 255, 255, 255}, .signature = 0x20},
				MCUBOOT_OK, "255.255.65535.4294967295", "sha384", "rsa2048", 3},
		{{.header = 64, .body = 1, .hash = 0x12, .version = {1, 0, 0, 1, 4}, .signature = 0x22}, MCUBOOT_OK, "1.0.256.4",
				"sha512", "ecdsa", 3},
		{{.header = 32, .body = 0, .hash = 0x10, .signature = 0x23}, MCUBOOT_OK, "0.0.0", "sha256", "rsa3072", 3},
		{{.header = 32, .body = 100, .hash = 0x10, .protected = true}, MCUBOOT_OK, "0.0.0", "sha256", NULL, 3},
		/* a hash in the protected area is none */
		{{.header = 32, .body = 100, .hash = 0x10, .protected = true, .protected_hash = 0x10}, MCUBOOT_OK, "0.0.0", "sha256",
				NULL, 4},
		{{.header = 32, .body = 100, .protected = true, .protected_hash = 0x10}, MCUBOOT_NO_HASH},
		{{.header = 32, .body = 100, .hash = 0x10, .pad = 5000}, MCUBOOT_OK, "0.0.0", "sha256", NULL, 1},
		{{.header = 32, .body = 100, .hash = 0x10, .flags = 0x04}, MCUBOOT_OK, "0.0.0", "sha256", NULL, 1},
		{{.header = 32, .body = 100, .hash = 0x10, .more = 63}, MCUBOOT_OK, "0.0.0", "sha256", NULL, 64},
		{{.header = 32, .body = 100, .hash = 0x10, .more = 64}, MCUBOOT_BAD_TLV},
		{{.header = 32, .body = 100}, MCUBOOT_NO_HASH},
		{{.header = 32, .body = 100, .hash = 0x10, .second_hash = 0x10}, MCUBOOT_MANY_HASHES},
		{{.header = 32, .body = 100, .hash = 0x10, .second_hash = 0x12}, MCUBOOT_MANY_HASHES},
		{{.header = 32, .body = 100, .hash = 0x10, .hash_size = 31}, MCUBOOT_BAD_TLV},
		{{.header = 32, .body = 100, .hash = 0x12, .hash_size = 32}, MCUBOOT_BAD_TLV},
		{{.header = 31, .body = 100, .hash = 0x10}, MCUBOOT_NOT_AN_IMAGE},
		{{.header = 0, .body = 100, .hash = 0x10}, MCUBOOT_NOT_AN_IMAGE},
};

START_TEST(test_images)
{
	make(&file, &rows[_i].recipe);
	struct verdict v = parse(file.data, file.size);
	ck_assert_msg(v.problem == rows[_i].problem, "%d: %s", v.problem, v.text);
	ck_assert_int_eq(v.result, v.problem == MCUBOOT_OK ? 0 : -EBADMSG);
	if (v.result < 0) {
		ck_assert_uint_gt(strlen(v.text), 20);
		return;
	}
	const struct recipe *r = &rows[_i].recipe;
	ck_assert_str_eq(v.image.version, rows[_i].version);
	ck_assert_str_eq(v.image.hash_type, rows[_i].hash_type);
	ck_assert_pstr_eq(v.image.signature, rows[_i].signature);
	ck_assert_uint_eq(v.image.tlv_count, rows[_i].tlvs);
	ck_assert_uint_eq(v.image.hash_size, hash_size(r->hash));
	ck_assert_uint_eq(v.image.file_size, file.size);
	ck_assert_uint_eq(v.image.total_size, file.size - r->pad);
	ck_assert_uint_eq(v.image.header_size, r->header);
	ck_assert_uint_eq(v.image.image_size, r->body);
	ck_assert_uint_eq(v.image.load_address, 0x08000000);
	ck_assert_int_eq(v.image.encrypted, r->flags == 0x04);
	for (size_t i = 0; i < v.image.tlv_count; i++) {
		const struct mcuboot_tlv *t = &v.image.tlvs[i];
		ck_assert_uint_le(t->offset + t->size, v.image.total_size);
		ck_assert_int_eq(t->protected, t->offset < r->header + r->body + v.image.protected_size);
	}
}
END_TEST

/* Cut at every length: never taken, and told apart from what was no image at all. */
START_TEST(test_cut)
{
	const struct recipe r = {.header = 64, .body = 300, .hash = 0x10, .protected = true, .signature = 0x24};
	make(&file, &r);
	for (size_t n = 0; n < file.size; n++) {
		struct verdict v = parse(file.data, n);
		ck_assert_int_eq(v.result, -EBADMSG);
		ck_assert_msg(v.problem == (n < 4 ? MCUBOOT_NOT_AN_IMAGE : MCUBOOT_TRUNCATED), "%zu: %s", n, v.text);
		ck_assert_uint_gt(strlen(v.text), 10);
	}
	ck_assert_int_eq(parse(file.data, file.size).result, 0);
}
END_TEST

/* Every byte changed in two ways: noticed, unless it lies where the hash does not reach. */
START_TEST(test_damaged)
{
	const struct recipe r = {.header = 64, .body = 300, .hash = 0x10, .protected = true, .signature = 0x24};
	make(&file, &r);
	size_t hashed = 64 + 300 + PROTECTED_SIZE;
	for (size_t i = 0; i < file.size; i++) {
		static const uint8_t flips[] = {0x01, 0x80, 0xff};
		for (size_t k = 0; k < sizeof(flips); k++) {
			file.data[i] ^= flips[k];
			struct verdict v = parse(file.data, file.size);
			file.data[i] ^= flips[k];
			/* a flag of encryption takes the check away */
			if (i < hashed && !(i == 16 && (flips[k] & 0x0c)))
				ck_assert_msg(v.result == -EBADMSG, "offset %zu", i);
			if (i >= 64 && i < 64 + 300)
				ck_assert_int_eq(v.problem, MCUBOOT_HASH_MISMATCH);
		}
	}
}
END_TEST

/* Fields set to what a hostile file would say: offset of the field, its size, value. */
static const struct {
	size_t at;
	unsigned int bytes;
	uint32_t value;
	enum mcuboot_problem problem;
	const char *part; /* of the sentence */
} fields[] = {
		{12, 4, 0xffffffff, MCUBOOT_TRUNCATED, "4294967387"},
		{12, 4, 0xffffffe0, MCUBOOT_TRUNCATED, "cut short"},
		{8, 2, 0xffff, MCUBOOT_TRUNCATED, "cut short"},
		{10, 2, 0xffff, MCUBOOT_TRUNCATED, "cut short"},
		{10, 2, 0, MCUBOOT_BAD_TLV, "0x6908 instead of 0x6907"},
		{10, 2, 3, MCUBOOT_BAD_TLV, "less than their own header"},
		{10, 2, PROTECTED_SIZE - 4, MCUBOOT_BAD_TLV, "another number"},
		{12, 4, 299, MCUBOOT_BAD_TLV, "no protected TLVs at offset 363"},
		{364, 2, 0x6907, MCUBOOT_BAD_TLV, "0x6907 instead of 0x6908"},
		{366, 2, 3, MCUBOOT_BAD_TLV, "announce 3 bytes"},
		{366, 2, 0xffff, MCUBOOT_BAD_TLV, "announce 65535 bytes"},
		{370, 2, 13, MCUBOOT_BAD_TLV, "passes the end"},
		{370, 2, 0xffff, MCUBOOT_BAD_TLV, "offset 368 passes the end"},
		{364 + PROTECTED_SIZE, 2, 0, MCUBOOT_BAD_TLV, "no TLVs"},
		{366 + PROTECTED_SIZE, 2, 3, MCUBOOT_BAD_TLV, "announce 3 bytes"},
		{366 + PROTECTED_SIZE, 2, 0xffff, MCUBOOT_TRUNCATED, "cut short"},
		{366 + PROTECTED_SIZE, 2, 40, MCUBOOT_NO_HASH, "imgtool"},
		{366 + PROTECTED_SIZE, 2, 41, MCUBOOT_BAD_TLV, "passes the end"},
		{366 + PROTECTED_SIZE, 2, 4, MCUBOOT_NO_HASH, "imgtool"},
		{370 + PROTECTED_SIZE, 2, 0xffff, MCUBOOT_BAD_TLV, "passes the end"},
};

START_TEST(test_fields)
{
	const struct recipe r = {.header = 64, .body = 300, .hash = 0x10, .protected = true, .signature = 0x24};
	make(&file, &r);
	for (unsigned int i = 0; i < fields[_i].bytes; i++)
		file.data[fields[_i].at + i] = (uint8_t)(fields[_i].value >> 8 * i);
	struct verdict v = parse(file.data, file.size);
	ck_assert_msg(v.problem == fields[_i].problem, "%d: %s", v.problem, v.text);
	ck_assert_msg(strstr(v.text, fields[_i].part), "%s", v.text);
}
END_TEST

START_TEST(test_encrypted)
{
	const struct recipe r = {.header = 32, .body = 100, .hash = 0x10, .flags = 0x08};
	make(&file, &r);
	file.data[40] ^= 1; /* as encryption would */
	struct verdict v = parse(file.data, file.size);
	ck_assert_int_eq(v.result, 0);
	ck_assert(v.image.encrypted);
}
END_TEST

static const struct {
	const char *data;
	size_t size;
	const char *part;
} strangers[] = {
		{"", 0, "empty"},
		{"\x7f" "ELF\x01\x01\x01", 7, "an ELF file"},
		{":020000040000FA\n", 16, "Intel hex"},
		{":10000000", 9, "Intel hex"},
		{"S00600004844521B", 16, "S-record"},
		{"UF2\nWQ]\x9e", 8, "UF2"},
		{"PK\x03\x04\x14", 5, "zip archive: unpack"},
		{"\x1f\x8b\x08", 3, "gzip"},
		{"\xfd" "7zXZ\0", 6, "xz"},
		{"\x3c\xb8\xf3\x96", 4, "old format"},
		{"{\"format-version\": 0}", 21, "text"},
		{"\x00\x20\x00\x20\xc1\x01\x00\x00....", 12, "not signed"},
		{"\xff\xff\xff\xff\xff\xff\xff\xff", 8, "not an MCUboot image: send the signed"},
		{"\x3d", 1, "not an MCUboot image"},
		{"\x96\xf3\xb8\x3d", 4, "not an MCUboot image"},
};

START_TEST(test_strangers)
{
	struct verdict v = parse((const uint8_t *)strangers[_i].data, strangers[_i].size);
	ck_assert_int_eq(v.result, -EBADMSG);
	ck_assert_int_eq(v.problem, MCUBOOT_NOT_AN_IMAGE);
	ck_assert_msg(strstr(v.text, strangers[_i].part), "%s", v.text);
}
END_TEST

START_TEST(test_text_is_cut)
{
	char text[12];
	enum mcuboot_problem problem;
	struct mcuboot_image image;
	ck_assert_int_eq(mcuboot_parse((const uint8_t *)"hello", 5, &image, &problem, text, sizeof(text)), -EBADMSG);
	ck_assert_str_eq(text, "not an MCUb");
	ck_assert_int_eq(mcuboot_parse((const uint8_t *)"hello", 5, &image, NULL, text, sizeof(text)), -EBADMSG);
}
END_TEST

static const struct {
	uint8_t version[8];
	const char *other;
	int order;
} compare_rows[] = {
		{{1, 2, 3}, "1.2.3", 0},
		{{1, 2, 3}, "1.2.3.0", 0},
		{{1, 2, 3, 0, 4}, "1.2.3.4", 0},
		{{1, 2, 3, 0, 4}, "1.2.3+4", 0},
		{{1, 2, 3}, "1.2.10", -1},
		{{1, 10, 0}, "1.9.9", 1},
		{{2, 0, 0}, "10.0.0", -1},
		{{1, 2, 3, 0, 4}, "1.2.3", 1},
		{{1, 2, 3}, "1.2.3.1", -1},
		{{0, 0, 0}, "", 0},
		{{1, 0, 0}, "v1", 0},
		{{255, 255, 255, 255, 255, 255, 255, 255}, "255.255.65535.4294967295", 0},
		{{255, 255, 255, 255, 255, 255, 255, 255}, "99999999999999999999999999", -1},
};

START_TEST(test_compare)
{
	struct recipe r = {.header = 32, .body = 10, .hash = 0x10};
	memcpy(r.version, compare_rows[_i].version, 8);
	make(&file, &r);
	struct verdict v = parse(file.data, file.size);
	ck_assert_int_eq(v.result, 0);
	int order = mcuboot_version_compare(&v.image, compare_rows[_i].other);
	ck_assert_int_eq((order > 0) - (order < 0), compare_rows[_i].order);
}
END_TEST

START_TEST(test_names)
{
	static const char *const problems[] = {"ok", "not-an-image", "truncated", "bad-tlv", "no-hash", "many-hashes", "hash-mismatch"};
	for (size_t i = 0; i < ARRAY_SIZE(problems); i++)
		ck_assert_str_eq(mcuboot_problem_name((enum mcuboot_problem)i), problems[i]);
	ck_assert_ptr_null(mcuboot_problem_name((enum mcuboot_problem)ARRAY_SIZE(problems)));
	ck_assert_str_eq(mcuboot_tlv_name(0x10), "SHA256");
	ck_assert_str_eq(mcuboot_tlv_name(0x24), "ED25519");
	ck_assert_str_eq(mcuboot_tlv_name(0x74), mcuboot_tlv_name(0x80));
	ck_assert_ptr_null(mcuboot_tlv_name(0xa0));
	ck_assert_str_eq(mcuboot_flag_name(2), "ENCRYPTED_AES128");
	ck_assert_str_eq(mcuboot_flag_name(4), "NON_BOOTABLE");
	ck_assert_ptr_null(mcuboot_flag_name(1));
	ck_assert_ptr_null(mcuboot_flag_name(12));
	ck_assert_ptr_null(mcuboot_flag_name(32));
}
END_TEST

int main(void)
{
	TCase *t = tcase_create("mcuboot");
	tcase_add_loop_test(t, test_images, 0, (int)ARRAY_SIZE(rows));
	tcase_add_test(t, test_cut);
	tcase_add_test(t, test_damaged);
	tcase_add_loop_test(t, test_fields, 0, (int)ARRAY_SIZE(fields));
	tcase_add_test(t, test_encrypted);
	tcase_add_loop_test(t, test_strangers, 0, (int)ARRAY_SIZE(strangers));
	tcase_add_test(t, test_text_is_cut);
	tcase_add_loop_test(t, test_compare, 0, (int)ARRAY_SIZE(compare_rows));
	tcase_add_test(t, test_names);
	Suite *s = suite_create("mcuboot");
	suite_add_tcase(s, t);
	return suite_run(s);
}
