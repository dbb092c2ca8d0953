/* SPDX-License-Identifier: MIT */
#include "settings.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "util.h"

enum kind { NUMBER, BOOLEAN, CHOICE, TEXT };

static const char *const mode_names[] = {
#define X(id, name, number) name,
	BOOT_MODES(X)
#undef X
	NULL,
};
static const int mode_numbers[] = {
#define X(id, name, number) number,
	BOOT_MODES(X)
#undef X
};
static const char *const v1_names[] = {
#define X(id, name) name,
	V1_KINDS(X)
#undef X
	NULL,
};
static const char *const burst_names[] = { "ok", "lose", NULL };

struct key {
	const char *name;
	enum kind kind;
	size_t at;
	bool fixed; /* only before the board exists */
	uint64_t min, max, preset;
	const char *const *names;
};

#define NUM(field, lo, hi, value)                                                                  \
	{ #field, NUMBER, offsetof(struct settings, field), false, lo, hi, value, NULL }
#define BOOL(name, field, value)                                                                   \
	{ name, BOOLEAN, offsetof(struct settings, field), false, 0, 1, value, NULL }

static const struct key keys[] = {
	{ "mode", CHOICE, offsetof(struct settings, mode), false, 0, 0, MODE_SWAP_MOVE, mode_names },
	{ "v1", CHOICE, offsetof(struct settings, v1), false, 0, 0, V1_OFF, v1_names },
	{ "burst", BOOLEAN, offsetof(struct settings, burst_lost), false, 0, 1, 0, burst_names },
	{ "slot_size", NUMBER, offsetof(struct settings, slot_size), true, 16384, 16777216, 524288,
	  NULL },
	{ "images", NUMBER, offsetof(struct settings, images), true, 1, 2, 1, NULL },
	NUM(buf_size, 64, 65535, 384),
	NUM(buf_count, 1, 64, 4),
	NUM(line_bufs, 1, 256, 2),
	NUM(line_len, 32, 1024, 128),
	NUM(line_us, 0, 1000000, 0),
	NUM(rec_buf, 64, 65535, 1024),
	NUM(rec_align, 1, 32, 4),
	NUM(baud, 0, 12000000, 0),
	NUM(uart, 0, 12000000, 0),
	NUM(latency_ms, 0, 60000, 0),
	NUM(boot_ms, 0, 3600000, 50),
	NUM(swap_ms_per_kb, 0, 60000, 0),
	NUM(reset_delay_ms, 0, 60000, 250),
	NUM(wait_dfu_ms, 0, 3600000, 0),
	NUM(erase_ms, 0, 3600000, 0),
	NUM(write_us, 0, 60000000, 0),
	NUM(page_us, 0, 60000000, 0),
	BOOL("banner", banner, 0),
	BOOL("shell", shell, 0),
	BOOL("dead", dead, 0),
	BOOL("recovery", recovery, 0),
	BOOL("hang_up", hang_up, 0),
	BOOL("bus_power", bus_power, 0),
	BOOL("no_app", no_app, 1),
	BOOL("downgrade", downgrade, 1),
	BOOL("params", params, 1),
	BOOL("echo", echo, 1),
	BOOL("bootloader_info", bootloader_info, 1),
	BOOL("datetime", datetime, 1),
	BOOL("mpstat", mpstat, 1),
	BOOL("build_time", build_time, 1),
	BOOL("transport", transport, 0),
	BOOL("enum", enumerate, 1),
	BOOL("image_group", image_group, 1),
	BOOL("slot_info", slot_info, 1),
	BOOL("legacy_rc", legacy_rc, 0),
	BOOL("canonical", canonical, 0),
	BOOL("frugal", frugal, 0),
	BOOL("image_check", image_check, 0),
	BOOL("direct_upload", direct_upload, 0),
	BOOL("erase_pending", erase_pending, 1),
	BOOL("rec_echo", rec_echo, 0),
	BOOL("rec_params", rec_params, 1),
	BOOL("rec_state", rec_state, 0),
	BOOL("rec_slots", rec_slots, 0),
	{ "image", TEXT, offsetof(struct settings, image), true, 0, 0, 0, NULL },
	{ "image1", TEXT, offsetof(struct settings, image1), true, 0, 0, 0, NULL },
	{ "unix", TEXT, offsetof(struct settings, unix_path), true, 0, 0, 0, NULL },
	{ "board_id", TEXT, offsetof(struct settings, board_id), false, 0, 0, 0, NULL },
};

static void *field(struct settings *s, const struct key *k)
{
	return (char *)s + k->at;
}

static void number_put(struct settings *s, const struct key *k, uint64_t v)
{
	if (k->kind == NUMBER)
		*(uint64_t *)field(s, k) = v;
	else if (k->kind == BOOLEAN)
		*(bool *)field(s, k) = v;
	else
		*(unsigned int *)field(s, k) = (unsigned int)v;
}

void settings_init(struct settings *s)
{
	memset(s, 0, sizeof(*s));
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i].kind != TEXT)
			number_put(s, &keys[i], keys[i].preset);
}

