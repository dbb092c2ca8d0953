/* SPDX-License-Identifier: MIT */

/* A board whose tty was kept open over a restart of the daemon (port-store.h) and that was at rest goes on as it was: no quiet
 * time, because it was not powered up, and no probing, because what it would say is known. Nothing at all is sent to it.
 *
 * That holds only for the very open that the record was written about, and for a board that answered, with no job on it.
 * Everything else is treated as freshly attached. Had the board reset itself while nobody looked, its banner waits in the
 * kernel and is read first. What the daemon before had asked and not heard yet fits no request of this one: sequence numbers
 * go on where they were, and the end of a half-read frame is dropped. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/device-private.h"
#include "daemon/log.h"
#include "daemon/registry.h"

#define RESUME_MAX_S 300 /* older ones: who knows */
#define NAME_MAX_BYTES 64

static uint64_t seconds_since_boot(void)
{
	struct timespec t;
	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec;
}

/* --- what is known of the board ----------------------------------------------------------------------------------- */

static int save_slot(struct record *r, size_t index, const struct image_slot *s)
{
	char key[32], text[80 + 2 * sizeof(s->hash)];
	int n = snprintf(text, sizeof(text), "%u %u %d%d%d%d%d %s ", s->image, s->slot, s->bootable, s->pending, s->confirmed,
		s->active, s->permanent, s->version[0] ? s->version : "-");
	for (size_t i = 0; i < s->hash_size; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%02x", s->hash[i]);
	snprintf(key, sizeof(key), "slot%zu", index);
	return record_set(r, key, text);
}

static bool load_slot(const char *text, struct image_slot *ret)
{
	struct image_slot s = {0};
	char flags[6];
	int at = 0;
	if (sscanf(text, "%u %u %5[01] %31s %n", &s.image, &s.slot, flags, s.version, &at) != 4 || strlen(flags) != 5)
		return false;
	if (!strcmp(s.version, "-"))
		s.version[0] = 0;
	s.bootable = flags[0] == '1';
	s.pending = flags[1] == '1';
	s.confirmed = flags[2] == '1';
	s.active = flags[3] == '1';
	s.permanent = flags[4] == '1';
	for (const char *hex = text + at; hex[0] && hex[1] && s.hash_size < sizeof(s.hash); hex += 2) {
		unsigned int byte;
		if (sscanf(hex, "%2x", &byte) != 1)
			return false;
		s.hash[s.hash_size++] = (uint8_t)byte;
	}
	*ret = s;
	return true;
}

static int save_groups(struct record *r, const struct device_info *info)
{
	char text[ARRAY_SIZE(info->groups) * 6 + 1] = "";
	size_t n = 0;
	for (size_t i = 0; i < info->group_count; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%u ", info->groups[i]);
	return record_set(r, "groups", n ? text : NULL);
}

static void load_groups(const char *text, struct device_info *info)
{
	int used;
	while (text && info->group_count < ARRAY_SIZE(info->groups) &&
		sscanf(text, "%u %n", &info->groups[info->group_count], &used) == 1) {
		info->group_count++;
		text += used;
	}
}

static int save_info(struct record *r, const struct device_info *info)
{
	int e = save_groups(r, info);
	if (e == 0 && info->has_parameters)
		e = record_set_number(r, "buffer_size", info->buffer_size);
	if (e == 0 && info->has_parameters)
		e = record_set_number(r, "buffer_count", info->buffer_count);
	if (e == 0 && info->bootloader[0])
		e = record_set(r, "bootloader", info->bootloader);
	if (e == 0 && info->has_mode && info->mode >= 0)
		e = record_set_number(r, "mode", (uint64_t)info->mode);
	if (e == 0 && info->no_downgrade)
		e = record_set_number(r, "no_downgrade", 1);
	if (e == 0 && info->has_images)
		e = record_set_number(r, "slots", info->image_count);
	for (size_t i = 0; e == 0 && i < info->image_count; i++)
		e = save_slot(r, i, &info->images[i]);
	return e;
}

static void load_images(const struct record *r, struct device_info *info)
{
	uint64_t count = record_number(r, "slots", UINT64_MAX);
	char key[32];
	if (count > IMAGE_SLOTS_MAX)
		return;
	for (size_t i = 0; i < count; i++) {
		snprintf(key, sizeof(key), "slot%zu", i);
		const char *text = record_get(r, key);
		if (!text || !load_slot(text, &info->images[i]))
			return;
	}
	info->has_images = true;
	info->image_count = (size_t)count;
}

static void load_info(const struct record *r, struct device_info *ret)
{
	struct device_info info = {0};
	uint64_t size = record_number(r, "buffer_size", UINT64_MAX), count = record_number(r, "buffer_count", UINT64_MAX);
	uint64_t mode = record_number(r, "mode", UINT64_MAX);
	const char *bootloader = record_get(r, "bootloader");
	info.has_parameters = size <= 65535 && count <= 65535;
	if (info.has_parameters) {
		info.buffer_size = (unsigned int)size;
		info.buffer_count = (unsigned int)count;
	}
	snprintf(info.bootloader, sizeof(info.bootloader), "%s", bootloader ? bootloader : "");
	info.has_mode = mode <= INT64_MAX;
	info.mode = info.has_mode ? (int64_t)mode : 0;
	info.no_downgrade = record_number(r, "no_downgrade", 0) == 1;
	load_groups(record_get(r, "groups"), &info);
	load_images(r, &info);
	*ret = info;
}

/* --- at the end, and at the beginning ----------------------------------------------------------------------------- */

static bool is_at_rest(const struct device *d)
{
	return (d->state == DEVICE_READY || d->state == DEVICE_RECOVERY) && !d->job && device_sends(d) && !d->config->raw && d->port;
}

int device_save_resume(const struct device *d, struct record **ret)
{
	_cleanup_(record_freep) struct record *r = NULL;
	char name[NAME_MAX_BYTES];
	if (!is_at_rest(d) || !port_kept_name(d->port, name, sizeof(name)))
		return -ENOENT;
	const struct {
		const char *key;
		uint64_t value;
	} numbers[] = {
		{ "since_boot_s", seconds_since_boot() },
		{ "recovery", d->state == DEVICE_RECOVERY },
		{ "recovery_wanted", d->recovery_wanted },
		{ "baud", d->config->baud },
		{ "version", session_version(d->session) },
		{ "sequence", session_next_sequence(d->session) },
		{ "half_read", session_is_half_read(d->session) },
		{ "boots", d->boots },
	};
	int e = record_new(&r);
	if (e == 0)
		e = record_set(r, "open", name);
	for (size_t i = 0; e == 0 && i < ARRAY_SIZE(numbers); i++)
		e = record_set_number(r, numbers[i].key, numbers[i].value);
	if (e == 0)
		e = save_info(r, &d->info);
	if (e == 0)
		*ret = TAKE_PTR(r);
	return e;
}

static bool is_about_this(const struct device *d, const struct record *r)
{
	char name[NAME_MAX_BYTES];
	const char *open = record_get(r, "open");
	uint64_t now = seconds_since_boot(), then = record_number(r, "since_boot_s", 0);
	return port_was_kept(d->port) && open && port_kept_name(d->port, name, sizeof(name)) && !strcmp(open, name) && then <= now &&
		now - then <= RESUME_MAX_S && record_number(r, "baud", 0) == d->config->baud && !d->config->raw && device_sends(d) &&
		!d->job;
}

bool device_resume(struct device *d, const struct record *r)
{
	if (!r || !is_about_this(d, r))
		return false;
	bool recovery = record_number(r, "recovery", 0) == 1;
	session_resume(d->session, (uint8_t)record_number(r, "sequence", 0), record_number(r, "half_read", 0) == 1);
	session_set_version(d->session, record_number(r, "version", SMP_V2) == SMP_V1 ? SMP_V1 : SMP_V2);
	load_info(r, &d->info);
	d->boots = record_number(r, "boots", 0);
	d->recovery_wanted = record_number(r, "recovery_wanted", 0) == 1;
	d->private->probe.recovery = recovery;
	device_learn_parameters(d, NULL);
	log_info(d->id, "device", "goes on as before: %s was open all the time", d->tty);
	device_found(d, recovery ? DEVICE_RECOVERY : DEVICE_READY);
	return true;
}
