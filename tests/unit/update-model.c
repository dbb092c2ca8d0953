/* SPDX-License-Identifier: MIT */

/* The model: MCUboot, and the image group of the application and of recovery. */

#include "update-model.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

/* --- the bootloader ----------------------------------------------------------------------------------------------- */

bool model_has_marks(const struct model *m)
{
	return m->mode != 4 && m->mode != 6 && m->mode != 8;
}

static bool swaps(const struct model *m)
{
	return m->mode == 1 || m->mode == 3 || m->mode == 9;
}

static int version_of(const struct model *m, enum held h)
{
	static const int versions[] = {[OLD] = 10, [NEW] = 20, [OTHER] = 15};
	if (h == EMPTY || h == PARTIAL || (h == NEW && m->new_is_bad))
		return 0;
	return h == NEW && m->new_is_lower ? 5 : versions[h];
}

static void exchange(struct model *m)
{
	enum held h = m->slot[0];
	m->slot[0] = m->slot[1];
	m->slot[1] = h;
}

static void boot_swap(struct model *m)
{
	if (m->mark != UNMARKED) {
		if (version_of(m, m->slot[1]) == 0) {
			m->slot[1] = EMPTY; /* refused, and erased */
		} else {
			exchange(m);
			m->confirmed = m->mark == PERMANENT;
		}
		m->mark = UNMARKED;
	} else if (!m->confirmed) {
		exchange(m);
		m->confirmed = true;
	}
}

static void boot_overwrite(struct model *m)
{
	if (m->mark != UNMARKED && version_of(m, m->slot[1]) > 0)
		m->slot[0] = m->slot[1];
	if (m->mark != UNMARKED)
		m->slot[1] = EMPTY;
	m->mark = UNMARKED;
	m->confirmed = true;
}

static void boot_highest(struct model *m)
{
	m->active = version_of(m, m->slot[1]) > version_of(m, m->slot[0]) ? 1 : 0;
	m->confirmed = true;
}

static void boot_xip_revert(struct model *m)
{
	int other = 1 - m->active;

	if (!m->confirmed) { /* tried once: erased */
		m->slot[m->active] = EMPTY;
		m->active = other;
		m->confirmed = true;
	} else if (m->mark != UNMARKED) {
		if (version_of(m, m->slot[other]) > version_of(m, m->slot[m->active])) {
			m->active = other;
			m->confirmed = m->mark == PERMANENT;
		} else {
			m->slot[other] = EMPTY;
		}
	}
	m->mark = UNMARKED;
}

static void boot_once(struct model *m)
{
	m->boots++;
	m->offset = 0;
	if (m->slot[1 - m->active] == PARTIAL && m->mark == UNMARKED)
		m->slot[1 - m->active] = PARTIAL; /* nobody looks at it */
	if (swaps(m))
		boot_swap(m);
	else if (m->mode == 2)
		boot_overwrite(m);
	else if (m->mode == 5)
		boot_xip_revert(m);
	else if (m->mode != 0)
		boot_highest(m);
	m->in_recovery = version_of(m, m->slot[m->active]) == 0;
}

void model_boot(struct model *m)
{
	m->boot_due = false;
	boot_once(m);
	if (m->slot[m->active] == NEW && !m->confirmed && m->new_crashes)
		boot_once(m);
	if (m->slot[m->active] == NEW && m->new_confirms_itself)
		m->confirmed = true;
	if (m->slot[m->active] == NEW && m->never_back)
		m->dead = true;
	if (m->stuck)
		m->in_recovery = true;
	m->device->state = m->in_recovery ? DEVICE_RECOVERY : DEVICE_READY;
	if (!m->no_banner)
		m->device->boots++;
}

/* --- the image group ---------------------------------------------------------------------------------------------- */

void model_hash(enum held h, uint8_t *hash)
{
	memset(hash, (int)h * 17, 32);
}

static const char *version_text(const struct model *m, enum held h)
{
	return h == NEW ? m->new_version : h == OLD ? "1.0.0" : "1.5.0";
}

static bool is_listed(const struct model *m, int slot)
{
	if (m->in_recovery && version_of(m, m->slot[slot]) == 0)
		return false;
	return m->slot[slot] != EMPTY && m->slot[slot] != PARTIAL;
}

static void write_entry(const struct model *m, struct writer *w, int slot)
{
	bool active = !m->in_recovery && slot == m->active, other = !m->in_recovery && !active;
	uint8_t hash[32];

	model_hash(m->slot[slot], hash);
	writer_map(w, m->in_recovery ? 3 : 7);
	writer_text(w, "slot");
	writer_uint(w, (uint64_t)slot);
	writer_text(w, "version");
	writer_text(w, version_text(m, m->slot[slot]));
	writer_text(w, "hash");
	writer_bytes(w, hash, sizeof(hash));
	if (m->in_recovery)
		return;
	writer_text(w, "active");
	writer_bool(w, active);
	writer_text(w, "pending");
	writer_bool(w, other && m->mark != UNMARKED);
	writer_text(w, "permanent");
	writer_bool(w, other && m->mark == PERMANENT);
	writer_text(w, "confirmed");
	writer_bool(w, active ? m->confirmed : swaps(m) && !m->confirmed);
}

