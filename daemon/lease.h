/* SPDX-License-Identifier: MIT */
#pragma once

/* Leases: who alone may change which boards, and who waits for that. Knows no loop, no connection and no board: boards are ids
 * here, so that a board that goes and comes back, as another object even, keeps its lease.
 *
 * A claim asks for `count` of some boards (all of those that are named, or any of a pool), all or none: it never holds a part
 * while it waits for the rest, and that is why claims cannot block each other for ever. Claims are served in the order in which
 * they came. One that cannot be served yet sets boards aside, all it names or those of the pool that it could take already, and
 * later claims get only what is left: nobody is overtaken for a board that he waits for, and nobody starves.
 *
 * Ownership: the book owns boards and leases; a claim belongs to who makes it and must be withdrawn or granted before it is
 * freed. Callbacks fire inside lease_ask, lease_end, lease_withdraw and lease_book_run. They may withdraw their own claim, and no
 * lease ends inside granted(). */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/macro.h"

#define LEASE_TOKEN_SIZE 33 /* 128 bits in hex, and the NUL */

/* Who holds it: as the kernel said, but for the reason, and for the command where the daemon cannot see the process. */
struct lease_holder {
	char *user;    /* name; NULL: there is none for the uid */
	bool unmapped; /* the uid is not one of this user namespace: it says nothing */
	uid_t uid;
	pid_t pid;     /* 0: a process of another pid namespace */
	char *command; /* or NULL */
	char *reason;  /* or NULL */
};
void lease_holder_release(struct lease_holder *h);
/* "alice, process 123 (make flash), for the nightly run"; malloc'd, NULL: out of memory. */
char *lease_holder_text(const struct lease_holder *h);

#define LEASE_ENDS(X)                                                                                                  \
	X(UNLOCKED, "it was given back")                                                                               \
	X(CLOSED, "the connection that held it was closed")                                                            \
	X(EXITED, "the process that it was bound to has ended")                                                        \
	X(EXPIRED, "its time passed without a sign of its holder")                                                     \
	X(FORCED, "it was taken away by force")                                                                        \
	X(STOPPING, "the daemon ends")
enum lease_end {
#define X(name, text) LEASE_##name,
	LEASE_ENDS(X)
#undef X
};
const char *lease_end_text(enum lease_end why);

struct lease_board;
struct lease {
	char token[LEASE_TOKEN_SIZE];
	struct lease_holder holder;
	uint64_t since_us;	  /* CLOCK_REALTIME */
	uint64_t until_us;	  /* the same; 0: not bound to a time */
	pid_t bound_to;		  /* 0: not bound to a process */
	struct lease_board **boards; /* lease_board_id */
	size_t board_count;
	struct lease *next, **pprev; /* lease_book_first; private otherwise */
	/* Told when it ends, for any reason, before anybody else gets its boards; may be NULL. It is freed afterwards. */
	void (*ended)(struct lease *lease, enum lease_end why);
	void *user;
};
const char *lease_board_id(const struct lease_board *b);

/* What stands in the way of a claim, in the order of looking. */
enum lease_obstacle {
	LEASE_FREE,
	LEASE_HELD,	/* somebody has a lease */
	LEASE_AWAITED,	/* claims that came earlier want it */
	LEASE_OCCUPIED, /* a job runs on it */
	LEASE_NOT_READY, /* of a pool, and not ready for use */
};

struct lease_claim {
	/* Once the boards are the claimant's. The claim is out of the book; the lease is as it should be but for what the
	 * claimant sets: ended, user, times. */
	void (*granted)(struct lease_claim *claim, struct lease *lease);
	void (*moved)(struct lease_claim *claim); /* still waits, but something about it may have changed; may be NULL */
	/* private */
	struct lease *lease; /* in the making */
	struct lease_board **boards;
	size_t board_count, count;
	bool any;
	struct lease_claim *next, **pprev; /* pprev: NULL: not waiting */
};

struct lease_rack {
	/* LEASE_FREE, OCCUPIED, or for boards of a pool NOT_READY. */
	enum lease_obstacle (*obstacle)(void *user, const char *id, bool any);
	void (*changed)(void *user, const char *id, bool given);
	uint64_t (*wall_us)(void *user);
};

struct lease_book;
int lease_book_new(const struct lease_rack *rack, void *user, struct lease_book **ret);
void lease_book_free(struct lease_book *book); /* ends what is left; no claim may wait any more */
DEFINE_FREEP(struct lease_book, lease_book_free)
/* Nothing is granted from now on, and all leases end. */
void lease_book_stop(struct lease_book *book);

/* Makes a claim for `count` of these boards (different ids; count == id_count when they are all meant), or for any that is
 * ready. holder is taken over when the result is not negative. 1: granted, inside; 0: it waits; -ENOBUFS: LIMIT_LEASE_WAITERS wait
 * for one of them already (ret_id: which; may be NULL); -ENOMEM; -EIO: no random token. */
int lease_ask(struct lease_book *book, struct lease_claim *claim, struct lease_holder *holder, const char *const *ids,
		size_t id_count, size_t count, bool any, const char **ret_id);
/* The pool that a waiting claim for any asks of consists of these boards now (different ids). Out of memory, or for boards that
 * LIMIT_LEASE_WAITERS wait for already, it goes without. */
void lease_claim_set_pool(struct lease_book *book, struct lease_claim *claim, const char *const *ids, size_t id_count);
/* It no longer waits; nothing happens when it does not. */
void lease_withdraw(struct lease_book *book, struct lease_claim *claim);
/* Why a claim waits: the first of its boards that it does not get, and what stands in the way. ret_ready: how many of its
 * boards it could have. */
enum lease_obstacle lease_claim_obstacle(struct lease_book *book, struct lease_claim *claim, const char **ret_id,
		size_t *ret_ready);
/* Claims before it that want some of the same boards; id: that one, of which it is (NULL: any). */
size_t lease_claim_ahead(struct lease_book *book, const struct lease_claim *claim, const char *id);

void lease_end(struct lease_book *book, struct lease *lease, enum lease_end why);
/* Something that obstacle() goes by may have changed: a job ended, a board is ready. */
void lease_book_run(struct lease_book *book);
bool lease_book_awaited(const struct lease_book *book); /* somebody waits for something */

struct lease *lease_of(struct lease_book *book, const char *id); /* NULL: free */
struct lease *lease_by_token(struct lease_book *book, const char *token); /* NULL: there is none */
/* Of a token whose lease ended lately: true, and why. */
bool lease_remembers(const struct lease_book *book, const char *token, enum lease_end *ret_why);
struct lease *lease_book_first(struct lease_book *book); /* the newest */
struct lease *lease_book_before(struct lease_book *book, const struct lease *lease); /* the next newer one, or NULL */
size_t lease_book_waiting(struct lease_book *book, const char *id); /* claims that want it */
