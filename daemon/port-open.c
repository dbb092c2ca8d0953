/* SPDX-License-Identifier: MIT */

/* Opens a tty the way a board wants it, and closes it. */

#include <errno.h>
#include <fcntl.h>
#include <linux/serial.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "daemon/port-private.h"
#include "daemon/port-store.h"
#include "daemon/port-termios.h"

#define MAJOR_PTY_FIRST 136
#define MAJOR_PTY_LAST 143
#define MAJOR_ACM 166 /* bytes go by USB packets whatever the baud rate says */

/* From <linux/tty_flags.h>, which some libc headers clash with. */
#define LOW_LATENCY (1 << 13)

static bool is_pty(unsigned int number)
{
	return number >= MAJOR_PTY_FIRST && number <= MAJOR_PTY_LAST;
}

static int take_exclusively(int fd, bool pty)
{
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EBUSY : -errno;
	/* On a pty the flag would outlive us and shut everybody else out. */
	if (!pty && ioctl(fd, TIOCEXCL) < 0)
		return -errno;
	return 0;
}

/* Drivers round to what the chip can do; 3 % is what a UART forgives. */
static bool has_baud(int fd, unsigned int wanted, unsigned int *ret)
{
	if (termios_baud(fd, ret) < 0)
		return true;
	unsigned int difference = *ret > wanted ? *ret - wanted : wanted - *ret;
	return (uint64_t)difference * 100 <= (uint64_t)wanted * 3;
}

static int set_line(int fd, int line, enum line_level level)
{
	int now;
	if (level == LINE_KEEP)
		return 0;
	/* One that is as wanted is left alone, whatever the driver would make of being told. */
	if (ioctl(fd, TIOCMGET, &now) == 0 && !!(now & line) == (level == LINE_ON))
		return 0;
	return ioctl(fd, level == LINE_ON ? TIOCMBIS : TIOCMBIC, &line) < 0 ? -errno : 0;
}

int tty_set_low_latency(int fd)
{
	struct serial_struct serial;
	memset(&serial, 0, sizeof(serial));
	if (ioctl(fd, TIOCGSERIAL, &serial) < 0)
		return -errno;
	if (serial.flags & LOW_LATENCY)
		return 0;
	serial.flags |= LOW_LATENCY;
	return ioctl(fd, TIOCSSERIAL, &serial) < 0 ? -errno : 0;
}

static void fail(struct port_result *ret, enum port_failure why, const char *tty, const char *reason)
{
	ret->why = why;
	snprintf(ret->reason, sizeof(ret->reason), "%s: %s", tty, reason);
}

static bool set_up(int fd, const char *tty, const struct port_settings *settings, struct port_result *ret)
{
	struct stat st;
	if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || !isatty(fd)) {
		/* A tty whose board has gone meanwhile answers EIO and is no less a tty. */
		bool gone = S_ISCHR(st.st_mode) && errno == EIO;
		fail(ret, gone ? PORT_GONE : PORT_ERROR, tty, gone ? "the board has gone" : "not a serial port");
		return false;
	}
	unsigned int number = major(st.st_rdev), baud = 0;
	bool pty = is_pty(number);
	int r = take_exclusively(fd, pty);
	if (r == 0)
		r = termios_set_raw(fd, settings->baud, settings->rtscts);
	if (r < 0) {
		port_explain(tty, fd, -r, ret);
		return false;
	}
	char reason[96];
	if (!has_baud(fd, settings->baud, &baud)) {
		snprintf(reason, sizeof(reason), "cannot do %u baud; the nearest it offers is %u", settings->baud, baud);
		fail(ret, PORT_ERROR, tty, reason);
		return false;
	}
	if (!pty && (set_line(fd, TIOCM_DTR, settings->dtr) < 0 || set_line(fd, TIOCM_RTS, settings->rts) < 0)) {
		fail(ret, PORT_ERROR, tty, "cannot set DTR or RTS; use dtr = keep and rts = keep");
		return false;
	}
	ret->low_latency = pty ? -ENOTTY : tty_set_low_latency(fd); /* nice to have: not every driver and user may */
	ret->paces_itself = !pty && number != MAJOR_ACM;
	return true;
}

void tty_open(const char *tty, const struct port_settings *settings, struct port_result *ret)
{
	*ret = (struct port_result){ .fd = -1 };
	int fd = port_store_take(tty);
	ret->kept = fd >= 0;
	if (fd < 0)
		fd = open(tty, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		port_explain(tty, -1, errno, ret);
		return;
	}
	if (set_up(fd, tty, settings, ret)) {
		ret->fd = fd;
		if (!ret->kept)
			port_store_put(fd, tty);
	} else if (ret->kept) {
		tty_close(fd);
	} else {
		close(fd); /* not tty_close: somebody else's bytes may be in there */
	}
}

void tty_close(int fd)
{
	/* Bytes that nobody reads make the kernel wait for half a minute. */
	ioctl(fd, TCFLSH, TCOFLUSH);
	if (port_store_forget(fd)) {
		ioctl(fd, TIOCNXCL);
		flock(fd, LOCK_UN); /* the service manager's copy shares it, and may be there for a moment */
	}
	close(fd);
}
