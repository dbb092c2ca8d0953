/* SPDX-License-Identifier: MIT */
#pragma once

/* CBOR payloads of SMP messages: a bounded decoder and a writer.
 *
 * Decoding uses libcbor's streaming decoder with limits of our own, because what a board sends is hostile until checked
 * (a five-byte string header can announce 4 GiB). Definite and indefinite lengths are both taken (SMP §3). The result is
 * a tree inside one document; strings point into a copy of the input, so the tree outlives the caller's buffer. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/macro.h"

#define VALUE_DEPTH_MAX 8
#define VALUE_ITEMS_MAX 4096

enum value_kind {
	VALUE_UINT,
	VALUE_NEGINT, /* value is -1 - uint */
	VALUE_BYTES,
	VALUE_TEXT,
	VALUE_ARRAY,
	VALUE_MAP,
	VALUE_BOOL,
	VALUE_NULL,
	VALUE_UNDEFINED,
	VALUE_FLOAT,
	VALUE_SIMPLE, /* other simple values: uint */
	VALUE_TAG,    /* uint is the tag, items[0] the content */
};

struct value {
	enum value_kind kind;
	bool boolean;
	uint64_t uint;
	double number;
	const uint8_t *data; /* bytes or text; text is checked to be UTF-8 nowhere: clean it before use */
	size_t size;	     /* of data; or number of items; a map has 2 * pairs items: key, value, key, value */
	struct value *items;
};

struct value_doc; /* owns a tree */

/* Decodes exactly one data item that fills the input. 0, -EBADMSG (not CBOR, or trailing bytes), -E2BIG (a limit
 * above), -ENOMEM. ret_at (may be NULL) is the offset of the trouble. */
int value_decode(const uint8_t *data, size_t size, struct value_doc **ret, size_t *ret_at);
const struct value *value_root(const struct value_doc *doc);
void value_doc_free(struct value_doc *doc);
DEFINE_FREEP(struct value_doc, value_doc_free)

/* Looks a text key up in a map; NULL when it is absent or map is no map (or NULL). */
const struct value *value_get(const struct value *map, const char *key);

/* Typed reads, for any integer width and sign. false when v is NULL, of another kind or out of range. */
bool value_to_uint(const struct value *v, uint64_t *ret);
bool value_to_int(const struct value *v, int64_t *ret);
bool value_to_bool(const struct value *v, bool *ret);

/* Board text as a NUL-terminated string that is safe in JSON: invalid UTF-8 becomes U+FFFD, NUL too. malloc'd. */
char *value_to_text(const struct value *v);

/* A writer into a growing buffer; the first error sticks and is returned by writer_finish. Definite lengths only. */
struct writer {
	uint8_t *data;
	size_t size, capacity;
	int error;
};

void writer_map(struct writer *w, size_t pairs);
void writer_array(struct writer *w, size_t items);
void writer_uint(struct writer *w, uint64_t v);
void writer_int(struct writer *w, int64_t v);
void writer_negint(struct writer *w, uint64_t v); /* -1 - v */
void writer_bool(struct writer *w, bool v);
void writer_null(struct writer *w);
void writer_float(struct writer *w, double v);
void writer_text(struct writer *w, const char *text);
void writer_text_n(struct writer *w, const char *text, size_t size);
void writer_bytes(struct writer *w, const void *data, size_t size);

/* Ends the writing: the bytes are the caller's to free. On error frees them and returns it. */
int writer_finish(struct writer *w, uint8_t **ret, size_t *ret_size);
void writer_release(struct writer *w);

/* Bytes that the head of a string, array, map or integer with this argument takes: 1, 2, 3, 5 or 9. */
size_t value_head_size(uint64_t argument);
