/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/port.h"
#include "libclient/mcumgrctl/section.h"
#include "libclient/mcumgrctl/text.h"
#include "proto/json.h"
#include "proto/macro.h"

#define KIND_MAX 32 /* letters of a name before what tells it from others */
#define TAIL_MIN 4
#define VALUE_MAX 255 /* what the configuration takes */

/* --- what it is chosen by ----------------------------------------------------------------------------------------- */

/* Whether a line of the configuration gives it back: nothing that cannot be shown, is stripped, quoted or a comment. */
static bool survives(const char *value)
{
	if (!value || !*value || strlen(value) > VALUE_MAX || *value == ' ' || value[strlen(value) - 1] == ' ')
		return false;
	if ((*value == '"' || *value == '\'') && value[strlen(value) - 1] == *value)
		return false;
	return strcmp(show(value), value) == 0 && !strstr(value, " #") && !strstr(value, " ;");
}

/* One digit again and again, or digits that count: "0001", "0000", "123456789", "0123456789ABCDEF". */
static bool is_placeholder(const char *serial)
{
	static const char counting[] = "0123456789abcdef", ten[] = "1234567890";
	size_t n = strlen(serial);

	return strspn(serial, "0") >= n - 1 || (n >= 4 && strspn(serial, (char[]){ serial[0], 0 }) == n) ||
		(n >= 4 && n <= 16 && (strncasecmp(serial, counting, n) == 0 || strncasecmp(serial, counting + 1, n) == 0)) ||
		strcmp(serial, ten) == 0;
}

static bool is_shared(const struct plug *plugs, size_t count, const struct plug *p)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (&plugs[i] != p && plugs[i].serial && strcmp(plugs[i].serial, p->serial) == 0)
			return true;
	return false;
}

/* NULL: the serial number will do. */
static const char *why_not_serial(const struct plug *plugs, size_t count, const struct plug *p)
{
	if (!p->serial)
		return "it has no serial number";
	if (!survives(p->serial))
		return "its serial number does not fit a line of this file";
	if (is_shared(plugs, count, p))
		return "others have the same serial number";
	return is_placeholder(p->serial) ? "its serial number looks like one of many" : NULL;
}

static void choose(struct section *s, const struct plug *plugs, size_t count)
{
	const struct plug *p = s->plug;

	s->why = why_not_serial(plugs, count, p);
	s->key = !s->why ? "serial" : survives(p->hub) ? "path" : "match";
	if (!s->why)
		s->value = format("%s", p->serial);
	else if (survives(p->hub))
		s->value = format("%s", p->hub);
	else
		s->value = port_usb_id(p->ports[0]);
}

/* --- what it is called -------------------------------------------------------------------------------------------- */

/* Words that say what every adapter is. */
static bool says_nothing(const char *word)
{
	static const char *const words[] = { "usb", "uart", "serial", "to", "bridge", "controller", "converter", "adapter",
		"port", "com", "interface", "device", "dev", "virtual", "cdc", "acm", "composite", "dual", "quad", "single",
		"high", "speed", "hs", "rs232", "rs", "232", "usbd", "console", "sample", "the", "inc", "ltd", "co", "gmbh",
		"corp", "corporation", "technology", "technologies", "future", "devices", "international", "silicon",
		"labs", "laboratories" };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return false;
}

/* "nRF52840 DK" -> "nrf52840-dk": letters, digits and '-'; "" when nothing is left. malloc'd. */
static char *kind_from(const char *text)
{
	char *copy = format("%s", text ? text : ""), *kind = calloc(1, KIND_MAX + 1), *rest = copy, *word, *s;
	size_t used = 0, n;

	if (!kind)
		out_of_memory();
	for (s = copy; *s; s++)
		*s = (char)((unsigned char)*s < 0x80 && isalnum((unsigned char)*s) ? tolower((unsigned char)*s) : '-');
	while ((word = strsep(&rest, "-"))) {
		n = strlen(word);
		if (!n || says_nothing(word) || used + n + 1 > KIND_MAX)
			continue;
		if (used)
			kind[used++] = '-';
		memcpy(kind + used, word, n);
		used += n;
	}
	free(copy);
	return kind;
}

static const char *kind_of_driver(const char *driver)
{
	static const char *const kinds[][2] = { { "ftdi_sio", "ftdi" }, { "cp210x", "cp210x" }, { "ch341", "ch340" },
		{ "ch341-uart", "ch340" }, { "pl2303", "pl2303" } };
	size_t i;

	for (i = 0; driver && i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i][0], driver) == 0)
			return kinds[i][1];
	return "board";
}

