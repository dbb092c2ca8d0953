/* SPDX-License-Identifier: MIT */

/* What the state directory keeps of an unfinished update. The board's own list of images is the truth: the record says what
 * was asked for, and whether the reset had been sent. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/update-private.h"

static const struct {
	const char *key;
	size_t offset;
} switches[] = {
	{"has_image", offsetof(struct update_options, has_image)},
	{"no_confirm", offsetof(struct update_options, no_confirm)},
	{"force_confirm", offsetof(struct update_options, force_confirm)},
	{"skip_reboot", offsetof(struct update_options, skip_reboot)},
	{"upgrade_only", offsetof(struct update_options, upgrade_only)},
	{"erase_first", offsetof(struct update_options, erase_first)},
	{"detached", offsetof(struct update_options, detached)},
	{"upload_only", offsetof(struct update_options, upload_only)},
};

int update_remember(const struct job *job, struct record *r)
{
	const struct update *u = (const struct update *)job;

	if (job->steps != update_steps && job->steps != upload_steps)
		return -ENOENT;
	const struct update_options *o = &u->options;
	int e = record_set(r, "device", job->device_id);
	if (e == 0)
		e = record_set(r, "file", u->blob->hash);
	if (e == 0)
		e = record_set(r, "phase", update_phase_name(u->phase));
	for (size_t i = 0; e == 0 && i < ARRAY_SIZE(switches); i++)
		if (*(const bool *)((const char *)o + switches[i].offset))
			e = record_set_number(r, switches[i].key, 1);
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{"image", o->image},
		{"boot_timeout_ms", o->boot_timeout_ms},
		{"timeout_ms", o->timeout_ms},
		{"recovery", u->recovery},
		{"flagless", u->flagless},
		{"erases_untested", u->erases_untested},
		{"cancelled", job->cancelled},
		{"started_us", job->started_us},
		{"listed_image", o->has_image ? u->image + 1 : 0}, /* another than was asked for: update-inspect.c */
	};
	for (size_t i = 0; e == 0 && i < ARRAY_SIZE(numbers); i++)
		if (numbers[i].value)
			e = record_set_number(r, numbers[i].key, numbers[i].value);
	if (e == 0 && o->checksum[0])
		e = record_set(r, "checksum", o->checksum);
	if (e == 0 && u->old_version[0])
		e = record_set(r, "old_version", u->old_version);
	return e;
}

int update_options_restore(const struct record *r, struct update_options *ret)
{
	const char *checksum = record_get(r, "checksum");
	struct update_options o = {0};

	if (checksum && strlen(checksum) >= sizeof(o.checksum))
		return -EBADMSG;
	for (size_t i = 0; i < ARRAY_SIZE(switches); i++)
		*(bool *)((char *)&o + switches[i].offset) = record_number(r, switches[i].key, 0) == 1;
	o.image = (unsigned int)record_number(r, "image", 0);
	o.boot_timeout_ms = (unsigned int)record_number(r, "boot_timeout_ms", 0);
	o.timeout_ms = (unsigned int)record_number(r, "timeout_ms", 0);
	if (checksum)
		snprintf(o.checksum, sizeof(o.checksum), "%s", checksum);
	*ret = o;
	return 0;
}

static int phase_parse(const char *text, enum update_phase *ret)
{
	for (int i = PHASE_BEFORE; text && i <= PHASE_CONFIRMED; i++)
		if (strcmp(update_phase_name((enum update_phase)i), text) == 0) {
			*ret = (enum update_phase)i;
			return 0;
		}
	return -EBADMSG;
}

int update_restore(struct update *u, const struct record *r)
{
	const char *old = record_get(r, "old_version");

	int e = phase_parse(record_get(r, "phase"), &u->phase);
	if (e < 0)
		return e;
	snprintf(u->old_version, sizeof(u->old_version), "%s", old ? old : "");
	u->image = (unsigned int)record_number(r, "listed_image", u->image + 1) - 1;
	u->recovery = record_number(r, "recovery", 0) == 1;
	u->flagless = record_number(r, "flagless", 0) == 1;
	u->erases_untested = record_number(r, "erases_untested", 0) == 1;
	u->job.started_us = record_number(r, "started_us", u->job.started_us);
	u->resumed = true;
	return 0;
}
