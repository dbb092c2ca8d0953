/* SPDX-License-Identifier: MIT */

#include "daemon/job-evidence.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/base64.h"

static void take_lines(struct job_evidence *e, const struct console *console)
{
	size_t count = console_count(console), first = count > LIMIT_EVIDENCE_LINES ? count - LIMIT_EVIDENCE_LINES : 0;

	for (size_t i = first; i < count; i++) {
		struct console_line *line = &e->lines[e->line_count];
		char *text = e->text[e->line_count];

		if (console_at(console, i, line) < 0)
			break;
		if (line->size > LIMIT_EVIDENCE_LINE_BYTES)
			line->size = LIMIT_EVIDENCE_LINE_BYTES;
		memcpy(text, line->text, line->size);
		line->text = text;
		e->line_count++;
	}
}

struct job_evidence *job_evidence_new(const struct console *console, const struct trace *trace)
{
	struct job_evidence *e = calloc(1, sizeof(*e));
	size_t count = trace_count(trace), first = count > LIMIT_EVIDENCE_ENTRIES ? count - LIMIT_EVIDENCE_ENTRIES : 0;

	if (!e)
		return NULL;
	take_lines(e, console);
	for (size_t i = first; i < count; i++)
		if (trace_at(trace, i, &e->entries[e->entry_count]) == 0)
			e->entry_count++;
	return e;
}

/* --- in a record ---------------------------------------------------------------------------------------------------- */

#define NO_MARK_WORD "-"

static void name_key(char *key, size_t size, const char *what, size_t index)
{
	snprintf(key, size, "%s_%02zu", what, index);
}

static const char *mark_word(enum console_mark mark)
{
	const char *name = console_mark_name(mark);
	return name ? name : NO_MARK_WORD;
}

static int remember_line(const struct console_line *l, const char *key, struct record *r)
{
	/* Base64: a board prints NULs, too. */
	_cleanup_free_ char *bytes = base64_encode(l->text, l->size, NULL), *value = NULL;

	if (!bytes ||
			asprintf(&value, "%" PRIu64 " %" PRIu64 " %s %s", l->number, l->time_us, mark_word(l->mark), bytes) < 0)
		return -ENOMEM;
	return record_set(r, key, value);
}

static int remember_entry(const struct trace_entry *e, const char *key, struct record *r)
{
	_cleanup_free_ char *value = NULL;

	if (asprintf(&value, "%" PRIu64 " %" PRIu64 " %s %u %u %u %u %u %u %u %d %" PRId64 " %s", e->number, e->time_us,
			    trace_kind_name(e->kind), e->op, e->group, e->id, e->sequence, e->size, e->round_trip_us,
			    e->attempt, e->rc_group, e->rc, e->text) < 0)
		return -ENOMEM;
	return record_set(r, key, value);
}

int job_evidence_remember(const struct job_evidence *e, struct record *r)
{
	char key[32];
	int error = 0;

	for (size_t i = 0; error == 0 && i < e->line_count; i++) {
		name_key(key, sizeof(key), "console", i);
		error = remember_line(&e->lines[i], key, r);
	}
	for (size_t i = 0; error == 0 && i < e->entry_count; i++) {
		name_key(key, sizeof(key), "trace", i);
		error = remember_entry(&e->entries[i], key, r);
	}
	return error;
}

/* A number with one space behind it; moves *p past that. */
static bool take(const char **p, int64_t low, int64_t high, int64_t *ret)
{
	char *end;

	if (!isdigit((unsigned char)**p) && **p != '-')
		return false;
	errno = 0;
	int64_t value = strtoll(*p, &end, 10);
	if (errno || end == *p || *end != ' ' || value < low || value > high)
		return false;
	*p = end + 1;
	*ret = value;
	return true;
}

static bool take_word(const char **p, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(*p, word, n) != 0 || (*p)[n] != ' ')
		return false;
	*p += n + 1;
	return true;
}

