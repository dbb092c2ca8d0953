/* SPDX-License-Identifier: MIT */
#include "proto/varlink.h"

#include <errno.h>
#include <string.h>

#include "proto/json.h"

static int fail(const char **ret_text, const char *text)
{
	if (ret_text)
		*ret_text = text;
	return -EBADMSG;
}

static int parse_envelope(const char *text, size_t size, json_object **ret, const char **ret_text)
{
	_cleanup_json_ json_object *o = NULL;
	int e = json_parse(text, size, &o, ret_text);

	if (e < 0)
		return e;
	if (!json_object_is_type(o, json_type_object))
		return fail(ret_text, "a message must be a JSON object");
	*ret = TAKE_PTR(o);
	return 0;
}

/* A reference to the parameters; an empty object where there are none. */
static int take_parameters(json_object *envelope, json_object **ret, const char **ret_text)
{
	json_object *p = json_object_object_get(envelope, "parameters");

	if (p && !json_object_is_type(p, json_type_object))
		return fail(ret_text, "'parameters' must be an object");
	*ret = p ? json_object_get(p) : json_object_new_object();
	return *ret ? 0 : -ENOMEM;
}

static int take_flag(json_object *envelope, const char *name, bool *ret, const char **ret_text, const char *text)
{
	json_object *v = json_object_object_get(envelope, name);

	if (v && !json_object_is_type(v, json_type_boolean))
		return fail(ret_text, text);
	*ret = json_object_get_boolean(v);
	return 0;
}

static int take_string(json_object *envelope, const char *name, char **ret, const char **ret_text, const char *text)
{
	json_object *v = json_object_object_get(envelope, name);
	const char *s;

	if (!v)
		return 0;
	if (!json_object_is_type(v, json_type_string))
		return fail(ret_text, text);
	s = json_object_get_string(v);
	if (!*s || strlen(s) != (size_t)json_object_get_string_len(v))
		return fail(ret_text, text);
	*ret = strdup(s);
	return *ret ? 0 : -ENOMEM;
}

static int decode_call(json_object *o, struct varlink_call *c, const char **ret_text)
{
	int e = take_string(o, "method", &c->method, ret_text, "'method' must be the name of a method");

	if (e < 0)
		return e;
	if (!c->method)
		return fail(ret_text, "a call must have a 'method'");
	if ((e = take_flag(o, "more", &c->more, ret_text, "'more' must be true or false")) < 0 ||
			(e = take_flag(o, "oneway", &c->oneway, ret_text, "'oneway' must be true or false")) < 0 ||
			(e = take_flag(o, "upgrade", &c->upgrade, ret_text, "'upgrade' must be true or false")) < 0)
		return e;
	if (c->more && c->oneway)
		return fail(ret_text, "a call cannot have both 'more' and 'oneway'");
	return take_parameters(o, &c->parameters, ret_text);
}

int varlink_call_decode(const char *text, size_t size, struct varlink_call *ret, const char **ret_text)
{
	_cleanup_json_ json_object *o = NULL;
	struct varlink_call call = { 0 };
	int e = parse_envelope(text, size, &o, ret_text);

	if (e < 0)
		return e;
	e = decode_call(o, &call, ret_text);
	if (e < 0) {
		varlink_call_release(&call);
		return e;
	}
	*ret = call;
	return 0;
}

void varlink_call_release(struct varlink_call *call)
{
	free(call->method);
	json_object_put(call->parameters);
	*call = (struct varlink_call){ 0 };
}

static int decode_reply(json_object *o, struct varlink_reply *r, const char **ret_text)
{
	int e = take_string(o, "error", &r->error, ret_text, "'error' must be the name of an error");

	if (e < 0)
		return e;
	e = take_flag(o, "continues", &r->continues, ret_text, "'continues' must be true or false");
	if (e < 0)
		return e;
	if (r->error && r->continues)
		return fail(ret_text, "an error cannot have 'continues'");
	return take_parameters(o, &r->parameters, ret_text);
}

int varlink_reply_decode(const char *text, size_t size, struct varlink_reply *ret, const char **ret_text)
{
	_cleanup_json_ json_object *o = NULL;
	struct varlink_reply reply = { 0 };
	int e = parse_envelope(text, size, &o, ret_text);

	if (e < 0)
		return e;
	e = decode_reply(o, &reply, ret_text);
	if (e < 0) {
		varlink_reply_release(&reply);
		return e;
	}
	*ret = reply;
	return 0;
}

void varlink_reply_release(struct varlink_reply *reply)
{
	free(reply->error);
	json_object_put(reply->parameters);
	*reply = (struct varlink_reply){ 0 };
}

static int add(json_object *envelope, const char *name, json_object *value)
{
	if (value && json_object_object_add(envelope, name, value) == 0)
		return 0;
	json_object_put(value);
	return -ENOMEM;
}

/* name: "method" or "error", with its value; NULL leaves it out. The parameters gain a reference for a moment. */
static int encode(const char *name, const char *value, json_object *parameters, const char *const *flags, char **ret,
		size_t *ret_size)
{
	_cleanup_json_ json_object *o = json_object_new_object();
	size_t size;
	char *text;

	if (!o || (value && add(o, name, json_object_new_string(value)) < 0))
		return -ENOMEM;
	if (add(o, "parameters", parameters ? json_object_get(parameters) : json_object_new_object()) < 0)
		return -ENOMEM;
	for (; *flags; flags++)
		if (add(o, *flags, json_object_new_boolean(true)) < 0)
			return -ENOMEM;
	text = json_print(o, &size);
	if (!text)
		return -ENOMEM;
	*ret = text;
	*ret_size = size + 1;
	return 0;
}

int varlink_call_encode(const char *method, json_object *parameters, bool more, bool oneway, char **ret, size_t *ret_size)
{
	const char *flags[3] = { NULL };
	size_t n = 0;

	if (more)
		flags[n++] = "more";
	if (oneway)
		flags[n++] = "oneway";
	return encode("method", method, parameters, flags, ret, ret_size);
}

int varlink_reply_encode(const char *error, json_object *parameters, bool continues, char **ret, size_t *ret_size)
{
	const char *flags[] = { continues ? "continues" : NULL, NULL };

	return encode("error", error, parameters, flags, ret, ret_size);
}

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* One part of an interface name: letters, digits and inner hyphens; the first part starts with a letter. */
static bool is_label(const char *p, size_t size, bool first)
{
	if (size == 0 || !is_alnum(p[0]) || !is_alnum(p[size - 1]) || (first && p[0] <= '9'))
		return false;
	for (size_t i = 0; i < size; i++)
		if (!is_alnum(p[i]) && p[i] != '-')
			return false;
	return true;
}

static bool is_member(const char *p)
{
	if (*p < 'A' || *p > 'Z')
		return false;
	while (is_alnum(*p))
		p++;
	return !*p;
}

size_t varlink_interface_length(const char *method)
{
	const char *last = strrchr(method, '.'), *p = method;

	if (!last || !is_member(last + 1) || !memchr(method, '.', (size_t)(last - method)))
		return 0;
	while (p < last) {
		const char *dot = strchr(p, '.');

		if (!is_label(p, (size_t)(dot - p), p == method))
			return 0;
		p = dot + 1;
	}
	return p == last + 1 ? (size_t)(last - method) : 0;
}
