/* SPDX-License-Identifier: MIT */

#include "daemon/record.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct pair {
	char *key, *value;
};

struct record {
	struct pair pairs[RECORD_KEYS_MAX];
	size_t count;
};

int record_new(struct record **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void record_free(struct record *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->count; i++) {
		free(r->pairs[i].key);
		free(r->pairs[i].value);
	}
	free(r);
}

static struct pair *find(const struct record *r, const char *key)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->pairs[i].key, key) == 0)
			return (struct pair *)&r->pairs[i];
	return NULL;
}

static bool is_key(const char *key)
{
	if (!*key)
		return false;
	for (; *key; key++)
		if (!islower((unsigned char)*key) && !isdigit((unsigned char)*key) && *key != '_')
			return false;
	return true;
}

static void forget(struct record *r, struct pair *p)
{
	free(p->key);
	free(p->value);
	memmove(p, p + 1, (size_t)(r->pairs + r->count - (p + 1)) * sizeof(*p));
	r->count--;
}

int record_set(struct record *r, const char *key, const char *value)
{
	struct pair *p = find(r, key);

	if (!value) {
		if (p)
			forget(r, p);
		return 0;
	}
	if (!is_key(key))
		return -EINVAL;
	if (!p && r->count == RECORD_KEYS_MAX)
		return -E2BIG;
	_cleanup_free_ char *copy = strdup(value);
	if (!copy)
		return -ENOMEM;
	if (!p) {
		char *name = strdup(key);
		if (!name)
			return -ENOMEM;
		p = &r->pairs[r->count++];
		*p = (struct pair){.key = name};
	}
	free(p->value);
	p->value = TAKE_PTR(copy);
	return 0;
}

int record_copy(const struct record *r, struct record **ret)
{
	_cleanup_(record_freep) struct record *copy = NULL;
	int e = record_new(&copy);

	for (size_t i = 0; e == 0 && i < r->count; i++)
		e = record_set(copy, r->pairs[i].key, r->pairs[i].value);
	if (e == 0)
		*ret = TAKE_PTR(copy);
	return e;
}

int record_set_number(struct record *r, const char *key, uint64_t value)
{
	char text[24];
	snprintf(text, sizeof(text), "%" PRIu64, value);
	return record_set(r, key, text);
}

const char *record_get(const struct record *r, const char *key)
{
	struct pair *p = find(r, key);
	return p ? p->value : NULL;
}

uint64_t record_number(const struct record *r, const char *key, uint64_t otherwise)
{
	const char *text = record_get(r, key);
	char *end;

	if (!text || !isdigit((unsigned char)*text))
		return otherwise;
	errno = 0;
	uint64_t value = strtoull(text, &end, 10);
	return errno || *end ? otherwise : value;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Undoes the %XX of a value. 0, -EBADMSG (also for a NUL). */
static int unescape(const char *text, size_t size, char *out)
{
	for (size_t i = 0; i < size; i++) {
		if (text[i] == '%') {
			if (size - i < 3)
				return -EBADMSG;
			int high = hex(text[i + 1]), low = hex(text[i + 2]);
			if (high < 0 || low < 0 || (high == 0 && low == 0))
				return -EBADMSG;
			*out++ = (char)(high << 4 | low);
			i += 2;
		} else if ((unsigned char)text[i] < 0x20 || (unsigned char)text[i] >= 0x7f) {
			return -EBADMSG;
		} else {
			*out++ = text[i];
		}
	}
	*out = '\0';
	return 0;
}

static int parse_line(struct record *r, const char *line, size_t size)
{
	const char *equals = memchr(line, '=', size);
	_cleanup_free_ char *key = NULL, *value = NULL;

	if (!equals)
		return -EBADMSG;
	size_t rest = size - (size_t)(equals + 1 - line);
	key = strndup(line, (size_t)(equals - line));
	value = malloc(rest + 1);
	if (!key || !value)
		return -ENOMEM;
	if (unescape(equals + 1, rest, value) < 0 || !is_key(key) || find(r, key))
		return -EBADMSG;
	return record_set(r, key, value);
}

int record_parse(const char *text, size_t size, struct record **ret, unsigned int *ret_line)
{
	_cleanup_(record_freep) struct record *r = NULL;
	unsigned int line = 0;

	if (size > RECORD_BYTES_MAX)
		return -E2BIG;
	int e = record_new(&r);
	while (e == 0 && size > 0) {
		const char *end = memchr(text, '\n', size);
		line++;
		/* A file that was cut short ends in the middle of a line: it is not to be believed. */
		if (!end) {
			e = -EBADMSG;
			break;
		}
		e = parse_line(r, text, (size_t)(end - text));
		size -= (size_t)(end + 1 - text);
		text = end + 1;
	}
	if (e < 0) {
		if (ret_line)
			*ret_line = line;
		return e;
	}
	*ret = TAKE_PTR(r);
	return 0;
}

char *record_print(const struct record *r, size_t *ret_size)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	for (size_t i = 0; i < r->count; i++) {
		fprintf(f, "%s=", r->pairs[i].key);
		for (const unsigned char *c = (const unsigned char *)r->pairs[i].value; *c; c++) {
			if (*c < 0x20 || *c >= 0x7f || *c == '%')
				fprintf(f, "%%%02X", *c);
			else
				fputc(*c, f);
		}
		fputc('\n', f);
	}
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	if (ret_size)
		*ret_size = size;
	return text;
}
