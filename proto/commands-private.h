/* SPDX-License-Identifier: MIT */
#pragma once

/* What the files of the command table share among themselves. */

#include <sys/types.h>

#include "proto/commands.h"

/* Where in a message something is, as a chain on the stack, for errors: "images[2].slot". */
struct place {
	const struct place *up;
	const char *key; /* NULL: an item of an array */
	size_t index;
};

/* text: "'PLACE' SENTENCE"; without a place "the payload SENTENCE". Returns error. */
_printf_(5, 6) int smp_place_fail(const struct place *at, int error, char *text, size_t text_size, const char *format, ...);

const char *smp_kind_name(enum value_kind kind); /* "a text", "an array" ... */

json_object *smp_new_uint(uint64_t v); /* beyond 2^63-1: a decimal string */
bool smp_decimal_to_uint(const char *text, uint64_t *ret); /* canonical decimal */

/* A map name -> map as an array of objects, by fields (FIELD_NAMED_LIST). */
int smp_decode_named_list(const struct smp_field *fields, const struct value *map, json_object **ret);

extern const struct smp_field smp_memory_pool_fields[];

int smp_fix_tasks(const struct value *reply, json_object *ret);
int smp_fix_memory_pools(const struct value *reply, json_object *ret);
int smp_fix_bootloader(const struct value *reply, json_object *ret);
int smp_fix_time(const struct value *reply, json_object *ret);
int smp_fix_shell(const struct value *reply, json_object *ret);
