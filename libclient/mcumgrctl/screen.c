/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "libclient/mcumgrctl/screen.h"
#include "libclient/mcumgrctl/text.h"
#include "proto/macro.h"

static bool active, terminal;
static size_t drawn;

void screen_setup(bool wanted)
{
	const char *kind = getenv("TERM");

	terminal = isatty(STDOUT_FILENO);
	active = wanted && terminal && kind && *kind && strcmp(kind, "dumb") != 0;
}

bool screen_active(void)
{
	return active;
}

static struct winsize size_of_terminal(void)
{
	struct winsize size = { 0 };

	if (!terminal || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_col)
		size.ws_col = 80;
	if (!size.ws_row)
		size.ws_row = 24;
	return size;
}

size_t screen_width(void)
{
	return terminal ? size_of_terminal().ws_col : 0;
}

size_t screen_height(void)
{
	return terminal ? size_of_terminal().ws_row : 0;
}

static void write_all(const char *data, size_t size)
{
	ssize_t n;

	while (size && (n = write(STDOUT_FILENO, data, size)) > 0) {
		data += n;
		size -= (size_t)n;
	}
}

/* To the first line of the block: the cursor rests below its last. */
static void rewind_block(FILE *f)
{
	if (drawn)
		fprintf(f, "\x1b[%zuA\r", drawn);
}

void screen_draw(char *const *lines, size_t count)
{
	_cleanup_free_ char *frame = NULL;
	size_t size, i;
	FILE *f;

	if (!active || !(f = open_memstream(&frame, &size)))
		return;
	rewind_block(f);
	for (i = 0; i < count; i++)
		/* One column stays free: a terminal that wraps at the edge would add a line. */
		fprintf(f, "%.*s\x1b[K\n", (int)text_fit(lines[i], screen_width() - 1), lines[i]);
	if (drawn > count)
		fputs("\x1b[J", f);
	fclose(f);
	fflush(stdout);
	write_all(frame, size);
	drawn = count;
}

void screen_clear(void)
{
	char sequence[32];

	if (!drawn)
		return;
	fflush(stdout);
	write_all(sequence, (size_t)snprintf(sequence, sizeof(sequence), "\x1b[%zuA\r\x1b[J", drawn));
	drawn = 0;
}
