/* SPDX-License-Identifier: MIT */
/* Leases that were taken: as JSON and in errors; Unlock, Leases, LeaseUse, LeaseKeep. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/api-private.h"
#include "daemon/log.h"

static json_object *ids_json(const struct lease *l)
{
	json_object *ids = json_object_new_array();

	for (size_t i = 0; i < l->board_count && ids; i++)
		json_object_array_add(ids, json_object_new_string(lease_board_id(l->boards[i])));
	return ids;
}

static size_t most_waiting(struct lease_book *book, const struct lease *l)
{
	size_t most = 0;

	for (size_t i = 0; i < l->board_count; i++) {
		size_t n = lease_book_waiting(book, lease_board_id(l->boards[i]));
		if (n > most)
			most = n;
	}
	return most;
}

/* Never the token: who knows it may act as the holder. */
json_object *api_lease_json(struct registry *registry, const struct lease *l)
{
	const struct lease_holder *h = &l->holder;
	json_object *o = json_object_new_object();

	api_put(o, "devices", ids_json(l));
	api_put_string(o, "user", h->user);
	if (!h->unmapped)
		api_put_int(o, "uid", h->uid);
	if (h->pid > 0)
		api_put_int(o, "pid", h->pid);
	api_put_string(o, "command", h->command);
	api_put_string(o, "reason", h->reason);
	api_put_time(o, "since", l->since_us);
	if (l->until_us)
		api_put_time(o, "until", l->until_us);
	if (l->bound_to > 0)
		api_put_int(o, "boundTo", l->bound_to);
	api_put_int(o, "waiting", (int64_t)most_waiting(registry_leases(registry), l));
	return o;
}

void api_fail_no_lease(struct api *api, struct call *call, const char *token)
{
	static const char hint[] = "take one: mcumgrctl lock, method Lock; or name it: MCUMGR_LEASE, method LeaseUse";
	enum lease_end why;

	if (token && lease_remembers(api->leases, token, &why))
		api_fail(call, "NoSuchLease", NULL, hint, "the lease has ended: %s", lease_end_text(why));
	else if (token)
		api_fail(call, "NoSuchLease", NULL, hint, "there is no such lease: it ended long ago, or was never given");
	else
		api_fail(call, "NoSuchLease", NULL, hint, "no lease is named, and this connection holds none");
}

void api_fail_held(struct api *api, struct call *call, const char *id, const struct lease *l)
{
	_cleanup_free_ char *holder = lease_holder_text(&l->holder);
	json_object *o = json_object_new_object(), *lease = api_lease_json(api->registry, l);
	_cleanup_free_ char *since = strdup(json_object_get_string(json_object_object_get(lease, "since")));

	api_put_string(o, "device", id);
	api_put_string(o, "holder", holder ? holder : "");
	api_put(o, "lease", lease);
	api_fail(call, "DeviceBusy", o, API_HINT_HELD, "%s is locked by %s, since %s", id, holder ? holder : "somebody",
			since ? since : "");
}

static void no_memory(struct call *call)
{
	api_fail_limit(call, "memory", 0, NULL, "the daemon is out of memory");
}

/* --- Unlock ----------------------------------------------------------------------------------------------------------- */

static void put_ids(json_object *ids, const struct lease *l)
{
	for (size_t i = 0; i < l->board_count; i++)
		json_object_array_add(ids, json_object_new_string(lease_board_id(l->boards[i])));
}

/* The client's own, so that it hears of no loss afterwards. */
static void give_back(struct api *api, struct call *call, struct lease *l, json_object *ids)
{
	struct api_client *c = api_client(api, call);

	put_ids(ids, l);
	if (c)
		api_client_forget(c, l->token);
	lease_end(api->leases, l, LEASE_UNLOCKED);
}

static void unlock_all(struct api *api, struct call *call, json_object *ids)
{
	struct api_client *c = api_client(api, call);
	struct lease *l = c ? api_client_lease(c) : NULL;

	if (!l) {
		json_object_put(ids);
		api_fail_no_lease(api, call, c && c->token_count > 0 ? c->tokens[0] : NULL);
		if (c)
			api_client_forget_ended(c);
		return;
	}
	for (; l; l = api_client_lease(c))
		give_back(api, call, l, ids);
	api_client_forget_ended(c);
	json_object *o = json_object_new_object();
	api_put(o, "devices", ids);
	call_reply(call, o);
}

static void take_away(struct api *api, struct call *call, struct lease *l, json_object *ids)
{
	const struct peer *p = call_peer(call);
	_cleanup_free_ char *holder = lease_holder_text(&l->holder);

	for (size_t i = 0; i < l->board_count; i++)
		log_warning(lease_board_id(l->boards[i]), "lease", "user %u (process %d) takes it away from %s",
				(unsigned int)p->uid, (int)p->pid, holder ? holder : "its holder");
	put_ids(ids, l);
	lease_end(api->leases, l, LEASE_FORCED);
}

