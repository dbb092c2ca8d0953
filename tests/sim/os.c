/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <time.h>

#include "smp.h"

/* The OS group (SMP §5.0). */

int os_echo(struct board *b, const struct request *req, struct reply *reply)
{
	struct payload_value d = { 0 };
	struct payload_want want[] = { WANT_TEXT("d", &d) };

	(void)b;
	if (request_get(req, want, ARRAY_SIZE(want)))
		return RC_INVAL;
	writer_text(&reply->w, "r");
	writer_text_n(&reply->w, d.data ? d.data : (const uint8_t *)"", d.len);
	return 0;
}

int os_taskstat(struct board *b, const struct request *req, struct reply *reply)
{
	static const struct {
		const char *name;
		int prio;
		unsigned int state, used, size; /* stack in words */
	} threads[] = {
		{ "main", 0, 4, 131, 256 },
		{ "mcumgr smp", 3, 128, 183, 512 },
		{ "sysworkq", -1, 2, 76, 256 },
		{ "idle", 15, 0, 22, 80 },
	};
	uint64_t up = loop_now() - b->up_since;

	(void)req;
	writer_text(&reply->w, "tasks");
	writer_map_begin(&reply->w);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		writer_text(&reply->w, threads[i].name);
		writer_map_begin(&reply->w);
		writer_pair_int(&reply->w, "prio", threads[i].prio);
		writer_pair_uint(&reply->w, "tid", i + 1);
		writer_pair_uint(&reply->w, "state", threads[i].state);
		writer_pair_uint(&reply->w, "stkuse", threads[i].used);
		writer_pair_uint(&reply->w, "stksiz", threads[i].size);
		writer_pair_uint(&reply->w, "cswcnt", 0);
		writer_pair_uint(&reply->w, "runtime", i ? up / 100 * i : up);
		writer_map_end(&reply->w);
	}
	writer_map_end(&reply->w);
	return 0;
}

int os_mpstat(struct board *b, const struct request *req, struct reply *reply)
{
	static const uint64_t heaps[][3] = { { 4096, 3320, 3112 }, { 1024, 1024, 960 } };

	(void)b;
	(void)req;
	writer_text(&reply->w, "tasks");
	writer_map_begin(&reply->w);
	for (size_t i = 0; i < ARRAY_SIZE(heaps); i++) {
		char name[4];

		snprintf(name, sizeof(name), "%u", (unsigned int)i);
		writer_text(&reply->w, name);
		writer_map_begin(&reply->w);
		writer_pair_uint(&reply->w, "blksiz", 1);
		writer_pair_uint(&reply->w, "nblks", heaps[i][0]);
		writer_pair_uint(&reply->w, "nfree", heaps[i][1]);
		writer_pair_uint(&reply->w, "min", heaps[i][2]);
		writer_map_end(&reply->w);
	}
	writer_map_end(&reply->w);
	return 0;
}

