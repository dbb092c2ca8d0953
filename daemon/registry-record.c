/* SPDX-License-Identifier: MIT */

/* What the state directory keeps of each board. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/registry-private.h"
#include "proto/transfer.h"

#define KIND "boards"

static void on_idle(uv_prepare_t *prepare);

static int save_firmware(struct record *record, const struct firmware *f)
{
	char hash[2 * sizeof(f->hash) + 1] = "";

	for (size_t i = 0; i < f->hash_size; i++)
		snprintf(hash + 2 * i, 3, "%02x", f->hash[i]);
	int e = record_set(record, "version", f->version);
	return e == 0 && f->hash_size ? record_set(record, "hash", hash) : e;
}

/* A record that was damaged tells of no firmware. */
static void load_firmware(const struct record *record, struct firmware *f)
{
	const char *version = record_get(record, "version"), *hash = record_get(record, "hash");
	size_t digits = hash ? strlen(hash) : 0;

	if (!version || strlen(version) >= sizeof(f->version) || digits > 2 * sizeof(f->hash) || digits % 2 ||
			(hash && hash[strspn(hash, "0123456789abcdef")]))
		return;
	strcpy(f->version, version);
	for (f->hash_size = 0; f->hash_size < digits / 2; f->hash_size++) {
		char byte[3] = {hash[2 * f->hash_size], hash[2 * f->hash_size + 1]};
		f->hash[f->hash_size] = (uint8_t)strtoul(byte, NULL, 16);
	}
}

static int save_learnt(struct record *record, const struct device_learnt *l)
{
	int e = 0;

	if (l->line_delay >= 0)
		e = record_set_number(record, "line_delay_ms", (uint64_t)l->line_delay);
	if (e == 0 && l->window)
		e = record_set_number(record, "window", l->window);
	if (e == 0 && l->quiet_ms)
		e = record_set_number(record, "quiet_ms", l->quiet_ms);
	if (e == 0 && l->interface)
		e = record_set_number(record, "interface", l->interface);
	if (e == 0 && l->interface)
		e = record_set_number(record, "interface_usb", l->usb);
	if (e == 0 && l->banner)
		e = record_set_number(record, "banner", 1);
	if (e == 0 && l->firmware.version[0])
		e = save_firmware(record, &l->firmware);
	return e;
}

static int make_record(const struct identity *i, struct record **ret)
{
	_cleanup_(record_freep) struct record *record = NULL;

	int e = record_new(&record);
	if (e == 0)
		e = record_set(record, "serial", i->serial);
	if (e == 0)
		e = record_set(record, "hub", i->hub);
	if (e == 0)
		e = record_set(record, "bus", i->bus);
	if (e == 0 && i->twin)
		e = record_set_number(record, "twin", 1);
	if (e == 0 && i->section)
		e = record_set(record, "section", i->section);
	if (e == 0 && i->section)
		e = record_set_number(record, "usb", i->usb);
	if (e == 0)
		e = save_learnt(record, &i->learnt);
	if (e == 0 && i->seen_us)
		e = record_set_number(record, "seen_us", i->seen_us);
	if (e < 0)
		return e;
	*ret = TAKE_PTR(record);
	return 0;
}

static void cannot_record(const struct identity *i, int error)
{
	log_warning(i->id, "registry", "cannot be recorded in the state directory: %s", strerror(-error));
}

static void on_written(void *user, const char *id _unused_)
{
	struct registry *r = user;

	if (--r->writing == 0 && !r->stopping)
		uv_prepare_start(&r->writer, on_idle);
}

static void write_later(struct registry *r, struct identity *i)
{
	_cleanup_(record_freep) struct record *record = NULL;

	i->changed = false;
	r->writing++;
	int e = make_record(i, &record);
	if (e == 0)
		e = state_save_later(r->state, r->loop, KIND, i->id, record, on_written, r);
	if (e == 0)
		return;
	r->writing--;
	cannot_record(i, e);
}

void identity_write(struct registry *r)
{
	for (size_t i = 0; i < r->identity_count; i++)
		if (r->identities[i].changed)
			write_later(r, &r->identities[i]);
}

static void on_idle(uv_prepare_t *prepare)
{
	uv_prepare_stop(prepare);
	identity_write(prepare->data);
}

/* A plug changes a board several times, and a storm many boards: each is written once, before the loop sleeps. On a disk that
 * hangs no more than one of each board is on its way until the end. */
void identity_save(struct registry *r, struct identity *i)
{
	i->changed = true;
	if (!r->stopping && r->writing == 0)
		uv_prepare_start(&r->writer, on_idle);
}

void identity_seen(struct registry *r, struct identity *i)
{
	i->seen_us = registry_wall_us();
	identity_save(r, i);
}

static char *copy_of(const char *text)
{
	return text ? strdup(text) : NULL;
}

static void load(void *user, const char *name, const struct record *record, const char *problem)
{
	struct registry *r = user;

	if (problem) {
		log_warning(name, "registry", "its record in the state directory is not used: %s", problem);
		return;
	}
	char *id = strdup(name);
	struct identity *i = id ? identity_add(r) : NULL;
	if (!i) {
		free(id);
		return;
	}
	uint64_t delay = record_number(record, "line_delay_ms", UINT64_MAX), window = record_number(record, "window", 0);
	uint64_t quiet = record_number(record, "quiet_ms", 0);
	i->id = id;
	i->serial = copy_of(record_get(record, "serial"));
	i->hub = copy_of(record_get(record, "hub"));
	i->bus = copy_of(record_get(record, "bus"));
	i->twin = record_number(record, "twin", 0) == 1;
	i->section = copy_of(record_get(record, "section"));
	i->usb = (unsigned int)record_number(record, "usb", 0);
	i->seen_us = record_number(record, "seen_us", 0);
	if (i->seen_us > registry_wall_us()) /* the clock was set back since */
		i->seen_us = 0;
	i->learnt.line_delay = delay <= 1000 ? (int)delay : -1;
	i->learnt.window = window <= TRANSFER_WINDOW_MAX ? (unsigned int)window : 0;
	i->learnt.quiet_ms = quiet <= 60000 ? (unsigned int)quiet : 0;
	i->learnt.interface = (unsigned int)record_number(record, "interface", 0);
	i->learnt.usb = (unsigned int)record_number(record, "interface_usb", 0);
	i->learnt.banner = record_number(record, "banner", 0) == 1;
	load_firmware(record, &i->learnt.firmware);
}

void identity_load(struct registry *r)
{
	int e = state_load(r->state, KIND, load, r);
	if (e < 0)
		log_warning(NULL, "registry", "the boards of the state directory cannot be read: %s", strerror(-e));
}
