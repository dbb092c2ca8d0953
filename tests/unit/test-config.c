/* SPDX-License-Identifier: MIT */

/* The configuration file and --port: what is taken, and what is said of every line that is not. */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/config.h"
#include "daemon/limits.h"
#include "daemon/usb.h"
#include "tests/unit/suite.h"

static char file[] = "/tmp/test-config-XXXXXX";
static struct config *config;
static char *text;

static int load(const char *content, size_t size)
{
	strcpy(file + strlen(file) - 6, "XXXXXX");
	int fd = mkstemp(file);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, content, size), (ssize_t)size);
	close(fd);
	config = NULL;
	text = NULL;
	int r = config_load(file, false, &config, &text);
	unlink(file);
	ck_assert_msg(r == 0 ? !text : !config, "%s", text ? text : "both a text and a configuration");
	return r;
}

static void release(void)
{
	config_free(TAKE_PTR(config));
	free(TAKE_PTR(text));
}

START_TEST(defaults)
{
	ck_assert_int_eq(load("[device a]\nmatch = 2fe3:.*\n", 27), 0);
	const struct config_device *d = &config->devices[0];
	ck_assert_uint_eq(config->device_count, 1);
	ck_assert_str_eq(d->name, "a");
	ck_assert_uint_eq(d->baud, 115200);
	ck_assert(!d->rtscts && !d->raw);
	ck_assert_int_eq(d->dtr, LINE_KEEP);
	ck_assert_int_eq(d->rts, LINE_KEEP);
	ck_assert_uint_eq(d->timeout_ms, 500);
	ck_assert_uint_eq(d->retries, 2);
	ck_assert_uint_eq(d->frame_size, 0);
	ck_assert_int_eq(d->probe, PROBE_SMP);
	ck_assert_uint_eq(d->quiet_ms, 1500);
	ck_assert_int_eq(d->line_delay_ms, -1);
	ck_assert_uint_eq(d->window, 0);
	ck_assert_int_eq(config->log_level, LOG_LEVEL_INFO);
	ck_assert_ptr_nonnull(config->state_dir);
	release();
}
END_TEST

START_TEST(every_key)
{
	static const char all[] =
		"# a rack\r\n"
		"; another comment\n"
		"\n"
		"[daemon]\n"
		"  socket = /run/x/io.mcumgr\n"
		"state_dir=/var/lib/x\n"
		"group\t=\tmcumgr\n"
		"log_level = debug\n"
		"read = everybody\n"
		"change = lab, user:ann\n"
		"administer = group:admins\n"
		"[device  one.A-b_2]\n"
		"match = (?-i)2fe3:00[aA]b:1[0-9]\n"
		"serial = 12 34\n"
		"path = pci-0000:00:14.0-usb-0:2.1:1.0\n"
		"alias = Left.1\n"
		"baud = 1000000\n"
		"flow = rtscts\n"
		"dtr = on\n"
		"rts = off\n"
		"timeout_ms = 2s\n"
		"retries = 0\n"
		"frame_size = 1024\n"
		"probe = passive\n"
		"quiet_ms = 6000ms\n"
		"line_delay_ms = 20\n"
		"window = 3\n"
		"framing = raw\n"
		"[device two]\n"
		"serial = x\n"
		"frame_size = auto\n"
		"line_delay_ms = auto\n"
		"window = auto\n"
		"timeout_ms = 10min\n"
		"quiet_ms = 0"; /* no newline at the end */
	ck_assert_msg(load(all, sizeof(all) - 1) == 0, "%s", text);
	ck_assert_str_eq(config->socket, "/run/x/io.mcumgr");
	ck_assert_str_eq(config->state_dir, "/var/lib/x");
	ck_assert_str_eq(config->group, "mcumgr");
	ck_assert_str_eq(config->read, "everybody");
	ck_assert_str_eq(config->change, "lab, user:ann");
	ck_assert_str_eq(config->administer, "group:admins");
	ck_assert_int_eq(config->log_level, LOG_LEVEL_DEBUG);
	const struct config_device *d = &config->devices[0];
	ck_assert_str_eq(d->name, "one.A-b_2");
	ck_assert_str_eq(d->match, "(?-i)2fe3:00[aA]b:1[0-9]");
	ck_assert_str_eq(d->serial, "12 34");
	ck_assert_str_eq(d->path, "pci-0000:00:14.0-usb-0:2.1:1.0");
	ck_assert_str_eq(d->alias, "Left.1");
	ck_assert_uint_eq(d->baud, 1000000);
	ck_assert(d->rtscts && d->raw);
	ck_assert_int_eq(d->dtr, LINE_ON);
	ck_assert_int_eq(d->rts, LINE_OFF);
	ck_assert_uint_eq(d->timeout_ms, 2000);
	ck_assert_uint_eq(d->retries, 0);
	ck_assert_uint_eq(d->frame_size, 1024);
	ck_assert_int_eq(d->probe, PROBE_PASSIVE);
	ck_assert_uint_eq(d->quiet_ms, 6000);
	ck_assert_int_eq(d->line_delay_ms, 20);
	ck_assert_uint_eq(d->window, 3);
	d = &config->devices[1];
	ck_assert_uint_eq(d->frame_size, 0);
	ck_assert_int_eq(d->line_delay_ms, -1);
	ck_assert_uint_eq(d->window, 0);
	ck_assert_uint_eq(d->quiet_ms, 0);
	ck_assert_uint_eq(d->timeout_ms, LIMIT_TIMEOUT_MS);
	release();
}
END_TEST

