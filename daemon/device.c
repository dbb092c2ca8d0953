/* SPDX-License-Identifier: MIT */

#include "daemon/device.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/device-console.h"
#include "daemon/device-private.h"
#include "daemon/log.h"
#include "daemon/registry-private.h"
#include "proto/transfer.h"

#define WATCHDOG_MS 2000
#define BUFFER_APPLICATION 384 /* Zephyr's and MCUboot's defaults for boards that do not tell (SMP §6.1) */
#define BUFFER_RECOVERY 512
#define BUFFER_MIN 64
#define BUFFER_MAX 65535

static const char *const state_names[] = {
#define X(name, text) text,
	DEVICE_STATES(X)
#undef X
};

const char *device_state_name(const struct device *d)
{
	if (d->job && (d->state == DEVICE_READY || d->state == DEVICE_RECOVERY))
		return "busy";
	return state_names[d->state];
}

bool device_is_managed(const struct device *d)
{
	return d->config != NULL;
}

/* --- state -------------------------------------------------------------------------------------------------------- */

static uint64_t wall_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void device_set_state(struct device *d, enum device_state state, const char *format, ...)
{
	_cleanup_free_ char *reason = NULL;
	va_list args;

	if (format) {
		va_start(args, format);
		if (vasprintf(&reason, format, args) < 0)
			reason = NULL;
		va_end(args);
	}
	if (state == d->state && (reason == d->reason || (reason && d->reason && strcmp(reason, d->reason) == 0)))
		return;
	enum registry_event event = device_state_event(d->state, state);
	bool came_or_went = state != d->state && (state == DEVICE_ABSENT || d->state == DEVICE_ABSENT);
	if (state != d->state) {
		d->since_us = wall_us();
		d->private->since_ms = uv_hrtime() / 1000000;
		log_write(state == DEVICE_BROKEN ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, d->id, "device", "%s%s%s", state_names[state],
				reason ? ": " : "", reason ? reason : "");
	}
	d->state = state;
	free(d->reason);
	d->reason = TAKE_PTR(reason);
	if (came_or_went)
		registry_device_seen(d->registry, d);
	registry_changed(d->registry, event, d, NULL);
}

static void on_timer(uv_timer_t *timer)
{
	struct device *d = timer->data;

	switch (d->state) {
	case DEVICE_QUIET:
	case DEVICE_UNRESPONSIVE:
		device_probe(d);
		break;
	case DEVICE_ABSENT:
	case DEVICE_OPENING:
	case DEVICE_UNAVAILABLE:
		device_port_timeout(d);
		break;
	case DEVICE_BROKEN:
		device_trouble_over(d);
		break;
	default:
		break;
	}
}

void device_arm(struct device *d, unsigned int ms)
{
	uv_timer_stop(&d->private->timer);
	if (ms == 0 || d->private->closing)
		return;
	/* The loop's idea of now is old after a long callback; a quiet time must not be cut short by that. */
	uv_update_time(d->private->loop);
	uv_timer_start(&d->private->timer, on_timer, ms, 0);
}

void device_forget(struct device *d)
{
	d->info = (struct device_info){0};
}

bool device_sends(const struct device *d)
{
	return d->config && d->config->probe == PROBE_SMP;
}

void device_learned(struct device *d)
{
	registry_device_save(d->registry, d, &d->private->learnt);
}

/* One of the buffers is for the reply (SMP §6.4). Recovery has one buffer for messages, and others for their lines. */
static unsigned int room(const struct device *d)
{
	bool recovery = d->state == DEVICE_RECOVERY || d->private->probe.recovery;

	if (recovery || !d->info.has_parameters)
		return 2;
	return d->info.buffer_count > 1 ? d->info.buffer_count - 1 : 1;
}

static const char *found_reason(const struct device *d, enum device_state state)
{
	if (d->config->probe == PROBE_NEVER)
		return "its section says probe = never: nothing is sent to this port";
	if (d->config->probe == PROBE_PASSIVE)
		return "not asked who it is: its section says probe = passive";
	return state == DEVICE_RECOVERY ? "its bootloader answers: serial recovery" : NULL;
}

