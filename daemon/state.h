/* SPDX-License-Identifier: MIT */
#pragma once

/* The state directory: small records by kind and name, and a version.
 *
 *     version          "1"; a newer one is refused, because an older daemon would not understand what it says
 *     boards/ID        a board's identity and what was learnt about it
 *     hubs/PATH        a hub that a section names, and when it was last there
 *     jobs/ID          an unfinished job
 *     ended/ID         a job that ended (job-ended), the newest LIMIT_JOBS_KEPT
 *     resume/ID        a board that the daemon before left at rest, with its tty kept open (device-resume)
 *     images/          belongs to the image store
 *
 * A record is replaced by rename, so that it is the old or the new one, never half of it, whenever the daemon dies. It is
 * not synced to the disk: what a host's power cut may lose is learnt again, and what an update did is read from the board.
 * A thread of the pool writes, in order, because a disk may hang; but what is read at the start, the daemon itself reads and
 * forgets. The directory is locked while it is open: one daemon at a time. */

#include <uv.h>

#include "daemon/record.h"

struct state;

/* dir NULL: remembers nothing. 0; -EPROTO (newer version), -EBUSY (another daemon has it), other errno: a sentence in
 * ret_text. */
int state_open(const char *dir, struct state **ret, char **ret_text);
void state_close(struct state *s); /* once what is on its way has been done, for which the loop must run */
DEFINE_FREEP(struct state, state_close)

/* name: [a-z0-9._-]+, not starting with a dot. Failures are for the log: the daemon goes on without. */
int state_forget(struct state *s, const char *kind, const char *name);
/* Off the loop, a moment later, in the order of these calls; done (or NULL) tells when it was, however it went, and is not
 * called where this fails. What fails on the disk is logged. */
int state_save_later(struct state *s, uv_loop_t *loop, const char *kind, const char *name, const struct record *r,
		void (*done)(void *user, const char *name), void *user);
int state_forget_later(struct state *s, uv_loop_t *loop, const char *kind, const char *name);
/* done(user, NULL) once all that was said so far has been done: now, if it has. */
int state_then(struct state *s, uv_loop_t *loop, void (*done)(void *user, const char *name), void *user);
/* Calls each() for every record of a kind; what cannot be read is told by each(record NULL, a sentence) and left alone. */
int state_load(struct state *s, const char *kind,
		void (*each)(void *user, const char *name, const struct record *record, const char *problem), void *user);
