/* SPDX-License-Identifier: MIT */
/* What all streams share that follow something of a board: a call, the board's name, a timer. */
#include <stdlib.h>
#include <string.h>

#include "daemon/api-private.h"

void *api_stream_new(struct api *api, struct call *call, const struct device *d, size_t size)
{
	struct api_stream *s = calloc(1, size);

	if (!s || !(s->device = strdup(d->id))) {
		free(s);
		api_fail_limit(call, "memory", 0, NULL, "the daemon is out of memory");
		return NULL;
	}
	s->call = call;
	uv_timer_init(api->loop, &s->timer);
	s->timer.data = s;
	call->user = s;
	return s;
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct api_stream *s = handle->data;

	free(s->device);
	free(s);
}

void api_stream_end(struct api_stream *s)
{
	s->call = NULL;
	uv_close((uv_handle_t *)&s->timer, on_timer_closed);
}

void api_stream_gone(struct api_stream *s)
{
	json_object *o = json_object_new_object();
	struct call *call = s->call;

	api_put_string(o, "device", s->device);
	api_stream_end(s); /* its memory stays until the loop has closed the timer */
	api_fail(call, "DeviceGone", o, NULL, "%s is no longer known", s->device);
}
