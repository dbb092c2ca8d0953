/* SPDX-License-Identifier: MIT */
#pragma once

/* Entries of a trace as lines, and what a failed job left behind. */

#include <json-c/json.h>
#include <stdio.h>

#include "libclient/mcumgr.h"
#include "libclient/mcumgrctl/exit-code.h"

struct board;

/* "03:04:05.678 " of a time as the API has it. */
void trace_print_time(FILE *f, json_object *object);
void trace_print_entry(FILE *f, json_object *entry);

/* The last lines and exchanges in a job's error, to stderr; none: nothing. */
void trace_print_evidence(json_object *job);

/* After the error of a call that started a job was told: asks for the job, prints its evidence, and finishes the board with the
 * error's code. false: there is no job to ask for, or nobody wants to read it. */
bool trace_fetch_evidence(struct board *b, const struct mcumgr_error *error, enum exit_code code);
