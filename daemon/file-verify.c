/* SPDX-License-Identifier: MIT */

/* Whether a file that was uploaded is on the board what it was here: by the board's checksum of it. What checksums it has is
 * asked while the data moves, and the checksum right behind the close, so that they cost no round trips of their own. An early
 * answer is believed when it is the right one; any other is asked for again, because the close may have been lost. */

#include "daemon/file-private.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SUM_ANSWER_MS 30000 /* the board reads the whole file for it */

static bool take_types(struct file_job *f)
{
	const struct value *types = value_get(f->answer->payload, "types");

	f->algorithm = value_get(types, "sha256") ? "sha256" : value_get(types, "crc32") ? "crc32" : NULL;
	f->have_types = true;
	return f->algorithm;
}

/* Eight bytes at a time, by a table for the place of each: a board that tells late which checksums it has leaves the whole file
 * to be summed at once. table[n][i]: what the byte i, with n bytes behind it, makes of the CRC. */
static uint32_t table[8][256];

static void make_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		table[0][i] = i;
		for (int bit = 0; bit < 8; bit++)
			table[0][i] = table[0][i] >> 1 ^ (table[0][i] & 1 ? 0xedb88320u : 0);
	}
	for (int n = 1; n < 8; n++)
		for (uint32_t i = 0; i < 256; i++)
			table[n][i] = table[n - 1][i] >> 8 ^ table[0][table[n - 1][i] & 0xff];
}

/* CRC-32 of IEEE 802.3, as Zephyr's crc32_ieee: of what was before, and this. */
static uint32_t crc32_ieee(uint32_t before, const uint8_t *data, size_t size)
{
	uint32_t crc = ~before;

	if (!table[0][1])
		make_table();
	for (; size >= 8; data += 8, size -= 8)
		crc = table[7][(crc ^ data[0]) & 0xff] ^ table[6][(crc >> 8 ^ data[1]) & 0xff] ^
			table[5][(crc >> 16 ^ data[2]) & 0xff] ^ table[4][crc >> 24 ^ data[3]] ^ table[3][data[4]] ^
			table[2][data[5]] ^ table[1][data[6]] ^ table[0][data[7]];
	for (; size > 0; data++, size--)
		crc = crc >> 8 ^ table[0][(crc ^ *data) & 0xff];
	return ~crc;
}

static bool start_sum(struct file_job *f)
{
	if (f->sha)
		return true;
	f->sha = EVP_MD_CTX_new();
	return f->sha && EVP_DigestInit_ex(f->sha, EVP_sha256(), NULL);
}

/* As the board takes it, piece by piece: all at once, a large file would keep everybody else waiting. */
void file_sum_take(struct file_job *f, size_t size)
{
	const uint8_t *data = f->data + f->summed;

	if (!f->algorithm || size <= f->summed)
		return;
	size -= f->summed;
	if (strcmp(f->algorithm, "crc32") == 0)
		f->crc = crc32_ieee(f->crc, data, size);
	else if (!start_sum(f) || !EVP_DigestUpdate(f->sha, data, size))
		return;
	f->summed += size;
}

static bool is_sha(struct file_job *f, const struct value *output)
{
	EVP_MD_CTX *end = EVP_MD_CTX_new(); /* the sum may be asked for again */
	uint8_t digest[32];

	bool right = end && start_sum(f) && EVP_MD_CTX_copy_ex(end, f->sha) && EVP_DigestFinal_ex(end, digest, NULL) &&
		output->kind == VALUE_BYTES && output->size == sizeof(digest) &&
		memcmp(output->data, digest, sizeof(digest)) == 0;
	EVP_MD_CTX_free(end);
	return right;
}

static bool sum_is_right(struct file_job *f)
{
	const struct value *output = value_get(f->answer->payload, "output");
	uint64_t number, length;

	if (!value_to_uint(value_get(f->answer->payload, "len"), &length) || length != f->size || !output)
		return false;
	file_sum_take(f, f->size);
	if (strcmp(f->algorithm, "crc32") == 0)
		return value_to_uint(output, &number) && number == f->crc;
	return is_sha(f, output);
}

/* While the transfer still goes on. What is no help here is asked again when its time has come. */
static void answered_early(struct file_job *f)
{
	if (!f->have_types)
		f->have_types = f->answer->error == 0 && take_types(f);
	else
		f->right = f->answer->error == 0 && sum_is_right(f);
}

static void answered(struct request *request, const struct answer *answer)
{
	struct file_job *f = request->user;

	job_ref(&f->job);
	f->pending = false;
	f->answer = answer;
	if (f->beside)
		answered_early(f);
	else
		job_complete(&f->job, answer->error);
	f->answer = NULL;
	job_unref(&f->job);
}

