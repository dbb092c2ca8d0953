/* SPDX-License-Identifier: MIT */

/* The book of leases alone: no loop, no board. Each row is a little play: claims come, leases end, and what was granted is written
 * down. */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/lease.h"
#include "daemon/limits.h"
#include "tests/unit/suite.h"

#define CLAIMS 10

static struct lease_book *book;
static char trail[2048];
static bool told[256]; /* that a board is held, as observers have it */
static char occupied[16], unready[16]; /* boards, a letter each */

struct asker {
	struct lease_claim claim;
	struct lease *lease;
	char name;
};
static struct asker askers[CLAIMS];

static void say(const char *format, char a, const char *b)
{
	size_t n = strlen(trail);

	snprintf(trail + n, sizeof(trail) - n, n ? " " : "");
	n = strlen(trail);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(trail + n, sizeof(trail) - n, format, a, b);
#pragma GCC diagnostic pop
}

static enum lease_obstacle obstacle(void *user _unused_, const char *id, bool any)
{
	if (strchr(occupied, *id))
		return LEASE_OCCUPIED;
	return any && strchr(unready, *id) ? LEASE_NOT_READY : LEASE_FREE;
}

static void changed(void *user _unused_, const char *id, bool given)
{
	told[(unsigned char)*id] = given;
	/* Whoever is told may look again at once. */
	lease_book_run(book);
}

static uint64_t wall_us(void *user _unused_)
{
	return 7;
}

static void granted(struct lease_claim *claim, struct lease *lease)
{
	struct asker *a = container_of(claim, struct asker, claim);
	char ids[16] = "";

	for (size_t i = 0; i < lease->board_count; i++)
		strcat(ids, lease_board_id(lease->boards[i]));
	ck_assert_uint_eq(lease->since_us, 7);
	ck_assert_uint_eq(strlen(lease->token), LEASE_TOKEN_SIZE - 1);
	a->lease = lease;
	say("%c=%s", a->name, ids);
}

/* Boards are letters. "2/abc": two of them; "abc": all. 1, 0 or an error, as lease_ask. */
static int ask(int n, const char *what)
{
	bool any = what[1] == '/';
	const char *letters = any ? what + 2 : what, *ids[8];
	char texts[8][2] = {{0}};
	struct lease_holder holder = {.pid = n};
	struct asker *a = &askers[n];
	size_t count = strlen(letters);

	for (size_t i = 0; i < count; i++) {
		texts[i][0] = letters[i];
		ids[i] = texts[i];
	}
	a->name = (char)('0' + n);
	a->claim.granted = granted;
	return lease_ask(book, &a->claim, &holder, ids, count, any ? (size_t)(*what - '0') : count, any, NULL);
}

static void setup(void)
{
	static const struct lease_rack rack = {obstacle, changed, wall_us};

	trail[0] = occupied[0] = unready[0] = 0;
	memset(askers, 0, sizeof(askers));
	memset(told, 0, sizeof(told));
	ck_assert_int_eq(lease_book_new(&rack, NULL, &book), 0);
}

static void teardown(void)
{
	/* What observers heard last is true. */
	for (char id[] = "a"; *id <= 'z'; ++*id)
		ck_assert_msg(told[(unsigned char)*id] == (lease_of(book, id) != NULL), "%s after %s", id, trail);
	for (size_t i = 0; i < CLAIMS; i++)
		if (askers[i].claim.pprev)
			lease_withdraw(book, &askers[i].claim);
	lease_book_free(book);
	book = NULL;
}

/* A script: "1:ab" claim 1 asks for a and b; "-1" its lease ends; "~1" it is withdrawn; "+a" a job begins on a, "*a" it ends; "!a" a
 * is not ready, "?a" it is; "=1ab" a and b are the pool that claim 1 asks of. */
