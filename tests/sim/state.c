/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <termios.h>

#include "control.h"
#include "img.h"

static struct json_object *hex(const uint8_t *data, size_t len)
{
	char text[129];

	for (size_t i = 0; i < len; i++)
		snprintf(text + 2 * i, 3, "%02x", data[i]);
	text[2 * len] = '\0';
	return json_object_new_string(text);
}

static void add_number(struct json_object *o, const char *key, uint64_t v)
{
	json_object_object_add(o, key, json_object_new_int64((int64_t)v));
}

static void add_bool(struct json_object *o, const char *key, bool v)
{
	json_object_object_add(o, key, json_object_new_boolean(v));
}

static void add_text(struct json_object *o, const char *key, const char *v)
{
	json_object_object_add(o, key, v ? json_object_new_string(v) : NULL);
}

static void add_image(struct json_object *o, const struct flash_area *a)
{
	char version[IMAGE_VERSION_MAX];
	struct image_info info;

	if (image_read(a, &info))
		return;
	image_version_format(&info.version, version);
	add_text(o, "version", version);
	json_object_object_add(o, "hash", hex(info.hash, info.hash_len));
	add_bool(o, "valid", image_is_valid(a, &info));
}

static struct json_object *slot_json(struct board *b, int image, int slot)
{
	const struct flash_area *a = &b->image[image].slot[slot];
	struct json_object *o = json_object_new_object();
	unsigned int flags = img_slot_flags(b, image, slot);
	struct flash_trailer t;

	flash_trailer_read(a, &t);
	add_number(o, "image", (uint64_t)image);
	add_number(o, "slot", (uint64_t)slot);
	add_bool(o, "blank", flash_is_blank(a));
	add_image(o, a);
	add_bool(o, "active", flags & IMG_ACTIVE);
	add_bool(o, "confirmed", flags & IMG_CONFIRMED);
	add_bool(o, "pending", flags & IMG_PENDING);
	add_bool(o, "permanent", flags & IMG_PERMANENT);
	add_bool(o, "magic", t.magic_good);
	return o;
}

static struct json_object *requests_json(const struct board *b)
{
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < b->stats.n_counts; i++) {
		const struct request_count *c = &b->stats.counts[i];
		char key[24];

		snprintf(key, sizeof(key), "%d/%d", c->group, c->id);
		add_number(o, key, c->n);
	}
	return o;
}

static unsigned int baud_number(speed_t s)
{
	static const struct {
		speed_t code;
		unsigned int baud;
	} table[] = {
		{ B9600, 9600 },     { B19200, 19200 },   { B38400, 38400 },     { B57600, 57600 },
		{ B115200, 115200 }, { B230400, 230400 }, { B460800, 460800 },   { B921600, 921600 },
		{ B1000000, 1000000 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].code == s)
			return table[i].baud;
	return 0;
}

/* How the client has set the tty: raw is what SMP needs. */
static struct json_object *termios_json(const struct board *b)
{
	struct json_object *o;
	struct termios t;

	if (!b->link.tty || tcgetattr(b->link.fd.fd, &t) < 0)
		return NULL;
	o = json_object_new_object();
	add_bool(o, "raw", !(t.c_lflag & (ICANON | ECHO | ISIG)) &&
				   !(t.c_iflag & (ICRNL | IXON)) && !(t.c_oflag & OPOST));
	add_bool(o, "echo", t.c_lflag & ECHO);
	add_bool(o, "hupcl", t.c_cflag & HUPCL);
	add_bool(o, "clocal", t.c_cflag & CLOCAL);
	add_number(o, "baud", baud_number(cfgetospeed(&t)));
	return o;
}

static void add_counters(struct json_object *o, const struct board *b)
{
	const struct board_stats *st = &b->stats;

	add_number(o, "boots", st->boots);
	add_number(o, "app_starts", st->app_starts);
	add_number(o, "resets_smp", st->resets_smp);
	add_number(o, "crashes", st->crashes);
	add_number(o, "power_cuts", st->power_cuts);
	add_number(o, "requests_total", st->requests);
	add_number(o, "replies", st->replies);
	add_number(o, "dropped_lines", st->dropped_lines);
	add_number(o, "dropped_packets", st->dropped_packets);
	add_number(o, "rx_bytes", b->link.rx_bytes);
	add_number(o, "tx_bytes", b->link.tx_bytes);
	add_number(o, "lost_bytes", b->link.lost_bytes);
	add_number(o, "opens", b->link.opens);
	add_number(o, "faults", b->faults.n);
}