int os_datetime_read(struct board *b, const struct request *req, struct reply *reply)
{
	struct tm tm;
	time_t now;
	char text[32];

	(void)req;
	if (!b->ram.clock_set) {
		reply_error(reply, GROUP_OS, OS_RTC_NOT_SET);
		return 0;
	}
	now = (time_t)(((int64_t)loop_now() + b->ram.clock_offset_us) / 1000000);
	gmtime_r(&now, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	writer_pair_text(&reply->w, "datetime", text);
	return 0;
}

/* YYYY-MM-DDTHH:MM:SS, and behind it whatever there is room for (SMP §5.0). */
static bool datetime_parse(const struct payload_value *v, time_t *ret)
{
	struct tm tm = { 0 };
	char text[26];

	if (v->len < 19 || v->len >= sizeof(text))
		return false;
	memcpy(text, v->data, v->len);
	text[v->len] = '\0';
	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		   &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
		return false;
	if (tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 ||
	    tm.tm_mday > 31 || tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0 ||
	    tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 59)
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon--;
	*ret = timegm(&tm);
	return true;
}

int os_datetime_write(struct board *b, const struct request *req, struct reply *reply)
{
	struct payload_value text = { 0 };
	struct payload_want want[] = { WANT_TEXT("datetime", &text) };
	time_t t;

	(void)reply;
	if (request_get(req, want, ARRAY_SIZE(want)) || !datetime_parse(&text, &t))
		return RC_INVAL;
	b->ram.clock_set = true;
	b->ram.clock_offset_us = (int64_t)t * 1000000 - (int64_t)loop_now();
	return 0;
}

int os_reset(struct board *b, const struct request *req, struct reply *reply)
{
	uint64_t boot_mode = 0;
	bool force = false;
	struct payload_want mode[] = { WANT_UINT("boot_mode", &boot_mode) };
	struct payload_want forced[] = { WANT_BOOL("force", &force) };
	struct fault f;

	/* What it cannot decode it passes over, one by one. */
	(void)reply;
	if (request_get(req, mode, 1))
		boot_mode = 0;
	if (request_get(req, forced, 1))
		force = false;
	if (faults_strike(&b->faults, &b->rng, FAULT_RESET_IGNORED, &req->where, &f))
		return 0;
	board_reset_later(b, boot_mode == 1);
	return 0;
}

int os_params(struct board *b, const struct request *req, struct reply *reply)
{
	(void)req;
	writer_pair_uint(&reply->w, "buf_size", b->set.buf_size);
	writer_pair_uint(&reply->w, "buf_count", b->set.buf_count);
	return 0;
}

int os_info(struct board *b, const struct request *req, struct reply *reply)
{
	const struct {
		char letter;
		const char *text;
	} fields[] = {
		{ 's', "Zephyr" },
		{ 'n', "unknown" },
		{ 'r', "v4.4.0" },
		{ 'v', "4.4.0" },
		{ 'b', "Thu Jan  1 12:00:00 2026" },
		{ 'm', "arm" },
		{ 'p', "cortex-m4" },
		{ 'i', b->set.board_id ? b->set.board_id : "sim_board" },
		{ 'o', "Zephyr" },
	};
	struct payload_value format = { 0 };
	struct payload_want want[] = { WANT_TEXT("format", &format) };
	const char *letters;
	char out[512] = "";
	size_t n = 0;

	if (request_get(req, want, ARRAY_SIZE(want)))
		return RC_INVAL;
	letters = format.len ? (const char *)format.data : "s";
	for (size_t i = 0; i < format.len; i++)
		if (!memchr("asnrvbmpio", letters[i], 10) || (letters[i] == 'b' && !b->set.build_time)) {
			reply_error(reply, GROUP_OS, OS_INVALID_FORMAT);
			return 0;
		}
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		size_t len = format.len ? format.len : 1;

		if (!memchr(letters, fields[i].letter, len) && !memchr(letters, 'a', len))
			continue;
		if (fields[i].letter == 'b' && !b->set.build_time)
			continue;
		n += (size_t)snprintf(out + n, sizeof(out) - n, "%s%s", n ? " " : "",
				      fields[i].text);
		if (n >= sizeof(out))
			return RC_MSGSIZE;
	}
	writer_pair_text(&reply->w, "output", out);
	return 0;
}

int os_bootloader(struct board *b, const struct request *req, struct reply *reply)
{
	struct payload_value query = { 0 };
	struct payload_want want[] = { WANT_TEXT("query", &query) };

	if (request_get(req, want, ARRAY_SIZE(want)))
		return RC_INVAL;
	if (!want[0].found) {
		writer_pair_text(&reply->w, "bootloader", "MCUboot");
	} else if (query.len == 4 && !memcmp(query.data, "mode", 4)) {
		writer_pair_int(&reply->w, "mode", boot_mode_number(b->set.mode));
		if (!b->set.downgrade)
			writer_pair_bool(&reply->w, "no-downgrade", true);
	} else {
		reply_error(reply, GROUP_OS, OS_QUERY_YIELDS_NO_ANSWER);
	}
	return 0;
}
