/* SPDX-License-Identifier: MIT */

/* What a message costs in proto/, for a tool that counts instructions: does one thing so many times.
 *
 *     bench-codec OPERATION COUNT
 *     bench-codec --list
 *
 * script/bench --only instructions runs it under callgrind with two counts, so that starting up cancels out. */

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/commands.h"
#include "proto/serial.h"
#include "proto/smp.h"
#include "proto/value.h"

#define BUFFER 384			   /* the board's buffer: a usual size */
#define MESSAGE (BUFFER - SERIAL_OVERHEAD) /* a full message for it */
#define CHUNK 354			   /* the data in it, at offsets beyond 65535 (SMP §6.1) */

static uint8_t message[MESSAGE];
static size_t messages_seen;

static void fail(const char *what)
{
	fprintf(stderr, "bench-codec: %s\n", what);
	exit(1);
}

/* --- framing -------------------------------------------------------------------------------------------------------------- */

static void frame_encode(long count)
{
	for (long i = 0; i < count; i++) {
		struct serial_frame frame;
		if (serial_encode(SERIAL_CONSOLE, message, sizeof(message), &frame) < 0)
			fail("serial_encode");
		serial_frame_release(&frame);
	}
}

static void on_message(void *user, const uint8_t *data, size_t size)
{
	(void)user;
	messages_seen += memcmp(data, message, size) == 0;
}

static void on_text(void *user, const uint8_t *data, size_t size)
{
	(void)user;
	(void)data;
	(void)size;
	fail("text where a frame was fed");
}

static void on_damage(void *user, enum serial_damage why)
{
	(void)user;
	fail(serial_damage_name(why));
}

static void frame_decode(long count)
{
	static const struct serial_sink sink = { on_message, on_text, on_damage };
	_cleanup_(serial_reader_freep) struct serial_reader *reader = NULL;
	struct serial_frame frame;

	if (serial_encode(SERIAL_CONSOLE, message, sizeof(message), &frame) < 0 ||
			serial_reader_new(SERIAL_CONSOLE, &sink, NULL, &reader) < 0)
		fail("no frame");
	for (long i = 0; i < count; i++)
		serial_reader_feed(reader, frame.data, frame.size);
	serial_frame_release(&frame);
	if (messages_seen != (size_t)count)
		fail("messages are missing");
}

/* --- CBOR ----------------------------------------------------------------------------------------------------------------- */

static void chunk_encode(long count)
{
	for (long i = 0; i < count; i++) {
		struct writer w = { 0 };
		uint8_t *payload;
		size_t size;

		writer_map(&w, 2);
		writer_text(&w, "off");
		writer_uint(&w, 70000);
		writer_text(&w, "data");
		writer_bytes(&w, message, CHUNK);
		if (writer_finish(&w, &payload, &size) < 0)
			fail("writer");
		free(payload);
	}
}

static size_t progress_reply(uint8_t **ret)
{
	struct writer w = { 0 };
	size_t size;

	writer_map(&w, 2);
	writer_text(&w, "rc");
	writer_uint(&w, 0);
	writer_text(&w, "off");
	writer_uint(&w, 70354);
	if (writer_finish(&w, ret, &size) < 0)
		fail("writer");
	return size;
}

static void reply_decode(long count)
{
	uint8_t *payload;
	size_t size = progress_reply(&payload);

	for (long i = 0; i < count; i++) {
		_cleanup_(value_doc_freep) struct value_doc *doc = NULL;
		struct smp_status status;
		uint64_t offset;

		if (value_decode(payload, size, &doc, NULL) < 0 ||
				smp_status_decode(value_root(doc), SMP_IMAGE, &status) < 0 || status.failed ||
				!value_to_uint(value_get(value_root(doc), "off"), &offset) || offset != 70354)
			fail("reply");
		smp_status_release(&status);
	}
	free(payload);
}

/* --- JSON ----------------------------------------------------------------------------------------------------------------- */

static void echo_encode(long count)
{
	static const char *const common[] = { "device", NULL };
	const struct smp_command *row = smp_command_find("Echo");
	json_object *parameters = json_tokener_parse("{\"device\": \"a\", \"text\": \"hello\"}");
	const char *parameter;
	char text[256];

	for (long i = 0; i < count; i++) {
		struct writer w = { 0 };
		if (smp_command_encode(row, parameters, common, &w, &parameter, text, sizeof(text)) < 0)
			fail(text);
		writer_release(&w);
	}
	json_object_put(parameters);
}

static void write_slot(struct writer *w, unsigned int slot)
{
	static const uint8_t hash[32] = { 1, 2, 3 };

	writer_map(w, 8);
	writer_text(w, "slot");
	writer_uint(w, slot);
	writer_text(w, "version");
	writer_text(w, "1.2.3");
	writer_text(w, "hash");
	writer_bytes(w, hash, sizeof(hash));
	static const char *const flags[] = { "bootable", "pending", "confirmed", "active", "permanent" };
	for (size_t i = 0; i < 5; i++) {
		writer_text(w, flags[i]);
		writer_bool(w, slot == 0);
	}
}

static void state_decode(long count)
{
	const struct smp_command *row = smp_command_find("ImageList");
	struct writer w = { 0 };
	uint8_t *payload;
	size_t size;
	char text[256];

	writer_map(&w, 1);
	writer_text(&w, "images");
	writer_array(&w, 2);
	write_slot(&w, 0);
	write_slot(&w, 1);
	if (writer_finish(&w, &payload, &size) < 0)
		fail("writer");
	for (long i = 0; i < count; i++) {
		_cleanup_(value_doc_freep) struct value_doc *reply = NULL;
		json_object *json = NULL;
		if (value_decode(payload, size, &reply, NULL) < 0)
			fail("reply");
		if (smp_command_decode(row, value_root(reply), &json, text, sizeof(text)) < 0)
			fail(text);
		json_object_put(json);
	}
	free(payload);
}

static const struct {
	const char *name;
	void (*run)(long count);
} operations[] = {
	{ "frame-encode", frame_encode }, /* a full message to lines */
	{ "frame-decode", frame_decode }, /* lines to a full message */
	{ "chunk-encode", chunk_encode }, /* CBOR of an upload's chunk */
	{ "reply-decode", reply_decode }, /* CBOR of its reply */
	{ "echo-encode", echo_encode },	  /* a request's JSON to CBOR, by its row */
	{ "state-decode", state_decode }, /* a reply with two slots: CBOR to JSON, by its row */
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)(i * 37);
	for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++) {
		if (argc == 2 && strcmp(argv[1], "--list") == 0) {
			puts(operations[i].name);
		} else if (argc == 3 && strcmp(argv[1], operations[i].name) == 0) {
			operations[i].run(strtol(argv[2], NULL, 10));
			return 0;
		}
	}
	if (argc == 2)
		return 0;
	fputs("usage: bench-codec OPERATION COUNT | --list\n", stderr);
	return 2;
}
