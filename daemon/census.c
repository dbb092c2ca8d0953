/* SPDX-License-Identifier: MIT */

#include "daemon/census.h"

#include <stdio.h>

#include "daemon/log.h"

struct census {
	unsigned int count[UV_HANDLE_TYPE_MAX];
};

static void count(uv_handle_t *handle, void *argument)
{
	struct census *census = argument;
	census->count[handle->type]++;
}

void census_log(uv_loop_t *loop)
{
	struct census census = { 0 };
	char line[512];
	size_t n = 0;

	uv_walk(loop, count, &census);
	line[0] = 0;
	for (unsigned int type = 0; type < UV_HANDLE_TYPE_MAX && n < sizeof(line); type++)
		if (census.count[type])
			n += (size_t)snprintf(line + n, sizeof(line) - n, " %s=%u",
					uv_handle_type_name((uv_handle_type)type), census.count[type]);
	log_debug(NULL, "main", "the loop has%s", line);
}
