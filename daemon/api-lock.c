/* SPDX-License-Identifier: MIT */
/* Lock: who asks is looked up, then the boards are claimed, and the call waits for its turn if it may. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/api-private.h"
#include "daemon/holder.h"
#include "daemon/log.h"

struct lock {
	struct lease_claim claim;
	struct holder_lookup lookup;
	struct api *api;
	struct call *call; /* NULL: the client has gone */
	struct lease_bond *bond;
	uv_timer_t timer;  /* of the wait */
	char *told;	   /* the last message about the wait */
	uint64_t selected; /* registry_selectable() that the pool goes by */
};

/* --- life ------------------------------------------------------------------------------------------------------------- */

static void on_timer_closed(uv_handle_t *handle)
{
	struct lock *k = handle->data;

	holder_lookup_release(&k->lookup);
	free(k->told);
	free(k);
}

static void lock_end(struct lock *k)
{
	lease_bond_free(TAKE_PTR(k->bond));
	uv_close((uv_handle_t *)&k->timer, on_timer_closed);
}

/* For the answer. */
static struct call *take_call(struct lock *k)
{
	struct call *call = TAKE_PTR(k->call);

	call->user = NULL;
	call->closed = NULL;
	return call;
}

/* Withdrawing lets others have their turn, who must not find this one. */
static void on_closed_waiting(struct call *call)
{
	struct lock *k = call->user;

	k->call = NULL;
	lease_withdraw(k->api->leases, &k->claim);
	lock_end(k);
}

static void on_closed_looking(struct call *call)
{
	struct lock *k = call->user;

	k->call = NULL;
	if (holder_look_away(&k->lookup))
		lock_end(k);
}

static void no_memory(struct call *call)
{
	api_fail_limit(call, "memory", 0, NULL, "the daemon is out of memory");
}

/* --- what stands in the way ------------------------------------------------------------------------------------------- */

static const char *boards_go(size_t count)
{
	return count == 1 ? "board goes" : "boards go";
}

static const char *is_or_are(size_t count)
{
	return count == 1 ? "is" : "are";
}

/* Why the claim waits, as the parameters of DeviceBusy. *ret_text: the message. */
static json_object *obstacle_json(struct lock *k, char **ret_text)
{
	const struct lease *l;
	const struct device *d;
	_cleanup_free_ char *holder = NULL;
	json_object *o = json_object_new_object();
	size_t ready, ahead;
	const char *id;
	enum lease_obstacle why = lease_claim_obstacle(k->api->leases, &k->claim, &id, &ready);
	int e = -1;

	api_put_string(o, "device", id ? id : "");
	switch (why) {
	case LEASE_HELD:
		l = lease_of(k->api->leases, id);
		holder = lease_holder_text(&l->holder);
		api_put(o, "lease", api_lease_json(k->api->registry, l));
		e = asprintf(ret_text, "%s is locked by %s, since %s", id, holder ? holder : "somebody",
				json_object_get_string(json_object_object_get(json_object_object_get(o, "lease"), "since")));
		break;
	case LEASE_OCCUPIED:
		d = registry_by_id(k->api->registry, id);
		holder = strdup(d->job->id);
		api_put_string(o, "job", d->job->id);
		e = asprintf(ret_text, "the job %s (%s) runs on %s, and a lease begins when it has ended", d->job->id,
				d->job->kind, id);
		break;
	case LEASE_AWAITED:
		holder = strdup("");
		ahead = lease_claim_ahead(k->api->leases, &k->claim, id);
		e = asprintf(ret_text, "%zu %s for %s already", ahead, ahead == 1 ? "other waits" : "others wait", id);
		break;
	default:
		holder = strdup("");
		e = asprintf(ret_text, "%s is not ready", id ? id : "no board");
	}
	if (e < 0)
		*ret_text = NULL;
	api_put_string(o, "holder", holder ? holder : "");
	if (k->claim.board_count < k->claim.count) {
		free(*ret_text);
		e = asprintf(ret_text, "%zu %s by '%.80s' now, and %zu %s asked for", k->claim.board_count,
				boards_go(k->claim.board_count), api_string(k->call, "any"), k->claim.count, is_or_are(k->claim.count));
		if (e < 0)
			*ret_text = NULL;
	} else if (k->claim.any && e >= 0) {
		_cleanup_free_ char *first = TAKE_PTR(*ret_text);
		if (asprintf(ret_text, "%zu of %zu boards are free, %zu %s asked for; %s", ready, k->claim.board_count,
				    k->claim.count, is_or_are(k->claim.count), first) < 0)
			*ret_text = NULL;
	}
	return o;
}

