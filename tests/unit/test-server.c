/* SPDX-License-Identifier: MIT */
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "daemon/limits.h"
#include "daemon/log.h"
#include "daemon/server.h"
#include "proto/json.h"
#include "tests/unit/wire.h"
#include "tests/unit/suite.h"

static struct wire wire;
static struct server *server;
static atomic_int handled, gone, stream_said, stream_left_out;
static struct call *held, *stream;

static json_object *number(int n)
{
	json_object *o = json_object_new_object();

	json_object_object_add(o, "n", json_object_new_int(n));
	return o;
}

static void on_gone(struct call *call)
{
	if (call == held)
		held = NULL;
	if (call == stream)
		stream = NULL;
	atomic_fetch_add(&gone, 1);
}

static void on_drained(struct call *call)
{
	call_continue(call, number(-1));
}

/* A reply of about this many bytes. */
static json_object *big(int64_t size)
{
	json_object *o = json_object_new_object();
	char *text = malloc((size_t)size);

	memset(text, 'x', (size_t)size);
	json_object_object_add(o, "text", json_object_new_string_len(text, (int)size));
	free(text);
	return o;
}

static void handle(void *user _unused_, struct call *call)
{
	const char *name = strrchr(call->message.method, '.') + 1;
	int64_t size = json_object_get_int64(json_object_object_get(call->message.parameters, "size"));

	atomic_fetch_add(&handled, 1);
	call->closed = on_gone;
	if (strcmp(name, "Echo") == 0)
		call_reply(call, json_object_get(call->message.parameters));
	else if (strcmp(name, "Fail") == 0)
		call_error(call, "a.b.Failed", number(1));
	else if (strcmp(name, "Big") == 0)
		call_reply(call, big(size));
	else if (strcmp(name, "Hold") == 0)
		held = call;
	else if (strcmp(name, "Stream") == 0)
		(stream = call)->drained = on_drained;
}

static void open_server(void *user _unused_)
{
	char *text;

	ck_assert_int_eq(server_new(&wire.loop, handle, NULL, &server), 0);
	ck_assert_int_eq(server_open(server, wire.path, NULL, &text), 0);
}

static void stop_server(void *user _unused_)
{
	server_stop(server, NULL, NULL);
	server = NULL;
}

static void setup(void)
{
	atomic_store(&handled, 0);
	atomic_store(&gone, 0);
	held = stream = NULL;
	wire_init(&wire);
	open_server(NULL);
	wire_start(&wire);
}

static void teardown(void)
{
	if (server)
		wire_do(&wire, stop_server, NULL);
	wire_end(&wire);
}

static bool reaches(void *user)
{
	const int *wanted = user;

	return atomic_load(&gone) >= *wanted;
}

static void release_held(void *user _unused_)
{
	call_reply(held, NULL);
}

static bool is_held(void *user)
{
	int n = *(int *)user;

	return atomic_load(&handled) >= n;
}

START_TEST(answers_in_order)
{
	int fd = wire_connect(&wire), one = 1;

	wire_send(fd, "{\"method\":\"a.b.Hold\"}\0{\"method\":\"a.b.Echo\",\"parameters\":{\"n\":1}}\0{\"method\":\"a.b.F", 81);
	ck_assert(wire_wait(is_held, &one));
	wire_send(fd, "ail\"}", 6);
	wire_do(&wire, release_held, NULL);
	wire_expect(fd, "{\"parameters\":{}}");
	wire_expect(fd, "{\"parameters\":{\"n\":1}}");
	wire_expect(fd, "{\"error\":\"a.b.Failed\",\"parameters\":{\"n\":1}}");
	close(fd);
}
END_TEST

START_TEST(connections_do_not_wait_for_each_other)
{
	int a = wire_connect(&wire), b = wire_connect(&wire), one = 1;

	wire_say(a, "{\"method\":\"a.b.Hold\"}");
	ck_assert(wire_wait(is_held, &one));
	wire_say(b, "{\"method\":\"a.b.Echo\"}");
	wire_expect(b, "{\"parameters\":{}}");
	wire_do(&wire, release_held, NULL);
	wire_expect(a, "{\"parameters\":{}}");
	close(a);
	close(b);
}
END_TEST

static const char *const malformed[] = { "{}", "[]", "GET / HTTP/1.1\r\n", "", "{\"method\":\"a.b.C\",\"method\":\"a.b.C\"}",
	"{\"method\":\"a.b.C\",\"more\":1}", "{\"method\":\"\xff\"}" };

