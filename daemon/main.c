/* SPDX-License-Identifier: MIT */

/* mcumgrd: puts the parts together, and takes them apart again on a signal. */

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/api.h"
#include "daemon/census.h"
#include "daemon/dry-run.h"
#include "daemon/image-store.h"
#include "daemon/log.h"
#include "daemon/main-reload.h"
#include "daemon/notify.h"
#include "daemon/options.h"
#include "daemon/port-store.h"
#include "daemon/registry.h"
#include "daemon/role.h"
#include "daemon/server.h"

#define POOL_THREADS "8" /* logs, names, records, files and the configuration can hang seven of them, and images need one */
#define WANTED_FILES 8192      /* connections, and two descriptors a tty */
#define TAKE_OVER_MS 10000    /* after that long, ttys from before that no board has claimed are closed */
#define STOP_PATIENCE_MS 10000 /* then the process ends whatever still hangs */

struct daemon {
	uv_loop_t loop;
	struct config *config;
	struct reload reload;
	struct image_store *images;
	struct registry *registry;
	struct api *api;
	struct server *server;
	struct registry_observer observer;
	uv_signal_t term, interrupt, hang_up;
	uv_timer_t watchdog, patience, take_over;
	uv_pipe_t input; /* --until-eof */
	bool owns_private, listens; /* what is to be removed of a private daemon */
	bool ends;	       /* stop() was called */
	bool signalled;	       /* to stop */
	unsigned int stopping; /* parts that have not ended yet */
	bool stopped;
};

/* Standard descriptors that are closed would be taken by a tty, and log lines would go to a board. */
static void keep_standard_descriptors(void)
{
	int fd;
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
}

static void raise_file_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= WANTED_FILES)
		return;
	limit.rlim_cur = limit.rlim_max < WANTED_FILES ? limit.rlim_max : WANTED_FILES;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_debug(NULL, "main", "the limit of open files stays: %s", strerror(errno));
}