void device_found(struct device *d, enum device_state state)
{
	struct device_private *p = d->private;

	if (p->expecting && p->reset_taken)
		device_boot_seen(d, BOOT_SIGN_TAKEN);
	if (state == DEVICE_READY && p->candidate_count > 1 && session_has_answered(d->session) && d->interface >= 0 &&
			(p->learnt.interface != (unsigned int)d->interface + 1 || p->learnt.usb != (d->vendor_id << 16 | d->product_id))) {
		p->learnt.interface = (unsigned int)d->interface + 1;
		p->learnt.usb = d->vendor_id << 16 | d->product_id;
		device_learned(d);
	}
	p->boot = (struct boot){0};
	p->expecting = p->reset_taken = false;
	p->probe_pause_ms = p->text_pause_ms = 0;
	if (state == DEVICE_READY) {
		p->recovery_reset = false;
		d->recovery_wanted = false;
		device_foresee_swap(d);
	}
	session_release(d->session);
	const char *reason = found_reason(d, state);
	device_set_state(d, state, reason ? "%s" : NULL, reason);
	session_set_room(d->session, room(d));
	if (p->back)
		p->back(p->back_user);
}

/* --- session ------------------------------------------------------------------------------------------------------ */

static void on_text(void *user, const uint8_t *data, size_t size)
{
	struct device *d = user;
	device_console_feed(d->main, data, size);
	device_text(d);
}

static void on_learnt(void *user)
{
	struct device *d = user;
	struct device_learnt *l = &d->private->learnt;
	unsigned int delay = session_line_delay(d->session);

	if (d->config->line_delay_ms < 0 && delay > 0 && l->line_delay != (int)delay) {
		log_info(d->id, "session", "loses lines sent in a burst: %u ms between lines from now on", delay);
		l->line_delay = (int)delay;
		device_learned(d);
	}
	registry_changed(d->registry, REGISTRY_CHANGED, d, NULL);
}

static void on_trace(void *user, const struct trace_entry *e)
{
	const struct device *d = user;

	trace_add(d->trace, e);
	if (trace_is_frame(e))
		log_debug(d->id, "session", "%s op %u group %u command %u sequence %u, %u bytes", trace_kind_name(e->kind),
				e->op, e->group, e->id, e->sequence, e->size);
}

static void on_parameters(void *user, const struct value *reply)
{
	device_learn_parameters(user, reply);
}

static const struct session_callbacks session_callbacks = {
	.text = on_text, .learnt = on_learnt, .parameters = on_parameters, .trace = on_trace};

int device_new_session(struct device *d)
{
	const struct config_device *c = d->config;
	const struct session_settings settings = {
		.framing = c->raw ? SERIAL_RAW : SERIAL_CONSOLE,
		.baud = c->baud,
		.timeout_ms = d->tuning.timeout_ms >= 0 ? (unsigned int)d->tuning.timeout_ms : c->timeout_ms,
		.retries = d->tuning.retries >= 0 ? (unsigned int)d->tuning.retries : c->retries,
		.line_delay_ms = c->line_delay_ms,
	};
	struct session *session;

	int r = session_new(d->private->loop, &settings, &session_callbacks, d, &session);
	if (r < 0)
		return r;
	if (d->session)
		session_close(d->session);
	d->session = session;
	session_hold(session);
	session_set_job_active(session, d->job);
	device_consoles_configure(d);
	if (c->line_delay_ms < 0 && d->private->learnt.line_delay > 0)
		session_set_line_delay(session, (unsigned int)d->private->learnt.line_delay);
	return 0;
}

static enum serial_framing framing(const struct device *d)
{
	return d->config->raw ? SERIAL_RAW : SERIAL_CONSOLE;
}

static unsigned int buffer_size(const struct device *d)
{
	unsigned int fixed = d->tuning.frame_size >= 0 ? (unsigned int)d->tuning.frame_size : d->config->frame_size;

	if (fixed)
		return fixed;
	if (d->info.has_parameters && d->info.buffer_size >= BUFFER_MIN)
		return d->info.buffer_size;
	return d->state == DEVICE_RECOVERY || d->private->probe.recovery ? BUFFER_RECOVERY : BUFFER_APPLICATION;
}

