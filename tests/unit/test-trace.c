/* SPDX-License-Identifier: MIT */

/* The ring of what went over a line, and its readers. */

#include <check.h>
#include <errno.h>
#include <string.h>

#include "daemon/job-evidence.h"
#include "daemon/limits.h"
#include "daemon/trace.h"
#include "tests/unit/suite.h"

static unsigned int told, ended;

static void on_ready(struct trace_reader *r)
{
	(void)r;
	told++;
}

static void on_ended(struct trace_reader *r)
{
	(void)r;
	ended++;
}

static void add(struct trace *t, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		trace_event(t, TRACE_TYPED, i, NULL);
}

static uint64_t number_at(const struct trace *t, size_t index)
{
	struct trace_entry e;
	ck_assert_int_eq(trace_at(t, index, &e), 0);
	return e.number;
}

START_TEST(bounded)
{
	_cleanup_(trace_freep) struct trace *t = NULL;
	struct trace_entry e;
	ck_assert_int_eq(trace_new(&t), 0);
	ck_assert_int_eq(trace_at(t, 0, &e), -ENOENT);
	add(t, LIMIT_TRACE_ENTRIES);
	ck_assert_uint_eq(trace_dropped(t), 0);
	ck_assert_uint_eq(number_at(t, 0), 1);
	add(t, 1);
	ck_assert_uint_eq(trace_dropped(t), 1);
	ck_assert_uint_eq(trace_count(t), LIMIT_TRACE_ENTRIES);
	ck_assert_uint_eq(number_at(t, 0), 2);
	ck_assert_uint_eq(number_at(t, LIMIT_TRACE_ENTRIES - 1), LIMIT_TRACE_ENTRIES + 1);
	ck_assert_int_eq(trace_at(t, LIMIT_TRACE_ENTRIES, &e), -ENOENT);
}
END_TEST

START_TEST(texts_are_cut)
{
	_cleanup_(trace_freep) struct trace *t = NULL;
	ck_assert_int_eq(trace_new(&t), 0);
	struct trace_entry e;
	trace_event(t, TRACE_CLOSE, 0, "%0200d", 1);
	ck_assert_int_eq(trace_at(t, 0, &e), 0);
	ck_assert_uint_eq(strlen(e.text), TRACE_TEXT - 1);
	ck_assert_str_eq(trace_kind_name(e.kind), "close");
}
END_TEST

/* Kept and read again: nothing of an entry is lost in its small form, also when the ring grows and wraps. */
static const struct trace_entry entries[] = {
	{ .kind = TRACE_SENT, .op = 2, .sequence = 255, .id = 1, .group = 65535, .size = UINT32_MAX, .attempt = 65535, .rc = -1 },
	{ .kind = TRACE_TIMEOUT, .op = 2, .sequence = 255, .id = 1, .group = 1, .size = 380, .attempt = 2, .rc = -1 },
	{ .kind = TRACE_RECEIVED, .op = 3, .sequence = 7, .id = 255, .group = 8, .round_trip_us = UINT32_MAX, .rc = 0, .rc_group = -1 },
	{ .kind = TRACE_RECEIVED, .op = 1, .round_trip_us = 1, .rc = INT64_MAX, .rc_group = INT16_MAX },
	{ .kind = TRACE_RECEIVED, .op = 1, .rc = -1 },
	{ .kind = TRACE_STALE, .op = 1, .group = 64, .rc = -1 },
	{ .kind = TRACE_DAMAGED, .rc = -1, .text = "checksum" },
	{ .kind = TRACE_OPEN, .rc = -1, .text = "/dev/ttyACM0, which was open all the time" },
	{ .kind = TRACE_TYPED, .size = 3, .rc = -1 },
	{ .kind = TRACE_MARK, .rc = -1, .text = "*** Booting Zephyr OS" },
};

START_TEST(kept_whole)
{
	_cleanup_(trace_freep) struct trace *t = NULL;
	const unsigned int more = LIMIT_TRACE_ENTRIES + 3;
	struct trace_entry e;
	ck_assert_int_eq(trace_new(&t), 0);
	for (size_t i = 0; i < more; i++)
		trace_add(t, &entries[i % ARRAY_SIZE(entries)]);
	for (size_t i = 0; i < LIMIT_TRACE_ENTRIES; i++) {
		const struct trace_entry *want = &entries[(i + 3) % ARRAY_SIZE(entries)];
		ck_assert_int_eq(trace_at(t, i, &e), 0);
		ck_assert_uint_eq(e.number, i + 4);
		ck_assert_uint_gt(e.time_us, 0);
		ck_assert_int_eq(e.kind, want->kind);
		ck_assert_uint_eq(e.op, want->op);
		ck_assert_uint_eq(e.sequence, want->sequence);
		ck_assert_uint_eq(e.id, want->id);
		ck_assert_uint_eq(e.group, want->group);
		ck_assert_uint_eq(e.size, want->size);
		ck_assert_uint_eq(e.round_trip_us, want->round_trip_us);
		ck_assert_uint_eq(e.attempt, want->attempt);
		ck_assert_int_eq(e.rc_group, want->rc_group);
		ck_assert(e.rc == want->rc);
		ck_assert_str_eq(e.text, want->text);
	}
}
END_TEST

