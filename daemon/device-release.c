/* SPDX-License-Identifier: MIT */

/* A board's tty in other hands: closed, for a flasher on the same UART, and opened again afterwards. */

#include <errno.h>
#include <stdlib.h>

#include "daemon/device-console.h"
#include "daemon/device-private.h"
#include "daemon/log.h"

/* Outlives the board if it must: a close may hang in the kernel. */
struct device_released {
	struct device *device; /* NULL: nobody wants to know any more */
	unsigned int closing;  /* ttys, and the turn of the loop in which all this began */
	void (*done)(void *user);
	void *user;
};

static void on_closed(void *user)
{
	struct device_released *r = user;

	if (--r->closing > 0)
		return;
	if (r->device) {
		r->device->private->released = NULL;
		r->done(r->user);
	}
	free(r);
}

/* Nothing is done inside the call that starts it, be there a port or not. */
static void on_turn(uv_handle_t *handle)
{
	on_closed(handle->data);
	free(handle);
}

static void close_port(struct device_released *r, struct port *port)
{
	if (!port)
		return;
	r->closing++;
	port_close_then(port, on_closed, r);
}

/* Also those that are only printed on: a flasher may use any. */
static int close_for(struct device *d, struct device_released *r, const char *reason)
{
	uv_idle_t *turn = calloc(1, sizeof(*turn));

	if (!turn)
		return -ENOMEM;
	r->closing = 1;
	device_stop_watching(d);
	for (struct device_console *dc = d->consoles; dc; dc = dc->next)
		close_port(r, device_side_let_go(dc));
	close_port(r, device_take_port(d, reason));
	uv_idle_init(d->private->loop, turn);
	turn->data = r;
	uv_close((uv_handle_t *)turn, on_turn);
	return 0;
}

int device_release(struct device *d, const char *to, void (*done)(void *user), void *user, const char **ret_text)
{
	struct device_released *r;

	if (d->state == DEVICE_RELEASED)
		return -EALREADY;
	if (d->job) {
		*ret_text = d->job->id;
		return -EBUSY;
	}
	r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	*r = (struct device_released){.device = d, .done = done, .user = user};
	if (close_for(d, r, "its tty is handed over") < 0) {
		free(r);
		return -ENOMEM;
	}
	d->private->released = r;
	device_set_state(d, DEVICE_RELEASED, "%s", to);
	return 0;
}

void device_release_forget(struct device *d)
{
	if (d->private->released)
		d->private->released->device = NULL;
	d->private->released = NULL;
}

void device_reclaim(struct device *d)
{
	if (d->state != DEVICE_RELEASED)
		return;
	device_release_forget(d);
	/* What the other program did to it is no trouble of its own. */
	device_trouble_forget(d);
	d->private->open_pause_ms = 0;
	log_info(d->id, "device", "its tty is taken back");
	device_look_again(d);
}
