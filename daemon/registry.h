/* SPDX-License-Identifier: MIT */
#pragma once

/* The set of boards; who comes back as whom; change notification. Owns the devices, the list of jobs and the state
 * directory's records of both (ids given once, what was learnt, unfinished jobs). */

#include <stdbool.h>
#include <uv.h>

#include "daemon/config.h"
#include "daemon/device.h"
#include "daemon/image-store.h"
#include "daemon/lease.h"
#include "daemon/usb.h"

/* One change is one event, by the name that says most; names as in Watch of io.mcumgr.varlink. */
#define REGISTRY_EVENTS(X)                                                                                             \
	X(ADDED, "added")	/* listed from now on, and not there */                                                \
	X(ATTACHED, "attached") /* its port is there; listed from now on if it was not */                             \
	X(READY, "ready")                                                                                              \
	X(RECOVERY, "recovery")                                                                                        \
	X(UNRESPONSIVE, "unresponsive")                                                                                \
	X(UNAVAILABLE, "unavailable")                                                                                  \
	X(BROKEN, "broken")                                                                                            \
	X(REBOOTED, "rebooted")                                                                                        \
	X(FIRMWARE, "firmware") /* another image runs than the last time */                                            \
	X(CONSOLE, "console")	/* it printed a line with a mark: device->marked */                                    \
	X(LOCKED, "locked")	/* a lease was taken */                                                                \
	X(UNLOCKED, "unlocked") /* ... and given back */                                                               \
	X(CHANGED, "changed")	/* anything else */                                                                    \
	X(DETACHED, "detached")                                                                                        \
	X(REMOVED, "removed")	/* no longer listed */                                                                 \
	X(JOB, "job")                                                                                                  \
	X(HUB_ATTACHED, "hubAttached") /* a hub that a section names; listed from now on if it was not */             \
	X(HUB_DETACHED, "hubDetached") /* likewise */                                                                  \
	X(HUB_REMOVED, "hubRemoved") /* no longer listed */
enum registry_event {
#define X(name, text) REGISTRY_##name,
	REGISTRY_EVENTS(X)
#undef X
};
const char *registry_event_name(enum registry_event event);

/* A hub that a section names by its path. */
struct registry_hub {
	char *path; /* as the section says it */
	bool attached;
	uint64_t since_us; /* CLOCK_REALTIME: there, or gone, since then */
};

/* Borrowed, all of it. */
struct registry_change {
	enum registry_event event;
	uint64_t number;       /* given by registry_tell; counts all changes of the daemon */
	struct device *device; /* NULL: a job's board that is not there */
	struct job *job;       /* of JOB */
	const struct registry_hub *hub; /* of HUB_...; no device then */
	const char *reason;    /* for people, or NULL: the state's own reason is the device's */
	const struct firmware *before, *after; /* of FIRMWARE */
};

/* Told synchronously after each change, in the order of changes. */
struct registry_observer {
	void (*event)(struct registry_observer *o, const struct registry_change *change);
	struct registry_observer *next; /* private */
};

struct registry;
int registry_new(uv_loop_t *loop, const struct config *config, struct image_store *images, struct registry **ret,
		char **ret_text);
int registry_start(struct registry *r); /* configured ports and USB; resumes unfinished jobs */
/* Another configuration from now on, which the registry borrows; old is the one of before, and the registry's to free. Boards
 * for which nothing has changed are not disturbed. 0, -ENOMEM: nothing has happened. */
int registry_reload(struct registry *r, struct config *old, const struct config *config);
/* Ends: jobs are told and recorded, sessions and ports closed; done when the last handle is closed. */
void registry_stop(struct registry *r, void (*done)(void *user), void *user);
void registry_free(struct registry *r);

size_t registry_count(const struct registry *r);
struct device *registry_at(struct registry *r, size_t index); /* sorted by id */
struct device *registry_by_id(struct registry *r, const char *id);

