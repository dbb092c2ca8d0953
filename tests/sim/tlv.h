/* SPDX-License-Identifier: MIT */
#pragma once

/* TLV numbers of an MCUboot image (SMP §7.1). */

#define TLV_INFO_MAGIC 0x6907
#define TLV_PROTECTED_MAGIC 0x6908

#define TLV_KEYHASH 0x01
#define TLV_SHA256 0x10
#define TLV_SHA384 0x11
#define TLV_SHA512 0x12
#define TLV_ECDSA 0x22
#define TLV_SEC_CNT 0x50

/* A signature that begins so is one the simulated bootloader refuses. */
#define SIGNATURE_REFUSED "refused by the simulated bootloader"