static void refuse(struct lock *k, const char *prefix)
{
	_cleanup_free_ char *text = NULL;
	json_object *o = obstacle_json(k, &text);
	bool held = json_object_object_get(o, "lease"), waited = *prefix;
	struct call *call = take_call(k);

	lease_withdraw(k->api->leases, &k->claim);
	lock_end(k);
	api_fail(call, "DeviceBusy", o, waited ? NULL : held ? API_HINT_HELD : API_HINT_WAIT, "%s%s", prefix,
			text ? text : "it is not free");
}

static void on_time(uv_timer_t *timer)
{
	refuse(timer->data, "it waited in vain: ");
}

/* --- the wait --------------------------------------------------------------------------------------------------------- */

/* A board that came since may belong to the pool; one that has another section, or product id, may not any more. */
static void look_at_pool(struct lock *k)
{
	_cleanup_free_ const char **ids = NULL;
	size_t count = 0;
	char text[200];
	int e;

	if (!k->claim.any || k->selected == registry_selectable(k->api->registry))
		return;
	k->selected = registry_selectable(k->api->registry);
	e = registry_pool(k->api->registry, api_string(k->call, "any"), &ids, &count, text, sizeof(text));
	/* What is no expression was a tag or an alias, and is none now. */
	if (e == 0 || e == -EINVAL)
		lease_claim_set_pool(k->api->leases, &k->claim, ids, count);
}

static void tell(struct lock *k)
{
	json_object *o, *busy;
	char *text = NULL;

	if (!k->call->message.more || call_is_slow(k->call))
		return;
	busy = obstacle_json(k, &text);
	json_object_put(busy);
	if (!text || (k->told && strcmp(text, k->told) == 0)) {
		free(text);
		return;
	}
	free(k->told);
	k->told = text;
	o = json_object_new_object();
	api_put_string(o, "message", text);
	api_put_int(o, "ahead", (int64_t)lease_claim_ahead(k->api->leases, &k->claim, NULL));
	call_continue(k->call, o);
}

static void on_moved(struct lease_claim *claim)
{
	struct lock *k = container_of(claim, struct lock, claim);

	look_at_pool(k);
	tell(k);
}

static void on_granted(struct lease_claim *claim, struct lease *l)
{
	struct lock *k = container_of(claim, struct lock, claim);
	struct api_client *c = api_client(k->api, k->call);
	_cleanup_free_ char *holder = lease_holder_text(&l->holder);
	struct call *call = take_call(k);
	json_object *o = json_object_new_object();

	lease_bond_tie(TAKE_PTR(k->bond), l);
	/* There is room for it: that was looked at before. */
	if (c) {
		api_client_forget_ended(c);
		api_client_use(c, l->token);
	}
	for (size_t i = 0; i < l->board_count; i++)
		log_info(lease_board_id(l->boards[i]), "lease", "given to %s", holder ? holder : "a client");
	lock_end(k);
	api_put_string(o, "token", l->token);
	api_put(o, "lease", api_lease_json(k->api->registry, l));
	call_reply(call, o);
}

/* --- the claim -------------------------------------------------------------------------------------------------------- */

/* Different boards, by whatever words. false: answered. */
static bool find_named(struct lock *k, const char **ids, size_t *ret_count)
{
	json_object *names = json_object_object_get(k->call->message.parameters, "devices");
	size_t n = names ? json_object_array_length(names) : 1, count = 0;
	struct device *d;

	for (size_t i = 0; i < n; i++) {
		const char *name = names ? json_object_get_string(json_object_array_get_idx(names, i)) : NULL;
		bool twice = false;
		if (!api_resolve(k->api, k->call, "devices", name, &d))
			return false;
		for (size_t j = 0; j < count && !twice; j++)
			twice = ids[j] == d->id;
		if (!twice)
			ids[count++] = d->id;
	}
	*ret_count = count;
	return true;
}

