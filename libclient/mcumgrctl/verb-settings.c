/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/verbs.h"
#include "proto/base64.h"
#include "proto/json.h"

#define BYTES_A_LINE 8

static const struct arg name_word[] = {
	{ "name", .meta = "NAME", .kind = ARG_TEXT, .json = "name", .help = "of the setting, such as app/interval" },
	{ NULL },
};
static const struct arg write_words[] = {
	{ "name", .meta = "NAME", .kind = ARG_TEXT, .json = "name", .help = "of the setting, such as app/interval" },
	{ "value", .meta = "HEX", .kind = ARG_HEX, .help = "its bytes, in the board's byte order" },
	{ NULL },
};
static const struct arg read_options[] = {
	{ "max-size", .meta = "N", .kind = ARG_NUMBER, .json = "maxSize", .min = 1, .max = UINT32_MAX,
		.help = "most bytes to read" },
	{ NULL },
};
static const struct arg save_options[] = {
	{ "name", .meta = "SUBTREE", .kind = ARG_TEXT, .json = "name", .help = "only this one and what is below it" },
	{ NULL },
};

/* 00000000  68 65 6c 6c 6f 00 01 02  |hello...| */
static void dump_line(struct board *b, const uint8_t *data, size_t size, size_t at)
{
	size_t i;

	say(b, "%08zx ", at);
	for (i = at; i < at + BYTES_A_LINE; i++)
		say(b, i < size ? " %02x" : "   ", i < size ? data[i] : 0);
	say(b, "  |");
	for (i = at; i < at + BYTES_A_LINE && i < size; i++)
		say(b, "%c", data[i] >= 0x20 && data[i] < 0x7f ? data[i] : '.');
	say(b, "|\n");
}

static void print_value(struct board *b, json_object *reply)
{
	const char *text = member_string(reply, "value");
	_cleanup_free_ uint8_t *data = NULL;
	size_t size, at;

	if (!text || base64_decode(text, strlen(text), &data, &size, NULL) < 0) {
		board_fail(b, CODE_OTHER, "BadReply", "the daemon's reply holds no base64 value", NULL);
		return;
	}
	for (at = 0; b->ctl->quiet && at < size; at++)
		say(b, "%02x", data[at]);
	for (at = 0; !b->ctl->quiet && at < size; at += BYTES_A_LINE)
		dump_line(b, data, size, at);
	if (b->ctl->quiet)
		say(b, "\n");
	else if (!size)
		say(b, "(empty)\n");
}

static uint8_t nibble(char c)
{
	return (uint8_t)(c <= '9' ? c - '0' : tolower((unsigned char)c) - 'a' + 10);
}

static int encode_value(struct ctl *ctl, json_object *parameters)
{
	const char *hex = args_text(ctl->args, "value");
	size_t size = strlen(hex) / 2, i;
	_cleanup_free_ uint8_t *data = malloc(size + 1);
	_cleanup_free_ char *text = NULL;

	if (!data)
		out_of_memory();
	for (i = 0; i < size; i++)
		data[i] = (uint8_t)(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
	text = base64_encode(data, size, NULL);
	if (!text)
		out_of_memory();
	json_object_object_add(parameters, "value", json_object_new_string(text));
	return 0;
}

#define SETTINGS .group = "settings", .flags = VERB_BOARD
const struct verb settings_verbs[] = {
	{ SETTINGS, .name = "read", .summary = "a setting's bytes", .words = name_word, .options = read_options,
		.method = "SettingRead", .print = print_value,
		.help = "Shows a setting's bytes as a hex dump; with --quiet as bare hex, as settings write takes it" },
	{ SETTINGS, .name = "write", .summary = "change a setting", .words = write_words, .method = "SettingWrite",
		.prepare = encode_value,
		.help = "Changes a setting in the board's memory; settings save makes it last" },
	{ SETTINGS, .name = "delete", .summary = "delete a setting", .words = name_word, .method = "SettingDelete" },
	{ SETTINGS, .name = "commit", .summary = "apply what was written", .method = "SettingsCommit" },
	{ SETTINGS, .name = "load", .summary = "read the settings from storage", .method = "SettingsLoad" },
	{ SETTINGS, .name = "save", .summary = "write the settings to storage", .options = save_options,
		.method = "SettingsSave" },
	{ .name = NULL },
};