/* Like mkdir -p, and private: who can write there can make the daemon do things. */
static int make_directory(const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	struct stat st;
	if (!copy)
		return -ENOMEM;
	for (char *s = copy + 1; *s; s++) {
		if (*s != '/')
			continue;
		*s = 0;
		if (mkdir(copy, 0755) < 0 && errno != EEXIST)
			return -errno;
		*s = '/';
	}
	if (mkdir(copy, 0700) < 0 && errno != EEXIST)
		return -errno;
	if (stat(copy, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

/* What a private daemon removes at its end must be its own. */
static int make_state_directory(struct daemon *d)
{
	const struct config *c = d->config;
	if (c->private_dir && access(c->state_dir, F_OK) == 0)
		return -EEXIST;
	d->owns_private = c->private_dir;
	return make_directory(c->state_dir);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	(void)st;
	(void)kind;
	(void)place;
	return remove(path);
}

static bool is_below(const char *path, const char *directory)
{
	size_t length = strlen(directory);
	return !strncmp(path, directory, length) && path[length] == '/';
}

/* The client is gone, perhaps, before it came to remove what it waited at for this daemon to be ready. What others put into the
 * directory stays, and the directory with it. */
static void remove_private(const struct daemon *d)
{
	const struct config *c = d->config;
	_cleanup_free_ char *lock = NULL;
	const char *notify = getenv("NOTIFY_SOCKET");
	if (!d->owns_private)
		return;
	if (notify && is_below(notify, c->private_dir))
		unlink(notify);
	if (d->listens)
		unlink(c->socket);
	if (d->listens && asprintf(&lock, "%s.lock", c->socket) >= 0)
		unlink(lock);
	nftw(c->state_dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	rmdir(c->private_dir);
}

static void tell_status(struct registry_observer *o, const struct registry_change *change)
{
	struct daemon *d = container_of(o, struct daemon, observer);
	if (change->event == REGISTRY_ADDED || change->event == REGISTRY_ATTACHED || change->event == REGISTRY_REMOVED)
		notify_send("STATUS=%zu boards", registry_count(d->registry));
}

static void on_watchdog(uv_timer_t *timer)
{
	(void)timer;
	notify_send("WATCHDOG=1");
}

static void start_watchdog(struct daemon *d)
{
	uint64_t half_ms = notify_watchdog_us() / 2000;
	if (!half_ms)
		return;
	uv_timer_start(&d->watchdog, on_watchdog, 0, half_ms);
	uv_unref((uv_handle_t *)&d->watchdog);
}

static void on_taken_over(uv_timer_t *timer)
{
	(void)timer;
	port_store_end_take_over();
}

static void end_part(struct daemon *d)
{
	if (--d->stopping)
		return;
	d->stopped = true;
	uv_stop(&d->loop);
}

static void on_part_stopped(void *user)
{
	end_part(user);
}

static void on_patience_over(uv_timer_t *timer)
{
	(void)timer;
	log_error(NULL, "main", "something hangs; ending without it");
	_exit(EXIT_FAILED);
}

static void stop(struct daemon *d)
{
	d->ends = true;
	census_log(&d->loop);
	notify_send("STOPPING=1");
	uv_timer_start(&d->patience, on_patience_over, STOP_PATIENCE_MS, 0);
	d->stopping = 3; /* the server, the registry, and this function */
	registry_unobserve(d->registry, &d->observer);
	port_store_keep();
	api_stopping(d->api);
	registry_stop(d->registry, on_part_stopped, d); /* jobs say where they leave their boards */
	server_stop(d->server, on_part_stopped, d);
	end_part(d);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct daemon *d = handle->data;
	if (number == SIGHUP) {
		if (!d->ends)
			reload_start(&d->reload, &d->loop);
		return;
	}
	/* Who closes standard input and then sends a signal asks once. */
	bool again = d->signalled;
	d->signalled = true;
	if (again) {
		log_warning(NULL, "main", "asked twice to stop: ending at once");
		_exit(EXIT_FAILED);
	}
	if (d->ends)
		return;
	log_info(NULL, "main", "stopping (%s)", strsignal(number));
	stop(d);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static void on_reloaded(void *user, struct config *config, struct roles *roles)
{
	struct daemon *d = user;
	/* Read while the daemon ended: there is nothing left that goes by it. */
	if (d->ends) {
		roles_free(roles);
		config_free(config);
		return;
	}
	struct config *old = d->config;
	bool moved = !same_text(old->socket, config->socket) || !same_text(old->state_dir, config->state_dir) ||
		!same_text(old->group, config->group);
	bool emptied = old->written && !config->written;
	if (emptied) /* an editor empties a file, or moves it away, before it writes: no reason to let go of all boards */
		log_error(NULL, "config", "not reloaded: %s is %s now; what was read before stays (a restart takes it as it is)",
				old->file, config->file && same_text(config->file, old->file) ? "empty" : "gone");
	if (emptied || registry_reload(d->registry, old, config) < 0) {
		roles_free(roles);
		config_free(config);
		return;
	}
	d->config = config;
	if (moved)
		log_warning(NULL, "config", "socket, group and state_dir change with a restart only");
	roles_set_socket_group(roles, server_group(d->server));
	api_set_roles(d->api, roles);
	log_set_level(config->log_level);
	log_info(NULL, "config", "reloaded: %zu device section%s", config->device_count, config->device_count == 1 ? "" : "s");
}

static int complain(int error, const char *what, const char *text)
{
	log_error(NULL, "main", "%s: %s", what, text ? text : strerror(-error));
	return error;
}

static void give_scratch(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
	static char scratch[4096];
	(void)handle;
	(void)suggested;
	*ret = uv_buf_init(scratch, sizeof(scratch));
}

static void on_input(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
	struct daemon *d = stream->data;
	(void)buffer;
	if (size >= 0)
		return; /* what is said there means nothing */
	uv_read_stop(stream);
	if (d->ends)
		return;
	log_info(NULL, "main", "stopping (standard input has ended)");
	stop(d);
}

/* What epoll refuses (a file, /dev/null) libuv takes, and aborts later. */
static bool can_be_watched(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || isatty(fd));
}

/* A daemon for one client ends with it, however that ends: the kernel closes the pipe. */
static int watch_input(struct daemon *d)
{
	int r = can_be_watched(STDIN_FILENO) ? uv_pipe_open(&d->input, STDIN_FILENO) : -EINVAL;
	if (r == 0)
		r = uv_read_start((uv_stream_t *)&d->input, give_scratch, on_input);
	return r < 0 ? complain(r, "--until-eof needs a pipe or a terminal as standard input", uv_strerror(r)) : 0;
}

static void start_signals(struct daemon *d)
{
	const struct {
		uv_signal_t *handle;
		int number;
	} signals[] = { { &d->term, SIGTERM }, { &d->interrupt, SIGINT }, { &d->hang_up, SIGHUP } };
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a write that fails is told; a limit must not end the daemon */
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		uv_signal_init(&d->loop, signals[i].handle);
		signals[i].handle->data = d;
		uv_signal_start(signals[i].handle, on_signal, signals[i].number);
	}
	uv_timer_init(&d->loop, &d->watchdog);
	uv_timer_init(&d->loop, &d->patience);
	uv_timer_init(&d->loop, &d->take_over);
	uv_pipe_init(&d->loop, &d->input, 0);
	d->input.data = d;
}

static int make_parts(struct daemon *d)
{
	const struct config *c = d->config;
	_cleanup_free_ char *text = NULL;
	if (!c->state_dir)
		return complain(-EINVAL, "no state directory", "neither HOME nor XDG_STATE_HOME is set; give --state-dir");
	int r = make_state_directory(d);
	if (r < 0)
		return complain(r, c->state_dir, NULL);
	r = image_store_new(&d->loop, c->state_dir, &d->images);
	if (r < 0)
		return complain(r, "the image store cannot be opened", NULL);
	r = registry_new(&d->loop, c, d->images, &d->registry, &text);
	if (r < 0)
		return complain(r, "the state directory cannot be used", text);
	r = api_new(d->registry, d->images, &d->api);
	if (r == 0)
		r = server_new(&d->loop, api_handle, d->api, &d->server);
	return r < 0 ? complain(r, "no server", NULL) : 0;
}

static int give_roles(struct daemon *d)
{
	struct roles *roles;
	int r = roles_new(d->config, &roles);
	if (r < 0)
		return complain(r, "no roles", NULL);
	roles_set_socket_group(roles, server_group(d->server));
	api_set_roles(d->api, roles);
	return 0;
}

/* Listens before any tty is opened: a second daemon ends here and disturbs no board. */
static int start_parts(struct daemon *d)
{
	_cleanup_free_ char *text = NULL;
	int first, inherited = notify_sockets(&first);
	if (inherited <= 0 && !d->config->socket)
		return complain(-EINVAL, "no socket", "XDG_RUNTIME_DIR is not set; give --socket");
	int r = server_open(d->server, d->config->socket, d->config->group, &text);
	if (r < 0)
		return complain(r, "the socket cannot be opened", text);
	d->listens = true;
	registry_set_socket_group(d->registry, server_group(d->server));
	if ((r = give_roles(d)) < 0)
		return r;
	port_store_begin();
	uv_timer_start(&d->take_over, on_taken_over, TAKE_OVER_MS, 0);
	uv_unref((uv_handle_t *)&d->take_over);
	r = registry_start(d->registry);
	if (r < 0)
		return complain(r, "the boards cannot be watched", NULL);
	if (d->config->until_eof && (r = watch_input(d)) < 0)
		return r;
	start_watchdog(d);
	log_info(NULL, "main", "mcumgrd " MCUMGRD_VERSION " listens on %s", inherited > 0 ? "the inherited socket" :
			d->config->socket);
	r = notify_ready(registry_count(d->registry));
	if (r < 0)
		log_warning(NULL, "main", "the service manager cannot be told that all is ready: %s", strerror(-r));
	d->observer.event = tell_status;
	registry_observe(d->registry, &d->observer);
	return 0;
}

static void close_handle(uv_handle_t *handle, void *argument)
{
	(void)argument;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void close_own_handles(struct daemon *d)
{
	uv_handle_t *const handles[] = { (uv_handle_t *)&d->term, (uv_handle_t *)&d->interrupt, (uv_handle_t *)&d->hang_up,
		(uv_handle_t *)&d->watchdog, (uv_handle_t *)&d->take_over, (uv_handle_t *)&d->input };
	for (size_t i = 0; i < ARRAY_SIZE(handles); i++)
		close_handle(handles[i], NULL);
}

static enum exit_code run(struct daemon *d)
{
	keep_standard_descriptors();
	raise_file_limit();
	start_signals(d);
	int r = make_parts(d);
	if (r == 0)
		r = start_parts(d);
	if (r < 0) {
		/* Nothing was promised to anybody yet: what is half made goes with the process. */
		remove_private(d);
		fflush(NULL);
		_exit(EXIT_FAILED);
	}
	uv_run(&d->loop, UV_RUN_DEFAULT);
	image_store_close(d->images);
	close_own_handles(d);
	/* Files on their way to or from the disk call back once more, unless the disk hangs for longer than patience lasts. */
	uv_unref((uv_handle_t *)&d->patience);
	uv_run(&d->loop, UV_RUN_DEFAULT);
	close_handle((uv_handle_t *)&d->patience, NULL);
	uv_run(&d->loop, UV_RUN_DEFAULT);
	api_free(d->api);
	registry_free(d->registry);
	remove_private(d);
	log_info(NULL, "main", "stopped");
	return d->stopped ? EXIT_GOOD : EXIT_FAILED;
}

/* Names of groups and users that nobody knows are no errors: a directory service may be away. The service has it said by the
 * daemon, which reads the file next. */
static void check_names(const struct config *config)
{
	_cleanup_(roles_freep) struct roles *roles = NULL;
	if (log_is_journal())
		return;
	roles_new(config, &roles);
	if (config->group && !getgrnam(config->group))
		log_warning(NULL, "config", "group: there is no group '%s'; mcumgrd does not start on a socket of its own",
				config->group);
}

int main(int argc, char *argv[])
{
	static struct daemon d;
	struct config *config = NULL;
	enum action action;
	enum exit_code code = options_parse(argc, argv, &action, &config);
	if (code != EXIT_GOOD || action == ACTION_EXIT)
		return (int)code;
	if (action == ACTION_CHECK) {
		check_names(config);
		printf("%s is good: %zu device section%s\n", config->file ? config->file : "the configuration (no file)",
				config->device_count, config->device_count == 1 ? "" : "s");
		config_free(config);
		return EXIT_GOOD;
	}
	log_set_level(action == ACTION_DRY_RUN ? LOG_LEVEL_WARNING : config->log_level);
	d.config = config;
	d.reload.done = on_reloaded;
	d.reload.user = &d;
	setenv("UV_THREADPOOL_SIZE", POOL_THREADS, 0);
	int r = uv_loop_init(&d.loop);
	if (r < 0) {
		fprintf(stderr, "mcumgrd: no event loop: %s\n", uv_strerror(r));
		return EXIT_FAILED;
	}
	if (action == ACTION_DRY_RUN)
		code = dry_run(&d.loop, config) < 0 ? EXIT_FAILED : EXIT_GOOD;
	else
		code = run(&d);
	config_free(d.config);
	r = uv_loop_close(&d.loop);
	if (r < 0)
		log_debug(NULL, "main", "the loop still has handles: %s", uv_strerror(r));
	return (int)code;
}
