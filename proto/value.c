/* SPDX-License-Identifier: MIT */
#include "proto/value.h"

#include <cbor.h>
#include <errno.h>
#include <string.h>

/* An open container. Its children wait on the pending stack until it is closed. */
struct level {
	enum value_kind kind; /* array, map, tag, or the string whose chunks come */
	bool indefinite;
	size_t left;  /* children still to come, when definite */
	size_t first; /* index of its first child on the pending stack */
	uint64_t tag;
	size_t size; /* of a chunked string so far */
	size_t data; /* where the chunks are gathered in the copy */
};

/* One allocation: the document, slots for all values, and the copy of the input. An item takes a byte at least, so
 * there are never more values than bytes. Finished children fill the slots from the bottom, pending ones from the top.
 */
struct value_doc {
	struct value root;
	uint8_t *copy;
	size_t slots, done, pending;
	struct value values[];
};

struct decoder {
	struct value_doc *doc;
	const uint8_t *input;
	size_t at, size;
	struct level levels[VALUE_DEPTH_MAX];
	size_t depth, items;
	bool complete;
	int error;
};

static void fail(struct decoder *d, int error)
{
	if (d->error == 0)
		d->error = error;
}

/* An indefinite string is open: only its chunks and the break may come. */
static bool gathers_chunks(const struct decoder *d)
{
	enum value_kind kind = d->depth > 0 ? d->levels[d->depth - 1].kind : VALUE_NULL;
	return kind == VALUE_BYTES || kind == VALUE_TEXT;
}

static struct value *pending_slot(struct value_doc *doc, size_t index)
{
	return &doc->values[doc->slots - 1 - index];
}

/* Moves the children of the closing container below, in order. */
static void adopt(struct value_doc *doc, size_t first, struct value *parent)
{
	size_t count = doc->pending - first;
	parent->items = &doc->values[doc->done];
	parent->size = count;

	/* The ends may overlap while children move; pending ones lie in reverse order. */
	struct value *to = parent->items;
	if (count > 0)
		memmove(to, pending_slot(doc, doc->pending - 1), count * sizeof(*to));
	for (size_t low = 0, high = count; low + 1 < high; low++) {
		struct value swap = to[low];
		to[low] = to[--high];
		to[high] = swap;
	}
	doc->done += count;
	doc->pending = first;
}

static void add(struct decoder *d, struct value v);

static void close_level(struct decoder *d)
{
	struct level *l = &d->levels[--d->depth];
	struct value v = {.kind = l->kind, .uint = l->tag};
	if (l->kind == VALUE_BYTES || l->kind == VALUE_TEXT) {
		v.data = d->doc->copy + l->data;
		v.size = l->size;
	} else {
		adopt(d->doc, l->first, &v);
	}
	add(d, v);
}

/* A value is complete: the root, or a child of the innermost container. */
static void add(struct decoder *d, struct value v)
{
	if (d->depth == 0) {
		d->doc->root = v;
		d->complete = true;
		return;
	}
	if (gathers_chunks(d)) {
		fail(d, -EBADMSG);
		return;
	}
	struct level *l = &d->levels[d->depth - 1];
	*pending_slot(d->doc, d->doc->pending++) = v;
	if (!l->indefinite && --l->left == 0)
		close_level(d);
}

static bool count_item(struct decoder *d)
{
	if (++d->items <= VALUE_ITEMS_MAX)
		return true;
	fail(d, -E2BIG);
	return false;
}

static void add_counted(struct decoder *d, struct value v)
{
	if (count_item(d))
		add(d, v);
}

static void open_level(struct decoder *d, enum value_kind kind, bool indefinite, size_t count, uint64_t tag)
{
	if (!count_item(d))
		return;
	if (gathers_chunks(d))
		fail(d, -EBADMSG);
	else if (d->depth == VALUE_DEPTH_MAX || count > VALUE_ITEMS_MAX)
		fail(d, -E2BIG);
	else if (count > d->size - d->at) /* a child is a byte at least */
		fail(d, -EBADMSG);
	if (d->error < 0)
		return;
	d->levels[d->depth++] = (struct level){.kind = kind,
		.indefinite = indefinite,
		.left = count,
		.first = d->doc->pending,
		.tag = tag,
		.data = d->at};
	if (!indefinite && count == 0)
		close_level(d);
}

#define ON_INTEGER(name, type, sort)                                                                                   \
	static void name(void *user, type v)                                                                           \
	{                                                                                                              \
		add_counted(user, (struct value){.kind = sort, .uint = v});                                            \
	}
ON_INTEGER(on_uint8, uint8_t, VALUE_UINT)
ON_INTEGER(on_uint16, uint16_t, VALUE_UINT)
ON_INTEGER(on_uint32, uint32_t, VALUE_UINT)
ON_INTEGER(on_uint64, uint64_t, VALUE_UINT)
ON_INTEGER(on_negint8, uint8_t, VALUE_NEGINT)
ON_INTEGER(on_negint16, uint16_t, VALUE_NEGINT)
ON_INTEGER(on_negint32, uint32_t, VALUE_NEGINT)
ON_INTEGER(on_negint64, uint64_t, VALUE_NEGINT)

/* data lies in the input, all of it: libcbor has checked. */
static void on_string(struct decoder *d, enum value_kind kind, const uint8_t *data, size_t size)
{
	uint8_t *copy = d->doc->copy + (data - d->input);
	if (!gathers_chunks(d)) {
		add_counted(d, (struct value){.kind = kind, .data = copy, .size = size});
		return;
	}
	struct level *l = &d->levels[d->depth - 1];
	if (l->kind != kind) {
		fail(d, -EBADMSG);
	} else if (count_item(d)) {
		memmove(d->doc->copy + l->data + l->size, copy, size);
		l->size += size;
	}
}

