/* SPDX-License-Identifier: MIT */

/* Who has which role, by configuration and credentials. Numbers stand for users and groups. */

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/log.h"
#include "daemon/peer.h"
#include "daemon/role.h"
#include "tests/unit/suite.h"

#define OWN 990
#define SOCKET_GROUP 500

uid_t __wrap_geteuid(void);
uid_t __wrap_geteuid(void)
{
	return OWN;
}

static const struct {
	const char *read, *change, *administer;
	uid_t uid;
	gid_t gid, second;
	enum role role;
} cases[] = {
	/* nothing said: the socket's group */
	{ NULL, NULL, NULL, 1000, 1000, SOCKET_GROUP, ROLE_ADMINISTER },
	{ NULL, NULL, NULL, 1000, SOCKET_GROUP, 7, ROLE_ADMINISTER },
	{ NULL, NULL, NULL, 1000, 1000, 7, ROLE_NONE },
	{ NULL, NULL, NULL, 0, 0, 0, ROLE_ADMINISTER },
	{ NULL, NULL, NULL, OWN, 1, 1, ROLE_ADMINISTER },
	/* one role said: the socket's group counts no more */
	{ "10", NULL, NULL, 1000, 1000, SOCKET_GROUP, ROLE_NONE },
	{ "10", NULL, NULL, 1000, 1000, 10, ROLE_READ },
	{ NULL, "10", NULL, 1000, 10, 7, ROLE_CHANGE },
	{ NULL, NULL, "10", 1000, 10, 7, ROLE_ADMINISTER },
	{ "10", NULL, NULL, 0, 0, 0, ROLE_ADMINISTER },
	{ "10", NULL, NULL, OWN, 1, 1, ROLE_ADMINISTER },
	/* the highest that fits */
	{ "10", "20", "30", 1000, 10, 20, ROLE_CHANGE },
	{ "10", "20", "30", 1000, 30, 10, ROLE_ADMINISTER },
	{ "everybody", "20", "user:5", 1000, 1000, 7, ROLE_READ },
	{ "everybody", "20", "user:5", 5, 1000, 7, ROLE_ADMINISTER },
	/* words */
	{ "1, group:2 user:3,4", NULL, NULL, 9, 2, 7, ROLE_READ },
	{ "1, group:2 user:3,4", NULL, NULL, 3, 9, 7, ROLE_READ },
	{ "1, group:2 user:3,4", NULL, NULL, 9, 9, 4, ROLE_READ },
	{ "1, group:2 user:3,4", NULL, NULL, 9, 3, 7, ROLE_NONE },
	{ "user:1", NULL, NULL, 9, 1, 1, ROLE_NONE },
	{ "no-such-group-here user:no-such-user-here", NULL, NULL, 9, 9, 9, ROLE_NONE },
	/* ids that mean nothing here: nobody is not the user "nobody" */
	{ "65534 user:65534", NULL, NULL, 65534, 65534, 65534, ROLE_NONE },
	{ "user:nobody nogroup", NULL, NULL, 65534, 65534, 65534, ROLE_NONE },
	{ "everybody", NULL, NULL, 65534, 65534, 65534, ROLE_READ },
	{ "10", NULL, NULL, 65534, 65534, 10, ROLE_READ },
	/* credentials that could not be read */
	{ NULL, NULL, NULL, (uid_t)-1, (gid_t)-1, (gid_t)-1, ROLE_NONE },
	{ "4294967295 user:4294967295", NULL, NULL, (uid_t)-1, (gid_t)-1, (gid_t)-1, ROLE_NONE },
};

START_TEST(roles)
{
	gid_t second = cases[_i].second;
	const struct peer peer = {
		.pid = 1, .uid = cases[_i].uid, .gid = cases[_i].gid, .groups = &second, .group_count = 1 };
	const struct config config = {
		.read = (char *)cases[_i].read, .change = (char *)cases[_i].change, .administer = (char *)cases[_i].administer };
	_cleanup_(roles_freep) struct roles *r = NULL;
	ck_assert_int_eq(roles_new(&config, &r), 0);
	roles_set_socket_group(r, SOCKET_GROUP);
	ck_assert_str_eq(role_name(roles_of(r, &peer)), role_name(cases[_i].role));
}
END_TEST

/* A socket that no group may use, and no group that can be told: nobody's, not everybody's. */
START_TEST(no_socket_group)
{
	const struct peer peer = { .pid = 1, .uid = 1000, .gid = (gid_t)-1 };
	const struct config config = { 0 };
	_cleanup_(roles_freep) struct roles *r = NULL;
	ck_assert_int_eq(roles_new(&config, &r), 0);
	ck_assert_int_eq(roles_of(r, &peer), ROLE_NONE);
}
END_TEST

static const struct {
	const char *value;
	bool good;
} lines[] = {
	{ "mcumgr", true }, { "user:ann, lab", true }, { "everybody", true }, { "1000 user:0", true },
	{ "EXAMPLE\\lab ann@example.org", true },
	{ "", false }, { " , ", false }, { "user:", false }, { "group:", false }, { "a/b", false }, { "user:ann:x", false },
	{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false },
};

START_TEST(words)
{
	char text[160] = "";
	ck_assert_int_eq(role_members_check(lines[_i].value, text, sizeof(text)), lines[_i].good);
	ck_assert_int_eq(!*text, lines[_i].good);
}
END_TEST

START_TEST(many_words)
{
	char value[400] = "", text[160];
	for (int i = 0; i < 64; i++)
		strcat(value, "7 ");
	ck_assert(role_members_check(value, text, sizeof(text)));
	strcat(value, "7");
	ck_assert(!role_members_check(value, text, sizeof(text)));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("role");
	TCase *c = tcase_create("role");
	log_set_level(LOG_LEVEL_ERROR);
	tcase_add_loop_test(c, roles, 0, (int)ARRAY_SIZE(cases));
	tcase_add_test(c, no_socket_group);
	tcase_add_loop_test(c, words, 0, (int)ARRAY_SIZE(lines));
	tcase_add_test(c, many_words);
	suite_add_tcase(s, c);
	return suite_run(s);
}
