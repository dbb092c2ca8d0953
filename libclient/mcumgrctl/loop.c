/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/failure.h"
#include "libclient/mcumgrctl/keyboard.h"
#include "libclient/mcumgrctl/private.h"
#include "libclient/mcumgrctl/screen.h"
#include "libclient/mcumgrctl/text.h"
#include "proto/json.h"

uint64_t ctl_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void ctl_print_json(json_object *object)
{
	_cleanup_free_ char *text = text_json(object);

	/* One write a line, also into a pipe that several share. */
	printf("%s\n", text);
	fflush(stdout);
}

int ctl_connect(struct ctl *ctl)
{
	int r;

	if (ctl->connection)
		return 0;
	if (mcumgr_new(&ctl->connection) < 0)
		out_of_memory();
	r = mcumgr_connect(ctl->connection, ctl->socket);
	return r < 0 ? (int)failure_connection(ctl, NULL, ctl->connection, r) : 0;
}

int ctl_call(struct ctl *ctl, const char *method, json_object *parameters, json_object **ret_reply)
{
	struct mcumgr_error *error = NULL;
	int r = ctl_connect(ctl);

	if (r)
		return r;
	r = mcumgr_call(ctl->connection, method, parameters, ret_reply, &error);
	if (r == -EREMOTEIO)
		r = (int)failure_report(ctl, NULL, error);
	else if (r < 0)
		r = (int)failure_connection(ctl, NULL, ctl->connection, r);
	mcumgr_error_free(error);
	return r;
}

/* It is not run on, which is told. */
static void skip(struct board *b, const char *result, const char *detail)
{
	_cleanup_json_ json_object *line = NULL;

	b->finished = true;
	b->result = format("%s", result);
	b->detail = format("%s", detail);
	if (!b->ctl->json)
		return;
	line = json_object_new_object();
	json_object_object_add(line, "device", json_object_new_string(b->name));
	json_object_object_add(line, "skipped", json_object_new_string(result));
	ctl_print_json(line);
}

/* A board that is not plugged in can be asked nothing, and is not judged; but it is told. Not where a verb waits for boards or
 * follows them. */
static bool leave_out(struct board *b, json_object *device)
{
	const char *state = member_string(device, "state");

	if (!state || strcmp(state, "absent") != 0 || b->ctl->verb->expired || (b->ctl->verb->event && !b->ctl->verb->next))
		return false;
	skip(b, "absent", "not plugged in: left out");
	return true;
}

static int make_boards(struct ctl *ctl, json_object *reply)
{
	size_t i, absent = 0;

	ctl->count = reply ? member_count(reply, "devices") : 1;
	ctl->boards = calloc(ctl->count + 1, sizeof(*ctl->boards));
	if (!ctl->boards)
		out_of_memory();
	for (i = 0; i < ctl->count; i++) {
		const char *name = reply ? member_string(member_at(reply, "devices", i), "id") : ctl->device;

		ctl->boards[i].ctl = ctl;
		ctl->boards[i].name = name ? format("%s", name) : NULL;
		if (reply && !name)
			return (int)failure_local(
				ctl, NULL, CODE_DAEMON, "NotADaemon", "the daemon lists a board without an id", NULL);
		absent += reply && leave_out(&ctl->boards[i], member_at(reply, "devices", i));
	}
	if (absent && absent == ctl->count)
		return (int)failure_local(ctl, NULL, CODE_DEVICE, "NoSuchDevice", "no board is plugged in",
			"mcumgrctl list shows those that are configured.");
	if (!ctl->count)
		return (int)failure_local(ctl, NULL, CODE_DEVICE, "NoSuchDevice", "there is no board",
			"mcumgrctl watch shows boards as they are plugged in.");
	return 0;
}

static int find_boards(struct ctl *ctl)
{
	_cleanup_json_ json_object *parameters = NULL, *reply = NULL;
	int r;

	if (ctl->all && ctl->device) {
		parameters = json_object_new_object();
		json_object_object_add(parameters, "device", json_object_new_string(ctl->device));
	}
	r = ctl->all ? ctl_call(ctl, "List", parameters, &reply) : 0;

	return r ? r : make_boards(ctl, reply);
}