START_TEST(malformed_messages_close)
{
	int fd = wire_connect(&wire), n;
	char all[200];

	n = snprintf(all, sizeof(all), "{\"method\":\"a.b.Echo\"}%c%s%c{\"method\":\"a.b.Echo\"}%c", 0, malformed[_i], 0, 0);
	wire_send(fd, all, (size_t)n); /* at once: it may be closed before the last one */
	wire_expect(fd, "{\"parameters\":{}}");
	ck_assert_ptr_null(wire_hear(fd));
	ck_assert_int_eq(atomic_load(&handled), 1);
	close(fd);
}
END_TEST

START_TEST(oneway_has_no_answer)
{
	int fd = wire_connect(&wire);

	wire_say(fd, "{\"method\":\"a.b.Echo\",\"oneway\":true}");
	wire_say(fd, "{\"method\":\"a.b.Fail\",\"oneway\":true}");
	wire_say(fd, "{\"method\":\"a.b.Echo\",\"parameters\":{\"n\":3}}");
	wire_expect(fd, "{\"parameters\":{\"n\":3}}");
	ck_assert_int_eq(atomic_load(&handled), 3);
	close(fd);
}
END_TEST

START_TEST(leaving_drops_the_call)
{
	int fd = wire_connect(&wire), one = 1;

	wire_say(fd, "{\"method\":\"a.b.Hold\"}");
	ck_assert(wire_wait(is_held, &one));
	close(fd);
	ck_assert(wire_wait(reaches, &one));
}
END_TEST

/* `printf ... | nc -U` closes its sending side and waits for the answer. */
START_TEST(half_closing_still_answers)
{
	int fd = wire_connect(&wire), one = 1;

	wire_say(fd, "{\"method\":\"a.b.Hold\"}");
	wire_say(fd, "{\"method\":\"a.b.Echo\",\"parameters\":{\"n\":2}}");
	shutdown(fd, SHUT_WR);
	ck_assert(wire_wait(is_held, &one));
	wire_do(&wire, release_held, NULL);
	wire_expect(fd, "{\"parameters\":{}}");
	wire_expect(fd, "{\"parameters\":{\"n\":2}}");
	ck_assert_ptr_null(wire_hear(fd));
	ck_assert_int_eq(atomic_load(&gone), 0);
	close(fd);
}
END_TEST

/* A call of exactly so many bytes, without its NUL. */
static char *call_of(size_t size)
{
	static const char head[] = "{\"method\":\"a.b.Hold\",\"parameters\":{\"x\":\"", tail[] = "\"}}";
	char *text = malloc(size + 1);

	memset(text, 'x', size);
	memcpy(text, head, sizeof(head) - 1);
	memcpy(text + size - sizeof(tail) + 1, tail, sizeof(tail));
	return text;
}

START_TEST(message_size_is_bounded)
{
	char *last = call_of(LIMIT_MESSAGE_BYTES), *over = call_of(LIMIT_MESSAGE_BYTES + 1);
	int fd = wire_connect(&wire), one = 1;

	wire_say(fd, last);
	ck_assert(wire_wait(is_held, &one));
	wire_do(&wire, release_held, NULL);
	wire_expect(fd, "{\"parameters\":{}}");
	/* At its place among the answers, and the connection goes on. */
	wire_say(fd, over);
	char *heard = wire_hear(fd);
	ck_assert_msg(strstr(heard, "{\"error\":\"io.mcumgr.LimitExceeded\",\"parameters\":{\"limit\":\"message\"") == heard,
			"%.200s", heard);
	ck_assert_ptr_nonnull(strstr(heard, "longer than the 16 MiB"));
	free(heard);
	ck_assert_int_eq(atomic_load(&handled), 1);
	wire_say(fd, last);
	one = 2;
	ck_assert(wire_wait(is_held, &one));
	wire_do(&wire, release_held, NULL);
	wire_expect(fd, "{\"parameters\":{}}");
	free(last);
	free(over);
	close(fd);
}
END_TEST

