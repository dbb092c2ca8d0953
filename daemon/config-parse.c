/* SPDX-License-Identifier: MIT */

/* The INI dialect: "[daemon]", "[device NAME]", "key = value", comments with # or ; on lines of their own. */

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "daemon/config-private.h"

#define KEYS_MAX 64 /* more than a section has keys */

struct parser {
	struct config *config;
	const char *file;
	unsigned int line;
	struct problems *problems;
	bool in_daemon, in_device, seen_daemon;
	struct config_device *device;
	struct {
		char name[32];
		unsigned int line;
	} keys[KEYS_MAX]; /* of this section */
	size_t key_count;
	unsigned int section_line;
};

void problems_add(struct problems *p, const char *format, ...)
{
	char line[1024];
	va_list ap;
	va_start(ap, format);
	int length = vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	if (length < 0)
		return;
	size_t size = (size_t)length < sizeof(line) ? (size_t)length : sizeof(line) - 1;
	char *text = realloc(p->text, p->size + size + 2);
	if (!text)
		return;
	p->text = text;
	if (p->size)
		p->text[p->size++] = '\n';
	memcpy(p->text + p->size, line, size);
	p->size += size;
	p->text[p->size] = 0;
}

#define problem(parser, ...) problem_at(parser, (parser)->line, __VA_ARGS__)
static _printf_(3, 4) void problem_at(struct parser *p, unsigned int line, const char *format, ...)
{
	char text[768];
	va_list ap;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	problems_add(p->problems, "%s:%u: %s", p->file, line, text);
}

static char *strip(char *s)
{
	s += strspn(s, " \t\r");
	size_t size = strlen(s);
	while (size && strchr(" \t\r", s[size - 1]))
		s[--size] = 0;
	return s;
}

static bool is_given(const struct parser *p, const char *key)
{
	for (size_t i = 0; i < p->key_count; i++)
		if (!strcmp(p->keys[i].name, key))
			return true;
	return false;
}

static void end_section(struct parser *p)
{
	/* One whose value was bad has been told of already. */
	if (p->device && !is_given(p, "match") && !is_given(p, "serial") && !is_given(p, "path"))
		problem_at(p, p->section_line,
				"[device %s] chooses no board; give match, serial or path", p->device->name);
	p->in_daemon = p->in_device = false;
	p->device = NULL;
	p->key_count = 0;
	p->section_line = p->line;
}

static bool is_section_name(const char *name)
{
	return *name && strlen(name) <= 64 &&
		!name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")];
}

static void start_device(struct parser *p, const char *name)
{
	p->in_device = true; /* its keys are no further problem */
	if (!is_section_name(name)) {
		problem(p, "[device %s]: a name has 1 to 64 letters, digits, '.', '_' and '-'", name);
		return;
	}
	for (size_t i = 0; i < p->config->device_count; i++) {
		if (!strcmp(p->config->devices[i].name, name)) {
			const struct config_device *first = &p->config->devices[i];
			if (strcmp(first->file, p->file) == 0)
				problem(p, "[device %s] is there already, in line %u", name, first->line);
			else
				problem(p, "[device %s] is there already, in %s:%u", name, first->file, first->line);
			return;
		}
	}
	_cleanup_free_ char *copy = strdup(name), *file = strdup(p->file);
	p->device = copy && file ? config_add_device(p->config, TAKE_PTR(copy)) : NULL;
	if (!p->device) {
		problem(p, "out of memory");
		return;
	}
	p->device->file = TAKE_PTR(file);
	p->device->line = p->line;
}

static void start_section(struct parser *p, char *text)
{
	end_section(p);
	size_t size = strlen(text);
	if (text[size - 1] != ']') {
		problem(p, "'%s': a section ends with ']'", text);
		p->in_device = true;
		return;
	}
	text[size - 1] = 0;
	char *name = strip(text + 1);
	if (!strcmp(name, "daemon")) {
		if (p->seen_daemon)
			problem(p, "[daemon] is there already");
		p->seen_daemon = p->in_daemon = true;
	} else if (!strncmp(name, "device", 6) && (name[6] == ' ' || name[6] == '\t' || !name[6])) {
		start_device(p, strip(name + 6));
	} else {
		problem(p, "unknown section [%s]; allowed: [daemon], [device NAME]", name);
		p->in_device = true;
	}
}

static bool is_repeated(struct parser *p, const char *key)
{
	for (size_t i = 0; i < p->key_count; i++) {
		if (!strcmp(p->keys[i].name, key)) {
			problem(p, "%s is set already, in line %u", key, p->keys[i].line);
			return true;
		}
	}
	if (p->key_count < KEYS_MAX && strlen(key) < sizeof(p->keys[0].name)) {
		strcpy(p->keys[p->key_count].name, key);
		p->keys[p->key_count++].line = p->line;
	}
	return false;
}

/* "2fe3:00ab # my board" would be taken as part of the value and never match: better said than guessed. */
static bool has_comment(const char *value)
{
	for (const char *s = value; *s; s++)
		if ((*s == '#' || *s == ';') && s > value && (s[-1] == ' ' || s[-1] == '\t'))
			return true;
	return false;
}

/* "ABC" in quotation marks would never match either. */
static bool is_quoted(const char *value)
{
	size_t size = strlen(value);
	return size >= 2 && (*value == '"' || *value == '\'') && value[size - 1] == *value;
}

static void take_assignment(struct parser *p, char *text)
{
	char reason[640], *equals = strchr(text, '=');
	if (!equals || equals == text) {
		problem(p, "'%s': expected key = value, [section] or a comment", text);
		return;
	}
	*equals = 0;
	char *key = strip(text), *value = strip(equals + 1);
	if (!p->in_daemon && !p->in_device) {
		problem(p, "%s stands before the first section", key);
		return;
	}
	if (is_repeated(p, key))
		return;
	if (has_comment(value)) {
		problem(p, "%s: a comment needs a line of its own", key);
		return;
	}
	if (is_quoted(value)) {
		problem(p, "%s: values stand without quotation marks", key);
		return;
	}
	bool good = true;
	if (p->in_daemon)
		good = config_set_daemon(p->config, key, value, reason, sizeof(reason));
	else if (p->device)
		good = config_set_device(p->device, key, value, reason, sizeof(reason));
	if (!good)
		problem(p, "%s", reason);
}

static void take_line(struct parser *p, char *line)
{
	char *text = strip(line);
	if (!*text || *text == '#' || *text == ';')
		return;
	if (*text == '[')
		start_section(p, text);
	else
		take_assignment(p, text);
}

void config_parse(struct config *c, const char *file, char *content, struct problems *problems)
{
	struct parser p = { .config = c, .file = file, .problems = problems };
	for (char *line = content, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		p.line++;
		take_line(&p, line);
	}
	end_section(&p);
}

void config_check(const struct config *c, struct problems *problems)
{
	for (size_t i = 0; i < c->device_count; i++)
		for (size_t j = 0; c->devices[i].alias && j < i; j++)
			if (c->devices[j].alias && !strcmp(c->devices[i].alias, c->devices[j].alias))
				problems_add(problems, "%s:%u: [device %s] and [device %s] have the same alias '%s'",
						c->devices[i].file, c->devices[i].line, c->devices[i].name, c->devices[j].name,
						c->devices[i].alias);
}