void device_learn_parameters(struct device *d, const struct value *reply)
{
	uint64_t size, count;

	if (reply && value_to_uint(value_get(reply, "buf_size"), &size) && size <= BUFFER_MAX &&
			value_to_uint(value_get(reply, "buf_count"), &count) && count <= 65535) {
		d->info.has_parameters = true;
		d->info.buffer_size = (unsigned int)size;
		d->info.buffer_count = (unsigned int)count;
	}
	session_set_message_max(d->session, serial_message_max(framing(d), buffer_size(d)));
	session_set_room(d->session, room(d));
}

void device_tune(struct device *d, const struct device_tuning *tuning)
{
	if (tuning->frame_size >= 0)
		d->tuning.frame_size = tuning->frame_size;
	if (tuning->timeout_ms >= 0)
		d->tuning.timeout_ms = tuning->timeout_ms;
	if (tuning->retries >= 0)
		d->tuning.retries = tuning->retries;
	if (!d->session)
		return;
	if (tuning->timeout_ms >= 0)
		session_set_timeout(d->session, (unsigned int)tuning->timeout_ms);
	if (tuning->retries >= 0)
		session_set_retries(d->session, (unsigned int)tuning->retries);
	if (tuning->frame_size >= 0)
		session_set_message_max(d->session, serial_message_max(framing(d), buffer_size(d)));
}

void device_limits(const struct device *d, struct device_limits *ret)
{
	unsigned int count = d->info.has_parameters ? d->info.buffer_count : 1, max = 1;

	/* One of the buffers is for the reply (SMP §6.4). A board that needs pauses between lines has no room for more. */
	/* MCUboot's recovery has one buffer, whatever its application has. */
	if (d->state == DEVICE_RECOVERY)
		max = 1;
	else if (d->config->window)
		max = d->config->window;
	else if (count > 2 && session_line_delay(d->session) == 0 && !d->config->raw)
		max = count - 1 < TRANSFER_WINDOW_MAX ? count - 1 : TRANSFER_WINDOW_MAX;
	ret->message_max = serial_message_max(framing(d), buffer_size(d));
	ret->window_max = max;
	ret->window_known = max > 1 && !d->config->window && d->private->learnt.window;
	ret->window_start = !ret->window_known ? 1 : d->private->learnt.window < max ? d->private->learnt.window : max;
}

void device_learn_window(struct device *d, unsigned int window)
{
	struct device_limits limits;

	device_limits(d, &limits);
	if (!window || limits.window_max == 1 || d->config->window || window == d->private->learnt.window)
		return;
	log_debug(d->id, "device", "transfers begin with %u requests in flight from now on", window);
	d->private->learnt.window = window;
	device_learned(d);
	registry_changed(d->registry, REGISTRY_CHANGED, d, NULL);
}

uv_loop_t *device_loop(const struct device *d)
{
	return d->private->loop;
}

unsigned int device_on_cable(const struct device *d)
{
	return session_on_cable(d->session);
}

bool device_watches(const struct device *d)
{
	return d->session && session_watches(d->session);
}

