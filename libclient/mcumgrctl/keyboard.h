/* SPDX-License-Identifier: MIT */
#pragma once

/* Standard input as the keyboard of one board. On a terminal: every key goes to the board, but "~." at the beginning of a
 * line and Ctrl-] leave ("~~" is one ~); the terminal is set back on every way out, signals included. From a pipe: every byte
 * goes to the board as it is, and the end of the pipe ends nothing. */

#include <stdbool.h>

struct board;

void keyboard_start(struct board *b); /* once; failures end the board */
bool keyboard_is_on(void);
void keyboard_end(void); /* sets the terminal back; fine at any time */

int keyboard_fd(void);      /* to be polled for POLLIN; -1: nothing is read now */
int keyboard_wait_ms(void); /* until keyboard_process() is due without input; -1: is not */
void keyboard_process(bool readable);
