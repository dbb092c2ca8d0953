/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/failure.h"
#include "libclient/mcumgrctl/private.h"

#include <mcumgr-api.h>
#include "libclient/mcumgrctl/text.h"
#include "proto/macro.h"

#define START_MS 10000
#define SAID_MAX 2000

static char directory[] = "/tmp/mcumgrctl-XXXXXX";
static char *socket_path;
static pid_t daemon_pid;
static int lifeline = -1; /* its standard input */

static bool same_tty(const char *a, const char *b)
{
	_cleanup_free_ char *real_a = realpath(a, NULL), *real_b = realpath(b, NULL);

	return strcmp(a, b) == 0 || (real_a && real_b && strcmp(real_a, real_b) == 0);
}

/* Whose port this is on USB now; NULL: that of a board that no section manages. false: it is no port on USB. */
static bool owner_of_port(struct mcumgr *m, const char *tty, char **ret_id)
{
	struct mcumgr_ports_reply *reply = NULL;
	bool found = false;
	size_t i;

	mcumgr_ports(m, NULL, &reply, NULL);
	for (i = 0; reply && i < reply->n_ports && !found; i++) {
		found = same_tty(reply->ports[i]->tty, tty);
		if (found && reply->ports[i]->section && reply->ports[i]->device)
			*ret_id = format("%s", reply->ports[i]->device);
	}
	mcumgr_ports_reply_free(reply);
	return found;
}

/* Those of the command line, and where boards were that are away. */
static char *owner_of_tty(struct mcumgr *m, const char *tty)
{
	struct mcumgr_list_reply *list = NULL;
	char *id = NULL;
	size_t i;

	mcumgr_list(m, NULL, &list, NULL);
	for (i = 0; list && i < list->n_devices && !id; i++)
		if (list->devices[i]->tty && same_tty(list->devices[i]->tty, tty))
			id = format("%s", list->devices[i]->id);
	mcumgr_list_reply_free(list);
	return id;
}

/* The id under which a running daemon has the tty; NULL: it has not, or there is none to ask. malloc'd. */
static char *known_device(struct ctl *ctl, const char *tty)
{
	struct mcumgr *m;
	char *id = NULL;

	if (mcumgr_new(&m) < 0)
		out_of_memory();
	if (mcumgr_connect(m, ctl->socket) == 0 && !owner_of_port(m, tty, &id))
		id = owner_of_tty(m, tty);
	mcumgr_free(m);
	return id;
}

static int fail(struct ctl *ctl, const char *message, const char *hint)
{
	return (int)failure_local(ctl, ctl->serial ? ctl->serial : ctl->usb, CODE_DAEMON, "DaemonUnreachable", message, hint);
}