static bool find_pool(struct lock *k, const char ***ret_ids, size_t *ret_count)
{
	const char *any = api_string(k->call, "any");
	size_t wanted = (size_t)api_int(k->call, "count", 1);
	char text[200] = "";
	int e = registry_pool(k->api->registry, any, ret_ids, ret_count, text, sizeof(text));
	json_object *o;

	k->selected = registry_selectable(k->api->registry);
	if (e == -EINVAL)
		api_fail_selector(k->call, "any", any, text);
	else if (e < 0)
		no_memory(k->call);
	if (e < 0)
		return false;
	if (*ret_count >= wanted)
		return true;
	if (*ret_count == 0) {
		api_fail_no_device(k->api, k->call, any);
		return false;
	}
	o = json_object_new_object();
	api_put_string(o, "device", any);
	api_put(o, "available", json_object_new_array());
	for (size_t i = 0; i < *ret_count; i++)
		json_object_array_add(json_object_object_get(o, "available"), json_object_new_string((*ret_ids)[i]));
	api_fail(k->call, "NoSuchDevice", o, "ask for fewer", "%zu %s by '%.80s', and %zu are asked for", *ret_count,
			boards_go(*ret_count), any, wanted);
	return false;
}

static bool find_boards(struct lock *k, const char ***ret_ids, size_t *ret_count)
{
	if (api_string(k->call, "any"))
		return find_pool(k, ret_ids, ret_count);
	*ret_ids = calloc(LIMIT_DEVICES, sizeof(**ret_ids));
	if (!*ret_ids) {
		no_memory(k->call);
		return false;
	}
	return find_named(k, *ret_ids, ret_count);
}

/* Nobody waits for himself. */
static bool holds_already(struct lock *k, const char *const *ids, size_t count)
{
	struct api_client *c = api_client(k->api, k->call);

	for (size_t i = 0; c && i < count && !api_string(k->call, "any"); i++) {
		struct lease *l = lease_of(k->api->leases, ids[i]);
		if (!l || !api_client_uses(c, l))
			continue;
		json_object *o = json_object_new_object();
		api_put_string(o, "device", ids[i]);
		api_put_string(o, "holder", "you");
		api_put(o, "lease", api_lease_json(k->api->registry, l));
		api_fail(k->call, "DeviceBusy", o, NULL, "you have locked %s already", ids[i]);
		return true;
	}
	return false;
}

static void fail_waiters(struct call *call, const char *id)
{
	char text[120];

	snprintf(text, sizeof(text), "%d clients wait for %.60s already", LIMIT_LEASE_WAITERS, id ? id : "a board");
	api_fail_limit(call, "waiters", LIMIT_LEASE_WAITERS, "try again later", text);
}

/* 1: granted and answered; 0: waits; negative: answered. */
static int ask(struct lock *k, const char *const *ids, size_t count)
{
	bool any = api_string(k->call, "any");
	const char *full = NULL;
	int e;

	k->claim.granted = on_granted;
	k->claim.moved = on_moved;
	e = lease_ask(k->api->leases, &k->claim, &k->lookup.holder, ids, count,
			any ? (size_t)api_int(k->call, "count", 1) : count, any, &full);
	if (e == -ENOBUFS)
		fail_waiters(k->call, full);
	else if (e == -EIO)
		api_fail_limit(k->call, "memory", 0, "try again", "the kernel has no random numbers yet");
	else if (e < 0)
		no_memory(k->call);
	return e;
}

static void wait_or_refuse(struct lock *k)
{
	int64_t limit = api_int(k->call, "waitMs", 0);

	if (limit == 0 && !api_bool(k->call, "wait", false)) {
		refuse(k, "");
		return;
	}
	k->call->user = k;
	k->call->closed = on_closed_waiting;
	if (limit > 0)
		uv_timer_start(&k->timer, on_time, (uint64_t)limit, 0);
	tell(k);
}

/* --- the call --------------------------------------------------------------------------------------------------------- */

static void fail_bond(struct call *call, int e)
{
	int64_t pid = api_int(call, "pid", 0);

	if (e == -ENOMEM)
		no_memory(call);
	else if (e == -ESRCH)
		api_invalid(call, "pid", "there is no process %lld", (long long)pid);
	else if (e == -EINVAL || e == -ENOENT) /* what Linux said before 6.15, and since */
		api_invalid(call, "pid", "%lld is a thread, no process", (long long)pid);
	else
		api_invalid(call, "pid", "the daemon cannot watch processes here (pidfd_open: %s); bind the lease to a time, or to "
				"a connection", strerror(-e));
}

