/* SPDX-License-Identifier: MIT */

/* A client's words for a board. */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/registry-private.h"

static bool is_same_file(const char *a, const char *b)
{
	struct stat one, other;
	return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

static bool is_alias(const struct device *d, const char *selector)
{
	return d->config && d->config->alias && strcmp(d->config->alias, selector) == 0;
}

static bool has_tag(const struct device *d, const char *selector)
{
	return d->config && config_has_tag(d->config, selector);
}

/* Links in /dev are the system's own. Elsewhere, and where anybody may put one, a client's path may lead to a disk that hangs. */
static bool may_be_followed(const char *path)
{
	static const char *const of_anybody[] = {"/dev/shm/", "/dev/mqueue/", "/dev/fd/"};

	for (size_t i = 0; i < ARRAY_SIZE(of_anybody); i++)
		if (strncmp(path, of_anybody[i], strlen(of_anybody[i])) == 0)
			return false;
	return strncmp(path, "/dev/", strlen("/dev/")) == 0 && !strstr(path, "/../");
}

static bool leads_to(const char *selector, const char *tty)
{
	return tty && (strcmp(tty, selector) == 0 || (may_be_followed(selector) && is_same_file(tty, selector)));
}

/* That of any port of the board, not only of the one that carries SMP. */
static bool is_tty(const struct device *d, const char *selector)
{
	const struct device_private *p = d->private;
	bool found = *selector == '/' && p->manual && leads_to(selector, d->tty);

	for (size_t i = 0; *selector == '/' && !found && i < p->candidate_count; i++)
		found = leads_to(selector, p->candidates[i].node);
	return found;
}

/* That of a board that is away; another one may have it now. */
static bool was_tty(const struct device *d, const char *selector)
{
	return *selector == '/' && leads_to(selector, d->tty);
}

/* Any port of the board counts here, too. */
static bool is_match(const struct device *d, const struct regex *regex)
{
	const struct device_private *p = d->private;

	for (size_t i = 0; i < p->candidate_count; i++) {
		const struct device_candidate *c = &p->candidates[i];
		const struct usb_port port = {
			.vendor_id = c->vendor_id, .product_id = c->product_id, .interface = c->interface};
		char identifier[32];
		usb_port_identifier(&port, identifier, sizeof(identifier));
		if (regex_matches(regex, identifier))
			return true;
	}
	return false;
}

/* What a selector may be, the exact before the vague. */
enum sort { BY_ID, BY_ALIAS, BY_TAG, BY_TTY, BY_REGEX, BY_LAST_TTY, SORTS };

struct selector {
	char *text;
	struct regex *regex; /* NULL: it is none */
};

static bool goes_by(const struct device *d, const struct selector *s, enum sort sort)
{
	switch (sort) {
	case BY_ID:
		return strcmp(d->id, s->text) == 0;
	case BY_ALIAS:
		return is_alias(d, s->text);
	case BY_TAG:
		return has_tag(d, s->text);
	case BY_TTY:
		return is_tty(d, s->text);
	case BY_LAST_TTY:
		return was_tty(d, s->text);
	default:
		return s->regex && is_match(d, s->regex);
	}
}

int selector_new(const char *text, struct selector **ret, char *reason, size_t reason_size)
{
	_cleanup_(selector_freep) struct selector *s = calloc(1, sizeof(*s));

	if (!s || !(s->text = strdup(text)))
		return -ENOMEM;
	int e = *text == '/' ? 0 : regex_compile(text, &s->regex, reason, reason_size);
	/* What is no expression may still be a name. */
	if (e < 0 && e != -EINVAL)
		return e;
	*ret = TAKE_PTR(s);
	return e;
}

void selector_free(struct selector *s)
{
	if (!s)
		return;
	regex_free(s->regex);
	free(s->text);
	free(s);
}

bool selector_matches(const struct selector *s, const struct device *d)
{
	for (enum sort sort = BY_ID; sort < SORTS; sort++)
		if (goes_by(d, s, sort))
			return true;
	return false;
}

bool selector_is_exact(const struct selector *s, const struct device *d)
{
	return goes_by(d, s, BY_ID) || goes_by(d, s, BY_ALIAS) || goes_by(d, s, BY_TTY);
}

/* managed: only such boards as a section manages. */
static size_t collect(struct registry *r, const struct selector *s, enum sort sort, bool managed, struct device **matches)
{
	size_t count = 0;

	for (size_t i = 0; i < r->device_count; i++)
		if (goes_by(r->devices[i], s, sort) && (!managed || device_is_managed(r->devices[i])))
			matches[count++] = r->devices[i];
	return count;
}

int registry_select(struct registry *r, const char *selector, struct device ***ret_matches, size_t *ret_count, char *text,
		size_t text_size)
{
	_cleanup_free_ struct device **matches = calloc(r->device_count + 1, sizeof(*matches));
	_cleanup_(selector_freep) struct selector *s = NULL;
	size_t count = 0;

	if (!matches)
		return -ENOMEM;
	int e = selector_new(selector, &s, text, text_size);
	if (!s)
		return e;
	/* Nobody means a port that no section manages when he may mean a board. */
	for (enum sort sort = BY_ID; sort < BY_LAST_TTY && count == 0; sort++)
		count = collect(r, s, sort, true, matches);
	for (enum sort sort = BY_ID; sort < SORTS && count == 0; sort++)
		count = collect(r, s, sort, false, matches);
	if (count == 0 && e < 0)
		return e;
	*ret_matches = TAKE_PTR(matches);
	*ret_count = count;
	return 0;
}

static int select_managed(struct registry *r, struct device ***ret_matches, size_t *ret_count)
{
	struct device **matches = calloc(r->device_count + 1, sizeof(*matches));
	size_t count = 0;

	if (!matches)
		return -ENOMEM;
	for (size_t i = 0; i < r->device_count; i++)
		if (device_is_managed(r->devices[i]))
			matches[count++] = r->devices[i];
	*ret_matches = matches;
	*ret_count = count;
	return 0;
}

int registry_pool(struct registry *r, const char *selector, const char ***ret_ids, size_t *ret_count, char *text,
		size_t text_size)
{
	_cleanup_free_ struct device **matches = NULL;
	size_t count = 0, managed = 0;

	int e = strcmp(selector, "*") == 0 ? select_managed(r, &matches, &count)
					   : registry_select(r, selector, &matches, &count, text, text_size);
	if (e < 0)
		return e;
	const char **ids = calloc(count + 1, sizeof(*ids));
	if (!ids)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		if (device_is_managed(matches[i]))
			ids[managed++] = matches[i]->id;
	*ret_ids = ids;
	*ret_count = managed;
	return 0;
}

enum resolve_result registry_resolve(struct registry *r, const char *selector, struct device **ret, struct device ***ret_matches,
		size_t *ret_count, char *text, size_t text_size)
{
	_cleanup_free_ struct device **matches = NULL;
	size_t count = 0;

	int e = selector ? registry_select(r, selector, &matches, &count, text, text_size)
			 : select_managed(r, &matches, &count);
	if (e == -EINVAL)
		return RESOLVE_BAD_REGEX;
	if (e < 0 || count == 0)
		return RESOLVE_NONE;
	if (count == 1) {
		*ret = matches[0];
		return RESOLVED;
	}
	*ret_matches = TAKE_PTR(matches);
	*ret_count = count;
	return RESOLVE_MANY;
}
