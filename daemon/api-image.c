/* SPDX-License-Identifier: MIT */
/* ImagePut and ImageInspect. Large files are decoded, hashed and parsed off the loop. */
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "daemon/api-private.h"
#include "proto/base64.h"
#include "proto/hex.h"

#define TLV_VALUE_SHOWN 64 /* bytes; longer values are keys and signatures of no use to a reader */

static json_object *hex_json(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = malloc(2 * size + 1);

	if (!text)
		return NULL;
	hex_text(data, size, text);
	return json_object_new_string(text);
}

static json_object *tlv_json(const struct mcuboot_tlv *tlv, const uint8_t *data)
{
	json_object *o = json_object_new_object();

	api_put_int(o, "type", tlv->type);
	api_put_string(o, "name", mcuboot_tlv_name(tlv->type));
	api_put_int(o, "size", tlv->size);
	api_put(o, "protected", json_object_new_boolean(tlv->protected));
	if (tlv->size <= TLV_VALUE_SHOWN)
		api_put(o, "value", hex_json(data + tlv->offset, tlv->size));
	return o;
}

static json_object *flags_json(uint32_t flags)
{
	json_object *names = json_object_new_array();
	char other[16];

	for (unsigned int bit = 0; bit < 32 && names; bit++) {
		const char *name = mcuboot_flag_name(bit);

		if (!(flags >> bit & 1))
			continue;
		snprintf(other, sizeof(other), "0x%x", 1u << bit);
		json_object_array_add(names, json_object_new_string(name ? name : other));
	}
	return names;
}

json_object *api_image_json(const struct mcuboot_image *image, const uint8_t *data, const char *file_hash)
{
	json_object *o = json_object_new_object(), *tlvs = json_object_new_array();

	api_put_string(o, "version", image->version);
	api_put_hex(o, "hash", image->hash, image->hash_size);
	api_put_string(o, "hashType", image->hash_type);
	api_put_string(o, "fileHash", file_hash);
	api_put_int(o, "headerSize", image->header_size);
	api_put_int(o, "imageSize", image->image_size);
	api_put_int(o, "protectedSize", image->protected_size);
	api_put_int(o, "fileSize", (int64_t)image->file_size);
	api_put(o, "padded", json_object_new_boolean(image->file_size > image->total_size));
	api_put(o, "encrypted", json_object_new_boolean(image->encrypted));
	api_put(o, "flags", flags_json(image->flags));
	api_put_string(o, "signature", image->signature);
	if (image->load_address)
		api_put_int(o, "loadAddress", image->load_address);
	for (size_t i = 0; i < image->tlv_count && tlvs; i++)
		json_object_array_add(tlvs, tlv_json(&image->tlvs[i], data));
	api_put(o, "tlvs", tlvs);
	return o;
}

/* A file on its way from a message; lives until its work is done, also without the call. */
struct file {
	uv_work_t work;
	struct api *api;
	struct call *call; /* NULL: the client has gone */
	json_object *text; /* a reference to the base64 string */
	bool put, any;
	/* made off the loop */
	int error;
	size_t where; /* of bad base64 */
	uint8_t *data;
	size_t size;
	struct mcuboot_image image;
	enum mcuboot_problem problem;
	char sentence[200];
	uint8_t sha[32];
};

static void file_free(struct file *f)
{
	if (!f)
		return;
	json_object_put(f->text);
	free(f->data);
	free(f);
}
DEFINE_FREEP(struct file, file_free)

static void file_closed(struct call *call)
{
	((struct file *)call->user)->call = NULL;
}

/* Off the loop. */
static void on_work(uv_work_t *work)
{
	struct file *f = work->data;

	f->error = base64_decode(json_object_get_string(f->text), (size_t)json_object_get_string_len(f->text), &f->data,
			&f->size, &f->where);
	if (f->error < 0 || f->put)
		return;
	f->error = mcuboot_parse(f->data, f->size, &f->image, &f->problem, f->sentence, sizeof(f->sentence));
	if (f->error == 0 && !EVP_Digest(f->data, f->size, f->sha, NULL, EVP_sha256(), NULL))
		f->error = -ENOMEM;
}