static bool make_bond(struct lock *k)
{
	pid_t pid = (pid_t)api_int(k->call, "pid", 0);
	uint64_t keep_ms = (uint64_t)api_int(k->call, "keepMs", 0);
	struct api_client *c = api_client(k->api, k->call);
	int e;

	if (pid > 0 && k->lookup.other_namespace) {
		api_invalid(k->call, "pid", "'pid' cannot be understood: your process lives in another pid namespace than the "
				"daemon; bind the lease to a time, or to a connection");
		return false;
	}
	e = c ? lease_bond_new(k->api, pid || keep_ms ? NULL : c, pid, keep_ms, &k->bond) : -ENOMEM;
	if (e < 0)
		fail_bond(k->call, e);
	return e == 0;
}

static bool make_reason(struct lock *k)
{
	const char *reason = api_string(k->call, "reason");

	if (!reason || !*reason)
		return true;
	k->lookup.holder.reason = strdup(reason);
	for (char *s = k->lookup.holder.reason; s && *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			*s = ' ';
	if (!k->lookup.holder.reason)
		no_memory(k->call);
	return k->lookup.holder.reason;
}

static void looked_up(struct holder_lookup *lookup)
{
	struct lock *k = container_of(lookup, struct lock, lookup);
	_cleanup_free_ const char **ids = NULL;
	size_t count = 0;
	int e = -1;

	if (k->call) {
		k->call->closed = NULL;
		k->call->user = NULL;
		if (make_reason(k) && find_boards(k, &ids, &count) && !holds_already(k, ids, count) && make_bond(k))
			e = ask(k, ids, count);
	}
	if (e < 0)
		lock_end(k);
	else if (e == 0)
		wait_or_refuse(k);
}

/* What waits while it holds something could wait for somebody who waits for that. */
static bool may_ask(struct api *api, struct call *call)
{
	struct api_client *c = api_client(api, call);
	bool waits = api_bool(call, "wait", false) || api_int(call, "waitMs", 0) > 0;

	if (c)
		api_client_forget_ended(c);
	if (api_string(call, "any") && json_object_object_get(call->message.parameters, "devices"))
		api_invalid(call, "any", "'any' and 'devices' exclude each other");
	else if (!api_string(call, "any") && json_object_object_get(call->message.parameters, "count"))
		api_invalid(call, "count", "'count' goes with 'any': so many boards of the pool");
	else if (waits && c && api_client_lease(c))
		api_invalid(call, "wait", "who holds a lease cannot wait for another one: ask for all boards at once");
	else if (c && c->token_count == LIMIT_LEASES_CONNECTION)
		api_fail_limit(call, "leases", LIMIT_LEASES_CONNECTION, "give some back with Unlock",
				"the connection has as many leases as it may");
	else
		return true;
	return false;
}

static void lock(struct api *api, struct call *call)
{
	struct lock *k;
	int e;

	if (!may_ask(api, call))
		return;
	k = calloc(1, sizeof(*k));
	if (!k) {
		no_memory(call);
		return;
	}
	k->api = api;
	k->call = call;
	uv_timer_init(api->loop, &k->timer);
	k->timer.data = k;
	k->lookup.done = looked_up;
	call->user = k;
	call->closed = on_closed_looking;
	e = holder_look_up(api->loop, &k->lookup, call_peer(call), api_string(call, "command"));
	if (e == 0)
		return;
	no_memory(take_call(k));
	lock_end(k);
}

static const struct api_parameter lock_parameters[] = {
	{"devices", API_STRINGS, .optional = true, .min = 1, .max = LIMIT_DEVICES},
	{"any", API_STRING, .optional = true, .max = LIMIT_REGEX_BYTES},
	{"count", API_INT, .optional = true, .min = 1, .max = LIMIT_DEVICES},
	{"wait", API_BOOL, .optional = true},
	{"waitMs", API_INT, .optional = true, .min = 1, .max = LIMIT_LEASE_KEEP_MS},
	{"reason", API_STRING, .optional = true, .max = LIMIT_LEASE_TEXT_BYTES},
	{"command", API_STRING, .optional = true, .max = LIMIT_LEASE_TEXT_BYTES},
	{"pid", API_INT, .optional = true, .min = 1, .max = INT32_MAX},
	API_KEEP,
	{NULL},
};

const struct api_method api_lock_methods[] = {
	{"Lock", lock_parameters, lock, ROLE_CHANGE},
	{NULL},
};
