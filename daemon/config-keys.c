/* SPDX-License-Identifier: MIT */

/* The keys of [daemon] and [device NAME]: two tables that say where a value goes and what it may be. */

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "daemon/config-private.h"
#include "daemon/limits.h"
#include "daemon/role.h"
#include "proto/smp.h"

#define TEXT_MAX 255
#define SELECTORS 3 /* the first keys of a device: they choose boards on USB */

enum key_type {
	KEY_TEXT,     /* any text without control characters */
	KEY_NAME,     /* letters, digits, . _ - */
	KEY_NAMES,    /* some of them, stored with one space between */
	KEY_FILE,     /* an absolute path; max bytes, if not as long as any text */
	KEY_PLACE,    /* a place on USB */
	KEY_MEMBERS,  /* groups and users */
	KEY_REGEX,    /* text that compiles */
	KEY_UINT,     /* min..max */
	KEY_DURATION, /* ms, or with a unit; min..max ms */
	KEY_CHOICE,   /* one of choices; stored as its index in an enum */
	KEY_FLAG,     /* one of two choices; stored as a bool */
};

struct key {
	const char *name;
	enum key_type type;
	size_t offset;
	unsigned int min, max;
	bool automatic;	     /* "auto" is allowed, stored as automatic_value */
	int automatic_value;
	const char *choices[5];
};

#define AT(field) offsetof(struct config_device, field)
static const struct key device_keys[] = {
	{ "match", KEY_REGEX, AT(match) },
	{ "serial", KEY_TEXT, AT(serial) },
	{ "path", KEY_PLACE, AT(path) },
	{ "alias", KEY_NAME, AT(alias) },
	{ "tags", KEY_NAMES, AT(tags) },
	{ "baud", KEY_UINT, AT(baud), 50, 20000000 },
	{ "flow", KEY_FLAG, AT(rtscts), .choices = { "none", "rtscts" } },
	{ "dtr", KEY_CHOICE, AT(dtr), .choices = { "keep", "on", "off" } },
	{ "rts", KEY_CHOICE, AT(rts), .choices = { "keep", "on", "off" } },
	{ "timeout_ms", KEY_DURATION, AT(timeout_ms), 10, LIMIT_TIMEOUT_MS },
	{ "retries", KEY_UINT, AT(retries), 0, 20 },
	{ "frame_size", KEY_UINT, AT(frame_size), 32, SMP_MESSAGE_MAX, true, 0 },
	{ "probe", KEY_CHOICE, AT(probe), .choices = { "smp", "passive", "never" } },
	{ "quiet_ms", KEY_DURATION, AT(quiet_ms), 0, 60000 },
	{ "line_delay_ms", KEY_DURATION, AT(line_delay_ms), 0, 1000, true, -1 },
	{ "window", KEY_UINT, AT(window), 1, 16, true, 0 },
	{ "framing", KEY_FLAG, AT(raw), .choices = { "console", "raw" } },
	{ "broken_count", KEY_UINT, AT(broken_count), 0, LIMIT_BROKEN_COUNT },
	{ "broken_window_ms", KEY_DURATION, AT(broken_window_ms), 100, 3600000 },
	{ "console_lines", KEY_UINT, AT(console_lines), 1, LIMIT_CONSOLE_LINES_MAX },
	{ "console_bytes", KEY_UINT, AT(console_bytes), LIMIT_CONSOLE_LINE_BYTES, LIMIT_CONSOLE_BYTES_MAX },
	{ "console_log", KEY_FLAG, AT(console_log), .choices = { "no", "yes" } },
	{ "log_size", KEY_UINT, AT(log_size), 4096, LIMIT_LOG_BYTES_MAX },
	{ "log_count", KEY_UINT, AT(log_count), 0, LIMIT_LOG_COUNT_MAX },
	{ "tty", KEY_FLAG, AT(terminal), .choices = { "no", "yes" } },
};
#undef AT

