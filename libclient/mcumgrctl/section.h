/* SPDX-License-Identifier: MIT */
#pragma once

/* [device NAME] sections of mcumgrd.conf(5) for boards that nothing manages yet.
 *
 * A board is chosen by its serial number, so that it is the same one in every hub port and in its bootloader; where it
 * has none, or shares it, or it is one that makers leave in by mistake (0001), by the hub port it is plugged into; and
 * where udev does not know that either, by its USB ids. Names come from what the board says of itself, and differ from
 * all that are taken: by the end of the serial number, or by the hub port. */

#include "libclient/mcumgrctl/plug.h"

struct section {
	const struct plug *plug;
	char *name;	  /* alias, too */
	const char *key;  /* "serial", "path" or "match" */
	char *value;
	const char *why;  /* not by serial number; NULL: it is */
	char *kind;	  /* what its name was made of */
};

/* Sections for those of the plugs that `wanted` says. reply: of Ports, whose sections, aliases and ids are taken names.
 * malloc'd, as many as are wanted; sections_free(). */
struct section *sections_make(json_object *reply, const struct plug *plugs, size_t count, const bool *wanted,
	size_t *ret_count);
void sections_free(struct section *sections, size_t count);
