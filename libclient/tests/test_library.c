/* SPDX-License-Identifier: MIT */
/* libmcumgr against a server that is played in the same thread: what is written to it, byte by byte, is what a reader
 * of the socket sees. Blocking calls have the server's answers in the socket before they are made. */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "libclient/mcumgr.h"

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

START_TEST(list_boards)
{
	struct mcumgr_device *devices;
	size_t count;

	connected();
	answer("{\"parameters\":{\"devices\":[{\"id\":\"a\",\"name\":\"left\",\"state\":\"ready\",\"tty\":\"/dev/x\",\"version\":\"1.0\"},"
	       "{\"id\":\"b\",\"state\":\"broken\",\"reason\":\"worn\",\"tty\":null}]}}");
	ck_assert_int_eq(mcumgr_list(m, &devices, &count, NULL), 0);
	ck_assert_uint_eq(count, 2);
	ck_assert_str_eq(devices[0].id, "a");
	ck_assert_str_eq(devices[0].alias, "left");
	ck_assert_str_eq(devices[0].tty, "/dev/x");
	ck_assert_str_eq(devices[0].version, "1.0");
	ck_assert_str_eq(devices[1].reason, "worn");
	ck_assert_ptr_null(devices[1].tty);
	mcumgr_devices_free(devices, count);
	answer("{\"parameters\":{\"devices\":7}}");
	ck_assert_int_eq(mcumgr_list(m, &devices, &count, NULL), -EPROTO);
	answer("{\"parameters\":{\"devices\":[null,7]}}");
	ck_assert_int_eq(mcumgr_list(m, &devices, &count, NULL), 0);
	ck_assert_ptr_null(devices[1].id);
	mcumgr_devices_free(devices, count);
}
END_TEST

static int see(struct mcumgr *handle, const struct mcumgr_event *event, void *user)
{
	char *tape = user;

	(void)handle;
	sprintf(tape + strlen(tape), "%s %d %s\n", event->event, (int)event->number,
		event->device ? event->device->id : "-");
	return strcmp(event->event, "removed") == 0 ? 42 : 0;
}

START_TEST(watch_boards)
{
	char tape[256] = "";

	connected();
	mcumgr_set_timeout(m, 1); /* does not hold for a watch */
	answer("{\"continues\":true,\"parameters\":{\"event\":\"present\",\"number\":4,\"device\":{\"id\":\"a\"}}}");
	answer("{\"continues\":true,\"parameters\":{\"event\":\"current\",\"number\":4}}");
	answer("{\"continues\":true,\"parameters\":{\"event\":\"removed\",\"number\":5,\"device\":{\"id\":\"a\"}}}");
	ck_assert_int_eq(mcumgr_watch(m, "a", see, tape, NULL), 42);
	ck_assert_str_eq(tape, "present 4 a\ncurrent 4 -\nremoved 5 a\n");
	expect_call("{\"method\":\"io.mcumgr.Watch\",\"parameters\":{\"device\":\"a\"},\"more\":true}");
	connected();
	answer("{\"continues\":true,\"parameters\":{}}");
	ck_assert_int_eq(mcumgr_watch(m, NULL, see, tape, NULL), -EPROTO);
}
END_TEST

START_TEST(put_image)
{
	char *hash = NULL;

	connected();
	answer("{\"parameters\":{\"hash\":\"ab\"}}");
	ck_assert_int_eq(mcumgr_image_put(m, "\0\1\377", 3, true, &hash, NULL), 0);
	ck_assert_str_eq(hash, "ab");
	free(hash);
	expect_call("{\"method\":\"io.mcumgr.ImagePut\",\"parameters\":{\"data\":\"AAH/\",\"any\":true}}");
	answer("{}");
	ck_assert_int_eq(mcumgr_image_put(m, "", 0, false, &hash, NULL), -EPROTO);
}
END_TEST

static int follow(struct mcumgr *handle, const struct mcumgr_progress *p, void *user)
{
	char *tape = user;

	(void)handle;
	sprintf(tape + strlen(tape), "%s %s %d %d/%d\n", p->job, p->step, p->percent, (int)p->done_bytes,
		(int)p->total_bytes);
	return p->percent == 99;
}

START_TEST(update_board)
{
	struct mcumgr_update update = MCUMGR_UPDATE_INIT;
	char tape[256] = "", *outcome = NULL;

	connected();
	ck_assert_int_eq(mcumgr_update(m, &update, follow, tape, &outcome, NULL), -EINVAL);
	update.file = "f";
	answer("{\"continues\":true,\"parameters\":{\"job\":\"1\",\"step\":\"upload\",\"percent\":5,\"doneBytes\":1,\"totalBytes\":2}}");
	answer("{\"parameters\":{\"job\":\"1\",\"step\":\"done\",\"percent\":100,\"outcome\":\"updated\"}}");
	ck_assert_int_eq(mcumgr_update(m, &update, follow, tape, &outcome, NULL), 0);
	ck_assert_str_eq(outcome, "updated");
	ck_assert_str_eq(tape, "1 upload 5 1/2\n1 done 100 -1/-1\n");
	free(outcome);
	expect_call("{\"method\":\"io.mcumgr.Update\",\"parameters\":{\"file\":\"f\"},\"more\":true}");
	update = (struct mcumgr_update){ sizeof(update), "a", "f", 1, true, true, true, true, true, true, 500 };
	answer("{\"continues\":true,\"parameters\":{\"job\":\"1\",\"step\":\"upload\",\"percent\":99}}");
	ck_assert_int_eq(mcumgr_update(m, &update, follow, tape, &outcome, NULL), 1);
	expect_call(
		"{\"method\":\"io.mcumgr.Update\",\"parameters\":{\"device\":\"a\",\"file\":\"f\",\"imageNumber\":1,\"confirm\":false,"
		"\"forceConfirm\":true,\"skipReboot\":true,\"upgradeOnly\":true,\"eraseFirst\":true,\"detached\":true,"
		"\"bootTimeoutMs\":500},\"more\":true}");
	ck_assert(!mcumgr_connected(m));
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
	tcase_add_test(tests, where_to_connect);
	tcase_add_test(tests, blocking_call);
	tcase_add_test(tests, json_call);
	tcase_add_test(tests, list_boards);
	tcase_add_test(tests, watch_boards);
	tcase_add_test(tests, put_image);
	tcase_add_test(tests, update_board);
	suite_add_tcase(suite, tests);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
