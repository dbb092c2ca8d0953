/* SPDX-License-Identifier: MIT */
/* Holds every row of the command table against the interface description: neither may drift. */
#include <check.h>
#include <string.h>

#include "proto/commands.h"
#include "tests/unit/idl.h"
#include "tests/unit/suite.h"

static const struct idl *idl;

/* Methods that are not one SMP command. Whatever is neither here nor a row fails the test. */
static const char *const daemon_methods[] = {
	"List", "Get", "Configure", "Watch", "Ports", "Console", "ConsoleWrite", "Trace", "ImagePut", "ImageInspect", "Update", "ImageUpload",
	"Jobs", "JobWatch", "JobCancel", "Request", "FileRead", "FileWrite", "Lock", "Unlock", "Leases", "LeaseUse",
	"LeaseKeep", "Release", "Reclaim",
	"ResetState",
};

/* What every row's method takes besides its own parameters. */
static const struct {
	const char *name, *type;
	bool only_changing, only_repeatable;
} common[] = { { "device", "string" }, { "timeoutMs", "int" }, { "lease", "string", true },
	{ "repeat", "bool", false, true } };

static const struct idl_type *resolve(const struct idl_type *t)
{
	const struct idl_member *m = idl_find(idl, "type", t->name);

	return m ? &m->in : t;
}

static void check_fields(const char *where, const struct smp_field *fields, const struct idl_type *t, bool request);

static void check_shape(const char *where, const struct smp_field *f, const struct idl_type *t)
{
	static const struct {
		enum idl_shape shape;
		const char *name; /* NULL: a struct by .fields */
	} shapes[] = {
		[FIELD_INT] = { IDL_PLAIN, "int" },
		[FIELD_UINT] = { IDL_PLAIN, "int" },
		[FIELD_BOOL] = { IDL_PLAIN, "bool" },
		[FIELD_TEXT] = { IDL_PLAIN, "string" },
		[FIELD_HEX] = { IDL_PLAIN, "string" },
		[FIELD_BASE64] = { IDL_PLAIN, "string" },
		[FIELD_TEXTS] = { IDL_ARRAY, "string" },
		[FIELD_UINTS] = { IDL_ARRAY, "int" },
		[FIELD_LIST] = { IDL_ARRAY, NULL },
		[FIELD_NAMED_LIST] = { IDL_ARRAY, NULL },
		[FIELD_NAMED_INTS] = { IDL_ARRAY, NULL },
		[FIELD_MAP] = { IDL_MAP, NULL },
		[FIELD_TIME] = { IDL_PLAIN, "string" },
	};

	ck_assert_msg(t->shape == shapes[f->type].shape, "%s.%s: array, map or neither", where, f->json);
	if (shapes[f->type].name)
		ck_assert_msg(strcmp(t->name, shapes[f->type].name) == 0, "%s.%s is %s in the IDL, %s in the row", where,
				f->json, t->name, shapes[f->type].name);
	else
		check_fields(f->json, f->fields, resolve(t), false);
}

static bool is_constant(const struct smp_field *f)
{
	return f->type == FIELD_TRUE || f->type == FIELD_FALSE;
}

static void check_field(const char *where, const struct smp_field *f, const struct idl_type *t, bool request)
{
	const struct idl_field *named = idl_field(t, f->json);

	ck_assert_msg(named != NULL, "%s: the IDL has no '%s'", where, f->json);
	ck_assert_msg(named->type.optional == f->optional, "%s.%s: optional in one of row and IDL only", where, f->json);
	ck_assert_msg(!request || (!f->default_false && !f->default_zero && !f->scale), "%s.%s: only for replies", where,
			f->json);
	ck_assert_msg(!(f->optional && (f->default_false || f->default_zero)), "%s.%s: never absent", where, f->json);
	ck_assert_msg(!request || f->type < FIELD_LIST || f->type == FIELD_TIME, "%s.%s: no such requests", where, f->json);
	check_shape(where, f, &named->type);
}

/* Every field of the row is in the IDL as it is in the row, in the same order, and no IDL field is left over. */
static void check_fields(const char *where, const struct smp_field *fields, const struct idl_type *t, bool request)
{
	size_t count = 0;

	for (const struct smp_field *f = fields; f && f->json; f++) {
		if (is_constant(f)) {
			ck_assert_msg(request && f->json[0] == 0 && f->cbor, "%s: a constant has no name", where);
			continue;
		}
		check_field(where, f, t, request);
		ck_assert_msg(request || count >= t->count || strcmp(t->fields[count].name, f->json) == 0,
				"%s.%s: another place than in the IDL", where, f->json);
		count++;
	}
	for (size_t i = 0; request && i < sizeof(common) / sizeof(common[0]); i++)
		count += idl_field(t, common[i].name) != NULL;
	ck_assert_msg(count == t->count, "%s: %zu fields in the row, %zu in the IDL", where, count, t->count);
}

static size_t row_count(void)
{
	size_t n = 0;

	while (smp_commands[n].name)
		n++;
	return n;
}

