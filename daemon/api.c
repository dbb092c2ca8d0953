/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/api-private.h"
#include "daemon/log.h"
#include "proto/hex.h"

#define SERVICE "org.varlink.service"

int api_new(struct registry *registry, struct image_store *images, struct api **ret)
{
	struct api *api = calloc(1, sizeof(*api));

	if (!api)
		return -ENOMEM;
	api->registry = registry;
	api->images = images;
	api->loop = registry_loop(registry);
	api->leases = registry_leases(registry);
	*ret = api;
	return 0;
}

void api_stopping(struct api *api)
{
	api->stopping = true;
	lease_book_stop(api->leases);
}

void api_set_roles(struct api *api, struct roles *roles)
{
	roles_free(api->roles);
	api->roles = roles;
}

void api_free(struct api *api)
{
	if (api)
		roles_free(api->roles);
	free(api);
}

static const struct api_method *find_in(const struct api_method *methods, const char *name)
{
	for (; methods->name; methods++)
		if (strcmp(methods->name, name) == 0)
			return methods;
	return NULL;
}

static const struct api_method *find_method(const char *name)
{
	const struct api_method *const tables[] = { api_device_methods, api_command_methods, api_image_methods,
		api_job_methods, api_file_methods, api_console_methods, api_trace_methods, api_port_methods, api_watch_methods, api_lock_methods,
		api_lease_methods, api_release_methods };
	const struct api_method *m = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(tables) && !m; i++)
		m = find_in(tables[i], name);
	return m;
}

static void fail_name(struct call *call, const char *error, const char *key, const char *value)
{
	json_object *o = json_object_new_object();

	api_put_string(o, key, value);
	call_error(call, error, o);
}

enum role api_role(const char *method)
{
	const struct api_method *m = find_method(method);
	const struct smp_command *c = m ? NULL : smp_command_find(method);

	if (m)
		return m->role;
	return c ? c->changes ? ROLE_CHANGE : ROLE_READ : ROLE_UNSET;
}

bool api_permitted(struct api *api, struct call *call, enum role role)
{
	enum role has = roles_of(api->roles, call_peer(call));

	if (has >= (role == ROLE_UNSET ? ROLE_ADMINISTER : role))
		return true;
	api_fail_role(call, role, has);
	return false;
}

static void start_method(struct api *api, struct call *call, const struct api_method *m)
{
	if (!api_permitted(api, call, m->role))
		return;
	if (m->needs_more && !call->message.more) {
		call_error(call, SERVICE ".ExpectedMore", NULL);
		return;
	}
	if (api_check(call, m->parameters, true))
		m->start(api, call);
}

static void start_call(struct api *api, struct call *call, const char *name)
{
	const struct api_method *m = find_method(name);
	const struct smp_command *c = m ? NULL : smp_command_find(name);

	if (m)
		start_method(api, call, m);
	else if (c)
		api_command_start(api, call, c);
	else
		fail_name(call, SERVICE ".MethodNotFound", "method", call->message.method);
}

void api_handle(void *user, struct call *call)
{
	struct api *api = user;
	const char *method = call->message.method;
	size_t n = varlink_interface_length(method);
	char interface[64];

	log_debug(NULL, "api", "call of %.80s%s%s", method, call->message.more ? ", more" : "",
			call->message.oneway ? ", oneway" : "");
	snprintf(interface, sizeof(interface), "%.*s", (int)(n < sizeof(interface) ? n : 0), method);
	if (call->message.upgrade)
		api_invalid(call, "upgrade", "no method takes over the connection");
	else if (strcmp(interface, API_INTERFACE) == 0)
		start_call(api, call, method + n + 1);
	else if (strcmp(interface, SERVICE) == 0 && find_in(api_service_methods, method + n + 1))
		start_method(api, call, find_in(api_service_methods, method + n + 1));
	else if (strcmp(interface, SERVICE) == 0)
		fail_name(call, SERVICE ".MethodNotFound", "method", method);
	else
		fail_name(call, SERVICE ".InterfaceNotFound", "interface", interface[0] ? interface : method);
}

/* Parameters */

static bool is_hash(json_object *v)
{
	const char *text = json_object_get_string(v);

	return json_object_get_string_len(v) == 64 && strspn(text, "0123456789abcdefABCDEF") == 64;
}

static bool is_text(json_object *v)
{
	return strlen(json_object_get_string(v)) == (size_t)json_object_get_string_len(v);
}

static bool check_string(struct call *call, const struct api_parameter *p, json_object *v)
{
	if (!json_object_is_type(v, json_type_string) || !is_text(v))
		api_invalid(call, p->name, "'%s' must be a string without NUL", p->name);
	else if (p->type == API_HASH && !is_hash(v))
		api_invalid(call, p->name, "'%s' must be a SHA-256 as 64 hex digits", p->name);
	else if (p->max > 0 && json_object_get_string_len(v) > p->max)
		api_invalid(call, p->name, "'%s' has at most %lld bytes", p->name, (long long)p->max);
	else if (p->one && strcmp(json_object_get_string(v), p->one) != 0 && strcmp(json_object_get_string(v), p->other) != 0)
		api_invalid(call, p->name, "'%s' must be \"%s\" or \"%s\"", p->name, p->one, p->other);
	else
		return true;
	return false;
}

static bool check_int(struct call *call, const struct api_parameter *p, json_object *v)
{
	int64_t n = json_object_get_int64(v);

	if (json_object_is_type(v, json_type_int) && n >= p->min && n <= p->max)
		return true;
	api_invalid(call, p->name, "'%s' must be a whole number from %lld to %lld", p->name, (long long)p->min,
			(long long)p->max);
	return false;
}

