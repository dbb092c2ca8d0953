/* SPDX-License-Identifier: MIT */
#pragma once

/* Text that boards and the daemon say, made safe to show. A name, a version or a console line from a board may hold
 * anything: escape sequences, bidirectional overrides, half characters. What could move a cursor or lie about order is
 * shown as \x1b or \u009b instead. Where the locale cannot show more than ASCII, the rest is shown that way too. */

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Once, at the start: looks at the locale and at what the output is. */
void text_setup(void);

/* On one line; malloc'd, never NULL. NULL is shown as nothing. */
char *text_clean(const char *text);

/* Line ends and tabs stay, "\r\n" becomes "\n", colours (ESC [ ... m) go. */
char *text_clean_lines(const char *text);

/* text_clean() for printf: the string lives until 32 more calls. */
const char *show(const char *text);
const char *show_key(json_object *object, const char *key); /* the string in a member; "" when there is none */

/* An object as one line of JSON, equal to json_print() but for characters that are better escaped. malloc'd, never
 * NULL. */
char *text_json(json_object *object);

/* How many columns a clean text takes, and the length in bytes of what fits into some columns. */
size_t text_width(const char *text);
size_t text_fit(const char *text, size_t columns);

/* Members of replies: what is absent, null or of another type is the default. */
const char *member_string(json_object *object, const char *key);
bool member_bool(json_object *object, const char *key);
bool member_int(json_object *object, const char *key, int64_t *ret);
size_t member_count(json_object *object, const char *key); /* of an array; 0 for anything else */
json_object *member_at(json_object *object, const char *key, size_t i);

/* malloc that ends the program with a sentence. */
char *format(const char *format, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void out_of_memory(void);
