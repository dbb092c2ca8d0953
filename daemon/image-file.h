/* SPDX-License-Identifier: MIT */
#pragma once

/* Files of the image store on disk, in one folder, named by their hash. For any thread. */

#include <stddef.h>
#include <stdint.h>

#include "proto/macro.h"

/* The name comes into being with the whole content or not at all. 0 also when it is there already. */
int image_file_write(const char *folder, const char *hash, const uint8_t *data, size_t size);
/* 0; -EBADMSG when it has another size. */
int image_file_read(const char *folder, const char *hash, size_t size, uint8_t **ret);
void image_file_remove(const char *folder, const char *hash);

struct image_file {
	char hash[65];
	size_t size;
};
/* What the folder holds, oldest first; removes drafts of a daemon that ended while it wrote. */
int image_file_list(const char *folder, struct image_file **ret, size_t *ret_count);
