/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/screen.h"
#include "libclient/mcumgrctl/table.h"
#include "libclient/mcumgrctl/text.h"
#include "proto/macro.h"

#define FRAME_MS 200     /* a terminal's bars move this often by themselves */
#define FRAME_MIN_MS 40  /* and never more often: a fast upload has hundreds of replies a second */
#define LINES_MS 1000    /* looks for a line that is due */
#define PATIENCE_MS 1000 /* a call without progress is shown after this */
#define NAME_WIDTH_MAX 24

static bool shows_progress(const struct ctl *ctl)
{
	return ctl->verb->flags & (VERB_JOB | VERB_FOLLOWS | VERB_TRANSFER) && !ctl->json && !ctl->quiet;
}

int display_wait_ms(const struct ctl *ctl)
{
	if (ctl->verb->flags & VERB_FOREVER)
		return -1;
	if (screen_active())
		return FRAME_MS;
	return shows_progress(ctl) ? LINES_MS : -1;
}

/* ---- lines for everything but terminals ---- */

static void print_line(struct board *b, const char *line)
{
	if (b->ctl->all)
		printf("%s: %s\n", show(b->name), line);
	else
		printf("%s\n", line);
	fflush(stdout);
}

static void print_lines(struct board *b)
{
	char *line;

	while (b->started && !b->finished && (line = progress_line(&b->progress, ctl_now()))) {
		print_line(b, line);
		free(line);
	}
}

/* ---- the block on a terminal ---- */

static char *running(struct board *b, size_t width)
{
	uint64_t now = ctl_now();
	_cleanup_free_ char *since = progress_time(now - b->progress.since);

	if (!b->started)
		return format("waits for its turn");
	if (shows_progress(b->ctl) && *b->progress.step)
		return progress_bar(&b->progress, now, width);
	return format("%s: waiting for the %s  %s", verb_title(b->ctl->verb),
		shows_progress(b->ctl) ? "daemon" : "board", since);
}

static char *ended(const struct board *b)
{
	_cleanup_free_ char *detail = text_clean(b->detail);

	return *detail ? format("%s: %s", b->result, detail) : format("%s", b->result);
}

static size_t name_width(const struct ctl *ctl)
{
	size_t width = 0, i;

	for (i = 0; i < ctl->count; i++) {
		size_t w = text_width(show(ctl->boards[i].name));

		if (w > width)
			width = w;
	}
	return width < NAME_WIDTH_MAX ? width : NAME_WIDTH_MAX;
}

static char *block_line(struct board *b, size_t names)
{
	size_t width = screen_width() - 1, own = names + 2 < width ? width - names - 2 : 0;
	_cleanup_free_ char *state = b->finished ? ended(b) : running(b, b->ctl->all ? own : width);
	const char *name;
	size_t fit;

	if (!b->ctl->all)
		return TAKE_PTR(state);
	name = show(b->name);
	fit = text_fit(name, names);
	return format("%.*s%*s  %s", (int)fit, name,
		(int)(names - text_width(name) > names ? 0 : names - text_width(name)), "", state);
}

/* Boards that run come first where the block is too small for all. */
static size_t pick(struct ctl *ctl, struct board **picked, size_t room)
{
	size_t n = 0, i;
	int pass;

	if (ctl->count <= room)
		for (i = 0; i < ctl->count; i++)
			picked[n++] = &ctl->boards[i];
	for (pass = 0; ctl->count > room && pass < 2; pass++)
		for (i = 0; i < ctl->count && n < room; i++)
			if (ctl->boards[i].finished == (pass == 1))
				picked[n++] = &ctl->boards[i];
	return n;
}

static size_t count_finished(const struct ctl *ctl)
{
	size_t n = 0, i;

	for (i = 0; i < ctl->count; i++)
		n += ctl->boards[i].finished;
	return n;
}

static void draw_block(struct ctl *ctl)
{
	size_t room = screen_height() > 3 ? screen_height() - 2 : 1, names = ctl->all ? name_width(ctl) : 0, n, i;
	struct board **picked = calloc(ctl->count + 1, sizeof(*picked));
	char **lines = calloc(ctl->count + 2, sizeof(*lines));

	if (!picked || !lines)
		out_of_memory();
	n = pick(ctl, picked, room);
	for (i = 0; i < n; i++)
		lines[i] = block_line(picked[i], names);
	if (n < ctl->count)
		lines[n++] = format(
			"... and %zu more; %zu of %zu have ended", ctl->count - i, count_finished(ctl), ctl->count);
	screen_draw(lines, n);
	for (i = 0; i < n; i++)
		free(lines[i]);
	free(lines);
	free(picked);
}

void display_update(struct ctl *ctl)
{
	static uint64_t drawn;
	uint64_t now = ctl_now();
	bool waited = ctl->count && now - ctl->boards[0].progress.since >= PATIENCE_MS;
	size_t i;

	if (ctl->quiet || ctl->json || ctl->verb->flags & VERB_FOREVER)
		return;
	if (screen_active()) {
		if ((shows_progress(ctl) || waited) && now - drawn >= FRAME_MIN_MS) {
			draw_block(ctl);
			drawn = now;
		}
		return;
	}
	for (i = 0; shows_progress(ctl) && i < ctl->count; i++)
		print_lines(&ctl->boards[i]);
}

/* ---- what stays ---- */

static void print_indented(const char *name, char *text)
{
	char *rest = text, *line = strsep(&rest, "\n");

	if (!rest || !*rest) {
		printf("%s: %s\n", name, line);
		return;
	}
	printf("%s:\n", name);
	for (; line; line = strsep(&rest, "\n"))
		if (*line || rest)
			printf(*line ? "  %s\n" : "\n", line);
}

void display_finished(struct board *b)
{
	const struct ctl *ctl = b->ctl;

	if (ctl->json || !b->text_size)
		return;
	/* The block shows it, and the table will. */
	if (ctl->all && screen_active() && shows_progress(ctl))
		return;
	screen_clear();
	if (ctl->all)
		print_indented(show(b->name), b->text);
	else
		fwrite(b->text, 1, b->text_size, stdout);
	fflush(stdout);
}

void display_table(struct ctl *ctl)
{
	static const char *const columns[] = { "DEVICE", "RESULT", "DETAIL", NULL };
	struct table *t;
	size_t i;

	if (!ctl->all || ctl->json || ctl->quiet)
		return;
	t = table_new(columns);
	for (i = 0; i < ctl->count; i++) {
		const struct board *b = &ctl->boards[i];

		table_row(t, (const char *const[]){ b->name, b->result, b->detail });
	}
	table_print(t, stdout);
}
