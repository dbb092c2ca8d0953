/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/progress.h"
#include "libclient/mcumgrctl/text.h"
#include "proto/macro.h"

#define STEP_WIDTH 10
#define BAR_MIN 10
#define BAR_MAX 40
#define RATE_FIRST_MS 500 /* shorter samples say little */

void progress_start(struct progress *p, uint64_t now)
{
	*p = (struct progress){ .since = now, .step_since = now, .line_time = now, .line_tenth = -1 };
}

void progress_release(struct progress *p)
{
	free(TAKE_PTR(p->message));
}

static void begin_step(struct progress *p, const char *step, uint64_t now)
{
	_cleanup_free_ char *clean = text_clean(step);
	size_t length = strlen(clean);

	/* Too long for any step of the API; cut between two characters. */
	if (length >= sizeof(p->step))
		for (length = sizeof(p->step) - 1; length && ((unsigned char)clean[length] & 0xc0) == 0x80; length--)
			;
	clean[length] = 0;
	if (strcmp(p->step, clean) == 0)
		return;
	memcpy(p->step, clean, length + 1);
	p->step_since = p->rate_time = now;
	p->done = p->total = 0;
	p->rate = 0;
	p->rate_done = -1;
	progress_release(p);
}

/* A moving average: old samples count half after about two seconds. */
static void measure(struct progress *p, uint64_t now)
{
	double sample, weight;
	uint64_t elapsed = now - p->rate_time;

	if (p->rate_done < 0 || p->done < p->rate_done) {
		/* What a resumed upload starts with was not sent now. */
		p->rate_done = p->done;
		p->rate_time = now;
		return;
	}
	if (elapsed < RATE_FIRST_MS)
		return;
	sample = (double)(p->done - p->rate_done) * 1000 / (double)elapsed;
	weight = (double)elapsed / (double)(elapsed + 2000);
	p->rate = p->rate > 0 ? p->rate + (sample - p->rate) * weight : sample;
	p->rate_done = p->done;
	p->rate_time = now;
}

static void take_message(struct progress *p, const char *message)
{
	_cleanup_free_ char *clean = text_clean(message);

	if (!*clean || (p->message && strcmp(p->message, clean) == 0))
		return;
	free(p->message);
	p->message = TAKE_PTR(clean);
	p->line_message = true;
}

void progress_update(struct progress *p, json_object *reply, uint64_t now)
{
	const char *step = member_string(reply, "step"), *message = member_string(reply, "message");
	int64_t percent = p->percent, done = 0, total = 0;

	if (step)
		begin_step(p, step, now);
	if (member_int(reply, "percent", &percent) && percent >= 0 && percent <= 100)
		p->percent = (int)percent;
	if (member_int(reply, "totalBytes", &total) && total > 0 && member_int(reply, "doneBytes", &done) &&
		done >= 0) {
		p->done = done < total ? done : total;
		p->total = total;
		measure(p, now);
	}
	take_message(p, message);
}

int progress_percent(const struct progress *p)
{
	return p->total ? (int)((double)p->done * 100 / (double)p->total) : p->percent;
}

char *progress_bytes(int64_t bytes)
{
	if (bytes < 1024)
		return format("%" PRId64 " B", bytes);
	if (bytes < 10 << 20)
		return format("%.1f KiB", (double)bytes / 1024);
	return format("%.1f MiB", (double)bytes / 1048576);
}

char *progress_time(uint64_t ms)
{
	unsigned int seconds = (unsigned int)((ms + 500) / 1000);

	if (seconds >= 3600)
		return format("%u:%02u:%02u", seconds / 3600, seconds / 60 % 60, seconds % 60);
	return format("%u:%02u", seconds / 60, seconds % 60);
}

/* "123.4 KiB of 272.0 KiB  31.2 KiB/s  0:05 left"; detail 0 to 3: how much of it. */
static char *counts(const struct progress *p, uint64_t now, int detail)
{
	_cleanup_free_ char *done = progress_bytes(p->done), *total = progress_bytes(p->total), *rate = NULL,
			    *left = NULL;

	if (!p->total) {
		/* Nothing to count: what it says, and how long it takes by now. */
		left = progress_time(now - p->step_since);
		if (p->message && detail >= 3)
			return format("  %s  %s", left, p->message);
		return detail && now - p->step_since >= 1000 ? format("  %s", left) : format("%s", "");
	}
	if (p->rate < 1 || p->done >= p->total)
		return detail >= 3 ? format("  %s of %s", done, total) : format("%s", "");
	rate = progress_bytes((int64_t)p->rate);
	left = progress_time((uint64_t)((double)(p->total - p->done) * 1000 / p->rate));
	if (detail >= 3)
		return format("  %s of %s  %s/s  %s left", done, total, rate, left);
	if (detail == 2)
		return format("  %s/s  %s left", rate, left);
	return detail ? format("  %s left", left) : format("%s", "");
}

char *progress_bar(const struct progress *p, uint64_t now, size_t width)
{
	char bar[BAR_MAX + 1];
	size_t used, room, filled;
	int detail;

	/* The most detail that leaves room for a bar; none at all: no bar either. */
	for (detail = 3; detail >= 0; detail--) {
		_cleanup_free_ char *tail = counts(p, now, detail);

		used = STEP_WIDTH + strlen("  [] 100 %") + text_width(tail);
		if (width < used + BAR_MIN)
			continue;
		room = width - used < BAR_MAX ? width - used : BAR_MAX;
		filled = room * (size_t)p->percent / 100;
		memset(bar, '.', room);
		memset(bar, '#', filled);
		bar[room] = 0;
		return format("%-*s  [%s] %3d %%%s", STEP_WIDTH, p->step, bar, p->percent, tail);
	}
	return format("%.*s %d %%", (int)(width > 6 ? width - 6 : 0), p->step, p->percent);
}

static char *upload_line(const struct progress *p)
{
	_cleanup_free_ char *done = progress_bytes(p->done), *total = progress_bytes(p->total);
	_cleanup_free_ char *rate = progress_bytes((int64_t)p->rate);

	if (p->rate < 1)
		return format("%s %d %% (%s of %s)", p->step, progress_percent(p), done, total);
	return format("%s %d %% (%s of %s, %s/s)", p->step, progress_percent(p), done, total, rate);
}

char *progress_line(struct progress *p, uint64_t now)
{
	_cleanup_free_ char *since = progress_time(now - p->step_since);
	bool counted = p->total > 0, new_step = strcmp(p->step, p->line_step) != 0;
	/* A message does not stand for the tenth that it arrived in. */
	int tenth = p->line_message ? p->line_tenth : counted ? progress_percent(p) / 10 : -1;

	if (!*p->step)
		return NULL;
	if (!new_step && !p->line_message && tenth <= p->line_tenth && now - p->line_time < PROGRESS_PAUSE_MS)
		return NULL;
	memcpy(p->line_step, p->step, sizeof(p->line_step));
	p->line_tenth = new_step && p->line_message ? -1 : tenth;
	p->line_time = now;
	if (p->line_message) {
		p->line_message = false;
		return format("%s: %s", p->step, p->message);
	}
	if (counted)
		return upload_line(p);
	return new_step ? format("%s", p->step) : format("%s (for %s)", p->step, since);
}
