/* SPDX-License-Identifier: MIT */

/* A reply as it leaves the framing: header, CBOR, success or error, texts. What was decoded is written and decoded
 * again. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/smp.h"
#include "proto/value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The writer knows what JSON can say: false for the rest (tags, undefined, other simple values). */
static bool write_value(const struct value *v, struct writer *w)
{
	switch (v->kind) {
	case VALUE_UINT:
		writer_uint(w, v->uint);
		return true;
	case VALUE_NEGINT:
		writer_negint(w, v->uint);
		return true;
	case VALUE_BYTES:
		writer_bytes(w, v->data, v->size);
		return true;
	case VALUE_TEXT:
		writer_text_n(w, (const char *)v->data, v->size);
		return true;
	case VALUE_BOOL:
		writer_bool(w, v->boolean);
		return true;
	case VALUE_NULL:
		writer_null(w);
		return true;
	case VALUE_FLOAT:
		writer_float(w, v->number);
		return true;
	case VALUE_ARRAY:
	case VALUE_MAP:
		if (v->kind == VALUE_MAP)
			writer_map(w, v->size / 2);
		else
			writer_array(w, v->size);
		for (size_t i = 0; i < v->size; i++)
			if (!write_value(&v->items[i], w))
				return false;
		return true;
	default:
		return false;
	}
}

static bool is_same(const struct value *a, const struct value *b)
{
	if (a->kind != b->kind || a->boolean != b->boolean || a->uint != b->uint || a->size != b->size)
		return false;
	if (a->kind == VALUE_FLOAT)
		return memcmp(&a->number, &b->number, sizeof(a->number)) == 0 || a->number != a->number;
	if (a->data && a->size)
		return memcmp(a->data, b->data, a->size) == 0;
	for (size_t i = 0; a->items && i < a->size; i++)
		if (!is_same(&a->items[i], &b->items[i]))
			return false;
	return true;
}

static void write_and_read(const struct value *v)
{
	struct writer w = {0};
	if (!write_value(v, &w)) {
		writer_release(&w);
		return;
	}
	uint8_t *data;
	size_t size;
	struct value_doc *doc;
	if (writer_finish(&w, &data, &size) < 0 || value_decode(data, size, &doc, NULL) < 0 ||
		!is_same(v, value_root(doc)))
		abort();
	value_doc_free(doc);
	free(data);
}

static void read_texts(const struct value *v)
{
	free(value_to_text(v));
	uint64_t u;
	int64_t i;
	bool b;
	value_to_uint(v, &u);
	value_to_int(v, &i);
	value_to_bool(v, &b);
	bool inner = v->kind == VALUE_ARRAY || v->kind == VALUE_MAP || v->kind == VALUE_TAG;
	for (size_t n = 0; inner && n < v->size; n++)
		read_texts(&v->items[n]);
}

static void read_payload(const struct smp_header *h, const uint8_t *data, size_t size)
{
	struct value_doc *doc;
	size_t at = 0;
	if (value_decode(data, size, &doc, &at) < 0) {
		if (at > size)
			abort();
		return;
	}
	struct smp_status status;
	if (smp_status_decode(value_root(doc), h->group, &status) == 0) {
		smp_rc_text(status.group, status.rc);
		smp_rc_hint(status.group, status.rc, h->group, h->id);
		smp_status_release(&status);
	}
	read_texts(value_root(doc));
	write_and_read(value_root(doc));
	value_doc_free(doc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smp_header h;
	if (smp_header_decode(data, size, &h) == 0) {
		read_payload(&h, data + SMP_HEADER_SIZE, size - SMP_HEADER_SIZE);
	} else if (size > SMP_HEADER_SIZE) {
		/* the length field costs the fuzzer too much luck */
		h.group = data[5];
		h.id = data[7];
		read_payload(&h, data + SMP_HEADER_SIZE, size - SMP_HEADER_SIZE);
	}
	return 0;
}