START_TEST(row_is_in_the_idl)
{
	const struct smp_command *c = &smp_commands[_i];
	const struct idl_member *m = idl_find(idl, "method", c->name);

	ck_assert_msg(m != NULL, "the IDL has no method %s", c->name);
	check_fields(c->name, c->request, &m->in, true);
	check_fields(c->name, c->reply, &m->out, false);
	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++) {
		const struct idl_field *f = idl_field(&m->in, common[i].name);
		bool wanted = (!common[i].only_changing || c->changes) && (!common[i].only_repeatable || c->may_repeat);

		ck_assert_msg(!!f == wanted, "%s: '%s' is %s", c->name, common[i].name, wanted ? "missing" : "too much");
		ck_assert(!f || (f->type.optional && strcmp(f->type.name, common[i].type) == 0));
	}
}
END_TEST

START_TEST(row_is_sound)
{
	const struct smp_command *c = &smp_commands[_i];

	ck_assert_msg(c->op == SMP_READ || c->op == SMP_WRITE, "%s: op", c->name);
	ck_assert_msg(c->changes || c->repeat == REPEAT_HARMLESS, "%s changes nothing but may not be repeated", c->name);
	ck_assert_msg(!c->restarts || (c->changes && c->repeat == REPEAT_NEVER), "%s restarts", c->name);
	ck_assert_ptr_eq(smp_command_find(c->name), c);
	ck_assert_ptr_nonnull(smp_command_by_id(c->op, c->group, c->id));
	for (const struct smp_command *d = c + 1; d->name; d++)
		ck_assert_msg(strcmp(c->name, d->name) != 0, "%s twice", c->name);
	ck_assert_uint_le(c->deadline_ms, 600000);
}
END_TEST

START_TEST(every_method_has_an_owner)
{
	for (size_t i = 0; i < idl->count; i++) {
		const struct idl_member *m = &idl->members[i];
		int owners = 0;

		if (strcmp(m->kind, "method") != 0)
			continue;
		for (size_t k = 0; k < sizeof(daemon_methods) / sizeof(daemon_methods[0]); k++)
			owners += strcmp(daemon_methods[k], m->name) == 0;
		owners += smp_command_find(m->name) != NULL;
		ck_assert_msg(owners == 1, "method %s: a row or a daemon method, not %s", m->name, owners ? "both" : "neither");
	}
	for (size_t k = 0; k < sizeof(daemon_methods) / sizeof(daemon_methods[0]); k++)
		ck_assert_msg(idl_find(idl, "method", daemon_methods[k]) != NULL, "no method %s", daemon_methods[k]);
}
END_TEST

static void check_type_names(const char *where, const struct idl_type *t)
{
	static const char *const known[] = { "bool", "int", "float", "string", "object", "(enum)", "(struct)" };

	for (size_t i = 0; i < t->count && strcmp(t->name, "(enum)") != 0; i++) {
		const struct idl_type *f = &t->fields[i].type;
		bool found = idl_find(idl, "type", f->name) != NULL;

		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
			found |= strcmp(known[k], f->name) == 0;
		ck_assert_msg(found, "%s.%s: no type %s", where, t->fields[i].name, f->name);
		check_type_names(where, f);
	}
}

/* A type that does not exist, and an error that has no sentence for its reader. */
START_TEST(idl_is_sound)
{
	for (size_t i = 0; i < idl->count; i++) {
		const struct idl_member *m = &idl->members[i];

		check_type_names(m->name, &m->in);
		check_type_names(m->name, &m->out);
		if (strcmp(m->kind, "error") == 0)
			ck_assert_msg(idl_field(&m->in, "message") && !idl_field(&m->in, "message")->type.optional,
					"error %s has no message", m->name);
	}
	ck_assert_str_eq(idl->name, "io.mcumgr");
}
END_TEST

START_TEST(unknown_names_are_not_found)
{
	ck_assert_ptr_null(smp_command_find("echo"));
	ck_assert_ptr_null(smp_command_find(""));
	ck_assert_ptr_null(smp_command_by_id(SMP_READ, 64, 0));
	ck_assert_str_eq(smp_command_by_id(SMP_WRITE, SMP_OS, 5)->name, "Reset");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("commands-idl");
	TCase *c = tcase_create("commands-idl");
	const char *root = getenv("SOURCE_ROOT");
	char path[4096], *text;

	snprintf(path, sizeof(path), "%s/proto/io.mcumgr.varlink", root ? root : ".");
	text = idl_file(path);
	idl = idl_read(text);
	free(text);
	tcase_add_loop_test(c, row_is_in_the_idl, 0, (int)row_count());
	tcase_add_loop_test(c, row_is_sound, 0, (int)row_count());
	tcase_add_test(c, every_method_has_an_owner);
	tcase_add_test(c, idl_is_sound);
	tcase_add_test(c, unknown_names_are_not_found);
	suite_add_tcase(s, c);
	return suite_run(s);
}
