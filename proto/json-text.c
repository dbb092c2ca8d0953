/* SPDX-License-Identifier: MIT */
/* What reading and writing JSON share: UTF-8 and numbers. */
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "proto/json.h"

size_t json_utf8_length(const char *s, size_t size)
{
	const unsigned char *p = (const unsigned char *)s;
	size_t n;

	if (size == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	n = p[0] >= 0xc2 && p[0] <= 0xdf ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4 : 0;
	if (n == 0 || size < n)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	/* Longer than needed, surrogates, beyond U+10FFFF. */
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
			(p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

bool json_utf8_valid(const char *p, size_t size)
{
	while (size > 0) {
		size_t n = json_utf8_length(p, size);

		if (n == 0)
			return false;
		p += n;
		size -= n;
	}
	return true;
}

double json_to_double(const char *text)
{
	static locale_t c_locale;
	locale_t old;
	double number;

	if (!c_locale)
		c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	old = uselocale(c_locale);
	number = strtod(text, NULL);
	uselocale(old);
	return number;
}

json_object *json_new_double(double number)
{
	char text[40];

	if (!isfinite(number))
		return json_object_new_double(number);
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, number);
		for (char *p = text; *p; p++) /* the program's locale may write a comma */
			if (*p == ',')
				*p = '.';
		if (digits == 17 || json_to_double(text) == number)
			break;
	}
	if (!strpbrk(text, ".e"))
		strcat(text, ".0");
	return json_object_new_double_s(number, text);
}
