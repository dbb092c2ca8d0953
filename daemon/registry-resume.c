/* SPDX-License-Identifier: MIT */

/* What the daemon before left about boards that it let go of in good order (device-resume). Read at the start and removed from
 * the state directory at once: it is true once. */

#include <errno.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/registry-private.h"

#define KIND "resume"

struct resume {
	struct resume *next;
	char *id;
	struct record *record;
};

static void load(void *user, const char *name, const struct record *record, const char *problem)
{
	struct registry *r = user;
	struct resume *one = problem ? NULL : calloc(1, sizeof(*one));

	state_forget(r->state, KIND, name);
	if (!one)
		return;
	one->id = strdup(name);
	if (!one->id || record_copy(record, &one->record) < 0) {
		free(one->id);
		free(one);
		return;
	}
	one->next = r->resumes;
	r->resumes = one;
}

void registry_resume_load(struct registry *r)
{
	int e = state_load(r->state, KIND, load, r);
	if (e < 0)
		log_warning(NULL, "registry", "what the daemon before left of its boards cannot be read: %s", strerror(-e));
}

struct record *registry_resume_take(struct registry *r, const char *id)
{
	for (struct resume **at = &r->resumes; *at; at = &(*at)->next) {
		struct resume *one = *at;
		if (strcmp(one->id, id) != 0)
			continue;
		struct record *record = one->record;
		*at = one->next;
		free(one->id);
		free(one);
		return record;
	}
	return NULL;
}

void registry_resume_save(struct registry *r)
{
	for (size_t i = 0; i < r->device_count; i++) {
		_cleanup_(record_freep) struct record *record = NULL;
		const char *id = r->devices[i]->id;
		int e = device_save_resume(r->devices[i], &record);
		if (e == 0)
			e = state_save_later(r->state, r->loop, KIND, id, record, NULL, NULL);
		if (e < 0 && e != -ENOENT)
			log_warning(id, "registry", "is probed again by the next daemon: %s", strerror(-e));
	}
}

void registry_resume_free(struct registry *r)
{
	while (r->resumes) {
		struct resume *one = r->resumes;
		r->resumes = one->next;
		record_free(one->record);
		free(one->id);
		free(one);
	}
}
