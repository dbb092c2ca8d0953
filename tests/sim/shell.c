/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>

#include "smp.h"

/* A few commands of Zephyr's shell, over SMP (SMP §5.9) and on the console. */

#define OUTPUT_MAX 512
#define LINE_MAX_LEN 256

static int run_version(struct board *b, const char *args, char *out, size_t cap)
{
	(void)b;
	(void)args;
	snprintf(out, cap, "Zephyr version 4.4.0\r\n");
	return 0;
}

static int run_uptime(struct board *b, const char *args, char *out, size_t cap)
{
	(void)args;
	snprintf(out, cap, "Uptime: %llu ms\r\n",
		 (unsigned long long)(loop_now() - b->up_since) / 1000);
	return 0;
}

static int run_echo(struct board *b, const char *args, char *out, size_t cap)
{
	(void)b;
	snprintf(out, cap, "%s\r\n", args);
	return 0;
}

static int run_reboot(struct board *b, const char *args, char *out, size_t cap)
{
	(void)args;
	(void)out;
	(void)cap;
	loop_timer_in(b->loop, &b->reset_timer, 1000);
	return 0;
}

static int run_fail(struct board *b, const char *args, char *out, size_t cap)
{
	(void)b;
	snprintf(out, cap, "failed\r\n");
	return atoi(args);
}

static const struct {
	const char *name;
	int (*run)(struct board *b, const char *args, char *out, size_t cap);
} commands[] = {
	{ "kernel version", run_version }, { "kernel uptime", run_uptime },
	{ "echo", run_echo },              { "kernel reboot", run_reboot },
	{ "fail", run_fail },
};

int shell_run(struct board *b, const char *line, char *out, size_t cap)
{
	size_t word;

	*out = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		const char *name = commands[i].name;
		size_t n = strlen(name);

		if (!strncmp(line, name, n) && (!line[n] || line[n] == ' '))
			return commands[i].run(b, line[n] ? line + n + 1 : "", out, cap);
	}
	word = strcspn(line, " ");
	if (word)
		snprintf(out, cap, "\x1b[1;31m%.*s: command not found\r\n\x1b[m", (int)word, line);
	return -ENOEXEC;
}

int shell_exec(struct board *b, const struct request *req, struct reply *reply)
{
	struct payload_value argv = { 0 };
	struct payload_want want[] = { { .key = "argv", .kind = KIND_ARRAY, .value = &argv } };
	char line[LINE_MAX_LEN] = "", out[OUTPUT_MAX] = "\r\n";
	size_t n = 0;
	int ret;

	if (request_get(req, want, ARRAY_SIZE(want)) || !want[0].found)
		return RC_INVAL;
	for (size_t i = 0; i < argv.number; i++) {
		const struct payload_value *v = &req->map.items[argv.first + i];

		if (v->kind != KIND_TEXT)
			break;
		if (n + v->len + 2 > sizeof(line)) {
			reply_error(reply, GROUP_SHELL, SHELL_COMMAND_TOO_LONG);
			return 0;
		}
		if (i)
			line[n++] = ' ';
		memcpy(line + n, v->data, v->len);
		line[n += v->len] = '\0';
	}
	if (!argv.number || req->map.items[argv.first].kind != KIND_TEXT) {
		reply_error(reply, GROUP_SHELL, SHELL_EMPTY_COMMAND);
		return 0;
	}
	/* What runs by SMP starts on a line of its own, as what is typed does. */
	ret = shell_run(b, line, out + 2, sizeof(out) - 2);
	writer_pair_text(&reply->w, "o", out);
	writer_pair_int(&reply->w, b->set.legacy_rc ? "rc" : "ret", ret);
	return 0;
}

void shell_prompt(struct board *b)
{
	board_print(b, "\x1b[1;32muart:~$ \x1b[m");
}

/* A line was typed: what the user typed is already echoed. */
static void line_end(struct board *b)
{
	struct board_ram *ram = &b->ram;
	char out[OUTPUT_MAX];

	board_print(b, "\r\n");
	ram->shell[ram->shell_len] = '\0';
	if (ram->shell_cut) {
		board_print(b, "Command line too long!\r\n");
	} else if (ram->shell_len) {
		shell_run(b, ram->shell, out, sizeof(out));
		board_print(b, out);
	}
	ram->shell_len = 0;
	ram->shell_cut = false;
	shell_prompt(b);
}

/* Tab: lists what could be typed, and shows the line again. */
static void complete(struct board *b)
{
	board_print(b, "\x1b[1;36m\r\n  echo\x1b[m\x1b[4C\x1b[1;36mfail\x1b[m\x1b[4C"
		       "\x1b[1;36mkernel\x1b[m\r\n");
	shell_prompt(b);
	link_write(&b->link, b->ram.shell, b->ram.shell_len);
}

static void type(struct board *b, char c)
{
	struct board_ram *ram = &b->ram;

	if (ram->shell_len + 1 < sizeof(ram->shell))
		ram->shell[ram->shell_len++] = c;
	else
		ram->shell_cut = true;
	link_write(&b->link, &c, 1);
}

void shell_input(struct board *b, const uint8_t *data, size_t len)
{
	struct board_ram *ram = &b->ram;

	for (size_t i = 0; i < len; i++) {
		uint8_t c = data[i];

		/* \r\n is one end of line, not two */
		if (c == '\r' || (c == '\n' && !ram->shell_cr))
			line_end(b);
		ram->shell_cr = c == '\r';
		if (c == '\t') {
			complete(b);
		} else if (c == 0x03) {
			ram->shell_len = 0;
			line_end(b);
		} else if ((c == 0x08 || c == 0x7f) && ram->shell_len) {
			ram->shell_len--;
			board_print(b, "\x1b[1D\x1b[J");
		} else if (c >= ' ' && c <= '~') {
			type(b, (char)c);
		}
	}
}
