/* SPDX-License-Identifier: MIT */

/* Tokens: who knows one is the holder of its lease. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "daemon/lease-private.h"

int lease_token_make(char *token)
{
	unsigned char random[(LEASE_TOKEN_SIZE - 1) / 2];

	if (getrandom(random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
		return -EIO;
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(token + 2 * i, 3, "%02x", random[i]);
	return 0;
}

/* Whoever guesses tokens learns nothing from the time that a wrong one takes. */
static bool same_token(const char *a, const char *b)
{
	unsigned int difference = 0;

	if (strlen(b) != LEASE_TOKEN_SIZE - 1)
		return false;
	for (size_t i = 0; i < LEASE_TOKEN_SIZE; i++)
		difference |= (unsigned char)a[i] ^ (unsigned char)b[i];
	return difference == 0;
}

struct lease *lease_by_token(struct lease_book *book, const char *token)
{
	struct lease *l = book->leases;

	while (l && !same_token(l->token, token))
		l = l->next;
	return l;
}

bool lease_remembers(const struct lease_book *book, const char *token, enum lease_end *ret_why)
{
	for (size_t i = 0; i < ARRAY_SIZE(book->ended); i++)
		if (book->ended[i].token[0] && same_token(book->ended[i].token, token)) {
			*ret_why = book->ended[i].why;
			return true;
		}
	return false;
}

void lease_token_remember(struct lease_book *book, const struct lease *l, enum lease_end why)
{
	struct lease_ended *e = &book->ended[book->ended_next++ % ARRAY_SIZE(book->ended)];

	memcpy(e->token, l->token, sizeof(e->token));
	e->why = why;
}