/* backlog asked for; entries it begins with, lost before them; 3 there, or more than are kept. */
static const struct {
	unsigned int there;
	size_t backlog;
	unsigned int lost, first;
} rows[] = {
	{ 3, SIZE_MAX, 0, 1 }, { 3, 0, 0, 4 }, { 3, 2, 0, 2 }, { 3, 3, 0, 1 }, { 3, 99, 0, 1 },
	{ LIMIT_TRACE_ENTRIES + 7, SIZE_MAX, 7, 8 }, { LIMIT_TRACE_ENTRIES + 7, 1, 0, LIMIT_TRACE_ENTRIES + 7 },
};

START_TEST(readers)
{
	_cleanup_(trace_freep) struct trace *t = NULL;
	struct trace_reader r = { .ready = on_ready, .ended = on_ended };
	struct trace_entry e;
	uint64_t lost = 0;
	told = ended = 0;
	ck_assert_int_eq(trace_new(&t), 0);
	add(t, rows[_i].there);
	trace_follow(t, &r, rows[_i].backlog);
	add(t, 1);
	ck_assert_uint_eq(told, 1);
	for (unsigned int number = rows[_i].first; number <= rows[_i].there + 1; number++) {
		/* The entry that came while it followed pushed one more out. */
		ck_assert(trace_read(&r, &e, &lost));
		if (number == rows[_i].first && rows[_i].lost) {
			ck_assert_uint_eq(lost, rows[_i].lost + 1);
			number++;
		} else {
			ck_assert_uint_eq(lost, 0);
		}
		ck_assert_uint_eq(e.number, number);
	}
	ck_assert(!trace_read(&r, &e, &lost));
	trace_free(TAKE_PTR(t));
	ck_assert_uint_eq(ended, 1);
	trace_unfollow(&r);
}
END_TEST

/* The ends of both rings, in copies that outlive them. */
START_TEST(evidence)
{
	_cleanup_free_ struct job_evidence *e = NULL;
	struct trace *t;
	struct console *c;
	char line[LIMIT_EVIDENCE_LINE_BYTES + 2];
	static const struct console_callbacks none;
	ck_assert_int_eq(trace_new(&t), 0);
	ck_assert_int_eq(console_new(&none, NULL, &c), 0);
	add(t, LIMIT_EVIDENCE_ENTRIES + 1);
	memset(line, 'x', sizeof(line));
	line[sizeof(line) - 1] = '\n';
	for (unsigned int i = 0; i < LIMIT_EVIDENCE_LINES; i++)
		console_feed(c, (const uint8_t *)"old\n", 4, i);
	console_feed(c, (const uint8_t *)line, sizeof(line), 9);
	e = job_evidence_new(c, t);
	console_free(c);
	trace_free(t);
	ck_assert_uint_eq(e->line_count, LIMIT_EVIDENCE_LINES);
	ck_assert_uint_eq(e->lines[0].number, 2);
	ck_assert_uint_eq(e->lines[LIMIT_EVIDENCE_LINES - 1].size, LIMIT_EVIDENCE_LINE_BYTES);
	ck_assert_mem_eq(e->lines[LIMIT_EVIDENCE_LINES - 1].text, line, LIMIT_EVIDENCE_LINE_BYTES);
	ck_assert_uint_eq(e->entry_count, LIMIT_EVIDENCE_ENTRIES);
	ck_assert_uint_eq(e->entries[0].number, 2);
}
END_TEST

