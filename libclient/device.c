/* SPDX-License-Identifier: MIT */
#include <errno.h>

#include "libclient/client.h"
#include "proto/json.h"

void client_device_fill(struct mcumgr_device *d, json_object *object)
{
	*d = (struct mcumgr_device){
		.id = client_string(object, "id"),
		.alias = client_string(object, "name"),
		.state = client_string(object, "state"),
		.reason = client_string(object, "reason"),
		.tty = client_string(object, "tty"),
		.version = client_string(object, "version"),
		.object = object,
	};
}

void mcumgr_devices_free(struct mcumgr_device *devices, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		json_object_put(devices[i].object);
	free(devices);
}

int mcumgr_list(
	struct mcumgr *m, struct mcumgr_device **ret_devices, size_t *ret_count, struct mcumgr_error **ret_error)
{
	_cleanup_json_ json_object *reply = NULL;
	struct mcumgr_device *devices;
	json_object *array;
	size_t count, i;
	int r;

	r = mcumgr_call(m, "List", NULL, &reply, ret_error);
	if (r < 0)
		return r;
	array = json_object_object_get(reply, "devices");
	if (!json_object_is_type(array, json_type_array))
		return client_say(m, -EPROTO, "the daemon's reply to List has no devices");
	count = json_object_array_length(array);
	devices = calloc(count + 1, sizeof(*devices));
	if (!devices)
		return client_say(m, -ENOMEM, "out of memory");
	for (i = 0; i < count; i++)
		client_device_fill(&devices[i], json_object_get(json_object_array_get_idx(array, i)));
	*ret_devices = devices;
	*ret_count = count;
	return 0;
}

struct watch {
	mcumgr_watch_func func;
	void *user;
};

static int on_event(struct mcumgr *m, json_object *reply, void *user)
{
	json_object *object = json_object_object_get(reply, "device");
	struct mcumgr_event event = { .object = reply };
	struct mcumgr_device device;
	struct watch *watch = user;

	client_device_fill(&device, object);
	event.event = client_string(reply, "event");
	event.number = client_int(reply, "number", 0);
	event.device = object ? &device : NULL;
	if (!event.event)
		return client_say(m, -EPROTO, "the daemon's reply to Watch has no event");
	return watch->func(m, &event, watch->user);
}

int mcumgr_watch(
	struct mcumgr *m, const char *device, mcumgr_watch_func func, void *user, struct mcumgr_error **ret_error)
{
	_cleanup_json_ json_object *parameters = json_object_new_object();
	struct watch watch = { .func = func, .user = user };

	if (!parameters)
		return client_say(m, -ENOMEM, "out of memory");
	if (device && json_object_object_add(parameters, "device", json_object_new_string(device)) < 0)
		return client_say(m, -ENOMEM, "out of memory");
	return client_call_patient(m, "Watch", parameters, on_event, &watch, ret_error);
}