#define BYTES_50 "0123456789/123456789/123456789/123456789/123456789"
#define BYTES_100 BYTES_50 BYTES_50

/* A file and what is said of it; FILE stands for its name. */
static const struct complaint {
	const char *content, *text;
} complaints[] = {
	{ "[daemon]\nread = a/b\n",
		"FILE:2: bad value 'a/b' for read; allowed: up to 64 of GROUP, group:GROUP, user:USER, everybody" },
	{ "[daemon]\nchange = ,\n", "FILE:2: bad value ',' for change; name groups, or user:USER, or everybody" },
	{ "baud = 1\n", "FILE:1: baud stands before the first section" },
	{ "[device a]\n", "FILE:1: [device a] chooses no board; give match, serial or path" },
	{ "[device a]\nserial = x\n[device a]\nserial = y\n", "FILE:3: [device a] is there already, in line 1" },
	{ "[device a]\nserial = x\nbaud = 1\n",
		"FILE:3: bad value '1' for baud; allowed: 50 to 20000000" },
	{ "[device a]\nserial = x\nbaud = 115200x\n",
		"FILE:3: bad value '115200x' for baud; allowed: 50 to 20000000" },
	{ "[device a]\nserial = x\nbaud = -1\n", "FILE:3: bad value '-1' for baud; allowed: 50 to 20000000" },
	{ "[device a]\nserial = x\nbaud = 99999999999\n",
		"FILE:3: bad value '99999999999' for baud; allowed: 50 to 20000000" },
	{ "[device a]\nserial = x\nserial = y\n", "FILE:3: serial is set already, in line 2" },
	{ "[device a]\nserial =\n",
		"FILE:2: bad value '' for serial; allowed: 1 to 255 printable characters" },
	{ "[device a]\npath = /dev/ttyACM0\n",
		"FILE:2: bad value '/dev/ttyACM0' for path; allowed: a place on USB, as 'mcumgrctl list --all-ports' shows it "
		"(a tty that is not on USB: --port)" },
	{ "[device a]\nserial = x\nlog_size = 1073741825\n",
		"FILE:3: bad value '1073741825' for log_size; allowed: 4096 to 1073741824" },
	{ "[device a]\nserial = x\nlog_size = 4294971392\n",
		"FILE:3: bad value '4294971392' for log_size; allowed: 4096 to 1073741824" },
	{ "[device a]\nserial = x\ntimeout_ms = 1h\n",
		"FILE:3: bad value '1h' for timeout_ms; allowed: 10 to 600000 milliseconds (or with a unit: 500ms, 2s, 1min)" },
	{ "[device a]\nserial = x\ntimeout_ms = 600001\n",
		"FILE:3: bad value '600001' for timeout_ms; allowed: 10 to 600000 milliseconds (or with a unit: 500ms, 2s, 1min)" },
	{ "[device a]\nserial = x\nwindow = 17\n", "FILE:3: bad value '17' for window; allowed: 1 to 16, or auto" },
	{ "[device a]\nserial = x\nprobe = yes\n",
		"FILE:3: bad value 'yes' for probe; allowed: smp, passive, never" },
	{ "[device a]\nserial = x\nalias = a b\n",
		"FILE:3: bad value 'a b' for alias; allowed: 1 to 64 letters, digits, '.', '_' and '-'" },
	{ "[device a]\nserial = x\nspeed = 1\n",
		"FILE:3: unknown key 'speed'; allowed: match serial path alias tags baud flow dtr rts timeout_ms retries frame_size "
		"probe quiet_ms line_delay_ms window framing broken_count broken_window_ms console_lines console_bytes console_log log_size log_count tty" },
	{ "[device a]\nserial = x\nudp = 10.0.0.1\n",
		"FILE:3: 'udp': boards over UDP and Bluetooth are not supported, serial ports only" },
	{ "[device a]\nmatch = 2fe3:(00\n",
		"FILE:2: bad value '2fe3:(00' for match; bad regular expression at character 9: missing closing parenthesis" },
	{ "[device a]\nmatch = 2fe3\\K:00\nserial = x\n",
		"FILE:2: bad value '2fe3\\K:00' for match; bad regular expression at character 5: \\K is not supported" },
	{ "[device a]\nmatch = 2fe3:00ab # left\nserial = x\n", "FILE:2: match: a comment needs a line of its own" },
	{ "[device a]\nserial = \"ABC\"\nalias = 'b'\n",
		"FILE:2: serial: values stand without quotation marks\nFILE:3: alias: values stand without quotation marks" },
	{ "[device a b]\nserial = x\n", "FILE:1: [device a b]: a name has 1 to 64 letters, digits, '.', '_' and '-'" },
	{ "[device]\nserial = x\n", "FILE:1: [device ]: a name has 1 to 64 letters, digits, '.', '_' and '-'" },
	{ "[devices a]\nserial = x\n", "FILE:1: unknown section [devices a]; allowed: [daemon], [device NAME]" },
	{ "[device a\nserial = x\n", "FILE:1: '[device a': a section ends with ']'" },
	{ "[daemon]\nsocket = run/x\n", "FILE:2: bad value 'run/x' for socket; allowed: an absolute path of at most 107 bytes" },
	{ "[daemon]\nsocket = /" BYTES_100 "1234567\n",
		"FILE:2: bad value '/" BYTES_100 "1234567' for socket; allowed: an absolute path of at most 107 bytes" },
	{ "[daemon]\nlog_dir = x\n", "FILE:2: bad value 'x' for log_dir; allowed: an absolute path of at most 255 bytes" },
	{ "[daemon]\nlog_level = loud\n",
		"FILE:2: bad value 'loud' for log_level; allowed: error, warning, info, debug" },
	{ "[daemon]\nport = 1\n", "FILE:2: unknown key 'port'; allowed: socket state_dir log_dir tty_dir group read change administer log_level" },
	{ "[daemon]\n[daemon]\n", "FILE:2: [daemon] is there already" },
	{ "[daemon]\nnonsense\n", "FILE:2: 'nonsense': expected key = value, [section] or a comment" },
	{ "[device a]\nserial = x\nalias = l\n[device b]\nserial = y\nalias = l\n",
		"FILE:4: [device b] and [device a] have the same alias 'l'" },
	/* all of them at once */
	{ "[device a]\nserial = x\nbaud = 1\nretries = 21\n[daemon]\nx = y\n",
		"FILE:3: bad value '1' for baud; allowed: 50 to 20000000\n"
		"FILE:4: bad value '21' for retries; allowed: 0 to 20\n"
		"FILE:6: unknown key 'x'; allowed: socket state_dir log_dir tty_dir group read change administer log_level" },
};

