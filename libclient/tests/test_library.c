/* SPDX-License-Identifier: MIT */
/* libmcumgr against a server that is played in the same thread: what is written to it, byte by byte, is what a reader
 * of the socket sees. Blocking calls have the server's answers in the socket before they are made. */
#include <check.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <mcumgr-api.h>

static char dir[] = "/tmp/libmcumgrXXXXXX", path[64];
static int listener, peer = -1;
static struct mcumgr *m;

static void setup(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/s", dir);
	strcpy(address.sun_path, path);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(listen(listener, 4), 0);
	ck_assert_int_eq(mcumgr_new(&m), 0);
}

static void teardown(void)
{
	mcumgr_free(m);
	if (peer >= 0)
		close(peer);
	peer = -1;
	close(listener);
	unlink(path);
	rmdir(dir);
}

static void connected(void)
{
	ck_assert_int_eq(mcumgr_connect(m, path), 0);
	ck_assert(mcumgr_connected(m));
	if (peer >= 0)
		close(peer);
	peer = accept(listener, NULL, NULL);
	ck_assert_int_ge(peer, 0);
}

/* A message with its NUL. */
static void answer(const char *text)
{
	ck_assert_int_eq(send(peer, text, strlen(text) + 1, 0), (ssize_t)strlen(text) + 1);
}

static void expect_call(const char *text)
{
	char got[512];
	size_t at = 0;

	do
		ck_assert_int_eq(recv(peer, got + at, 1, 0), 1);
	while (got[at++]);
	ck_assert_str_eq(got, text);
}

/* What callbacks saw, as a line each. */
struct tape {
	char text[1024];
	int stop_at; /* the reply (1, 2, ...) that returns non-zero */
	int count;
	void (*then)(void);
};

static int record(struct mcumgr *handle, const struct mcumgr_reply *reply, void *user)
{
	struct tape *tape = user;
	char *at = tape->text + strlen(tape->text);
	size_t room = sizeof(tape->text) - (size_t)(at - tape->text);

	ck_assert_ptr_eq(handle, m);
	if (reply->result == 0)
		snprintf(at, room, "%s%s\n", json_object_to_json_string_ext(reply->parameters, JSON_C_TO_STRING_PLAIN),
			reply->continues ? "+" : "");
	else if (reply->result == -EREMOTEIO)
		snprintf(at, room, "%s: %s (%s)\n", reply->error->name, reply->error->message,
			reply->error->hint ? reply->error->hint : "-");
	else
		snprintf(at, room, "%s\n", strerrorname_np(-reply->result));
	if (tape->then)
		tape->then();
	return ++tape->count == tape->stop_at ? 7 : 0;
}

START_TEST(calls_in_order)
{
	struct tape one = { 0 }, two = { 0 };
	json_object *parameters = json_object_new_object();

	connected();
	json_object_object_add(parameters, "text", json_object_new_string("x"));
	ck_assert_int_eq(mcumgr_send(m, "Echo", parameters, 0, 0, record, &one), 0);
	ck_assert_int_eq(mcumgr_send(m, "org.varlink.service.GetInfo", NULL, 0, 0, record, &two), 0);
	json_object_put(parameters);
	expect_call("{\"method\":\"io.mcumgr.Echo\",\"parameters\":{\"text\":\"x\"}}");
	expect_call("{\"method\":\"org.varlink.service.GetInfo\",\"parameters\":{}}");
	ck_assert_int_eq(mcumgr_wait_ms(m), -1);
	ck_assert_int_eq(mcumgr_events(m), POLLIN);
	answer("{\"parameters\":{\"text\":\"x\"}}");
	answer("{}");
	ck_assert_int_eq(mcumgr_process(m), 0);
	ck_assert_str_eq(one.text, "{\"text\":\"x\"}\n");
	ck_assert_str_eq(two.text, "{}\n");
}
END_TEST

START_TEST(byte_by_byte)
{
	const char text[] = "{\"parameters\":{\"text\":\"\\u00e9\"}}";
	struct tape tape = { 0 };
	size_t i;

	connected();
	ck_assert_int_eq(mcumgr_send(m, "Echo", NULL, 0, 0, record, &tape), 0);
	for (i = 0; i < sizeof(text); i++) {
		ck_assert_str_eq(tape.text, "");
		ck_assert_int_eq(send(peer, text + i, 1, 0), 1);
		ck_assert_int_eq(mcumgr_process(m), 0);
	}
	ck_assert_str_eq(tape.text, "{\"text\":\"\303\251\"}\n");
}
END_TEST

