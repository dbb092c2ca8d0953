/* SPDX-License-Identifier: MIT */

#include "daemon/port-termios.h"

#include <asm/ioctls.h>
#include <asm/termbits.h>
#include <errno.h>
#include <sys/ioctl.h>

int termios_set_raw(int fd, unsigned int baud, bool rtscts)
{
	struct termios2 t;
	if (ioctl(fd, TCGETS2, &t) < 0)
		return -errno;
	/* HUPCL is left out: closing must not drop DTR and reset a board that is wired to it. */
	t.c_iflag = IGNBRK;
	t.c_oflag = 0;
	t.c_lflag = 0;
	t.c_cflag = CS8 | CREAD | CLOCAL | BOTHER | (rtscts ? CRTSCTS : 0);
	t.c_ispeed = t.c_ospeed = baud;
	t.c_cc[VMIN] = 1; /* with 0, "nothing there" would read as a hang-up */
	t.c_cc[VTIME] = 0;
	return ioctl(fd, TCSETS2, &t) < 0 ? -errno : 0;
}

int termios_baud(int fd, unsigned int *ret)
{
	struct termios2 t;
	if (ioctl(fd, TCGETS2, &t) < 0)
		return -errno;
	*ret = t.c_ospeed;
	return 0;
}
