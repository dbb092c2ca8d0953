/* SPDX-License-Identifier: MIT */

/* The ports that a board is plugged in with, and which of them carries its session. What was learnt about that is remembered:
 * when the port that answered the last time is not among the first to come, it is waited for, and the others are held open
 * for what they print meanwhile, so that nothing is ever sent to them. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/device-console.h"
#include "daemon/device-private.h"
#include "daemon/log.h"

#define AWAIT_MS 2000 /* interfaces of a board come within milliseconds, on a busy machine a second */

static void candidate_release(struct device_candidate *c)
{
	free(c->node);
	free(c->syspath);
	free(c->path);
	*c = (struct device_candidate){0};
}

void device_release_candidates(struct device *d)
{
	struct device_private *p = d->private;
	for (size_t i = 0; i < p->candidate_count; i++)
		candidate_release(&p->candidates[i]);
	p->candidate_count = p->candidate = 0;
}

bool device_is_plugged(const struct device *d)
{
	return d->private->manual || d->private->candidate_count > 0;
}

bool device_is_wanted(const struct device *d)
{
	const struct device_private *p = d->private;

	return p->manual || (p->candidate_count > 0 && p->candidates[p->candidate].config);
}

/* What is told of the board: where it is, and as what. */
static void stand_for(struct device *d, size_t index)
{
	struct device_private *p = d->private;
	const struct device_candidate *c = &p->candidates[index];

	p->candidate = index;
	device_set_text(&d->tty, c->node);
	device_set_text(&d->syspath, c->syspath);
	device_set_text(&d->path, c->path);
	d->vendor_id = c->vendor_id;
	d->product_id = c->product_id;
	d->interface = c->interface;
}

static void use_candidate(struct device *d, size_t index)
{
	stand_for(d, index);
	d->config = d->private->candidates[index].config;
	device_console_select(d, d->interface);
}

/* The next candidate, in a circle, that the configuration wants opened; candidate_count: there is none. */
static size_t managed_after(const struct device_private *p, size_t from)
{
	for (size_t n = 1; n <= p->candidate_count; n++)
		if (p->candidates[(from + n) % p->candidate_count].config)
			return (from + n) % p->candidate_count;
	return p->candidate_count;
}

/* Any other one than that in use. */
static bool other_managed(const struct device_private *p, size_t *ret_index)
{
	size_t index = managed_after(p, p->candidate);

	if (index == p->candidate_count || index == p->candidate)
		return false;
	*ret_index = index;
	return true;
}

static bool use_managed(struct device *d, size_t index)
{
	const struct config_device *before = d->config;

	use_candidate(d, index);
	if ((d->session && d->config == before) || device_new_session(d) == 0)
		return true;
	device_set_state(d, DEVICE_UNAVAILABLE, "out of memory");
	return false;
}

/* The candidate must be a managed one. */
static void open_candidate(struct device *d, size_t index)
{
	d->private->awaiting = false;
	if (!use_managed(d, index))
		return;
	device_open(d);
	device_sides_update(d);
}

static bool is_learnt(const struct device_private *p, const struct device_candidate *c)
{
	return p->learnt.interface && c->interface + 1 == (int)p->learnt.interface;
}

/* The same firmware as then: a bootloader has other ports. */
static bool may_await(const struct device_private *p, const struct device_candidate *c)
{
	return p->learnt.interface && c->interface >= 0 && p->learnt.usb == (c->vendor_id << 16 | c->product_id);
}

/* The port that answered the last time; candidate_count: it is not there, or not to be opened. */
static size_t find_learnt(const struct device_private *p)
{
	size_t i = 0;

	while (i < p->candidate_count && (!p->candidates[i].config || !is_learnt(p, &p->candidates[i])))
		i++;
	return i;
}

/* Nothing of the board is known to answer but the port to come: its console is the main one, and this one is a side. */
static void await_learnt(struct device *d, size_t index)
{
	struct device_private *p = d->private;

	if (!use_managed(d, index))
		return;
	log_info(d->id, "port", "its interface %u is waited for, which answered the last time", p->learnt.interface - 1);
	p->awaiting = true;
	device_console_select(d, (int)p->learnt.interface - 1);
	session_hold(d->session);
	device_set_state(d, DEVICE_OPENING, NULL);
	device_arm(d, AWAIT_MS);
	device_sides_update(d);
}

/* The first port that is to be opened has come, or is what is left. */
static void open_or_await(struct device *d, size_t index)
{
	struct device_private *p = d->private;
	size_t learnt = find_learnt(p);

	if (learnt < p->candidate_count)
		open_candidate(d, learnt);
	else if (may_await(p, &p->candidates[index]))
		await_learnt(d, index);
	else
		open_candidate(d, index);
}

bool device_await_over(struct device *d)
{
	struct device_private *p = d->private;

	if (!p->awaiting)
		return false;
	log_info(d->id, "port", "its interface %u does not come", p->learnt.interface - 1);
	open_candidate(d, p->candidate);
	return true;
}

bool device_open_other(struct device *d)
{
	const struct device_private *p = d->private;
	const struct device_candidate *c = &p->candidates[p->candidate];
	size_t other;

	if ((is_learnt(p, c) && may_await(p, c)) || !other_managed(p, &other))
		return false;
	open_candidate(d, other);
	return true;
}

/* A session outlives the port it was made for, and needs the section it was made of. */
static void use_unmanaged(struct device *d, size_t index)
{
	const struct config_device *before = d->config;
	char identifier[32];

	use_candidate(d, index);
	d->config = d->session ? before : NULL;
	const struct usb_port port = {
		.vendor_id = d->vendor_id, .product_id = d->product_id, .interface = d->interface};
	usb_port_identifier(&port, identifier, sizeof(identifier));
	device_set_state(d, DEVICE_UNAVAILABLE,
			"no section of the configuration manages it; [device NAME] with match = %s would", identifier);
}

