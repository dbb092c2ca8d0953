/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <string.h>
#include <time.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/verbs.h"
#include "proto/macro.h"

/* Reads "+hh:mm", "-hh:mm" or "Z" to the end; false: something else. */
static bool read_zone(const char *text, long *ret_seconds)
{
	unsigned int hours, minutes;
	int n = 0;

	*ret_seconds = 0;
	if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
		return true;
	if (sscanf(text + 1, "%2u:%2u%n", &hours, &minutes, &n) != 2 || n != 5 || text[6] || hours > 23 || minutes > 59)
		return false;
	*ret_seconds = (long)(hours * 3600 + minutes * 60) * (*text == '-' ? -1 : 1);
	return *text == '-' || *text == '+';
}

/* ".123" and more digits, of which a board takes milliseconds. */
static const char *read_fraction(const char *text, unsigned int *ret_ms)
{
	unsigned int scale = 100;

	*ret_ms = 0;
	if (*text != '.' || !isdigit((unsigned char)text[1]))
		return text;
	for (text++; isdigit((unsigned char)*text); text++, scale /= 10)
		*ret_ms += (unsigned int)(*text - '0') * scale;
	return text;
}

static char *written(const struct tm *tm, unsigned int ms)
{
	char text[32];

	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", tm);
	return ms ? format("%s.%03u", text, ms) : format("%s", text);
}

static char *of_clock(time_t t, unsigned int ms, bool utc)
{
	struct tm tm;

	if (utc)
		gmtime_r(&t, &tm);
	else
		localtime_r(&t, &tm);
	return written(&tm, ms);
}

/* The time as the board is to have it, or NULL: not a time. */
static char *convert(const char *value, bool utc)
{
	struct tm tm = { 0 }, same;
	unsigned int ms;
	const char *rest;
	long zone;
	time_t t;

	rest = strptime(value, "%Y-%m-%d", &tm);
	if (!rest || (*rest != 'T' && *rest != 't' && *rest != ' '))
		return NULL;
	rest = strptime(rest + 1, "%H:%M:%S", &tm);
	if (!rest)
		return NULL;
	rest = read_fraction(rest, &ms);
	same = tm;
	t = timegm(&same);
	/* The 31st of February is the 3rd of March for timegm(). */
	if (same.tm_mday != tm.tm_mday || tm.tm_sec > 59)
		return NULL;
	if (!*rest)
		return written(&tm, ms);
	return read_zone(rest, &zone) ? of_clock(t - zone, ms, utc) : NULL;
}

int os_prepare_set_datetime(struct ctl *ctl, json_object *parameters)
{
	const char *value = args_text(ctl->args, "value");
	bool utc = args_has(ctl->args, "utc");
	_cleanup_free_ char *text = NULL;

	text = value ? convert(value, utc) : of_clock(time(NULL), 0, utc);
	if (!text)
		return args_refuse(ctl->args, "Write it as in RFC 3339; without a zone it is sent as it is.",
			"'%s' is no time such as 2026-01-02T03:04:05 or 2026-01-02T03:04:05+02:00", show(value));
	json_object_object_add(parameters, "time", json_object_new_string(text));
	return 0;
}
