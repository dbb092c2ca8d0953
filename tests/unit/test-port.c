/* SPDX-License-Identifier: MIT */

/* The port on pseudo-terminals: opening, failing, moving bytes, and what happens when open or close hangs in the kernel.
 * For that the linker puts the functions __wrap_open and __wrap_close below in the place of open and close. */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/serial.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "daemon/limits.h"
#include "daemon/port-private.h"
#include "daemon/port-termios.h"
#include "daemon/port.h"
#include "proto/macro.h"
#include "tests/unit/suite.h"

#define PATIENCE_MS 120000

/* ---- a kernel that hangs ---- */

static pthread_mutex_t gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_opened = PTHREAD_COND_INITIALIZER;
static bool gate_shut;
static char hanging_path[128]; /* whose open hangs while the gate is shut */
static atomic_bool closes_hang;
static atomic_int hanging;

static void pass_gate(void)
{
	pthread_mutex_lock(&gate_lock);
	atomic_fetch_add(&hanging, 1);
	while (gate_shut)
		pthread_cond_wait(&gate_opened, &gate_lock);
	atomic_fetch_sub(&hanging, 1);
	pthread_mutex_unlock(&gate_lock);
}

static void set_gate(bool shut)
{
	pthread_mutex_lock(&gate_lock);
	gate_shut = shut;
	pthread_cond_broadcast(&gate_opened);
	pthread_mutex_unlock(&gate_lock);
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);
int __real_close(int fd);
int __wrap_close(int fd);

int __wrap_open(const char *path, int flags, ...)
{
	va_list ap;
	va_start(ap, flags);
	int mode = flags & O_CREAT ? va_arg(ap, int) : 0;
	va_end(ap);
	if (*hanging_path && !strcmp(path, hanging_path))
		pass_gate();
	return __real_open(path, flags, mode);
}

int __wrap_open64(const char *path, int flags, ...)
{
	return __wrap_open(path, flags);
}

int __wrap_close(int fd)
{
	if (atomic_load(&closes_hang) && isatty(fd))
		pass_gate();
	return __real_close(fd);
}

/* ---- a driver ---- */

#define DRIVER_FD 1000000
#define DRIVER_OTHER_FLAG 0x10

static struct {
	int get_error, set_error, flags;
	unsigned int sets;
} driver;

int __real_ioctl(int fd, unsigned long request, void *argument);
int __wrap_ioctl(int fd, unsigned long request, ...);

static int driver_ioctl(unsigned long request, struct serial_struct *serial)
{
	bool get = request == TIOCGSERIAL;
	ck_assert(get || request == TIOCSSERIAL);
	errno = get ? driver.get_error : driver.set_error;
	driver.sets += !get;
	if (errno)
		return -1;
	if (get)
		serial->flags = driver.flags;
	else
		driver.flags = serial->flags;
	return 0;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	va_start(ap, request);
	void *argument = va_arg(ap, void *);
	va_end(ap);
	return fd == DRIVER_FD ? driver_ioctl(request, argument) : __real_ioctl(fd, request, argument);
}

/* ---- a port and its far end ---- */

struct end {
	int master;
	char link[160];
	uv_poll_t poll;
	bool echoes;
	char heard[8192];
	size_t heard_size;
	uint64_t line_times[16];
	size_t line_count;
	/* the port */
	struct port *port;
	unsigned int opened, failed, sent;
	enum port_failure why;
	char reason[320];
	char received[8192];
	size_t received_size;
	void (*on_failed)(struct end *e);
};

static uv_loop_t loop;
static uv_timer_t watchdog;
static char directory[64];
static bool timed_out;
static struct port_settings settings = { .baud = 115200 };

static void on_opened(void *user)
{
	((struct end *)user)->opened++;
	uv_stop(&loop);
}

static void on_failed(void *user, enum port_failure why, const char *reason)
{
	struct end *e = user;
	e->failed++;
	e->why = why;
	snprintf(e->reason, sizeof(e->reason), "%s", reason);
	uv_stop(&loop);
	if (e->on_failed)
		e->on_failed(e);
}

static void on_received(void *user, const uint8_t *data, size_t size)
{
	struct end *e = user;
	ck_assert_uint_lt(e->received_size + size, sizeof(e->received));
	memcpy(e->received + e->received_size, data, size);
	e->received_size += size;
	uv_stop(&loop);
}

static void on_sent(void *user)
{
	((struct end *)user)->sent++;
	uv_stop(&loop);
}