bool ctl_tunes(const struct ctl *ctl)
{
	return args_global(ctl->args, "smp-frame-size")->given || args_global(ctl->args, "retries")->given;
}

/* Settings of the boards, before they are asked anything. */
static int tune(struct ctl *ctl)
{
	static const char *const options[][2] = { { "smp-frame-size", "frameSize" }, { "retries", "retries" } };
	size_t i, k;
	int r = 0;

	for (i = 0; r == 0 && ctl_tunes(ctl) && i < ctl->count; i++) {
		_cleanup_json_ json_object *parameters = json_object_new_object(), *reply = NULL;

		if (ctl->boards[i].finished)
			continue;
		if (ctl->boards[i].name)
			json_object_object_add(parameters, "device", json_object_new_string(ctl->boards[i].name));
		for (k = 0; k < 2; k++) {
			const struct arg_value *value = args_global(ctl->args, options[k][0]);

			if (value->given)
				json_object_object_add(parameters, options[k][1], json_object_new_int64(value->number));
		}
		r = ctl_call(ctl, "Configure", parameters, &reply);
	}
	return r;
}

static bool all_finished(const struct ctl *ctl)
{
	size_t i;

	for (i = 0; i < ctl->count; i++)
		if (!ctl->boards[i].finished)
			return false;
	return true;
}

static size_t add_poll(struct pollfd *polls, size_t n, struct mcumgr *m)
{
	if (m && mcumgr_connected(m))
		polls[n++] = (struct pollfd){ .fd = mcumgr_fd(m), .events = mcumgr_events(m) };
	return n;
}

static uint64_t board_deadline(const struct board *b)
{
	return b->deadline && b->deadline < b->ctl->deadline ? b->deadline : b->ctl->deadline;
}

static uint64_t next_deadline(const struct ctl *ctl)
{
	uint64_t next = ctl->deadline;
	size_t i;

	for (i = 0; i < ctl->count; i++)
		if (!ctl->boards[i].finished && board_deadline(&ctl->boards[i]) < next)
			next = board_deadline(&ctl->boards[i]);
	return next;
}

static int next_wait_ms(const struct ctl *ctl)
{
	uint64_t now = ctl_now(), deadline = next_deadline(ctl), left = deadline > now ? deadline - now : 0;
	int wait = display_wait_ms(ctl), keys = keyboard_wait_ms();

	if (keys >= 0 && (wait < 0 || keys < wait))
		wait = keys;
	return deadline == UINT64_MAX || (wait >= 0 && (uint64_t)wait < left) ? wait : (int)left;
}

static void check_deadline(struct ctl *ctl)
{
	void (*late)(struct board *b) = ctl->verb->expired ? ctl->verb->expired : ctl->verb->overdue;
	size_t i;

	for (i = 0; late && i < ctl->count; i++)
		if (ctl->boards[i].started && !ctl->boards[i].finished && ctl_now() >= board_deadline(&ctl->boards[i]))
			late(&ctl->boards[i]);
}

static void wait_for_events(struct ctl *ctl, struct pollfd *polls)
{
	int wait = next_wait_ms(ctl);
	struct timespec pause = { .tv_sec = wait / 1000, .tv_nsec = wait % 1000 * 1000000L };
	size_t i, n = 0;

	polls[n++] = (struct pollfd){ .fd = keyboard_fd(), .events = POLLIN };
	/* Asked for nothing: told when nobody reads a pipe any more. */
	polls[n++] = (struct pollfd){ .fd = ctl->verb->flags & VERB_FOREVER ? STDOUT_FILENO : -1 };
	for (i = 0; i < ctl->count; i++) {
		n = add_poll(polls, n, ctl->boards[i].connection);
		n = add_poll(polls, n, ctl->boards[i].canceller);
	}
	if (ppoll(polls, n, wait < 0 ? NULL : &pause, interrupt_mask()) < 0)
		polls[0].revents = polls[1].revents = 0;
}

static bool reader_has_left(void)
{
	struct pollfd p = { .fd = STDOUT_FILENO };

	return poll(&p, 1, 0) > 0 && p.revents & POLLERR;
}

