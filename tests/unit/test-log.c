/* SPDX-License-Identifier: MIT */

/* Log lines, and what the service manager is told. */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/log-private.h"
#include "daemon/log.h"
#include "daemon/notify.h"
#include "tests/unit/suite.h"

static char line[8192];

/* What one call writes to standard error. */
#define capture(...)                                                                                                   \
	do {                                                                                                           \
		int ends[2], before = dup(STDERR_FILENO);                                                              \
		ck_assert_int_eq(pipe(ends), 0);                                                                       \
		fcntl(ends[0], F_SETFL, O_NONBLOCK);                                                                   \
		dup2(ends[1], STDERR_FILENO);                                                                          \
		__VA_ARGS__;                                                                                           \
		dup2(before, STDERR_FILENO);                                                                           \
		ssize_t size = read(ends[0], line, sizeof(line) - 1);                                                  \
		line[size > 0 ? size : 0] = 0;                                                                         \
		close(before);                                                                                         \
		close(ends[0]);                                                                                        \
		close(ends[1]);                                                                                        \
	} while (0)

static const struct {
	const char *text, *shown;
} escapes[] = {
	{ "plain", "plain" },
	{ "\x1b[31mred\x1b[m\r\n", "\\x1b[31mred\\x1b[m\\x0d\\x0a" },
	{ "M\xc3\xbcnchen \xe2\x82\xac \xf0\x9f\x90\xa7", "M\xc3\xbcnchen \xe2\x82\xac \xf0\x9f\x90\xa7" },
	{ "\xff\xc3(", "\\xff\\xc3(" },		      /* no UTF-8 */
	{ "\xc0\xaf\xe0\x80\xaf", "\\xc0\\xaf\\xe0\\x80\\xaf" }, /* longer than needed */
	{ "\xc2\x9b" "31m", "\\xc2\\x9b31m" },	      /* a control sequence in one character */
	{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },	      /* half of a pair */
	{ "\xe2\x82", "\\xe2\\x82" },		      /* cut off */
	{ "\x7f", "\\x7f" },
};

START_TEST(text_is_escaped)
{
	char expected[256];
	capture(log_info("b0", "usb", "%s", escapes[_i].text));
	snprintf(expected, sizeof(expected), "info: b0 usb: %s\n", escapes[_i].shown);
	ck_assert_ptr_nonnull(strchr(line, 'i'));
	ck_assert_str_eq(strchr(line, 'i'), expected); /* after the time */
}
END_TEST

START_TEST(levels)
{
	enum log_level level;
	capture(log_debug(NULL, "port", "hidden"));
	ck_assert_str_eq(line, "");
	ck_assert_int_eq(log_level_parse("debug", &level), 0);
	log_set_level(level);
	capture(log_debug(NULL, "port", "shown"));
	ck_assert_ptr_nonnull(strstr(line, "debug: port: shown\n"));
	log_set_level(LOG_LEVEL_ERROR);
	capture(log_warning(NULL, "port", "hidden"));
	ck_assert_str_eq(line, "");
	log_set_level(LOG_LEVEL_INFO);
	ck_assert_int_eq(log_level_parse("loud", &level), -EINVAL);
	ck_assert_int_eq(log_level_parse("", &level), -EINVAL);
}
END_TEST

START_TEST(long_lines_are_cut)
{
	static char text[10000];
	memset(text, '\x01', sizeof(text) - 1);
	int kept = 0;
	capture(errno = 77; log_info(text, text, "%s", text); kept = errno);
	ck_assert_int_eq(kept, 77);
	ck_assert_uint_gt(strlen(line), 2000);
	ck_assert_uint_le(strlen(line), 4096);
	ck_assert_int_eq(line[strlen(line) - 1], '\n');
}
END_TEST

static int listen_at(struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	socklen_t size = sizeof(*address);
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	ck_assert_int_eq(bind(fd, (struct sockaddr *)address, sizeof(sa_family_t)), 0); /* the kernel finds a name */
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)address, &size), 0);
	return fd;
}