START_TEST(one_complaint)
{
	const struct complaint *c = &complaints[_i];
	char expected[2048] = "";
	ck_assert_int_lt(load(c->content, strlen(c->content)), 0);
	for (const char *s = c->text; *s;) {
		bool name = !strncmp(s, "FILE", 4);
		size_t used = strlen(expected);
		snprintf(expected + used, sizeof(expected) - used, "%.*s", name ? (int)strlen(file) : 1, name ? file : s);
		s += name ? 4 : 1;
	}
	ck_assert_str_eq(text, expected);
	release();
}
END_TEST

/* Values at the ends of their ranges, as mcumgrd.conf(5) has them. */
static const char *const borders[] = {
	"baud = 50", "baud = 20000000", "timeout_ms = 10", "timeout_ms = 10min", "retries = 20", "frame_size = 32",
	"frame_size = 65543", "quiet_ms = 1min", "line_delay_ms = 1s", "window = 16", "console_lines = 1000000",
	"console_bytes = 1024", "console_bytes = 268435456", "broken_count = 100", "broken_window_ms = 100",
	"broken_window_ms = 60min", "log_size = 4096", "log_size = 1073741824", "log_count = 0", "log_count = 100",
	"[daemon]\nsocket = /" BYTES_100 "123456",
};

START_TEST(one_border)
{
	char content[256];
	snprintf(content, sizeof(content), "[device a]\nserial = x\n%s\n", borders[_i]);
	ck_assert_msg(load(content, strlen(content)) == 0, "%s", text);
	release();
}
END_TEST

