/* SPDX-License-Identifier: MIT */

#include "daemon/port-termios.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <stddef.h>
#include <sys/ioctl.h>

/* Usual rates by their constant, because other programs that look at the tty know those; others by number. */
static unsigned int baud_flag(unsigned int baud)
{
	static const struct {
		unsigned int baud, flag;
	} usual[] = {
		{ 9600, B9600 }, { 19200, B19200 }, { 38400, B38400 }, { 57600, B57600 }, { 115200, B115200 },
		{ 230400, B230400 }, { 460800, B460800 }, { 500000, B500000 }, { 921600, B921600 },
		{ 1000000, B1000000 }, { 1500000, B1500000 }, { 2000000, B2000000 }, { 3000000, B3000000 },
		{ 4000000, B4000000 },
	};
	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
		if (usual[i].baud == baud)
			return usual[i].flag;
	return BOTHER;
}

static bool same(const struct termios2 *a, const struct termios2 *b)
{
	return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_lflag == b->c_lflag && a->c_cflag == b->c_cflag &&
		a->c_ispeed == b->c_ispeed && a->c_ospeed == b->c_ospeed && a->c_cc[VMIN] == b->c_cc[VMIN] &&
		a->c_cc[VTIME] == b->c_cc[VTIME];
}

int termios_set_raw(int fd, unsigned int baud, bool rtscts)
{
	struct termios2 t, before;
	if (ioctl(fd, TCGETS2, &t) < 0)
		return -errno;
	before = t;
	/* HUPCL is left out: closing must not drop DTR and reset a board that is wired to it. */
	t.c_iflag = IGNBRK;
	t.c_oflag = 0;
	t.c_lflag = 0;
	t.c_cflag = CS8 | CREAD | CLOCAL | baud_flag(baud) | (rtscts ? CRTSCTS : 0);
	t.c_ispeed = t.c_ospeed = baud;
	t.c_cc[VMIN] = 1; /* with 0, "nothing there" would read as a hang-up */
	t.c_cc[VTIME] = 0;
	/* One that was kept open is as it was left: the board's line coding is not sent again. */
	return !same(&t, &before) && ioctl(fd, TCSETS2, &t) < 0 ? -errno : 0;
}

void termios_discard_output(int fd)
{
	ioctl(fd, TCFLSH, TCOFLUSH);
}

int termios_baud(int fd, unsigned int *ret)
{
	struct termios2 t;
	if (ioctl(fd, TCGETS2, &t) < 0)
		return -errno;
	*ret = t.c_ospeed;
	return 0;
}