/* The journal gets fields; a journal that is not there, a line on standard error with its priority. */
START_TEST(journal_gets_fields)
{
	char path[64] = "/tmp/test-log-XXXXXX", got[8192] = "", stream[64];
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0), ends[2], before = dup(STDERR_FILENO);
	struct stat st;
	ck_assert_ptr_nonnull(mkdtemp(path));
	strcpy(address.sun_path, strcat(path, "/s"));
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	ck_assert_int_eq(pipe(ends), 0);
	fcntl(ends[0], F_SETFL, O_NONBLOCK);
	dup2(ends[1], STDERR_FILENO);
	ck_assert_int_eq(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_set_journal(path);
	log_look_for_journal();
	log_warning("b0", "usb", "it said %s", "\x1b[2J\nMESSAGE=forged");
	ssize_t first = read(fd, got, sizeof(got) - 1), second;
	char *more = got + (first > 0 ? first : 0) + 1;
	log_info(NULL, "api", "listening");
	second = read(fd, more, sizeof(got) - (size_t)(more - got) - 1);
	log_set_journal("/nowhere/at/all");
	log_info("b0", "port", "lost");
	ssize_t size = read(ends[0], line, sizeof(line) - 1);
	line[size > 0 ? size : 0] = 0;
	dup2(before, STDERR_FILENO);
	unsetenv("JOURNAL_STREAM");
	log_look_for_journal();
	unlink(path);
	*strrchr(path, '/') = 0;
	rmdir(path);
	close(before);
	close(ends[0]);
	close(ends[1]);
	close(fd);
	ck_assert(first > 0 && second > 0);
	ck_assert_str_eq(got, "PRIORITY=4\nSYSLOG_IDENTIFIER=mcumgrd\nMCUMGRD_TOPIC=usb\nMCUMGRD_DEVICE=b0\n"
		"MESSAGE=b0 usb: it said \\x1b[2J\\x0aMESSAGE=forged\n");
	ck_assert_str_eq(more, "PRIORITY=6\nSYSLOG_IDENTIFIER=mcumgrd\nMCUMGRD_TOPIC=api\nMESSAGE=api: listening\n");
	ck_assert_str_eq(line, "<6>b0 port: lost\n");
}
END_TEST

START_TEST(service_manager_is_told)
{
	struct sockaddr_un address;
	char name[128], got[64] = "";
	unsetenv("NOTIFY_SOCKET");
	ck_assert_int_eq(notify_send("READY=1"), 0);
	int fd = listen_at(&address);
	snprintf(name, sizeof(name), "@%s", address.sun_path + 1);
	setenv("NOTIFY_SOCKET", name, 1);
	ck_assert_int_eq(notify_send("STATUS=%d boards", 7), 0);
	ck_assert_int_eq(read(fd, got, sizeof(got) - 1), 15);
	ck_assert_str_eq(got, "STATUS=7 boards");
	close(fd);
	ck_assert_int_eq(notify_send("READY=1"), -ECONNREFUSED);
	setenv("NOTIFY_SOCKET", "relative", 1);
	ck_assert_int_eq(notify_send("READY=1"), -EINVAL);
	unsetenv("NOTIFY_SOCKET");
}
END_TEST

static void set(const char *name, const char *value)
{
	char pid[16];
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	if (value)
		setenv(name, strcmp(value, "self") ? value : pid, 1);
	else
		unsetenv(name);
}

