/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libclient/mcumgrctl/host.h"
#include "libclient/mcumgrctl/text.h"
#include "proto/macro.h"

#define LINE_BYTES 512

char *host_path(const char *path)
{
	const char *root = getenv("MCUMGRCTL_ROOT");

	return format("%s%s", root ? root : "", path);
}

bool host_exists(const char *path)
{
	_cleanup_free_ char *full = host_path(path);

	return access(full, F_OK) == 0;
}

char *host_line(const char *path)
{
	_cleanup_free_ char *full = host_path(path);
	char line[LINE_BYTES];
	FILE *f = fopen(full, "re");
	bool good = f && fgets(line, sizeof(line), f);

	if (f)
		fclose(f);
	if (!good)
		return NULL;
	line[strcspn(line, "\n")] = '\0';
	return format("%s", line);
}

char *host_link(const char *path)
{
	_cleanup_free_ char *full = host_path(path);
	char target[LINE_BYTES], *slash;
	ssize_t n = readlink(full, target, sizeof(target) - 1);

	if (n < 0)
		return NULL;
	target[n] = '\0';
	slash = strrchr(target, '/');
	return format("%s", slash ? slash + 1 : target);
}

static int is_name(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

char **host_names(const char *path, size_t *ret)
{
	_cleanup_free_ char *full = host_path(path);
	struct dirent **entries;
	char **names;
	int i, n = scandir(full, &entries, is_name, versionsort);

	*ret = 0;
	if (n < 0)
		return NULL;
	names = calloc((size_t)n + 1, sizeof(*names));
	if (!names)
		out_of_memory();
	for (i = 0; i < n; i++) {
		names[i] = format("%s", entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	*ret = (size_t)n;
	return names;
}

void host_names_free(char **names, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		free(names[i]);
	free(names);
}