void device_set_window(struct device *d, unsigned int window)
{
	session_set_window(d->session, window);
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

/* A board that answered and then lets requests run out is asked who it is again, so that its state says so. */
static void on_watchdog(uv_timer_t *timer)
{
	struct device *d = timer->data;
	struct device_private *p = d->private;
	struct session_counters c;

	if (!d->session || d->state != DEVICE_READY || d->job)
		return;
	session_counters(d->session, &c);
	bool dead = c.timeouts > p->timeouts_seen && c.answers == p->answers_seen;
	p->timeouts_seen = c.timeouts;
	p->answers_seen = c.answers;
	if (!dead || !device_sends(d))
		return;
	session_hold(d->session);
	device_probe(d);
}

static void watch_requests(struct device *d)
{
	struct device_private *p = d->private;
	struct session_counters c;

	if (uv_is_active((uv_handle_t *)&p->watchdog) || p->closing)
		return;
	session_counters(d->session, &c);
	p->timeouts_seen = c.timeouts;
	p->answers_seen = c.answers;
	uv_timer_start(&p->watchdog, on_watchdog, WATCHDOG_MS, 0);
}

int device_submit(struct device *d, struct request *request)
{
	switch (d->state) {
	case DEVICE_ABSENT:
	case DEVICE_UNAVAILABLE:
	case DEVICE_BROKEN:
	case DEVICE_RELEASED:
		return -ENODEV;
	default:
		break;
	}
	if (!d->session || d->config->probe == PROBE_NEVER)
		return -ENODEV;
	int r = session_submit(d->session, request);
	if (r == 0 && d->state == DEVICE_READY)
		watch_requests(d);
	return r;
}

void device_cancel(struct device *d, struct request *request)
{
	if (d->session)
		session_cancel(d->session, request);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static void device_free(struct device *d)
{
	struct device_private *p = d->private;

	request_release(&p->probe.request);
	request_release(&p->reset);
	device_release_candidates(d);
	device_consoles_free(d);
	trace_free(d->trace);
	free(p);
	free(d->id);
	free(d->reason);
	free(d->tty);
	free(d->path);
	free(d->serial);
	free(d->manufacturer);
	free(d->product);
	free(d->syspath);
	free(d);
}

void device_handle_closed(uv_handle_t *handle)
{
	struct device *d = handle->data;
	struct device_private *p = d->private;
	void (*closed)(void *user) = p->closed;
	void *user = p->closed_user;

	if (--p->handles > 0)
		return;
	device_free(d);
	if (closed)
		closed(user);
}

void device_add_handle(struct device *d, uv_handle_t *handle)
{
	handle->data = d;
	d->private->handles++;
}

int device_new(struct registry *registry, uv_loop_t *loop, const char *id, const struct device_learnt *learnt,
		struct device **ret)
{
	struct device *d = calloc(1, sizeof(*d));
	struct device_private *p = calloc(1, sizeof(*p));

	if (d && p) {
		p->loop = loop;
		d->private = p;
		d->registry = registry;
	}
	if (d && p && (d->id = strdup(id)) && trace_new(&d->trace) == 0 && device_console_add(d, INTERFACE_UNASSIGNED, &d->main) == 0) {
		d->console = d->main->console;
		d->state = DEVICE_ABSENT;
		d->since_us = wall_us();
		p->since_ms = uv_hrtime() / 1000000;
		d->interface = -1;
		d->tuning = (struct device_tuning){.frame_size = -1, .timeout_ms = -1, .retries = -1};
		p->learnt = learnt ? *learnt : (struct device_learnt){.line_delay = -1};
		uv_timer_init(loop, &p->timer);
		device_add_handle(d, (uv_handle_t *)&p->timer);
		uv_timer_init(loop, &p->watchdog);
		device_add_handle(d, (uv_handle_t *)&p->watchdog);
		uv_unref((uv_handle_t *)&p->watchdog);
		uv_fs_event_init(loop, &p->watch);
		device_add_handle(d, (uv_handle_t *)&p->watch);
		*ret = d;
		return 0;
	}
	if (d) {
		trace_free(d->trace);
		free(d->id);
	}
	free(d);
	free(p);
	return -ENOMEM;
}

void device_close(struct device *d, void (*closed)(void *user), void *user)
{
	struct device_private *p = d->private;

	p->closing = true;
	p->closed = closed;
	p->closed_user = user;
	device_release_forget(d);
	device_close_port(d, "the daemon lets go of the board");
	if (d->session)
		session_close(TAKE_PTR(d->session));
	device_consoles_close(d);
	uv_close((uv_handle_t *)&p->timer, device_handle_closed);
	uv_close((uv_handle_t *)&p->watchdog, device_handle_closed);
	uv_close((uv_handle_t *)&p->watch, device_handle_closed);
}
