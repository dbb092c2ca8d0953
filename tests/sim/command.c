/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdio.h>

#include "control.h"

/* The commands of the control socket that are answered at once. */

#define WAIT_TIMEOUT_MS 10000

static char *answer(const char *text)
{
	char *s = strdup(text);

	if (!s)
		abort();
	return s;
}

static char *failed(const char *what, const char *why)
{
	char *s;

	if (asprintf(&s, "error %s: %s", what, why) < 0)
		abort();
	return s;
}

/* Turns a sentence from deeper down, or an errno when there is none, into an answer. */
static char *result(const char *what, int r, char *sentence)
{
	char *s;

	if (!r)
		return answer("ok");
	s = failed(what, sentence ? sentence : strerror(-r));
	free(sentence);
	return s;
}

static char *run_state(struct board *b, char *args)
{
	(void)args;
	return state_json(b);
}

static char *run_set(struct board *b, char *args)
{
	char *value = strchr(args, '='), *sentence = NULL;
	int r;

	if (!value)
		return failed("set", "expected KEY=VALUE");
	*value++ = '\0';
	r = settings_set(&b->set, args, value, true, &sentence);
	return result("set", r, sentence);
}

static char *run_fault(struct board *b, char *args)
{
	char *sentence = NULL;
	int r = faults_add(&b->faults, args, &sentence);

	return result("fault", r, sentence);
}

static char *run_clear_faults(struct board *b, char *args)
{
	(void)args;
	b->faults.n = 0;
	return answer("ok");
}

static char *run_plug(struct board *b, char *args)
{
	(void)args;
	return result("plug", board_plug(b), NULL);
}

static char *run_unplug(struct board *b, char *args)
{
	(void)args;
	board_unplug(b);
	return answer("ok");
}

static char *run_power_cut(struct board *b, char *args)
{
	unsigned long long ms = 0;

	if (*args && sscanf(args, "ms=%llu", &ms) != 1)
		return failed("power-cut", "expected ms=N or nothing");
	board_power_cut(b, ms);
	return answer("ok");
}

static char *run_reset(struct board *b, char *args)
{
	(void)args;
	board_reset(b);
	return answer("ok");
}

/* \n \r \t \e \\ \xHH, in place. Returns the length. */
static size_t unescape(char *text)
{
	static const char from[] = "nrte\\", to[] = "\n\r\t\x1b\\";
	char *out = text;

	for (char *p = text; *p; p++) {
		const char *at = *p == '\\' && p[1] ? strchr(from, p[1]) : NULL;
		unsigned int byte;

		if (at) {
			*out++ = to[at - from];
			p++;
		} else if (*p == '\\' && sscanf(p, "\\x%2x", &byte) == 1 && p[3]) {
			*out++ = (char)byte;
			p += 3;
		} else {
			*out++ = *p;
		}
	}
	return (size_t)(out - text);
}

static char *run_console(struct board *b, char *args)
{
	size_t n = unescape(args);

	link_write(&b->link, args, n);
	return answer("ok");
}

static char *run_flood(struct board *b, char *args)
{
	bool on = !strcmp(args, "on");

	if (!on && strcmp(args, "off"))
		return failed("flood", "expected on or off");
	board_flood(b, on);
	return answer("ok");
}

static const struct {
	const char *name;
	char *(*run)(struct board *b, char *args);
} commands[] = {
	{ "state", run_state },       { "set", run_set },
	{ "fault", run_fault },       { "clear-faults", run_clear_faults },
	{ "plug", run_plug },         { "unplug", run_unplug },
	{ "power-cut", run_power_cut }, { "reset", run_reset },
	{ "console", run_console },   { "flood", run_flood },
};

static char *list(struct sim *sim)
{
	char *s = answer("ok");

	for (struct board *b = sim->boards; b; b = b->next) {
		char *longer;

		if (asprintf(&longer, "%s %s", s, b->name) < 0)
			abort();
		free(s);
		s = longer;
	}
	return s;
}

/* Cuts the first word off; returns the rest. */
static char *split(char *line)
{
	char *rest = line + strcspn(line, " ");

	if (*rest)
		*rest++ = '\0';
	return rest;
}

char *command_run(struct sim *sim, char *line)
{
	char *verb = split(line), *args;
	struct board *b;

	if (!*verb && !strcmp(line, "list"))
		return list(sim);
	if (!*verb && !strcmp(line, "quit")) {
		loop_stop(sim->loop);
		return answer("ok");
	}
	b = sim_find(sim, line);
	if (!b)
		return failed(line, "no board of that name; list says which there are");
	args = split(verb);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, verb))
			return commands[i].run(b, args);
	return failed(verb, "unknown command");
}

static int condition_parse(const char *text, struct wait *w)
{
	size_t name = strcspn(text, "<>=!"), op;

	if (!name || name >= sizeof(w->name))
		return -EINVAL;
	memcpy(w->name, text, name);
	text += name;
	op = strspn(text, "<>=!");
	if (!op || op >= sizeof(w->op) || !text[op] || strlen(text + op) >= sizeof(w->value))
		return -EINVAL;
	memcpy(w->op, text, op);
	strcpy(w->value, text + op);
	return 0;
}

int wait_parse(struct sim *sim, const char *line, struct wait *ret, char **ret_error)
{
	_cleanup_(freep) char *copy = strdup(line);
	char *save = NULL, *board, *verb, *word;
	bool condition = false;

	if (!copy)
		return -ENOMEM;
	board = strtok_r(copy, " ", &save);
	verb = board ? strtok_r(NULL, " ", &save) : NULL;
	if (!verb || (strcmp(verb, "wait") && strcmp(verb, "wait-idle")))
		return 0;
	*ret = (struct wait){ .board = sim_find(sim, board), .idle = !strcmp(verb, "wait-idle"),
			      .timeout_ms = WAIT_TIMEOUT_MS };
	if (!ret->board) {
		*ret_error = failed(board, "no board of that name; list says which there are");
		return -EINVAL;
	}
	while ((word = strtok_r(NULL, " ", &save))) {
		unsigned long long ms;
		int r = 0;

		if (sscanf(word, "timeout=%llu", &ms) == 1)
			ret->timeout_ms = ms;
		else if (ret->idle || condition)
			r = -EINVAL;
		else
			r = condition_parse(word, ret);
		if (r < 0) {
			*ret_error = failed(verb, "expected NAME>=N (or = != < > <=), timeout=MS");
			return r;
		}
		condition |= *ret->name != '\0';
	}
	if (!ret->idle && !condition) {
		*ret_error = failed(verb, "expected NAME>=N (or = != < > <=), timeout=MS");
		return -EINVAL;
	}
	return 1;
}

static int compare_number(int64_t now, const char *op, const char *value)
{
	int64_t v = !strcmp(value, "true") ? 1 : strtoll(value, NULL, 0);

	if (!strcmp(op, ">="))
		return now >= v;
	if (!strcmp(op, "<="))
		return now <= v;
	if (!strcmp(op, ">"))
		return now > v;
	if (!strcmp(op, "<"))
		return now < v;
	return !strcmp(op, "!=") ? now != v : now == v;
}

int wait_check(const struct wait *w)
{
	_cleanup_(freep) char *text = NULL;
	int64_t now;

	if (w->idle)
		return board_is_idle(w->board);
	if (!state_number(w->board, w->name, &now))
		return compare_number(now, w->op, w->value);
	if (state_text(w->board, w->name, &text) < 0)
		return -ENOENT;
	return !strcmp(w->op, "!=") ? strcmp(text, w->value) != 0 : !strcmp(text, w->value);
}
