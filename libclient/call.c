/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "libclient/client.h"
#include "proto/json.h"

/* What a blocking call waits for. */
struct wait {
	mcumgr_stream_func func;
	void *user;
	json_object **ret_reply;
	struct mcumgr_error **ret_error;
	bool finished;
	int result;
};

static struct mcumgr_error *copy_error(const struct mcumgr_error *error)
{
	struct varlink_reply reply = { .error = error->name, .parameters = error->parameters };

	return client_error_new(&reply);
}

static int on_reply(struct mcumgr *m, const struct mcumgr_reply *reply, void *user)
{
	struct wait *wait = user;
	int r = 0;

	if (reply->result == 0 && wait->func)
		r = wait->func(m, reply->parameters, wait->user);
	if (reply->result == 0 && wait->ret_reply && !reply->continues)
		*wait->ret_reply = json_object_get(reply->parameters);
	if (reply->result == -EREMOTEIO) {
		client_say(m, 0, "%s", reply->error->message);
		if (wait->ret_error)
			*wait->ret_error = copy_error(reply->error);
	}
	if (r || !reply->continues) {
		wait->finished = true;
		wait->result = r ? r : reply->result;
	}
	return r;
}

static int wait_for(struct mcumgr *m, struct wait *wait)
{
	while (!wait->finished) {
		struct pollfd p = { .fd = m->fd, .events = mcumgr_events(m) };

		if (poll(&p, 1, mcumgr_wait_ms(m)) < 0 && errno != EINTR)
			return client_fail(m, client_say(m, -errno, "poll: %s", strerror(errno)));
		/* Its errors reach this call through the callback too. */
		mcumgr_process(m);
	}
	return wait->result;
}

static int call(struct mcumgr *m, const char *method, json_object *parameters, unsigned int flags,
	unsigned int timeout_ms, struct wait *wait)
{
	int r;

	if (m->fd >= 0 && m->streaming == m->generation)
		return client_say(m, -EDEADLK, "%s would wait for the end of the stream that calls it: use another connection", method);
	r = mcumgr_send(m, method, parameters, flags, timeout_ms, on_reply, wait);
	return r < 0 ? r : wait_for(m, wait);
}

int mcumgr_call(struct mcumgr *m, const char *method, json_object *parameters, json_object **ret_reply,
	struct mcumgr_error **ret_error)
{
	struct wait wait = { .ret_reply = ret_reply, .ret_error = ret_error };

	return call(m, method, parameters, 0, m->timeout_ms, &wait);
}

int mcumgr_call_stream(struct mcumgr *m, const char *method, json_object *parameters, mcumgr_stream_func func,
	void *user, struct mcumgr_error **ret_error)
{
	struct wait wait = { .func = func, .user = user, .ret_error = ret_error };

	return call(m, method, parameters, MCUMGR_MORE, m->timeout_ms, &wait);
}

int client_call_patient(struct mcumgr *m, const char *method, json_object *parameters, mcumgr_stream_func func,
	void *user, struct mcumgr_error **ret_error)
{
	struct wait wait = { .func = func, .user = user, .ret_error = ret_error };

	return call(m, method, parameters, MCUMGR_MORE, 0, &wait);
}

int mcumgr_call_json(
	struct mcumgr *m, const char *method, const char *parameters, char **ret_reply, struct mcumgr_error **ret_error)
{
	_cleanup_json_ json_object *object = NULL, *reply = NULL;
	const char *why;
	char *text;
	int r;

	r = json_parse(parameters ? parameters : "{}", parameters ? strlen(parameters) : 2, &object, &why);
	if (r == -ENOMEM)
		return client_say(m, r, "out of memory");
	if (r < 0)
		return client_say(m, -EBADMSG, "the parameters are no JSON: %s", why);
	if (!json_object_is_type(object, json_type_object))
		return client_say(m, -EBADMSG, "the parameters are no JSON object");
	r = mcumgr_call(m, method, object, &reply, ret_error);
	if (r < 0 || !ret_reply)
		return r;
	text = json_print(reply, NULL);
	if (!text)
		return client_say(m, -ENOMEM, "out of memory");
	*ret_reply = text;
	return 0;
}
