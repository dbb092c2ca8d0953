/* SPDX-License-Identifier: MIT */
/* What a connection holds, and whether its calls may change a board. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/api-private.h"
#include "daemon/log.h"

/* Leases that are bound to the connection end with it. */
static void on_closed(struct connection_state *state)
{
	struct api_client *c = container_of(state, struct api_client, state);
	struct lease *l = lease_book_first(c->api->leases);

	api_client_reclaim(c);
	while (l) {
		if (lease_bond_client(l) != c) {
			l = l->next;
			continue;
		}
		lease_end(c->api->leases, l, LEASE_CLOSED);
		l = lease_book_first(c->api->leases); /* others may have got theirs meanwhile */
	}
	free(c->tokens);
	free(c);
}

struct api_client *api_client(struct api *api, const struct call *call)
{
	struct connection_state **state = call_state(call);
	struct api_client *c;

	if (*state)
		return container_of(*state, struct api_client, state);
	c = calloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->api = api;
	c->state.closed = on_closed;
	*state = &c->state;
	return c;
}

int api_client_use(struct api_client *c, const char *token)
{
	char(*grown)[LEASE_TOKEN_SIZE];

	for (size_t i = 0; i < c->token_count; i++)
		if (strcmp(c->tokens[i], token) == 0)
			return 0;
	if (c->token_count == LIMIT_LEASES_CONNECTION)
		return -ENOBUFS;
	grown = realloc(c->tokens, (c->token_count + 1) * sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	c->tokens = grown;
	/* What is longer names no lease, and must not name one by being cut. */
	snprintf(c->tokens[c->token_count++], LEASE_TOKEN_SIZE, "%s", strlen(token) < LEASE_TOKEN_SIZE ? token : "?");
	return 0;
}

static void drop(struct api_client *c, size_t at)
{
	c->token_count--;
	memmove(&c->tokens[at], &c->tokens[at + 1], (c->token_count - at) * sizeof(*c->tokens));
}

void api_client_forget(struct api_client *c, const char *token)
{
	for (size_t i = c->token_count; i-- > 0;)
		if (strcmp(c->tokens[i], token) == 0)
			drop(c, i);
}

void api_client_forget_ended(struct api_client *c)
{
	for (size_t i = c->token_count; i-- > 0;)
		if (!lease_by_token(c->api->leases, c->tokens[i]))
			drop(c, i);
}

struct lease *api_client_lease(const struct api_client *c)
{
	struct lease *l = NULL;

	for (size_t i = 0; i < c->token_count && !l; i++)
		l = lease_by_token(c->api->leases, c->tokens[i]);
	return l;
}

bool api_client_uses(const struct api_client *c, const struct lease *lease)
{
	for (size_t i = 0; i < c->token_count; i++)
		if (strcmp(c->tokens[i], lease->token) == 0)
			return true;
	return false;
}

/* --- may it? ------------------------------------------------------------------------------------------------------ */

/* The lease that the call names, in words of its own or of its connection, if there is one on this board. A holder who lost
 * his lease must not go on as if nothing had happened: false, and answered. */
static bool find_own(struct api *api, struct call *call, const struct lease *wanted, bool *ret_own)
{
	const struct api_client *c = *call_state(call) ? api_client(api, call) : NULL;
	const char *named = api_string(call, "lease");
	size_t count = c ? c->token_count : 0;

	*ret_own = false;
	for (size_t i = 0; i < count + 1; i++) {
		const char *token = i > 0 ? c->tokens[i - 1] : named;
		struct lease *l = token ? lease_by_token(api->leases, token) : NULL;
		if (!token)
			continue;
		if (!l) {
			api_fail_no_lease(api, call, token);
			return false;
		}
		lease_bond_keep(l, 0);
		if (l == wanted) {
			*ret_own = true;
			return true;
		}
	}
	return true;
}

bool api_may_change(struct api *api, struct call *call, const char *id)
{
	const struct lease *l = lease_of(api->leases, id);
	bool own;

	if (!find_own(api, call, l, &own))
		return false;
	if (!l || own)
		return true;
	api_fail_held(api, call, id, l);
	return false;
}
