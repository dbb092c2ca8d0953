/* SPDX-License-Identifier: MIT */
#pragma once

/* The methods of io.mcumgr and org.varlink.service, on what is below: registry, devices, jobs, the image store.
 *
 * Every call ends with exactly one last reply or error, or is dropped in closed(). Every error of io.mcumgr has a sentence
 * (`message`) and, where one can be given, what to do (`hint`).
 *
 *     api_new(registry, images, &api);
 *     server_new(loop, api_handle, api, &server);
 *     server_open(server, config->socket, config->group, &text);
 */

#include "daemon/registry.h"
#include "daemon/server.h"

struct api;
struct roles;
int api_new(struct registry *registry, struct image_store *images, struct api **ret); /* both borrowed */
void api_handle(void *api, struct call *call); /* for server_new */
/* Who may do what from now on, also on connections that are open: taken over. Before the first call. */
void api_set_roles(struct api *api, struct roles *roles);
/* From now on what is cut off is so because the daemon ends, and clients are told that: before registry_stop, which ends jobs
 * and requests, and server_stop, which ends what is left. */
void api_stopping(struct api *api);
void api_free(struct api *api);		       /* after the server has stopped */
