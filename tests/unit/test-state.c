/* SPDX-License-Identifier: MIT */

/* The state directory: records that survive any value and no damage, versions, locking. */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/state.h"
#include "tests/unit/suite.h"

static char dir[64];
static char *problem;

static void setup(void)
{
	strcpy(dir, "/tmp/test-state-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	problem = NULL;
}

static void teardown(void)
{
	char command[128];
	free(problem);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	ck_assert_int_eq(system(command), 0);
}

static void put(const char *name, const char *text)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	ck_assert_ptr_nonnull(f);
	fputs(text, f);
	fclose(f);
}

static const char *get(const char *name)
{
	static char text[4096];
	char path[256];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "r");
	if (!f)
		return NULL;
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	return text;
}

static struct state *open_state(void)
{
	struct state *s;
	int r = state_open(dir, &s, &problem);
	ck_assert_msg(r == 0, "%s", problem ? problem : strerror(-r));
	return s;
}

/* --- records ------------------------------------------------------------------------------------------------------ */

static const char *const values[] = {"", "plain", "with = and % and \\", "line\nfeed", "\x01\x7f\xff", "gr\xc3\xbc\xc3\x9f", "%41",
	" leading and trailing "};

START_TEST(any_value_comes_back)
{
	_cleanup_(record_freep) struct record *r = NULL, *again = NULL;
	size_t size;

	ck_assert_int_eq(record_new(&r), 0);
	ck_assert_int_eq(record_set(r, "before", "1"), 0);
	ck_assert_int_eq(record_set(r, "key", values[_i]), 0);
	ck_assert_int_eq(record_set(r, "after", "2"), 0);
	_cleanup_free_ char *text = record_print(r, &size);
	ck_assert_int_eq(record_parse(text, size, &again, NULL), 0);
	ck_assert_str_eq(record_get(again, "key"), values[_i]);
	ck_assert_str_eq(record_get(again, "before"), "1");
	ck_assert_uint_eq(record_number(again, "after", 0), 2);
}
END_TEST

static const struct {
	const char *text;
	int error;
	unsigned int line;
} damaged[] = {
	{"", 0, 0},
	{"a=1\n", 0, 0},
	{"a=1", -EBADMSG, 1},	     /* cut short */
	{"a=1\nb=2\nc=", -EBADMSG, 3},
	{"a=1\n\n", -EBADMSG, 2},
	{"no equals\n", -EBADMSG, 1},
	{"=1\n", -EBADMSG, 1},
	{"A=1\n", -EBADMSG, 1},
	{"a=1\na=2\n", -EBADMSG, 2}, /* twice */
	{"a=%\n", -EBADMSG, 1},
	{"a=%4\n", -EBADMSG, 1},
	{"a=%4g\n", -EBADMSG, 1},
	{"a=%00\n", -EBADMSG, 1},
	{"a=%0A\n", 0, 0},
	{"a=\x01\n", -EBADMSG, 1},
	{"a=\xff\n", -EBADMSG, 1},
};

START_TEST(damage_is_told)
{
	_cleanup_(record_freep) struct record *r = NULL;
	unsigned int line = 0;
	ck_assert_int_eq(record_parse(damaged[_i].text, strlen(damaged[_i].text), &r, &line), damaged[_i].error);
	ck_assert_uint_eq(line, damaged[_i].line);
}
END_TEST

START_TEST(numbers)
{
	_cleanup_(record_freep) struct record *r = NULL;
	record_new(&r);
	record_set_number(r, "big", UINT64_MAX);
	record_set(r, "word", "x");
	record_set(r, "tail", "1x");
	record_set(r, "minus", "-1");
	record_set(r, "over", "18446744073709551616");
	ck_assert_uint_eq(record_number(r, "big", 7), UINT64_MAX);
	ck_assert_uint_eq(record_number(r, "word", 7), 7);
	ck_assert_uint_eq(record_number(r, "tail", 7), 7);
	ck_assert_uint_eq(record_number(r, "minus", 7), 7);
	ck_assert_uint_eq(record_number(r, "over", 7), 7);
	ck_assert_uint_eq(record_number(r, "absent", 7), 7);
}
END_TEST

START_TEST(bounds)
{
	_cleanup_(record_freep) struct record *r = NULL, *none = NULL;
	char key[16];
	record_new(&r);
	for (int i = 0; i < RECORD_KEYS_MAX; i++) {
		snprintf(key, sizeof(key), "k%d", i);
		ck_assert_int_eq(record_set(r, key, "v"), 0);
	}
	ck_assert_int_eq(record_set(r, "one_more", "v"), -E2BIG);
	ck_assert_int_eq(record_set(r, "k3", "other"), 0);
	ck_assert_int_eq(record_set(r, "k3", NULL), 0);
	ck_assert_int_eq(record_set(r, "one_more", "v"), 0);
	_cleanup_free_ char *large = malloc(RECORD_BYTES_MAX + 1);
	memset(large, 'a', RECORD_BYTES_MAX + 1);
	large[1] = '=';
	large[RECORD_BYTES_MAX - 1] = '\n';
	ck_assert_int_eq(record_parse(large, RECORD_BYTES_MAX, &none, NULL), 0);
	record_free(TAKE_PTR(none));
	ck_assert_int_eq(record_parse(large, RECORD_BYTES_MAX + 1, &none, NULL), -E2BIG);
}
END_TEST

