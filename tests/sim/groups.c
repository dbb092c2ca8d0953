/* SPDX-License-Identifier: MIT */
#include "smp.h"

/* The small groups: statistics, enumeration, Zephyr's own (SMP §5.2, §5.10, §5.63). */

static const char stat_group[] = "smp_svr_stats";
static const char stat_field[] = "ticks";

#define STAT_NAME_SIZE 32 /* of the server's buffer */

int stat_show(struct board *b, const struct request *req, struct reply *reply)
{
	struct payload_value name = { 0 };
	struct payload_want want[] = { WANT_TEXT("name", &name) };

	if (request_get(req, want, ARRAY_SIZE(want)) || !name.len || name.len >= STAT_NAME_SIZE)
		return RC_INVAL;
	if (name.len != strlen(stat_group) || memcmp(name.data, stat_group, name.len)) {
		reply_error(reply, GROUP_STAT, STAT_INVALID_STAT_NAME);
		return 0;
	}
	writer_pair_text(&reply->w, "name", stat_group);
	writer_text(&reply->w, "fields");
	writer_map_begin(&reply->w);
	/* The sample server counts seconds. */
	writer_pair_uint(&reply->w, stat_field, (loop_now() - b->up_since) / 1000000);
	writer_map_end(&reply->w);
	return 0;
}

int stat_list(struct board *b, const struct request *req, struct reply *reply)
{
	(void)b;
	(void)req;
	writer_text(&reply->w, "stat_list");
	writer_list_begin(&reply->w);
	writer_text(&reply->w, stat_group);
	writer_list_end(&reply->w);
	return 0;
}

#define GROUPS_MAX 16

int enum_count(struct board *b, const struct request *req, struct reply *reply)
{
	struct smp_group_info g[GROUPS_MAX];

	(void)req;
	writer_pair_uint(&reply->w, "count", smp_groups(b, g, ARRAY_SIZE(g)));
	return 0;
}

int enum_list(struct board *b, const struct request *req, struct reply *reply)
{
	struct smp_group_info g[GROUPS_MAX];
	size_t n = smp_groups(b, g, ARRAY_SIZE(g));

	(void)req;
	writer_text(&reply->w, "groups");
	writer_list_begin(&reply->w);
	for (size_t i = 0; i < n; i++)
		writer_uint(&reply->w, g[i].group);
	writer_list_end(&reply->w);
	return 0;
}

int enum_single(struct board *b, const struct request *req, struct reply *reply)
{
	struct smp_group_info g[GROUPS_MAX];
	size_t n = smp_groups(b, g, ARRAY_SIZE(g));
	uint64_t index = 0;
	struct payload_want want[] = { WANT_UINT("index", &index) };

	if (request_get(req, want, ARRAY_SIZE(want)))
		return RC_INVAL;
	if (index >= n) {
		reply_error(reply, GROUP_ENUM, ENUM_INDEX_TOO_LARGE);
		return 0;
	}
	writer_pair_uint(&reply->w, "group", g[index].group);
	if (index + 1 == n)
		writer_pair_bool(&reply->w, "end", true);
	return 0;
}

static bool is_wanted(const struct request *req, const struct payload_value *list, uint16_t group)
{
	for (size_t i = 0; i < list->number; i++) {
		const struct payload_value *v = &req->map.items[list->first + i];

		if (v->kind == KIND_UINT && v->number == group)
			return true;
	}
	return false;
}

int enum_details(struct board *b, const struct request *req, struct reply *reply)
{
	struct smp_group_info g[GROUPS_MAX];
	size_t n = smp_groups(b, g, ARRAY_SIZE(g));
	struct payload_value list = { 0 };
	struct payload_want want[] = { { .key = "groups", .kind = KIND_ARRAY, .value = &list } };

	if (request_get(req, want, ARRAY_SIZE(want)))
		return RC_INVAL;
	writer_text(&reply->w, "groups");
	writer_list_begin(&reply->w);
	for (size_t i = 0; i < n; i++) {
		if (want[0].found && !is_wanted(req, &list, g[i].group))
			continue;
		writer_map_begin(&reply->w);
		writer_pair_uint(&reply->w, "group", g[i].group);
		writer_pair_text(&reply->w, "name", g[i].name);
		writer_pair_uint(&reply->w, "handlers", g[i].handlers);
		writer_map_end(&reply->w);
	}
	writer_list_end(&reply->w);
	return 0;
}

int zephyr_erase_storage(struct board *b, const struct request *req, struct reply *reply)
{
	(void)req;
	b->saved.n = 0;
	reply->cost_us += b->set.erase_ms * 1000;
	return 0;
}
