/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "libclient/mcumgrctl/verbs.h"

const struct verb_group verb_groups[] = {
	{ "Boards", device_verbs },
	{ "Leases", lease_verbs },
	{ "Setting up", setup_verbs },
	{ "Trouble", doctor_verbs },
	{ "Console", console_verbs },
	{ "Trace", trace_verbs },
	{ "Firmware", firmware_verbs },
	{ "Jobs", job_verbs },
	{ "Images", image_verbs },
	{ "System", os_verbs },
	{ "Statistics", stats_verbs },
	{ "Settings", settings_verbs },
	{ "Files", fs_verbs },
	{ "Shell", shell_verbs },
	{ "Command groups", enum_verbs },
	{ "Transports", transport_verbs },
	{ "Zephyr", zephyr_verbs },
	{ "Anything else", raw_verbs },
	{ NULL, NULL },
};

const struct verb *verb_at(size_t n)
{
	const struct verb_group *g;
	const struct verb *v;

	for (g = verb_groups; g->title; g++)
		for (v = g->verbs; v->name; v++)
			if (n-- == 0)
				return v;
	return NULL;
}

const struct verb *verb_find(const char *first, const char *second)
{
	const struct verb *v;
	size_t n;

	for (n = 0; (v = verb_at(n)); n++)
		if (second ? v->group && strcmp(v->group, first) == 0 && strcmp(v->name, second) == 0
			   : !v->group && strcmp(v->name, first) == 0)
			return v;
	return NULL;
}

bool verb_is_group(const char *name)
{
	const struct verb *v;
	size_t n;

	for (n = 0; (v = verb_at(n)); n++)
		if (v->group && strcmp(v->group, name) == 0)
			return true;
	return false;
}

const char *verb_title(const struct verb *v)
{
	static char title[64];

	snprintf(title, sizeof(title), "%s%s%s", v->group ? v->group : "", v->group ? " " : "", v->name);
	return title;
}
