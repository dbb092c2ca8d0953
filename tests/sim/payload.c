/* SPDX-License-Identifier: MIT */
#include "payload.h"

#include <cbor.h>
#include <errno.h>

#include "util.h"

/*
 * Requests come through the stream decoder of libcbor, one item at a time:
 * its tree decoder would allocate what a length field asks for.
 */

enum place { IN_MAP_KEY, IN_MAP_VALUE, IN_ARRAY };

struct level {
	bool map, indefinite;
	uint64_t left; /* items still to come, keys and values counted apart */
	bool at_value; /* in a map: the next item is a value */
};

struct reader {
	struct payload *map;
	struct level level[PAYLOAD_MAX_DEPTH];
	size_t depth;
	bool started, done, bad;
	bool tagged; /* the next item has a tag: nobody wants such a value */
	struct payload_value *array; /* the field of level 1 whose elements are read */
	const uint8_t *at, *end;
};

/* An item of the outermost map, or of an array directly in it, is kept; deeper ones are skipped. */
static void keep(struct reader *r, const struct payload_value *v)
{
	struct level *top = &r->level[r->depth - 1];
	struct payload *m = r->map;

	if (r->depth == 1 && !top->at_value) {
		if (v->kind != KIND_TEXT) {
			r->bad = true;
			return;
		}
		if (m->n_fields < PAYLOAD_MAX_FIELDS) {
			m->fields[m->n_fields].key = v->data;
			m->fields[m->n_fields].key_len = v->len;
		}
	} else if (r->depth == 1) {
		r->array = NULL;
		if (m->n_fields == PAYLOAD_MAX_FIELDS)
			return;
		m->fields[m->n_fields].value = *v;
		m->fields[m->n_fields].value.first = m->n_items;
		if (v->kind == KIND_ARRAY)
			r->array = &m->fields[m->n_fields].value;
		m->n_fields++;
	} else if (r->depth == 2 && r->array && m->n_items < PAYLOAD_MAX_ITEMS) {
		m->items[m->n_items++] = *v;
		r->array->number++;
	}
}

/* One item of the container on top is complete; that may complete the container, and so on. */
static void advance(struct reader *r)
{
	while (r->depth) {
		struct level *top = &r->level[r->depth - 1];

		top->at_value = top->map && !top->at_value;
		if (top->indefinite || --top->left)
			return;
		r->depth--;
	}
	r->done = true;
}

static void scalar(struct reader *r, const struct payload_value *v)
{
	struct payload_value foreign = { .kind = KIND_OTHER };

	if (!r->depth) {
		r->bad = true;
		return;
	}
	keep(r, r->tagged ? &foreign : v);
	r->tagged = false;
	advance(r);
}

static void open_container(struct reader *r, bool map, bool indefinite, uint64_t items)
{
	struct payload_value v = { .kind = map ? KIND_OTHER : KIND_ARRAY };

	/* Every item takes a byte at least: a longer count cannot be true. */
	if (r->depth == PAYLOAD_MAX_DEPTH || (!indefinite && items > (uint64_t)(r->end - r->at)) ||
	    (!r->depth && (!map || r->started))) {
		r->bad = true;
		return;
	}
	r->started = true;
	if (r->tagged)
		v.kind = KIND_OTHER;
	r->tagged = false;
	if (r->depth)
		keep(r, &v);
	if (!indefinite && !items) {
		if (r->depth)
			advance(r);
		else
			r->done = true;
		return;
	}
	r->level[r->depth++] = (struct level){
		.map = map, .indefinite = indefinite, .left = map ? 2 * items : items
	};
}

static void on_uint8(void *u, uint8_t n)
{
	scalar(u, &(struct payload_value){ .kind = KIND_UINT, .number = n });
}

static void on_uint16(void *u, uint16_t n)
{
	scalar(u, &(struct payload_value){ .kind = KIND_UINT, .number = n });
}

static void on_uint32(void *u, uint32_t n)
{
	scalar(u, &(struct payload_value){ .kind = KIND_UINT, .number = n });
}

static void on_uint64(void *u, uint64_t n)
{
	scalar(u, &(struct payload_value){ .kind = KIND_UINT, .number = n });
}

static void on_nint8(void *u, uint8_t n)
{
	scalar(u, &(struct payload_value){ .kind = KIND_NINT, .number = n });
}