static void fail_image(struct call *call, const char *reason, const char *sentence)
{
	json_object *o = json_object_new_object();

	api_put_string(o, "reason", reason);
	/* What it is instead may have been said with what to send. */
	api_fail(call, "BadImage", o, strstr(sentence, "signed.bin") ? NULL : "the file to send is the signed binary, often zephyr.signed.bin",
			"%s", sentence);
}

static void fail_store(struct call *call, const char *sentence)
{
	api_fail_limit(call, "imageStore", LIMIT_IMAGE_STORE_BYTES, "wait until running jobs have ended", sentence);
}

/* The store has the file, or not. */
static void on_put(void *user, struct blob *blob_taken, const char *reason, const char *problem)
{
	_cleanup_(blob_unrefp) struct blob *blob = blob_taken;
	_cleanup_(file_freep) struct file *f = user;
	json_object *o;

	if (!f->call)
		return;
	if (!blob && reason) {
		fail_image(f->call, reason, problem);
	} else if (!blob) {
		fail_store(f->call, problem);
	} else {
		o = json_object_new_object();
		api_put_string(o, "hash", blob->hash);
		if (blob->is_image)
			api_put(o, "info", api_image_json(&blob->info, blob->data, blob->hash));
		call_reply(f->call, o);
	}
}

static void reply_inspected(struct file *f)
{
	json_object *o = json_object_new_object();
	char hash[65];

	hex_text(f->sha, sizeof(f->sha), hash);
	api_put(o, "info", api_image_json(&f->image, f->data, hash));
	call_reply(f->call, o);
}

static void on_worked(uv_work_t *work, int status)
{
	_cleanup_(file_freep) struct file *f = work->data;

	json_object_put(TAKE_PTR(f->text));
	if (!f->call)
		return;
	if (status < 0 || f->error == -ENOMEM)
		api_fail_limit(f->call, "memory", 0, NULL, "the daemon is out of memory");
	else if (f->error < 0 && !f->data)
		api_invalid(f->call, "data", "'data' is no padded base64: trouble at character %zu", f->where);
	else if (f->error < 0)
		fail_image(f->call, mcuboot_problem_name(f->problem), f->sentence);
	else if (!f->put)
		reply_inspected(f);
	else {
		/* Arguments are evaluated in any order: f must not be taken among those that read it. */
		struct file *taken = TAKE_PTR(f);
		image_store_put(taken->api->images, TAKE_PTR(taken->data), taken->size, taken->any, on_put, taken);
	}
}

static void start(struct api *api, struct call *call, bool put)
{
	struct file *f = calloc(1, sizeof(*f));

	if (!f) {
		api_fail_limit(call, "memory", 0, NULL, "the daemon is out of memory");
		return;
	}
	f->work.data = f;
	f->api = api;
	f->call = call;
	f->put = put;
	f->any = api_bool(call, "any", false);
	f->text = json_object_get(json_object_object_get(call->message.parameters, "data"));
	call->user = f;
	call->closed = file_closed;
	uv_queue_work(api->loop, &f->work, on_work, on_worked);
}

static void image_put(struct api *api, struct call *call)
{
	start(api, call, true);
}

static void image_inspect(struct api *api, struct call *call)
{
	start(api, call, false);
}

static const struct api_parameter put_parameters[] = {
	{ "data", API_STRING },
	{ "any", API_BOOL, .optional = true },
	{ NULL },
};
static const struct api_parameter inspect_parameters[] = { { "data", API_STRING }, { NULL } };

const struct api_method api_image_methods[] = {
	{ "ImagePut", put_parameters, image_put, ROLE_CHANGE },
	{ "ImageInspect", inspect_parameters, image_inspect, ROLE_READ },
	{ NULL },
};
