/* SPDX-License-Identifier: MIT */
#pragma once

/* A small record of the state directory: keys and values as lines of text, "key=value".
 *
 * Keys are plain words, once each, in the order they were set first. In values, control bytes, '%' and bytes that are not
 * ASCII are written as %XX, so that any string of a board comes back as it was and no value can make a line of its own. */

#include <stddef.h>
#include <stdint.h>

#include "proto/macro.h"

/* The largest is a failed job with its evidence (job-ended.h). */
#define RECORD_BYTES_MAX 65536
#define RECORD_KEYS_MAX 72

struct record;
int record_new(struct record **ret);
void record_free(struct record *r);
DEFINE_FREEP(struct record, record_free)

int record_copy(const struct record *r, struct record **ret);

/* 0, -EINVAL (no key), -E2BIG, -ENOMEM. value NULL removes the key. */
int record_set(struct record *r, const char *key, const char *value);
int record_set_number(struct record *r, const char *key, uint64_t value);
const char *record_get(const struct record *r, const char *key); /* NULL when absent */
uint64_t record_number(const struct record *r, const char *key, uint64_t otherwise);

/* 0, -EBADMSG with the number of the line, -E2BIG. */
int record_parse(const char *text, size_t size, struct record **ret, unsigned int *ret_line);
/* malloc'd; NULL when memory ran out. */
char *record_print(const struct record *r, size_t *ret_size);
