/* SPDX-License-Identifier: MIT */
/* Two connections in one poll loop: one follows the boards, the other asks each that becomes ready for an echo.
 * cc watch.c $(pkg-config --cflags --libs mcumgr) -o watch */
#include <errno.h>
#include <mcumgr.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

static bool over;

static const char *text(json_object *object, const char *key)
{
	json_object *member;

	return json_object_object_get_ex(object, key, &member) && member ? json_object_get_string(member) : "";
}

static int on_echo(struct mcumgr *m, const struct mcumgr_reply *reply, void *user)
{
	(void)user;
	if (reply->result == 0)
		printf("echo: %s\n", text(reply->parameters, "text"));
	else if (reply->result == -EREMOTEIO)
		printf("echo: %s\n", reply->error->message);
	else if (reply->result != -ECANCELED) /* that is mcumgr_free() below */
		printf("echo: %s\n", mcumgr_message(m));
	return 0;
}

static void ask(struct mcumgr *m, const char *device)
{
	json_object *parameters = json_object_new_object();

	json_object_object_add(parameters, "device", json_object_new_string(device));
	json_object_object_add(parameters, "text", json_object_new_string(device));
	if (mcumgr_send(m, "Echo", parameters, 0, 10000, on_echo, NULL) < 0)
		printf("%s\n", mcumgr_message(m));
	json_object_put(parameters);
}

static int on_event(struct mcumgr *m, const struct mcumgr_reply *reply, void *user)
{
	json_object *device;

	if (reply->result < 0) {
		printf("watch: %s\n", reply->result == -EREMOTEIO ? reply->error->message : mcumgr_message(m));
		over = true;
		return 0;
	}
	printf("%s\n", text(reply->parameters, "event"));
	if (json_object_object_get_ex(reply->parameters, "device", &device) &&
		strcmp(text(device, "state"), "ready") == 0)
		ask(user, text(device, "id"));
	return 0;
}

static int shorter(int a, int b)
{
	return a < 0 ? b : b < 0 || a < b ? a : b;
}

int main(void)
{
	struct mcumgr *watch, *work;

	setvbuf(stdout, NULL, _IOLBF, 0); /* a pipe gets each line when it is written, too */
	if (mcumgr_new(&watch) < 0 || mcumgr_new(&work) < 0)
		return 1;
	if (mcumgr_connect(watch, NULL) < 0 || mcumgr_send(watch, "Watch", NULL, MCUMGR_MORE, 0, on_event, work) < 0) {
		fprintf(stderr, "%s\n", mcumgr_message(watch));
		return 1;
	}
	if (mcumgr_connect(work, NULL) < 0) {
		fprintf(stderr, "%s\n", mcumgr_message(work));
		return 1;
	}
	while (!over) {
		struct pollfd polls[] = {
			{ .fd = mcumgr_fd(watch), .events = mcumgr_events(watch) },
			{ .fd = mcumgr_fd(work), .events = mcumgr_events(work) },
		};

		if (poll(polls, 2, shorter(mcumgr_wait_ms(watch), mcumgr_wait_ms(work))) < 0 && errno != EINTR)
			break;
		mcumgr_process(watch);
		if (mcumgr_connected(work))
			mcumgr_process(work);
	}
	mcumgr_free(work);
	mcumgr_free(watch);
	return 0;
}