/* By what the board says of itself, then its chip, then its maker. malloc'd. */
static char *kind_of(const struct plug *p)
{
	char *kind = kind_from(p->product);

	if (!*kind && strcmp(kind_of_driver(p->driver), "board") == 0) {
		free(kind);
		kind = kind_from(p->manufacturer);
	}
	if (*kind)
		return kind;
	free(kind);
	return format("%s", kind_of_driver(p->driver));
}

/* The end of the serial number, as far as a name may have it; at least TAIL_MIN letters. malloc'd. */
static char *serial_tail(const char *serial, size_t letters)
{
	char *tail = calloc(1, letters + 1);
	size_t n = strlen(serial), at = letters;

	if (!tail)
		out_of_memory();
	while (n > 0 && at > 0) {
		unsigned char c = (unsigned char)serial[--n];

		if (c < 0x80 && isalnum(c))
			tail[--at] = (char)tolower(c);
	}
	memmove(tail, tail + at, letters - at + 1);
	return tail;
}

/* "pci-0000:00:14.0-usb-0:2.3" -> "port-2.3". malloc'd. */
static char *place_tail(const char *hub)
{
	const char *colon = hub ? strrchr(hub, ':') : NULL;

	return colon && colon[1] && !colon[1 + strspn(colon + 1, "0123456789.")] ? format("port-%.24s", colon + 1) : format("2");
}

static bool is_free(json_object *taken, const char *name)
{
	return !json_object_object_get_ex(taken, name, NULL);
}

static void take(json_object *taken, const char *name)
{
	if (name)
		json_object_object_add(taken, name, json_object_new_boolean(true));
}

/* One that is not taken, from the most telling one on. malloc'd. */
static char *name_apart(const struct section *s, json_object *taken)
{
	size_t letters = TAIL_MIN, longest = s->why ? 0 : strlen(s->plug->serial);
	char *name = NULL, *base;
	unsigned int i;

	for (; letters <= longest && letters <= KIND_MAX - 4 && !name; letters++) {
		_cleanup_free_ char *tail = serial_tail(s->plug->serial, letters);

		base = format("%s-%s", s->kind, tail);
		if (*tail && is_free(taken, base))
			name = TAKE_PTR(base);
		free(base);
	}
	if (!name) {
		_cleanup_free_ char *tail = s->why ? place_tail(s->plug->hub) : format("2");

		name = format("%s-%s", s->kind, tail);
	}
	base = format("%s", name);
	for (i = 2; !is_free(taken, name); i++) {
		free(name);
		name = format("%s-%u", base, i);
	}
	free(base);
	return name;
}

static json_object *taken_names(json_object *reply)
{
	json_object *taken = json_object_new_object();
	size_t i;

	for (i = 0; i < member_count(reply, "sections"); i++) {
		take(taken, member_string(member_at(reply, "sections", i), "name"));
		take(taken, member_string(member_at(reply, "sections", i), "alias"));
	}
	for (i = 0; i < member_count(reply, "ports"); i++)
		take(taken, member_string(member_at(reply, "ports", i), "device"));
	return taken;
}

static bool is_only_one(const struct section *sections, size_t count, const char *kind)
{
	size_t i, n = 0;

	for (i = 0; i < count; i++)
		n += strcmp(sections[i].kind, kind) == 0;
	return n == 1;
}

static void name_all(struct section *sections, size_t count, json_object *reply)
{
	_cleanup_json_ json_object *taken = taken_names(reply);
	size_t i;

	for (i = 0; i < count; i++) {
		struct section *s = &sections[i];

		if (is_only_one(sections, count, s->kind) && is_free(taken, s->kind))
			s->name = format("%s", s->kind);
		else
			s->name = name_apart(s, taken);
		take(taken, s->name);
	}
}

struct section *sections_make(json_object *reply, const struct plug *plugs, size_t count, const bool *wanted,
	size_t *ret_count)
{
	struct section *sections = calloc(count + 1, sizeof(*sections));
	size_t i, n = 0;

	if (!sections)
		out_of_memory();
	for (i = 0; i < count; i++) {
		if (!wanted[i])
			continue;
		sections[n].plug = &plugs[i];
		sections[n].kind = kind_of(&plugs[i]);
		choose(&sections[n++], plugs, count);
	}
	name_all(sections, n, reply);
	*ret_count = n;
	return sections;
}

void sections_free(struct section *sections, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		free(sections[i].name);
		free(sections[i].value);
		free(sections[i].kind);
	}
	free(sections);
}
