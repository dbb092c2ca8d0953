/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * NOR flash of a board, in sectors of 4 KiB. Erased sectors take no memory, so
 * that a rack of a hundred boards stays small. Everything here outlives a
 * power cut; it is the only state of a board that does.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLASH_SECTOR 4096

struct flash_area {
	uint8_t **sectors; /* NULL is an erased sector */
	size_t size;       /* bytes, a multiple of FLASH_SECTOR */
};

int flash_init(struct flash_area *a, size_t size);
void flash_clear(struct flash_area *a);

/* Bytes past the end read as erased, and are not written. */
void flash_read(const struct flash_area *a, size_t off, void *buf, size_t len);
int flash_write(struct flash_area *a, size_t off, const void *buf, size_t len);

/* Erases every sector that [off, off + len) touches. */
void flash_erase(struct flash_area *a, size_t off, size_t len);
bool flash_is_blank(const struct flash_area *a);

/* Exchanges or copies one sector. */
void flash_swap_sector(struct flash_area *a, struct flash_area *b, size_t sector);
int flash_copy_sector(struct flash_area *to, const struct flash_area *from, size_t sector);

/* SHA-256 of the first `len` bytes. */
void flash_sha256(const struct flash_area *a, size_t len, uint8_t digest[32]);

/* MCUboot's trailer at the end of a slot (SMP §7.3). */
struct flash_trailer {
	bool magic_good, image_ok, copy_done;
};

void flash_trailer_read(const struct flash_area *a, struct flash_trailer *ret);
int flash_trailer_write(struct flash_area *a, const struct flash_trailer *t);
void flash_trailer_erase(struct flash_area *a);
/* What an image may use of a slot that has a trailer. */
size_t flash_image_max(const struct flash_area *a);