static const struct port_callbacks callbacks = { on_opened, on_failed, on_received, on_sent };

static void on_heard(uv_poll_t *poll, int status, int events)
{
	struct end *e = poll->data;
	char buffer[1024];
	(void)events;
	ssize_t n = status < 0 ? 0 : read(e->master, buffer, sizeof(buffer));
	if (n <= 0)
		return;
	for (ssize_t i = 0; i < n; i++)
		if (buffer[i] == '\n' && e->line_count < ARRAY_SIZE(e->line_times))
			e->line_times[e->line_count++] = uv_hrtime();
	ck_assert_uint_lt(e->heard_size + (size_t)n, sizeof(e->heard));
	memcpy(e->heard + e->heard_size, buffer, (size_t)n);
	e->heard_size += (size_t)n;
	if (e->echoes)
		ck_assert_int_eq(write(e->master, buffer, (size_t)n), n);
	uv_stop(&loop);
}

/* Opens a new pty and points the link at it. */
static void make_far_end(struct end *e)
{
	char target[128];
	e->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	ck_assert_int_ge(e->master, 0);
	ck_assert_int_eq(grantpt(e->master), 0);
	ck_assert_int_eq(unlockpt(e->master), 0);
	ck_assert_int_eq(ptsname_r(e->master, target, sizeof(target)), 0);
	unlink(e->link);
	ck_assert_int_eq(symlink(target, e->link), 0);
}

static void listen_at(struct end *e)
{
	uv_poll_init(&loop, &e->poll, e->master);
	e->poll.data = e;
	uv_poll_start(&e->poll, UV_READABLE, on_heard);
}

static void set_up(struct end *e, const char *name)
{
	memset(e, 0, sizeof(*e));
	e->master = -1;
	snprintf(e->link, sizeof(e->link), "%s/%s", directory, name);
	ck_assert_int_eq(port_new(&loop, e->link, &settings, &callbacks, e, &e->port), 0);
}

static void clear(struct end *e)
{
	if (e->poll.loop && !uv_is_closing((uv_handle_t *)&e->poll))
		uv_close((uv_handle_t *)&e->poll, NULL);
	port_close(TAKE_PTR(e->port));
	if (e->master >= 0)
		close(e->master);
	e->master = -1;
	unlink(e->link);
}

static void on_watchdog(uv_timer_t *timer)
{
	(void)timer;
	timed_out = true;
}