START_TEST(reply_size_is_bounded)
{
	int fd = wire_connect(&wire);
	char call[100], *heard;

	/* {"parameters":{"text":"..."}} and NUL: 27 bytes more than the text. */
	snprintf(call, sizeof(call), "{\"method\":\"a.b.Big\",\"parameters\":{\"size\":%u}}", LIMIT_MESSAGE_BYTES - 27);
	wire_say(fd, call);
	heard = wire_hear(fd);
	ck_assert_uint_eq(strlen(heard) + 1, LIMIT_MESSAGE_BYTES);
	free(heard);
	snprintf(call, sizeof(call), "{\"method\":\"a.b.Big\",\"parameters\":{\"size\":%u}}", LIMIT_MESSAGE_BYTES - 26);
	wire_say(fd, call);
	heard = wire_hear(fd);
	ck_assert_msg(strstr(heard, "{\"error\":\"io.mcumgr.LimitExceeded\",\"parameters\":{\"limit\":\"message\"") == heard, "%.200s",
			heard);
	free(heard);
	close(fd);
}
END_TEST

START_TEST(connections_are_bounded)
{
	static int fds[LIMIT_CONNECTIONS];
	struct rlimit files;
	char *heard;
	int over;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	for (int i = 0; i < LIMIT_CONNECTIONS; i++)
		fds[i] = wire_connect(&wire);
	wire_say(fds[LIMIT_CONNECTIONS - 1], "{\"method\":\"a.b.Echo\"}");
	wire_expect(fds[LIMIT_CONNECTIONS - 1], "{\"parameters\":{}}");
	over = wire_connect(&wire);
	heard = wire_hear(over);
	ck_assert_msg(strstr(heard, "\"limit\":\"connections\",\"maximum\":512,") != NULL, "%s", heard);
	free(heard);
	ck_assert_ptr_null(wire_hear(over));
	close(over);
	for (int i = 0; i < LIMIT_CONNECTIONS; i++)
		close(fds[i]);
}
END_TEST

/* Who sends calls and reads no answers is not served for ever, and gets all of them when it reads. */
START_TEST(unread_replies_hold_calls_back)
{
	const int calls = 300, size = 65536;
	int fd = wire_connect(&wire), at_least = 10, before;
	char call[100];

	snprintf(call, sizeof(call), "{\"method\":\"a.b.Big\",\"parameters\":{\"size\":%d}}", size);
	for (int i = 0; i < calls; i++)
		wire_say(fd, call);
	ck_assert(wire_wait(is_held, &at_least));
	do { /* until it stands still */
		before = atomic_load(&handled);
		poll(NULL, 0, 100);
	} while (before != atomic_load(&handled));
	ck_assert_int_le(atomic_load(&handled), (int)(LIMIT_OUTPUT_BYTES / 65536 + 16));
	for (int i = 0; i < calls; i++) {
		char *heard = wire_hear(fd);

		ck_assert_uint_eq(strlen(heard), 65536 + 26);
		free(heard);
	}
	ck_assert_int_eq(atomic_load(&handled), calls);
	close(fd);
}
END_TEST