START_TEST(descriptors_are_stored)
{
	struct sockaddr_un address;
	char name[128], got[128] = "";
	union {
		struct cmsghdr header;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = { got, sizeof(got) - 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
		.msg_controllen = sizeof(control.space) };
	struct stat mine, theirs;
	int null = open("/dev/null", O_RDONLY), copy;
	unsetenv("NOTIFY_SOCKET");
	ck_assert_int_eq(notify_store(null, "tty-a-1"), -ENOTCONN);
	int fd = listen_at(&address);
	snprintf(name, sizeof(name), "@%s", address.sun_path + 1);
	setenv("NOTIFY_SOCKET", name, 1);
	ck_assert_int_eq(notify_store(null, "tty-a-1"), 0);
	ck_assert_int_gt(recvmsg(fd, &message, 0), 0);
	ck_assert_str_eq(got, "FDSTORE=1\nFDNAME=tty-a-1");
	ck_assert_int_eq(control.header.cmsg_type, SCM_RIGHTS);
	memcpy(&copy, CMSG_DATA(&control.header), sizeof(copy));
	ck_assert(fstat(null, &mine) == 0 && fstat(copy, &theirs) == 0 && mine.st_rdev == theirs.st_rdev);
	memset(got, 0, sizeof(got));
	ck_assert_int_eq(notify_unstore("tty-a-1"), 0);
	ck_assert_int_gt(read(fd, got, sizeof(got) - 1), 0);
	ck_assert_str_eq(got, "FDSTOREREMOVE=1\nFDNAME=tty-a-1");
	unsetenv("NOTIFY_SOCKET");
	close(copy);
	close(null);
	close(fd);
}
END_TEST

static const struct {
	const char *names;
	unsigned int index;
	const char *name; /* NULL: none */
} fd_names[] = {
	{ NULL, 0, NULL },
	{ "a", 0, "a" },
	{ "a", 1, NULL },
	{ "a:tty-b:c", 1, "tty-b" },
	{ "a:tty-b:c", 2, "c" },
	{ "a::c", 1, "" },
	{ "0123456789012345678901234567890123456789012345678901234567890123", 0, NULL },
};

START_TEST(descriptors_have_names)
{
	char name[NOTIFY_FD_NAME_MAX];
	set("LISTEN_FDNAMES", fd_names[_i].names);
	bool found = notify_listen_name(fd_names[_i].index, name, sizeof(name));
	ck_assert_int_eq(found, fd_names[_i].name != NULL);
	if (found)
		ck_assert_str_eq(name, fd_names[_i].name);
	set("LISTEN_FDNAMES", NULL);
}
END_TEST

static const struct {
	const char *us, *pid;
	uint64_t result;
} watchdogs[] = {
	{ NULL, NULL, 0 },
	{ "30000000", NULL, 30000000 },
	{ "30000000", "1", 0 }, /* somebody else's */
	{ "30000000", "self", 30000000 },
	{ "-1", NULL, 0 },
	{ "12x", NULL, 0 },
	{ "", NULL, 0 },
};

START_TEST(watchdog)
{
	set("WATCHDOG_USEC", watchdogs[_i].us);
	set("WATCHDOG_PID", watchdogs[_i].pid);
	ck_assert_uint_eq(notify_watchdog_us(), watchdogs[_i].result);
	set("WATCHDOG_USEC", NULL);
	set("WATCHDOG_PID", NULL);
}
END_TEST

START_TEST(inherited_sockets)
{
	set("LISTEN_PID", "1");
	set("LISTEN_FDS", "1");
	ck_assert_int_eq(notify_listen_fds(), 0);
	set("LISTEN_PID", "self");
	set("LISTEN_FDS", "1041");
	ck_assert_int_eq(notify_listen_fds(), -EINVAL);
	set("LISTEN_FDS", "1");
	int before = dup(3), null = open("/dev/null", O_RDONLY);
	ck_assert_int_eq(dup2(null, 3), 3);
	ck_assert_int_eq(notify_listen_fds(), 1);
	ck_assert(fcntl(3, F_GETFD) & FD_CLOEXEC);
	close(3);
	if (before >= 0) {
		dup2(before, 3);
		close(before);
	}
	if (null != 3)
		close(null);
	set("LISTEN_PID", NULL);
	set("LISTEN_FDS", NULL);
}
END_TEST

int main(void)
{
	unsetenv("JOURNAL_STREAM");
	Suite *suite = suite_create("log");
	TCase *tcase = tcase_create("log");
	tcase_add_loop_test(tcase, text_is_escaped, 0, (int)ARRAY_SIZE(escapes));
	tcase_add_test(tcase, levels);
	tcase_add_test(tcase, long_lines_are_cut);
	tcase_add_test(tcase, journal_gets_fields);
	tcase_add_test(tcase, service_manager_is_told);
	tcase_add_test(tcase, descriptors_are_stored);
	tcase_add_loop_test(tcase, descriptors_have_names, 0, (int)ARRAY_SIZE(fd_names));
	tcase_add_loop_test(tcase, watchdog, 0, (int)ARRAY_SIZE(watchdogs));
	tcase_add_test(tcase, inherited_sockets);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