static const struct {
	const char *script, *trail;
} plays[] = {
	{"1:a 2:a 3:a -1 -2 -3", "1=a 2=a 3=a"},
	{"1:a 2:b -2 2:b", "1=a 2=b 2=b"},
	/* Withdrawn from the middle and from the ends. */
	{"1:a 2:a 3:a 4:a ~3 -1 -2", "1=a 2=a 4=a"},
	{"1:a 2:a ~2 -1 3:a", "1=a 3=a"},
	/* All or none, and not overtaken for either. */
	{"1:a 2:ab 3:b -1", "1=a 2=ab"},
	{"1:a 2:ab 3:b -1 -2", "1=a 2=ab 3=b"},
	{"1:a 2:ab 3:b ~2", "1=a 3=b"},
	{"1:a 2:ab 3:c", "1=a 3=c"},
	/* Wanted in opposite orders, in circles. */
	{"1:ab 2:ba 3:ab -1 -2 -3", "1=ab 2=ba 3=ab"},
	{"1:abc 2:ab 3:bc 4:ca -1 -2 -3 -4", "1=abc 2=ab 3=bc 4=ca"},
	{"1:b 2:ab 3:bc 4:a 5:c -1 -2 -3", "1=b 2=ab 3=bc 4=a 5=c"},
	/* A pool takes what is free, sets aside what it has, and leaves the rest. */
	{"1:1/abc 2:1/abc 3:1/abc 4:1/abc -2", "1=a 2=b 3=c 4=b"},
	{"1:a 2:2/ab 3:b -1", "1=a 2=ab"},
	{"1:a 2:b 3:2/abc 4:c -1 -3", "1=a 2=b 3=ac 4=c"},
	{"1:a 2:1/ab 3:b -2", "1=a 2=b 3=b"},
	{"1:ab 2:1/ab 3:2/ab -1 -2", "1=ab 2=a 3=ab"},
	/* A pool that can be served is not held up by one that cannot. */
	{"1:a 2:3/abc 3:1/cd -1", "1=a 3=d 2=abc"},
	/* Jobs and boards that are not ready. */
	{"+a 1:a *a", "1=a"},
	{"+a 1:a 2:b -2 *a", "2=b 1=a"},
	{"1:a 2:a +a -1 *a", "1=a 2=a"},
	{"!a 1:1/a ?a", "1=a"},
	{"!a 1:a", "1=a"},
	{"!a 1:1/ab", "1=b"},
	{"+b 1:2/abc *b", "1=ac"},
	/* Pools that change. */
	{"1:a 2:1/a =2bc", "1=a 2=b"},
	{"1:a 2:1/a 3:a =2 -1 =2a -3", "1=a 3=a 2=a"},
	{"1:ab 2:1/a 3:b =2b -1 -2", "1=ab 2=b 3=b"},
	{"1:ab 2:2/ab =2bcd", "1=ab 2=cd"},
};

static void set_pool(int n, const char *letters)
{
	char texts[8][2] = {{0}};
	const char *ids[8];
	size_t count = strlen(letters);

	for (size_t i = 0; i < count; i++) {
		texts[i][0] = letters[i];
		ids[i] = texts[i];
	}
	lease_claim_set_pool(book, &askers[n].claim, ids, count);
	lease_book_run(book);
}

static void act(const char *word)
{
	char text[2] = {word[1]};

	switch (*word) {
	case '-':
		lease_end(book, askers[word[1] - '0'].lease, LEASE_UNLOCKED);
		break;
	case '~':
		lease_withdraw(book, &askers[word[1] - '0'].claim);
		break;
	case '+':
		strcat(occupied, text);
		break;
	case '!':
		strcat(unready, text);
		break;
	case '*':
		occupied[0] = 0;
		lease_book_run(book);
		break;
	case '?':
		unready[0] = 0;
		lease_book_run(book);
		break;
	case '=':
		set_pool(word[1] - '0', word + 2);
		break;
	default:
		ck_assert_int_ge(ask(*word - '0', word + 2), 0);
	}
}

START_TEST(turns)
{
	char script[128], *rest = script;

	snprintf(script, sizeof(script), "%s", plays[_i].script);
	for (char *word; (word = strsep(&rest, " "));)
		act(word);
	ck_assert_msg(strcmp(trail, plays[_i].trail) == 0, "%s: %s instead of %s", plays[_i].script, trail, plays[_i].trail);
}
END_TEST

/* Whatever happens in whatever order: no board has two leases, no claim has a part, and when all have had their turn nobody is
 * left waiting. */
START_TEST(anything_in_any_order)
{
	unsigned int seed = (unsigned int)_i, steps = 0;

	while (steps++ < 400) {
		int n = rand_r(&seed) % CLAIMS;
		struct asker *a = &askers[n];
		char what[8] = "", *end = what;

		if (a->lease) {
			struct lease *l = TAKE_PTR(a->lease);
			lease_end(book, l, LEASE_UNLOCKED);
		} else if (a->claim.pprev && rand_r(&seed) % 3 == 0) {
			lease_withdraw(book, &a->claim);
		} else if (!a->claim.pprev) {
			unsigned int mask = 1 + (unsigned int)rand_r(&seed) % 31;
			size_t boards = (size_t)__builtin_popcount(mask);
			if (rand_r(&seed) % 2)
				end += sprintf(end, "%zu/", 1 + (size_t)rand_r(&seed) % boards);
			for (char c = 'a'; c < 'f'; c++)
				if (mask & 1u << (c - 'a'))
					*end++ = c;
			*end = 0;
			ask(n, what);
		}
		size_t held = 0;
		for (struct lease *l = lease_book_first(book); l; l = l->next) {
			held += l->board_count;
			for (size_t i = 0; i < l->board_count; i++)
				ck_assert_ptr_eq(lease_of(book, lease_board_id(l->boards[i])), l);
		}
		ck_assert_uint_le(held, 5);
		trail[0] = 0;
	}
	for (bool more = true; more;) {
		more = false;
		for (size_t i = 0; i < CLAIMS; i++)
			if (askers[i].lease) {
				more = true;
				lease_end(book, TAKE_PTR(askers[i].lease), LEASE_UNLOCKED);
			}
	}
	ck_assert(!lease_book_awaited(book));
	ck_assert_ptr_null(lease_book_first(book));
}
END_TEST

