/* SPDX-License-Identifier: MIT */
#pragma once

/* THE table: one row an SMP command that the API offers as a method, and JSON <-> CBOR by it.
 *
 * A row says everything: the name in the API, op, group and id, request and reply fields, whether a repeat is harmless, its
 * deadline, whether it changes the board. Parameter checking, translation, retry and deadline all come from the row.
 * tests/unit holds the rows against proto/io.mcumgr.varlink. */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/smp.h"
#include "proto/value.h"

enum field_type {
	FIELD_INT,
	FIELD_UINT,
	FIELD_BOOL,
	FIELD_TEXT,
	FIELD_HEX,    /* bytes on the wire, lowercase hex in JSON (hashes) */
	FIELD_BASE64, /* bytes on the wire, base64 in JSON */
	FIELD_TEXTS,  /* array of text */
	FIELD_UINTS,  /* array of unsigned */
	FIELD_LIST,   /* array of maps, by .fields */
	FIELD_NAMED_LIST, /* map name -> map; in JSON an array of objects with the name as .fields[0] (CBOR key NULL) */
	FIELD_NAMED_INTS, /* map name -> uint; in JSON an array of {name, value} */
	FIELD_MAP,    /* map name -> map, in JSON an object of objects, by .fields */
	FIELD_TIME,   /* text in both, checked in requests: YYYY-MM-DDTHH:MM:SS[.mmm] */
	FIELD_TRUE,   /* request: always sent, never in JSON (.json is "") */
	FIELD_FALSE,
};

/* Two reply fields may share a key: the one that the value's type fits gets it, and one of them must be there. */
struct smp_field {
	const char *json; /* name in the API */
	const char *cbor; /* key on the wire */
	enum field_type type;
	bool optional;	  /* request: may be left out; reply: may be absent (then absent in JSON) */
	bool default_false; /* reply BOOL: absent means false */
	bool default_zero;  /* reply INT/UINT: absent means 0 */
	unsigned int scale; /* multiply wire -> JSON; 0 means 1 */
	uint64_t max;	  /* request UINT: largest value, or length of a text or byte string; 0: type's own */
	const struct smp_field *fields; /* of LIST, NAMED_LIST, MAP */
};

enum smp_repeat {
	REPEAT_HARMLESS, /* reads, and writes that change nothing the second time */
	REPEAT_NEVER,	 /* reset, shell, erase, settings load ...: sent once */
};

struct smp_command {
	const char *name; /* method of io.mcumgr */
	uint8_t op;
	uint16_t group;
	uint8_t id;
	const struct smp_field *request; /* ends with a field without a name; NULL: none */
	const struct smp_field *reply;
	enum smp_repeat repeat;
	bool may_repeat;	  /* the caller may say `repeat`: run it again when its answer is lost */
	bool changes;		  /* changes the board: queued as a write, needs the lease, audit log */
	bool restarts;		  /* the board goes away after it (Reset): session is held afterwards */
	unsigned int deadline_ms; /* the board's own time for it; 0: timeout_ms of the configuration */
	/* Adjusts what a generic translation cannot (shapes that differ between servers); NULL for most. Runs after it, while
	 * fields may still be absent; only then the reply must be complete. 0, -ENOMEM, or -EBADMSG. */
	int (*fix_reply)(const struct value *reply, json_object *ret);
};

extern const struct smp_command smp_commands[]; /* ends with a row without a name */
const struct smp_command *smp_command_find(const char *name);
const struct smp_command *smp_command_by_id(uint8_t op, uint16_t group, uint8_t id); /* for names in logs; NULL */

/* Checks parameters against the row and writes the CBOR payload. Keys in `common` (NULL-terminated; device, timeoutMs,
 * lease) are left to the caller. null counts as absent. 0, or -EINVAL with the offending parameter's name (borrowed from
 * parameters or the row) and a sentence; the writer is released then. */
int smp_command_encode(const struct smp_command *c, json_object *parameters, const char *const *common, struct writer *w,
		const char **ret_parameter, char *text, size_t text_size);

/* Reply payload -> JSON object. Keys that the row does not know are ignored. 0, -ENOMEM, or -EBADMSG with a sentence naming the key that is missing or of a wrong type. */
int smp_command_decode(const struct smp_command *c, const struct value *reply, json_object **ret, char *text,
		size_t text_size);

/* Any JSON <-> any CBOR (method Request): {"$bytes": base64}, {"$integer": decimal}, {"$float": "nan"|"inf"|"-inf"}.
 * text gets the place ("payload.a[3]") and the reason of an error: -EINVAL and the writer released, or -EBADMSG.
 * What JSON cannot say is refused: tags, undefined, other simple values, keys that are no text, or stand twice, or hold NUL,
 * a map that looks like one of the three forms above, and text that is no UTF-8. */
int json_to_cbor(json_object *object, struct writer *w, char *text, size_t text_size);
int cbor_to_json(const struct value *v, json_object **ret, char *text, size_t text_size);