static void add_images(struct json_object *o, struct board *b)
{
	struct json_object *slots = json_object_new_array();
	const struct image_slots *im = &b->image[0];

	add_image(o, &im->slot[im->active]);
	add_bool(o, "confirmed", img_slot_flags(b, 0, im->active) & IMG_CONFIRMED);
	for (uint64_t i = 0; i < b->set.images; i++)
		for (int s = 0; s < 2; s++)
			json_object_array_add(slots, slot_json(b, (int)i, s));
	json_object_object_add(o, "slots", slots);
}

static void add_swap(struct json_object *o, const struct board *b)
{
	const struct image_slots *im = &b->image[0];

	add_bool(o, "swapping", im->swapping != SWAP_NONE);
	add_number(o, "swapped", im->swapped);
}

/* Without images it is cheap enough for a wait that looks again and again. */
static struct json_object *state_object(struct board *b, bool with_images)
{
	struct json_object *o = json_object_new_object();

	add_text(o, "name", b->name);
	add_text(o, "phase", board_phase_name(b->phase));
	add_text(o, "mode", boot_mode_name(b->set.mode));
	add_bool(o, "in_recovery", b->phase == PHASE_RECOVERY);
	add_bool(o, "plugged", b->link.plugged);
	add_bool(o, "open", b->link.open);
	add_bool(o, "idle", board_is_idle(b));
	add_bool(o, "busy", b->ram.busy);
	add_bool(o, "uploading", b->ram.upload.active);
	add_number(o, "upload_off", b->ram.upload.off);
	add_number(o, "upload_size", b->ram.upload.size);
	add_swap(o, b);
	add_counters(o, b);
	json_object_object_add(o, "requests", requests_json(b));
	if (with_images)
		add_images(o, b);
	add_text(o, "tty", b->link.tty);
	json_object_object_add(o, "termios", termios_json(b));
	/* A pty has no modem lines. */
	json_object_object_add(o, "dtr", NULL);
	json_object_object_add(o, "rts", NULL);
	return o;
}

char *state_json(struct board *b)
{
	struct json_object *o = state_object(b, true);
	char *text = strdup(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN |
									 JSON_C_TO_STRING_NOSLASHESCAPE));

	json_object_put(o);
	return text;
}

/* "boots", and "requests.1/1" for a member of an object inside. */
static struct json_object *lookup(struct json_object *o, const char *name)
{
	const char *dot = strchr(name, '.');
	struct json_object *child = NULL;
	char first[64];

	if (!dot) {
		json_object_object_get_ex(o, name, &child);
		return child;
	}
	snprintf(first, sizeof(first), "%.*s", (int)(dot - name), name);
	if (!json_object_object_get_ex(o, first, &child))
		return NULL;
	return json_object_is_type(child, json_type_object) ? lookup(child, dot + 1) : NULL;
}

/* The value itself is the caller's; what it was in goes away. */
static struct json_object *value(struct board *b, const char *name)
{
	struct json_object *v = NULL;

	for (int full = 0; full < 2 && !v; full++) {
		if (full && !strncmp(name, "requests.", 9))
			break;
		struct json_object *o = state_object(b, full);

		v = json_object_get(lookup(o, name));
		json_object_put(o);
	}
	return v;
}

int state_number(struct board *b, const char *name, int64_t *ret)
{
	struct json_object *v = value(b, name);
	int r = 0;

	if (json_object_is_type(v, json_type_int) || json_object_is_type(v, json_type_boolean))
		*ret = json_object_get_int64(v);
	else if (!v && !strncmp(name, "requests.", 9))
		*ret = 0; /* not asked for yet */
	else
		r = -ENOENT;
	json_object_put(v);
	return r;
}

int state_text(struct board *b, const char *name, char **ret)
{
	struct json_object *v = value(b, name);
	int r = -ENOENT;

	if (json_object_is_type(v, json_type_string)) {
		*ret = strdup(json_object_get_string(v));
		r = *ret ? 0 : -ENOMEM;
	}
	json_object_put(v);
	return r;
}