/* Where the daemon says that it is ready (sd_notify), or -1. */
static int open_notify(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* In the child. What it says goes to `said`. */
static _Noreturn void run_daemon(const char *config, const char *port, const char *notify, int input, int said)
{
	const char *named = getenv("MCUMGRD");
	char *const argv[] = { (char *)"mcumgrd", (char *)"-c", (char *)config, (char *)"--private", directory,
		(char *)"--log-level", (char *)"error", port ? (char *)"--port" : NULL, (char *)port, NULL };

	/* Ctrl-C is for mcumgrctl, which cancels first. */
	setpgid(0, 0);
	dup2(input, STDIN_FILENO);
	dup2(said, STDOUT_FILENO);
	dup2(said, STDERR_FILENO);
	setenv("NOTIFY_SOCKET", notify, 1);
	unsetenv("LISTEN_FDS");
	unsetenv("WATCHDOG_USEC");
	if (named) {
		execv(named, argv);
	} else {
		execvp(argv[0], argv);
		execv(MCUMGRD_PATH, argv);
	}
	dprintf(STDERR_FILENO, "cannot run %s: %s\n", named ? named : argv[0], strerror(errno));
	_exit(127);
}

/* 0: it serves; -1: it ended, or took too long. Its output ends when it does. */
static int wait_until_ready(int notify, int said)
{
	uint64_t end = ctl_now() + START_MS, now;

	while ((now = ctl_now()) < end) {
		struct pollfd p[] = { { .fd = notify, .events = POLLIN }, { .fd = said } };
		char text[256] = "";

		poll(p, 2, (int)(end - now));
		if (p[1].revents & (POLLHUP | POLLERR))
			return -1;
		if (recv(notify, text, sizeof(text) - 1, 0) > 0 && strstr(text, "READY=1"))
			return 0;
	}
	return -1;
}

/* What it had to say, to its last full line. */
static char *read_said(int said)
{
	char text[SAID_MAX + 1];
	ssize_t n;

	fcntl(said, F_SETFL, O_NONBLOCK);
	n = read(said, text, SAID_MAX);
	text[n > 0 ? n : 0] = 0;
	return format("%s", text);
}

static int spawn(struct ctl *ctl, const char *config, const char *port)
{
	_cleanup_free_ char *notify_path = format("%s/notify", directory), *words = NULL;
	int notify = open_notify(notify_path), input[2] = { -1, -1 }, said[2] = { -1, -1 }, r = -1;

	if (notify >= 0 && pipe2(input, O_CLOEXEC) == 0 && pipe2(said, O_CLOEXEC) == 0) {
		daemon_pid = fork();
		if (daemon_pid == 0)
			run_daemon(config, port, notify_path, input[0], said[1]);
		close(input[0]);
		close(said[1]);
		lifeline = input[1];
		if (daemon_pid > 0)
			r = wait_until_ready(notify, said[0]);
		words = read_said(said[0]);
		/* Kept open: a daemon that cannot write its log must not end by SIGPIPE. */
		if (r < 0)
			close(said[0]);
	}
	if (notify >= 0)
		close(notify);
	/* The daemon removes what it made, and the directory, should this process not come to it. */
	unlink(notify_path);
	return r < 0 ? fail(ctl, "cannot start a daemon for this run", words ? words : strerror(errno)) : 0;
}

/* A directory for a daemon of this run, which is the one that calls go to. */
static int make_home(struct ctl *ctl)
{
	if (!mkdtemp(directory))
		return fail(ctl, "cannot make a directory in /tmp for a daemon of its own", strerror(errno));
	ctl->socket = socket_path = format("%s/socket", directory);
	/* A lease is of the daemon that gave it. */
	unsetenv("MCUMGR_LEASE");
	return 0;
}

static bool has_daemon(const struct ctl *ctl)
{
	struct mcumgr *m;
	int r;

	if (mcumgr_new(&m) < 0)
		out_of_memory();
	r = mcumgr_connect(m, ctl->socket);
	mcumgr_free(m);
	return r != -ENOENT && r != -ECONNREFUSED;
}

/* A file that has no name, so that nobody needs to remove it; the daemon inherits it. */
static int write_config(const struct ctl *ctl)
{
	int fd = memfd_create("mcumgrd.conf", 0);

	if (fd < 0)
		return -errno;
	if (dprintf(fd, "[device usb]\nmatch = %s\nframing = %s\n", ctl->usb, ctl->raw ? "raw" : "console") >= 0 &&
			(!ctl->baud || dprintf(fd, "baud = %d\n", (int)ctl->baud) >= 0))
		return fd;

	int r = -errno;

	close(fd);
	return r;
}

/* The daemon that was started knows only what matches. */
static int check_match(struct ctl *ctl)
{
	struct mcumgr_error *error = NULL;
	struct mcumgr *m;
	bool none;

	if (mcumgr_new(&m) < 0)
		out_of_memory();
	none = mcumgr_connect(m, ctl->socket) == 0 &&
	       mcumgr_get(m, MCUMGR_ARGS(get, .device = ctl->usb), NULL, &error) == -EREMOTEIO &&
	       mcumgr_error_code(error) == MCUMGR_ERROR_NO_SUCH_DEVICE;
	mcumgr_error_free(error);
	mcumgr_free(m);
	/* Of several, and of all else, the verb's own call will tell. */
	return none ? (int)failure_local(ctl, ctl->usb, CODE_DEVICE, "NoSuchDevice", "no serial port on USB matches",
			      "mcumgrctl -u lists them; what is matched is VID:PID:interface.")
		    : 0;
}

static int setup_usb(struct ctl *ctl)
{
	_cleanup_free_ char *config = NULL;
	int r, fd;

	/* With --all and --detach it is a rack that is meant. */
	if (ctl->all || ctl->detach || has_daemon(ctl))
		return 0;
	if (strpbrk(ctl->usb, "\r\n"))
		return fail(ctl, "the expression contains a line break", NULL);
	r = make_home(ctl);
	if (r)
		return r;
	fd = write_config(ctl);
	if (fd < 0)
		return fail(ctl, "cannot write the configuration of a daemon of its own", strerror(-fd));
	config = format("/dev/fd/%d", fd);
	r = spawn(ctl, config, NULL);
	close(fd);
	return r ? r : check_match(ctl);
}

int private_observe(struct ctl *ctl)
{
	int r = has_daemon(ctl) ? 0 : make_home(ctl);

	return r || !socket_path ? r : spawn(ctl, "/dev/null", NULL);
}

bool private_is_on(void)
{
	return socket_path;
}

int private_setup(struct ctl *ctl)
{
	_cleanup_free_ char *port = NULL, *baud = NULL;
	int r;

	if (!ctl->serial)
		return setup_usb(ctl);

	char *tty = known_device(ctl, ctl->serial);

	ctl->device = ctl->device_found = tty;
	if (tty)
		return 0;
	if (ctl->detach)
		return (int)failure_local(ctl, ctl->serial, CODE_USAGE, "Usage",
			"no daemon has this tty, so that none could go on with the job",
			"Leave --detach out, or have mcumgrd manage the tty: --port, or a section of mcumgrd.conf(5).");
	if (strchr(ctl->serial, ','))
		return fail(ctl, "a tty with a comma in its path cannot be managed", NULL);
	/* Links stay: they are followed anew when the board is back after a reset. */
	tty = *ctl->serial == '/' ? format("%s", ctl->serial)
				  : format("%s/%s", getcwd((char[4096]){ 0 }, 4096), ctl->serial);
	ctl->device = ctl->device_found = tty;
	if (access(tty, F_OK) < 0)
		return (int)failure_local(ctl, ctl->serial, CODE_DEVICE, "NoSuchDevice", strerror(errno),
			"mcumgrctl -s lists the serial ports on USB, mcumgrctl list the boards of a daemon that runs.");
	r = make_home(ctl);
	if (r)
		return r;
	baud = ctl->baud ? format(",baud=%d", (int)ctl->baud) : format("%s", "");
	port = format("%s%s%s", tty, baud, ctl->raw ? ",framing=raw" : "");
	return spawn(ctl, "/dev/null", port);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

void private_end(void)
{
	if (!socket_path)
		return;
	close(lifeline);
	if (daemon_pid > 0)
		waitpid(daemon_pid, NULL, 0);
	nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(TAKE_PTR(socket_path));
}