enum resolve_result { RESOLVED, RESOLVE_NONE, RESOLVE_MANY, RESOLVE_BAD_REGEX };
/* A selector of the API (NULL: the only board): exact id, alias, tag, tty of any of its ports (also a symlink to it), then VID:PID[:interface]
 * regex; of each sort first what a section manages.
 * MANY: matches (malloc'd array of borrowed devices). BAD_REGEX: text says where. */
enum resolve_result registry_resolve(struct registry *r, const char *selector, struct device **ret, struct device ***ret_matches,
		size_t *ret_count, char *text, size_t text_size);

/* All boards that go by a selector, by its first sort that any goes by: malloc'd array of borrowed devices, perhaps empty. 0,
 * -ENOMEM, -EINVAL (nobody goes by it, and it is no regex: text says where it breaks). */
int registry_select(struct registry *r, const char *selector, struct device ***ret_matches, size_t *ret_count, char *text,
		size_t text_size);
/* A selector for boards to come. 0; -ENOMEM; -EINVAL and a selector: it is no regex (reason says where it breaks), and may be
 * a name. */
struct selector;
int selector_new(const char *text, struct selector **ret, char *reason, size_t reason_size);
void selector_free(struct selector *s);
DEFINE_FREEP(struct selector, selector_free)
bool selector_matches(const struct selector *s, const struct device *d); /* by any sort */
bool selector_is_exact(const struct selector *s, const struct device *d); /* its id, its alias or its tty */

/* The boards of a pool: "*" all that a section manages; else of those that go by the selector. ids: malloc'd array of borrowed ids, perhaps empty. 0, -ENOMEM, -EINVAL
 * (text says where the regex breaks). */
int registry_pool(struct registry *r, const char *selector, const char ***ret_ids, size_t *ret_count, char *text,
		size_t text_size);

/* Leases. A board with one keeps it while it is away. */
struct lease_book *registry_leases(struct registry *r);
uint64_t registry_wall_us(void); /* CLOCK_REALTIME */
uint64_t registry_selectable(const struct registry *r); /* grows when boards come, and when others may go by a selector */

void registry_observe(struct registry *r, struct registry_observer *o);
void registry_unobserve(struct registry *r, struct registry_observer *o);
uint64_t registry_number(const struct registry *r);
void registry_tell(struct registry *r, const struct registry_change *change);
/* The same, for changes that need no more words. */
void registry_changed(struct registry *r, enum registry_event event, struct device *device, struct job *job);

/* USB serial ports that are plugged in, those that no section manages among them, in order of their ttys (malloc'd array of
 * borrowed ports, good until the loop goes on). 0, -ENOMEM. */
int registry_ports(const struct registry *r, const struct usb_port ***ret, size_t *ret_count);
struct device *registry_port_device(const struct registry *r, const struct usb_port *port); /* NULL: it is no board's */
/* The section that manages it; NULL: none does. */
const struct config_device *registry_port_section(const struct registry *r, const struct usb_port *port);
const struct config *registry_config(const struct registry *r);
/* Of those who may use the socket, and so the terminals of boards; -1 (at first): nobody's. */
void registry_set_socket_group(struct registry *r, gid_t group);
gid_t registry_socket_group(const struct registry *r);

/* Hubs that sections name, in order of their paths: the one after `previous` (NULL: the first); NULL: no more. */
const struct registry_hub *registry_next_hub(const struct registry *r, const struct registry_hub *previous);
bool registry_hub_has(const struct registry_hub *hub, const struct device *d); /* plugged in below it, at any depth */

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
void registry_job_save(struct registry *r, struct job *job); /* records it, unfinished or ended */
/* One that runs; done is called once, when the disk has it, or at once where it never will. id: of the record, or NULL. */
void registry_job_save_then(struct registry *r, struct job *job, void (*done)(void *user, const char *id), void *user);
/* done is called once, when the disk has the end of a job that was on record and has just ended. */
void registry_job_ended_then(struct registry *r, void (*done)(void *user, const char *id), void *user);
struct image_store *registry_images(struct registry *r);
uv_loop_t *registry_loop(struct registry *r);