static bool take_mark(const char **p, enum console_mark *ret)
{
	for (int i = 0; i < CONSOLE_MARK_COUNT; i++)
		if (take_word(p, mark_word((enum console_mark)i))) {
			*ret = (enum console_mark)i;
			return true;
		}
	return false;
}

static int restore_line(const char *p, struct job_evidence *e)
{
	struct console_line *l = &e->lines[e->line_count];
	char *text = e->text[e->line_count];
	_cleanup_free_ uint8_t *bytes = NULL;
	int64_t number, time;

	if (!take(&p, 1, INT64_MAX, &number) || !take(&p, 0, INT64_MAX, &time) || !take_mark(&p, &l->mark))
		return -EBADMSG;
	int error = base64_decode(p, strlen(p), &bytes, &l->size, NULL);
	if (error == 0 && l->size > LIMIT_EVIDENCE_LINE_BYTES)
		error = -EBADMSG;
	if (error < 0)
		return error;
	l->number = (uint64_t)number;
	l->time_us = (uint64_t)time;
	l->text = memcpy(text, bytes, l->size);
	e->line_count++;
	return 0;
}

static bool take_kind(const char **p, enum trace_kind *ret)
{
	for (int i = 0; i < TRACE_KIND_COUNT; i++)
		if (take_word(p, trace_kind_name((enum trace_kind)i))) {
			*ret = (enum trace_kind)i;
			return true;
		}
	return false;
}

static int restore_entry(const char *p, struct job_evidence *e)
{
	static const struct {
		int64_t low, high;
	} bounds[] = {{0, UINT8_MAX}, {0, UINT16_MAX}, {0, UINT8_MAX}, {0, UINT8_MAX}, {0, UINT32_MAX}, {0, UINT32_MAX},
		{0, UINT16_MAX}, {-1, INT16_MAX}, {-1, INT64_MAX}};
	struct trace_entry *t = &e->entries[e->entry_count];
	int64_t number, time, n[ARRAY_SIZE(bounds)];

	if (!take(&p, 1, INT64_MAX, &number) || !take(&p, 0, INT64_MAX, &time) || !take_kind(&p, &t->kind))
		return -EBADMSG;
	for (size_t i = 0; i < ARRAY_SIZE(bounds); i++)
		if (!take(&p, bounds[i].low, bounds[i].high, &n[i]))
			return -EBADMSG;
	if (strlen(p) >= sizeof(t->text))
		return -EBADMSG;
	*t = (struct trace_entry){.number = (uint64_t)number, .time_us = (uint64_t)time, .kind = t->kind, .op = (uint8_t)n[0],
		.group = (uint16_t)n[1], .id = (uint8_t)n[2], .sequence = (uint8_t)n[3], .size = (uint32_t)n[4],
		.round_trip_us = (uint32_t)n[5], .attempt = (uint16_t)n[6], .rc_group = (int16_t)n[7], .rc = n[8]};
	snprintf(t->text, sizeof(t->text), "%s", p);
	e->entry_count++;
	return 0;
}

int job_evidence_restore(const struct record *r, struct job_evidence **ret)
{
	_cleanup_free_ struct job_evidence *e = calloc(1, sizeof(*e));
	const char *value;
	char key[32];
	int error = e ? 0 : -ENOMEM;

	for (size_t i = 0; error == 0 && i < LIMIT_EVIDENCE_LINES; i++) {
		name_key(key, sizeof(key), "console", i);
		if ((value = record_get(r, key)))
			error = restore_line(value, e);
	}
	for (size_t i = 0; error == 0 && i < LIMIT_EVIDENCE_ENTRIES; i++) {
		name_key(key, sizeof(key), "trace", i);
		if ((value = record_get(r, key)))
			error = restore_entry(value, e);
	}
	if (error < 0)
		return error;
	*ret = e->line_count || e->entry_count ? TAKE_PTR(e) : NULL;
	return 0;
}
