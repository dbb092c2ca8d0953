/* SPDX-License-Identifier: MIT */
#pragma once

/* Files of whoever runs mcumgrctl: the daemon never reads one on a client's word. */

#include <stddef.h>
#include <stdint.h>

struct ctl;

/* Largest file read; a board's flash is far smaller. */
#define FILE_SIZE_MAX (64u << 20)

/* The whole of a file; "-": of stdin. 0, or an exit code of something reported. *ret is malloc'd. */
int file_read(struct ctl *ctl, const char *path, uint8_t **ret, size_t *ret_size);
