/* SPDX-License-Identifier: MIT */

#include "daemon/lease.h"

#include <errno.h>
#include <string.h>

#include "daemon/lease-private.h"
#include "daemon/limits.h"

static const char *const end_texts[] = {
#define X(name, text) text,
	LEASE_ENDS(X)
#undef X
};

const char *lease_end_text(enum lease_end why)
{
	return end_texts[why];
}

/* --- boards ------------------------------------------------------------------------------------------------------- */

const char *lease_board_id(const struct lease_board *b)
{
	return b->id;
}

/* Where an id is, or belongs. */
static size_t position(const struct lease_book *book, const char *id)
{
	size_t low = 0, high = book->board_count;

	while (low < high) {
		size_t middle = (low + high) / 2;
		if (strcmp(book->boards[middle]->id, id) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct lease_board *find_board(struct lease_book *book, const char *id)
{
	size_t at = position(book, id);

	return at < book->board_count && strcmp(book->boards[at]->id, id) == 0 ? book->boards[at] : NULL;
}

static struct lease_board *ref_board(struct lease_book *book, const char *id)
{
	struct lease_board *b = find_board(book, id), **grown;

	if (b) {
		b->references++;
		return b;
	}
	b = calloc(1, sizeof(*b));
	grown = realloc(book->boards, (book->board_count + 1) * sizeof(struct lease_board *));
	if (grown)
		book->boards = grown;
	if (!b || !grown || !(b->id = strdup(id))) {
		free(b);
		return NULL;
	}
	size_t at = position(book, id);
	memmove(&book->boards[at + 1], &book->boards[at], (book->board_count - at) * sizeof(struct lease_board *));
	book->boards[at] = b;
	book->board_count++;
	b->references = 1;
	return b;
}

static void unref_board(struct lease_book *book, struct lease_board *b)
{
	if (--b->references > 0)
		return;
	size_t at = position(book, b->id);
	memmove(&book->boards[at], &book->boards[at + 1], (book->board_count - at - 1) * sizeof(struct lease_board *));
	book->board_count--;
	free(b->id);
	free(b);
}

/* --- the book ----------------------------------------------------------------------------------------------------- */

int lease_book_new(const struct lease_rack *rack, void *user, struct lease_book **ret)
{
	struct lease_book *book = calloc(1, sizeof(*book));

	if (!book)
		return -ENOMEM;
	book->rack = rack;
	book->user = user;
	book->claims_end = &book->claims;
	*ret = book;
	return 0;
}

void lease_book_free(struct lease_book *book)
{
	if (!book)
		return;
	lease_book_stop(book);
	free(book->boards);
	free(book);
}

void lease_book_stop(struct lease_book *book)
{
	book->stopped = true;
	while (book->leases)
		lease_end(book, book->leases, LEASE_STOPPING);
}

struct lease *lease_book_first(struct lease_book *book)
{
	return book->leases;
}

struct lease *lease_book_before(struct lease_book *book, const struct lease *lease)
{
	return lease->pprev == &book->leases ? NULL : container_of(lease->pprev, struct lease, next);
}

struct lease *lease_of(struct lease_book *book, const char *id)
{
	struct lease_board *b = find_board(book, id);

	return b ? b->lease : NULL;
}

size_t lease_book_waiting(struct lease_book *book, const char *id)
{
	struct lease_board *b = find_board(book, id);

	return b ? b->waiting : 0;
}

bool lease_book_awaited(const struct lease_book *book)
{
	return book->claims != NULL;
}

/* --- leases ------------------------------------------------------------------------------------------------------- */

static void free_lease(struct lease *l)
{
	if (!l)
		return;
	lease_holder_release(&l->holder);
	free(l->boards);
	free(l);
}
DEFINE_FREEP(struct lease, free_lease)

static int new_lease(size_t count, struct lease **ret)
{
	_cleanup_(free_leasep) struct lease *l = calloc(1, sizeof(*l));
	int e;

	if (!l || !(l->boards = calloc(count, sizeof(struct lease_board *))))
		return -ENOMEM;
	e = lease_token_make(l->token);
	if (e == 0)
		*ret = TAKE_PTR(l);
	return e;
}

void lease_end(struct lease_book *book, struct lease *l, enum lease_end why)
{
	bool running = book->running;

	*l->pprev = l->next;
	if (l->next)
		l->next->pprev = l->pprev;
	for (size_t i = 0; i < l->board_count; i++)
		l->boards[i]->lease = NULL;
	lease_token_remember(book, l, why);
	/* Nobody gets one of its boards before all are told to be free: whoever is told may look again at once. */
	book->running = true;
	if (l->ended)
		l->ended(l, why);
	for (size_t i = 0; i < l->board_count; i++) {
		book->rack->changed(book->user, l->boards[i]->id, false);
		unref_board(book, l->boards[i]);
	}
	book->running = running;
	free_lease(l);
	lease_book_run(book);
}

/* --- claims ------------------------------------------------------------------------------------------------------- */

/* Takes the claim's own pointers to boards back. */
static void unclaim(struct lease_book *book, struct lease_claim *c)
{
	if (c->pprev) {
		*c->pprev = c->next;
		if (c->next)
			c->next->pprev = c->pprev;
		else
			book->claims_end = c->pprev;
		c->pprev = NULL;
	}
	for (size_t i = 0; i < c->board_count; i++) {
		c->boards[i]->waiting--;
		unref_board(book, c->boards[i]);
	}
	free(TAKE_PTR(c->boards));
	c->board_count = 0;
}

static int add_board(struct lease_book *book, struct lease_claim *c, const char *id)
{
	struct lease_board **grown, *b;

	grown = realloc(c->boards, (c->board_count + 1) * sizeof(struct lease_board *));
	if (!grown)
		return -ENOMEM;
	c->boards = grown;
	b = ref_board(book, id);
	if (!b)
		return -ENOMEM;
	if (b->waiting >= LIMIT_LEASE_WAITERS) {
		unref_board(book, b);
		return -ENOBUFS;
	}
	b->waiting++;
	c->boards[c->board_count++] = b;
	book->again = true;
	return 0;
}

static void mark_boards(struct lease_book *book, const struct lease_claim *c)
{
	book->mark++;
	for (size_t i = 0; i < c->board_count; i++)
		c->boards[i]->mark = book->mark;
}

/* Without those that are not marked. */
static void keep_marked(struct lease_book *book, struct lease_claim *c)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->board_count; i++) {
		struct lease_board *b = c->boards[i];
		if (b->mark == book->mark) {
			c->boards[kept++] = b;
			continue;
		}
		b->waiting--;
		unref_board(book, b);
		book->again = true;
	}
	c->board_count = kept;
}

void lease_claim_set_pool(struct lease_book *book, struct lease_claim *c, const char *const *ids, size_t id_count)
{
	struct lease_board *b;

	book->mark++;
	for (size_t i = 0; i < id_count; i++)
		if ((b = find_board(book, ids[i])))
			b->mark = book->mark;
	keep_marked(book, c);
	mark_boards(book, c);
	for (size_t i = 0; i < id_count; i++) {
		b = find_board(book, ids[i]);
		if (!b || b->mark != book->mark)
			add_board(book, c, ids[i]);
	}
}

static enum lease_obstacle obstacle(struct lease_book *book, const struct lease_claim *c, const struct lease_board *b)
{
	if (b->lease)
		return LEASE_HELD;
	if (b->reserved == book->round)
		return LEASE_AWAITED;
	return book->rack->obstacle(book->user, b->id, c->any);
}

/* What it could take goes to its lease's list; the result is how many. */
static size_t pick(struct lease_book *book, struct lease_claim *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->board_count && n < c->count; i++)
		if (obstacle(book, c, c->boards[i]) == LEASE_FREE)
			c->lease->boards[n++] = c->boards[i];
	return n;
}

