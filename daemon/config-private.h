/* SPDX-License-Identifier: MIT */
#pragma once

/* Between config.c (sections, defaults, look-up), config-parse.c (the file) and config-keys.c (what a key may say). */

#include "daemon/config.h"

/* A growing text of lines, one a problem. */
struct problems {
	char *text;
	size_t size;
};
void problems_add(struct problems *p, const char *format, ...) _printf_(2, 3);

/* What only all files together show. */
void config_check(const struct config *c, struct problems *problems);

/* Sets one key of a section. false: text says what is wrong and what is allowed. */
bool config_set_device(struct config_device *d, const char *key, const char *value, char *text, size_t text_size);
bool config_set_daemon(struct config *c, const char *key, const char *value, char *text, size_t text_size);

/* The same for --port, whose tty chooses the board. */
bool config_set_port(struct config_device *d, const char *key, const char *value, char *text, size_t text_size);

/* Appends a section with the defaults; takes name over. NULL: no memory (name is freed). */
struct config_device *config_add_device(struct config *c, char *name);

/* Reads the text of a file into c; every bad line becomes a problem. */
void config_parse(struct config *c, const char *file, char *content, struct problems *problems);
