/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/exit-code.h"
#include "libclient/mcumgrctl/help.h"
#include "libclient/mcumgrctl/text.h"
#include "libclient/mcumgrctl/verb.h"
#include "proto/macro.h"

#define COLUMN 34

/* "firmware update FILE" */
static char *usage(const struct verb *v)
{
	char *text = format("%s", verb_title(v));
	const struct arg *row;

	for (row = v->words; row && row->name; row++) {
		char *longer = format(row->optional ? "%s [%s%s]" : "%s %s%s", text, row->meta, row->many ? "..." : "");

		free(text);
		text = longer;
	}
	if (v->command) {
		char *longer = format("%s %s", text, v->command);

		free(text);
		text = longer;
	}
	return text;
}

static void print_pair(const char *left, const char *right)
{
	if (strlen(left) > COLUMN - 4)
		printf("  %s\n%*s%s\n", left, COLUMN, "", right);
	else
		printf("  %-*s%s\n", COLUMN - 2, left, right);
}

static void print_options(const struct arg *row)
{
	for (; row->name; row++) {
		_cleanup_free_ char *left = NULL, *letter = row->letter ? format("-%c, ", row->letter) : format("    ");

		left = row->optional ? format("%s--%s[=%s]", letter, row->name, row->meta)
		     : row->meta     ? format("%s--%s %s", letter, row->name, row->meta)
				 : format("%s--%s", letter, row->name);
		print_pair(left, row->help);
	}
}

static void print_verb(const struct verb *v)
{
	_cleanup_free_ char *left = usage(v);

	print_pair(left, v->summary);
}

static void print_exit_codes(void)
{
#define EXIT_LINE(name, code, text) printf("  %3d  %s\n", code, text);
	EXIT_CODES(EXIT_LINE)
#undef EXIT_LINE
}

void help_program(void)
{
	const struct verb_group *g;
	const struct verb *v;

	puts("mcumgrctl: work with Zephyr and MCUboot boards through mcumgrd\n");
	puts("Usage: mcumgrctl [OPTIONS] VERB [ARGUMENTS]");
	puts("       mcumgrctl                 ask the only board whether it is alive");
	puts("       mcumgrctl VERB --help     everything about a verb\n");
	for (g = verb_groups; g->title; g++) {
		printf("%s:\n", g->title);
		for (v = g->verbs; v->name; v++)
			print_verb(v);
		putchar('\n');
	}
	puts("Options:");
	print_options(global_options);
	puts("\nShort options stand before the verb, long ones anywhere.\n");
	puts("Examples:");
	puts("  mcumgrctl list");
	puts("  mcumgrctl -d rack-3 firmware update zephyr.signed.bin");
	puts("  mcumgrctl --all firmware update zephyr.signed.bin");
	puts("  mcumgrctl --json list | jq -r '.devices[] | select(.state == \"ready\").id'\n");
	puts("Exit codes:");
	print_exit_codes();
}

void help_group(const char *group)
{
	const struct verb *v;
	size_t n;

	printf("Usage: mcumgrctl [OPTIONS] %s VERB [ARGUMENTS]\n\n", group);
	for (n = 0; (v = verb_at(n)); n++)
		if (v->group && strcmp(v->group, group) == 0)
			print_verb(v);
	puts("\nmcumgrctl VERB --help tells everything about a verb, mcumgrctl --help about the options.");
}

void help_verb(const struct verb *v)
{
	_cleanup_free_ char *left = usage(v);
	const struct arg *row;

	printf("Usage: mcumgrctl [OPTIONS] %s%s\n\n", left, v->options ? " [...]" : "");
	if (v->help)
		printf("%s.\n", v->help);
	else
		printf("%c%s.\n", toupper((unsigned char)*v->summary), v->summary + 1);
	if (v->words && v->words->name)
		puts("\nArguments:");
	for (row = v->words; row && row->name; row++)
		print_pair(row->meta, row->help);
	if (v->options) {
		puts("\nOptions:");
		print_options(v->options);
	}
	puts("\nThe options that every verb takes (--device, --json, ...): mcumgrctl --help");
}

void help_machine(void)
{
	const struct verb *v;
	const struct arg *row;
	size_t n;

	for (n = 0; (v = verb_at(n)); n++) {
		printf("%s\t", verb_title(v));
		for (row = v->options; row && row->name; row++)
			printf("%s--%s%s", row == v->options ? "" : " ", row->name, row->meta && !row->optional ? "=" : "");
		putchar('\t');
		for (row = v->words; row && row->name; row++)
			printf("%s%s", row == v->words ? "" : " ", row->meta);
		putchar('\n');
	}
	fputs("*\t", stdout);
	for (row = global_options; row->name; row++)
		printf("%s--%s%s", row == global_options ? "" : " ", row->name, row->meta && !row->optional ? "=" : "");
	puts("\t");
}