START_TEST(files)
{
	static char large[LIMIT_CONFIG_BYTES + 1];
	ck_assert_int_eq(config_load("/nonexistent/mcumgrd.conf", true, &config, &text), 0);
	ck_assert_ptr_null(config->file);
	release();
	ck_assert_int_eq(config_load("/nonexistent/mcumgrd.conf", false, &config, &text), -ENOENT);
	ck_assert_str_eq(text, "/nonexistent/mcumgrd.conf: cannot be read: No such file or directory");
	release();
	ck_assert_int_eq(config_load("/tmp", true, &config, &text), -EISDIR);
	release();
	ck_assert_int_eq(config_load(NULL, false, &config, &text), 0);
	release();
	ck_assert_int_eq(load("[daemon]\n\0x", 11), -EINVAL);
	ck_assert_ptr_nonnull(strstr(text, "zero byte"));
	release();
	memset(large, '\n', sizeof(large));
	ck_assert_int_eq(load(large, LIMIT_CONFIG_BYTES), 0);
	release();
	ck_assert_int_eq(load(large, LIMIT_CONFIG_BYTES + 1), -EFBIG);
	ck_assert_ptr_nonnull(strstr(text, "larger than"));
	release();
}
END_TEST

static const struct port_argument {
	const char *argument;
	const char *name; /* NULL: refused, with: */
	const char *text;
	unsigned int baud;
} port_arguments[] = {
	{ "/dev/ttyS0", "ttys0", NULL, 115200 },
	{ "/tmp/Board 7", "board-7", NULL, 115200 },
	{ "/dev/ttyS0,baud=9600,name=left.1,retries=1", "left.1", NULL, 9600 },
	{ "ttyS0", NULL, "absolute path" },
	{ "", NULL, "absolute path" },
	{ "udp:10.0.0.1", NULL, "UDP and Bluetooth are not supported" },
	{ "ble:aa", NULL, "UDP and Bluetooth are not supported" },
	{ "/dev/ttyS0,name=Left", NULL, "bad name 'Left'" },
	{ "/dev/ttyS0,name=", NULL, "bad name ''" },
	{ "/dev/ttyS0,name=a:b", NULL, "bad name 'a:b'" },
	{ "/dev/ttyS0,speed=1", NULL, "unknown key 'speed'; allowed: name alias tags baud" },
	{ "/dev/ttyS0,9600", NULL, "expected KEY=VALUE" },
	{ "/dev/ttyS0,match=1:2", NULL, "for boards on USB" },
	{ "/dev/ttyS0,baud=fast", NULL, "bad value 'fast' for baud; allowed: 50" },
	{ "/dev/other,name=first", NULL, "'first' is the name of /dev/first already" },
};

START_TEST(one_port)
{
	const struct port_argument *a = &port_arguments[_i];
	ck_assert_int_eq(config_load(NULL, false, &config, &text), 0);
	ck_assert_int_eq(config_add_port(config, "/dev/first", &text), 0);
	int r = config_add_port(config, a->argument, &text);
	if (a->name) {
		ck_assert_msg(r == 0, "%s", text);
		ck_assert_uint_eq(config->device_count, 2);
		ck_assert_str_eq(config->devices[1].name, a->name);
		ck_assert_int_eq(strncmp(a->argument, config->devices[1].tty, strlen(config->devices[1].tty)), 0);
		ck_assert_uint_eq(config->devices[1].baud, a->baud);
	} else {
		ck_assert_int_eq(r, -EINVAL);
		ck_assert_uint_eq(config->device_count, 1);
		ck_assert_msg(strstr(text, a->text), "%s", text);
		ck_assert_ptr_nonnull(strstr(text, a->argument));
	}
	release();
}
END_TEST

