/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/suggest.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/verb.h"
#include "proto/macro.h"

#define WORD_MAX 40
#define NEAR 2

static unsigned int min3(unsigned int a, unsigned int b, unsigned int c)
{
	unsigned int m = a < b ? a : b;

	return m < c ? m : c;
}

/* Levenshtein distance; far for what is too long to be a typing error. */
static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[WORD_MAX + 1], before, kept;
	size_t n = strlen(a), m = strlen(b), i, j;

	if (n > WORD_MAX || m > WORD_MAX)
		return WORD_MAX;
	for (j = 0; j <= m; j++)
		row[j] = (unsigned int)j;
	for (i = 1; i <= n; i++) {
		before = row[0];
		row[0] = (unsigned int)i;
		for (j = 1; j <= m; j++) {
			kept = row[j];
			row[j] = min3(row[j] + 1, row[j - 1] + 1, before + (a[i - 1] != b[j - 1]));
			before = kept;
		}
	}
	return row[m];
}

static void nearer(const char *name, const char *candidate, const char **best, unsigned int *best_distance)
{
	unsigned int d = distance(name, candidate);

	/* Words that share nothing are at most as far as they are long. */
	if (d <= NEAR && d < *best_distance && d < strlen(candidate)) {
		*best = candidate;
		*best_distance = d;
	}
}

const char *suggest_option(const struct verb *v, const char *name)
{
	unsigned int best_distance = WORD_MAX;
	const char *best = NULL;
	const struct arg *row;

	for (row = v ? v->options : NULL; row && row->name; row++)
		nearer(name, row->name, &best, &best_distance);
	for (row = global_options; row->name; row++)
		nearer(name, row->name, &best, &best_distance);
	return best;
}

/* The verbs of a group, or the first words, as a list. */
static char *list_verbs(const char *group)
{
	const struct verb *v, *previous = NULL;
	const char *separator = "";
	char *text;
	size_t size, n;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		out_of_memory();
	fputs(group ? "Its verbs are: " : "Verbs start with: ", f);
	for (n = 0; (v = verb_at(n)); previous = v, n++) {
		const char *word = group ? v->name : v->group ? v->group : v->name;

		if (group && (!v->group || strcmp(v->group, group) != 0))
			continue;
		if (!group && previous && v->group && previous->group && strcmp(v->group, previous->group) == 0)
			continue;
		fprintf(f, "%s%s", separator, word);
		separator = ", ";
	}
	fputc('.', f);
	if (fclose(f))
		out_of_memory();
	return text;
}

char *suggest_verb(const char *group, const char *word)
{
	unsigned int best_distance = WORD_MAX;
	const struct verb *v;
	const char *best = NULL;
	size_t n;

	for (n = 0; (v = verb_at(n)); n++)
		if (!group)
			nearer(word, v->group ? v->group : v->name, &best, &best_distance);
		else if (v->group && strcmp(v->group, group) == 0)
			nearer(word, v->name, &best, &best_distance);
	if (!best)
		return list_verbs(group);
	return group ? format("Is it '%s %s' that you mean?", group, best) : format("Is it '%s' that you mean?", best);
}
