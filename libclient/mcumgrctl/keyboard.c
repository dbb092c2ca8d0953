/* SPDX-License-Identifier: MIT */
#include "libclient/mcumgrctl/keyboard.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/text.h"
#include "proto/base64.h"
#include "proto/json.h"
#include "proto/macro.h"

#define LEAVE_KEY 0x1d  /* Ctrl-] */
#define CALL_BYTES 4096 /* the daemon's limit */
#define RETRY_MS 50     /* when the board's tty takes nothing */

/* Where in a line the keys are: "~." counts at its beginning only. */
enum escape { IN_LINE, AT_START, AFTER_TILDE };

static struct {
	struct board *board;
	bool terminal, changed, ended, refused;
	struct termios before;
	enum escape escape;
	char keys[CALL_BYTES]; /* not sent yet, behind those of the call under way */
	size_t count, sent;
	bool calling;
	uint64_t retry_at; /* 0: not */
} k;

/* ---- the terminal ---- */

void keyboard_end(void)
{
	if (k.changed)
		tcsetattr(STDIN_FILENO, TCSANOW, &k.before);
	k.changed = false;
}

/* The handler is gone by now: the signal does what it did before. */
static void on_deadly(int number)
{
	keyboard_end();
	raise(number);
}

static void set_back_on_signals(void)
{
	static const int deadly[] = { SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGABRT, SIGALRM, SIGUSR1, SIGUSR2 };
	const struct sigaction action = { .sa_handler = on_deadly, .sa_flags = (int)(SA_RESETHAND | SA_NODEFER) };
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct sigaction before;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(deadly); i++)
		if (sigaction(deadly[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
			sigaction(deadly[i], &action, NULL);
	/* A stopped program would leave the terminal as it is now to the shell. */
	sigaction(SIGTSTP, &ignore, NULL);
}

/* Output stays as it is, so that whatever else is printed has its line ends. */
static bool take_terminal(void)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &k.before) < 0)
		return false;
	raw = k.before;
	raw.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
	raw.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	set_back_on_signals();
	atexit(keyboard_end);
	k.changed = true;
	if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0)
		return true;
	keyboard_end();
	return false;
}

/* ---- to the daemon ---- */

static void send_keys(void);

static void tell_refusal(const struct mcumgr_error *error)
{
	if (!k.refused && !args_has(k.board->ctl->args, "raw"))
		fprintf(stderr, "\nmcumgrctl: not typed: %s\n", show(error->message));
	k.refused = true;
}

static int on_reply(struct mcumgr *m, const struct mcumgr_reply *reply, void *user)
{
	struct board *b = user;

	(void)m;
	k.calling = false;
	if (b->finished || reply->result == -ECANCELED)
		return 0;
	if (reply->result == -EREMOTEIO && mcumgr_error_is(reply->error, "LimitExceeded")) {
		k.retry_at = ctl_now() + RETRY_MS;
		return 0;
	}
	if (reply->result == -EREMOTEIO)
		tell_refusal(reply->error);
	else if (reply->result < 0) {
		board_fail(b, CODE_DAEMON, "Disconnected", "the daemon closed the connection for keys", NULL);
		return 0;
	}
	k.refused = reply->result != 0;
	k.count -= k.sent;
	memmove(k.keys, k.keys + k.sent, k.count);
	send_keys();
	return 0;
}

/* One call at a time: what is typed meanwhile goes with the next. */
static void send_keys(void)
{
	_cleanup_json_ json_object *parameters = NULL;
	_cleanup_free_ char *data = NULL;
	struct board *b = k.board;

	if (!k.count || k.calling || b->finished)
		return;
	parameters = json_object_new_object();
	data = base64_encode(k.keys, k.count, NULL);
	if (!data)
		out_of_memory();
	if (b->name)
		json_object_object_add(parameters, "device", json_object_new_string(b->name));
	if (args_has(b->ctl->args, "port"))
		json_object_object_add(parameters, "port", json_object_new_int64(args_value(b->ctl->args, "port")->number));
	json_object_object_add(parameters, "data", json_object_new_string(data));
	k.calling = true;
	k.sent = k.count;
	k.retry_at = 0;
	if (mcumgr_send(b->canceller, "ConsoleWrite", parameters, 0, 0, on_reply, b) < 0)
		board_fail(b, CODE_DAEMON, "Disconnected", "the daemon closed the connection for keys", NULL);
}

/* ---- keys ---- */

static void leave(void)
{
	k.ended = true;
	board_finish(k.board, CODE_DONE, "ok", NULL);
}

static void press(char c)
{
	enum escape before = k.escape;

	k.escape = c == '\r' || c == '\n' ? AT_START : IN_LINE;
	if (c == LEAVE_KEY || (before == AFTER_TILDE && c == '.')) {
		leave();
		return;
	}
	if (before == AT_START && c == '~') {
		k.escape = AFTER_TILDE;
		return;
	}
	if (before == AFTER_TILDE && c != '~')
		k.keys[k.count++] = '~';
	k.keys[k.count++] = c;
}

/* A key may become two, with the ~ that was held. */
static size_t room(void)
{
	return k.count + 2 < CALL_BYTES ? CALL_BYTES - k.count - 2 : 0;
}

static void read_keys(void)
{
	char data[1024];
	size_t most = room() < sizeof(data) ? room() : sizeof(data);
	ssize_t n = read(STDIN_FILENO, data, most), i;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		k.ended = true;
		if (k.terminal)
			leave();
		return;
	}
	for (i = 0; i < n && !k.ended; i++)
		if (k.terminal)
			press(data[i]);
		else
			k.keys[k.count++] = data[i];
}

void keyboard_start(struct board *b)
{
	k.board = b;
	k.escape = AT_START;
	if (mcumgr_new(&b->canceller) < 0)
		out_of_memory();
	if (mcumgr_connect(b->canceller, b->ctl->socket) < 0) {
		board_fail(b, CODE_DAEMON, "Disconnected", mcumgr_message(b->canceller), NULL);
		return;
	}
	k.terminal = isatty(STDIN_FILENO);
	if (k.terminal && !take_terminal())
		board_fail(b, CODE_OTHER, "Terminal", "the terminal's settings cannot be changed", NULL);
	else if (k.terminal && !b->ctl->quiet && !args_has(b->ctl->args, "raw"))
		fputs("Keys go to the board; Ctrl-] leaves, and ~. at the beginning of a line.\n", stderr);
}

bool keyboard_is_on(void)
{
	return k.board;
}

int keyboard_fd(void)
{
	return k.board && !k.ended && !k.board->finished && room() ? STDIN_FILENO : -1;
}

int keyboard_wait_ms(void)
{
	uint64_t now = ctl_now();

	if (!k.retry_at)
		return -1;
	return k.retry_at > now ? (int)(k.retry_at - now) : 0;
}

void keyboard_process(bool readable)
{
	if (!k.board || k.board->finished)
		return;
	if (readable)
		read_keys();
	if (!k.retry_at || ctl_now() >= k.retry_at)
		send_keys();
}