void settings_clear(struct settings *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i].kind == TEXT) {
			free(*(char **)field(s, &keys[i]));
			*(char **)field(s, &keys[i]) = NULL;
		}
}

/* A number with an optional K or M (1024, 1024²). */
static bool number_parse(const char *text, uint64_t *ret)
{
	unsigned long long v;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	v = strtoull(text, &end, 0);
	if (errno)
		return false;
	for (; *end == 'K' || *end == 'M'; end++) {
		unsigned long long unit = *end == 'K' ? 1024 : 1048576;

		if (v > UINT64_MAX / unit)
			return false;
		v *= unit;
	}
	if (*end)
		return false;
	*ret = v;
	return true;
}

static bool choice_parse(const char *const *names, const char *text, uint64_t *ret)
{
	for (uint64_t i = 0; names[i]; i++)
		if (!strcmp(names[i], text)) {
			*ret = i;
			return true;
		}
	return false;
}

static bool boolean_parse(const char *text, uint64_t *ret)
{
	static const char *const off_on[] = { "off", "on", NULL };
	static const char *const no_yes[] = { "0", "1", NULL };

	return choice_parse(off_on, text, ret) || choice_parse(no_yes, text, ret);
}

static int bad_value(const struct key *k, const char *value, char **ret_error)
{
	char allowed[256] = "on or off";
	size_t n = 0;

	if (k->kind == NUMBER)
		snprintf(allowed, sizeof(allowed), "a number from %llu to %llu",
			 (unsigned long long)k->min, (unsigned long long)k->max);
	for (size_t i = 0; k->names && k->names[i] && n < sizeof(allowed); i++)
		n += (size_t)snprintf(allowed + n, sizeof(allowed) - n, "%s%s", i ? ", " : "",
				      k->names[i]);
	if (asprintf(ret_error, "%s=%s: allowed is %s", k->name, value, allowed) < 0)
		return -ENOMEM;
	return -EINVAL;
}

static int text_put(struct settings *s, const struct key *k, const char *value)
{
	char *copy = strdup(value);
	char **at = field(s, k);

	if (!copy)
		return -ENOMEM;
	free(*at);
	*at = copy;
	return 0;
}

int settings_set(struct settings *s, const char *key, const char *value, bool live,
		 char **ret_error)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const struct key *k = &keys[i];
		uint64_t v = 0;
		bool good;

		if (strcmp(k->name, key))
			continue;
		if (live && k->fixed) {
			if (asprintf(ret_error, "%s can be set at the start only", key) < 0)
				return -ENOMEM;
			return -EINVAL;
		}
		if (k->kind == TEXT)
			return text_put(s, k, value);
		if (k->kind == NUMBER)
			good = number_parse(value, &v) && v >= k->min && v <= k->max;
		else
			good = k->names ? choice_parse(k->names, value, &v)
					: boolean_parse(value, &v);
		if (!good)
			return bad_value(k, value, ret_error);
		number_put(s, k, v);
		return 0;
	}
	if (asprintf(ret_error, "unknown key %s", key) < 0)
		return -ENOMEM;
	return -EINVAL;
}

const char *boot_mode_name(enum boot_mode m)
{
	return mode_names[m];
}

int boot_mode_number(enum boot_mode m)
{
	return mode_numbers[m];
}

bool boot_mode_swaps(enum boot_mode m)
{
	return m == MODE_SWAP_SCRATCH || m == MODE_SWAP_MOVE || m == MODE_SWAP_OFFSET;
}

bool boot_mode_has_state_write(enum boot_mode m)
{
	return boot_mode_swaps(m) || m == MODE_OVERWRITE || m == MODE_DIRECT_XIP_REVERT;
}

bool boot_mode_picks_slot(enum boot_mode m)
{
	return m == MODE_DIRECT_XIP || m == MODE_DIRECT_XIP_REVERT || m == MODE_RAM_LOAD;
}
