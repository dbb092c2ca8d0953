/* SPDX-License-Identifier: MIT */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/image-store.h"
#include "daemon/limits.h"
#include "daemon/log.h"
#include "tests/unit/suite.h"

static uv_loop_t loop;
static struct image_store *store;
static char folder[64];

static void open_store(const char *where)
{
	ck_assert_int_eq(image_store_new(&loop, where, &store), 0);
}

static void close_store(void)
{
	image_store_close(TAKE_PTR(store));
	uv_run(&loop, UV_RUN_DEFAULT);
}

static void setup(void)
{
	uv_loop_init(&loop);
	strcpy(folder, "/tmp/test-store-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	open_store(folder);
}

static void teardown(void)
{
	char command[200];

	if (store)
		close_store();
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	ck_assert_int_eq(system(command), 0);
}

/* What a callback said. */
struct result {
	int calls;
	struct blob *blob;
	char reason[40], problem[120];
};

static void on_put(void *user, struct blob *blob, const char *reason, const char *problem)
{
	struct result *r = user;

	r->calls++;
	r->blob = blob;
	snprintf(r->reason, sizeof(r->reason), "%s", reason ? reason : "");
	snprintf(r->problem, sizeof(r->problem), "%s", problem ? problem : "");
}

static void on_get(void *user, struct blob *blob)
{
	struct result *r = user;

	r->calls++;
	r->blob = blob;
}

static struct result put_data(uint8_t *data, size_t size, bool any)
{
	struct result r = { 0 };

	image_store_put(store, data, size, any, on_put, &r);
	ck_assert_int_eq(r.calls, 0); /* never inside */
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(r.calls, 1);
	return r;
}

/* A file whose content is a number. */
static struct result put_number(unsigned int number)
{
	unsigned int *data = malloc(sizeof(number));

	*data = number;
	return put_data((uint8_t *)data, sizeof(number), true);
}

static struct blob *get(const char *hash)
{
	struct result r = { 0 };

	image_store_get(store, hash, on_get, &r);
	ck_assert_int_eq(r.calls, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(r.calls, 1);
	return r.blob;
}

static unsigned int files(void)
{
	char path[100];
	unsigned int count = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/images", folder);
	d = opendir(path);
	ck_assert_ptr_nonnull(d);
	for (struct dirent *e; (e = readdir(d));)
		count += e->d_name[0] != '.';
	closedir(d);
	return count;
}

START_TEST(puts_and_gets)
{
	struct result r = put_data((uint8_t *)strdup("abc"), 3, true);
	struct blob *b;

	ck_assert_str_eq(r.blob->hash, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	ck_assert_uint_eq(r.blob->sha[0], 0xba);
	ck_assert_uint_eq(r.blob->size, 3);
	ck_assert(!r.blob->is_image);
	ck_assert_uint_eq(files(), 1);
	b = get(r.blob->hash);
	ck_assert_ptr_eq(b, r.blob); /* one copy */
	ck_assert_mem_eq(b->data, "abc", 3);
	blob_unref(b);
	blob_unref(r.blob);
	r = put_data((uint8_t *)strdup("abc"), 3, true);
	ck_assert_ptr_eq(r.blob, b);
	blob_unref(r.blob);
	ck_assert_ptr_null(get("00"));
	ck_assert_ptr_null(get("0000000000000000000000000000000000000000000000000000000000000000"));
}
END_TEST

START_TEST(refuses_what_is_no_image)
{
	struct result r = put_data((uint8_t *)strdup("abc"), 3, false);

	ck_assert_ptr_null(r.blob);
	ck_assert_str_eq(r.reason, "not-an-image");
	ck_assert(r.problem[0]);
	ck_assert_uint_eq(files(), 0);
}
END_TEST

START_TEST(outlives_the_daemon)
{
	struct result r = put_data((uint8_t *)strdup("abc"), 3, true);
	char hash[65];
	struct blob *b;

	memcpy(hash, r.blob->hash, sizeof(hash));
	blob_unref(r.blob);
	close_store();
	open_store(folder);
	b = get(hash);
	ck_assert_ptr_nonnull(b);
	ck_assert_mem_eq(b->data, "abc", 3);
	ck_assert_uint_eq(b->sha[31], 0xad);
	blob_unref(b);
}
END_TEST

static void write_file(const char *name, const char *content)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/images/%s", folder, name);
	f = fopen(path, "we");
	ck_assert_ptr_nonnull(f);
	fputs(content, f);
	fclose(f);
}

static const char abc[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/* What the file is changed to while the daemon is away, or while it runs. */
static const char *const damages[] = { "abd", "ab", "abcd", "" };

START_TEST(damaged_files_are_dropped)
{
	blob_unref(put_data((uint8_t *)strdup("abc"), 3, true).blob);
	close_store();
	write_file(abc, damages[_i]);
	open_store(folder);
	ck_assert_ptr_null(get(abc));
	ck_assert_uint_eq(files(), 0);
	ck_assert_ptr_null(get(abc));
}
END_TEST

START_TEST(files_that_shrink_later_are_dropped)
{
	blob_unref(put_data((uint8_t *)strdup("abc"), 3, true).blob);
	close_store();
	open_store(folder);
	write_file(abc, damages[_i]);
	ck_assert_ptr_null(get(abc));
	ck_assert_uint_eq(files(), 0);
}
END_TEST

START_TEST(drafts_go_and_strangers_stay)
{
	char draft[80], path[200];

	snprintf(draft, sizeof(draft), "%s.AbCdEf", abc);
	write_file(draft, "ab");
	write_file("README", "not ours");
	snprintf(path, sizeof(path), "%s/images/0000000000000000000000000000000000000000000000000000000000000000", folder);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	close_store();
	open_store(folder);
	ck_assert_uint_eq(files(), 2);
	ck_assert_ptr_null(get(path + strlen(path) - 64));
}
END_TEST

/* One file more than fit: the one that was used longest ago goes, from the disk too. */
START_TEST(the_number_of_files_is_bounded)
{
	static char hashes[LIMIT_IMAGES + 1][65];
	struct blob *b;

	for (unsigned int i = 0; i <= LIMIT_IMAGES; i++) {
		struct result r = put_number(i);

		ck_assert_ptr_nonnull(r.blob);
		memcpy(hashes[i], r.blob->hash, 65);
		blob_unref(r.blob);
		if (i == LIMIT_IMAGES - 1) {
			b = get(hashes[0]); /* used again: the second is the oldest now */
			ck_assert_ptr_nonnull(b);
			blob_unref(b);
			ck_assert_uint_eq(files(), LIMIT_IMAGES);
		}
	}
	ck_assert_uint_eq(files(), LIMIT_IMAGES);
	ck_assert_ptr_null(get(hashes[1]));
	blob_unref(b = get(hashes[0]));
	ck_assert_ptr_nonnull(b);
	blob_unref(b = get(hashes[2]));
	ck_assert_ptr_nonnull(b);
}
END_TEST

START_TEST(files_in_use_stay)
{
	static struct blob *held[LIMIT_IMAGES];
	struct result r;

	for (unsigned int i = 0; i < LIMIT_IMAGES; i++)
		held[i] = put_number(i).blob;
	r = put_number(LIMIT_IMAGES);
	ck_assert_ptr_null(r.blob);
	ck_assert_str_eq(r.reason, "");
	ck_assert_str_eq(r.problem, "the image store is full of files that jobs are using");
	ck_assert_uint_eq(files(), LIMIT_IMAGES);
	r = put_number(5); /* one that is there */
	ck_assert_ptr_eq(r.blob, held[5]);
	blob_unref(r.blob);
	blob_unref(held[7]);
	r = put_number(LIMIT_IMAGES);
	ck_assert_ptr_nonnull(r.blob);
	held[7] = r.blob;
	for (unsigned int i = 0; i < LIMIT_IMAGES; i++)
		blob_unref(held[i]);
}
END_TEST

/* In memory only: the disk of a test machine need not hold as much. */
START_TEST(the_bytes_are_bounded)
{
	const size_t size = LIMIT_IMAGE_STORE_BYTES / 8;
	struct blob *first = NULL;
	char hash[65];

	close_store();
	open_store(NULL);
	for (unsigned int i = 0; i < 9; i++) {
		uint8_t *data = calloc(1, size);
		struct result r;

		data[0] = (uint8_t)i;
		r = put_data(data, size, true);
		ck_assert_ptr_nonnull(r.blob);
		if (i == 0)
			memcpy(hash, r.blob->hash, sizeof(hash));
		blob_unref(r.blob);
		if (i == 7) {
			first = get(hash);
			ck_assert_ptr_nonnull(first); /* exactly full */
			blob_unref(first);
			first = put_number(1).blob; /* the oldest but the first went for four bytes more */
			ck_assert_ptr_nonnull(first);
			blob_unref(first);
		}
	}
	first = get(hash);
	ck_assert_ptr_nonnull(first);
	blob_unref(first);
}
END_TEST

START_TEST(references_outlive_the_store)
{
	struct blob *b = put_data((uint8_t *)strdup("abc"), 3, true).blob;
	struct result r = { 0 };

	image_store_get(store, abc, on_get, &r);
	close_store(); /* with a get under way */
	ck_assert_int_eq(r.calls, 1);
	ck_assert_mem_eq(b->data, "abc", 3);
	blob_unref(r.blob);
	blob_unref(b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("image-store");
	TCase *c = tcase_create("image-store");

	log_set_level(LOG_LEVEL_ERROR);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, puts_and_gets);
	tcase_add_test(c, refuses_what_is_no_image);
	tcase_add_test(c, outlives_the_daemon);
	tcase_add_loop_test(c, damaged_files_are_dropped, 0, ARRAY_SIZE(damages));
	tcase_add_loop_test(c, files_that_shrink_later_are_dropped, 0, ARRAY_SIZE(damages));
	tcase_add_test(c, drafts_go_and_strangers_stay);
	tcase_add_test(c, the_number_of_files_is_bounded);
	tcase_add_test(c, files_in_use_stay);
	tcase_add_test(c, the_bytes_are_bounded);
	tcase_add_test(c, references_outlive_the_store);
	suite_add_tcase(s, c);
	return suite_run(s);
}
