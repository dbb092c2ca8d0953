/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/failure.h"
#include "libclient/mcumgrctl/file.h"
#include "libclient/mcumgrctl/table.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/verbs.h"
#include "proto/json.h"
#include "proto/mcuboot.h"
#include "proto/smp.h"

#define VALUE_SHOWN 32 /* bytes of a TLV in the table */
#define VALUE_JSON 64  /* longer ones are left out, as ImageInspect does */

static char *hex(const uint8_t *data, size_t size)
{
	char *text = malloc(2 * size + 1);
	size_t i;

	if (!text)
		out_of_memory();
	for (i = 0; i < size; i++)
		sprintf(text + 2 * i, "%02x", data[i]);
	text[2 * size] = 0;
	return text;
}

static void add_text(json_object *o, const char *key, const char *text)
{
	if (text)
		json_object_object_add(o, key, json_object_new_string(text));
}

static void add_number(json_object *o, const char *key, uint64_t n)
{
	json_object_object_add(o, key, json_object_new_int64((int64_t)n));
}

static json_object *flags_json(const struct mcuboot_image *image)
{
	json_object *array = json_object_new_array();
	unsigned int bit;

	for (bit = 0; bit < 32; bit++)
		if (image->flags & (1u << bit)) {
			const char *name = mcuboot_flag_name(bit);
			_cleanup_free_ char *number = format("bit %u", bit);

			json_object_array_add(array, json_object_new_string(name ? name : number));
		}
	return array;
}

static json_object *tlvs_json(const uint8_t *data, const struct mcuboot_image *image)
{
	json_object *array = json_object_new_array();
	size_t i;

	for (i = 0; i < image->tlv_count; i++) {
		const struct mcuboot_tlv *t = &image->tlvs[i];
		_cleanup_free_ char *value = hex(data + t->offset, t->size);
		json_object *o = json_object_new_object();

		add_number(o, "type", t->type);
		add_text(o, "name", mcuboot_tlv_name(t->type));
		add_number(o, "size", t->size);
		json_object_object_add(o, "protected", json_object_new_boolean(t->protected));
		if (t->size <= VALUE_JSON)
			add_text(o, "value", value);
		json_object_array_add(array, o);
	}
	return array;
}

/* As ImageInspect answers. */
static json_object *info_json(const uint8_t *data, const struct mcuboot_image *image, const char *file_hash)
{
	json_object *reply = json_object_new_object(), *o = json_object_new_object();
	_cleanup_free_ char *hash = hex(image->hash, image->hash_size);

	add_text(o, "version", image->version);
	add_text(o, "hash", hash);
	add_text(o, "hashType", image->hash_type);
	add_text(o, "fileHash", file_hash);
	add_number(o, "headerSize", image->header_size);
	add_number(o, "imageSize", image->image_size);
	add_number(o, "protectedSize", image->protected_size);
	add_number(o, "fileSize", image->file_size);
	json_object_object_add(o, "padded", json_object_new_boolean(image->file_size > image->total_size));
	json_object_object_add(o, "encrypted", json_object_new_boolean(image->encrypted));
	json_object_object_add(o, "flags", flags_json(image));
	add_text(o, "signature", image->signature);
	if (image->load_address)
		add_number(o, "loadAddress", image->load_address);
	json_object_object_add(o, "tlvs", tlvs_json(data, image));
	json_object_object_add(reply, "info", o);
	return reply;
}

static void print_tlvs(const uint8_t *data, const struct mcuboot_image *image)
{
	static const char *const columns[] = { "TYPE", "NAME", ">SIZE", "PROTECTED", "VALUE", NULL };
	struct table *t = table_new(columns);
	size_t i;

	for (i = 0; i < image->tlv_count; i++) {
		const struct mcuboot_tlv *tlv = &image->tlvs[i];
		size_t shown = tlv->size < VALUE_SHOWN ? tlv->size : VALUE_SHOWN;
		_cleanup_free_ char *type = format("0x%02x", tlv->type), *size = format("%u", tlv->size);
		_cleanup_free_ char *bytes = hex(data + tlv->offset, shown);
		_cleanup_free_ char *value = format("%s%s", bytes, tlv->size > shown ? "..." : "");

		table_row(t, (const char *const[]){
				     type, mcuboot_tlv_name(tlv->type), size, tlv->protected ? "yes" : "no", value });
	}
	table_print(t, stdout);
}

static void print_flags(const struct mcuboot_image *image)
{
	_cleanup_json_ json_object *flags = flags_json(image);
	size_t i, n = json_object_array_length(flags);

	fputs("Flags:      ", stdout);
	for (i = 0; i < n; i++)
		printf("%s%s", i ? ", " : "", json_object_get_string(json_object_array_get_idx(flags, i)));
	puts(n ? "" : "none");
}

static void print_info(const uint8_t *data, const struct mcuboot_image *image, const char *file_hash)
{
	_cleanup_free_ char *hash = hex(image->hash, image->hash_size);

	printf("Version:    %s\n", image->version);
	printf("Hash:       %s\n", hash);
	printf("Hash type:  %s (%s)\n", image->hash_type,
		image->encrypted ? "not compared: the image is encrypted" : "matches");
	printf("File hash:  %s (sha256)\n", file_hash);
	printf("Signature:  %s\n", image->signature ? image->signature : "none");
	printf("Size:       %zu bytes: header %" PRIu32 ", image %" PRIu32 ", TLVs %zu%s\n", image->file_size,
		image->header_size, image->image_size, image->total_size - image->header_size - image->image_size,
		image->file_size > image->total_size ? ", and padding" : "");
	print_flags(image);
	if (image->load_address)
		printf("Load at:    0x%08" PRIx32 "\n", image->load_address);
	putchar('\n');
	print_tlvs(data, image);
}

static int bad_image(struct ctl *ctl, enum mcuboot_problem problem, const char *text)
{
	_cleanup_json_ json_object *parameters = json_object_new_object();
	struct mcumgr_error error = {
		.name = (char *)"io.mcumgr.BadImage", .message = (char *)text, .parameters = parameters
	};

	add_text(parameters, "reason", mcuboot_problem_name(problem));
	add_text(parameters, "message", text);
	return (int)failure_report(ctl, NULL, &error);
}

int firmware_image_info(struct ctl *ctl)
{
	_cleanup_json_ json_object *reply = NULL;
	_cleanup_free_ uint8_t *data = NULL;
	_cleanup_free_ char *file_hash = NULL;
	uint8_t digest[SHA256_DIGEST_LENGTH];
	enum mcuboot_problem problem;
	struct mcuboot_image image;
	char text[256];
	size_t size;
	int r;

	ctl->subject = args_text(ctl->args, "file");
	r = file_read(ctl, ctl->subject, &data, &size);
	if (r)
		return r;
	if (mcuboot_parse(data, size, &image, &problem, text, sizeof(text)) < 0)
		return bad_image(ctl, problem, text);
	SHA256(data, size, digest);
	file_hash = hex(digest, sizeof(digest));
	if (ctl->json) {
		reply = info_json(data, &image, file_hash);
		ctl_print_json(reply);
	} else {
		print_info(data, &image, file_hash);
	}
	return CODE_DONE;
}