/* --- the directory ------------------------------------------------------------------------------------------------ */

static char loaded[512];

static void on_record(void *user, const char *name, const struct record *record, const char *what)
{
	size_t n = strlen(loaded);
	(void)user;
	snprintf(loaded + n, sizeof(loaded) - n, "%s:%s ", name, what ? what : record_get(record, "serial"));
}

static const char *load(struct state *s)
{
	loaded[0] = '\0';
	ck_assert_int_eq(state_load(s, "boards", on_record, NULL), 0);
	return loaded;
}

/* And waits until it is on the disk. */
static int save_kind(struct state *s, const char *kind, const char *name, const char *serial)
{
	_cleanup_(record_freep) struct record *r = NULL;
	uv_loop_t loop;
	uv_loop_init(&loop);
	record_new(&r);
	record_set(r, "serial", serial);
	int e = state_save_later(s, &loop, kind, name, r, NULL, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	return e;
}

static int save(struct state *s, const char *name, const char *serial)
{
	return save_kind(s, "boards", name, serial);
}

START_TEST(remembers)
{
	struct state *s = open_state();
	ck_assert_int_eq(save(s, "one", "S1"), 0);
	ck_assert_int_eq(save(s, "one", "S2"), 0);
	state_close(s);
	s = open_state();
	ck_assert_str_eq(load(s), "one:S2 ");
	ck_assert_int_eq(state_forget(s, "boards", "one"), 0);
	ck_assert_int_eq(state_forget(s, "boards", "one"), 0);
	ck_assert_str_eq(load(s), "");
	state_close(s);
}
END_TEST

static void done(void *user _unused_, const char *name)
{
	strcat(strcat(loaded, name), " ");
}

static void done_then(void *user, const char *name)
{
	ck_assert_ptr_null(name);
	strcat(strcat(loaded, user), " ");
}

/* On the disk once the loop has run, in this order. */
START_TEST(saves_later)
{
	_cleanup_(record_freep) struct record *r = NULL;
	struct state *s = open_state(), *other;
	uv_loop_t loop;
	loaded[0] = '\0';
	uv_loop_init(&loop);
	record_new(&r);
	record_set(r, "serial", "L\x01");
	ck_assert_int_eq(save(s, "two", "old"), 0);
	ck_assert_int_eq(save_kind(s, "jobs", "two", "old"), 0);
	ck_assert_int_eq(state_save_later(s, &loop, "boards", "../two", r, NULL, NULL), -EINVAL);
	ck_assert_int_eq(state_forget_later(s, &loop, "boards", "../two"), -EINVAL);
	ck_assert_int_eq(state_then(s, &loop, done_then, (char *)"now"), 0);
	ck_assert_str_eq(loaded, "now ");
	ck_assert_int_eq(state_save_later(s, &loop, "boards", "two", r, done, NULL), 0);
	ck_assert_int_eq(state_forget_later(s, &loop, "jobs", "two"), 0);
	ck_assert_int_eq(state_forget_later(s, &loop, "jobs", "never"), 0);
	ck_assert_int_eq(state_save_later(s, &loop, "boards", "three", r, done, NULL), 0);
	ck_assert_int_eq(state_save_later(s, &loop, "none", "four", r, done, NULL), 0); /* logged */
	ck_assert_int_eq(state_save_later(s, &loop, "boards", "five", r, NULL, NULL), 0);
	ck_assert_int_eq(state_forget_later(s, &loop, "boards", "five"), 0);
	ck_assert_int_eq(state_forget_later(s, &loop, "boards", "six"), 0);
	ck_assert_int_eq(state_save_later(s, &loop, "boards", "six", r, done, NULL), 0);
	ck_assert_int_eq(state_then(s, &loop, done_then, (char *)"then"), 0);
	record_set(r, "serial", "changed");
	ck_assert_int_eq(state_save_later(s, &loop, "boards", "six", r, done, NULL), 0);
	ck_assert_str_eq(loaded, "now ");
	/* What is on its way keeps others out. */
	state_close(s);
	ck_assert_int_eq(state_open(dir, &other, &problem), -EBUSY);
	free(TAKE_PTR(problem));
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0);
	s = open_state();
	ck_assert_ptr_null(get("jobs/two"));
	ck_assert_str_eq(get("boards/two"), "serial=L%01\n");
	ck_assert_str_eq(get("boards/three"), "serial=L%01\n");
	ck_assert_ptr_null(get("boards/five"));
	ck_assert_str_eq(get("boards/six"), "serial=changed\n");
	ck_assert_str_eq(loaded, "now two three four six then six ");
	state_close(s);
	ck_assert_int_eq(state_open(NULL, &s, &problem), 0);
	ck_assert_int_eq(state_save_later(s, &loop, "boards", "two", r, done, NULL), 0);
	ck_assert_int_eq(state_forget_later(s, &loop, "boards", "two"), 0);
	ck_assert_str_eq(loaded, "now two three four six then six two ");
	state_close(s);
}
END_TEST

