/* SPDX-License-Identifier: MIT */
#pragma once

/* Tables by libsmartcols, with every cell made safe to show. */

#include <stdio.h>

struct table;

/* Column names, ending with NULL; one that starts with '>' is for numbers, right-aligned. The last may be wrapped. */
struct table *table_new(const char *const *columns);
void table_row(struct table *t, const char *const *cells); /* as many as columns; NULL or "": "-" */
void table_print(struct table *t, FILE *f);                /* frees it */
