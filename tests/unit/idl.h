/* SPDX-License-Identifier: MIT */
#pragma once

/* Reads a Varlink interface description, for tests that hold code against it. Anything it does not understand ends the
 * program with the line. Nothing is freed: it lives as long as the test. */

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum idl_shape { IDL_PLAIN, IDL_ARRAY, IDL_MAP };

struct idl_field;

struct idl_type {
	bool optional;
	enum idl_shape shape;
	char name[48]; /* "int" ..., a type of the interface, "(enum)", "(struct)" */
	struct idl_field *fields;
	size_t count; /* also of enum values */
};

struct idl_field {
	char name[48];
	struct idl_type type;
};

struct idl_member {
	char kind[8]; /* "type", "method", "error" */
	char name[48];
	struct idl_type in, out;
};

struct idl {
	char name[64];
	struct idl_member members[160];
	size_t count;
};

struct idl_reader {
	const char *p;
	int line;
};

__attribute__((noreturn)) static inline void idl_fail(const struct idl_reader *r, const char *what)
{
	fprintf(stderr, "IDL line %d: %s, at \"%.20s\"\n", r->line, what, r->p);
	exit(1);
}

static inline void idl_space(struct idl_reader *r)
{
	while (*r->p == '#' || isspace((unsigned char)*r->p)) {
		if (*r->p == '#')
			r->p += strcspn(r->p, "\n");
		else if (*r->p++ == '\n')
			r->line++;
	}
}

static inline bool idl_take(struct idl_reader *r, const char *token)
{
	idl_space(r);
	if (strncmp(r->p, token, strlen(token)) != 0)
		return false;
	r->p += strlen(token);
	return true;
}

static inline void idl_expect(struct idl_reader *r, const char *token)
{
	if (!idl_take(r, token))
		idl_fail(r, token);
}

static inline void idl_word(struct idl_reader *r, char *word, size_t size)
{
	size_t n;

	idl_space(r);
	n = strspn(r->p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.");
	if (n == 0 || n >= size)
		idl_fail(r, "a name");
	memcpy(word, r->p, n);
	word[n] = 0;
	r->p += n;
}

static inline void idl_read_type(struct idl_reader *r, struct idl_type *t);

/* Behind "(": "name: type, ..." or, for an enum, "name, ...". */
static inline void idl_read_fields(struct idl_reader *r, struct idl_type *t)
{
	bool is_enum = false;

	t->fields = calloc(64, sizeof(*t->fields));
	while (!idl_take(r, ")")) {
		struct idl_field *f = &t->fields[t->count];

		if (t->count > 0)
			idl_expect(r, ",");
		if (++t->count > 64)
			idl_fail(r, "too many fields");
		idl_word(r, f->name, sizeof(f->name));
		for (size_t i = 0; i + 1 < t->count; i++)
			if (strcmp(t->fields[i].name, f->name) == 0)
				idl_fail(r, "a name twice");
		if (idl_take(r, ":"))
			idl_read_type(r, &f->type);
		else
			is_enum = true;
	}
	strcpy(t->name, is_enum ? "(enum)" : "(struct)");
}

static inline void idl_read_type(struct idl_reader *r, struct idl_type *t)
{
	t->optional = idl_take(r, "?");
	if (idl_take(r, "[]"))
		t->shape = IDL_ARRAY;
	else if (idl_take(r, "[string]"))
		t->shape = IDL_MAP;
	if (idl_take(r, "("))
		idl_read_fields(r, t);
	else
		idl_word(r, t->name, sizeof(t->name));
}

static inline void idl_read_member(struct idl_reader *r, struct idl *idl)
{
	struct idl_member *m = &idl->members[idl->count];

	if (++idl->count > sizeof(idl->members) / sizeof(idl->members[0]))
		idl_fail(r, "too many members");
	idl_word(r, m->kind, sizeof(m->kind));
	idl_word(r, m->name, sizeof(m->name));
	for (size_t i = 0; i + 1 < idl->count; i++)
		if (strcmp(idl->members[i].name, m->name) == 0)
			idl_fail(r, "a member twice");
	idl_expect(r, "(");
	idl_read_fields(r, &m->in);
	if (strcmp(m->kind, "method") == 0) {
		idl_expect(r, "->");
		idl_expect(r, "(");
		idl_read_fields(r, &m->out);
	} else if (strcmp(m->kind, "type") != 0 && strcmp(m->kind, "error") != 0) {
		idl_fail(r, "type, method or error");
	}
}

static inline char *idl_file(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = calloc(1, 1 << 20);

	if (!f || !text || fread(text, 1, (1 << 20) - 1, f) == 0) {
		fprintf(stderr, "%s cannot be read\n", path);
		exit(1);
	}
	fclose(f);
	return text;
}

static inline struct idl *idl_read(const char *text)
{
	struct idl_reader r = { text, 1 };
	struct idl *idl = calloc(1, sizeof(*idl));

	idl_expect(&r, "interface");
	idl_word(&r, idl->name, sizeof(idl->name));
	for (idl_space(&r); *r.p; idl_space(&r))
		idl_read_member(&r, idl);
	return idl;
}

static inline const struct idl_member *idl_find(const struct idl *idl, const char *kind, const char *name)
{
	for (size_t i = 0; i < idl->count; i++)
		if (strcmp(idl->members[i].kind, kind) == 0 && strcmp(idl->members[i].name, name) == 0)
			return &idl->members[i];
	return NULL;
}

static inline const struct idl_field *idl_field(const struct idl_type *t, const char *name)
{
	for (size_t i = 0; i < t->count; i++)
		if (strcmp(t->fields[i].name, name) == 0)
			return &t->fields[i];
	return NULL;
}
