/* SPDX-License-Identifier: MIT */
#pragma once

/* Inside the registry.
 *
 *     registry           devices, ports that come and go, observers
 *     registry-identity  who is who: ids given once, what was learnt about each
 *     registry-record    and what the state directory keeps of it
 *     registry-resolve   a client's words for a board
 *     registry-hub       hubs that sections name
 *     registry-port      the ports on USB, managed or not, and who is told of them
 *     registry-reload    another configuration for boards that are there
 *     registry-resume    what the daemon before left of boards at rest
 *     registry-jobs      the list of jobs; those that an earlier daemon left unfinished
 *     registry-lease     what leases ask about boards
 */

#include "daemon/device-private.h"
#include "daemon/registry.h"
#include "daemon/state.h"

#define IDENTITIES_MAX 4096

/* A board that was seen once. hub: ID_PATH without the interface; bus: the same by the kernel's bus path. Of one that was
 * never seen, as the section says it. */
struct identity {
	char *id;
	char *serial, *hub, *bus; /* or NULL */
	bool twin;	    /* shares its serial number: goes by its place */
	char *section;	    /* that managed it the last time, or NULL */
	unsigned int usb;   /* vendor and product id that it had then */
	bool was_listed;	 /* by this daemon, and is not any more */
	bool here;	/* still plugged in, while the configuration is read again */
	struct trouble *trouble; /* that it had then, or NULL: one that comes back may not have come to rest */
	uint64_t seen_us; /* CLOCK_REALTIME: when it was last there; of one that never was, since when it is expected; 0: unknown */
	struct device_learnt learnt;
	bool changed; /* and not saved yet */
};

/* An unfinished job of an earlier daemon, until its board is there. */
struct registry {
	uv_loop_t *loop;
	const struct config *config;
	gid_t socket_group;
	struct image_store *images;
	struct state *state;
	struct usb *usb;
	uv_timer_t sweep; /* boards that went and do not come back */
	uv_prepare_t writer; /* of identities that changed */
	size_t writing;	     /* of them are on their way to the disk; others wait */
	unsigned int open; /* of these two */

	struct device **devices; /* sorted by id */
	size_t device_count, device_capacity;
	size_t closing; /* devices whose handles are not closed yet */
	struct identity *identities;
	size_t identity_count;

	struct hub *hubs; /* registry-hub.c */
	struct resume *resumes; /* registry-resume.c */
	struct retired *retired; /* registry-reload.c: configurations that boards still go by */
	struct job **jobs; /* oldest first */
	size_t job_count, job_capacity;
	uint64_t jobs_ended; /* ever */
	size_t ended_writing; /* of them are on their way to the disk; others wait */

	struct registry_observer *observers;
	struct registry_port_observer *port_observers;
	uint64_t number, selectable;
	struct lease_book *leases;
	bool stopping;
	void (*stopped)(void *user);
	void *stopped_user;
};

/* registry.c */
int registry_add_device(struct registry *r, const char *id, const struct device_learnt *learnt, struct device **ret);
void registry_remove_device(struct registry *r, size_t at);
void registry_add_port(struct registry *r, const struct usb_port *port);
void registry_expect(struct registry *r); /* lists boards that sections name and that are not there */
void registry_sweep(struct registry *r);  /* looks after a while what is gone for good */
void registry_device_save(struct registry *r, struct device *d, const struct device_learnt *learnt);
void registry_device_seen(struct registry *r, const struct device *d); /* it is there, or was until now */

/* registry-identity.c */
struct identity *identity_add(struct registry *r); /* an empty one; others may move in memory. NULL: none */
void identity_free_all(struct registry *r);
/* The board that a port belongs to; a new one gets its id here. NULL: no memory, or too many. */
struct identity *identity_find(struct registry *r, const struct usb_port *port);
/* The board that a section names by serial number, place (the other NULL) or both. */
struct identity *identity_expected(struct registry *r, const char *serial, const char *path);
struct identity *identity_by_id(struct registry *r, const char *id); /* NULL: unknown */
struct identity *identity_for_tty(struct registry *r, const char *id); /* a tty of the configuration goes by its name */
/* The section that manages a port: what fits it; or, for a board that shows up with another product id than that it was
 * managed with, because its bootloader runs, that of then. NULL: nobody's. */
const struct config_device *identity_section(struct registry *r, const struct config *config, const struct usb_port *port);
void identity_managed(struct registry *r, struct identity *identity, const struct config_device *section,
		const struct usb_port *port);
char *identity_hub(const char *path); /* malloc'd */

void identity_forget_unseen(struct registry *r, const char *id); /* unless it was ever there */

/* registry-record.c */
void identity_load(struct registry *r);
void identity_save(struct registry *r, struct identity *identity); /* before the loop sleeps */
void identity_write(struct registry *r);			    /* what is to be saved, now */
void identity_seen(struct registry *r, struct identity *identity); /* now */

/* registry-hub.c */
void registry_hubs_load(struct registry *r);
void registry_hubs_update(struct registry *r); /* after ports, hubs or the configuration changed */
void registry_hubs_save(struct registry *r);   /* those that are there now, at the end */
void registry_hubs_free(struct registry *r);
bool registry_is_hub(struct registry *r, const char *path); /* of a section */

/* registry-port.c */
void registry_ports_changed(struct registry *r);

/* registry-lease.c */
int registry_leases_new(struct registry *r);
/* registry-reload.c. rest: boards that waited for their job; false: none is left */
bool registry_reload_rest(struct registry *r);
void registry_reload_free(struct registry *r);

/* registry-resume.c: what the daemon before left; take: the caller's, once; NULL: nothing */
void registry_resume_load(struct registry *r);
void registry_resume_save(struct registry *r);
void registry_resume_free(struct registry *r);

/* registry-jobs.c */
void registry_jobs_resume(struct registry *r);
void registry_jobs_adopt(struct registry *r, struct device *d); /* the board of a resumed job is there */
void registry_jobs_stop(struct registry *r);
void registry_jobs_free(struct registry *r);
