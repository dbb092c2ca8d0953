/* SPDX-License-Identifier: MIT */
#include "libclient/typed.h"

#include <errno.h>
#include <string.h>

#include "libclient/client.h"
#include "proto/json.h"

/* Programs that were built with another version have shorter or longer structs: what they do not have is left out, what only
 * they have must not be set. ret: a copy as long as ours; to be freed. */
static int own_copy(struct mcumgr *m, const struct typed_method *method, const void *args, void **ret)
{
	size_t size = args ? *(const size_t *)args : sizeof(size_t), i;
	char *copy;

	if (size < sizeof(size_t))
		return client_say(m, -EINVAL, "the arguments of %s do not say their size", method->name);
	for (i = method->args.size; i < size; i++)
		if (((const char *)args)[i])
			return client_say(m, -E2BIG, "the arguments of %s have more than this library knows", method->name);
	copy = calloc(1, method->args.size);
	if (!copy)
		return client_say(m, -ENOMEM, "out of memory");
	if (args)
		memcpy(copy, args, size < method->args.size ? size : method->args.size);
	*ret = copy;
	return 0;
}

static int encode(struct mcumgr *m, const struct typed_method *method, const void *args, json_object **ret)
{
	_cleanup_free_ void *copy = NULL;
	const char *parameter = NULL;
	int r;

	r = own_copy(m, method, args, &copy);
	if (r < 0)
		return r;
	r = typed_encode(&method->args, copy, ret, &parameter);
	if (r == -EINVAL)
		return client_say(m, r, "%s needs '%s'", method->name, parameter);
	return r < 0 ? client_say(m, r, "out of memory") : 0;
}

static int decode(struct mcumgr *m, const struct typed_method *method, json_object *object, void **ret)
{
	char place[200];
	int r = typed_decode(&method->reply, object, ret, place, sizeof(place));

	if (r == -EPROTO)
		return client_say(m, r, "the daemon's reply to %s has no proper '%s'", method->name, place);
	return r < 0 ? client_say(m, r, "out of memory") : 0;
}

int typed_call(struct mcumgr *m, const struct typed_method *method, const void *args, void **ret_reply,
	struct mcumgr_error **ret_error)
{
	_cleanup_json_ json_object *parameters = NULL, *object = NULL;
	void *reply;
	int r;

	r = encode(m, method, args, &parameters);
	if (r == 0)
		r = mcumgr_call(m, method->name, parameters, &object, ret_error);
	if (r == 0)
		r = decode(m, method, object, &reply);
	if (r < 0)
		return r;
	if (ret_reply)
		*ret_reply = reply;
	else
		typed_free(reply);
	return 0;
}

struct stream {
	const struct typed_method *method;
	typed_func func;
	void *user;
};

static int on_reply(struct mcumgr *m, json_object *object, void *user)
{
	struct stream *stream = user;
	void *reply;
	int r;

	r = decode(m, stream->method, object, &reply);
	if (r < 0)
		return r;
	r = stream->func ? stream->func(m, reply, stream->user) : 0;
	typed_free(reply);
	return r;
}

int typed_stream(struct mcumgr *m, const struct typed_method *method, const void *args, typed_func func, void *user,
	struct mcumgr_error **ret_error)
{
	struct stream stream = { .method = method, .func = func, .user = user };
	_cleanup_json_ json_object *parameters = NULL;
	int r;

	r = encode(m, method, args, &parameters);
	if (r < 0)
		return r;
	if (method->patient)
		return client_call_patient(m, method->name, parameters, on_reply, &stream, ret_error);
	return mcumgr_call_stream(m, method->name, parameters, on_reply, &stream, ret_error);
}

const char *typed_word(const char *const *words, size_t count, int value)
{
	return value > 0 && (size_t)value < count ? words[value] : "other";
}
