/* SPDX-License-Identifier: MIT */
#include "daemon/image-store.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/image-file.h"
#include "daemon/limits.h"
#include "daemon/log.h"
#include "proto/hex.h"

/* A file that is known: in memory (blob.data), on disk, or both. */
struct entry {
	struct blob blob; /* first */
	struct image_store *store; /* NULL: the store is gone, the last reference frees it */
	struct entry *next;
	uint64_t used; /* the store's clock at the last use */
};

struct image_store {
	uv_loop_t *loop;
	char *folder; /* NULL: nothing is kept on disk */
	struct entry *entries;
	uint64_t clock;
	unsigned int works; /* under way; the store is freed after the last */
	struct work *first, **last; /* of them, those that go to the disk; the first one does */
	bool closing;
};

/* One put, get or removal, partly off the loop. */
struct work {
	uv_work_t work;
	struct image_store *store;
	struct work *next;
	void (*run)(uv_work_t *work);
	void (*after)(uv_work_t *work, int status);
	struct entry *entry; /* of a get, referenced */
	bool on_disk;	     /* ... and to be read */
	bool any;
	void (*put_done)(void *user, struct blob *blob, const char *reason, const char *problem);
	void (*get_done)(void *user, struct blob *blob);
	void *user;
	/* off the loop */
	char hash[65];
	uint8_t sha[32];
	uint8_t *data;
	size_t size;
	struct mcuboot_image info;
	enum mcuboot_problem problem;
	char sentence[200];
	bool is_image, failed;
	int disk_error;
};

static struct entry *entry_of(struct blob *b)
{
	return (struct entry *)b;
}

static void entry_free(struct entry *e)
{
	free((void *)e->blob.data);
	free(e);
}

struct blob *blob_ref(struct blob *b)
{
	b->references++;
	return b;
}

void blob_unref(struct blob *b)
{
	if (!b || --b->references > 0)
		return;
	if (!entry_of(b)->store)
		entry_free(entry_of(b));
}

static void touch(struct entry *e)
{
	e->used = ++e->store->clock;
}

static struct entry *find(struct image_store *s, const char *hash)
{
	for (struct entry *e = s->entries; e; e = e->next)
		if (strcmp(e->blob.hash, hash) == 0)
			return e;
	return NULL;
}

size_t image_store_size_of(const struct image_store *s, const uint8_t *image_hash, size_t hash_size)
{
	for (const struct entry *e = s->entries; e; e = e->next) {
		const struct mcuboot_image *info = &e->blob.info;
		if (e->blob.is_image && hash_size > 0 && info->hash_size == hash_size &&
				memcmp(info->hash, image_hash, hash_size) == 0)
			return e->blob.size;
	}
	return 0;
}

static void store_free(struct image_store *s)
{
	for (struct entry *e = s->entries, *next; e; e = next) {
		next = e->next;
		e->store = NULL;
		if (e->blob.references == 0)
			entry_free(e);
	}
	free(s->folder);
	free(s);
}

/* Work */

static void launch(struct work *w)
{
	uv_queue_work(w->store->loop, &w->work, w->run, w->after);
}

/* What goes to the disk goes in order, and has one thread: one that hangs must not take those that others need. */
static void begin(struct work *w, void (*run)(uv_work_t *), void (*after)(uv_work_t *, int), bool disk)
{
	struct image_store *s = w->store;

	w->work.data = w;
	w->run = run;
	w->after = after;
	s->works++;
	if (disk) {
		*s->last = w;
		s->last = &w->next;
	}
	if (!disk || s->first == w)
		launch(w);
}

static struct work *leave_disk(struct image_store *s)
{
	struct work *w = s->first;

	s->first = w->next;
	if (!s->first)
		s->last = &s->first;
	return w;
}

/* Off the loop. */
static void run_remove(uv_work_t *work)
{
	struct work *w = work->data;

	image_file_remove(w->store->folder, w->hash);
}

/* A file that was put again meanwhile stays. */
static bool is_stale(const struct work *w)
{
	return w->run == run_remove && find(w->store, w->hash);
}