static void write_list(const struct model *m, struct writer *w)
{
	writer_map(w, 1);
	writer_text(w, "images");
	writer_array(w, (size_t)is_listed(m, 0) + is_listed(m, 1));
	for (int i = 0; i < 2; i++)
		if (is_listed(m, i))
			write_entry(m, w, i);
}

/* What a command says: 0, or an error of the image group (negative: a plain one). */
static int write_state(struct model *m, const struct value *request)
{
	const struct value *hash = value_get(request, "hash");
	uint8_t active[32], other[32];
	bool confirm = false;

	value_to_bool(value_get(request, "confirm"), &confirm);
	model_hash(m->slot[m->active], active);
	model_hash(m->slot[1 - m->active], other);
	if (!model_has_marks(m) || m->in_recovery)
		return -8;
	if (!hash && !confirm)
		return 24;
	if (!hash || memcmp(hash->data, active, 32) == 0) {
		if (!confirm)
			return 33;
		if (m->mark != UNMARKED)
			return 28;
		m->confirms++;
		if (!m->ignores_confirm)
			m->confirmed = true;
		return 0;
	}
	if (memcmp(hash->data, other, 32) != 0 || !is_listed(m, 1 - m->active))
		return 8;
	if (!m->confirmed && !confirm)
		return 28;
	if (!m->confirmed)
		return 0; /* ok, and does nothing (SMP §5.1) */
	if (m->mark == TEST && confirm)
		return 28;
	m->marks++;
	if (m->mark == UNMARKED && !m->ignores_mark)
		m->mark = confirm ? PERMANENT : TEST;
	return 0;
}

static int upload(struct model *m, const struct value *request, struct writer *w)
{
	int target = m->in_recovery ? 0 : 1 - m->active;
	const struct value *data = value_get(request, "data");
	uint64_t offset = 0;

	value_to_uint(value_get(request, "off"), &offset);
	if (offset == 0 && (m->mark != UNMARKED || (!m->in_recovery && !m->confirmed)))
		return 9;
	if (m->worn_out && offset > 0)
		return 9;
	if (offset == 0 || offset == m->offset) {
		m->slot[target] = PARTIAL;
		m->offset = offset + data->size;
	}
	writer_map(w, 1);
	writer_text(w, "off");
	writer_uint(w, m->offset);
	if (m->offset >= MODEL_IMAGE_BYTES) {
		m->slot[target] = NEW;
		m->offset = 0;
		m->uploads++;
	}
	return 0;
}

static void write_slots(const struct model *m, struct writer *w)
{
	writer_map(w, 1);
	writer_text(w, "images");
	writer_array(w, 1);
	writer_map(w, 2);
	writer_text(w, "image");
	writer_uint(w, 0);
	writer_text(w, "slots");
	writer_array(w, 2);
	for (uint64_t i = 0; i < 2; i++) {
		writer_map(w, 2);
		writer_text(w, "slot");
		writer_uint(w, i);
		writer_text(w, "size");
		writer_uint(w, m->slot_size);
	}
}

static int bootloader_info(const struct model *m, const struct value *request, struct writer *w)
{
	if (m->no_bootloader_info || m->in_recovery)
		return -8;
	writer_map(w, 1);
	if (value_get(request, "query")) {
		writer_text(w, "mode");
		writer_int(w, m->mode);
	} else {
		writer_text(w, "bootloader");
		writer_text(w, "MCUboot");
	}
	return 0;
}

const char *model_operation(const struct request *r, const struct value *payload)
{
	if (r->group == SMP_OS)
		return r->id == 5 ? "reset" : r->id == 6 ? "params" : value_get(payload, "query") ? "mode" : "bootloader";
	if (r->id == 0)
		return r->op == SMP_READ ? "list" : value_get(payload, "hash") ? "mark" : "confirm";
	return r->id == 1 ? "chunk" : r->id == 5 ? "erase" : "slots";
}

int model_execute(struct model *m, const char *what, const struct value *request, struct writer *w)
{
	bool grouped = strcmp(what, "reset") != 0 && strcmp(what, "params") != 0 && strcmp(what, "bootloader") != 0 &&
		strcmp(what, "mode") != 0;

	if (grouped && !m->in_recovery && (m->no_group || (m->new_lacks_group && m->slot[m->active] == NEW)))
		return -8;
	if (strcmp(what, "list") == 0) {
		write_list(m, w);
		if (m->boot_due && m->waits-- == 0)
			model_boot(m);
		return 0;
	}
	if (strcmp(what, "mark") == 0 || strcmp(what, "confirm") == 0) {
		int r = write_state(m, request);
		if (r == 0)
			write_list(m, w);
		return r;
	}
	if (strcmp(what, "chunk") == 0)
		return upload(m, request, w);
	if (strcmp(what, "slots") == 0) {
		write_slots(m, w);
		return m->no_slot_info ? -8 : 0;
	}
	if (strcmp(what, "bootloader") == 0 || strcmp(what, "mode") == 0)
		return bootloader_info(m, request, w);
	if (strcmp(what, "reset") == 0 && !m->ignores_reset) {
		m->resets++;
		m->boot_due = true;
		m->waits = m->slow_resets;
	}
	if (strcmp(what, "erase") == 0)
		m->slot[1 - m->active] = EMPTY;
	writer_map(w, 0);
	return 0;
}
