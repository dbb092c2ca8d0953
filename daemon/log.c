/* SPDX-License-Identifier: MIT */

#include "daemon/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/log-private.h"

#define LINE_MAX_BYTES 2048
#define DEVICE_MAX_BYTES 256
#define TOPIC_MAX_BYTES 64

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};
static const int level_priorities[] = { 3, 4, 6, 7 }; /* of syslog */

static enum log_level threshold = LOG_LEVEL_INFO;

int log_level_parse(const char *name, enum log_level *ret)
{
	for (size_t i = 0; i < ARRAY_SIZE(level_names); i++) {
		if (!strcmp(name, level_names[i])) {
			*ret = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

void log_set_level(enum log_level level)
{
	threshold = level;
}

int log_enabled(enum log_level level)
{
	return level <= threshold;
}

static int known = -1; /* whether standard error is the journal's; -1: not looked yet */

void log_look_for_journal(void)
{
	known = -1;
}

/* JOURNAL_STREAM names the device and inode of the journal's pipe: standard error may have been redirected since. */
bool log_is_journal(void)
{
	if (known < 0) {
		const char *text = getenv("JOURNAL_STREAM");
		unsigned long long device, inode;
		struct stat st;
		known = text && sscanf(text, "%llu:%llu", &device, &inode) == 2 && !fstat(STDERR_FILENO, &st) &&
			st.st_dev == (dev_t)device && st.st_ino == (ino_t)inode;
	}
	return known;
}

/* Length of a well-formed UTF-8 sequence that is no control character (C1 included), or 0. */
static size_t utf8_printable(const unsigned char *s)
{
	if (*s < 0x80)
		return *s >= 0x20 && *s != 0x7f;
	size_t size = *s >= 0xf0 && *s <= 0xf4 ? 4 : *s >= 0xe0 ? 3 : 2;
	if (*s < 0xc2 || *s > 0xf4)
		return 0;
	uint32_t code = *s & (0x7f >> size);
	for (size_t i = 1; i < size; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if ((size == 3 && code < 0x800) || (size == 4 && code < 0x10000) || code > 0x10ffff ||
			(code >= 0xd800 && code <= 0xdfff) || code < 0xa0)
		return 0;
	return size;
}

static size_t put_escaped(char *out, size_t room, const char *text)
{
	size_t used = 0;
	for (const unsigned char *s = (const unsigned char *)text; *s && used + 5 < room;) {
		size_t size = utf8_printable(s);
		if (!size) {
			used += (size_t)snprintf(out + used, room - used, "\\x%02x", *s++);
			continue;
		}
		memcpy(out + used, s, size);
		used += size;
		s += size;
	}
	return used;
}

static size_t put_time(char *out, size_t room, enum log_level level)
{
	struct timespec now;
	struct tm tm;
	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &tm);
	size_t used = strftime(out, room, "%H:%M:%S", &tm);
	return used + (size_t)snprintf(out + used, room - used, ".%03ld %s: ", now.tv_nsec / 1000000, level_names[level]);
}

/* "<6>" would do for the journal's stream; it is what is left where its socket cannot be reached. */
static void write_line(enum log_level level, const char *text)
{
	char line[LOG_LINE_BYTES + 64];
	size_t used = log_is_journal() ? (size_t)snprintf(line, sizeof(line), "<%d>", level_priorities[level])
				   : put_time(line, sizeof(line), level);
	used += (size_t)snprintf(line + used, sizeof(line) - used, "%s\n", text);
	/* A full pipe, or a terminal that was stopped, loses the line, not the daemon. One that is not full takes a page at least. */
	struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
	if (poll(&p, 1, 0) == 0)
		return;
	/* One write a line, so that lines of threads and processes do not mix. */
	ssize_t _unused_ written = write(STDERR_FILENO, line, used);
}

void log_write(enum log_level level, const char *device, const char *topic, const char *format, ...)
{
	if (!log_enabled(level))
		return;
	int saved = errno;
	char message[LINE_MAX_BYTES], line[LOG_LINE_BYTES], name[DEVICE_MAX_BYTES] = "", subject[TOPIC_MAX_BYTES];
	va_list ap;
	va_start(ap, format);
	vsnprintf(message, sizeof(message), format, ap);
	va_end(ap);

	name[device ? put_escaped(name, sizeof(name), device) : 0] = 0;
	subject[put_escaped(subject, sizeof(subject), topic)] = 0;
	size_t used = (size_t)snprintf(line, sizeof(line), "%s%s%s: ", name, device ? " " : "", subject);
	used += put_escaped(line + used, sizeof(line) - used - 1, message);
	line[used] = 0;
	if (!log_is_journal() || log_journal(level_priorities[level], device ? name : NULL, subject, line) < 0)
		write_line(level, line);
	errno = saved;
}