static int ask(struct file_job *f, uint8_t id, struct writer *w, unsigned int answer_ms)
{
	request_release(&f->request);
	f->request = (struct request){.class = REQUEST_JOB, .op = SMP_READ, .group = SMP_FS, .id = id,
		.repeat = REPEAT_HARMLESS, .answer_ms = answer_ms, .timeout_ms = f->timeout_ms, .watched = true, .done = answered, .user = f};
	int r = writer_finish(w, &f->request.payload, &f->request.payload_size);
	if (r == 0)
		r = device_submit(f->job.device, &f->request);
	if (r < 0)
		return r;
	f->pending = true;
	return 0;
}

static int ask_types(struct file_job *f)
{
	struct writer w = {0};

	writer_map(&w, 0);
	return ask(f, 3, &w, 0);
}

static int ask_sum(struct file_job *f)
{
	struct writer w = {0};

	writer_map(&w, 2);
	writer_text(&w, "name");
	writer_text(&w, f->path);
	writer_text(&w, "type");
	writer_text(&w, f->algorithm);
	return ask(f, 2, &w, SUM_ANSWER_MS);
}

/* Empty files have no checksum on a board (SMP §5.8): of them the length is asked. */
static int ask_length(struct file_job *f)
{
	struct writer w = {0};

	writer_map(&w, 1);
	writer_text(&w, "name");
	writer_text(&w, f->path);
	return ask(f, 1, &w, 0);
}

void file_types_early(struct file_job *f)
{
	f->right = false;
	f->beside = f->size > 0 && !f->have_types && !f->pending && ask_types(f) == 0;
}

void file_sum_early(struct file_job *f)
{
	if (!f->algorithm || f->pending)
		return;
	f->beside = f->early = ask_sum(f) == 0;
}

static int succeed(struct file_job *f)
{
	f->verified = f->algorithm;
	return JOB_NEXT;
}

int file_verify_begin(struct job *job)
{
	struct file_job *f = file_of(job);
	bool beside = f->beside;

	f->beside = false;
	if (beside && f->pending)
		return JOB_WAIT;
	if (f->right)
		return succeed(f);
	f->early = false;
	int r = f->size == 0 ? ask_length(f) : f->have_types ? ask_sum(f) : ask_types(f);
	return r < 0 ? file_fail(f, r) : JOB_WAIT;
}

/* Nothing written is nothing truncated: what was in the file is still there (SMP §5.8). */
static int check_empty(struct file_job *f)
{
	uint64_t length;
	char what[128];

	if (!value_to_uint(value_get(f->answer->payload, "len"), &length))
		return file_fail_as(f, -EPROTO, "ProtocolError", "the board's answer has no length of the file", NULL);
	if (length == 0)
		return JOB_NEXT;
	snprintf(what, sizeof(what),
			"the board left the file as it was, with %" PRIu64 " bytes: nothing was there to write over them", length);
	return file_fail_as(f, -EBADMSG, "ProtocolError", what,
			"boards empty a file only to put something in: upload at least one byte, or delete it in the board's "
			"shell (fs rm)");
}

/* A mismatch may be what a lossy cable made of a repeated chunk: once more, then it is the board's. */
static int mismatch(struct file_job *f)
{
	if (f->repeated)
		return file_fail_as(f, -EBADMSG, "ProtocolError",
				"the board's checksum of the file is not that of the data sent, twice: the file is damaged",
				"the board's file system may be full or bad; its own log may say more");
	f->repeated = true;
	f->job.next = file_write_steps;
	job_set_message(&f->job, "the board's checksum of the file is not that of the data sent: once more");
	return JOB_GOTO;
}

int file_verify_end(struct job *job, int result)
{
	struct file_job *f = file_of(job);

	if (result == -EREMOTEIO && smp_status_unsupported(&f->answer->status))
		return JOB_NEXT; /* no checksums, or no lengths, on this board */
	if (result == -EREMOTEIO && f->early)
		return JOB_AGAIN;
	if (result < 0)
		return file_fail(f, result);
	if (f->size == 0)
		return check_empty(f);
	if (!f->have_types)
		return take_types(f) ? JOB_AGAIN : JOB_NEXT;
	if (sum_is_right(f))
		return succeed(f);
	/* the close may have been lost before it */
	return f->early ? JOB_AGAIN : mismatch(f);
}

void file_verify_leave(struct job *job)
{
	struct file_job *f = file_of(job);

	if (f->pending && job->device)
		device_cancel(job->device, &f->request);
	f->pending = f->beside = false;
}
