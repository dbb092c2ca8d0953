/* SPDX-License-Identifier: MIT */
/* JSON of a client as CBOR for a board. What became CBOR must become JSON again, and that must become the same CBOR. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/commands.h"
#include "proto/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

static void try_any(json_object *o)
{
	_cleanup_json_ json_object *back = NULL;
	_cleanup_(value_doc_freep) struct value_doc *doc = NULL;
	_cleanup_free_ uint8_t *first = NULL, *second = NULL;
	size_t first_size, second_size;
	struct writer w = { 0 };
	char text[200];

	if (json_to_cbor(o, &w, text, sizeof(text)) < 0)
		return;
	check(writer_finish(&w, &first, &first_size) == 0);
	if (value_decode(first, first_size, &doc, NULL) < 0) /* more items than a board may send */
		return;
	check(cbor_to_json(value_root(doc), &back, text, sizeof(text)) == 0);
	w = (struct writer){ 0 };
	check(json_to_cbor(back, &w, text, sizeof(text)) == 0);
	check(writer_finish(&w, &second, &second_size) == 0);
	check(first_size == second_size && memcmp(first, second, first_size) == 0);
}

/* By every row: what it takes is a map. */
static void try_rows(json_object *o)
{
	static const char *const common[] = { "device", NULL };

	for (const struct smp_command *c = smp_commands; c->name; c++) {
		_cleanup_(value_doc_freep) struct value_doc *doc = NULL;
		_cleanup_free_ uint8_t *data = NULL;
		const char *parameter = NULL;
		struct writer w = { 0 };
		char text[200];
		size_t size;

		if (smp_command_encode(c, o, common, &w, &parameter, text, sizeof(text)) < 0) {
			check(parameter && text[0]);
			continue;
		}
		check(writer_finish(&w, &data, &size) == 0);
		if (value_decode(data, size, &doc, NULL) == 0)
			check(value_root(doc)->kind == VALUE_MAP);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_json_ json_object *o = NULL, *again = NULL;
	_cleanup_free_ char *printed = NULL;
	size_t length;

	if (json_parse((const char *)data, size, &o, NULL) < 0)
		return 0;
	printed = json_print(o, &length);
	check(printed && json_parse(printed, length, &again, NULL) == 0);
	try_any(o);
	if (json_object_is_type(o, json_type_object))
		try_rows(o);
	return 0;
}
