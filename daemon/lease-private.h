/* SPDX-License-Identifier: MIT */
#pragma once

/* Inside the book of leases. */

#include "daemon/lease.h"

#define LEASES_REMEMBERED 64 /* ended ones, so that their holders hear why */

/* A board that is leased or waited for. */
struct lease_board {
	char *id;
	struct lease *lease; /* or NULL */
	size_t waiting;	     /* claims that want it */
	size_t references;   /* lease and claims */
	uint64_t reserved;   /* the round in which a claim set it aside */
	uint64_t mark;	     /* is one of those that are looked at */
};

struct lease_ended {
	char token[LEASE_TOKEN_SIZE];
	enum lease_end why;
};

struct lease_book {
	const struct lease_rack *rack;
	void *user;
	struct lease_board **boards; /* sorted by id */
	size_t board_count;
	struct lease *leases;
	struct lease_claim *claims, **claims_end; /* oldest first */
	uint64_t round, mark;
	bool running, again, stopped;
	struct lease_ended ended[LEASES_REMEMBERED];
	size_t ended_next;
};

int lease_token_make(char *token); /* LEASE_TOKEN_SIZE bytes; 0, or -EIO: the kernel has no random numbers yet */
void lease_token_remember(struct lease_book *book, const struct lease *l, enum lease_end why);
