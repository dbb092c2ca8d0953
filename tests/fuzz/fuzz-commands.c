/* SPDX-License-Identifier: MIT */
/* CBOR of a board as a reply to every row and to Request: the API must always get JSON that is valid, or a sentence. */
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

static void check_result(int e, json_object *o, const char *text)
{
	_cleanup_json_ json_object *again = NULL;
	_cleanup_free_ char *printed = NULL;
	size_t length;

	if (e < 0) {
		check(text[0]);
		return;
	}
	printed = json_print(o, &length);
	check(printed && json_parse(printed, length, &again, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(value_doc_freep) struct value_doc *doc = NULL;
	json_object *o = NULL;
	char text[200] = "";
	int e;

	if (value_decode(data, size, &doc, NULL) < 0)
		return 0;
	e = cbor_to_json(value_root(doc), &o, text, sizeof(text));
	check_result(e, o, text);
	json_object_put(o);
	for (const struct smp_command *c = smp_commands; c->name; c++) {
		o = NULL;
		text[0] = 0;
		e = smp_command_decode(c, value_root(doc), &o, text, sizeof(text));
		check_result(e, o, text);
		json_object_put(o);
	}
	return 0;
}
