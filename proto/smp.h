/* SPDX-License-Identifier: MIT */
#pragma once

/* SMP messages: the header (SMP §1), group and return code names (SMP §4), and what a reply says of success. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/value.h"

#define SMP_HEADER_SIZE 8
#define SMP_MESSAGE_MAX (SMP_HEADER_SIZE + 65535)
#define SMP_REASON_MAX 512 /* bytes: real ones are a few words, and they go into messages and records */

enum smp_op { SMP_READ = 0, SMP_READ_REPLY = 1, SMP_WRITE = 2, SMP_WRITE_REPLY = 3 };

enum smp_version { SMP_V1 = 0, SMP_V2 = 1 };

enum smp_group {
	SMP_OS = 0,
	SMP_IMAGE = 1,
	SMP_STAT = 2,
	SMP_SETTINGS = 3,
	SMP_LOG = 4,
	SMP_CRASH = 5,
	SMP_SPLIT = 6,
	SMP_RUN = 7,
	SMP_FS = 8,
	SMP_SHELL = 9,
	SMP_ENUM = 10,
	SMP_TRANSPORT = 11,
	SMP_ZEPHYR = 63,
	SMP_PERUSER = 64,
};

/* Plain return codes (SMP §4.1). */
enum smp_rc {
	SMP_EOK = 0,
	SMP_EUNKNOWN = 1,
	SMP_ENOMEM = 2,
	SMP_EINVAL = 3,
	SMP_ETIMEOUT = 4,
	SMP_ENOENT = 5,
	SMP_EBADSTATE = 6,
	SMP_EMSGSIZE = 7,
	SMP_ENOTSUP = 8,
	SMP_ECORRUPT = 9,
	SMP_EBUSY = 10,
	SMP_EACCESSDENIED = 11,
	SMP_TOO_OLD = 12,
	SMP_TOO_NEW = 13,
};

struct smp_header {
	uint8_t op;	 /* enum smp_op; values 4..7 are decoded too */
	uint8_t version; /* enum smp_version; 2 and 3 are reserved */
	uint8_t flags;
	uint16_t length; /* of the payload */
	uint16_t group;
	uint8_t sequence;
	uint8_t id;
};

/* 0, or -EBADMSG when there are fewer than 8 bytes or length does not fit size exactly. */
int smp_header_decode(const uint8_t *data, size_t size, struct smp_header *ret);
void smp_header_encode(const struct smp_header *h, uint8_t out[SMP_HEADER_SIZE]);

/* Whether a reply header belongs to a request: op + 1, same group, id and sequence (SMP §1). */
bool smp_header_answers(const struct smp_header *reply, const struct smp_header *request);

/* What a board's reply says of success. group is -1 for a plain rc. */
struct smp_status {
	bool failed;
	int group;
	uint64_t rc;
	char *reason; /* `rsn`, cleaned, or NULL; malloc'd. Of one that is longer than SMP_REASON_MAX, the beginning. */
};

/* Reads err, rc and the old ret map in the order of SMP §4. request_group 9: rc beside o is the shell's result. */
int smp_status_decode(const struct value *reply, uint16_t request_group, struct smp_status *ret);
void smp_status_release(struct smp_status *status);

/* Whether the board says that it does not have the command (rc 8). */
bool smp_status_unsupported(const struct smp_status *status);

/* Names as in the SMP reference; NULL when unknown. group -1: the plain codes. */
const char *smp_group_name(unsigned int group);		    /* "OS", "image", "file system" ... */
const char *smp_rc_name(int group, uint64_t rc);	    /* "ENOTSUP", "NO_FREE_SLOT" */
const char *smp_rc_text(int group, uint64_t rc);	    /* a sentence without a full stop */
const char *smp_rc_hint(int group, uint64_t rc, unsigned int request_group, unsigned int request_id); /* or NULL */
const char *smp_bootloader_mode_name(int64_t mode);	    /* "swap using move" ...; NULL when unknown */
