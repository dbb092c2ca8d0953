/* SPDX-License-Identifier: MIT */
#pragma once

/* What the image group's files and the control socket share. */

#include "smp.h"

#define IMG_ACTIVE 1u
#define IMG_CONFIRMED 2u
#define IMG_PENDING 4u
#define IMG_PERMANENT 8u

/* IMG_ACTIVE …: the flags of a slot in image state (SMP §7.4). */
unsigned int img_slot_flags(const struct board *b, int image, int slot);
bool img_slot_in_use(const struct board *b, int image, int slot);
