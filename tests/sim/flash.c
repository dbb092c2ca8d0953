/* SPDX-License-Identifier: MIT */
#include "flash.h"

#include <errno.h>
#include <openssl/evp.h>

#include "util.h"

#define MAGIC_LEN 16
#define IMAGE_OK_AT 24 /* from the end of the slot: fields padded to 8 bytes */
#define COPY_DONE_AT 32
#define FLAG_SET 1

static const uint8_t boot_magic[MAGIC_LEN] = { 0x77, 0xc2, 0x95, 0xf3, 0x60, 0xd2, 0xef, 0x7f,
					       0x35, 0x52, 0x50, 0x0f, 0x2c, 0xb6, 0x79, 0x80 };

int flash_init(struct flash_area *a, size_t size)
{
	a->size = size;
	a->sectors = calloc(size / FLASH_SECTOR, sizeof(*a->sectors));
	return a->sectors ? 0 : -ENOMEM;
}

void flash_clear(struct flash_area *a)
{
	if (!a->sectors)
		return;
	flash_erase(a, 0, a->size);
	free(TAKE_PTR(a->sectors));
}

void flash_read(const struct flash_area *a, size_t off, void *buf, size_t len)
{
	uint8_t *out = buf;

	while (len) {
		size_t in = off % FLASH_SECTOR, n = MIN(len, FLASH_SECTOR - in);
		const uint8_t *s = off < a->size ? a->sectors[off / FLASH_SECTOR] : NULL;

		if (s)
			memcpy(out, s + in, n);
		else
			memset(out, 0xff, n);
		out += n;
		off += n;
		len -= n;
	}
}

static uint8_t *sector_for_write(struct flash_area *a, size_t i)
{
	if (!a->sectors[i]) {
		a->sectors[i] = malloc(FLASH_SECTOR);
		if (a->sectors[i])
			memset(a->sectors[i], 0xff, FLASH_SECTOR);
	}
	return a->sectors[i];
}

int flash_write(struct flash_area *a, size_t off, const void *buf, size_t len)
{
	const uint8_t *in = buf;

	while (len && off < a->size) {
		size_t at = off % FLASH_SECTOR, n = MIN(len, FLASH_SECTOR - at);
		uint8_t *s = sector_for_write(a, off / FLASH_SECTOR);

		if (!s)
			return -ENOMEM;
		memcpy(s + at, in, n);
		in += n;
		off += n;
		len -= n;
	}
	return 0;
}

void flash_erase(struct flash_area *a, size_t off, size_t len)
{
	if (!len)
		return;
	for (size_t i = off / FLASH_SECTOR;
	     i < a->size / FLASH_SECTOR && i <= (off + len - 1) / FLASH_SECTOR; i++)
		free(TAKE_PTR(a->sectors[i]));
}

static bool sector_is_blank(const uint8_t *s)
{
	for (size_t k = 0; s && k < FLASH_SECTOR; k++)
		if (s[k] != 0xff)
			return false;
	return true;
}

bool flash_is_blank(const struct flash_area *a)
{
	for (size_t i = 0; i < a->size / FLASH_SECTOR; i++)
		if (!sector_is_blank(a->sectors[i]))
			return false;
	return true;
}

void flash_swap_sector(struct flash_area *a, struct flash_area *b, size_t i)
{
	uint8_t *s = a->sectors[i];

	a->sectors[i] = b->sectors[i];
	b->sectors[i] = s;
}

int flash_copy_sector(struct flash_area *to, const struct flash_area *from, size_t i)
{
	flash_erase(to, i * FLASH_SECTOR, FLASH_SECTOR);
	if (!from->sectors[i])
		return 0;
	return flash_write(to, i * FLASH_SECTOR, from->sectors[i], FLASH_SECTOR);
}

void flash_sha256(const struct flash_area *a, size_t len, uint8_t digest[32])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t buf[FLASH_SECTOR];

	if (!md || !EVP_DigestInit_ex(md, EVP_sha256(), NULL))
		abort();
	for (size_t off = 0; off < len; off += FLASH_SECTOR) {
		size_t n = MIN(len - off, sizeof(buf));

		flash_read(a, off, buf, n);
		EVP_DigestUpdate(md, buf, n);
	}
	EVP_DigestFinal_ex(md, digest, NULL);
	EVP_MD_CTX_free(md);
}

static bool flag_read(const struct flash_area *a, size_t at)
{
	uint8_t flag;

	flash_read(a, a->size - at, &flag, 1);
	return flag == FLAG_SET;
}

void flash_trailer_read(const struct flash_area *a, struct flash_trailer *ret)
{
	uint8_t magic[MAGIC_LEN];

	flash_read(a, a->size - MAGIC_LEN, magic, sizeof(magic));
	ret->magic_good = !memcmp(magic, boot_magic, sizeof(magic));
	ret->image_ok = flag_read(a, IMAGE_OK_AT);
	ret->copy_done = flag_read(a, COPY_DONE_AT);
}

void flash_trailer_erase(struct flash_area *a)
{
	flash_erase(a, a->size - FLASH_SECTOR, FLASH_SECTOR);
}

int flash_trailer_write(struct flash_area *a, const struct flash_trailer *t)
{
	const uint8_t set = FLAG_SET;
	int r = 0;

	if (t->magic_good)
		r = flash_write(a, a->size - MAGIC_LEN, boot_magic, sizeof(boot_magic));
	if (!r && t->image_ok)
		r = flash_write(a, a->size - IMAGE_OK_AT, &set, 1);
	if (!r && t->copy_done)
		r = flash_write(a, a->size - COPY_DONE_AT, &set, 1);
	return r;
}

size_t flash_image_max(const struct flash_area *a)
{
	return a->size - FLASH_SECTOR;
}