/* A board that is away and no longer listed is still known by its lease. */
static bool find_leased(struct api *api, struct call *call, const char *device, struct lease **ret)
{
	struct device *d;

	*ret = lease_of(api->leases, device);
	if (*ret)
		return true;
	if (!api_device(api, call, &d))
		return false;
	*ret = lease_of(api->leases, d->id);
	if (!*ret)
		api_fail(call, "NoSuchLease", NULL, NULL, "%s is not locked", d->id);
	return *ret;
}

static void unlock(struct api *api, struct call *call)
{
	const char *token = api_string(call, "lease"), *device = api_string(call, "device");
	json_object *o, *ids = json_object_new_array();
	struct lease *l = NULL;
	struct api_client *c = *call_state(call) ? api_client(api, call) : NULL;

	if (!device && !token) {
		unlock_all(api, call, ids);
		return;
	}
	if (device ? !find_leased(api, call, device, &l) : !(l = lease_by_token(api->leases, token))) {
		json_object_put(ids);
		if (!device && c)
			api_client_forget(c, token); /* whoever gives it back knows that he has it no longer */
		if (!device)
			api_fail_no_lease(api, call, token);
		return;
	}
	if ((token && strcmp(token, l->token) == 0) || (c && api_client_uses(c, l))) {
		give_back(api, call, l, ids);
	} else if (api_bool(call, "force", false)) {
		if (!api_permitted(api, call, ROLE_ADMINISTER)) {
			json_object_put(ids);
			return;
		}
		take_away(api, call, l, ids);
	} else {
		json_object_put(ids);
		api_fail_held(api, call, device, l);
		return;
	}
	o = json_object_new_object();
	api_put(o, "devices", ids);
	call_reply(call, o);
}

/* --- the rest --------------------------------------------------------------------------------------------------------- */

static void leases(struct api *api, struct call *call)
{
	json_object *o = json_object_new_object(), *all = json_object_new_array();
	struct lease *l = lease_book_first(api->leases);

	/* The book has the newest first. */
	while (l && l->next)
		l = l->next;
	for (; l; l = lease_book_before(api->leases, l))
		json_object_array_add(all, api_lease_json(api->registry, l));
	api_put(o, "leases", all);
	call_reply(call, o);
}

static void use(struct api *api, struct call *call)
{
	const char *token = api_string(call, "lease");
	struct api_client *c = api_client(api, call);
	struct lease *l = lease_by_token(api->leases, token);
	int e = c ? api_client_use(c, token) : -ENOMEM;

	if (e == -ENOBUFS) {
		api_fail_limit(call, "leases", LIMIT_LEASES_CONNECTION, "give some back with Unlock",
				"the connection has as many leases as it may");
	} else if (e < 0) {
		no_memory(call);
	} else if (!l) {
		api_fail_no_lease(api, call, token);
	} else {
		json_object *o = json_object_new_object();
		lease_bond_keep(l, 0);
		api_put(o, "lease", api_lease_json(api->registry, l));
		call_reply(call, o);
	}
}

static void keep(struct api *api, struct call *call)
{
	const char *token = api_string(call, "lease");
	struct api_client *c = api_client(api, call);
	struct lease *l = token ? lease_by_token(api->leases, token) : c ? api_client_lease(c) : NULL;
	json_object *o;

	if (!l) {
		api_fail_no_lease(api, call, token ? token : c && c->token_count > 0 ? c->tokens[0] : NULL);
		return;
	}
	if (api_int(call, "keepMs", 0) > 0 && !lease_bond_timed(l)) {
		api_invalid(call, "keepMs", "'keepMs' is for leases that are bound to a time, and this one is not");
		return;
	}
	lease_bond_keep(l, (uint64_t)api_int(call, "keepMs", 0));
	o = json_object_new_object();
	api_put(o, "lease", api_lease_json(api->registry, l));
	call_reply(call, o);
}

static const struct api_parameter unlock_parameters[] = {API_DEVICE, API_LEASE, {"force", API_BOOL, .optional = true}, {NULL}};
static const struct api_parameter use_parameters[] = {{"lease", API_STRING}, {NULL}};
static const struct api_parameter keep_parameters[] = {API_LEASE, API_KEEP, {NULL}};

const struct api_method api_lease_methods[] = {
	{"Unlock", unlock_parameters, unlock, ROLE_CHANGE},
	{"Leases", NULL, leases, ROLE_READ},
	{"LeaseUse", use_parameters, use, ROLE_CHANGE},
	{"LeaseKeep", keep_parameters, keep, ROLE_CHANGE},
	{NULL},
};