/* Identifier as in usb_port_identifier: what clients of before know (peers' semantics). */
static const struct match {
	const char *pattern, *subject;
	bool matches;
} matches[] = {
	{ "2FE3:00AB:0", "2fe3:00ab:0", true },
	{ "00ab", "2fe3:00ab:0", false },
	{ "2fe3:00ab:1", "2fe3:00ab:10", true },
	{ "2fe3:00ab:0a", "2fe3:00ab:10", false },
	{ "2fe3:00ab", "2fe3:00ab:4", true },
	{ "(?-i)2FE3", "2fe3:00ab:0", false },
	{ "6001|0403:6001", "0403:6001:0", true },
	{ "^2fe3", "2fe3:00ab", true },
	{ "\\d{4}:", "0403:6001", true },
	{ "2fe3:00ab:1$", "2fe3:00ab:10", false },
	{ "(a*)*(a*)*(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false }, /* the match limit ends it */
};

START_TEST(one_match)
{
	char reason[128];
	struct regex *r;
	ck_assert_int_eq(regex_compile(matches[_i].pattern, &r, reason, sizeof(reason)), 0);
	ck_assert_int_eq(regex_matches(r, matches[_i].subject), matches[_i].matches);
	regex_free(r);
}
END_TEST

START_TEST(regex_limits)
{
	char reason[128], pattern[LIMIT_REGEX_BYTES + 2];
	struct regex *r;
	memset(pattern, 'a', sizeof(pattern));
	pattern[LIMIT_REGEX_BYTES] = 0;
	ck_assert_int_eq(regex_compile(pattern, &r, reason, sizeof(reason)), 0);
	regex_free(r);
	pattern[LIMIT_REGEX_BYTES] = 'a';
	pattern[LIMIT_REGEX_BYTES + 1] = 0;
	ck_assert_int_eq(regex_compile(pattern, &r, reason, sizeof(reason)), -EINVAL);
	ck_assert_int_eq(regex_compile("", &r, reason, sizeof(reason)), -EINVAL);
	ck_assert_int_eq(regex_compile("\\\\K", &r, reason, sizeof(reason)), 0); /* a backslash and a K */
	regex_free(r);
}
END_TEST

static const char *section_of(const char *serial, const char *path, unsigned int product_id, int interface)
{
	const struct usb_port port = {
		.serial = (char *)serial,
		.path = (char *)path,
		.vendor_id = 0x2fe3,
		.product_id = product_id,
		.interface = interface,
	};
	const struct config_device *d = config_find(config, &port);
	return d ? d->name : "-";
}

START_TEST(sections_are_found)
{
	static const char content[] =
		"[device all]\nmatch = 2fe3:0100\n"
		"[device second]\nmatch = 2fe3:.*:2\n"
		"[device pinned]\nserial = ABC\n"
		"[device hub]\npath = pci-1\nmatch = 2fe3:0100:0\n";
	ck_assert_msg(load(content, sizeof(content) - 1) == 0, "%s", text);
	ck_assert_int_eq(config_add_port(config, "/dev/ttyS0", &text), 0);
	ck_assert_str_eq(section_of("X", "p", 0x100, 0), "all");
	ck_assert_str_eq(section_of("X", "p", 0x100, 2), "all"); /* the first in the file */
	ck_assert_str_eq(section_of("X", "p", 0x200, 2), "second");
	ck_assert_str_eq(section_of("ABC", "p", 0x100, 0), "pinned"); /* a pinned board before a class */
	ck_assert_str_eq(section_of("abc", "p", 0x300, 0), "-"); /* exact */
	ck_assert_str_eq(section_of(NULL, "pci-1", 0x100, 0), "hub");
	ck_assert_str_eq(section_of(NULL, "pci-1", 0x100, 1), "all"); /* all keys of a section hold */
	ck_assert_str_eq(section_of(NULL, NULL, 0x300, -1), "-");
	release();
}
END_TEST

START_TEST(sections_by_hub_port)
{
	static const char content[] = "[device board]\npath = pci-0000:00:14.0-usb-0:2.3\n"
				      "[device port]\npath = pci-0000:00:14.0-usb-0:4:1.2\n";
	static const char *const fits[][2] = {
		{ "pci-0000:00:14.0-usb-0:2.3:1.0", "board" }, { "pci-0000:00:14.0-usb-0:2.3:1.12", "board" },
		{ "pci-0000:00:14.0-usb-0:2.3", "board" }, { "pci-0000:00:14.0-usb-0:2.31:1.0", "-" },
		{ "pci-0000:00:14.0-usb-0:2.3.1:1.0", "board" }, { "pci-0000:00:14.0-usb-0:2:1.0", "-" },
		{ "pci-0000:00:14.0-usb-0:2.3:1", "-" }, { "pci-0000:00:14.0-usb-0:2.3:1.0-x", "-" },
		{ "pci-0000:00:14.0-usb-0:4:1.2", "port" }, { "pci-0000:00:14.0-usb-0:4:1.0", "-" },
	};
	ck_assert_msg(load(content, sizeof(content) - 1) == 0, "%s", text);
	for (size_t i = 0; i < ARRAY_SIZE(fits); i++)
		ck_assert_str_eq(section_of("S", fits[i][0], 0x100, 0), fits[i][1]);
	release();
}
END_TEST

/* The board's own place before a hub's, the nearest hub before one above it, a hub before a class. */
START_TEST(sections_by_hub)
{
	static const char content[] = "[device class]\nmatch = 2fe3:.*\n"
				      "[device hub]\npath = pci-0000:00:14.0-usb-0:2\n"
				      "[device near]\npath = pci-0000:00:14.0-usb-0:2.3\n"
				      "[device board]\npath = pci-0000:00:14.0-usb-0:2.3.1\n"
				      "[device some]\npath = 3-1\nmatch = 2fe3:0200\n"
				      "[device serial]\npath = 3-1\nserial = X\n"
				      "[device all]\npath = usb3\n";
	static const struct {
		const char *serial, *path, *bus;
		unsigned int product_id;
		const char *section;
	} ports[] = {
		{ NULL, "pci-0000:00:14.0-usb-0:2.4:1.0", NULL, 0x100, "hub" },
		{ NULL, "pci-0000:00:14.0-usb-0:2.4.1.2:1.0", NULL, 0x100, "hub" },
		{ NULL, "pci-0000:00:14.0-usb-0:2.30:1.0", NULL, 0x100, "hub" },
		{ NULL, "pci-0000:00:14.0-usb-0:2.3.2:1.0", NULL, 0x100, "near" },
		{ NULL, "pci-0000:00:14.0-usb-0:2.3.1:1.0", NULL, 0x100, "board" },
		{ NULL, "pci-0000:00:14.0-usb-0:2.3.1.1:1.0", NULL, 0x100, "board" },
		{ NULL, "pci-0000:00:14.0-usb-0:20:1.0", NULL, 0x100, "class" },
		{ NULL, "other", "3-1.2:1.0", 0x200, "some" },
		{ "X", "other", "3-1.2:1.0", 0x200, "serial" },
		{ NULL, "other", "3-1.2:1.0", 0x100, "all" },
		{ NULL, "other", "3-11:1.0", 0x200, "all" },
		{ NULL, "other", "1-1.2:1.0", 0x200, "class" },
	};
	ck_assert_msg(load(content, sizeof(content) - 1) == 0, "%s", text);
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		const struct usb_port port = { .serial = (char *)ports[i].serial, .path = (char *)ports[i].path,
			.bus_path = (char *)ports[i].bus,
			.vendor_id = 0x2fe3, .product_id = ports[i].product_id };
		const struct config_device *d = config_find(config, &port);
		ck_assert_str_eq(d ? d->name : "-", ports[i].section);
	}
	release();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config");
	TCase *tcase = tcase_create("config");
	tcase_add_test(tcase, defaults);
	tcase_add_test(tcase, every_key);
	tcase_add_loop_test(tcase, one_complaint, 0, (int)ARRAY_SIZE(complaints));
	tcase_add_loop_test(tcase, one_border, 0, (int)ARRAY_SIZE(borders));
	tcase_add_test(tcase, files);
	tcase_add_loop_test(tcase, one_port, 0, (int)ARRAY_SIZE(port_arguments));
	tcase_add_loop_test(tcase, one_match, 0, (int)ARRAY_SIZE(matches));
	tcase_add_test(tcase, regex_limits);
	tcase_add_test(tcase, sections_are_found);
	tcase_add_test(tcase, sections_by_hub_port);
	tcase_add_test(tcase, sections_by_hub);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