static void end(struct work *w)
{
	struct image_store *s = w->store;

	if (s->first == w) {
		leave_disk(s);
		for (; s->first && is_stale(s->first); s->works--)
			free(leave_disk(s));
		if (s->first)
			launch(s->first);
	}
	free(w->data);
	free(w);
	if (--s->works == 0 && s->closing)
		store_free(s);
}

static void after_remove(uv_work_t *work, int status _unused_)
{
	end(work->data);
}

static void remove_file(struct image_store *s, const char *hash)
{
	struct work *w = s->folder ? calloc(1, sizeof(*w)) : NULL;

	if (!w)
		return;
	w->store = s;
	snprintf(w->hash, sizeof(w->hash), "%s", hash);
	begin(w, run_remove, after_remove, true);
}

/* Room */

static void drop(struct image_store *s, struct entry *e)
{
	struct entry **p = &s->entries;

	while (*p != e)
		p = &(*p)->next;
	*p = e->next;
	remove_file(s, e->blob.hash);
	e->store = NULL;
	if (e->blob.references == 0)
		entry_free(e);
}

static struct entry *longest_unused(struct image_store *s)
{
	struct entry *found = NULL;

	for (struct entry *e = s->entries; e; e = e->next)
		if (e->blob.references == 0 && (!found || e->used < found->used))
			found = e;
	return found;
}

/* Makes room for one file more of this size; false: what is in use leaves none. */
static bool make_room(struct image_store *s, size_t size)
{
	for (;;) {
		size_t bytes = size, count = 1;
		struct entry *victim;

		for (struct entry *e = s->entries; e; e = e->next) {
			bytes += e->blob.size;
			count++;
		}
		if (bytes <= LIMIT_IMAGE_STORE_BYTES && count <= LIMIT_IMAGES)
			return true;
		victim = longest_unused(s);
		if (!victim)
			return false;
		log_info(NULL, "image", "dropping file %.16s of %zu bytes to make room", victim->blob.hash, victim->blob.size);
		drop(s, victim);
	}
}

static struct entry *add_entry(struct image_store *s, const char *hash, size_t size)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	snprintf(e->blob.hash, sizeof(e->blob.hash), "%s", hash);
	e->blob.size = size;
	e->store = s;
	e->next = s->entries;
	s->entries = e;
	touch(e);
	return e;
}

/* What an earlier daemon left, oldest first. */
static void scan(struct image_store *s)
{
	_cleanup_free_ struct image_file *files = NULL;
	size_t count;

	if (image_file_list(s->folder, &files, &count) < 0)
		return;
	for (size_t i = 0; i < count; i++)
		if (make_room(s, files[i].size))
			add_entry(s, files[i].hash, files[i].size);
}

int image_store_new(uv_loop_t *loop, const char *state_dir, struct image_store **ret)
{
	struct image_store *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->loop = loop;
	s->last = &s->first;
	if (state_dir) {
		if (asprintf(&s->folder, "%s/images", state_dir) < 0) {
			free(s);
			return -ENOMEM;
		}
		if (mkdir(s->folder, 0700) < 0 && errno != EEXIST) {
			log_warning(NULL, "image", "%s cannot be made: %s; files are kept in memory only", s->folder,
					strerror(errno));
			free(TAKE_PTR(s->folder));
		}
	}
	if (s->folder)
		scan(s);
	*ret = s;
	return 0;
}

void image_store_close(struct image_store *s)
{
	if (!s)
		return;
	s->closing = true;
	if (s->works == 0)
		store_free(s);
}

/* Put and get */

static bool hash_data(struct work *w)
{
	if (!EVP_Digest(w->data, w->size, w->sha, NULL, EVP_sha256(), NULL))
		return false;
	hex_text(w->sha, sizeof(w->sha), w->hash);
	return true;
}

static void parse_data(struct work *w)
{
	w->is_image = mcuboot_parse(w->data, w->size, &w->info, &w->problem, w->sentence, sizeof(w->sentence)) == 0;
}