/* In the record of a job and out of it again. */
START_TEST(evidence_is_recorded)
{
	_cleanup_(record_freep) struct record *r = NULL;
	_cleanup_free_ struct job_evidence *before = NULL, *after = NULL;
	_cleanup_(trace_freep) struct trace *t = NULL;
	_cleanup_(console_freep) struct console *c = NULL;
	static const struct console_callbacks none;
	static const uint8_t printed[] = "ASSERTION FAIL\n\n\0\xff\x1b[31m\n";
	const struct trace_entry answer = {.kind = TRACE_RECEIVED, .op = 3, .group = 65535, .id = 255, .sequence = 254, .size = 4000000000,
		.round_trip_us = 3999999999, .rc_group = -1, .rc = INT64_MAX};
	ck_assert_int_eq(trace_new(&t), 0);
	ck_assert_int_eq(console_new(&none, NULL, &c), 0);
	ck_assert_int_eq(record_new(&r), 0);
	console_feed(c, printed, sizeof(printed) - 1, 7);
	trace_add(t, &answer);
	trace_event(t, TRACE_CLOSE, 0, "%s", " 100% \n=\xff");
	trace_event(t, TRACE_TYPED, 5, NULL);
	before = job_evidence_new(c, t);
	ck_assert_int_eq(job_evidence_remember(before, r), 0);
	ck_assert_int_eq(job_evidence_restore(r, &after), 0);
	ck_assert_uint_eq(after->line_count, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct console_line *a = &after->lines[i], *b = &before->lines[i];
		ck_assert_uint_eq(a->number, b->number);
		ck_assert_uint_eq(a->time_us, b->time_us);
		ck_assert_int_eq(a->mark, b->mark);
		ck_assert_uint_eq(a->size, b->size);
		ck_assert_mem_eq(a->text, b->text, b->size);
	}
	ck_assert_uint_eq(after->entry_count, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct trace_entry *a = &after->entries[i], *b = &before->entries[i];
		ck_assert_uint_eq(a->number, b->number);
		ck_assert_uint_eq(a->time_us, b->time_us);
		ck_assert_int_eq(a->kind, b->kind);
		ck_assert_uint_eq(a->op, b->op);
		ck_assert_uint_eq(a->group, b->group);
		ck_assert_uint_eq(a->id, b->id);
		ck_assert_uint_eq(a->sequence, b->sequence);
		ck_assert_uint_eq(a->size, b->size);
		ck_assert_uint_eq(a->round_trip_us, b->round_trip_us);
		ck_assert_uint_eq(a->attempt, b->attempt);
		ck_assert_int_eq(a->rc_group, b->rc_group);
		ck_assert_int_eq(a->rc, b->rc);
		ck_assert_str_eq(a->text, b->text);
	}
}
END_TEST

/* The largest there can be fits a record. */
START_TEST(largest_evidence_is_recorded)
{
	_cleanup_(record_freep) struct record *r = NULL, *again = NULL;
	_cleanup_free_ struct job_evidence *e = calloc(1, sizeof(*e)), *after = NULL;
	_cleanup_free_ char *text = NULL;
	size_t size;
	ck_assert_int_eq(record_new(&r), 0);
	memset(e->text, 0xff, sizeof(e->text));
	for (e->line_count = 0; e->line_count < LIMIT_EVIDENCE_LINES; e->line_count++)
		e->lines[e->line_count] = (struct console_line){.number = INT64_MAX, .time_us = INT64_MAX, .text = e->text[e->line_count],
			.size = LIMIT_EVIDENCE_LINE_BYTES, .mark = CONSOLE_MCUBOOT_BOOT};
	for (e->entry_count = 0; e->entry_count < LIMIT_EVIDENCE_ENTRIES; e->entry_count++) {
		e->entries[e->entry_count] = (struct trace_entry){.number = INT64_MAX, .time_us = INT64_MAX, .kind = TRACE_RECEIVED, .op = 255,
			.group = 65535, .id = 255, .sequence = 255, .size = UINT32_MAX, .round_trip_us = UINT32_MAX, .attempt = 65535,
			.rc_group = INT16_MAX, .rc = INT64_MAX};
		memset(e->entries[e->entry_count].text, 0xff, TRACE_TEXT - 1);
	}
	ck_assert_int_eq(job_evidence_remember(e, r), 0);
	text = record_print(r, &size);
	ck_assert_uint_lt(size + 3 * LIMIT_JOB_FAILURE_BYTES + 4096, RECORD_BYTES_MAX);
	ck_assert_int_eq(record_parse(text, size, &again, NULL), 0);
	ck_assert_int_eq(job_evidence_restore(again, &after), 0);
	ck_assert_uint_eq(after->line_count, LIMIT_EVIDENCE_LINES);
	ck_assert_uint_eq(after->entry_count, LIMIT_EVIDENCE_ENTRIES);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("trace");
	TCase *tcase = tcase_create("trace");
	tcase_add_test(tcase, bounded);
	tcase_add_test(tcase, texts_are_cut);
	tcase_add_test(tcase, kept_whole);
	tcase_add_loop_test(tcase, readers, 0, (int)ARRAY_SIZE(rows));
	tcase_add_test(tcase, evidence);
	tcase_add_test(tcase, evidence_is_recorded);
	tcase_add_test(tcase, largest_evidence_is_recorded);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
