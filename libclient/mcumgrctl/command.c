/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libclient/mcumgrctl/command.h"
#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/failure.h"
#include "libclient/mcumgrctl/text.h"
#include "proto/macro.h"

static volatile sig_atomic_t forwarded;

static void forward(int number)
{
	forwarded = number;
}

static void nothing(int number)
{
	(void)number;
}

/* Tells once, when what was held is not any more. */
static void tell_loss(struct hold *h, const char *what)
{
	if (!h->told)
		fprintf(stderr, "mcumgrctl: %s\n", what);
	h->told = true;
}

/* Takes what came; true: nothing is held any more. */
static bool process(struct hold *h)
{
	struct mcumgr *m = h->ctl->connection;

	if (mcumgr_connected(m) && mcumgr_process(m) < 0)
		tell_loss(h, mcumgr_message(m));
	else if (h->lost && h->lost(h))
		tell_loss(h, "the lease has ended: somebody took it away");
	return h->told;
}

/* ---- a command ---- */

static _Noreturn void exec_command(char **argv, const sigset_t *mask)
{
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	fprintf(stderr, "mcumgrctl: %s cannot be run: %s\n", show(argv[0]), strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/* Until the command has ended: signals go on to it, and news of the connection are heard. */
static int watch_command(struct hold *h, pid_t child, const sigset_t *mask)
{
	int status;

	while (waitpid(child, &status, WNOHANG) == 0) {
		bool listens = mcumgr_connected(h->ctl->connection);
		struct pollfd p = { .fd = listens ? mcumgr_fd(h->ctl->connection) : -1,
			.events = listens ? mcumgr_events(h->ctl->connection) : 0 };

		if (ppoll(&p, 1, NULL, mask) > 0)
			process(h);
		if (forwarded)
			kill(child, forwarded);
		forwarded = 0;
	}
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int command_run(struct hold *h, char **argv)
{
	static const int passed_on[] = { SIGTERM, SIGHUP };
	sigset_t set, mask;
	pid_t child;

	fflush(NULL);
	/* What comes between the look at the command and the wait must not be lost. */
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < ARRAY_SIZE(passed_on); i++)
		sigaddset(&set, passed_on[i]);
	sigprocmask(SIG_BLOCK, &set, &mask);
	child = fork();
	if (child == 0)
		exec_command(argv, &mask);
	if (child < 0)
		return (int)failure_local(h->ctl, NULL, CODE_OTHER, "NotRun", strerror(errno), NULL);
	signal(SIGINT, SIG_IGN);
	signal(SIGQUIT, SIG_IGN);
	signal(SIGCHLD, nothing);
	for (size_t i = 0; i < ARRAY_SIZE(passed_on); i++) {
		signal(passed_on[i], forward);
		sigdelset(&mask, passed_on[i]);
	}
	sigdelset(&mask, SIGCHLD);
	return watch_command(h, child, &mask);
}

/* ---- a wait ---- */

int command_wait(struct hold *h)
{
	char scratch[256];

	fflush(stdout);
	for (;;) {
		struct pollfd p[] = { { .fd = STDIN_FILENO, .events = POLLIN },
			{ .fd = mcumgr_fd(h->ctl->connection), .events = mcumgr_events(h->ctl->connection) } };

		if (poll(p, 2, -1) < 0)
			continue;
		if (p[1].revents && process(h))
			return mcumgr_connected(h->ctl->connection) ? CODE_BUSY : CODE_DAEMON;
		if (p[0].revents && read(STDIN_FILENO, scratch, sizeof(scratch)) <= 0)
			return CODE_DONE;
	}
}

/* ---- words ---- */

static void print_word(FILE *f, const char *word)
{
	if (*word && !word[strcspn(word, " \t\n'\"\\$&|;<>()*?#~`")]) {
		fputs(word, f);
		return;
	}
	fputc('\'', f);
	for (; *word; word++)
		if (*word == '\'')
			fputs("'\\''", f);
		else
			fputc(*word, f);
	fputc('\'', f);
}

char *command_text(char *const *argv, size_t size)
{
	_cleanup_free_ char *text = NULL;
	size_t length, fit;
	FILE *f = open_memstream(&text, &length);
	char *clean;

	if (!f)
		out_of_memory();
	for (size_t i = 0; argv[i]; i++) {
		if (i)
			fputc(' ', f);
		print_word(f, argv[i]);
	}
	if (fclose(f))
		out_of_memory();
	clean = text_clean(text);
	/* Not in the middle of a character. */
	fit = strlen(clean) > size ? size : strlen(clean);
	while (fit > 0 && ((unsigned char)clean[fit] & 0xc0) == 0x80)
		fit--;
	clean[fit] = 0;
	return clean;
}
