/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/file.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/verbs.h"
#include "proto/base64.h"
#include "proto/json.h"

#define MESSAGE_USUAL ((16u << 20) - 1024) /* room for text in the largest message, unless configured */

static const struct arg set_options[] = {
	{ "hash", .meta = "HEX", .kind = ARG_HEX, .json = "hash", .min = 2, .max = 128,
		.help = "the image, as get-state shows it" },
	{ "confirm", .kind = ARG_FLAG, .help = "for good, not for one test boot; without --hash the running image" },
	{ NULL },
};
static const struct arg upload_words[] = {
	{ "file", .meta = "FILE", .kind = ARG_TEXT, .help = "a signed image; - reads the standard input" },
	{ NULL },
};
static const struct arg upload_options[] = {
	{ "image-id", .meta = "N", .kind = ARG_NUMBER, .json = "imageNumber", .max = UINT32_MAX,
		.help = "image of the board (0)" },
	{ "upgrade-only", .kind = ARG_FLAG, .json = "upgradeOnly", .help = "let the board refuse lower versions" },
	{ "checksum", .meta = "SHA256", .kind = ARG_HEX, .json = "checksum", .min = 64, .max = 64,
		.help = "refuse another file" },
	{ "any", .kind = ARG_FLAG, .help = "also what is no MCUboot image" },
	{ NULL },
};
static const struct arg erase_words[] = {
	{ "slot", .meta = "SLOT", .kind = ARG_NUMBER, .json = "slot", .max = UINT32_MAX, .optional = true,
		.help = "left out: the slot that does not run" },
	{ NULL },
};

/* ---- files ---- */

static bool takes_any(const struct ctl *ctl)
{
	const struct arg *row;

	for (row = ctl->verb->options; row && row->name; row++)
		if (strcmp(row->name, "any") == 0)
			return true;
	return false;
}

static int put(struct ctl *ctl, const uint8_t *data, size_t size, json_object **ret_reply)
{
	_cleanup_json_ json_object *parameters = json_object_new_object();
	_cleanup_free_ char *text = base64_encode(data, size, NULL);
	int r;

	if (!text)
		out_of_memory();
	json_object_object_add(parameters, "data", json_object_new_string(text));
	if (takes_any(ctl) && args_has(ctl->args, "any"))
		json_object_object_add(parameters, "any", json_object_new_boolean(true));
	ctl->subject = args_text(ctl->args, "file");
	r = ctl_call(ctl, "ImagePut", parameters, ret_reply);
	ctl->subject = NULL;
	if (r == CODE_IMAGE && size > 0 && takes_any(ctl) && !ctl->json)
		fputs("  With --any it is uploaded all the same.\n", stderr);
	/* A message over its limit is no call that the daemon could answer: it hangs up. */
	if (r == CODE_DAEMON && strlen(text) > MESSAGE_USUAL && !ctl->json)
		fputs("  The file may be too large: daemons take 16 MiB a message, which hold a file of 12 MiB.\n", stderr);
	return r;
}

int image_file_put(struct ctl *ctl, json_object *parameters)
{
	_cleanup_json_ json_object *reply = NULL;
	_cleanup_free_ uint8_t *data = NULL;
	size_t size;
	int r;

	r = file_read(ctl, args_text(ctl->args, "file"), &data, &size);
	if (r == 0)
		r = put(ctl, data, size, &reply);
	if (r == 0)
		json_object_object_add(parameters, "file", json_object_get(json_object_object_get(reply, "hash")));
	if (r == 0 && ctl->detach)
		json_object_object_add(parameters, "detached", json_object_new_boolean(true));
	return r;
}

/* ---- state ---- */

static void say_flags(struct board *b, json_object *slot)
{
	static const char *const flags[] = { "active", "confirmed", "pending", "permanent", "bootable" };
	const char *separator = "";
	size_t i;

	say(b, "  Flags:    ");
	for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (member_bool(slot, flags[i])) {
			say(b, "%s%s", separator, flags[i]);
			separator = ", ";
		}
	say(b, *separator ? "\n" : "none\n");
}

