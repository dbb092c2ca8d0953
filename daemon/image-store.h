/* SPDX-License-Identifier: MIT */
#pragma once

/* Image files by SHA-256, shared by every job that sends them: one copy in memory for a rack, one in the state directory
 * so that a job outlives the daemon. Bounded in number and bytes: the files longest unused and without a job go first. */

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "proto/macro.h"
#include "proto/mcuboot.h"

struct blob {
	char hash[65]; /* SHA-256 of the file, hex */
	uint8_t sha[32];
	const uint8_t *data;
	size_t size;
	bool is_image; /* info holds */
	struct mcuboot_image info;
	unsigned int references;
};

struct image_store;
int image_store_new(uv_loop_t *loop, const char *state_dir, struct image_store **ret);
void image_store_close(struct image_store *s);

/* By hash: from memory, else from the state directory (read and checked: off the loop; done may come before return of the
 * loop's next turn, never inside). blob NULL: not there. The callback owns the reference it gets. */
void image_store_get(struct image_store *s, const char *hash, void (*done)(void *user, struct blob *blob), void *user);
/* Takes the bytes over (malloc'd), hashes, parses and writes them off the loop. problem: a sentence when blob is NULL.
 * any: also what is no MCUboot image. reason: for BadImage, or NULL for a trouble of the daemon's own. */
void image_store_put(struct image_store *s, uint8_t *data, size_t size, bool any,
		void (*done)(void *user, struct blob *blob, const char *reason, const char *problem), void *user);

/* The size of the file whose image has this hash (its TLV, not the file's); 0: not known. */
size_t image_store_size_of(const struct image_store *s, const uint8_t *image_hash, size_t hash_size);

struct blob *blob_ref(struct blob *b);
void blob_unref(struct blob *b); /* the store keeps it until it needs the room */
DEFINE_FREEP(struct blob, blob_unref)