/* While a call runs, only so much of what comes behind it is taken. */
START_TEST(waiting_calls_are_bounded)
{
	static const char block[65536] = { 'x' };
	int fd = wire_connect(&wire), one = 1;
	size_t taken = 0;
	ssize_t n;

	wire_say(fd, "{\"method\":\"a.b.Hold\"}");
	ck_assert(wire_wait(is_held, &one));
	do {
		struct pollfd p = { fd, POLLOUT, 0 };

		n = poll(&p, 1, 200) == 1 ? send(fd, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL) : 0;
		taken += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	/* What the daemon takes, one read more, and what the kernel holds. */
	ck_assert_uint_ge(taken, LIMIT_PIPELINE_BYTES);
	ck_assert_uint_le(taken, LIMIT_PIPELINE_BYTES + 65536 + (1 << 20));
	wire_do(&wire, release_held, NULL);
	wire_expect(fd, "{\"parameters\":{}}");
	close(fd);
}
END_TEST

/* Who holds most of what all clients together may leave unfinished goes, when it is one byte too much. */
START_TEST(unread_input_is_bounded)
{
	enum { COUNT = LIMIT_INPUT_BYTES / LIMIT_MESSAGE_BYTES };
	char *message = malloc(LIMIT_MESSAGE_BYTES);
	struct pollfd fds[COUNT];
	int last = wire_connect(&wire), cut = 0;

	memset(message, ' ', LIMIT_MESSAGE_BYTES);
	for (int i = 0; i < COUNT; i++) {
		fds[i] = (struct pollfd){ wire_connect(&wire), POLLIN, 0 };
		wire_send(fds[i].fd, message, LIMIT_MESSAGE_BYTES);
	}
	ck_assert_int_eq(poll(fds, COUNT, 200), 0); /* exactly full */
	wire_send(last, "{", 1);
	ck_assert_int_ge(poll(fds, COUNT, WIRE_DEADLINE_MS), 1);
	for (int i = 0; i < COUNT; i++) {
		cut += fds[i].revents != 0;
		close(fds[i].fd);
	}
	ck_assert_int_eq(cut, 1);
	wire_say(last, "\"method\":\"a.b.Echo\"}");
	wire_expect(last, "{\"parameters\":{}}");
	close(last);
	free(message);
}
END_TEST

static void stream_much(void *user _unused_)
{
	atomic_store(&stream_said, 0);
	atomic_store(&stream_left_out, 0);
	for (int i = 0; i < 2000; i++)
		if (call_is_slow(stream)) {
			atomic_fetch_add(&stream_left_out, 1);
		} else {
			call_continue(stream, big(10000));
			atomic_fetch_add(&stream_said, 1);
		}
}

static void end_stream(void *user _unused_)
{
	call_reply(TAKE_PTR(stream), number(-2));
}

START_TEST(slow_streams_are_told_so)
{
	int fd = wire_connect(&wire), one = 1;

	wire_say(fd, "{\"method\":\"a.b.Stream\",\"more\":true}");
	ck_assert(wire_wait(is_held, &one));
	wire_do(&wire, stream_much, NULL);
	ck_assert_int_gt(atomic_load(&stream_left_out), 0);
	ck_assert_int_le(atomic_load(&stream_said), (int)(LIMIT_OUTPUT_BYTES / 10000) + 30);
	for (int i = 0; i < atomic_load(&stream_said); i++) {
		char *heard = wire_hear(fd);

		ck_assert_ptr_nonnull(strstr(heard, "\"continues\":true"));
		free(heard);
	}
	wire_expect(fd, "{\"parameters\":{\"n\":-1},\"continues\":true}"); /* drained */
	wire_do(&wire, end_stream, NULL);
	wire_expect(fd, "{\"parameters\":{\"n\":-2}}");
	close(fd);
}
END_TEST

START_TEST(stopping_answers_calls)
{
	int fd = wire_connect(&wire), idle = wire_connect(&wire), one = 1;

	wire_say(fd, "{\"method\":\"a.b.Hold\"}");
	wire_say(fd, "{\"method\":\"a.b.Echo\"}");
	ck_assert(wire_wait(is_held, &one));
	wire_do(&wire, stop_server, NULL);
	wire_expect(fd, "{\"error\":\"io.mcumgr.Stopping\",\"parameters\":{\"message\":\"the daemon is ending\"}}");
	ck_assert_ptr_null(wire_hear(fd));
	ck_assert_ptr_null(wire_hear(idle));
	ck_assert_int_eq(atomic_load(&gone), 1);
	ck_assert_int_eq(atomic_load(&handled), 1);
	close(fd);
	close(idle);
}
END_TEST

/* The socket file */

static struct server *open_another(const char *path, const char *group, int wanted, const char *sentence)
{
	struct server *s;
	char *text = NULL;

	ck_assert_int_eq(server_new(&wire.loop, handle, NULL, &s), 0);
	ck_assert_int_eq(server_open(s, path, group, &text), wanted);
	if (sentence)
		ck_assert_msg(text && strstr(text, sentence), "%s", text ? text : "no text");
	free(text);
	return s;
}

static void try_second(void *user _unused_)
{
	server_stop(open_another(wire.path, NULL, -EADDRINUSE, "another mcumgrd holds the socket"), NULL, NULL);
}

START_TEST(a_living_socket_is_left_alone)
{
	int fd;

	wire_do(&wire, try_second, NULL);
	fd = wire_connect(&wire);
	wire_say(fd, "{\"method\":\"a.b.Echo\"}");
	wire_expect(fd, "{\"parameters\":{}}");
	close(fd);
}
END_TEST

static char other_path[200];

static void try_other(void *user _unused_)
{
	server_stop(open_another(other_path, NULL, -EADDRINUSE, "another program listens on"), NULL, NULL);
}

static int bind_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_uint_lt(strlen(path), sizeof(address.sun_path));
	memcpy(address.sun_path, path, strlen(path));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(fd, 1), 0);
	return fd;
}

static void take_over(void *user)
{
	struct server **s = user;

	*s = open_another(other_path, NULL, 0, NULL);
}

static void stop_other(void *user)
{
	server_stop(user, NULL, NULL);
}