static void on_bytes(void *user, cbor_data data, size_t size)
{
	on_string(user, VALUE_BYTES, data, size);
}

static void on_text(void *user, cbor_data data, size_t size)
{
	on_string(user, VALUE_TEXT, data, size);
}

static void on_bytes_start(void *user)
{
	open_level(user, VALUE_BYTES, true, 0, 0);
}

static void on_text_start(void *user)
{
	open_level(user, VALUE_TEXT, true, 0, 0);
}

static void on_array(void *user, size_t count)
{
	open_level(user, VALUE_ARRAY, false, count, 0);
}

static void on_array_start(void *user)
{
	open_level(user, VALUE_ARRAY, true, 0, 0);
}

static void on_map(void *user, size_t pairs)
{
	/* 2 * pairs must not wrap */
	open_level(user, VALUE_MAP, false, pairs > VALUE_ITEMS_MAX ? VALUE_ITEMS_MAX + 1 : 2 * pairs, 0);
}

static void on_map_start(void *user)
{
	open_level(user, VALUE_MAP, true, 0, 0);
}

static void on_tag(void *user, uint64_t tag)
{
	open_level(user, VALUE_TAG, false, 1, tag);
}

static void on_float(void *user, float v)
{
	add_counted(user, (struct value){.kind = VALUE_FLOAT, .number = (double)v});
}

static void on_double(void *user, double v)
{
	add_counted(user, (struct value){.kind = VALUE_FLOAT, .number = v});
}

static void on_undefined(void *user)
{
	add_counted(user, (struct value){.kind = VALUE_UNDEFINED});
}

static void on_null(void *user)
{
	add_counted(user, (struct value){.kind = VALUE_NULL});
}

static void on_bool(void *user, bool v)
{
	add_counted(user, (struct value){.kind = VALUE_BOOL, .boolean = v});
}

static void on_break(void *user)
{
	struct decoder *d = user;
	struct level *l = d->depth > 0 ? &d->levels[d->depth - 1] : NULL;
	bool odd = l && l->kind == VALUE_MAP && (d->doc->pending - l->first) % 2 != 0;
	if (!l || !l->indefinite || odd)
		fail(d, -EBADMSG);
	else
		close_level(d);
}

static const struct cbor_callbacks callbacks = {
	.uint8 = on_uint8,
	.uint16 = on_uint16,
	.uint32 = on_uint32,
	.uint64 = on_uint64,
	.negint8 = on_negint8,
	.negint16 = on_negint16,
	.negint32 = on_negint32,
	.negint64 = on_negint64,
	.byte_string_start = on_bytes_start,
	.byte_string = on_bytes,
	.string = on_text,
	.string_start = on_text_start,
	.indef_array_start = on_array_start,
	.array_start = on_array,
	.indef_map_start = on_map_start,
	.map_start = on_map,
	.tag = on_tag,
	.float2 = on_float,
	.float4 = on_float,
	.float8 = on_double,
	.undefined = on_undefined,
	.null = on_null,
	.boolean = on_bool,
	.indef_break = on_break,
};

/* Unassigned simple values, which libcbor takes for an error: e0..f3, and f8 followed by 20..ff. 0: not one of them. */
static size_t decode_simple(struct decoder *d)
{
	uint8_t head = d->input[d->at];
	if (head >= 0xe0 && head <= 0xf3) {
		add_counted(d, (struct value){.kind = VALUE_SIMPLE, .uint = head & 0x1f});
		return 1;
	}
	if (head == 0xf8 && d->size - d->at >= 2 && d->input[d->at + 1] >= 32) {
		add_counted(d, (struct value){.kind = VALUE_SIMPLE, .uint = d->input[d->at + 1]});
		return 2;
	}
	return 0;
}

static int decode_item(struct decoder *d)
{
	size_t simple = decode_simple(d);
	if (simple > 0) {
		d->at += d->error == 0 ? simple : 0;
		return d->error;
	}
	size_t start = d->at;
	struct cbor_decoder_result r = cbor_stream_decode(d->input + start, d->size - start, &callbacks, d);
	if (d->error == 0 && (r.status != CBOR_DECODER_FINISHED || r.read == 0))
		fail(d, -EBADMSG);
	if (d->error == 0)
		d->at = start + r.read;
	return d->error;
}

static int decode_all(struct decoder *d)
{
	while (!d->complete) {
		if (d->at == d->size)
			return -EBADMSG;
		int r = decode_item(d);
		if (r < 0)
			return r;
	}
	return d->at == d->size ? 0 : -EBADMSG;
}

int value_decode(const uint8_t *data, size_t size, struct value_doc **ret, size_t *ret_at)
{
	size_t slots = size < VALUE_ITEMS_MAX ? size : VALUE_ITEMS_MAX;
	_cleanup_(value_doc_freep) struct value_doc *doc = malloc(sizeof(*doc) + slots * sizeof(struct value) + size);
	if (!doc)
		return -ENOMEM;
	*doc = (struct value_doc){.slots = slots};
	doc->copy = (uint8_t *)&doc->values[slots];
	if (size > 0)
		memcpy(doc->copy, data, size);

	struct decoder d = {.doc = doc, .input = data, .size = size};
	int r = decode_all(&d);
	if (r < 0) {
		if (ret_at)
			*ret_at = d.at;
		return r;
	}
	*ret = TAKE_PTR(doc);
	return 0;
}

const struct value *value_root(const struct value_doc *doc)
{
	return &doc->root;
}

void value_doc_free(struct value_doc *doc)
{
	free(doc);
}