static const struct {
	const char *reply, *line;
} errors[] = {
	{ "{\"error\":\"io.mcumgr.TimedOut\",\"parameters\":{\"device\":\"a\",\"message\":\"no answer\",\"hint\":\"wait\"}}",
		"io.mcumgr.TimedOut: no answer (wait)\n" },
	{ "{\"error\":\"io.mcumgr.TimedOut\",\"parameters\":{\"hint\":null}}",
		"io.mcumgr.TimedOut: the daemon answered with the error io.mcumgr.TimedOut (-)\n" },
	{ "{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{\"method\":\"io.mcumgr.X\"}}",
		"org.varlink.service.MethodNotFound: the daemon has no method io.mcumgr.X: it may be older than its client (-)\n" },
	{ "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":{\"parameter\":7}}",
		"org.varlink.service.InvalidParameter: the daemon does not take the parameter '?' as it was given (-)\n" },
	{ "{\"error\":\"org.varlink.service.PermissionDenied\"}",
		"org.varlink.service.PermissionDenied: the daemon does not allow this user to do that (-)\n" },
};

START_TEST(error_replies)
{
	struct tape tape = { 0 };

	connected();
	ck_assert_int_eq(mcumgr_send(m, "Echo", NULL, 0, 0, record, &tape), 0);
	answer(errors[_i].reply);
	ck_assert_int_eq(mcumgr_process(m), 0);
	ck_assert_str_eq(tape.text, errors[_i].line);
	ck_assert(mcumgr_connected(m));
}
END_TEST

START_TEST(error_names)
{
	struct mcumgr_error error = { .name = (char *)"io.mcumgr.TimedOut" };

	ck_assert(mcumgr_error_is(&error, "TimedOut"));
	ck_assert(mcumgr_error_is(&error, "io.mcumgr.TimedOut"));
	ck_assert(!mcumgr_error_is(&error, "TimedOu"));
	ck_assert(!mcumgr_error_is(&error, "org.varlink.service.TimedOut"));
	ck_assert(!mcumgr_error_is(NULL, "TimedOut"));
	error.name = (char *)"io.mcumgrTimedOut";
	ck_assert(!mcumgr_error_is(&error, "TimedOut"));
	mcumgr_error_free(NULL);
}
END_TEST

START_TEST(stream_to_its_end)
{
	struct tape tape = { 0 };

	connected();
	ck_assert_int_eq(mcumgr_send(m, "Watch", NULL, MCUMGR_MORE, 0, record, &tape), 0);
	expect_call("{\"method\":\"io.mcumgr.Watch\",\"parameters\":{},\"more\":true}");
	answer("{\"continues\":true,\"parameters\":{\"number\":1}}");
	answer("{\"continues\":true,\"parameters\":{\"number\":2}}");
	ck_assert_int_eq(mcumgr_process(m), 0);
	ck_assert_str_eq(tape.text, "{\"number\":1}+\n{\"number\":2}+\n");
	answer("{\"parameters\":{\"number\":3}}");
	ck_assert_int_eq(mcumgr_process(m), 0);
	ck_assert_int_eq(tape.count, 3);
	ck_assert(mcumgr_connected(m));
}
END_TEST

/* Whoever stops a stream is not called again; who waits behind it is. */
START_TEST(stream_stopped)
{
	struct tape tape = { .stop_at = 1 }, behind = { 0 };
	char c;

	connected();
	ck_assert_int_eq(mcumgr_send(m, "Watch", NULL, MCUMGR_MORE, 0, record, &tape), 0);
	ck_assert_int_eq(mcumgr_send(m, "List", NULL, 0, 0, record, &behind), 0);
	expect_call("{\"method\":\"io.mcumgr.Watch\",\"parameters\":{},\"more\":true}");
	expect_call("{\"method\":\"io.mcumgr.List\",\"parameters\":{}}");
	answer("{\"continues\":true,\"parameters\":{}}");
	answer("{\"continues\":true,\"parameters\":{}}");
	ck_assert_int_eq(mcumgr_process(m), 0);
	ck_assert_int_eq(tape.count, 1);
	ck_assert_str_eq(behind.text, "ECANCELED\n");
	ck_assert(!mcumgr_connected(m));
	ck_assert_int_eq(recv(peer, &c, 1, 0), 0);
	ck_assert_int_eq(mcumgr_send(m, "List", NULL, 0, 0, record, &behind), -ENOTCONN);
}
END_TEST

static void reconnect(void)
{
	ck_assert_int_eq(mcumgr_connect(m, path), 0);
}

/* A callback that opens the connection anew: nothing of the old one reaches the new. */
START_TEST(reconnect_in_callback)
{
	struct tape tape = { .then = reconnect }, behind = { 0 }, fresh = { 0 };

	connected();
	ck_assert_int_eq(mcumgr_send(m, "List", NULL, 0, 0, record, &tape), 0);
	ck_assert_int_eq(mcumgr_send(m, "List", NULL, 0, 0, record, &behind), 0);
	answer("{\"parameters\":{\"a\":1}}");
	answer("{\"parameters\":{\"a\":2}}");
	ck_assert_int_eq(mcumgr_process(m), 0);
	ck_assert_str_eq(tape.text, "{\"a\":1}\n");
	ck_assert_str_eq(behind.text, "ECANCELED\n");
	ck_assert(mcumgr_connected(m));
	close(peer);
	peer = accept(listener, NULL, NULL);
	ck_assert_int_eq(mcumgr_send(m, "List", NULL, 0, 0, record, &fresh), 0);
	expect_call("{\"method\":\"io.mcumgr.List\",\"parameters\":{}}");
	answer("{\"parameters\":{\"a\":3}}");
	ck_assert_int_eq(mcumgr_process(m), 0);
	ck_assert_str_eq(fresh.text, "{\"a\":3}\n");
}
END_TEST

static const struct {
	const char *bytes;
	size_t size;
	int result;
	const char *message;
} broken[] = {
	{ "", 0, -ECONNRESET, "closed the connection" },
	{ "{\"parameters\"", 13, -ECONNRESET, "closed the connection" },
	{ "{}\0{}", 6, -EPROTO, "that nothing asked for" },
	{ "{\"continues\":true}", 19, -EPROTO, "that nothing asked for" },
	{ "nonsense", 9, -EPROTO, "is no Varlink reply" },
	{ "", 1, -EPROTO, "is no Varlink reply" },
};

START_TEST(broken_server)
{
	struct tape one = { 0 };
	int r;

	connected();
	ck_assert_int_eq(mcumgr_send(m, "List", NULL, 0, 0, record, &one), 0);
	expect_call("{\"method\":\"io.mcumgr.List\",\"parameters\":{}}");
	ck_assert_int_eq(send(peer, broken[_i].bytes, broken[_i].size, 0), (ssize_t)broken[_i].size);
	close(peer);
	peer = -1;
	r = mcumgr_process(m);
	ck_assert_int_eq(r, broken[_i].result);
	ck_assert_ptr_nonnull(strstr(mcumgr_message(m), broken[_i].message));
	ck_assert(!mcumgr_connected(m));
	ck_assert_int_eq(mcumgr_fd(m), -1);
	ck_assert_int_eq(mcumgr_events(m), 0);
	ck_assert_int_eq(one.count, 1);
	ck_assert_int_eq(mcumgr_process(m), -ENOTCONN);
}
END_TEST

START_TEST(deadline)
{
	struct tape slow = { 0 }, patient = { 0 };
	struct pollfd p;

	connected();
	ck_assert_int_eq(mcumgr_send(m, "List", NULL, 0, 0, record, &patient), 0);
	ck_assert_int_eq(mcumgr_send(m, "List", NULL, 0, 30, record, &slow), 0);
	ck_assert_int_le(mcumgr_wait_ms(m), 30);
	ck_assert_int_ge(mcumgr_wait_ms(m), 0);
	p = (struct pollfd){ .fd = mcumgr_fd(m), .events = mcumgr_events(m) };
	while (mcumgr_wait_ms(m) > 0)
		ck_assert_int_eq(poll(&p, 1, mcumgr_wait_ms(m)), 0);
	ck_assert_int_eq(mcumgr_process(m), -ETIMEDOUT);
	ck_assert_str_eq(slow.text, "ETIMEDOUT\n");
	ck_assert_str_eq(patient.text, "ETIMEDOUT\n");
	ck_assert(!mcumgr_connected(m));
}
END_TEST

/* A reply that is there already is not too late. */
START_TEST(reply_before_deadline)
{
	struct tape tape = { 0 };

	connected();
	ck_assert_int_eq(mcumgr_send(m, "List", NULL, 0, 1, record, &tape), 0);
	answer("{}");
	while (mcumgr_wait_ms(m) > 0)
		;
	ck_assert_int_eq(mcumgr_process(m), 0);
	ck_assert_str_eq(tape.text, "{}\n");
}
END_TEST

START_TEST(oneway)
{
	connected();
	ck_assert_int_eq(mcumgr_send(m, "JobCancel", NULL, MCUMGR_ONEWAY, 0, NULL, NULL), 0);
	expect_call("{\"method\":\"io.mcumgr.JobCancel\",\"parameters\":{},\"oneway\":true}");
	ck_assert_int_eq(mcumgr_process(m), 0);
	answer("{}");
	ck_assert_int_eq(mcumgr_process(m), -EPROTO);
}
END_TEST

/* More than a socket holds: the rest goes when the server reads, and calls behind it stay in order. */
START_TEST(large_call)
{
	size_t size = 4 << 20, read_size = 0, ends = 0;
	json_object *parameters = json_object_new_object();
	static char buffer[65536];
	struct tape tape = { 0 };
	char *data = malloc(size + 1);
	ssize_t n, i;

	memset(data, 'A', size);
	data[size] = 0;
	json_object_object_add(parameters, "data", json_object_new_string(data));
	connected();
	ck_assert_int_eq(mcumgr_send(m, "ImagePut", parameters, 0, 0, record, &tape), 0);
	ck_assert_int_eq(mcumgr_send(m, "List", NULL, 0, 0, record, &tape), 0);
	ck_assert_int_eq(mcumgr_events(m), POLLIN | POLLOUT);
	while (ends < 2) {
		n = recv(peer, buffer, sizeof(buffer), MSG_DONTWAIT);
		for (i = 0; i < n; i++)
			ends += !buffer[i];
		read_size += n > 0 ? (size_t)n : 0;
		ck_assert_int_eq(mcumgr_process(m), 0);
	}
	ck_assert_uint_gt(read_size, size);
	ck_assert_int_eq(mcumgr_events(m), POLLIN);
	mcumgr_close(m);
	ck_assert_str_eq(tape.text, "ECANCELED\nECANCELED\n");
	free(data);
	json_object_put(parameters);
}
END_TEST

START_TEST(closing_calls_back)
{
	struct tape tape = { 0 };

	connected();
	ck_assert_int_eq(mcumgr_send(m, "List", NULL, 0, 0, record, &tape), 0);
	mcumgr_close(m);
	ck_assert_str_eq(tape.text, "ECANCELED\n");
	mcumgr_close(m);
	ck_assert_int_eq(tape.count, 1);
}
END_TEST

static int connect_again(struct mcumgr *handle, const struct mcumgr_reply *reply, void *user)
{
	int *ret = user;

	ck_assert_int_eq(reply->result, -ECANCELED);
	*ret = mcumgr_connect(handle, path);
	return 0;
}

/* Who closes means it, whatever callbacks do with a connection that goes. */
START_TEST(closing_stays_closed)
{
	int r = 0;

	connected();
	ck_assert_int_eq(mcumgr_send(m, "List", NULL, 0, 0, connect_again, &r), 0);
	mcumgr_close(m);
	ck_assert_int_eq(r, -ECANCELED);
	ck_assert(!mcumgr_connected(m));

	connected();
	ck_assert_int_eq(mcumgr_send(m, "List", NULL, 0, 0, connect_again, &r), 0);
	connected();
	ck_assert_int_eq(r, -ECANCELED);
	ck_assert_int_eq(mcumgr_send(m, "List", NULL, 0, 0, connect_again, &r), 0);
	mcumgr_free(m);
	m = NULL;
	ck_assert_int_eq(r, -ECANCELED);
}
END_TEST

START_TEST(longest_timeout)
{
	connected();
	ck_assert_int_eq(mcumgr_send(m, "List", NULL, 0, UINT_MAX, NULL, NULL), 0);
	ck_assert_int_eq(mcumgr_wait_ms(m), INT_MAX);
}
END_TEST

START_TEST(where_to_connect)
{
	char longer[200];

	ck_assert_str_eq(mcumgr_socket(m), "");
	ck_assert_str_eq(mcumgr_message(m), "");
	ck_assert_int_eq(mcumgr_connect(m, "/none/here"), -ENOENT);
	ck_assert_str_eq(mcumgr_socket(m), "/none/here");
	ck_assert_str_eq(mcumgr_message(m), "no daemon listens on /none/here: there is no such socket");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = 0;
	ck_assert_int_eq(mcumgr_connect(m, longer), -ENAMETOOLONG);
	/* An address of zeros would be a name that any user may listen on. */
	ck_assert_int_eq(mcumgr_connect(m, ""), -ENOENT);
	ck_assert_str_eq(mcumgr_message(m), "an empty path names no socket");
	close(listener);
	listener = -1;
	ck_assert_int_eq(mcumgr_connect(m, path), -ECONNREFUSED);

	ck_assert_int_eq(setenv("MCUMGR_SOCKET", "/from/environment", 1), 0);
	ck_assert_int_eq(mcumgr_connect(m, NULL), -ENOENT);
	ck_assert_str_eq(mcumgr_socket(m), "/from/environment");
	ck_assert_int_eq(setenv("MCUMGR_SOCKET", "", 1), 0);
	ck_assert_int_eq(setenv("XDG_RUNTIME_DIR", dir, 1), 0);
	mcumgr_connect(m, NULL);
	if (geteuid() == 0 || access(MCUMGR_SOCKET_SYSTEM, F_OK) == 0)
		ck_assert_str_eq(mcumgr_socket(m), MCUMGR_SOCKET_SYSTEM);
	else
		ck_assert(strncmp(mcumgr_socket(m), dir, strlen(dir)) == 0);
}
END_TEST

/* ---- blocking ---- */

START_TEST(blocking_call)
{
	struct mcumgr_error *error = NULL;
	json_object *reply = NULL;

	connected();
	answer("{\"parameters\":{\"a\":1}}");
	ck_assert_int_eq(mcumgr_call(m, "List", NULL, &reply, &error), 0);
	ck_assert_str_eq(json_object_to_json_string_ext(reply, JSON_C_TO_STRING_PLAIN), "{\"a\":1}");
	json_object_put(reply);
	ck_assert_ptr_null(error);
	answer("{\"error\":\"io.mcumgr.NoSuchJob\",\"parameters\":{\"job\":\"7\",\"message\":\"none\"}}");
	ck_assert_int_eq(mcumgr_call(m, "Jobs", NULL, NULL, &error), -EREMOTEIO);
	ck_assert_str_eq(error->name, "io.mcumgr.NoSuchJob");
	ck_assert_str_eq(error->message, "none");
	ck_assert_ptr_null(error->hint);
	ck_assert_str_eq(json_object_get_string(json_object_object_get(error->parameters, "job")), "7");
	mcumgr_error_free(error);
	answer("{\"error\":\"io.mcumgr.NoSuchJob\",\"parameters\":{\"job\":\"7\",\"message\":\"none\"}}");
	ck_assert_int_eq(mcumgr_call(m, "Jobs", NULL, NULL, NULL), -EREMOTEIO);
	ck_assert_str_eq(mcumgr_message(m), "none");
	mcumgr_set_timeout(m, 20);
	ck_assert_int_eq(mcumgr_call(m, "Jobs", NULL, NULL, NULL), -ETIMEDOUT);
}
END_TEST

static int call_within(struct mcumgr *handle, json_object *reply, void *user)
{
	int *ret = user;

	(void)reply;
	*ret = mcumgr_call(handle, "List", NULL, NULL, NULL);
	return 9;
}

/* A call from within a stream's callback would wait for the end of the stream, which waits for the callback. */
START_TEST(blocking_call_in_a_stream)
{
	int r = 0;

	connected();
	answer("{\"continues\":true,\"parameters\":{}}");
	answer("{\"parameters\":{}}");
	answer("{\"parameters\":{}}");
	ck_assert_int_eq(mcumgr_call_stream(m, "Watch", NULL, call_within, &r, NULL), 9);
	ck_assert_int_eq(r, -EDEADLK);
	ck_assert_ptr_nonnull(strstr(mcumgr_message(m), "another connection"));

	/* A connection that was opened there is not held up. */
	connected();
	answer("{\"parameters\":{}}");
	ck_assert_int_eq(mcumgr_call(m, "List", NULL, NULL, NULL), 0);
}
END_TEST

static int process_within(struct mcumgr *handle, json_object *reply, void *user)
{
	int *ret = user;

	(void)reply;
	*ret = mcumgr_process(handle);
	return 9;
}

/* The end of the stream must not come while the callback of a reply before it runs. */
START_TEST(process_in_a_stream)
{
	int r = 0;

	connected();
	answer("{\"continues\":true,\"parameters\":{}}");
	answer("{\"parameters\":{}}");
	ck_assert_int_eq(mcumgr_call_stream(m, "Watch", NULL, process_within, &r, NULL), 9);
	ck_assert_int_eq(r, -EDEADLK);
}
END_TEST

START_TEST(json_call)
{
	char *reply = NULL;

	connected();
	answer("{\"parameters\":{\"text\":\"x\"}}");
	ck_assert_int_eq(mcumgr_call_json(m, "Echo", "{\"text\": \"x\"}", &reply, NULL), 0);
	ck_assert_str_eq(reply, "{\"text\":\"x\"}");
	free(reply);
	expect_call("{\"method\":\"io.mcumgr.Echo\",\"parameters\":{\"text\":\"x\"}}");
	ck_assert_int_eq(mcumgr_call_json(m, "Echo", "[]", &reply, NULL), -EBADMSG);
	ck_assert_int_eq(mcumgr_call_json(m, "Echo", "{\"a\":1,\"a\":2}", &reply, NULL), -EBADMSG);
	ck_assert(mcumgr_connected(m));
}
END_TEST

#define DEVICE_REST "\"since\":\"2026-01-01T00:00:00.000Z\""

START_TEST(list_boards)
{
	struct mcumgr_list_reply *list;

	connected();
	answer("{\"parameters\":{\"devices\":[{\"id\":\"a\",\"name\":\"left\",\"state\":\"ready\",\"tty\":\"/dev/x\",\"groups\":[0,9],"
	       "\"bootloader\":{\"name\":\"MCUboot\",\"mode\":-1}," DEVICE_REST "},"
	       "{\"id\":\"b\",\"state\":\"melted\",\"reason\":\"worn\",\"tty\":null,\"frameSize\":384," DEVICE_REST
	       ",\"new\":[1]}]}}");
	ck_assert_int_eq(mcumgr_list(m, NULL, &list, NULL), 0);
	expect_call("{\"method\":\"io.mcumgr.List\",\"parameters\":{}}");
	ck_assert_uint_eq(list->n_devices, 2);
	ck_assert_str_eq(list->devices[0]->id, "a");
	ck_assert_str_eq(list->devices[0]->name, "left");
	ck_assert_int_eq(list->devices[0]->state, MCUMGR_DEVICE_STATE_READY);
	ck_assert_str_eq(mcumgr_device_state_name(list->devices[0]->state), "ready");
	ck_assert_uint_eq(list->devices[0]->n_groups, 2);
	ck_assert_int_eq(list->devices[0]->groups[1], 9);
	ck_assert_str_eq(list->devices[0]->bootloader->name, "MCUboot");
	ck_assert(list->devices[0]->bootloader->mode.set && list->devices[0]->bootloader->mode.value == -1);
	ck_assert(!list->devices[0]->bootloader->no_downgrade.set);
	ck_assert_ptr_null(list->devices[0]->images);
	ck_assert_int_eq(list->devices[1]->state, MCUMGR_DEVICE_STATE_OTHER);
	ck_assert_str_eq(mcumgr_device_state_name(list->devices[1]->state), "other");
	ck_assert_str_eq(mcumgr_device_state_name((enum mcumgr_device_state)99), "other");
	ck_assert_str_eq(list->devices[1]->reason, "worn");
	ck_assert_ptr_null(list->devices[1]->tty);
	ck_assert(list->devices[1]->frame_size.set && list->devices[1]->frame_size.value == 384);
	ck_assert_ptr_nonnull(json_object_object_get(list->devices[1]->object, "new"));
	mcumgr_list_reply_free(list);
	mcumgr_list_reply_free(NULL);
}
END_TEST

/* Replies that are not what the API says: the place is told, the connection stays. */
static const struct {
	const char *reply, *place;
} improper[] = {
	{ "{}", "devices" },
	{ "{\"parameters\":{\"devices\":null}}", "devices" },
	{ "{\"parameters\":{\"devices\":7}}", "devices" },
	{ "{\"parameters\":{\"devices\":[null]}}", "devices[0]" },
	{ "{\"parameters\":{\"devices\":[{\"id\":5}]}}", "devices[0].id" },
	{ "{\"parameters\":{\"devices\":[{\"id\":\"a\",\"state\":\"ready\"," DEVICE_REST ",\"frameSize\":\"x\"}]}}",
		"devices[0].frameSize" },
	{ "{\"parameters\":{\"devices\":[{\"id\":\"a\",\"state\":4," DEVICE_REST "}]}}", "devices[0].state" },
	{ "{\"parameters\":{\"devices\":[{\"id\":\"a\",\"state\":\"ready\"," DEVICE_REST
	  ",\"bootloader\":{\"name\":\"x\",\"noDowngrade\":1}}]}}",
		"devices[0].bootloader.noDowngrade" },
	{ "{\"parameters\":{\"devices\":[{\"id\":\"a\",\"state\":\"ready\"," DEVICE_REST ",\"groups\":[0,true]}]}}",
		"devices[0].groups[1]" },
};

START_TEST(improper_replies)
{
	struct mcumgr_list_reply *list = NULL;
	char wanted[200];

	connected();
	answer(improper[_i].reply);
	ck_assert_int_eq(mcumgr_list(m, NULL, &list, NULL), -EPROTO);
	snprintf(wanted, sizeof(wanted), "the daemon's reply to List has no proper '%s'", improper[_i].place);
	ck_assert_str_eq(mcumgr_message(m), wanted);
	ck_assert_ptr_null(list);
	ck_assert(mcumgr_connected(m));
	answer("{\"parameters\":{\"devices\":[]}}");
	ck_assert_int_eq(mcumgr_list(m, NULL, &list, NULL), 0);
	ck_assert_uint_eq(list->n_devices, 0);
	ck_assert_ptr_nonnull(list->devices);
	mcumgr_list_reply_free(list);
}
END_TEST

static int see(struct mcumgr *handle, const struct mcumgr_watch_reply *event, void *user)
{
	char *tape = user;

	(void)handle;
	sprintf(tape + strlen(tape), "%s %d %s\n", mcumgr_watch_event_name(event->event), (int)event->number,
		event->device ? event->device->id : "-");
	return event->event == MCUMGR_WATCH_EVENT_REMOVED ? 42 : 0;
}

#define TIME "\"time\":\"2026-01-01T00:00:00.000Z\""
#define BOARD "{\"id\":\"a\",\"state\":\"ready\"," DEVICE_REST "}"

START_TEST(watch_boards)
{
	char tape[256] = "";

	connected();
	mcumgr_set_timeout(m, 1); /* does not hold for a watch */
	answer("{\"continues\":true,\"parameters\":{\"event\":\"present\",\"number\":4," TIME ",\"device\":" BOARD "}}");
	answer("{\"continues\":true,\"parameters\":{\"event\":\"current\"," TIME ",\"number\":4}}");
	answer("{\"continues\":true,\"parameters\":{\"event\":\"removed\",\"number\":5," TIME ",\"device\":" BOARD "}}");
	ck_assert_int_eq(mcumgr_watch_stream(m, MCUMGR_ARGS(watch, .device = "a"), see, tape, NULL), 42);
	ck_assert_str_eq(tape, "present 4 a\ncurrent 4 -\nremoved 5 a\n");
	expect_call("{\"method\":\"io.mcumgr.Watch\",\"parameters\":{\"device\":\"a\"},\"more\":true}");
	connected();
	answer("{\"continues\":true,\"parameters\":{}}");
	ck_assert_int_eq(mcumgr_watch_stream(m, NULL, see, tape, NULL), -EPROTO);
}
END_TEST

#define INFO                                                                                                           \
	"\"info\":{\"version\":\"1\",\"hash\":\"h\",\"hashType\":\"sha256\",\"fileHash\":\"f\",\"headerSize\":32,\"imageSize\":1,"      \
	"\"protectedSize\":0,\"fileSize\":9,\"padded\":false,\"encrypted\":true,\"flags\":[\"a\",\"b\"],\"tlvs\":"                        \
	"[{\"type\":16,\"size\":32,\"protected\":true}]}"

START_TEST(put_image)
{
	struct mcumgr_image_put_reply *put;

	connected();
	answer("{\"parameters\":{\"hash\":\"ab\"," INFO "}}");
	ck_assert_int_eq(
		mcumgr_image_put(m, MCUMGR_ARGS(image_put, .data = { "\0\1\377", 3 }, .any = MCUMGR_BOOL(true)), &put, NULL), 0);
	ck_assert_str_eq(put->hash, "ab");
	ck_assert_str_eq(put->info->flags[1], "b");
	ck_assert(put->info->encrypted && !put->info->padded && put->info->tlvs[0]->protected_);
	ck_assert_ptr_null(put->info->tlvs[0]->name);
	ck_assert(!put->info->load_address.set);
	mcumgr_image_put_reply_free(put);
	expect_call("{\"method\":\"io.mcumgr.ImagePut\",\"parameters\":{\"data\":\"AAH/\",\"any\":true}}");
	answer("{\"parameters\":{\"hash\":\"ab\"}}");
	ck_assert_int_eq(mcumgr_image_put(m, MCUMGR_ARGS(image_put, .data = { "", 0 }), NULL, NULL), 0);
	expect_call("{\"method\":\"io.mcumgr.ImagePut\",\"parameters\":{\"data\":\"\"}}");
	ck_assert_int_eq(mcumgr_image_put(m, NULL, NULL, NULL), -EINVAL);
	ck_assert_str_eq(mcumgr_message(m), "ImagePut needs 'data'");
}
END_TEST

static int follow(struct mcumgr *handle, const struct mcumgr_update_reply *p, void *user)
{
	char *tape = user;

	(void)handle;
	sprintf(tape + strlen(tape), "%s %s %d %d/%d %s\n", p->job, mcumgr_update_step_name(p->step), (int)p->percent,
		p->done_bytes.set ? (int)p->done_bytes.value : -1, p->total_bytes.set ? (int)p->total_bytes.value : -1,
		p->outcome ? p->outcome : "-");
	return p->percent == 99;
}

START_TEST(update_board)
{
	struct mcumgr_update_args update = { .size = sizeof(update), .device = "a", .file = "f", .image_number = MCUMGR_INT(1),
		.confirm = MCUMGR_BOOL(false), .force_confirm = MCUMGR_BOOL(true), .skip_reboot = MCUMGR_BOOL(true),
		.boot_timeout_ms = MCUMGR_INT(500) };
	struct mcumgr_update_reply *done;
	char tape[256] = "";

	connected();
	ck_assert_int_eq(mcumgr_update_stream(m, NULL, follow, tape, NULL), -EINVAL);
	answer("{\"continues\":true,\"parameters\":{\"job\":\"1\",\"step\":\"upload\",\"percent\":5,\"doneBytes\":1,\"totalBytes\":2}}");
	answer("{\"parameters\":{\"job\":\"1\",\"step\":\"done\",\"percent\":100,\"outcome\":\"updated\"}}");
	ck_assert_int_eq(mcumgr_update_stream(m, MCUMGR_ARGS(update, .file = "f"), follow, tape, NULL), 0);
	ck_assert_str_eq(tape, "1 upload 5 1/2 -\n1 done 100 -1/-1 updated\n");
	expect_call("{\"method\":\"io.mcumgr.Update\",\"parameters\":{\"file\":\"f\"},\"more\":true}");
	answer("{\"parameters\":{\"job\":\"1\",\"step\":\"done\",\"percent\":100,\"outcome\":\"testing\"}}");
	ck_assert_int_eq(mcumgr_update(m, MCUMGR_ARGS(update, .file = "f"), &done, NULL), 0);
	expect_call("{\"method\":\"io.mcumgr.Update\",\"parameters\":{\"file\":\"f\"}}");
	ck_assert_str_eq(done->outcome, "testing");
	mcumgr_update_reply_free(done);
	answer("{\"continues\":true,\"parameters\":{\"job\":\"1\",\"step\":\"upload\",\"percent\":99}}");
	ck_assert_int_eq(mcumgr_update_stream(m, &update, follow, tape, NULL), 1);
	expect_call("{\"method\":\"io.mcumgr.Update\",\"parameters\":{\"device\":\"a\",\"file\":\"f\",\"imageNumber\":1,"
		    "\"confirm\":false,\"forceConfirm\":true,\"skipReboot\":true,\"bootTimeoutMs\":500},\"more\":true}");
	ck_assert(!mcumgr_connected(m));
}
END_TEST

/* Structs of programs that were built with another version of the library. */
START_TEST(sizes_of_arguments)
{
	struct {
		struct mcumgr_echo_args args;
		const char *newer;
	} longer = { { .size = sizeof(longer), .text = "x" }, NULL };
	struct mcumgr_echo_args args = { .text = "x" };

	connected();
	ck_assert_int_eq(mcumgr_echo(m, &args, NULL, NULL), -EINVAL);
	ck_assert_str_eq(mcumgr_message(m), "the arguments of Echo do not say their size");
	answer("{\"parameters\":{\"text\":\"x\"}}");
	ck_assert_int_eq(mcumgr_echo(m, &longer.args, NULL, NULL), 0);
	longer.newer = "y";
	ck_assert_int_eq(mcumgr_echo(m, &longer.args, NULL, NULL), -E2BIG);
	args.size = offsetof(struct mcumgr_echo_args, text);
	ck_assert_int_eq(mcumgr_echo(m, &args, NULL, NULL), -EINVAL);
	ck_assert_str_eq(mcumgr_message(m), "Echo needs 'text'");
}
END_TEST

START_TEST(values_of_all_kinds)
{
	struct mcumgr_stat_read_reply *stat;
	struct mcumgr_file_hash_types_reply *types;
	struct mcumgr_setting_read_reply *setting;
	struct mcumgr_request_reply *any;
	json_object *payload = json_object_new_object();

	connected();
	answer("{\"parameters\":{\"group\":\"g\",\"values\":[{\"name\":\"n\",\"value\":\"18446744073709551615\"}]}}");
	ck_assert_int_eq(mcumgr_stat_read(m, MCUMGR_ARGS(stat_read, .group = "g"), &stat, NULL), 0);
	ck_assert_uint_eq((uint64_t)stat->values[0]->value, UINT64_MAX);
	mcumgr_stat_read_reply_free(stat);
	answer("{\"parameters\":{\"types\":{\"crc32\":{\"format\":0,\"size\":4},\"x\":{\"format\":1,\"size\":32}}}}");
	ck_assert_int_eq(mcumgr_file_hash_types(m, NULL, &types, NULL), 0);
	ck_assert_uint_eq(types->n_types, 2);
	ck_assert_str_eq(types->types_names[1], "x");
	ck_assert_int_eq(types->types[1]->size, 32);
	mcumgr_file_hash_types_reply_free(types);
	answer("{\"parameters\":{\"value\":\"AAH/\"}}");
	ck_assert_int_eq(mcumgr_setting_read(m, MCUMGR_ARGS(setting_read, .name = "n"), &setting, NULL), 0);
	ck_assert_mem_eq(setting->value.data, "\0\1\377", 3);
	ck_assert_uint_eq(setting->value.size, 3);
	mcumgr_setting_read_reply_free(setting);
	answer("{\"parameters\":{\"value\":\"A\"}}");
	ck_assert_int_eq(mcumgr_setting_read(m, MCUMGR_ARGS(setting_read, .name = "n"), &setting, NULL), -EPROTO);
	answer("{\"parameters\":{\"payload\":{\"r\":1}}}");
	json_object_object_add(payload, "d", NULL);
	close(peer), peer = -1, connected();
	answer("{\"parameters\":{\"payload\":{\"r\":1}}}");
	ck_assert_int_eq(mcumgr_request(m, MCUMGR_ARGS(request, .operation = MCUMGR_REQUEST_OPERATION_WRITE, .group = 64,
						.payload = payload), &any, NULL), 0);
	ck_assert_int_eq(json_object_get_int(json_object_object_get(any->payload, "r")), 1);
	mcumgr_request_reply_free(any);
	json_object_put(payload);
	expect_call("{\"method\":\"io.mcumgr.Request\",\"parameters\":{\"operation\":\"write\",\"group\":64,\"command\":0,"
		    "\"payload\":{\"d\":null}}}");
	ck_assert_int_eq(mcumgr_request(m, MCUMGR_ARGS(request, .group = 64), &any, NULL), -EINVAL);
	ck_assert_str_eq(mcumgr_message(m), "Request needs 'operation'");
	answer("{\"parameters\":{\"output\":\"\",\"status\":-8}}");
	ck_assert_int_eq(mcumgr_shell_execute(m, MCUMGR_ARGS(shell_execute, .timeout_ms = MCUMGR_INT(9), .n_arguments = 2,
						      .arguments = (const char *[]){ "a", "b" }), NULL, NULL), 0);
	expect_call("{\"method\":\"io.mcumgr.ShellExecute\",\"parameters\":{\"timeoutMs\":9,\"arguments\":[\"a\",\"b\"]}}");
	answer("{\"parameters\":{\"groups\":[]}}");
	ck_assert_int_eq(mcumgr_groups(m, MCUMGR_ARGS(groups, .n_groups = 1, .groups = (int64_t[]){ 3 }), NULL, NULL), 0);
	expect_call("{\"method\":\"io.mcumgr.Groups\",\"parameters\":{\"groups\":[3]}}");
}
END_TEST

START_TEST(errors_as_structs)
{
	struct mcumgr_error *error = NULL;
	struct mcumgr_error_info *info;

	ck_assert_int_eq(mcumgr_error_info(NULL, &info), -EINVAL);
	connected();
	answer("{\"error\":\"io.mcumgr.DeviceError\",\"parameters\":{\"device\":\"a\",\"group\":8,\"groupName\":\"file system\",\"rc\":3,"
	       "\"name\":\"FILE_NOT_FOUND\",\"message\":\"no\",\"hint\":null}}");
	ck_assert_int_eq(mcumgr_file_status(m, MCUMGR_ARGS(file_status, .path = "/x"), NULL, &error), -EREMOTEIO);
	ck_assert_int_eq(mcumgr_error_code(error), MCUMGR_ERROR_DEVICE_ERROR);
	ck_assert_int_eq(mcumgr_error_info(error, &info), 0);
	ck_assert_int_eq(info->code, MCUMGR_ERROR_DEVICE_ERROR);
	ck_assert(info->group.set && info->group.value == 8 && info->rc.set && info->rc.value == 3);
	ck_assert_str_eq(info->group_name, "file system");
	ck_assert_str_eq(info->name, "FILE_NOT_FOUND");
	ck_assert_ptr_null(info->hint);
	ck_assert(!info->command.set);
	mcumgr_error_info_free(info);
	mcumgr_error_free(error);
	ck_assert_int_eq(mcumgr_error_code(NULL), MCUMGR_ERROR_OTHER);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("library");
	TCase *tests = tcase_create("all");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_test(tests, calls_in_order);
	tcase_add_test(tests, byte_by_byte);
	tcase_add_loop_test(tests, error_replies, 0, sizeof(errors) / sizeof(errors[0]));
	tcase_add_test(tests, error_names);
	tcase_add_test(tests, stream_to_its_end);
	tcase_add_test(tests, stream_stopped);
	tcase_add_test(tests, reconnect_in_callback);
	tcase_add_loop_test(tests, broken_server, 0, sizeof(broken) / sizeof(broken[0]));
	tcase_add_test(tests, deadline);
	tcase_add_test(tests, reply_before_deadline);
	tcase_add_test(tests, oneway);
	tcase_add_test(tests, large_call);
	tcase_add_test(tests, closing_calls_back);
	tcase_add_test(tests, closing_stays_closed);
	tcase_add_test(tests, longest_timeout);
	tcase_add_test(tests, where_to_connect);
	tcase_add_test(tests, blocking_call);
	tcase_add_test(tests, blocking_call_in_a_stream);
	tcase_add_test(tests, process_in_a_stream);
	tcase_add_test(tests, json_call);
	tcase_add_test(tests, list_boards);
	tcase_add_loop_test(tests, improper_replies, 0, sizeof(improper) / sizeof(improper[0]));
	tcase_add_test(tests, watch_boards);
	tcase_add_test(tests, put_image);
	tcase_add_test(tests, update_board);
	tcase_add_test(tests, sizes_of_arguments);
	tcase_add_test(tests, values_of_all_kinds);
	tcase_add_test(tests, errors_as_structs);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