START_TEST(tokens)
{
	static char given[200][LEASE_TOKEN_SIZE];
	enum lease_end why;

	for (size_t i = 0; i < ARRAY_SIZE(given); i++) {
		ck_assert_int_eq(ask(1, "a"), 1);
		memcpy(given[i], askers[1].lease->token, LEASE_TOKEN_SIZE);
		ck_assert_ptr_eq(lease_by_token(book, given[i]), askers[1].lease);
		for (size_t k = 0; k < i; k++)
			ck_assert_str_ne(given[i], given[k]);
		lease_end(book, askers[1].lease, i % 2 ? LEASE_FORCED : LEASE_EXPIRED);
		ck_assert_ptr_null(lease_by_token(book, given[i]));
		ck_assert(lease_remembers(book, given[i], &why));
		ck_assert_int_eq(why, i % 2 ? LEASE_FORCED : LEASE_EXPIRED);
	}
	ck_assert(!lease_remembers(book, given[0], &why));
	ck_assert(!lease_remembers(book, "", &why));
	ck_assert_ptr_null(lease_by_token(book, ""));
}
END_TEST

START_TEST(waiters_have_a_limit)
{
	static struct asker line[LIMIT_LEASE_WAITERS + 1];
	struct lease_holder holder = {0};
	const char *ids[] = {"b", "a"}, *full = NULL;

	ck_assert_int_eq(ask(1, "a"), 1);
	for (size_t i = 0; i < LIMIT_LEASE_WAITERS; i++) {
		line[i].claim.granted = granted;
		ck_assert_int_eq(lease_ask(book, &line[i].claim, &holder, ids + 1, 1, 1, false, NULL), 0);
		ck_assert_uint_eq(lease_claim_ahead(book, &line[i].claim, NULL), i);
	}
	ck_assert_uint_eq(lease_book_waiting(book, "a"), LIMIT_LEASE_WAITERS);
	holder.reason = strdup("stays the caller's");
	ck_assert_int_eq(lease_ask(book, &line[LIMIT_LEASE_WAITERS].claim, &holder, ids, 2, 2, false, &full), -ENOBUFS);
	ck_assert_str_eq(full, "a");
	ck_assert_uint_eq(lease_book_waiting(book, "b"), 0);
	lease_holder_release(&holder);
	for (size_t i = 0; i < LIMIT_LEASE_WAITERS; i++)
		lease_withdraw(book, &line[i].claim);
	ck_assert_uint_eq(lease_book_waiting(book, "a"), 0);
}
END_TEST

START_TEST(what_stands_in_the_way)
{
	static const struct {
		const char *script, *id;
		enum lease_obstacle why;
		size_t ready;
	} rows[] = {
		{"1:a 2:ba", "a", LEASE_HELD, 1},
		{"+a 2:a", "a", LEASE_OCCUPIED, 0},
		{"1:a 3:ab 2:b", "b", LEASE_AWAITED, 0},
		{"!a 2:1/a", "a", LEASE_NOT_READY, 0},
		{"1:b 2:3/abc", "b", LEASE_HELD, 2},
	};
	char script[64], *rest = script;
	const char *id;
	size_t ready;

	snprintf(script, sizeof(script), "%s", rows[_i].script);
	for (char *word; (word = strsep(&rest, " "));)
		act(word);
	ck_assert_int_eq(lease_claim_obstacle(book, &askers[2].claim, &id, &ready), rows[_i].why);
	ck_assert_str_eq(id, rows[_i].id);
	ck_assert_uint_eq(ready, rows[_i].ready);
}
END_TEST

START_TEST(holders_in_words)
{
	static const struct {
		struct lease_holder holder;
		const char *text;
	} rows[] = {
		{{.user = (char *)"ann", .uid = 1000, .pid = 7, .command = (char *)"make flash", .reason = (char *)"nightly"},
			"ann, process 7 (make flash): nightly"},
		{{.uid = 1000, .pid = 7}, "user 1000, process 7"},
		{{.unmapped = true, .uid = 65534}, "a user of another user namespace, a process of another pid namespace"},
	};
	char *text = lease_holder_text(&rows[_i].holder);

	ck_assert_str_eq(text, rows[_i].text);
	free(text);
}
END_TEST

START_TEST(a_book_that_stops)
{
	ck_assert_int_eq(ask(1, "a"), 1);
	ck_assert_int_eq(ask(2, "a"), 0);
	lease_book_stop(book);
	ck_assert_ptr_null(lease_of(book, "a"));
	ck_assert_int_eq(ask(3, "b"), 0);
	ck_assert_str_eq(trail, "1=a");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("lease");
	TCase *c = tcase_create("lease");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_loop_test(c, turns, 0, ARRAY_SIZE(plays));
	tcase_add_loop_test(c, anything_in_any_order, 0, 100);
	tcase_add_test(c, tokens);
	tcase_add_test(c, waiters_have_a_limit);
	tcase_add_loop_test(c, what_stands_in_the_way, 0, 5);
	tcase_add_loop_test(c, holders_in_words, 0, 3);
	tcase_add_test(c, a_book_that_stops);
	suite_add_tcase(s, c);
	return suite_run(s);
}
