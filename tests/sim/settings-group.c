/* SPDX-License-Identifier: MIT */
#include "smp.h"

/*
 * The settings group (SMP §5.3). Reading and writing goes to the running app's
 * variables; save copies them into flash, load and every boot copy them back.
 *
 * There are two roots: "sim" takes any key below it; "ro" holds keys that can
 * only be read.
 */

#define NAME_MAX_LEN 32
#define VALUE_MAX_LEN 32

static struct variable *find(struct variables *v, const char *name)
{
	for (size_t i = 0; i < v->n; i++)
		if (!strcmp(v->list[i].name, name))
			return &v->list[i];
	return NULL;
}

/* Copies and checks a name. Returns 0 or an error of the group; an SMP rc comes in *ret_rc. */
static int name_take(const struct payload_value *v, char out[NAME_MAX_LEN + 1], int *ret_rc)
{
	*ret_rc = v->len ? 0 : RC_INVAL;
	if (v->len >= NAME_MAX_LEN)
		return SETTINGS_KEY_TOO_LONG;
	if (v->len)
		memcpy(out, v->data, v->len);
	out[v->len] = '\0';
	const bool known = v->len >= 3 && (!strncmp(out, "sim/", 4) || !strncmp(out, "ro/", 3));
	return known ? 0 : SETTINGS_ROOT_KEY_NOT_FOUND;
}

static bool is_read_only(const char *name)
{
	return !strncmp(name, "ro/", 3);
}

static void put_value(struct reply *reply, const void *data, size_t len, uint64_t max)
{
	writer_pair_bytes(&reply->w, "val", data, MIN(len, max));
	if (max > VALUE_MAX_LEN)
		writer_pair_uint(&reply->w, "max_size", VALUE_MAX_LEN);
}

int settings_read(struct board *b, const struct request *req, struct reply *reply)
{
	struct payload_value name = { 0 };
	uint64_t max = VALUE_MAX_LEN;
	struct payload_want want[] = { WANT_TEXT("name", &name), WANT_UINT("max_size", &max) };
	char text[NAME_MAX_LEN + 1];
	const struct variable *v;
	int rc, err;

	if (request_get(req, want, ARRAY_SIZE(want)))
		return RC_INVAL;
	err = name_take(&name, text, &rc);
	if (rc)
		return rc;
	if (!err && !strcmp(text, "ro/id")) {
		put_value(reply, b->name, strlen(b->name), max);
		return 0;
	}
	v = err ? NULL : find(&b->ram.variables, text);
	if (!v) {
		reply_error(reply, GROUP_SETTINGS, err ? err : SETTINGS_KEY_NOT_FOUND);
		return 0;
	}
	put_value(reply, v->value, v->len, max);
	return 0;
}

int settings_write(struct board *b, const struct request *req, struct reply *reply)
{
	struct payload_value name = { 0 }, value = { 0 };
	struct payload_want want[] = { WANT_TEXT("name", &name), WANT_BYTES("val", &value) };
	struct variables *all = &b->ram.variables;
	char text[NAME_MAX_LEN + 1];
	struct variable *v;
	int rc, err;

	if (request_get(req, want, ARRAY_SIZE(want)))
		return RC_INVAL;
	err = name_take(&name, text, &rc);
	if (rc || value.len > VALUE_MAX_LEN)
		return RC_INVAL;
	if (!err && is_read_only(text))
		err = SETTINGS_WRITE_NOT_SUPPORTED;
	if (err) {
		reply_error(reply, GROUP_SETTINGS, err);
		return 0;
	}
	v = find(all, text);
	if (!v && all->n == VARIABLES_MAX)
		return RC_NOMEM;
	if (!v) {
		v = &all->list[all->n++];
		memcpy(v->name, text, sizeof(v->name));
	}
	v->len = value.len;
	if (value.len)
		memcpy(v->value, value.data, value.len);
	return 0;
}

int settings_delete(struct board *b, const struct request *req, struct reply *reply)
{
	struct payload_value name = { 0 };
	struct payload_want want[] = { WANT_TEXT("name", &name) };
	struct variables *all = &b->ram.variables;
	char text[NAME_MAX_LEN + 1];
	struct variable *v;
	int rc, err;

	if (request_get(req, want, ARRAY_SIZE(want)))
		return RC_INVAL;
	err = name_take(&name, text, &rc);
	if (rc)
		return rc;
	if (err == SETTINGS_ROOT_KEY_NOT_FOUND)
		err = SETTINGS_KEY_NOT_FOUND; /* deleting does not tell them apart */
	if (!err && is_read_only(text))
		err = SETTINGS_DELETE_NOT_SUPPORTED;
	v = err ? NULL : find(all, text);
	if (!v) {
		reply_error(reply, GROUP_SETTINGS, err ? err : SETTINGS_KEY_NOT_FOUND);
		return 0;
	}
	*v = all->list[--all->n];
	return 0;
}

int settings_commit(struct board *b, const struct request *req, struct reply *reply)
{
	(void)b;
	(void)req;
	(void)reply;
	return 0;
}

int settings_load(struct board *b, const struct request *req, struct reply *reply)
{
	(void)req;
	(void)reply;
	b->ram.variables = b->saved;
	return 0;
}

int settings_save(struct board *b, const struct request *req, struct reply *reply)
{
	(void)req;
	b->saved = b->ram.variables;
	reply->cost_us += b->set.write_us;
	return 0;
}
