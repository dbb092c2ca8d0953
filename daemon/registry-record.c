/* SPDX-License-Identifier: MIT */

/* What the state directory keeps of each board. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/registry-private.h"
#include "proto/transfer.h"

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

static void write_down(struct registry *r, const struct identity *i)
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
	if (e == 0 && i->learnt.line_delay >= 0)
		e = record_set_number(record, "line_delay_ms", (uint64_t)i->learnt.line_delay);
	if (e == 0 && i->learnt.window)
		e = record_set_number(record, "window", i->learnt.window);
	if (e == 0 && i->learnt.quiet_ms)
		e = record_set_number(record, "quiet_ms", i->learnt.quiet_ms);
	if (e == 0 && i->learnt.interface)
		e = record_set_number(record, "interface", i->learnt.interface);
	if (e == 0 && i->learnt.interface)
		e = record_set_number(record, "interface_usb", i->learnt.usb);
	if (e == 0 && i->learnt.banner)
		e = record_set_number(record, "banner", 1);
	if (e == 0 && i->learnt.firmware.version[0])
		e = save_firmware(record, &i->learnt.firmware);
	if (e == 0 && i->seen_us)
		e = record_set_number(record, "seen_us", i->seen_us);
	if (e == 0)
		e = state_save(r->state, "boards", i->id, record);
	if (e < 0)
		log_warning(i->id, "registry", "cannot be recorded in the state directory: %s", strerror(-e));
}

void identity_write(struct registry *r)
{
	for (size_t i = 0; i < r->identity_count; i++)
		if (r->identities[i].changed) {
			r->identities[i].changed = false;
			write_down(r, &r->identities[i]);
		}
}

static void on_idle(uv_prepare_t *prepare)
{
	uv_prepare_stop(prepare);
	identity_write(prepare->data);
}

/* A plug changes a board several times, and a storm many boards: each is written once, before the loop sleeps. */
void identity_save(struct registry *r, struct identity *i)
{
	if (r->stopping) {
		write_down(r, i);
		return;
	}
	i->changed = true;
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
	int e = state_load(r->state, "boards", load, r);
	if (e < 0)
		log_warning(NULL, "registry", "the boards of the state directory cannot be read: %s", strerror(-e));
}
