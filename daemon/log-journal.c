/* SPDX-License-Identifier: MIT */

/* The journal's own protocol (systemd's "Native Journal Protocol"): a datagram of lines FIELD=value. Values are escaped
 * already, so that none has a newline. */

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/log-private.h"

static const char *path = "/run/systemd/journal/socket";
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int journal = -1;

static void open_socket(void)
{
	journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

void log_set_journal(const char *socket_path)
{
	path = socket_path;
}

int log_journal(int priority, const char *device, const char *topic, const char *line)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char text[LOG_LINE_BYTES + 512];
	pthread_once(&once, open_socket);
	if (journal < 0 || strlen(path) >= sizeof(address.sun_path))
		return -ENOTCONN;
	strcpy(address.sun_path, path);
	int size = snprintf(text, sizeof(text), "PRIORITY=%d\nSYSLOG_IDENTIFIER=mcumgrd\nMCUMGRD_TOPIC=%s\n%s%s%sMESSAGE=%s\n", priority,
		topic, device ? "MCUMGRD_DEVICE=" : "", device ? device : "", device ? "\n" : "", line);
	if (size < 0 || (size_t)size >= sizeof(text))
		return -EMSGSIZE;
	if (sendto(journal, text, (size_t)size, MSG_NOSIGNAL, (struct sockaddr *)&address, sizeof(address)) >= 0)
		return 0;
	return errno == EAGAIN ? 0 : -errno; /* a journal that hangs loses lines; the loop does not wait for it */
}
