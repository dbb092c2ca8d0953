/* SPDX-License-Identifier: MIT */
/* List, Get and Configure, and boards as JSON. */
#include <errno.h>
#include <string.h>

#include "daemon/api-private.h"

#define FRAME_SIZE_MIN 32
#define FRAME_SIZE_MAX SMP_MESSAGE_MAX

static json_object *slot_json(const struct image_slot *s)
{
	json_object *o = json_object_new_object();

	api_put_int(o, "image", s->image);
	api_put_int(o, "slot", s->slot);
	api_put_string(o, "version", s->version);
	api_put_hex(o, "hash", s->hash, s->hash_size);
	api_put(o, "bootable", json_object_new_boolean(s->bootable));
	api_put(o, "pending", json_object_new_boolean(s->pending));
	api_put(o, "confirmed", json_object_new_boolean(s->confirmed));
	api_put(o, "active", json_object_new_boolean(s->active));
	api_put(o, "permanent", json_object_new_boolean(s->permanent));
	return o;
}

static void put_images(json_object *o, const struct device_info *info)
{
	json_object *slots;

	if (!info->has_images)
		return;
	for (size_t i = 0; i < info->image_count; i++)
		if (info->images[i].active && info->images[i].image == 0)
			api_put_string(o, "version", info->images[i].version);
	slots = json_object_new_array();
	for (size_t i = 0; i < info->image_count && slots; i++)
		json_object_array_add(slots, slot_json(&info->images[i]));
	api_put(o, "images", slots);
}

static void put_bootloader(json_object *o, const struct device_info *info)
{
	json_object *b;

	if (!info->bootloader[0])
		return;
	b = json_object_new_object();
	api_put_string(b, "name", info->bootloader);
	if (info->has_mode) {
		api_put_int(b, "mode", info->mode);
		api_put_string(b, "modeName", smp_bootloader_mode_name(info->mode));
		api_put(b, "noDowngrade", json_object_new_boolean(info->no_downgrade));
	}
	api_put(o, "bootloader", b);
}

static void put_groups(json_object *o, const struct device_info *info)
{
	json_object *groups;

	if (info->group_count == 0)
		return;
	groups = json_object_new_array();
	for (size_t i = 0; i < info->group_count && groups; i++)
		json_object_array_add(groups, json_object_new_int64(info->groups[i]));
	api_put(o, "groups", groups);
}

static void put_tags(json_object *o, const char *tags)
{
	json_object *list;

	if (!tags)
		return;
	list = json_object_new_array();
	for (const char *s = tags; *s && list; s += strcspn(s, " "), s += strspn(s, " "))
		json_object_array_add(list, json_object_new_string_len(s, (int)strcspn(s, " ")));
	api_put(o, "tags", list);
}

/* Others with the same serial number, which only their place tells apart. */
static void put_twins(json_object *o, const struct device *d)
{
	json_object *twins = NULL;

	for (size_t i = 0; d->serial && d->registry && i < registry_count(d->registry); i++) {
		const struct device *other = registry_at(d->registry, i);
		if (other == d || !other->serial || strcmp(other->serial, d->serial) != 0)
			continue;
		twins = twins ? twins : json_object_new_array();
		if (twins)
			json_object_array_add(twins, json_object_new_string(other->id));
	}
	api_put(o, "sameSerial", twins);
}

static void put_identity(json_object *o, const struct device *d)
{
	put_tags(o, d->config ? d->config->tags : NULL);
	put_twins(o, d);
	api_put_string(o, "tty", d->tty);
	api_put_string(o, "path", d->path);
	if (d->vendor_id || d->product_id) {
		api_put_int(o, "vendorId", d->vendor_id);
		api_put_int(o, "productId", d->product_id);
	}
	if (d->interface >= 0)
		api_put_int(o, "interface", d->interface);
	api_put_string(o, "serial", d->serial);
	api_put_string(o, "manufacturer", d->manufacturer);
	api_put_string(o, "product", d->product);
	api_put_string(o, "section", d->config ? d->config->name : NULL);
}

/* What is known of the line once the board has answered on it. */
static void put_session(json_object *o, const struct device *d)
{
	struct device_limits limits = { 0 };

	if (!d->session || !session_has_answered(d->session))
		return;
	device_limits(d, &limits);
	api_put_int(o, "smpVersion", session_version(d->session) == SMP_V1 ? 1 : 2);
	if (session_message_max(d->session) > 0)
		api_put_int(o, "frameSize", (int64_t)session_message_max(d->session));
	if (d->info.has_parameters) {
		api_put_int(o, "bufferSize", d->info.buffer_size);
		api_put_int(o, "bufferCount", d->info.buffer_count);
	}
	api_put_int(o, "lineDelayMs", session_line_delay(d->session));
	api_put_int(o, "window", limits.window_start);
}

