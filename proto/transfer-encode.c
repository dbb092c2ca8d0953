/* SPDX-License-Identifier: MIT */

/* The bytes of chunks (SMP §5.1, §5.8), and how much data fits (SMP §6.1). Sizes and bytes come from one list of keys,
 * so that they cannot differ: a chunk is described once, to a writer or to a counter. */

#include <errno.h>
#include <string.h>

#include "proto/transfer-private.h"

enum { SMP_IMAGE_UPLOAD = 1, SMP_FS_FILE = 0, SMP_FS_CLOSE = 4 };

/* What stands beside the data. */
struct keys {
	bool image, len, off, sha, upgrade, name, data;
	uint64_t offset;
};

static struct keys chunk_keys(const struct transfer_config *c, bool first, uint64_t offset)
{
	bool image = c->kind == TRANSFER_IMAGE_UPLOAD, upload = c->kind != TRANSFER_FILE_DOWNLOAD;
	return (struct keys){
		.image = image && first && c->has_image,
		.len = upload && first,
		.off = true,
		.sha = image && first && c->sha,
		.upgrade = image && first && c->upgrade_only,
		.name = !image,
		.data = upload,
		.offset = offset,
	};
}

static size_t key_size(const char *key)
{
	return 1 + strlen(key);
}

/* Of the message without the length and bytes of the data. */
static size_t frame_size(const struct transfer_config *c, const struct keys *k)
{
	size_t size = SMP_HEADER_SIZE + 1;
	size += k->image ? key_size("image") + value_head_size(c->image) : 0;
	size += k->len ? key_size("len") + value_head_size(c->size) : 0;
	size += k->off ? key_size("off") + value_head_size(k->offset) : 0;
	size += k->sha ? key_size("sha") + value_head_size(SHA_SIZE) + SHA_SIZE : 0;
	size += k->upgrade ? key_size("upgrade") + 1 : 0;
	size += k->name ? key_size("name") + value_head_size(strlen(c->name)) + strlen(c->name) : 0;
	size += k->data ? key_size("data") : 0;
	return size;
}

size_t transfer_chunk_size(const struct transfer_config *c, bool first, uint64_t offset, uint64_t length)
{
	struct keys k = chunk_keys(c, first, offset);
	return frame_size(c, &k) + (k.data ? value_head_size(length) + (size_t)length : 0);
}

size_t transfer_chunk_fit(const struct transfer_config *c, bool first, uint64_t offset, size_t message)
{
	struct keys k = chunk_keys(c, first, offset);
	size_t frame = frame_size(c, &k), max = message ? message : c->message_max;
	static const size_t heads[] = {1, 2, 3, 5};
	for (size_t i = 0; k.data && i < ARRAY_SIZE(heads); i++) {
		if (max < frame + heads[i])
			break;
		size_t length = max - frame - heads[i];
		if (value_head_size(length) <= heads[i])
			return length;
	}
	return 0;
}

size_t transfer_chunk_max(const struct transfer_config *config, bool first, uint64_t offset)
{
	return transfer_chunk_fit(config, first, offset, 0);
}

static void write_uint(struct writer *w, const char *key, uint64_t v)
{
	writer_text(w, key);
	writer_uint(w, v);
}

static void write_chunk(const struct transfer_config *c, const struct keys *k, uint64_t length, struct writer *w)
{
	writer_map(w, (size_t)k->image + k->len + k->off + k->sha + k->upgrade + k->name + k->data);
	if (k->image)
		write_uint(w, "image", c->image);
	if (k->len)
		write_uint(w, "len", c->size);
	if (k->off)
		write_uint(w, "off", k->offset);
	if (k->sha) {
		writer_text(w, "sha");
		writer_bytes(w, c->sha, SHA_SIZE);
	}
	if (k->upgrade) {
		writer_text(w, "upgrade");
		writer_bool(w, true);
	}
	if (k->name) {
		writer_text(w, "name");
		writer_text(w, c->name);
	}
	if (k->data) {
		writer_text(w, "data");
		writer_bytes(w, length > 0 ? c->data + k->offset : NULL, (size_t)length);
	}
}

int transfer_encode(struct transfer *t, const struct transfer_chunk *chunk, struct writer *w)
{
	if (chunk->close) {
		/* not asked for, but older servers decode a map of any command */
		writer_map(w, 0);
		return w->error;
	}
	bool upload = t->config.kind != TRANSFER_FILE_DOWNLOAD;
	if (upload && (chunk->offset > t->config.size || chunk->length > t->config.size - chunk->offset))
		return -EINVAL;
	struct keys k = chunk_keys(&t->config, chunk->first, chunk->offset);
	write_chunk(&t->config, &k, chunk->length, w);
	return w->error;
}

void transfer_command(const struct transfer *t, const struct transfer_chunk *chunk, uint8_t *ret_op,
	uint16_t *ret_group, uint8_t *ret_id)
{
	bool image = t->config.kind == TRANSFER_IMAGE_UPLOAD;
	bool read = t->config.kind == TRANSFER_FILE_DOWNLOAD && !chunk->close;
	*ret_op = read ? SMP_READ : SMP_WRITE;
	*ret_group = image ? SMP_IMAGE : SMP_FS;
	*ret_id = image ? SMP_IMAGE_UPLOAD : chunk->close ? SMP_FS_CLOSE : SMP_FS_FILE;
}