static void grant(struct lease_book *book, struct lease_claim *c)
{
	struct lease *l = TAKE_PTR(c->lease);

	l->board_count = c->count;
	l->since_us = book->rack->wall_us(book->user);
	for (size_t i = 0; i < l->board_count; i++) {
		l->boards[i]->lease = l;
		l->boards[i]->references++;
	}
	l->next = book->leases;
	l->pprev = &book->leases;
	if (l->next)
		l->next->pprev = &l->next;
	book->leases = l;
	unclaim(book, c);
	/* The claimant first: it sets what the others are told. */
	c->granted(c, l);
	for (size_t i = 0; i < l->board_count; i++)
		book->rack->changed(book->user, l->boards[i]->id, true);
}

/* Later claims do not get what this one waits for. */
static void reserve(struct lease_book *book, struct lease_claim *c, size_t picked)
{
	struct lease_board **boards = c->any ? c->lease->boards : c->boards;
	size_t count = c->any ? picked : c->board_count;

	for (size_t i = 0; i < count; i++)
		boards[i]->reserved = book->round;
}

/* One look at all claims, in their order, up to `until` (NULL: all). The result: one was granted, so look again. */
static bool serve(struct lease_book *book, const struct lease_claim *until)
{
	book->round++;
	for (struct lease_claim *c = book->claims; c && c != until; c = c->next) {
		size_t picked = pick(book, c);
		if (picked == c->count && !until) {
			grant(book, c);
			return true;
		}
		reserve(book, c, picked);
	}
	return false;
}