#define AT(field) offsetof(struct config, field)
static const struct key daemon_keys[] = {
	{ "socket", KEY_FILE, AT(socket), .max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1 },
	{ "state_dir", KEY_FILE, AT(state_dir) },
	{ "log_dir", KEY_FILE, AT(log_dir) },
	{ "tty_dir", KEY_FILE, AT(tty_dir) },
	{ "group", KEY_TEXT, AT(group) },
	{ "read", KEY_MEMBERS, AT(read) },
	{ "change", KEY_MEMBERS, AT(change) },
	{ "administer", KEY_MEMBERS, AT(administer) },
	{ "log_level", KEY_CHOICE, AT(log_level), .choices = { "error", "warning", "info", "debug" } },
};
#undef AT

static bool store_text(void *at, const char *value)
{
	char *copy = strdup(value);
	if (!copy)
		return false;
	free(*(char **)at);
	*(char **)at = copy;
	return true;
}

static bool is_text(const char *value)
{
	for (const char *s = value; *s; s++)
		if (iscntrl((unsigned char)*s))
			return false;
	return *value && strlen(value) <= TEXT_MAX;
}

static bool is_name(const char *value)
{
	return *value && strlen(value) <= 64 &&
		!value[strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")];
}

/* Decimal digits and nothing else, a number of 32 bits. */
static const char *parse_digits(const char *value, unsigned int *ret)
{
	size_t digits = strspn(value, "0123456789");
	uint64_t number = 0;
	if (!digits || digits > 10)
		return NULL;
	for (size_t i = 0; i < digits; i++)
		number = number * 10 + (unsigned int)(value[i] - '0');
	if (number > UINT32_MAX)
		return NULL;
	*ret = (unsigned int)number;
	return value + digits;
}

static bool parse_duration(const char *value, unsigned int *ret)
{
	static const struct {
		const char *unit;
		unsigned int ms;
	} units[] = { { "", 1 }, { "ms", 1 }, { "s", 1000 }, { "min", 60000 } };
	unsigned int number;
	const char *unit = parse_digits(value, &number);
	if (!unit)
		return false;
	unit += strspn(unit, " ");
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		uint64_t ms = (uint64_t)number * units[i].ms;
		if (strcmp(unit, units[i].unit) || ms > UINT32_MAX)
			continue;
		*ret = (unsigned int)ms;
		return true;
	}
	return false;
}

static bool set_number(const struct key *k, void *at, const char *value, char *text, size_t text_size)
{
	unsigned int number;
	if (k->automatic && !strcmp(value, "auto")) {
		*(int *)at = k->automatic_value;
		return true;
	}
	const char *end = NULL;
	bool good = k->type == KEY_DURATION ? parse_duration(value, &number) :
		(end = parse_digits(value, &number)) && !*end;
	if (good && number >= k->min && number <= k->max) {
		*(unsigned int *)at = number;
		return true;
	}
	snprintf(text, text_size, "allowed: %u to %u%s%s", k->min, k->max,
			k->type == KEY_DURATION ? " milliseconds (or with a unit: 500ms, 2s, 1min)" : "",
			k->automatic ? ", or auto" : "");
	return false;
}

static bool set_choice(const struct key *k, void *at, const char *value, char *text, size_t text_size)
{
	size_t used = (size_t)snprintf(text, text_size, "allowed: ");
	for (size_t i = 0; k->choices[i]; i++) {
		if (!strcmp(value, k->choices[i])) {
			if (k->type == KEY_FLAG)
				*(bool *)at = i;
			else
				*(unsigned int *)at = (unsigned int)i;
			return true;
		}
		used += (size_t)snprintf(text + used, text_size - used, "%s%s", i ? ", " : "", k->choices[i]);
	}
	return false;
}

static bool set_regex(struct config_device *d, const char *value, char *text, size_t text_size)
{
	struct regex *r;
	if (regex_compile(value, &r, text, text_size) < 0)
		return false;
	regex_free(d->regex);
	d->regex = r;
	return store_text(&d->match, value);
}

static bool set_text(const struct key *k, void *at, const char *value, char *text, size_t text_size)
{
	static const char *const allowed[] = {
		[KEY_TEXT] = "1 to 255 printable characters",
		[KEY_NAME] = "1 to 64 letters, digits, '.', '_' and '-'",
		[KEY_PLACE] = "a place on USB, as 'mcumgrctl list --all-ports' shows it (a tty that is not on USB: --port)",
	};
	bool good = k->type == KEY_NAME ? is_name(value) : is_text(value);
	/* "/dev/ttyACM0" is no place: such a board would be waited for and never come. */
	if (good && !(k->type == KEY_PLACE && *value == '/'))
		return store_text(at, value);
	snprintf(text, text_size, "allowed: %s", allowed[k->type]);
	return false;
}

