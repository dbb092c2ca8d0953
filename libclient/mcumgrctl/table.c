/* SPDX-License-Identifier: MIT */
#include <libsmartcols.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/screen.h"
#include "libclient/mcumgrctl/table.h"
#include "libclient/mcumgrctl/text.h"
#include "proto/macro.h"

struct table {
	struct libscols_table *scols;
	size_t columns;
};

struct table *table_new(const char *const *columns)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t || !(t->scols = scols_new_table()))
		out_of_memory();
	for (; *columns; columns++, t->columns++) {
		int flags = **columns == '>' ? SCOLS_FL_RIGHT : columns[1] ? 0 : SCOLS_FL_WRAP;

		if (!scols_table_new_column(t->scols, *columns + (**columns == '>'), 0, flags))
			out_of_memory();
	}
	return t;
}

void table_row(struct table *t, const char *const *cells)
{
	struct libscols_line *line = scols_table_new_line(t->scols, NULL);
	size_t i;

	for (i = 0; line && i < t->columns; i++) {
		_cleanup_free_ char *text = text_clean(cells[i] && *cells[i] ? cells[i] : "-");

		if (scols_line_set_data(line, i, text) < 0)
			break;
	}
	if (!line || i < t->columns)
		out_of_memory();
}

void table_print(struct table *t, FILE *f)
{
	_cleanup_free_ char *text = NULL;
	size_t width = screen_width();

	/* The text is made first and written later, so libsmartcols cannot look at the terminal by itself. */
	if (width) {
		scols_table_set_termforce(t->scols, SCOLS_TERMFORCE_ALWAYS);
		scols_table_set_termwidth(t->scols, width);
	}
	if (scols_print_table_to_string(t->scols, &text) < 0)
		out_of_memory();
	fputs(text, f);
	if (*text && text[strlen(text) - 1] != '\n')
		fputc('\n', f);
	scols_unref_table(t->scols);
	free(t);
}
