/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <openssl/evp.h>

#include "smp.h"

/*
 * The FS group on a small file system at /lfs1 (SMP §5.8), with what a real
 * one does while a file is open: what was written is not in the file for
 * others to see until it is closed, and the first chunk is not idempotent.
 */

#define MOUNT "/lfs1/"
#define FILE_MAX (8 * 1024 * 1024)
#define NAME_MAX_LEN 64

static struct file *find(struct board *b, const char *name)
{
	for (struct file *f = b->files; f; f = f->next)
		if (!strcmp(f->name, name))
			return f;
	return NULL;
}

/* Like fs_stat(): 0 and the size, or an error of the group. */
static int file_size(struct board *b, const char *name, uint64_t *ret)
{
	const struct file *f = find(b, name);

	if (name[0] != '/')
		return FS_FILE_INVALID_NAME;
	if (!strcmp(name, "/lfs1") || !strcmp(name, MOUNT))
		return FS_FILE_IS_DIRECTORY;
	if (!f)
		return FS_FILE_NOT_FOUND;
	*ret = f->len;
	return 0;
}

static struct file *create(struct board *b, const char *name)
{
	struct file *f = calloc(1, sizeof(*f));

	if (f)
		f->name = strdup(name);
	if (!f || !f->name)
		abort();
	f->next = b->files;
	return b->files = f;
}

/* Closing puts what was written into the file. */
static void close_file(struct board *b)
{
	struct open_file *o = &b->ram.file;
	struct file *f = o->state == FILE_UPLOAD ? find(b, o->name) : NULL;

	if (f) {
		free(f->data);
		f->data = TAKE_PTR(o->data);
		f->len = o->data_len;
	}
	free(o->data);
	*o = (struct open_file){ 0 };
}

static int open_for_upload(struct board *b, const char *name)
{
	struct open_file *o = &b->ram.file;
	struct file *f = find(b, name);

	if (name[0] != '/')
		return FS_FILE_INVALID_NAME;
	if (strncmp(name, MOUNT, strlen(MOUNT)) || !name[strlen(MOUNT)])
		return FS_MOUNT_POINT_NOT_FOUND;
	if (!f)
		f = create(b, name);
	*o = (struct open_file){ .state = FILE_UPLOAD };
	strcpy(o->name, name);
	o->data = malloc(FILE_MAX);
	if (!o->data)
		abort();
	o->data_len = f->len;
	if (f->len)
		memcpy(o->data, f->data, f->len);
	return 0;
}

static bool name_take(const struct payload_value *v, char out[NAME_MAX_LEN + 1])
{
	if (!v->len || v->len > NAME_MAX_LEN || memchr(v->data, 0, v->len))
		return false;
	memcpy(out, v->data, v->len);
	out[v->len] = '\0';
	return true;
}

static void finish_check(struct board *b)
{
	if (b->ram.file.len && b->ram.file.off >= b->ram.file.len)
		close_file(b);
}

int fs_download(struct board *b, const struct request *req, struct reply *reply)
{
	struct payload_value name = { 0 };
	uint64_t off = UINT64_MAX;
	struct payload_want want[] = { WANT_UINT("off", &off), WANT_TEXT("name", &name) };
	struct open_file *o = &b->ram.file;
	char text[NAME_MAX_LEN + 1];
	const struct file *f;
	size_t chunk, n;

	if (request_get(req, want, ARRAY_SIZE(want)) || off == UINT64_MAX ||
	    !name_take(&name, text))
		return RC_INVAL;
	if (o->state != FILE_DOWNLOAD || strcmp(o->name, text)) {
		uint64_t len;
		int err;

		close_file(b);
		err = file_size(b, text, &len);
		if (err) {
			reply_error(reply, GROUP_FS, err);
			return 0;
		}
		*o = (struct open_file){ .state = FILE_DOWNLOAD, .len = len };
		strcpy(o->name, text);
	}
	/* Room for the map, "off", "data" and "len" with numbers of any size. */
	chunk = b->set.buf_size > 48 ? (size_t)b->set.buf_size - 48 : 16;
	f = find(b, text);
	o->off = off;
	n = f && off < f->len ? MIN(chunk, f->len - off) : 0;
	writer_pair_uint(&reply->w, "off", off);
	writer_pair_bytes(&reply->w, "data", n ? f->data + off : (const uint8_t *)"", n);
	if (!off)
		writer_pair_uint(&reply->w, "len", o->len);
	o->off += n;
	finish_check(b);
	return 0;
}

/*
 * Writes a chunk as the server does: at offset 0 it truncates a file that has
 * something in it; else it goes to the end unless it is just there.
 */
static int write_chunk(struct open_file *o, uint64_t off, uint64_t existing,
		       const struct payload_value *data)
{
	if (!off && existing)
		o->data_len = o->position = 0;
	else if (o->position != off)
		o->position = o->data_len;
	if (data->len > FILE_MAX - o->position)
		return FS_FILE_WRITE_FAILED;
	memcpy(o->data + o->position, data->data, data->len);
	o->position += data->len;
	if (o->position > o->data_len)
		o->data_len = o->position;
	o->off += data->len;
	return 0;
}

static int upload_fail(struct board *b, struct reply *reply, int err)
{
	reply_error(reply, GROUP_FS, err);
	close_file(b);
	return 0;
}

