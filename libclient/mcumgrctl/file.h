/* SPDX-License-Identifier: MIT */
#pragma once

/* Files of whoever runs mcumgrctl: the daemon never reads one on a client's word. */

#include <stddef.h>
#include <stdint.h>

struct ctl;

/* Largest file read; a board's flash is far smaller. */
#define FILE_SIZE_MAX (64u << 20)

/* The whole of a file; "-": of stdin. 0, or an exit code of something reported. *ret is malloc'd. */
int file_read(struct ctl *ctl, const char *path, uint8_t **ret, size_t *ret_size);

/* The file that this run writes; "-": stdout. What is there already stays as it is until all has come: the data goes to a
 * temporary file beside it, which takes its place at the end and is removed when the program ends without one. A path that
 * is a directory, or ends with '/', gets the last part of name. What is no regular file, such as /dev/null, is written at
 * once. 0, or -errno with a sentence in *ret_message (malloc'd). */
int file_write_begin(const char *path, const char *name, char **ret_message);
int file_write(const uint8_t *data, size_t size, char **ret_message);
int file_write_end(char **ret_message);
const char *file_write_path(void); /* with the name appended */

/* The part behind the last '/'; may be empty. */
const char *file_name(const char *path);
