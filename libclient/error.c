/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "libclient/client.h"

#define SERVICE "org.varlink.service."

const char *client_string(json_object *object, const char *key)
{
	json_object *member = json_object_object_get(object, key);

	return json_object_is_type(member, json_type_string) ? json_object_get_string(member) : NULL;
}

int64_t client_int(json_object *object, const char *key, int64_t otherwise)
{
	json_object *member = json_object_object_get(object, key);

	return json_object_is_type(member, json_type_int) ? json_object_get_int64(member) : otherwise;
}

/* The errors of Varlink itself carry no sentence. */
static char *service_sentence(const char *name, json_object *parameters)
{
	static const struct {
		const char *name, *key, *format;
	} sentences[] = {
		{ "InterfaceNotFound", "interface", "the daemon has no interface %s" },
		{ "MethodNotFound", "method", "the daemon has no method %s: it may be older than its client" },
		{ "MethodNotImplemented", "method", "the daemon does not implement %s" },
		{ "InvalidParameter", "parameter", "the daemon does not take the parameter '%s' as it was given" },
		{ "PermissionDenied", NULL, "the daemon does not allow this user to do that" },
		{ "ExpectedMore", NULL, "the method answers only calls that ask for a stream" },
	};
	char *text;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sentences); i++) {
		const char *value = sentences[i].key ? client_string(parameters, sentences[i].key) : NULL;

		if (strcmp(name, sentences[i].name) != 0)
			continue;
		if (!sentences[i].key)
			return strdup(sentences[i].format);
/* The table above holds the formats. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		return asprintf(&text, sentences[i].format, value ? value : "?") < 0 ? NULL : text;
#pragma GCC diagnostic pop
	}
	return NULL;
}

static char *sentence(const char *name, json_object *parameters)
{
	const char *message = client_string(parameters, "message");
	char *text = NULL;

	if (message)
		return strdup(message);
	if (strncmp(name, SERVICE, strlen(SERVICE)) == 0)
		text = service_sentence(name + strlen(SERVICE), parameters);
	if (!text && asprintf(&text, "the daemon answered with the error %s", name) < 0)
		return NULL;
	return text;
}

void mcumgr_error_free(struct mcumgr_error *error)
{
	if (!error)
		return;
	free(error->name);
	free(error->message);
	free(error->hint);
	json_object_put(error->parameters);
	free(error);
}

struct mcumgr_error *client_error_new(const struct varlink_reply *reply)
{
	const char *hint = client_string(reply->parameters, "hint");
	struct mcumgr_error *error = calloc(1, sizeof(*error));

	if (!error)
		return NULL;
	error->name = strdup(reply->error);
	error->message = sentence(reply->error, reply->parameters);
	error->hint = hint ? strdup(hint) : NULL;
	error->parameters = json_object_get(reply->parameters);
	if (error->name && error->message && (!hint || error->hint))
		return error;
	mcumgr_error_free(error);
	return NULL;
}

bool mcumgr_error_is(const struct mcumgr_error *error, const char *name)
{
	static const char interface[] = "io.mcumgr.";

	if (!error)
		return false;
	if (strchr(name, '.'))
		return strcmp(error->name, name) == 0;
	return strncmp(error->name, interface, strlen(interface)) == 0 &&
	       strcmp(error->name + strlen(interface), name) == 0;
}
