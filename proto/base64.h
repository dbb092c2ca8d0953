/* SPDX-License-Identifier: MIT */
#pragma once

/* Base64 as the API writes binary values: standard alphabet, padded, no white space (RFC 4648 §4). */

#include <stddef.h>
#include <stdint.h>

/* malloc'd and NUL-terminated; NULL: out of memory. ret_size (without the NUL) may be NULL. */
char *base64_encode(const void *data, size_t size, size_t *ret_size);

/* 0; -EBADMSG for anything but canonical base64, with the offset of the trouble in ret_at (may be NULL); -ENOMEM.
 * ret is malloc'd, never NULL on success. */
int base64_decode(const char *text, size_t size, uint8_t **ret, size_t *ret_size, size_t *ret_at);
