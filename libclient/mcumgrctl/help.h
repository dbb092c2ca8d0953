/* SPDX-License-Identifier: MIT */
#pragma once

/* The help pages, made from the rows of the verbs. */

struct verb;

void help_program(void);
void help_group(const char *group);
void help_verb(const struct verb *v);

/* For the shell's completion and the tests: a verb a line, its options and arguments behind tabs. */
void help_machine(void);
