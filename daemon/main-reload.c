/* SPDX-License-Identifier: MIT */

#include "daemon/main-reload.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/notify.h"
#include "daemon/options.h"

static void run(uv_work_t *work)
{
	struct reload *r = work->data;
	r->error = options_reload(&r->config, &r->text);
	if (r->error == 0)
		r->error = roles_new(r->config, &r->roles);
}

static void tell_errors(struct reload *r)
{
	char *rest = r->text;
	for (char *line; rest && (line = strsep(&rest, "\n"));)
		log_error(NULL, "config", "%s", line);
	log_error(NULL, "config", "not reloaded: %s; what was read before stays", r->text ? "the file has errors" : strerror(-r->error));
}

static void on_done(uv_work_t *work, int status)
{
	struct reload *r = work->data;
	(void)status; /* nobody cancels it */
	r->running = false;
	if (r->error < 0) {
		tell_errors(r);
		config_free(r->config);
	} else {
		r->done(r->user, r->config, r->roles);
	}
	r->config = NULL;
	r->roles = NULL;
	free(TAKE_PTR(r->text));
	if (r->again)
		reload_start(r, work->loop);
	else
		notify_send("READY=1");
}

void reload_start(struct reload *r, uv_loop_t *loop)
{
	if (!r->running)
		notify_send("RELOADING=1\nMONOTONIC_USEC=%" PRIu64, uv_hrtime() / 1000);
	r->again = r->running;
	if (r->running)
		return;
	r->work.data = r;
	int e = uv_queue_work(loop, &r->work, run, on_done);
	r->running = e == 0;
	if (e < 0)
		log_error(NULL, "config", "not reloaded: %s", uv_strerror(e));
}
