/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * CBOR as an SMP server sees it (SMP §3): a request is one map with text keys,
 * a reply is written front to back into a buffer of fixed size.
 *
 * Reading is bounded: depth, entries and lengths are checked before anything
 * is believed, and nothing is allocated. Fields point into the request.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAYLOAD_MAX_FIELDS 64 /* entries of a request that are kept; more are skipped */
#define PAYLOAD_MAX_ITEMS 32  /* elements kept of an array */
#define PAYLOAD_MAX_DEPTH 8

enum payload_kind { KIND_OTHER, KIND_UINT, KIND_NINT, KIND_BYTES, KIND_TEXT, KIND_BOOL, KIND_ARRAY };

struct payload_value {
	enum payload_kind kind;
	uint64_t number;    /* KIND_UINT, KIND_BOOL; KIND_NINT is -1 - number; KIND_ARRAY: elements */
	const uint8_t *data; /* KIND_BYTES, KIND_TEXT */
	size_t len;
	size_t first; /* KIND_ARRAY: index of its first element in struct payload.items */
};

struct payload_field {
	const uint8_t *key;
	size_t key_len;
	struct payload_value value;
};

struct payload {
	struct payload_field fields[PAYLOAD_MAX_FIELDS];
	size_t n_fields;
	struct payload_value items[PAYLOAD_MAX_ITEMS]; /* elements of arrays, in order */
	size_t n_items;
};

/* Reads the map at the start of `data`; bytes after it are ignored. -EBADMSG when it is none. */
int payload_read(const uint8_t *data, size_t len, struct payload *ret);

/*
 * The wanted fields of a request. A row names a key and where its value goes;
 * `found` is set when the key was there. As the decoder of Zephyr does,
 * unknown keys are skipped, and a wrong type or a repeated key is an error.
 */
struct payload_want {
	const char *key;
	enum payload_kind kind;
	void *value; /* KIND_UINT: uint64_t, KIND_BOOL: bool, else: struct payload_value */
	bool found;
};

/* 0, or -EBADMSG (which the SMP layer reports as rc 3). */
int payload_get(const struct payload *m, struct payload_want *want, size_t n_want);

/* Writes into `buf`; what does not fit sets `full` and is dropped. */
struct writer {
	uint8_t *buf;
	size_t cap, len;
	bool full;
	bool definite; /* definite lengths, as canonical builds write them */
	struct {
		size_t at, count;
		uint8_t major;
	} open[PAYLOAD_MAX_DEPTH];
	size_t depth;
};

void writer_map_begin(struct writer *w);
void writer_map_end(struct writer *w);
void writer_list_begin(struct writer *w);
void writer_list_end(struct writer *w);
void writer_uint(struct writer *w, uint64_t v);
void writer_int(struct writer *w, int64_t v);
void writer_bool(struct writer *w, bool v);
void writer_bytes(struct writer *w, const void *data, size_t len);
void writer_text(struct writer *w, const char *text);
void writer_text_n(struct writer *w, const void *text, size_t len);

/* A key with its value, for maps. */
void writer_pair_uint(struct writer *w, const char *key, uint64_t v);
void writer_pair_int(struct writer *w, const char *key, int64_t v);
void writer_pair_bool(struct writer *w, const char *key, bool v);
void writer_pair_bytes(struct writer *w, const char *key, const void *data, size_t len);
void writer_pair_text(struct writer *w, const char *key, const char *text);
