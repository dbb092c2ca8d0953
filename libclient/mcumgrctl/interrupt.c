/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/failure.h"
#include "libclient/mcumgrctl/keyboard.h"
#include "libclient/mcumgrctl/private.h"
#include "libclient/mcumgrctl/screen.h"
#include "libclient/mcumgrctl/text.h"
#include "proto/json.h"

static volatile sig_atomic_t seen;
static sigset_t waiting_mask;

static void on_signal(int number)
{
	(void)number;
	seen++;
}

void interrupt_setup(void)
{
	const struct sigaction action = { .sa_handler = on_signal };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, &waiting_mask);
	sigdelset(&waiting_mask, SIGINT);
	sigaction(SIGINT, &action, NULL);
}

unsigned int interrupt_count(void)
{
	return (unsigned int)seen;
}

const sigset_t *interrupt_mask(void)
{
	return &waiting_mask;
}

/* Closing the board's connection cancels too, but nobody would hear how it ended. */
static void cancel_by_closing(struct board *b)
{
	board_fail(b, CODE_CANCELLED, "Interrupted", "interrupted; the daemon stops the job at its next safe step",
		"mcumgrctl jobs shows how it ended.");
}

static int on_cancelled(struct mcumgr *m, const struct mcumgr_reply *reply, void *user)
{
	struct board *b = user;

	(void)m;
	/* A job that just ended cannot be cancelled: its own reply says how it ended. */
	if (reply->result == 0 || b->finished || mcumgr_error_is(reply->error, "NoSuchJob"))
		return 0;
	if (reply->result == -EREMOTEIO)
		failure_report(b->ctl, b->name, reply->error);
	if (reply->result != -ECANCELED)
		cancel_by_closing(b);
	return 0;
}

void interrupt_cancel(struct board *b)
{
	_cleanup_json_ json_object *parameters = NULL;

	b->cancel_wanted = true;
	if (!b->job || b->canceller)
		return;
	if (mcumgr_new(&b->canceller) < 0)
		out_of_memory();
	parameters = json_object_new_object();
	json_object_object_add(parameters, "job", json_object_new_string(b->job));
	if (mcumgr_connect(b->canceller, b->ctl->socket) < 0 ||
		mcumgr_send(b->canceller, "JobCancel", parameters, 0, 0, on_cancelled, b) < 0)
		cancel_by_closing(b);
}

static void interrupt_board(struct board *b)
{
	unsigned int flags = b->ctl->verb->flags;

	if (b->finished || !b->started)
		return;
	if (flags & VERB_FOREVER) {
		board_finish(b, CODE_CANCELLED, "interrupted", NULL);
	} else if (flags & VERB_FOLLOWS) {
		note(b, "The job goes on.\n");
		board_finish(b, CODE_CANCELLED, "interrupted", NULL);
	} else if (flags & VERB_JOB && !b->ctl->detach) {
		interrupt_cancel(b);
	} else {
		board_fail(b, CODE_CANCELLED, "Interrupted",
			b->ctl->verb->expired ? "interrupted while waiting" : "interrupted before the board's answer", NULL);
	}
}

/* Each Ctrl-C: the first cancels, the second leaves. */
void interrupt_handle(struct ctl *ctl)
{
	size_t i;

	if (ctl->interrupts++) {
		screen_clear();
		private_end();
		keyboard_end();
		_exit(CODE_CANCELLED);
	}
	if (ctl->verb->flags & VERB_JOB && !ctl->detach && !ctl->quiet) {
		screen_clear();
		fputs("mcumgrctl: cancelling at the next safe step; Ctrl-C again leaves at once\n", stderr);
	}
	for (i = 0; i < ctl->count; i++)
		interrupt_board(&ctl->boards[i]);
}