/* Gives what was read or put to the entry, unless it has it already. */
static void fill(struct entry *e, struct work *w)
{
	if (e->blob.data)
		return;
	e->blob.data = TAKE_PTR(w->data);
	e->blob.size = w->size;
	e->blob.is_image = w->is_image;
	e->blob.info = w->info;
	memcpy(e->blob.sha, w->sha, sizeof(w->sha));
}

/* Off the loop. */
static void run_put(uv_work_t *work)
{
	struct work *w = work->data;

	w->failed = !hash_data(w);
	if (w->failed)
		return;
	parse_data(w);
	if (w->store->folder && (w->is_image || w->any))
		w->disk_error = image_file_write(w->store->folder, w->hash, w->data, w->size);
}

static struct entry *keep(struct work *w)
{
	struct entry *e = find(w->store, w->hash);

	if (!e && make_room(w->store, w->size))
		e = add_entry(w->store, w->hash, w->size);
	if (!e) {
		remove_file(w->store, w->hash);
		return NULL;
	}
	fill(e, w);
	touch(e);
	return e;
}

static void after_put(uv_work_t *work, int status)
{
	struct work *w = work->data;
	struct entry *e = NULL;

	if (w->disk_error < 0)
		log_warning(NULL, "image", "file %.16s is kept in memory only: %s", w->hash, strerror(-w->disk_error));
	if (status < 0 || w->failed || w->store->closing)
		w->put_done(w->user, NULL, NULL, "the daemon could not take the file");
	else if (!w->is_image && !w->any)
		w->put_done(w->user, NULL, mcuboot_problem_name(w->problem), w->sentence);
	else if (!(e = keep(w)))
		w->put_done(w->user, NULL, NULL, "the image store is full of files that jobs are using");
	else
		w->put_done(w->user, blob_ref(&e->blob), NULL, NULL);
	end(w);
}

void image_store_put(struct image_store *s, uint8_t *data, size_t size, bool any,
		void (*done)(void *user, struct blob *blob, const char *reason, const char *problem), void *user)
{
	struct work *w = calloc(1, sizeof(*w));

	if (!w) {
		free(data);
		done(user, NULL, NULL, "the daemon is out of memory");
		return;
	}
	w->store = s;
	w->data = data;
	w->size = size;
	w->any = any;
	w->put_done = done;
	w->user = user;
	begin(w, run_put, after_put, s->folder);
}

/* Off the loop. A file that is not what its name says is as good as none. */
static void run_get(uv_work_t *work)
{
	struct work *w = work->data;
	char wanted[65];

	if (!w->on_disk)
		return;
	memcpy(wanted, w->hash, sizeof(wanted));
	w->failed = image_file_read(w->store->folder, wanted, w->size, &w->data) < 0 || !hash_data(w) ||
		strcmp(w->hash, wanted) != 0;
	if (!w->failed)
		parse_data(w);
}

static struct blob *take_read(struct work *w, int status)
{
	struct entry *e = w->entry;

	if (!e)
		return NULL;
	if (status == 0 && !w->failed) {
		fill(e, w);
		if (e->store)
			touch(e);
		return &e->blob;
	}
	log_warning(NULL, "image", "file %.16s cannot be read or is damaged: it is dropped", e->blob.hash);
	struct image_store *s = e->store;
	bool unused = s && !e->blob.data && e->blob.references == 1;
	blob_unref(&e->blob);
	if (unused)
		drop(s, e);
	return NULL;
}

static void after_get(uv_work_t *work, int status)
{
	struct work *w = work->data;

	w->get_done(w->user, take_read(w, status));
	end(w);
}

void image_store_get(struct image_store *s, const char *hash, void (*done)(void *user, struct blob *blob), void *user)
{
	struct work *w = calloc(1, sizeof(*w));
	struct entry *e = find(s, hash);

	if (!w) {
		log_error(NULL, "image", "out of memory");
		abort(); /* the callback may not come from inside, and without memory it never would */
	}
	w->store = s;
	w->get_done = done;
	w->user = user;
	snprintf(w->hash, sizeof(w->hash), "%s", hash);
	if (e) {
		blob_ref(&e->blob);
		w->entry = e;
		w->size = e->blob.size;
		w->on_disk = !e->blob.data;
	}
	begin(w, run_get, after_get, w->on_disk);
}
