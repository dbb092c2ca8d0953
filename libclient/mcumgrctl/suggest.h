/* SPDX-License-Identifier: MIT */
#pragma once

/* What somebody may have meant who made a typing error. */

struct verb;

/* The name of an option of the verb (NULL: none) or the program; NULL when nothing is near. */
const char *suggest_option(const struct verb *v, const char *name);

/* A hint that names the nearest verb, or lists what there is. group NULL: the first word. malloc'd. */
char *suggest_verb(const char *group, const char *word);