bool device_next_candidate(struct device *d)
{
	size_t next;

	if (!other_managed(d->private, &next))
		return false;
	log_info(d->id, "port", "%s does not answer: trying %s", d->tty, d->private->candidates[next].node);
	struct port *port = device_take_port(d, "another port of the board is tried");
	if (port)
		device_side_give(d->main, d->tty, port);
	open_candidate(d, next);
	return true;
}

void device_forget_section(struct device *d)
{
	if (d->session)
		session_close(TAKE_PTR(d->session));
	d->config = NULL;
	device_consoles_configure(d);
}

static bool add_candidate(struct device_private *p, const struct usb_port *port, const struct config_device *config)
{
	struct device_candidate c = {
		.node = strdup(port->node),
		.syspath = strdup(port->syspath),
		.path = port->path ? strdup(port->path) : NULL,
		.vendor_id = port->vendor_id,
		.product_id = port->product_id,
		.interface = port->interface,
		.config = config,
	};

	if (!c.node || !c.syspath || p->candidate_count == DEVICE_CANDIDATES_MAX) {
		candidate_release(&c);
		return false;
	}
	p->candidates[p->candidate_count++] = c;
	return true;
}

/* On the port in use; the session still knows what was before that was opened. */
static bool has_answered_here(const struct device *d)
{
	return d->port && port_is_open(d->port) && session_has_answered(d->session);
}

static bool is_left_alone(const struct device *d)
{
	return d->state == DEVICE_RELEASED || d->state == DEVICE_BROKEN;
}

/* Others hear of it with the next change of state. */
static void tell_place(struct device *d)
{
	if (is_left_alone(d) && d->registry)
		registry_changed(d->registry, REGISTRY_CHANGED, d, NULL);
}

/* Of a board that is left alone nothing is opened; it is listed with the tty that would be. */
static bool stands_for_board(const struct device *d, const struct device_candidate *c)
{
	const struct device_private *p = d->private;

	if (p->candidate_count == 1)
		return true;
	return is_left_alone(d) && !d->port && c->config && (is_learnt(p, c) || !p->candidates[p->candidate].config);
}

void device_plugged(struct device *d, const struct usb_port *port, const struct config_device *config)
{
	struct device_private *p = d->private;
	bool first = p->candidate_count == 0;

	if (!add_candidate(p, port, config))
		return;
	device_set_text(&d->serial, port->serial);
	device_set_text(&d->manufacturer, port->manufacturer);
	device_set_text(&d->product, port->product);
	if (first)
		log_info(d->id, "usb", "plugged in: %s, %04x:%04x", port->node, port->vendor_id, port->product_id);
	else
		log_info(d->id, "usb", "%s is another port of this board", port->node);
	if (stands_for_board(d, &p->candidates[p->candidate_count - 1])) {
		stand_for(d, p->candidate_count - 1);
		tell_place(d);
	}
	if (d->state == DEVICE_RELEASED)
		return;
	if (first && d->config && device_trouble_attached(d))
		return;
	if (d->state == DEVICE_BROKEN)
		return;
	if (first && !config)
		use_unmanaged(d, 0);
	else if (first || (config && !p->candidates[p->candidate].config)) /* the first one that is to be opened */
		open_or_await(d, p->candidate_count - 1);
	else if (config && is_learnt(p, &p->candidates[p->candidate_count - 1]) && d->interface != port->interface &&
			!has_answered_here(d))
		open_candidate(d, p->candidate_count - 1); /* the others need not be asked first */
	else
		device_sides_update(d);
}

static void open_what_is_left(struct device *d)
{
	struct device_private *p = d->private;

	if (p->candidate_count == 0)
		return;
	size_t next = managed_after(p, p->candidate_count - 1);
	if (next == p->candidate_count)
		use_unmanaged(d, 0);
	else
		open_or_await(d, next);
}

void device_unplugged(struct device *d, const char *syspath)
{
	struct device_private *p = d->private;
	size_t i = 0;

	while (i < p->candidate_count && strcmp(p->candidates[i].syspath, syspath) != 0)
		i++;
	if (i == p->candidate_count)
		return;
	bool used = i == p->candidate;
	candidate_release(&p->candidates[i]);
	p->candidates[i] = p->candidates[--p->candidate_count];
	if (!used && p->candidate == p->candidate_count)
		p->candidate = i;
	if (!used) {
		device_sides_update(d);
		return;
	}
	/* Of those that are left one stands for the board, until it is looked at again. */
	size_t left = p->candidate_count ? managed_after(p, p->candidate_count - 1) : 0;
	p->candidate = left < p->candidate_count ? left : 0;
	if (is_left_alone(d) && p->candidate_count) {
		stand_for(d, p->candidate);
		tell_place(d);
	}
	if (d->state == DEVICE_RELEASED)
		return;
	p->awaiting = false;
	device_close_port(d, "the board was unplugged");
	device_sides_update(d);
	if (d->state == DEVICE_BROKEN) {
		device_arm(d, d->config->broken_window_ms);
		return;
	}
	device_set_state(d, DEVICE_ABSENT, "unplugged");
	open_what_is_left(d);
}

void device_look_again(struct device *d)
{
	struct device_private *p = d->private;

	if (d->port && port_is_open(d->port)) {
		session_attach(d->session, d->port);
		device_quiet(d, device_quiet_ms(d));
	} else if (p->manual) {
		device_open(d);
	} else if (p->candidate_count == 0) {
		device_set_state(d, DEVICE_ABSENT, "unplugged");
	} else {
		open_what_is_left(d);
	}
}
