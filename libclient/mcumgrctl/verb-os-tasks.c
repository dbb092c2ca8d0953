/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/verbs.h"

/* Bits of a Zephyr thread's state (SMP §5.1). */
static char *state_names(int64_t state)
{
	static const char *const names[] = { "dummy", "pending", "sleeping", "dead", "suspended", "aborting",
		"suspending", "queued" };
	char text[96] = "";
	unsigned int bit;

	for (bit = 0; bit < sizeof(names) / sizeof(names[0]); bit++)
		if (state & (1 << bit))
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", *text ? ", " : "",
				names[bit]);
	return format("%" PRId64 "%s%s%s", state, *text ? " (" : "", text, *text ? ")" : "");
}

static int64_t number(json_object *task, const char *key)
{
	int64_t n = 0;

	member_int(task, key, &n);
	return n;
}

static int by_priority(const void *a, const void *b)
{
	json_object *left = *(json_object *const *)a, *right = *(json_object *const *)b;
	int64_t l = number(left, "priority"), r = number(right, "priority");

	if (l != r)
		return l < r ? -1 : 1;
	return strcmp(show_key(left, "name"), show_key(right, "name"));
}

static void print_task(struct board *b, json_object *task)
{
	char *state = state_names(number(task, "state"));
	int64_t n, size;

	say(b, "%s\n", show_key(task, "name"));
	say(b, "  Priority:          %" PRId64 "\n", number(task, "priority"));
	say(b, "  Task ID:           %" PRId64 "\n", number(task, "identifier"));
	say(b, "  State:             %s\n", state);
	if (member_int(task, "stackUsed", &n) && member_int(task, "stackSize", &size) && size > 0)
		say(b, "  Stack usage:       %" PRId64 " / %" PRId64 " bytes (%" PRId64 " %%)\n", n, size,
			n * 100 / size);
	if (member_int(task, "contextSwitches", &n))
		say(b, "  Context switches:  %" PRId64 "\n", n);
	if (member_int(task, "runtime", &n))
		say(b, "  Runtime:           %" PRId64 " ticks\n", n);
	free(state);
}

void os_print_tasks(struct board *b, json_object *reply)
{
	size_t i, n = member_count(reply, "tasks");
	json_object **tasks = calloc(n + 1, sizeof(*tasks));

	if (!tasks)
		out_of_memory();
	for (i = 0; i < n; i++)
		tasks[i] = member_at(reply, "tasks", i);
	qsort(tasks, n, sizeof(*tasks), by_priority);
	for (i = 0; i < n; i++)
		print_task(b, tasks[i]);
	free(tasks);
}

void os_print_pools(struct board *b, json_object *reply)
{
	size_t i, n = member_count(reply, "pools");

	for (i = 0; i < n; i++) {
		json_object *pool = member_at(reply, "pools", i);
		int64_t blocks = number(pool, "blocks"), used = blocks - number(pool, "free"), size = 1, least;

		member_int(pool, "blockSize", &size);
		say(b, "%s: %" PRId64 " / %" PRId64 " (%.2f %%)", show_key(pool, "name"), used * size, blocks * size,
			blocks ? (double)used * 100 / (double)blocks : 0.0);
		if (member_int(pool, "minimumFree", &least))
			say(b, " (highest: %" PRId64 ")", (blocks - least) * size);
		say(b, "\n");
	}
}
