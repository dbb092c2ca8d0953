/* SPDX-License-Identifier: MIT */
#pragma once

/* The part of the terminal that is redrawn: a block of lines below everything that stays. Only stdout is drawn on, and
 * only where it is a terminal. One write a frame, each line overwritten in place: nothing flickers. */

#include <stdbool.h>
#include <stddef.h>

void screen_setup(bool wanted);
bool screen_active(void);
size_t screen_width(void);  /* columns; 0: stdout is no terminal */
size_t screen_height(void); /* lines; 0: as above */

/* Draws a block instead of the one there. Lines are clean text (no controls) and are cut to the width. */
void screen_draw(char *const *lines, size_t count);

/* Takes the block away: to be called before anything else is written to the terminal. */
void screen_clear(void);
