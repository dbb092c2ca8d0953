/* SPDX-License-Identifier: MIT */

#include "daemon/parameters.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "proto/json.h"

static void append(struct parameters *p, const char *data, size_t size)
{
	if (p->failed)
		return;
	if (p->size + size + 1 > p->capacity) {
		size_t capacity = (p->size + size + 1) * 2;
		char *grown = realloc(p->data, capacity);
		if (!grown) {
			p->failed = true;
			return;
		}
		p->data = grown;
		p->capacity = capacity;
	}
	memcpy(p->data + p->size, data, size);
	p->size += size;
	p->data[p->size] = '\0';
}

/* What is no UTF-8, such as a character that was cut in two, would cost the whole object: it becomes U+FFFD. */
static void append_string(struct parameters *p, const char *text)
{
	size_t left = strlen(text);

	append(p, "\"", 1);
	while (left > 0) {
		unsigned char c = (unsigned char)*text;
		size_t n = json_utf8_length(text, left);
		char escape[8];
		if (c == '"' || c == '\\')
			append(p, escape, (size_t)snprintf(escape, sizeof(escape), "\\%c", c));
		else if (c < 0x20)
			append(p, escape, (size_t)snprintf(escape, sizeof(escape), "\\u%04x", c));
		else
			append(p, n ? text : "\xef\xbf\xbd", n ? n : 3);
		text += n ? n : 1;
		left -= n ? n : 1;
	}
	append(p, "\"", 1);
}

static void append_key(struct parameters *p, const char *key)
{
	append(p, p->size ? "," : "{", 1);
	append_string(p, key);
	append(p, ":", 1);
}

void parameters_text(struct parameters *p, const char *key, const char *value)
{
	if (!value)
		return;
	append_key(p, key);
	append_string(p, value);
}

void parameters_format(struct parameters *p, const char *key, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0) {
		text = NULL;
		p->failed = true;
	}
	va_end(args);
	parameters_text(p, key, text);
}

void parameters_int(struct parameters *p, const char *key, int64_t value)
{
	char text[24];
	append_key(p, key);
	append(p, text, (size_t)snprintf(text, sizeof(text), "%" PRId64, value));
}

void parameters_uint(struct parameters *p, const char *key, uint64_t value)
{
	char text[24];

	if (value <= INT64_MAX) {
		parameters_int(p, key, (int64_t)value);
		return;
	}
	snprintf(text, sizeof(text), "%" PRIu64, value);
	parameters_text(p, key, text);
}

char *parameters_finish(struct parameters *p)
{
	append(p, p->size ? "}" : "{}", p->size ? 1 : 2);
	char *data = p->data;
	if (p->failed) {
		free(data);
		data = NULL;
	}
	*p = (struct parameters){0};
	return data;
}
