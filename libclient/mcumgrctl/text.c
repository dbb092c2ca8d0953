/* SPDX-License-Identifier: MIT */
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>

#include "libclient/mcumgrctl/text.h"
#include "proto/json.h"

#define SHOWN_AT_ONCE 32

static bool ascii_only;

void text_setup(void)
{
	setlocale(LC_CTYPE, "");
	if (strcmp(nl_langinfo(CODESET), "UTF-8") == 0)
		return;
	/* What goes elsewhere is UTF-8 in any locale, and has to be measured as such: libsmartcols goes round for ever over
	 * a character that its locale does not know. */
	ascii_only = isatty(STDOUT_FILENO) || isatty(STDERR_FILENO) || !setlocale(LC_CTYPE, "C.UTF-8");
}

void out_of_memory(void)
{
	fputs("mcumgrctl: out of memory\n", stderr);
	exit(1);
}

char *format(const char *format, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, format);
	n = vasprintf(&text, format, args);
	va_end(args);
	if (n < 0)
		out_of_memory();
	return text;
}

/* The character at p, whose length json_utf8_length() gave. */
static unsigned int decode(const char *p, size_t length)
{
	static const unsigned char lead[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	unsigned int c = (unsigned char)p[0] & lead[length];
	size_t i;

	for (i = 1; i < length; i++)
		c = c << 6 | ((unsigned char)p[i] & 0x3f);
	return c;
}

/* Controls of both sets, line and paragraph separators, marks and overrides of direction, invisible operators, tags. */
static bool harmful(unsigned int c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) || c == 0xfeff ||
	       (c >= 0xfff9 && c <= 0xfffb) || (c >= 0xe0000 && c <= 0xe007f) || (ascii_only && c > 0x7e);
}

/* The length of a colour sequence at p, or 0. */
static size_t colour(const char *p)
{
	size_t n;

	if (p[0] != '\x1b' || p[1] != '[')
		return 0;
	n = 2 + strspn(p + 2, "0123456789;:");
	return p[n] == 'm' ? n + 1 : 0;
}

static void escape(FILE *f, const char *p, size_t length)
{
	unsigned int c;

	if (!length) {
		fprintf(f, "\\x%02x", (unsigned char)*p);
		return;
	}
	c = decode(p, length);
	if (c < 0x80)
		fprintf(f, "\\x%02x", c);
	else if (c < 0x10000)
		fprintf(f, "\\u%04x", c);
	else
		fprintf(f, "\\U%08x", c);
}

static char *clean(const char *text, bool lines)
{
	char *result;
	size_t size, left = text ? strlen(text) : 0, length;
	FILE *f = open_memstream(&result, &size);

	if (!f)
		out_of_memory();
	for (; left; text += length, left -= length) {
		if (lines && (length = colour(text)))
			continue;
		length = json_utf8_length(text, left);
		if (lines && text[0] == '\r' && text[1] == '\n')
			continue;
		if (length && (!harmful(decode(text, length)) || (lines && (*text == '\n' || *text == '\t'))))
			fwrite(text, 1, length, f);
		else
			escape(f, text, length);
		if (!length)
			length = 1;
	}
	if (fclose(f))
		out_of_memory();
	return result;
}

char *text_clean(const char *text)
{
	return clean(text, false);
}

char *text_clean_lines(const char *text)
{
	return clean(text, true);
}

const char *show(const char *text)
{
	static char *ring[SHOWN_AT_ONCE];
	static unsigned int next;

	next = (next + 1) % SHOWN_AT_ONCE;
	free(ring[next]);
	return ring[next] = text_clean(text);
}

const char *show_key(json_object *object, const char *key)
{
	return show(member_string(object, key));
}

char *text_json(json_object *object)
{
	_cleanup_free_ char *plain = json_print(object, NULL);
	const char *p = plain;
	size_t size, length;
	char *result;
	FILE *f = open_memstream(&result, &size);

	if (!plain || !f)
		out_of_memory();
	for (; *p; p += length) {
		unsigned int c;

		length = json_utf8_length(p, 4 < strlen(p) ? 4 : strlen(p));
		c = decode(p, length);
		if (!harmful(c))
			fwrite(p, 1, length, f);
		else if (c < 0x10000)
			fprintf(f, "\\u%04x", c);
		else
			fprintf(f, "\\u%04x\\u%04x", 0xd800 + ((c - 0x10000) >> 10), 0xdc00 + ((c - 0x10000) & 0x3ff));
	}
	if (fclose(f))
		out_of_memory();
	return result;
}

/* Bytes of text that take at most this many columns; the columns they take in *ret_columns. */
static size_t measure(const char *text, size_t columns, size_t *ret_columns)
{
	mbstate_t state = { 0 };
	size_t at = 0, taken = 0, n;
	wchar_t c;

	while ((n = mbrtowc(&c, text + at, MB_LEN_MAX, &state)) != 0) {
		int width = 1;

		if (n == (size_t)-1 || n == (size_t)-2) {
			memset(&state, 0, sizeof(state));
			n = 1;
		} else if ((width = wcwidth(c)) < 0) {
			width = 1;
		}
		if (taken + (size_t)width > columns)
			break;
		taken += (size_t)width;
		at += n;
	}
	*ret_columns = taken;
	return at;
}

size_t text_width(const char *text)
{
	size_t columns;

	measure(text, SIZE_MAX / 2, &columns);
	return columns;
}

size_t text_fit(const char *text, size_t columns)
{
	size_t taken;

	return measure(text, columns, &taken);
}
