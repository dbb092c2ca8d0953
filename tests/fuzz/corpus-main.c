/* SPDX-License-Identifier: MIT */

/* Runs a fuzz target over the files of corpus folders; no folder, or an empty one, is an error. */

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/macro.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILE_MAX (1 << 20)

static int run_file(const char *path)
{
	FILE *f = fopen(path, "re");
	if (!f)
		return -errno;
	/* exactly as large as the input, so that the sanitizer sees a read past its end */
	uint8_t *big = malloc(FILE_MAX);
	size_t size = big ? fread(big, 1, FILE_MAX, f) : 0;
	uint8_t *data = malloc(size ? size : 1);
	int r = big && data && !ferror(f) ? 0 : -EIO;
	if (r == 0) {
		memcpy(data, big, size);
		LLVMFuzzerTestOneInput(data, size);
	}
	free(data);
	free(big);
	fclose(f);
	return r;
}

static int run_folder(const char *path)
{
	DIR *d = opendir(path);
	if (!d)
		return -errno;
	int count = 0, r = 0;
	for (struct dirent *e; r == 0 && (e = readdir(d));) {
		if (e->d_name[0] == '.')
			continue;
		char name[4096];
		snprintf(name, sizeof(name), "%s/%s", path, e->d_name);
		r = run_file(name);
		count++;
	}
	closedir(d);
	return r < 0 ? r : count;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		fprintf(stderr, "usage: %s FOLDER...\n", argv[0]);
		return 2;
	}
	for (int i = 1; i < argc; i++) {
		int r = run_folder(argv[i]);
		if (r <= 0) {
			fprintf(stderr, "%s: %s\n", argv[i], r < 0 ? strerror(-r) : "no files in it");
			return 1;
		}
		printf("%s: %d files\n", argv[i], r);
	}
	return 0;
}