static bool set_file(const struct key *k, void *at, const char *value, char *text, size_t text_size)
{
	size_t max = k->max ? k->max : TEXT_MAX;
	if (is_text(value) && *value == '/' && strlen(value) <= max)
		return store_text(at, value);
	snprintf(text, text_size, "allowed: an absolute path of at most %zu bytes", max);
	return false;
}

/* "a b", "a, b" */
static bool set_names(void *at, const char *value, char *text, size_t text_size)
{
	_cleanup_free_ char *words = strdup(value), *names = calloc(1, strlen(value) + 2);
	char *rest = words, *word;

	if (!words || !names)
		return false;
	while ((word = strsep(&rest, " ,\t"))) {
		if (!*word)
			continue;
		if (!is_name(word)) {
			snprintf(text, text_size, "'%.40s' is no name: 1 to 64 letters, digits, '.', '_' and '-'", word);
			return false;
		}
		if (*names)
			strcat(names, " ");
		strcat(names, word);
	}
	if (*names)
		return store_text(at, names);
	snprintf(text, text_size, "allowed: names with spaces or commas between");
	return false;
}

static bool set_members(void *at, const char *value, char *text, size_t text_size)
{
	return role_members_check(value, text, text_size) && store_text(at, value);
}

static bool set_key(const struct key *k, void *section, const char *value, char *text, size_t text_size)
{
	void *at = (char *)section + k->offset;
	switch (k->type) {
	case KEY_NAMES:
		return set_names(at, value, text, text_size);
	case KEY_MEMBERS:
		return set_members(at, value, text, text_size);
	case KEY_FILE:
		return set_file(k, at, value, text, text_size);
	case KEY_REGEX:
		return set_regex(section, value, text, text_size);
	case KEY_UINT:
	case KEY_DURATION:
		return set_number(k, at, value, text, text_size);
	case KEY_CHOICE:
	case KEY_FLAG:
		return set_choice(k, at, value, text, text_size);
	default:
		return set_text(k, at, value, text, text_size);
	}
}

/* Other transports have clients elsewhere; here they get a sentence instead of "unknown key". */
static bool names_other_transport(const char *key)
{
	static const char *const words[] = { "udp", "ble", "transport", "host", "address" };
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(key, words[i]))
			return true;
	return false;
}

/* also: what else is allowed there, and was looked at before. */
static bool set(const struct key *keys, size_t count, const char *also, void *section, const char *key, const char *value,
		char *text, size_t text_size)
{
	char reason[160];
	for (size_t i = 0; i < count; i++) {
		if (strcmp(key, keys[i].name))
			continue;
		if (set_key(&keys[i], section, value, reason, sizeof(reason)))
			return true;
		snprintf(text, text_size, "bad value '%s' for %s; %s", value, key, reason);
		return false;
	}
	if (names_other_transport(key)) {
		snprintf(text, text_size, "'%s': boards over UDP and Bluetooth are not supported, serial ports only", key);
		return false;
	}
	size_t used = (size_t)snprintf(text, text_size, "unknown key '%s'; allowed:%s", key, also);
	for (size_t i = 0; i < count && used < text_size; i++)
		used += (size_t)snprintf(text + used, text_size - used, " %s", keys[i].name);
	return false;
}

bool config_set_device(struct config_device *d, const char *key, const char *value, char *text, size_t text_size)
{
	return set(device_keys, ARRAY_SIZE(device_keys), "", d, key, value, text, text_size);
}

bool config_set_port(struct config_device *d, const char *key, const char *value, char *text, size_t text_size)
{
	return set(device_keys + SELECTORS, ARRAY_SIZE(device_keys) - SELECTORS, " name", d, key, value, text, text_size);
}

bool config_set_daemon(struct config *c, const char *key, const char *value, char *text, size_t text_size)
{
	return set(daemon_keys, ARRAY_SIZE(daemon_keys), "", c, key, value, text, text_size);
}