START_TEST(a_stale_socket_is_replaced)
{
	struct server *s;
	struct stat st;
	int fd;

	snprintf(other_path, sizeof(other_path), "%s/stale", wire.folder);
	fd = bind_at(other_path);
	wire_do(&wire, try_other, NULL); /* it is not stale yet */
	ck_assert_int_eq(stat(other_path, &st), 0);
	close(fd);
	wire_do(&wire, take_over, &s);
	ck_assert_int_eq(stat(other_path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0660);
	fd = wire_try_connect(other_path);
	ck_assert_int_ge(fd, 0);
	wire_say(fd, "{\"method\":\"a.b.Echo\"}");
	wire_expect(fd, "{\"parameters\":{}}");
	wire_do(&wire, stop_other, s);
	ck_assert_ptr_null(wire_hear(fd));
	close(fd);
}
END_TEST

static void try_paths(void *user _unused_)
{
	char path[200], longest[109] = "";
	FILE *f;

	snprintf(path, sizeof(path), "%s/file", wire.folder);
	f = fopen(path, "we");
	fputs("precious", f);
	fclose(f);
	server_stop(open_another(path, NULL, -EEXIST, "is no socket: it is left alone"), NULL, NULL);
	ck_assert_int_eq(access(path, F_OK), 0);
	server_stop(open_another("relative", NULL, -EINVAL, "must be an absolute path"), NULL, NULL);
	snprintf(path, sizeof(path), "%s/no/such/socket", wire.folder);
	server_stop(open_another(path, NULL, -ENOENT, "cannot be made"), NULL, NULL);
	snprintf(path, sizeof(path), "%s/made/socket", wire.folder);
	server_stop(open_another(path, NULL, 0, NULL), NULL, NULL);
	snprintf(path, sizeof(path), "%s/group", wire.folder);
	server_stop(open_another(path, "no-such-group", -ENOENT, "there is no group 'no-such-group'"), NULL, NULL);
	ck_assert_int_ne(access(path, F_OK), 0);
	memset(longest, 'x', sizeof(longest) - 1);
	memcpy(longest, wire.folder, strlen(wire.folder));
	longest[strlen(wire.folder)] = '/';
	server_stop(open_another(longest, NULL, -ENAMETOOLONG, "has a path of 108 bytes, but at most 107 are possible"), NULL,
			NULL);
	longest[107] = 0;
	server_stop(open_another(longest, NULL, 0, NULL), NULL, NULL);
}

START_TEST(paths_are_checked)
{
	wire_do(&wire, try_paths, NULL);
}
END_TEST

static void check_peer(void *user _unused_)
{
	const struct peer *p = call_peer(held);

	ck_assert_int_eq(p->pid, getpid());
	ck_assert_uint_eq(p->uid, getuid());
	ck_assert_uint_eq(p->gid, getgid());
	ck_assert_int_eq((int)p->group_count, getgroups(0, NULL));
}

START_TEST(the_caller_is_known)
{
	int fd = wire_connect(&wire), one = 1;

	wire_say(fd, "{\"method\":\"a.b.Hold\"}");
	ck_assert(wire_wait(is_held, &one));
	wire_do(&wire, check_peer, NULL);
	close(fd);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("server");
	TCase *c = tcase_create("server");

	log_set_level(LOG_LEVEL_ERROR);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, answers_in_order);
	tcase_add_test(c, connections_do_not_wait_for_each_other);
	tcase_add_loop_test(c, malformed_messages_close, 0, ARRAY_SIZE(malformed));
	tcase_add_test(c, oneway_has_no_answer);
	tcase_add_test(c, leaving_drops_the_call);
	tcase_add_test(c, half_closing_still_answers);
	tcase_add_test(c, message_size_is_bounded);
	tcase_add_test(c, reply_size_is_bounded);
	tcase_add_test(c, connections_are_bounded);
	tcase_add_test(c, unread_replies_hold_calls_back);
	tcase_add_test(c, waiting_calls_are_bounded);
	tcase_add_test(c, unread_input_is_bounded);
	tcase_add_test(c, slow_streams_are_told_so);
	tcase_add_test(c, stopping_answers_calls);
	tcase_add_test(c, a_living_socket_is_left_alone);
	tcase_add_test(c, a_stale_socket_is_replaced);
	tcase_add_test(c, paths_are_checked);
	tcase_add_test(c, the_caller_is_known);
	suite_add_tcase(s, c);
	return suite_run(s);
}
