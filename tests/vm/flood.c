/* SPDX-License-Identifier: MIT */

/*
 * flood PID: fills the socket by which process PID hears from udev, with messages that mean nothing, until the kernel takes no
 * more. What udev has to say from then on is lost for the process, unless it reads. Needs root; for the test guest.
 */

#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct sockaddr_nl to = {.nl_family = AF_NETLINK, .nl_pid = argc == 2 ? (unsigned)atoi(argv[1]) : 0};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT);
	static char junk[1500];
	unsigned long sent = 0;

	memset(junk, 'x', sizeof(junk));
	while (fd >= 0 && to.nl_pid &&
		sendto(fd, junk, sizeof(junk), MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) > 0)
		sent++;
	printf("%lu: %s\n", sent, strerror(errno));
	return !sent || errno != EAGAIN;
}
