/* SPDX-License-Identifier: MIT */

/*
 * ask SOCKET LINE: sends a line to a Unix socket and prints the line that comes back; for the control
 * socket of mcumgr-sim in the test guest. Exits 1 when the answer is an error, 2 when there is none.
 */

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static FILE *connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(address.sun_path))
		return NULL;
	strcpy(address.sun_path, path);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return NULL;
	return fdopen(fd, "r+");
}

int main(int argc, char **argv)
{
	FILE *peer = argc == 3 ? connect_to(argv[1]) : NULL;
	char line[16384];

	if (!peer || fprintf(peer, "%s\n", argv[2]) < 0 || fflush(peer) < 0 || !fgets(line, sizeof(line), peer)) {
		perror("ask");
		return 2;
	}
	fputs(line, stdout);
	fclose(peer);
	return strncmp(line, "error", 5) == 0;
}
