/* SPDX-License-Identifier: MIT */
#include <libsmartcols.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/screen.h"
#include "libclient/mcumgrctl/table.h"
#include "libclient/mcumgrctl/text.h"
#include "proto/macro.h"

#define LAST_WIDTH_MIN 16

/* The last column is kept back: how wide it may be is known when all the others are. */
struct table {
	struct libscols_table *scols;
	size_t columns, rows;
	size_t *widths;
	char **last;
};

struct table *table_new(const char *const *columns)
{
	struct table *t = calloc(1, sizeof(*t));
	size_t i;

	if (!t || !(t->scols = scols_new_table()))
		out_of_memory();
	scols_table_enable_noencoding(t->scols, 1); /* cells are clean already, and it would escape escapes */
	while (columns[t->columns])
		t->columns++;
	t->widths = calloc(t->columns, sizeof(*t->widths));
	for (i = 0; i < t->columns; i++) {
		bool number = *columns[i] == '>', last = i + 1 == t->columns;
		struct libscols_column *c = scols_table_new_column(t->scols, columns[i] + number, 0,
			number ? SCOLS_FL_RIGHT
			: last ? SCOLS_FL_WRAP
			       : 0);

		if (!c || !t->widths)
			out_of_memory();
		if (last) {
			scols_column_set_wrapfunc(c, scols_wrapnl_chunksize, scols_wrapnl_nextchunk, NULL);
			scols_column_set_safechars(c, "\n");
		}
		t->widths[i] = strlen(columns[i]) - number;
	}
	return t;
}

static void set_cell(struct libscols_line *line, size_t column, const char *text)
{
	if (!line || scols_line_set_data(line, column, text) < 0)
		out_of_memory();
}

void table_row(struct table *t, const char *const *cells)
{
	struct libscols_line *line = scols_table_new_line(t->scols, NULL);
	size_t i, width;

	t->last = realloc(t->last, (t->rows + 1) * sizeof(*t->last));
	for (i = 0; t->last && i < t->columns; i++) {
		char *text = text_clean(cells[i] && *cells[i] ? cells[i] : "-");

		width = text_width(text);
		if (width > t->widths[i])
			t->widths[i] = width;
		if (i + 1 == t->columns) {
			t->last[t->rows++] = text;
			break;
		}
		set_cell(line, i, text);
		free(text);
	}
	if (!t->last)
		out_of_memory();
}

/* Turns blanks into line ends, so that no line is wider than this, if words allow it. */
static void wrap_words(char *text, size_t width)
{
	char *cut, *end;

	for (;;) {
		end = text + text_fit(text, width);
		if (!*end)
			return;
		for (cut = end; cut > text && *cut != ' '; cut--)
			;
		/* A word that is too long alone. */
		if (cut == text && !(cut = strchr(end, ' ')))
			return;
		*cut = '\n';
		text = cut + 1;
	}
}

static void fill_last(struct table *t, size_t screen)
{
	size_t used = 0, width = SIZE_MAX / 4, i;

	for (i = 0; i + 1 < t->columns; i++)
		used += t->widths[i] + 1;
	if (screen)
		width = screen > used + LAST_WIDTH_MIN ? screen - used : LAST_WIDTH_MIN;
	for (i = 0; i < t->rows; i++) {
		wrap_words(t->last[i], width);
		set_cell(scols_table_get_line(t->scols, i), t->columns - 1, t->last[i]);
		free(t->last[i]);
	}
}

void table_print(struct table *t, FILE *f)
{
	_cleanup_free_ char *text = NULL;
	size_t width = screen_width();

	fill_last(t, width);
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
	free(t->widths);
	free(t->last);
	free(t);
}
