/* SPDX-License-Identifier: MIT */
#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/verbs.h"
#include "proto/json.h"

static const char *const bootloaders[] = { "mcuboot", NULL };

static const struct arg update_words[] = {
	{ "file", .meta = "FILE", .kind = ARG_TEXT, .help = "a signed image; - reads the standard input" },
	{ NULL },
};
static const struct arg update_options[] = {
	{ "bootloader", 'b', .meta = "TYPE", .kind = ARG_WORD, .choices = bootloaders,
		.help = "mcuboot: the only one there is, and found by itself" },
	{ "image-id", .meta = "N", .kind = ARG_NUMBER, .json = "imageNumber", .max = UINT32_MAX,
		.help = "image of the board (0)" },
	{ "checksum", .meta = "SHA256", .kind = ARG_HEX, .json = "checksum", .min = 64, .max = 64,
		.help = "refuse another file" },
	{ "no-confirm", .kind = ARG_FLAG, .help = "stop after the test boot; the next reset goes back" },
	{ "force-confirm", .kind = ARG_FLAG, .json = "forceConfirm",
		.help = "make it permanent before it ever ran: no way back" },
	{ "skip-reboot", .kind = ARG_FLAG, .json = "skipReboot",
		.help = "stop after the mark; it boots at the next reset" },
	{ "upgrade-only", .kind = ARG_FLAG, .json = "upgradeOnly", .help = "let the board refuse lower versions" },
	{ "erase-first", .kind = ARG_FLAG, .json = "eraseFirst", .help = "erase the slot as a step of its own" },
	{ "boot-timeout", .meta = "TIME", .kind = ARG_TIME, .json = "bootTimeoutMs", .min = 1000, .max = 3600000,
		.unit_ms = 1000, .help = "how long it may be away (3min; bare number: seconds)" },
	{ NULL },
};
static const struct arg info_words[] = {
	{ "type", .meta = "mcuboot", .kind = ARG_WORD, .choices = bootloaders,
		.help = "the bootloader that the image is for" },
	{ "file", .meta = "FILE", .kind = ARG_TEXT, .help = "an image; - reads the standard input" },
	{ NULL },
};

static int prepare_update(struct ctl *ctl, json_object *parameters)
{
	if (args_has(ctl->args, "no-confirm") && args_has(ctl->args, "force-confirm"))
		return args_refuse(ctl->args, NULL, "--no-confirm and --force-confirm exclude each other");
	if (args_has(ctl->args, "no-confirm"))
		json_object_object_add(parameters, "confirm", json_object_new_boolean(false));
	return image_file_put(ctl, parameters);
}

const struct verb firmware_verbs[] = {
	{ .group = "firmware",
		.name = "update",
		.summary = "update a board and see the new image run",
		.flags = VERB_BOARD | VERB_STREAM | VERB_JOB,
		.words = update_words,
		.options = update_options,
		.method = "Update",
		.prepare = prepare_update,
		.help = "Updates a board: checks the file, uploads it, marks it for a test boot, resets, waits for the board,\n"
			"makes sure that the new image is the one that runs, and confirms it. What already runs is not sent again.\n"
			"\n"
			"Ctrl-C cancels at the next safe step and tells in which state the board is; a second one leaves at once.\n"
			"With --detach the daemon goes on alone: mcumgrctl job watch ID shows how it is doing" },
	{ .group = "firmware",
		.name = "get-image-info",
		.summary = "what an image file says of itself (no board needed)",
		.words = info_words,
		.offline = firmware_image_info,
		.help = "Reads an image file, computes its hash again and compares it, and lists every TLV. Needs no daemon" },
	{ .name = NULL },
};
