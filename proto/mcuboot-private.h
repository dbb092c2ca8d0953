/* SPDX-License-Identifier: MIT */
#pragma once

/* Between mcuboot.c and its tables. */

#include <string.h>

#include "proto/mcuboot.h"

const char *mcuboot_signature_name(uint16_t type); /* NULL: not a signature */
/* "an ELF file", and what to do about it; NULL when it looks like nothing known (the advice is general then). */
const char *mcuboot_looks_like(const uint8_t *data, size_t size, const char **ret_advice);
