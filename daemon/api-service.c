/* SPDX-License-Identifier: MIT */
/* org.varlink.service: what every Varlink service says of itself. */
#include <string.h>

#include "daemon/api-private.h"
#include "daemon/io-mcumgr-varlink.h"

#define SERVICE "org.varlink.service"

static const char service_description[] =
	"# What every Varlink service says of itself.\n"
	"interface org.varlink.service\n"
	"\n"
	"method GetInfo() -> (vendor: string, product: string, version: string, url: string, interfaces: []string)\n"
	"\n"
	"method GetInterfaceDescription(interface: string) -> (description: string)\n"
	"\n"
	"error InterfaceNotFound (interface: string)\n"
	"\n"
	"error MethodNotFound (method: string)\n"
	"\n"
	"error MethodNotImplemented (method: string)\n"
	"\n"
	"error InvalidParameter (parameter: string)\n"
	"\n"
	"error PermissionDenied ()\n"
	"\n"
	"error ExpectedMore ()\n";

static const struct {
	const char *name, *description;
} interfaces[] = { { SERVICE, service_description }, { API_INTERFACE, io_mcumgr_varlink } };

static void get_info(struct api *api _unused_, struct call *call)
{
	json_object *o = json_object_new_object(), *names = json_object_new_array();

	for (size_t i = 0; i < ARRAY_SIZE(interfaces) && names; i++)
		json_object_array_add(names, json_object_new_string(interfaces[i].name));
	api_put_string(o, "vendor", "mcumgrd");
	api_put_string(o, "product", "mcumgrd");
	api_put_string(o, "version", MCUMGRD_VERSION);
	api_put_string(o, "url", "");
	api_put(o, "interfaces", names);
	call_reply(call, o);
}

static void get_description(struct api *api _unused_, struct call *call)
{
	const char *name = api_string(call, "interface");
	json_object *o = json_object_new_object();

	for (size_t i = 0; i < ARRAY_SIZE(interfaces); i++)
		if (strcmp(interfaces[i].name, name) == 0) {
			api_put_string(o, "description", interfaces[i].description);
			call_reply(call, o);
			return;
		}
	api_put_string(o, "interface", name);
	call_error(call, SERVICE ".InterfaceNotFound", o);
}

static const struct api_parameter description_parameters[] = { { "interface", API_STRING }, { NULL } };

const struct api_method api_service_methods[] = {
	{ "GetInfo", NULL, get_info, ROLE_NONE },
	{ "GetInterfaceDescription", description_parameters, get_description, ROLE_NONE },
	{ NULL },
};
