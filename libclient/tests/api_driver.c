/* SPDX-License-Identifier: MIT */
/* api-driver SOCKET: a line of JSON in, {"method", "parameters", "more", "stopAfter"}; a line out: {"result", "message",
 * "replies": [{"shown", "object"}], "error", "code", "shown", "parameters"}. */
#include "libclient/tests/api_driver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "proto/base64.h"

static void *kept[4096];
static size_t kept_count;

void *keep(void *memory)
{
	if (!memory || kept_count == sizeof(kept) / sizeof(kept[0]))
		abort();
	return kept[kept_count++] = memory;
}

struct mcumgr_bytes get_bytes(json_object *in, const char *name)
{
	const char *text = get_string(in, name);
	uint8_t *data;
	size_t size;

	if (!text)
		return (struct mcumgr_bytes){ NULL, 0 };
	/* What is no base64 cannot be said in C. */
	if (base64_decode(text, strlen(text), &data, &size, NULL) < 0)
		return (struct mcumgr_bytes){ NULL, 0 };
	return (struct mcumgr_bytes){ keep(data), size };
}

json_object *show_bytes(struct mcumgr_bytes bytes)
{
	char *text = bytes.data ? base64_encode(bytes.data, bytes.size, NULL) : NULL;
	json_object *o = text ? json_object_new_string(text) : NULL;

	free(text);
	return o;
}

int take(struct mcumgr *m, json_object *shown, json_object *object, struct run *run)
{
	json_object *reply = json_object_new_object();

	(void)m;
	put(reply, "shown", shown);
	put(reply, "object", json_object_get(object));
	json_object_array_add(run->replies, reply);
	return run->stop_after && json_object_array_length(run->replies) == run->stop_after;
}

static void add_error(json_object *out, const struct mcumgr_error *error)
{
	struct mcumgr_error_info *info = NULL;

	put(out, "error", show_string(error->name));
	put(out, "code", show_int(mcumgr_error_code(error)));
	put(out, "parameters", json_object_get(error->parameters));
	if (mcumgr_error_info(error, &info) == 0)
		put(out, "shown", show_error(info));
	mcumgr_error_info_free(info);
}

static void answer(struct mcumgr *m, json_object *in)
{
	struct run run = { .more = get_bool(in, "more"), .stop_after = (size_t)get_int(in, "stopAfter"),
		.replies = json_object_new_array() };
	json_object *out = json_object_new_object();
	const struct row *row = rows;
	int r;

	while (row->method && strcmp(row->method, get_string(in, "method")) != 0)
		row++;
	r = row->method ? row->run(m, json_object_object_get(in, "parameters"), &run) : -ENOSYS;
	put(out, "result", show_int(r));
	put(out, "message", show_string(mcumgr_message(m)));
	put(out, "replies", run.replies);
	if (run.error)
		add_error(out, run.error);
	mcumgr_error_free(run.error);
	puts(json_object_to_json_string_ext(out, JSON_C_TO_STRING_PLAIN));
	fflush(stdout);
	json_object_put(out);
}

int main(int argc, char **argv)
{
	char *line = NULL;
	size_t room = 0;
	struct mcumgr *m;

	if (argc != 2 || mcumgr_new(&m) < 0)
		return 2;
	while (getline(&line, &room, stdin) > 0) {
		json_object *in = json_tokener_parse(line);

		if (!in || (!mcumgr_connected(m) && mcumgr_connect(m, argv[1]) < 0))
			return 1;
		answer(m, in);
		json_object_put(in);
		while (kept_count > 0)
			free(kept[--kept_count]);
	}
	free(line);
	mcumgr_free(m);
	return 0;
}
