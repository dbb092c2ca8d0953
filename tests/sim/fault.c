/* SPDX-License-Identifier: MIT */
#include "fault.h"

#include <errno.h>
#include <stdio.h>

static const char *const names[] = {
#define X(id, name) name,
	FAULTS(X)
#undef X
};

/* Commands that have a name in die-at=NAME; others are written GROUP/ID. */
static const struct {
	const char *name;
	int group, id, op;
} commands[] = {
	{ "echo", 0, 0, -1 },        { "reset", 0, 5, -1 },  { "params", 0, 6, -1 },
	{ "info", 0, 7, -1 },        { "bootloader", 0, 8, -1 }, { "state-read", 1, 0, 0 },
	{ "state-write", 1, 0, 2 },  { "upload", 1, 1, -1 }, { "erase", 1, 5, -1 },
	{ "slot-info", 1, 6, -1 },
};

static int complain(char **ret_error, const char *what, const char *word)
{
	if (asprintf(ret_error, "%s: %s", what, word) < 0)
		return -ENOMEM;
	return -EINVAL;
}

static int command_parse(struct fault *f, const char *text)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, text)) {
			f->group = commands[i].group;
			f->id = commands[i].id;
			f->op = commands[i].op;
			return 0;
		}
	return sscanf(text, "%d/%d", &f->group, &f->id) == 2 ? 0 : -EINVAL;
}

static int kind_parse(struct fault *f, char *word)
{
	char *value = strchr(word, '=');

	if (value)
		*value++ = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (strcmp(names[i], word))
			continue;
		f->kind = (enum fault_kind)i;
		if (!value)
			return 0;
		return f->kind == FAULT_DIE_AT || f->kind == FAULT_DIE_AFTER ?
			       command_parse(f, value) :
			       -EINVAL;
	}
	return -EINVAL;
}

static int option_parse(struct fault *f, const char *key, const char *value, bool *counted)
{
	char *end;
	unsigned long long n = strtoull(value, &end, 0);
	bool number = *value && !*end;

	if (!strcmp(key, "p")) {
		f->p = strtod(value, &end);
		return *end || f->p < 0 || f->p > 1 ? -EINVAL : 0;
	}
	if (!strcmp(key, "when")) {
		if (f->kind != FAULT_DIE_AT)
			return -EINVAL;
		if (!strcmp(value, "before"))
			return 0;
		f->kind = FAULT_DIE_AFTER;
		return strcmp(value, "after") ? -EINVAL : 0;
	}
	if (!strcmp(key, "op")) {
		f->op = !strcmp(value, "read") ? 0 : 2;
		return !f->op || !strcmp(value, "write") ? 0 : -EINVAL;
	}
	if (!number)
		return -EINVAL;
	if (!strcmp(key, "count")) {
		f->count = n;
		*counted = true;
	} else if (!strcmp(key, "at"))
		f->at = n;
	else if (!strcmp(key, "ms"))
		f->ms = n;
	else if (n > 65535)
		return -EINVAL;
	else if (!strcmp(key, "group"))
		f->group = (int)n;
	else if (!strcmp(key, "id"))
		f->id = (int)n;
	else if (!strcmp(key, "rc"))
		f->rc = (int)n;
	else if (!strcmp(key, "errgroup"))
		f->errgroup = (int)n;
	else
		return -EINVAL;
	return 0;
}

int faults_add(struct faults *f, const char *words, char **ret_error)
{
	struct fault fault = { .p = 1, .group = -1, .id = -1, .op = -1, .rc = 1, .errgroup = -1 };
	_cleanup_(freep) char *copy = strdup(words);
	char *save = NULL, *word;
	bool counted = false;

	if (!copy)
		return -ENOMEM;
	word = strtok_r(copy, " ", &save);
	if (!word || kind_parse(&fault, word) < 0)
		return complain(ret_error, "unknown fault", word ? word : "none named");
	while ((word = strtok_r(NULL, " ", &save))) {
		char *value = strchr(word, '=');

		if (!value)
			return complain(ret_error, "expected KEY=VALUE", word);
		*value++ = '\0';
		if (option_parse(&fault, word, value, &counted) < 0)
			return complain(ret_error, "bad option of a fault", word);
	}
	if (f->n == FAULTS_MAX)
		return -ENOSPC;
	/* Once, when nothing else is said; a chance goes on until it is cleared. */
	if (!counted)
		fault.count = fault.p < 1 ? 0 : 1;
	f->list[f->n++] = fault;
	return 0;
}

static bool matches(const struct fault *f, const struct fault_context *w)
{
	if (f->group >= 0 && f->group != w->group)
		return false;
	if (f->id >= 0 && f->id != w->id)
		return false;
	if (f->op >= 0 && f->op != w->op)
		return false;
	return w->off >= f->at;
}

bool faults_strike(struct faults *f, struct rng *rng, enum fault_kind kind,
		   const struct fault_context *where, struct fault *ret)
{
	for (size_t i = 0; i < f->n; i++) {
		struct fault *fault = &f->list[i];

		if (fault->kind != kind || !matches(fault, where))
			continue;
		if (fault->p < 1 && rng_unit(rng) >= fault->p)
			continue;
		*ret = *fault;
		if (fault->count && !--fault->count) {
			f->n--;
			memmove(fault, fault + 1, (f->n - i) * sizeof(*fault));
		}
		return true;
	}
	return false;
}
