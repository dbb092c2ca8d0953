/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <string.h>

#include "libclient/client.h"
#include "proto/base64.h"
#include "proto/json.h"

int mcumgr_image_put(
	struct mcumgr *m, const void *data, size_t size, bool any, char **ret_hash, struct mcumgr_error **ret_error)
{
	_cleanup_json_ json_object *parameters = json_object_new_object(), *reply = NULL;
	_cleanup_free_ char *text = base64_encode(data, size, NULL);
	const char *hash;
	int r;

	if (!parameters || !text || json_object_object_add(parameters, "data", json_object_new_string(text)) < 0)
		return client_say(m, -ENOMEM, "out of memory");
	if (any && json_object_object_add(parameters, "any", json_object_new_boolean(true)) < 0)
		return client_say(m, -ENOMEM, "out of memory");
	r = mcumgr_call(m, "ImagePut", parameters, &reply, ret_error);
	if (r < 0)
		return r;
	hash = client_string(reply, "hash");
	if (!hash)
		return client_say(m, -EPROTO, "the daemon's reply to ImagePut has no hash");
	*ret_hash = strdup(hash);
	return *ret_hash ? 0 : client_say(m, -ENOMEM, "out of memory");
}

struct update {
	mcumgr_progress_func func;
	void *user;
	char *outcome;
};

static int on_progress(struct mcumgr *m, json_object *reply, void *user)
{
	struct mcumgr_progress progress = {
		.job = client_string(reply, "job"),
		.step = client_string(reply, "step"),
		.percent = (int)client_int(reply, "percent", 0),
		.done_bytes = client_int(reply, "doneBytes", -1),
		.total_bytes = client_int(reply, "totalBytes", -1),
		.message = client_string(reply, "message"),
		.object = reply,
	};
	const char *outcome = client_string(reply, "outcome");
	struct update *update = user;

	if (!progress.job || !progress.step)
		return client_say(m, -EPROTO, "the daemon's reply to Update has no job or no step");
	if (outcome && !update->outcome)
		update->outcome = strdup(outcome);
	return update->func ? update->func(m, &progress, update->user) : 0;
}

static void add_flag(json_object *o, const char *key, bool wanted, bool value)
{
	if (wanted)
		json_object_object_add(o, key, json_object_new_boolean(value));
}

static json_object *update_parameters(const struct mcumgr_update *u)
{
	json_object *o = json_object_new_object();

	if (!o)
		return NULL;
	if (u->device)
		json_object_object_add(o, "device", json_object_new_string(u->device));
	json_object_object_add(o, "file", json_object_new_string(u->file));
	if (u->image >= 0)
		json_object_object_add(o, "imageNumber", json_object_new_int(u->image));
	add_flag(o, "confirm", u->no_confirm, false);
	add_flag(o, "forceConfirm", u->force_confirm, true);
	add_flag(o, "skipReboot", u->skip_reboot, true);
	add_flag(o, "upgradeOnly", u->upgrade_only, true);
	add_flag(o, "eraseFirst", u->erase_first, true);
	add_flag(o, "detached", u->detached, true);
	if (u->boot_timeout_ms)
		json_object_object_add(o, "bootTimeoutMs", json_object_new_int64(u->boot_timeout_ms));
	return o;
}

int mcumgr_update(struct mcumgr *m, const struct mcumgr_update *u, mcumgr_progress_func func, void *user,
	char **ret_outcome, struct mcumgr_error **ret_error)
{
	/* A caller that was built with an older, shorter struct. */
	struct mcumgr_update update = MCUMGR_UPDATE_INIT;
	_cleanup_json_ json_object *parameters = NULL;
	struct update state = { .func = func, .user = user };
	int r;

	if (u->size < offsetof(struct mcumgr_update, image) || !u->file)
		return client_say(m, -EINVAL, "no file to update with");
	memcpy(&update, u, u->size < sizeof(update) ? u->size : sizeof(update));
	parameters = update_parameters(&update);
	if (!parameters)
		return client_say(m, -ENOMEM, "out of memory");
	r = mcumgr_call_stream(m, "Update", parameters, on_progress, &state, ret_error);
	if (r == 0 && ret_outcome) {
		if (!state.outcome)
			return client_say(m, -EPROTO, "the daemon's last reply to Update has no outcome");
		*ret_outcome = TAKE_PTR(state.outcome);
	}
	free(state.outcome);
	return r;
}
