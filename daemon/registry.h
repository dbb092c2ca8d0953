/* SPDX-License-Identifier: MIT */
#pragma once

/* The set of boards; who comes back as whom; change notification. Owns the devices, the list of jobs and the state
 * directory's records of both (ids given once, what was learnt, unfinished jobs). */

#include <stdbool.h>
#include <uv.h>

#include "daemon/config.h"
#include "daemon/device.h"
#include "daemon/image-store.h"
#include "daemon/usb.h"

enum registry_event { REGISTRY_ADDED, REGISTRY_CHANGED, REGISTRY_REMOVED, REGISTRY_JOB, REGISTRY_CONSOLE /* device->marked */ };

/* Told synchronously after each change, in the order of changes; number counts all changes of the daemon. */
struct registry_observer {
	void (*event)(struct registry_observer *o, enum registry_event event, uint64_t number, struct device *device,
			struct job *job);
	struct registry_observer *next; /* private */
};

struct registry;
int registry_new(uv_loop_t *loop, const struct config *config, struct image_store *images, struct registry **ret,
		char **ret_text);
int registry_start(struct registry *r); /* configured ports and USB; resumes unfinished jobs */
/* Ends: jobs are told and recorded, sessions and ports closed; done when the last handle is closed. */
void registry_stop(struct registry *r, void (*done)(void *user), void *user);
void registry_free(struct registry *r);

size_t registry_count(const struct registry *r);
struct device *registry_at(struct registry *r, size_t index); /* sorted by id */
struct device *registry_by_id(struct registry *r, const char *id);

enum resolve_result { RESOLVED, RESOLVE_NONE, RESOLVE_MANY, RESOLVE_BAD_REGEX };
/* A selector of the API (NULL: the only board): exact id, alias, tty (also a symlink's target), then VID:PID[:interface] regex.
 * MANY: matches (malloc'd array of borrowed devices). BAD_REGEX: text says where. */
enum resolve_result registry_resolve(struct registry *r, const char *selector, struct device **ret, struct device ***ret_matches,
		size_t *ret_count, char *text, size_t text_size);

void registry_observe(struct registry *r, struct registry_observer *o);
void registry_unobserve(struct registry *r, struct registry_observer *o);
uint64_t registry_number(const struct registry *r);
void registry_changed(struct registry *r, enum registry_event event, struct device *device, struct job *job);

/* USB serial ports that are plugged in, those that no section manages among them, in order of their ttys (malloc'd array of
 * borrowed ports, good until the loop goes on). 0, -ENOMEM. */
int registry_ports(const struct registry *r, const struct usb_port ***ret, size_t *ret_count);
struct device *registry_port_device(const struct registry *r, const struct usb_port *port); /* NULL: it is no board's */
const struct config *registry_config(const struct registry *r);

/* Told after a port came or went. */
struct registry_port_observer {
	void (*changed)(struct registry_port_observer *o);
	struct registry_port_observer *next; /* private */
};
void registry_ports_observe(struct registry *r, struct registry_port_observer *o);
void registry_ports_unobserve(struct registry *r, struct registry_port_observer *o);

/* Jobs, oldest first: running ones and the newest LIMIT_JOBS_KEPT that ended. */
size_t registry_job_count(const struct registry *r);
struct job *registry_job_at(const struct registry *r, size_t index);
struct job *registry_job_find(const struct registry *r, const char *id);
void registry_job_add(struct registry *r, struct job *job); /* takes a reference; gives the job its id */
void registry_job_save(struct registry *r, struct job *job); /* records an unfinished job; forgets an ended one */
struct image_store *registry_images(struct registry *r);
uv_loop_t *registry_loop(struct registry *r);