int fs_upload(struct board *b, const struct request *req, struct reply *reply)
{
	struct payload_value name = { 0 }, data = { 0 };
	uint64_t off = UINT64_MAX, len = UINT64_MAX, existing = 0;
	struct payload_want want[] = { WANT_UINT("off", &off), WANT_TEXT("name", &name),
				       WANT_BYTES("data", &data), WANT_UINT("len", &len) };
	struct open_file *o = &b->ram.file;
	char text[NAME_MAX_LEN + 1];
	struct fault f;
	int err = 0;

	if (request_get(req, want, ARRAY_SIZE(want)) || off == UINT64_MAX ||
	    !name_take(&name, text) || (!off && len == UINT64_MAX))
		return RC_INVAL;
	if (o->state != FILE_UPLOAD || strcmp(o->name, text)) {
		close_file(b);
		err = open_for_upload(b, text);
	}
	if (!err && !off) {
		o->len = len;
		err = file_size(b, text, &existing);
	} else if (!err && !o->off) {
		err = file_size(b, text, &o->off);
	}
	if (err)
		return upload_fail(b, reply, err);
	if (off && off != o->off) {
		uint64_t expected = o->off;

		upload_fail(b, reply, FS_FILE_OFFSET_NOT_VALID);
		if (!reply->v1)
			writer_pair_uint(&reply->w, "len", expected);
		return 0;
	}
	if (data.len)
		err = write_chunk(o, off, existing, &data);
	if (err)
		return upload_fail(b, reply, err);
	if (data.len && faults_strike(&b->faults, &b->rng, FAULT_WRONG_BYTE, &req->where, &f))
		o->data[o->position - 1] ^= 1;
	reply->cost_us += b->set.write_us;
	writer_pair_uint(&reply->w, "off", o->off);
	finish_check(b);
	return 0;
}

int fs_status(struct board *b, const struct request *req, struct reply *reply)
{
	struct payload_value name = { 0 };
	struct payload_want want[] = { WANT_TEXT("name", &name) };
	char text[NAME_MAX_LEN + 1];
	uint64_t len;
	int err;

	if (request_get(req, want, ARRAY_SIZE(want)) || !name_take(&name, text))
		return RC_INVAL;
	err = file_size(b, text, &len);
	if (err)
		reply_error(reply, GROUP_FS, err);
	else
		writer_pair_uint(&reply->w, "len", len);
	return 0;
}

static uint32_t crc32(const uint8_t *data, size_t len)
{
	uint32_t crc = 0xffffffffu;

	while (len--) {
		crc ^= *data++;
		for (int i = 0; i < 8; i++)
			crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
	}
	return ~crc;
}

int fs_checksum(struct board *b, const struct request *req, struct reply *reply)
{
	struct payload_value name = { 0 }, type = { 0 };
	uint64_t off = 0, len = UINT64_MAX, size;
	struct payload_want want[] = { WANT_TEXT("type", &type), WANT_TEXT("name", &name),
				       WANT_UINT("off", &off), WANT_UINT("len", &len) };
	char text[NAME_MAX_LEN + 1];
	const struct file *f;
	uint8_t digest[32];
	bool sha, crc;
	int err = 0;

	if (request_get(req, want, ARRAY_SIZE(want)) || !name_take(&name, text) || !len ||
	    type.len > 8)
		return RC_INVAL;
	sha = type.len == 6 && !memcmp(type.data, "sha256", 6);
	crc = !type.len || (type.len == 5 && !memcmp(type.data, "crc32", 5));
	if (!sha && !crc)
		err = FS_CHECKSUM_HASH_NOT_FOUND;
	if (!err)
		err = file_size(b, text, &size);
	if (!err && size <= off)
		err = size ? FS_FILE_OFFSET_LARGER_THAN_FILE : FS_FILE_EMPTY;
	if (err) {
		reply_error(reply, GROUP_FS, err);
		return 0;
	}
	f = find(b, text);
	len = MIN(len, size - off);
	writer_pair_text(&reply->w, "type", sha ? "sha256" : "crc32");
	if (off)
		writer_pair_uint(&reply->w, "off", off);
	writer_pair_uint(&reply->w, "len", len);
	if (sha && EVP_Digest(f->data + off, len, digest, NULL, EVP_sha256(), NULL))
		writer_pair_bytes(&reply->w, "output", digest, sizeof(digest));
	else
		writer_pair_uint(&reply->w, "output", crc32(f->data + off, len));
	return 0;
}

int fs_types(struct board *b, const struct request *req, struct reply *reply)
{
	static const struct {
		const char *name;
		unsigned int format, size;
	} types[] = { { "crc32", 0, 4 }, { "sha256", 1, 32 } };

	(void)b;
	(void)req;
	writer_text(&reply->w, "types");
	writer_map_begin(&reply->w);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		writer_text(&reply->w, types[i].name);
		writer_map_begin(&reply->w);
		writer_pair_uint(&reply->w, "format", types[i].format);
		writer_pair_uint(&reply->w, "size", types[i].size);
		writer_map_end(&reply->w);
	}
	writer_map_end(&reply->w);
	return 0;
}

int fs_close(struct board *b, const struct request *req, struct reply *reply)
{
	(void)req;
	(void)reply;
	close_file(b);
	return 0;
}