void lease_book_run(struct lease_book *book)
{
	struct lease_claim *next;

	book->again = true;
	if (book->running || book->stopped)
		return;
	book->running = true;
	while (book->again) {
		book->again = false;
		while (serve(book, NULL))
			;
		/* A claim that is told may end, itself and nobody else's. */
		for (struct lease_claim *c = book->claims; c; c = next) {
			next = c->next;
			if (c->moved)
				c->moved(c);
		}
	}
	book->running = false;
}

static void abandon(struct lease_book *book, struct lease_claim *c)
{
	unclaim(book, c);
	free_lease(TAKE_PTR(c->lease));
}

static int make_claim(struct lease_book *book, struct lease_claim *c, const char *const *ids, size_t id_count,
		const char **ret_id)
{
	int e = new_lease(c->count, &c->lease);

	for (size_t i = 0; e == 0 && i < id_count; i++) {
		e = add_board(book, c, ids[i]);
		if (e == -ENOBUFS && ret_id)
			*ret_id = ids[i];
	}
	if (e < 0)
		abandon(book, c);
	return e;
}

int lease_ask(struct lease_book *book, struct lease_claim *c, struct lease_holder *holder, const char *const *ids,
		size_t id_count, size_t count, bool any, const char **ret_id)
{
	c->count = count;
	c->any = any;
	c->lease = NULL;
	c->boards = NULL;
	c->board_count = 0;
	c->pprev = NULL;
	int e = make_claim(book, c, ids, id_count, ret_id);
	if (e < 0)
		return e;
	c->lease->holder = *holder;
	*holder = (struct lease_holder){0};
	c->next = NULL;
	c->pprev = book->claims_end;
	*book->claims_end = c;
	book->claims_end = &c->next;
	if (book->stopped || book->running) {
		book->again = true;
		return 0;
	}
	/* It frees nothing, so nobody else is concerned: only its own turn is looked at. */
	serve(book, c);
	if (pick(book, c) < c->count)
		return 0;
	book->running = true;
	grant(book, c);
	book->running = false;
	if (book->again)
		lease_book_run(book);
	return 1;
}

void lease_withdraw(struct lease_book *book, struct lease_claim *c)
{
	if (!c->pprev)
		return;
	abandon(book, c);
	lease_book_run(book);
}

enum lease_obstacle lease_claim_obstacle(struct lease_book *book, struct lease_claim *c, const char **ret_id,
		size_t *ret_ready)
{
	enum lease_obstacle found = LEASE_FREE;

	serve(book, c);
	*ret_id = NULL;
	*ret_ready = 0;
	for (size_t i = 0; i < c->board_count; i++) {
		enum lease_obstacle o = obstacle(book, c, c->boards[i]);
		*ret_ready += o == LEASE_FREE;
		if (o == LEASE_FREE || found != LEASE_FREE)
			continue;
		found = o;
		*ret_id = c->boards[i]->id;
	}
	return found;
}

size_t lease_claim_ahead(struct lease_book *book, const struct lease_claim *claim, const char *id)
{
	struct lease_board *b = id ? find_board(book, id) : NULL;
	size_t n = 0;

	if (b)
		b->mark = ++book->mark;
	else
		mark_boards(book, claim);
	for (const struct lease_claim *c = book->claims; c && c != claim; c = c->next) {
		bool shared = false;
		for (size_t i = 0; i < c->board_count && !shared; i++)
			shared = c->boards[i]->mark == book->mark;
		n += shared;
	}
	return n;
}