static void print_state(struct board *b, json_object *reply)
{
	size_t i, n = member_count(reply, "slots");

	for (i = 0; i < n; i++) {
		json_object *slot = member_at(reply, "slots", i);
		int64_t image = 0, number = 0;

		member_int(slot, "image", &image);
		member_int(slot, "slot", &number);
		say(b, "Image %" PRId64 ", Slot %" PRId64 ":\n", image, number);
		say(b, "  Version:  %s\n", show_key(slot, "version"));
		if (member_string(slot, "hash"))
			say(b, "  Hash:     %s\n", show_key(slot, "hash"));
		say_flags(b, slot);
	}
	if (!n)
		note(b, "No slot holds an image.\n");
}

/* Test and confirm are methods of their own in the API, and one command in SMP and here. */
static enum next set_state(struct board *b, json_object *reply, const struct mcumgr_error *error)
{
	bool confirm = args_has(b->ctl->args, "confirm");

	if (error)
		return NEXT_ERROR;
	if (!reply)
		return board_call(b, confirm ? "ImageConfirm" : "ImageTest", b->ctl->parameters);
	note(b, "Success. New state:\n");
	print_state(b, reply);
	return NEXT_DONE;
}

static int check_set_state(struct ctl *ctl, json_object *parameters)
{
	(void)parameters;
	if (args_has(ctl->args, "hash") || args_has(ctl->args, "confirm"))
		return 0;
	return args_refuse(ctl->args,
		"--hash HEX marks an image for one test boot, --confirm makes the running one permanent.",
		"image set-state needs --hash, --confirm or both");
}

static void print_slots(struct board *b, json_object *reply)
{
	size_t i, k;

	for (i = 0; i < member_count(reply, "images"); i++) {
		json_object *image = member_at(reply, "images", i);
		int64_t n = 0;

		member_int(image, "image", &n);
		say(b, "Image %" PRId64 ":\n", n);
		if (member_int(image, "maxImageSize", &n))
			say(b, "  Largest image: %" PRId64 " bytes\n", n);
		for (k = 0; k < member_count(image, "slots"); k++) {
			json_object *slot = member_at(image, "slots", k);

			n = 0;
			member_int(slot, "slot", &n);
			say(b, "  Slot %" PRId64 ":\n", n);
			if (member_int(slot, "size", &n))
				say(b, "    Size:            %" PRId64 " bytes\n", n);
			if (member_int(slot, "uploadImageId", &n))
				say(b, "    Upload image ID: %" PRId64 "\n", n);
		}
	}
}

#define IMAGE .group = "image", .flags = VERB_BOARD
const struct verb image_verbs[] = {
	{ IMAGE, .name = "get-state", .summary = "images in the slots, and which boots", .method = "ImageList",
		.print = print_state },
	{ IMAGE, .name = "set-state", .summary = "mark an image for a test boot, or confirm one",
		.options = set_options, .prepare = check_set_state, .next = set_state,
		.help = "Marks the image with this hash for one test boot, or with --confirm for good. --confirm alone confirms\n"
			"the running image" },
	{ .group = "image",
		.name = "upload",
		.summary = "write an image to a slot, without marking it",
		.flags = VERB_BOARD | VERB_STREAM | VERB_JOB,
		.words = upload_words,
		.options = upload_options,
		.method = "ImageUpload",
		.prepare = image_file_put,
		.help = "Writes an image file to the slot that does not run, and does not mark it: it will not boot by itself.\n"
			"An upload that was interrupted goes on where it stopped" },
	{ .group = "image",
		.name = "erase",
		.summary = "erase a slot",
		.flags = VERB_BOARD | VERB_SLOW,
		.words = erase_words,
		.method = "ImageErase",
		.help = "Erases a slot, which may take a minute" },
	{ IMAGE, .name = "slot-info", .summary = "sizes of the slots", .method = "SlotInfo", .print = print_slots },
	{ .name = NULL },
};