START_TEST(names_cannot_lead_out)
{
	static const char *const names[] = {"", ".", "..", "../x", "a/b", ".hidden", "UPPER", "a b"};
	struct state *s = open_state();
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		ck_assert_int_eq(save(s, names[i], "S"), -EINVAL);
	state_close(s);
}
END_TEST

START_TEST(a_damaged_record_is_told_and_left)
{
	struct state *s = open_state();
	put("boards/half", "serial=S");
	ck_assert_str_eq(load(s), "half:line 1 is damaged ");
	ck_assert_str_eq(get("boards/half"), "serial=S");
	state_close(s);
}
END_TEST

START_TEST(a_record_that_was_being_written_is_ignored)
{
	struct state *s = open_state();
	put("boards/.new", "serial=S");
	ck_assert_str_eq(load(s), "");
	ck_assert_int_eq(save(s, "one", "S1"), 0);
	ck_assert_str_eq(load(s), "one:S1 ");
	state_close(s);
}
END_TEST

START_TEST(parents_are_made)
{
	struct state *s;
	char path[128];
	struct stat st;
	snprintf(path, sizeof(path), "%s/a/b", dir);
	ck_assert_int_eq(state_open(path, &s, &problem), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0700);
	state_close(s);
}
END_TEST

static const struct {
	const char *version;
	const char *says;
} versions[] = {
	{"2\n", "newer mcumgrd wrote it (version 2, this one knows 1)"},
	{"4294967295\n", "newer"},
	{"0\n", "is it a directory of mcumgrd?"},
	{"x\n", "is it a directory of mcumgrd?"},
};

START_TEST(a_version_that_the_disk_has_emptied_is_written_again)
{
	state_close(open_state());
	put("version", "");
	state_close(open_state());
	ck_assert_str_eq(get("version"), "1\n");
}
END_TEST

START_TEST(other_versions_are_refused)
{
	struct state *s;
	put("version", versions[_i].version);
	ck_assert_int_eq(state_open(dir, &s, &problem), -EPROTO);
	ck_assert_msg(strstr(problem, versions[_i].says) != NULL, "%s", problem);
	ck_assert_msg(strstr(problem, dir) != NULL, "%s", problem);
	ck_assert_str_eq(get("version"), versions[_i].version);
}
END_TEST

START_TEST(one_daemon_at_a_time)
{
	struct state *s = open_state(), *other;
	ck_assert_int_eq(state_open(dir, &other, &problem), -EBUSY);
	ck_assert_msg(strstr(problem, "another daemon uses it") != NULL, "%s", problem);
	state_close(s);
	s = open_state();
	state_close(s);
}
END_TEST

START_TEST(no_directory)
{
	struct state *s;
	put("file", "");
	char path[128];
	snprintf(path, sizeof(path), "%s/file", dir);
	ck_assert_int_lt(state_open(path, &s, &problem), 0);
	ck_assert_msg(strstr(problem, path) != NULL, "%s", problem);
}
END_TEST

START_TEST(without_a_directory_nothing_is_remembered)
{
	struct state *s;
	ck_assert_int_eq(state_open(NULL, &s, &problem), 0);
	ck_assert_int_eq(save(s, "one", "S1"), 0);
	ck_assert_str_eq(load(s), "");
	state_close(s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("state");
	TCase *t = tcase_create("state");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, any_value_comes_back, 0, ARRAY_SIZE(values));
	tcase_add_loop_test(t, damage_is_told, 0, ARRAY_SIZE(damaged));
	tcase_add_test(t, numbers);
	tcase_add_test(t, bounds);
	tcase_add_test(t, remembers);
	tcase_add_test(t, saves_later);
	tcase_add_test(t, names_cannot_lead_out);
	tcase_add_test(t, a_damaged_record_is_told_and_left);
	tcase_add_test(t, a_record_that_was_being_written_is_ignored);
	tcase_add_test(t, parents_are_made);
	tcase_add_test(t, a_version_that_the_disk_has_emptied_is_written_again);
	tcase_add_loop_test(t, other_versions_are_refused, 0, ARRAY_SIZE(versions));
	tcase_add_test(t, one_daemon_at_a_time);
	tcase_add_test(t, no_directory);
	tcase_add_test(t, without_a_directory_nothing_is_remembered);
	suite_add_tcase(s, t);
	return suite_run_in_process(s);
}