static void on_nint16(void *u, uint16_t n)
{
	scalar(u, &(struct payload_value){ .kind = KIND_NINT, .number = n });
}

static void on_nint32(void *u, uint32_t n)
{
	scalar(u, &(struct payload_value){ .kind = KIND_NINT, .number = n });
}

static void on_nint64(void *u, uint64_t n)
{
	scalar(u, &(struct payload_value){ .kind = KIND_NINT, .number = n });
}

static void on_text(void *u, cbor_data data, size_t len)
{
	scalar(u, &(struct payload_value){ .kind = KIND_TEXT, .data = data, .len = len });
}

static void on_bytes(void *u, cbor_data data, size_t len)
{
	scalar(u, &(struct payload_value){ .kind = KIND_BYTES, .data = data, .len = len });
}

static void on_bool(void *u, bool b)
{
	scalar(u, &(struct payload_value){ .kind = KIND_BOOL, .number = b });
}

static void on_float(void *u, float f)
{
	(void)f;
	scalar(u, &(struct payload_value){ .kind = KIND_OTHER });
}

static void on_double(void *u, double d)
{
	(void)d;
	scalar(u, &(struct payload_value){ .kind = KIND_OTHER });
}

static void on_null(void *u)
{
	scalar(u, &(struct payload_value){ .kind = KIND_OTHER });
}

static void on_map(void *u, size_t n)
{
	open_container(u, true, false, n);
}

static void on_map_open(void *u)
{
	open_container(u, true, true, 0);
}

static void on_array(void *u, size_t n)
{
	open_container(u, false, false, n);
}

static void on_array_open(void *u)
{
	open_container(u, false, true, 0);
}

static void on_break(void *u)
{
	struct reader *r = u;
	struct level *top = r->depth ? &r->level[r->depth - 1] : NULL;

	if (!top || !top->indefinite || top->at_value) {
		r->bad = true;
		return;
	}
	r->depth--;
	advance(r);
}

/* Strings in pieces: no SMP client sends them, no SMP server takes them. */
static void on_foreign(void *u)
{
	((struct reader *)u)->bad = true;
}

static void on_tag(void *u, uint64_t tag)
{
	struct reader *r = u;

	(void)tag;
	r->tagged = true;
}

static const struct cbor_callbacks callbacks = {
	.uint8 = on_uint8,
	.uint16 = on_uint16,
	.uint32 = on_uint32,
	.uint64 = on_uint64,
	.negint8 = on_nint8,
	.negint16 = on_nint16,
	.negint32 = on_nint32,
	.negint64 = on_nint64,
	.byte_string = on_bytes,
	.byte_string_start = on_foreign,
	.string = on_text,
	.string_start = on_foreign,
	.map_start = on_map,
	.indef_map_start = on_map_open,
	.array_start = on_array,
	.indef_array_start = on_array_open,
	.tag = on_tag,
	.float2 = on_float,
	.float4 = on_float,
	.float8 = on_double,
	.boolean = on_bool,
	.null = on_null,
	.undefined = on_null,
	.indef_break = on_break,
};

int payload_read(const uint8_t *data, size_t len, struct payload *ret)
{
	struct reader r = { .map = ret, .at = data, .end = data + len };

	memset(ret, 0, sizeof(*ret));
	while (!r.done && !r.bad && r.at < r.end) {
		struct cbor_decoder_result res =
			cbor_stream_decode(r.at, (size_t)(r.end - r.at), &callbacks, &r);

		if (res.status != CBOR_DECODER_FINISHED || !res.read)
			return -EBADMSG;
		r.at += res.read;
	}
	return r.done && !r.bad ? 0 : -EBADMSG;
}

int payload_get(const struct payload *m, struct payload_want *want, size_t n_want)
{
	for (size_t i = 0; i < m->n_fields; i++) {
		const struct payload_field *f = &m->fields[i];

		for (size_t k = 0; k < n_want; k++) {
			struct payload_want *w = &want[k];

			if (strlen(w->key) != f->key_len || memcmp(w->key, f->key, f->key_len))
				continue;
			if (w->found || f->value.kind != w->kind)
				return -EBADMSG;
			w->found = true;
			if (w->kind == KIND_UINT)
				*(uint64_t *)w->value = f->value.number;
			else if (w->kind == KIND_BOOL)
				*(bool *)w->value = f->value.number;
			else
				*(struct payload_value *)w->value = f->value;
		}
	}
	return 0;
}