static bool check_strings(struct call *call, const struct api_parameter *p, json_object *v)
{
	bool good = json_object_is_type(v, json_type_array) && (int64_t)json_object_array_length(v) >= p->min &&
		(int64_t)json_object_array_length(v) <= p->max;

	for (size_t i = 0; good && i < json_object_array_length(v); i++) {
		json_object *item = json_object_array_get_idx(v, i);
		good = json_object_is_type(item, json_type_string) && is_text(item);
	}
	if (!good)
		api_invalid(call, p->name, "'%s' must be an array of %lld to %lld strings without NUL", p->name,
				(long long)p->min, (long long)p->max);
	return good;
}

static bool check_type(struct call *call, const struct api_parameter *p, json_object *v)
{
	switch (p->type) {
	case API_INT:
		return check_int(call, p, v);
	case API_BOOL:
		if (json_object_is_type(v, json_type_boolean))
			return true;
		api_invalid(call, p->name, "'%s' must be true or false", p->name);
		return false;
	case API_STRINGS:
		return check_strings(call, p, v);
	case API_OBJECT:
		if (json_object_is_type(v, json_type_object))
			return true;
		api_invalid(call, p->name, "'%s' must be an object", p->name);
		return false;
	default:
		return check_string(call, p, v);
	}
}

static bool check_parameter(struct call *call, const struct api_parameter *p)
{
	json_object *v = json_object_object_get(call->message.parameters, p->name);

	if (v && !check_type(call, p, v))
		return false;
	if (!v && !p->optional) {
		api_invalid(call, p->name, "%s needs the parameter '%s'", strrchr(call->message.method, '.') + 1, p->name);
		return false;
	}
	return true;
}

static void refuse_unknown(struct call *call, const struct api_parameter *parameters, const char *key)
{
	char names[200] = "";
	size_t n = 0;

	for (const struct api_parameter *p = parameters; p && p->name && n < sizeof(names); p++)
		n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", n ? ", " : "", p->name);
	api_invalid(call, key, "%s has no parameter '%.40s'; it takes %s", strrchr(call->message.method, '.') + 1, key,
			names[0] ? names : "none");
}

bool api_check(struct call *call, const struct api_parameter *parameters, bool others_are_unknown)
{
	json_object_object_foreach(call->message.parameters, key, value)
	{
		const struct api_parameter *p = parameters;

		(void)value;
		while (p && p->name && strcmp(p->name, key) != 0)
			p++;
		if (others_are_unknown && (!p || !p->name)) {
			refuse_unknown(call, parameters, key);
			return false;
		}
	}
	for (const struct api_parameter *p = parameters; p && p->name; p++)
		if (!check_parameter(call, p))
			return false;
	return true;
}

const char *api_string(const struct call *call, const char *name)
{
	return json_object_get_string(json_object_object_get(call->message.parameters, name));
}

bool api_bool(const struct call *call, const char *name, bool otherwise)
{
	json_object *v = json_object_object_get(call->message.parameters, name);

	return v ? json_object_get_boolean(v) : otherwise;
}

int64_t api_int(const struct call *call, const char *name, int64_t otherwise)
{
	json_object *v = json_object_object_get(call->message.parameters, name);

	return v ? json_object_get_int64(v) : otherwise;
}

bool api_resolve(struct api *api, struct call *call, const char *parameter, const char *selector, struct device **ret)
{
	_cleanup_free_ struct device **matches = NULL;
	size_t count = 0;
	char text[200] = "";

	switch (registry_resolve(api->registry, selector, ret, &matches, &count, text, sizeof(text))) {
	case RESOLVED:
		return true;
	case RESOLVE_NONE:
		api_fail_no_device(api, call, selector);
		return false;
	case RESOLVE_MANY:
		api_fail_ambiguous(call, selector, matches, count);
		return false;
	default:
		api_fail_selector(call, parameter, selector, text);
		return false;
	}
}

bool api_device(struct api *api, struct call *call, struct device **ret)
{
	return api_resolve(api, call, "device", api_string(call, "device"), ret);
}

bool api_device_to_change(struct api *api, struct call *call, struct device **ret)
{
	return api_device(api, call, ret) && api_may_change(api, call, (*ret)->id);
}

void api_audit(const struct call *call, const struct device *device, const char *what)
{
	const struct peer *p = call_peer(call);

	log_info(device->id, "audit", "%s by user %u (process %d%s%s)", what, (unsigned int)p->uid, (int)p->pid,
			p->command[0] ? ", " : "", p->command);
}

/* Members of objects */

void api_put(json_object *o, const char *name, json_object *value)
{
	if (value && (!o || json_object_object_add(o, name, value) < 0))
		json_object_put(value);
}

void api_put_string(json_object *o, const char *name, const char *value)
{
	if (value)
		api_put(o, name, json_object_new_string(value));
}

void api_put_int(json_object *o, const char *name, int64_t value)
{
	api_put(o, name, json_object_new_int64(value));
}

void api_put_hex(json_object *o, const char *name, const uint8_t *data, size_t size)
{
	char text[2 * 64 + 1];

	if (size == 0 || size > 64)
		return;
	hex_text(data, size, text);
	api_put_string(o, name, text);
}

void api_put_time(json_object *o, const char *name, uint64_t time_us)
{
	time_t seconds = (time_t)(time_us / 1000000);
	char text[40];
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, sizeof(text) - n, ".%03uZ", (unsigned int)(time_us / 1000 % 1000));
	api_put_string(o, name, text);
}
