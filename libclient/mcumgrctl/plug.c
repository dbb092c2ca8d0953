/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/plug.h"
#include "libclient/mcumgrctl/text.h"
#include "proto/macro.h"

char *plug_hub(const char *path)
{
	const char *place = path ? strrchr(path, '-') : NULL, *port, *interface;

	if (!path)
		return NULL;
	/* "0:2.3:1.0": bus, port on the hubs, configuration and interface. */
	port = strchr(place ? place : path, ':');
	interface = port ? strchr(port + 1, ':') : NULL;
	return interface ? format("%.*s", (int)(interface - path), path) : format("%s", path);
}

static bool same(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

static struct plug *find(struct plug *plugs, size_t count, const char *hub, const char *serial)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (hub ? same(plugs[i].hub, hub) : !plugs[i].hub && same(plugs[i].serial, serial))
			return &plugs[i];
	return NULL;
}

static void take(const char **at, json_object *port, const char *key)
{
	if (!*at)
		*at = member_string(port, key);
}

static void add_port(struct plug *plug, json_object *port)
{
	const char *since = member_string(port, "since");

	if (plug->port_count < PLUG_PORTS_MAX)
		plug->ports[plug->port_count++] = port;
	take(&plug->serial, port, "serial");
	take(&plug->manufacturer, port, "manufacturer");
	take(&plug->product, port, "product");
	take(&plug->driver, port, "driver");
	take(&plug->section, port, "section");
	take(&plug->device, port, "device");
	/* RFC 3339 in UTC: in order of time when in order of letters. */
	if (since && (!plug->since || strcmp(since, plug->since) > 0))
		plug->since = since;
}

struct plug *plugs_find(json_object *reply, size_t *ret_count)
{
	size_t i, count = 0, ports = member_count(reply, "ports");
	struct plug *plugs = calloc(ports + 1, sizeof(*plugs)), *plug;

	if (!plugs)
		out_of_memory();
	for (i = 0; i < ports; i++) {
		json_object *port = member_at(reply, "ports", i);
		_cleanup_free_ char *hub = plug_hub(member_string(port, "path"));

		plug = find(plugs, count, hub, member_string(port, "serial"));
		if (!plug) {
			plug = &plugs[count++];
			plug->hub = TAKE_PTR(hub);
		}
		add_port(plug, port);
	}
	*ret_count = count;
	return plugs;
}

void plugs_free(struct plug *plugs, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		free(plugs[i].hub);
	free(plugs);
}