#define run_until(condition)                                                                                           \
	do {                                                                                                           \
		uv_timer_start(&watchdog, on_watchdog, PATIENCE_MS, 0);                                                \
		while (!(condition) && !timed_out)                                                                     \
			uv_run(&loop, UV_RUN_ONCE);                                                                    \
		ck_assert_msg(!timed_out, "waited %d ms for " #condition, PATIENCE_MS);                                \
		uv_timer_stop(&watchdog);                                                                              \
	} while (0)

static void start(void)
{
	strcpy(directory, "/tmp/test-port-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	uv_loop_init(&loop);
	uv_timer_init(&loop, &watchdog);
	timed_out = false;
	*hanging_path = 0;
	atomic_store(&closes_hang, false);
	set_gate(false);
}

static void finish(void)
{
	uv_close((uv_handle_t *)&watchdog, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	ck_assert_int_eq(uv_loop_close(&loop), 0); /* no handle is left, whatever hangs */
	ck_assert_int_eq(rmdir(directory), 0);
}

static void open_port(struct end *e, const char *name)
{
	set_up(e, name);
	make_far_end(e);
	listen_at(e);
	port_open(e->port);
	ck_assert(!e->opened && !e->failed);
	run_until(e->opened);
	ck_assert(port_is_open(e->port));
}

START_TEST(opens_raw_and_moves_bytes)
{
	static struct end e;
	start();
	open_port(&e, "a");
	ck_assert(!port_paces_itself(e.port));
	int slave = open(e.link, O_RDWR | O_NOCTTY | O_NONBLOCK); /* TIOCEXCL would forbid it: it must not be set on a pty */
	struct termios t;
	ck_assert_int_ge(slave, 0);
	ck_assert_int_eq(tcgetattr(slave, &t), 0);
	close(slave);
	ck_assert_uint_eq(t.c_lflag & (ECHO | ICANON | ISIG), 0);
	ck_assert_uint_eq(t.c_iflag & (ICRNL | IXON | INLCR), 0);
	ck_assert_uint_eq(t.c_oflag & OPOST, 0);
	ck_assert_uint_eq(t.c_cflag & HUPCL, 0);
	ck_assert_uint_eq(t.c_cflag & (CLOCAL | CREAD), CLOCAL | CREAD);
	ck_assert_uint_eq(cfgetospeed(&t), B115200);

	ck_assert_int_eq(write(e.master, "a\r\n\x03\x11", 5), 5);
	run_until(e.received_size == 5);
	ck_assert_mem_eq(e.received, "a\r\n\x03\x11", 5);
	ck_assert_int_eq(port_send(e.port, (const uint8_t *)"x\n", 2, NULL, 0, 0), 0);
	ck_assert_uint_eq(e.sent, 0);
	run_until(e.heard_size == 2 && e.sent);
	ck_assert_mem_eq(e.heard, "x\n", 2); /* and no echo of what came before */
	clear(&e);
	finish();
}
END_TEST

START_TEST(any_baud_rate)
{
	static const unsigned int rates[] = { 9600, 123456, 1000000, 7654321 };
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		static struct end e;
		unsigned int got = 0;
		settings.baud = rates[i];
		start();
		open_port(&e, "a");
		int slave = open(e.link, O_RDWR | O_NOCTTY | O_NONBLOCK);
		ck_assert_int_eq(termios_baud(slave, &got), 0);
		ck_assert_uint_eq(got, rates[i]);
		close(slave);
		clear(&e);
		finish();
	}
	settings.baud = 115200;
}
END_TEST

START_TEST(what_was_in_the_buffer_is_received)
{
	static struct end e;
	start();
	set_up(&e, "a");
	make_far_end(&e);
	ck_assert_int_eq(write(e.master, "boot\n", 5), 5);
	port_open(e.port);
	run_until(e.received_size == 5);
	ck_assert_mem_eq(e.received, "boot\n", 5);
	clear(&e);
	finish();
}
END_TEST

START_TEST(lines_are_paced)
{
	static struct end e;
	static const size_t ends[] = { 3, 6, 9 };
	start();
	open_port(&e, "a");
	uint64_t began = uv_hrtime();
	ck_assert_int_eq(port_send(e.port, (const uint8_t *)"ab\ncd\nef\n", 9, ends, 3, 20), 0);
	ck_assert_int_eq(port_send(e.port, (const uint8_t *)"gh\n", 3, NULL, 0, 0), 0);
	run_until(e.line_count == 4 && e.sent);
	ck_assert_mem_eq(e.heard, "ab\ncd\nef\ngh\n", 12);
	/* From the start, because a busy machine reads a line late and the next one in time; timers count whole ms. */
	for (size_t i = 1; i < 4; i++)
		ck_assert_uint_ge(e.line_times[i] - began, i * 20000000 - 1000000);

	ck_assert_int_eq(port_send(e.port, (const uint8_t *)"ij\nkl\nmn\n", 9, ends, 3, 20), 0);
	port_discard_unsent(e.port);
	ck_assert_int_eq(port_send(e.port, (const uint8_t *)"op\n", 3, NULL, 0, 0), 0);
	run_until(e.line_count == 6);
	ck_assert_mem_eq(e.heard + 12, "ij\nop\n", 6); /* the line that was under way is whole */
	clear(&e);
	finish();
}
END_TEST

START_TEST(keystrokes_stay_in_order_and_are_kept)
{
	static struct end e;
	static const size_t ends[] = { 3, 6 };
	static uint8_t keys[LIMIT_TYPED_UNSENT_BYTES + 1];
	start();
	open_port(&e, "a");
	uint64_t began = uv_hrtime();
	ck_assert_int_eq(port_send(e.port, (const uint8_t *)"ab\ncd\n", 6, ends, 2, 20), 0);
	ck_assert_int_eq(port_type(e.port, (const uint8_t *)"typ", 3), 0);
	port_pause(e.port, 20);
	ck_assert_int_eq(port_send(e.port, (const uint8_t *)"ef\n", 3, NULL, 0, 0), 0);
	ck_assert_int_eq(port_type(e.port, (const uint8_t *)"ed\n", 3), 0);
	port_discard_unsent(e.port);
	ck_assert_int_eq(port_type(e.port, (const uint8_t *)"more\n", 5), 0);
	port_pause(e.port, 20);
	ck_assert_int_eq(port_send(e.port, (const uint8_t *)"gh\n", 3, NULL, 0, 0), 0);
	run_until(e.line_count == 4);
	ck_assert_mem_eq(e.heard, "ab\ntyped\nmore\ngh\n", 17);
	ck_assert_uint_ge(e.line_times[3] - began, 39000000); /* a paced line, and the pause before the last */
	ck_assert_int_eq(port_type(e.port, keys, sizeof(keys)), -ENOBUFS);
	clear(&e);
	finish();
}
END_TEST

START_TEST(refuses_more_than_it_holds)
{
	static struct end e;
	static uint8_t bytes[LIMIT_PORT_WRITE_BYTES + 1];
	start();
	set_up(&e, "a");
	ck_assert_int_eq(port_send(e.port, bytes, 1, NULL, 0, 0), -ENOTCONN);
	make_far_end(&e);
	port_open(e.port);
	run_until(e.opened);
	ck_assert_int_eq(port_send(e.port, bytes, LIMIT_PORT_WRITE_BYTES + 1, NULL, 0, 0), -ENOBUFS);
	ck_assert_int_eq(port_send(e.port, bytes, LIMIT_PORT_WRITE_BYTES, NULL, 0, 0), 0); /* nobody reads */
	ck_assert_int_eq(port_send(e.port, bytes, 1, NULL, 0, 0), -ENOBUFS);
	clear(&e); /* with a write under way */
	finish();
}
END_TEST

static void open_again(struct end *e)
{
	e->on_failed = NULL;
	make_far_end(e);
	port_open(e->port);
}

START_TEST(hang_up_and_open_again)
{
	static struct end e;
	start();
	open_port(&e, "a");
	e.on_failed = open_again; /* from inside the callback, at what the link names now */
	uv_close((uv_handle_t *)&e.poll, NULL);
	close(e.master);
	run_until(e.opened == 2);
	ck_assert_uint_eq(e.failed, 1);
	ck_assert_int_eq(e.why, PORT_GONE);
	ck_assert_ptr_nonnull(strstr(e.reason, "gone"));
	ck_assert_int_eq(write(e.master, "x", 1), 1);
	run_until(e.received_size == 1);
	clear(&e);
	finish();
}
END_TEST

START_TEST(held_by_another)
{
	static struct end e;
	start();
	set_up(&e, "a");
	make_far_end(&e);
	int other = open(e.link, O_RDWR | O_NOCTTY);
	ck_assert_int_eq(flock(other, LOCK_EX | LOCK_NB), 0);
	struct termios before, after;
	tcgetattr(other, &before);
	port_open(e.port);
	run_until(e.failed);
	ck_assert_int_eq(e.why, PORT_BUSY);
	ck_assert_ptr_nonnull(strstr(e.reason, e.link));
	tcgetattr(other, &after);
	/* somebody else's settings are left alone */
	ck_assert_uint_eq(before.c_lflag, after.c_lflag);
	ck_assert_uint_eq(before.c_cflag, after.c_cflag);
	close(other);
	port_open(e.port);
	run_until(e.opened);
	clear(&e);
	finish();
}
END_TEST

START_TEST(holder_is_named)
{
	static struct end e;
	char expected[64];
	int ready[2];
	start();
	set_up(&e, "a");
	make_far_end(&e);
	ck_assert_int_eq(pipe(ready), 0);
	pid_t child = fork();
	if (!child) {
		int fd = open(e.link, O_RDWR | O_NOCTTY);
		if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	char byte;
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	port_open(e.port);
	run_until(e.failed);
	kill(child, SIGKILL);
	ck_assert_int_eq(e.why, PORT_BUSY);
	snprintf(expected, sizeof(expected), "in use by test-port (process %d)", (int)child);
	ck_assert_msg(strstr(e.reason, expected), "%s", e.reason);
	close(ready[0]);
	close(ready[1]);
	clear(&e);
	finish();
}
END_TEST

START_TEST(what_is_no_tty)
{
	static struct end e;
	start();
	set_up(&e, "absent");
	port_open(e.port);
	run_until(e.failed);
	ck_assert_int_eq(e.why, PORT_MISSING);
	ck_assert_ptr_nonnull(strstr(e.reason, "is not there"));
	ck_assert_int_eq(symlink("/dev/null", e.link), 0);
	port_open(e.port);
	run_until(e.failed == 2);
	ck_assert_int_eq(e.why, PORT_ERROR);
	ck_assert_ptr_nonnull(strstr(e.reason, "not a serial port"));
	clear(&e);
	finish();
}
END_TEST

START_TEST(reasons)
{
	struct port_result result = { .fd = -1 };
	port_explain("/dev/null", -1, EBUSY, &result);
	ck_assert_int_eq(result.why, PORT_BUSY);
	ck_assert_str_eq(result.reason, "/dev/null is in use by another program");
	port_explain("/dev/null", -1, EACCES, &result);
	ck_assert_int_eq(result.why, PORT_REFUSED);
	port_explain("/dev/null", -1, EPERM, &result);
	ck_assert_int_eq(result.why, PORT_REFUSED);
	ck_assert_ptr_nonnull(strstr(result.reason, "DeviceAllow"));
	port_explain("/dev/null", -1, ENXIO, &result);
	ck_assert_int_eq(result.why, PORT_MISSING);
	port_explain("/dev/null", -1, EIO, &result);
	ck_assert_int_eq(result.why, PORT_GONE);
	port_explain("/dev/null", -1, EINVAL, &result);
	ck_assert_int_eq(result.why, PORT_ERROR);

	char path[] = "/tmp/test-port-group-XXXXXX";
	int fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fchmod(fd, 0660), 0);
	if (!geteuid() && !fchown(fd, 0, 20)) {
		port_explain(path, -1, EACCES, &result);
		ck_assert_ptr_nonnull(strstr(result.reason, "must be in group dialout"));
	}
	close(fd);
	unlink(path);
}
END_TEST

/* ---- open and close hang ---- */

/* Bytes there and back, while something else hangs. */
static void talk(struct end *e)
{
	for (size_t i = 0; i < 100; i++) {
		size_t wanted = e->received_size + 1;
		ck_assert_int_eq(port_send(e->port, (const uint8_t *)"p", 1, NULL, 0, 0), 0);
		run_until(e->received_size == wanted);
	}
}

static void wait_for_threads(int count)
{
	uint64_t end = uv_hrtime() + PATIENCE_MS * 1000000ull;
	while (atomic_load(&hanging) != count) {
		ck_assert_msg(uv_hrtime() < end, "%d threads hang instead of %d", atomic_load(&hanging), count);
		sched_yield();
	}
}

static void wait_for_lock(int fd)
{
	uint64_t end = uv_hrtime() + PATIENCE_MS * 1000000ull;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		ck_assert_uint_lt(uv_hrtime(), end);
		sched_yield();
	}
}

static const struct {
	const char *what;
	int get_error, set_error, flags, result, flags_then;
	unsigned int sets;
} latency_rows[] = {
	{ "an adapter", 0, 0, DRIVER_OTHER_FLAG, 0, DRIVER_OTHER_FLAG | 1 << 13, 1 },
	{ "one that does so already", 0, 0, 1 << 13, 0, 1 << 13, 0 },
	{ "has no such thing", ENOTTY, 0, 0, -ENOTTY, 0, 0 },
	{ "may not be changed", 0, EPERM, DRIVER_OTHER_FLAG, -EPERM, DRIVER_OTHER_FLAG, 1 },
	{ "cannot be changed", 0, EINVAL, 0, -EINVAL, 0, 1 },
};

START_TEST(low_latency)
{
	driver.get_error = latency_rows[_i].get_error;
	driver.set_error = latency_rows[_i].set_error;
	driver.flags = latency_rows[_i].flags;
	driver.sets = 0;
	ck_assert_int_eq(tty_set_low_latency(DRIVER_FD), latency_rows[_i].result);
	ck_assert_int_eq(driver.flags, latency_rows[_i].flags_then);
	ck_assert_uint_eq(driver.sets, latency_rows[_i].sets);
}
END_TEST

START_TEST(a_hanging_open_delays_nobody)
{
	static struct end stuck, good;
	start();
	open_port(&good, "good");
	good.echoes = true;
	set_up(&stuck, "stuck");
	make_far_end(&stuck);
	strcpy(hanging_path, stuck.link);
	set_gate(true);
	port_open(stuck.port);
	wait_for_threads(1);
	talk(&good);
	ck_assert(!stuck.opened && !stuck.failed);
	set_gate(false);
	run_until(stuck.opened);
	clear(&stuck);
	clear(&good);
	finish();
}
END_TEST

START_TEST(a_hanging_open_can_be_abandoned)
{
	static struct end stuck;
	start();
	set_up(&stuck, "stuck");
	make_far_end(&stuck);
	strcpy(hanging_path, stuck.link);
	set_gate(true);
	port_open(stuck.port);
	wait_for_threads(1);
	port_close(TAKE_PTR(stuck.port));
	int master = stuck.master;
	uv_run(&loop, UV_RUN_DEFAULT); /* ends although the thread still hangs */
	set_gate(false);
	wait_for_threads(0);
	/* The late open is undone: the tty can be locked again. */
	int fd = __real_open(stuck.link, O_RDWR | O_NOCTTY);
	ck_assert_int_ge(fd, 0);
	wait_for_lock(fd);
	close(fd);
	stuck.master = master;
	clear(&stuck);
	ck_assert(!stuck.opened && !stuck.failed);
	finish();
}
END_TEST

START_TEST(a_hanging_close_delays_nobody)
{
	static struct end stuck, good;
	start();
	open_port(&good, "good");
	good.echoes = true;
	open_port(&stuck, "stuck");
	set_gate(true);
	atomic_store(&closes_hang, true);
	port_close(TAKE_PTR(stuck.port));
	wait_for_threads(1);
	talk(&good);
	set_gate(false);
	wait_for_threads(0);
	atomic_store(&closes_hang, false);
	clear(&stuck);
	clear(&good);
	finish();
}
END_TEST

/* The thread of an open that succeeded may still be about to end, and count: then one too many is refused, and tried again. */
static void wait_for_stuck(struct end *stuck, int count)
{
	uint64_t end = uv_hrtime() + PATIENCE_MS * 1000000ull;
	while (atomic_load(&hanging) != count) {
		ck_assert_msg(uv_hrtime() < end, "%d threads hang instead of %d", atomic_load(&hanging), count);
		uv_run(&loop, UV_RUN_NOWAIT);
		for (int i = 0; i < count; i++) {
			if (!stuck[i].failed)
				continue;
			clear(&stuck[i]);
			set_up(&stuck[i], "same");
			port_open(stuck[i].port);
		}
		sched_yield();
	}
}

START_TEST(so_many_may_hang_and_no_more)
{
	static struct end stuck[LIMIT_HANGING_PORTS], more, closing;
	char name[16];
	start();
	open_port(&closing, "closing");
	set_gate(true);
	snprintf(hanging_path, sizeof(hanging_path), "%s/same", directory);
	for (size_t i = 0; i < LIMIT_HANGING_PORTS; i++) {
		snprintf(name, sizeof(name), "same");
		set_up(&stuck[i], name);
		port_open(stuck[i].port);
	}
	wait_for_stuck(stuck, LIMIT_HANGING_PORTS);
	set_up(&more, "more");
	port_open(more.port);
	ck_assert_uint_eq(more.failed, 0);
	run_until(more.failed);
	ck_assert_int_eq(more.why, PORT_ERROR);
	ck_assert_ptr_nonnull(strstr(more.reason, "hang"));

	int fd = __real_open(closing.link, O_RDWR | O_NOCTTY);
	port_close(TAKE_PTR(closing.port)); /* there is no thread for it, and it does not wait for one */
	ck_assert_int_lt(flock(fd, LOCK_EX | LOCK_NB), 0);
	set_gate(false);
	wait_for_lock(fd);
	close(fd);
	clear(&closing);
	for (size_t i = 0; i < LIMIT_HANGING_PORTS; i++) {
		run_until(stuck[i].failed);
		clear(&stuck[i]);
	}
	clear(&more);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("port");
	TCase *tcase = tcase_create("port");
	tcase_set_timeout(tcase, 60);
	tcase_add_test(tcase, opens_raw_and_moves_bytes);
	tcase_add_test(tcase, any_baud_rate);
	tcase_add_test(tcase, what_was_in_the_buffer_is_received);
	tcase_add_test(tcase, lines_are_paced);
	tcase_add_test(tcase, keystrokes_stay_in_order_and_are_kept);
	tcase_add_test(tcase, refuses_more_than_it_holds);
	tcase_add_test(tcase, hang_up_and_open_again);
	tcase_add_test(tcase, held_by_another);
	tcase_add_test(tcase, holder_is_named);
	tcase_add_test(tcase, what_is_no_tty);
	tcase_add_test(tcase, reasons);
	tcase_add_loop_test(tcase, low_latency, 0, (int)ARRAY_SIZE(latency_rows));
	tcase_add_test(tcase, a_hanging_open_delays_nobody);
	tcase_add_test(tcase, a_hanging_open_can_be_abandoned);
	tcase_add_test(tcase, a_hanging_close_delays_nobody);
	tcase_add_test(tcase, so_many_may_hang_and_no_more);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