/* A verb that would go on for ever ends when head or grep -m1 have seen enough, even if it does not print for long; and
 * when what it prints goes nowhere, as on a disk that is full, which main() tells. */
static void end_without_output(struct ctl *ctl)
{
	size_t i;

	ctl->reader_left = reader_has_left();
	for (i = 0; i < ctl->count; i++)
		board_finish(&ctl->boards[i], CODE_DONE, "ok", NULL);
}

static void process(struct ctl *ctl)
{
	size_t i;

	for (i = 0; i < ctl->count; i++) {
		struct board *b = &ctl->boards[i];

		/* Errors come through the callbacks. */
		if (b->started && !b->finished && mcumgr_connected(b->connection))
			mcumgr_process(b->connection);
		if (b->canceller && mcumgr_connected(b->canceller))
			mcumgr_process(b->canceller);
	}
}

static bool is_over(const struct ctl *ctl, size_t failed)
{
	return ctl->interrupts || (ctl->stop_after && failed >= (size_t)ctl->stop_after);
}

/* Those whose turn it is: all at once, or with --parallel as many. */
static void start_boards(struct ctl *ctl)
{
	size_t i, running = 0, failed = 0;

	for (i = 0; i < ctl->count; i++) {
		running += ctl->boards[i].started && !ctl->boards[i].finished;
		failed += ctl->boards[i].finished && ctl->boards[i].code != CODE_DONE;
	}
	for (i = 0; i < ctl->count; i++) {
		struct board *b = &ctl->boards[i];

		if (b->started || b->finished)
			continue;
		if (is_over(ctl, failed)) {
			skip(b, "skipped", ctl->interrupts ? "interrupted before its turn" : "not begun with: others failed");
		} else if (!ctl->parallel || running < (size_t)ctl->parallel) {
			b->started = true;
			board_start(b);
			running += !b->finished;
			failed += b->finished && b->code != CODE_DONE;
		}
	}
}

static void loop(struct ctl *ctl)
{
	struct pollfd *polls = calloc(ctl->count * 2 + 2, sizeof(*polls));

	if (!polls)
		out_of_memory();
	if (ctl->verb->flags & VERB_FOREVER)
		signal(SIGPIPE, SIG_IGN);
	while (start_boards(ctl), !all_finished(ctl)) {
		display_update(ctl);
		wait_for_events(ctl, polls);
		while (interrupt_count() > ctl->interrupts)
			interrupt_handle(ctl);
		keyboard_process(polls[0].revents);
		process(ctl);
		if (ctl->verb->flags & VERB_FOREVER && (polls[1].revents & POLLERR || ferror(stdout)))
			end_without_output(ctl);
		check_deadline(ctl);
	}
	keyboard_end();
	screen_clear();
	free(polls);
}

static int worst(const struct ctl *ctl)
{
	int code = 0;
	size_t i;

	for (i = 0; i < ctl->count; i++)
		if ((int)ctl->boards[i].code > code)
			code = (int)ctl->boards[i].code;
	return code;
}

static int prepare(struct ctl *ctl)
{
	int r;

	ctl->parameters = json_object_new_object();
	args_parameters(ctl->args, ctl->parameters);
	r = ctl->verb->prepare ? ctl->verb->prepare(ctl, ctl->parameters) : 0;
	return r == -EINVAL ? (int)failure_usage(ctl) : r;
}

static void release(struct ctl *ctl)
{
	size_t i;

	for (i = 0; i < ctl->count; i++)
		board_release(&ctl->boards[i]);
	free(ctl->boards);
	mcumgr_free(ctl->connection);
	json_object_put(ctl->parameters);
}

int ctl_run(struct ctl *ctl)
{
	int r;

	r = ctl->serial || ctl->usb ? private_setup(ctl) : 0;
	if (r == 0)
		r = prepare(ctl);
	if (r == 0)
		r = find_boards(ctl);
	if (r == 0)
		r = tune(ctl);
	if (r == 0) {
		interrupt_setup();
		ctl->deadline =
			ctl->verb->expired && ctl->timeout_ms ? ctl_now() + (uint64_t)ctl->timeout_ms : UINT64_MAX;
		loop(ctl);
		display_table(ctl);
		r = worst(ctl);
	}
	release(ctl);
	return r;
}