json_object *api_device_json(const struct device *d)
{
	json_object *o = json_object_new_object();
	const struct lease *lease;

	api_put_string(o, "id", d->id);
	api_put_string(o, "name", d->config ? d->config->alias : NULL);
	api_put_string(o, "state", device_state_name(d));
	api_put_string(o, "reason", d->reason);
	api_put_time(o, "since", d->since_us);
	put_identity(o, d);
	put_session(o, d);
	put_bootloader(o, &d->info);
	put_groups(o, &d->info);
	put_images(o, &d->info);
	if (d->job)
		api_put(o, "job", api_job_json(d->job));
	lease = lease_of(registry_leases(d->registry), d->id);
	if (lease)
		api_put(o, "lease", api_lease_json(d->registry, lease));
	return o;
}

/* Without a selector all boards that are managed. false: the call is answered. */
static bool select_devices(struct api *api, struct call *call, struct device ***ret, size_t *ret_count)
{
	const char *selector = api_string(call, "device");
	struct device **matches = NULL;
	size_t count = 0;
	char text[200] = "";

	if (selector) {
		int r = registry_select(api->registry, selector, &matches, &count, text, sizeof(text));
		if (r == -EINVAL)
			api_fail_selector(call, "device", selector, text);
		else if (r == 0 && count == 0)
			api_fail_no_device(api, call, selector);
		else if (r == 0) {
			*ret = matches;
			*ret_count = count;
			return true;
		}
		free(matches);
		return false;
	}
	matches = calloc(registry_count(api->registry) + 1, sizeof(*matches));
	for (size_t i = 0; matches && i < registry_count(api->registry); i++)
		if (device_is_managed(registry_at(api->registry, i)))
			matches[count++] = registry_at(api->registry, i);
	*ret = matches;
	*ret_count = count;
	return true;
}

static json_object *hubs_json(struct registry *r)
{
	json_object *hubs = json_object_new_array();

	for (const struct registry_hub *h = NULL; hubs && (h = registry_next_hub(r, h));)
		json_object_array_add(hubs, api_hub_json(r, h));
	return hubs;
}

static void list(struct api *api, struct call *call)
{
	_cleanup_free_ struct device **matches = NULL;
	json_object *o, *devices;
	size_t count = 0;

	if (!select_devices(api, call, &matches, &count))
		return;
	o = json_object_new_object();
	devices = json_object_new_array();
	for (size_t i = 0; i < count && devices; i++)
		json_object_array_add(devices, api_device_json(matches[i]));
	api_put(o, "devices", devices);
	if (!api_string(call, "device"))
		api_put(o, "hubs", hubs_json(api->registry));
	call_reply(call, o);
}

static void get(struct api *api, struct call *call)
{
	struct device *d;

	if (api_device(api, call, &d)) {
		json_object *o = json_object_new_object();
		api_put(o, "device", api_device_json(d));
		call_reply(call, o);
	}
}

static void configure(struct api *api, struct call *call)
{
	const struct device_tuning tuning = {
		.frame_size = (int)api_int(call, "frameSize", -1),
		.timeout_ms = (int)api_int(call, "answerTimeMs", -1),
		.retries = (int)api_int(call, "retries", -1),
	};
	struct device *d;

	if (!api_device_to_change(api, call, &d))
		return;
	if (tuning.frame_size > 0 && tuning.frame_size < FRAME_SIZE_MIN) {
		api_invalid(call, "frameSize", "'frameSize' is 0 (from the board's parameters) or at least %d bytes",
				FRAME_SIZE_MIN);
		return;
	}
	api_audit(call, d, "Configure");
	device_tune(d, &tuning);
	registry_changed(api->registry, REGISTRY_CHANGED, d, NULL);
	call_reply(call, json_object_new_object());
}

static void reset_state(struct api *api, struct call *call)
{
	struct device *d;

	if (!api_device_to_change(api, call, &d))
		return;
	if (!device_is_managed(d)) {
		api_fail_unavailable(call, d, NULL);
		return;
	}
	api_audit(call, d, "ResetState");
	device_reset_state(d);
	call_reply(call, json_object_new_object());
}

static const struct api_parameter reset_state_parameters[] = { API_DEVICE, API_LEASE, { NULL } };

static const struct api_parameter get_parameters[] = { API_DEVICE, { NULL } };

static const struct api_parameter configure_parameters[] = {
	API_DEVICE,
	{ "frameSize", API_INT, .optional = true, .min = 0, .max = FRAME_SIZE_MAX },
	{ "answerTimeMs", API_INT, .optional = true, .min = 1, .max = LIMIT_TIMEOUT_MS },
	{ "retries", API_INT, .optional = true, .min = 0, .max = 255 },
	API_LEASE,
	{ NULL },
};

const struct api_method api_device_methods[] = {
	{ "List", get_parameters, list, ROLE_READ },
	{ "Get", get_parameters, get, ROLE_READ },
	{ "Configure", configure_parameters, configure, ROLE_CHANGE },
	{ "ResetState", reset_state_parameters, reset_state, ROLE_CHANGE },
	{ NULL },
};
