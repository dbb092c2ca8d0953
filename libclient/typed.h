/* SPDX-License-Identifier: MIT */
#pragma once

/* Behind mcumgr-api.h: rows that say where in a C struct each field of the API is, and the one piece of code that goes from
 * structs to JSON and back by them. The rows are generated (api/generate.py), this is not.
 *
 * A reply is one allocation that its function returns, and a list of others that hang on it; strings belong to the JSON
 * object that every struct of a reply keeps a reference to. */

#include <mcumgr-api.h>

enum typed_kind {
	TYPED_STRING, /* const char * */
	TYPED_BYTES,  /* struct mcumgr_bytes; base64 in JSON */
	TYPED_INT,    /* int64_t; nullable: struct mcumgr_int */
	TYPED_BOOL,   /* bool; nullable: struct mcumgr_bool */
	TYPED_ENUM,   /* an int: place in words; 0: none of them */
	TYPED_OBJECT, /* json_object * */
	TYPED_STRUCT, /* a pointer to it */
};

enum typed_shape { TYPED_ONE, TYPED_ARRAY, TYPED_MAP };

struct typed_struct;

struct typed_field {
	const char *name; /* in the API; NULL ends a list */
	enum typed_kind kind;
	enum typed_shape shape;
	bool nullable;
	size_t offset;		  /* of the value, or of the pointer to the items */
	size_t count;		  /* arrays and maps: offset of their size_t */
	size_t names;		  /* maps: offset of the pointer to the names */
	const struct typed_struct *type;
	const char *const *words; /* ENUM: words[0] is NULL, and so is the last */
};

struct typed_struct {
	size_t size;
	const struct typed_field *fields;
};

struct typed_method {
	const char *name;
	struct typed_struct args, reply;
	bool patient; /* a stream that mcumgr_set_timeout() does not end */
};

/* args begins with a size_t: of the caller's struct. ret_reply may be NULL. */
int typed_call(struct mcumgr *m, const struct typed_method *method, const void *args, void **ret_reply,
	struct mcumgr_error **ret_error);

typedef int (*typed_func)(struct mcumgr *m, const void *reply, void *user);
int typed_stream(struct mcumgr *m, const struct typed_method *method, const void *args, typed_func func, void *user,
	struct mcumgr_error **ret_error);

/* An object as a struct that begins with its json_object. 0, -ENOMEM, or -EPROTO and the place of what is wrong. */
int typed_decode(const struct typed_struct *type, json_object *object, void **ret, char *place, size_t place_size);
/* 0, -ENOMEM, or -EINVAL and the parameter that is missing or is none. */
int typed_encode(const struct typed_struct *type, const void *args, json_object **ret, const char **ret_parameter);
void typed_free(void *reply);

/* The word of an enumeration; "other" for what is none. */
const char *typed_word(const char *const *words, size_t count, int value);
