/* SPDX-License-Identifier: MIT */
#include "smp.h"

/* Bridges to another transport (SMP §5.11, Zephyr 4.5). The board talks on serial and could pass requests on by Bluetooth;
 * what is behind it is nobody's business here: only the bridge itself is kept. */

#define OWN 0
#define BRIDGES 1

static const struct {
	const char *name, *mode;
} transports[] = {
	[OWN] = { "Serial", "Serial" },
	[1] = { "Bluetooth", "Bluetooth Low Energy" },
};

int transport_status(struct board *b, const struct request *req, struct reply *reply)
{
	(void)req;
	writer_pair_uint(&reply->w, "supported", BRIDGES);
	writer_pair_uint(&reply->w, "active", b->ram.bridge ? 1 : 0);
	if (b->ram.bridge) {
		writer_pair_bool(&reply->w, "bridged", true);
		writer_pair_uint(&reply->w, "transport", b->ram.bridge);
	}
	return 0;
}

int transport_list(struct board *b, const struct request *req, struct reply *reply)
{
	(void)b;
	(void)req;
	writer_text(&reply->w, "transports");
	writer_list_begin(&reply->w);
	for (size_t i = 0; i < ARRAY_SIZE(transports); i++) {
		writer_map_begin(&reply->w);
		writer_pair_uint(&reply->w, "id", i);
		writer_pair_text(&reply->w, "name", transports[i].name);
		writer_map_end(&reply->w);
	}
	writer_list_end(&reply->w);
	return 0;
}

int transport_modes(struct board *b, const struct request *req, struct reply *reply)
{
	uint64_t id = 0;
	struct payload_want want[] = { WANT_UINT("transport", &id) };

	(void)b;
	if (request_get(req, want, ARRAY_SIZE(want)) || !want[0].found || id >= ARRAY_SIZE(transports)) {
		reply_error(reply, GROUP_TRANSPORT, TRANSPORT_INVALID_TRANSPORT);
		return 0;
	}
	writer_text(&reply->w, "modes");
	writer_list_begin(&reply->w);
	writer_map_begin(&reply->w);
	writer_pair_uint(&reply->w, "id", 0);
	writer_pair_text(&reply->w, "description", transports[id].mode);
	writer_pair_bool(&reply->w, "incoming", true);
	writer_pair_bool(&reply->w, "outgoing", id != OWN);
	writer_map_end(&reply->w);
	writer_list_end(&reply->w);
	return 0;
}

/* 0, or the group's error. */
static int connect_to(struct board *b, bool named, uint64_t id, uint64_t mode)
{
	if (!named || id >= ARRAY_SIZE(transports))
		return TRANSPORT_INVALID_TRANSPORT;
	if (b->ram.bridge)
		return TRANSPORT_INCOMING_ALREADY_BRIDGED;
	if (mode != 0)
		return TRANSPORT_INVALID_MODE;
	if (id == OWN)
		return TRANSPORT_SAME_DEVICE_DISALLOWED;
	b->ram.bridge = (unsigned int)id;
	return 0;
}

int transport_connect(struct board *b, const struct request *req, struct reply *reply)
{
	uint64_t id = 0, mode = 0;
	struct payload_want want[] = { WANT_UINT("transport", &id), WANT_UINT("mode", &mode) };
	int e;

	if (request_get(req, want, ARRAY_SIZE(want)))
		return RC_INVAL;
	e = connect_to(b, want[0].found, id, mode);
	if (e)
		reply_error(reply, GROUP_TRANSPORT, e);
	return 0;
}

int transport_disconnect(struct board *b, const struct request *req, struct reply *reply)
{
	uint64_t id = 0;
	bool all = false;
	struct payload_want want[] = { WANT_UINT("transport", &id), WANT_BOOL("all", &all) };

	if (request_get(req, want, ARRAY_SIZE(want)))
		return RC_INVAL;
	if (want[0].found && all)
		reply_error(reply, GROUP_TRANSPORT, TRANSPORT_BOTH_TRANSPORT_AND_ALL);
	else if (!b->ram.bridge)
		reply_error(reply, GROUP_TRANSPORT, TRANSPORT_NOT_BRIDGED);
	else if (want[0].found && id >= ARRAY_SIZE(transports))
		reply_error(reply, GROUP_TRANSPORT, TRANSPORT_INVALID_TRANSPORT);
	else
		b->ram.bridge = 0;
	return 0;
}
