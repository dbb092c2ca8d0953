/* SPDX-License-Identifier: MIT */

/* A client's words for a board. */

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "daemon/registry-private.h"

struct search {
	struct registry *registry;
	struct device **matches;
	size_t count;
};

static void hit(struct search *s, struct device *d)
{
	if (!s->matches)
		s->matches = calloc(s->registry->device_count, sizeof(*s->matches));
	if (s->matches)
		s->matches[s->count++] = d;
}

static bool is_same_file(const char *a, const char *b)
{
	_cleanup_free_ char *real_a = realpath(a, NULL), *real_b = realpath(b, NULL);
	return real_a && real_b && strcmp(real_a, real_b) == 0;
}

static bool is_alias(const struct device *d, const char *selector)
{
	return d->config && d->config->alias && strcmp(d->config->alias, selector) == 0;
}

static bool is_tty(const struct device *d, const char *selector)
{
	return *selector == '/' && d->tty && (strcmp(d->tty, selector) == 0 || is_same_file(d->tty, selector));
}

/* Any port of the board counts, not only the one that carries SMP. */
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

static bool is_in_pool(const struct device *d, const char *selector, const struct regex *regex)
{
	if (!d->config)
		return false;
	if (regex)
		return is_match(d, regex);
	return strcmp(selector, "*") == 0 || strcmp(d->id, selector) == 0 || is_alias(d, selector) || is_tty(d, selector);
}

int registry_pool(struct registry *r, const char *selector, const char ***ret_ids, size_t *ret_count, char *text,
		size_t text_size)
{
	_cleanup_(regex_freep) struct regex *regex = NULL;
	const char **ids = calloc(r->device_count + 1, sizeof(*ids));
	size_t count = 0;
	int e = 0;

	if (!ids)
		return -ENOMEM;
	for (size_t i = 0; i < r->device_count; i++)
		if (is_in_pool(r->devices[i], selector, NULL))
			ids[count++] = r->devices[i]->id;
	if (count == 0 && strcmp(selector, "*") != 0 && *selector != '/')
		e = regex_compile(selector, &regex, text, text_size);
	for (size_t i = 0; regex && i < r->device_count; i++)
		if (is_in_pool(r->devices[i], selector, regex))
			ids[count++] = r->devices[i]->id;
	if (e < 0) {
		free(ids);
		return e;
	}
	*ret_ids = ids;
	*ret_count = count;
	return 0;
}

static enum resolve_result conclude(struct search *s, struct device **ret, struct device ***ret_matches, size_t *ret_count)
{
	if (s->count == 1) {
		*ret = s->matches[0];
		free(s->matches);
		return RESOLVED;
	}
	if (s->count == 0) {
		free(s->matches);
		return RESOLVE_NONE;
	}
	*ret_matches = s->matches;
	*ret_count = s->count;
	return RESOLVE_MANY;
}

static int search_regex(struct search *s, const char *selector, char *text, size_t text_size)
{
	_cleanup_(regex_freep) struct regex *regex = NULL;

	int e = regex_compile(selector, &regex, text, text_size);
	if (e < 0)
		return e;
	for (size_t i = 0; i < s->registry->device_count; i++)
		if (is_match(s->registry->devices[i], regex))
			hit(s, s->registry->devices[i]);
	return 0;
}

enum resolve_result registry_resolve(struct registry *r, const char *selector, struct device **ret, struct device ***ret_matches,
		size_t *ret_count, char *text, size_t text_size)
{
	struct search s = {.registry = r};
	struct device *exact = selector ? registry_by_id(r, selector) : NULL;

	if (exact) {
		*ret = exact;
		return RESOLVED;
	}
	/* Nobody means a port that no section manages when he means "the" board. */
	for (size_t i = 0; i < r->device_count; i++)
		if (selector ? is_alias(r->devices[i], selector) : r->devices[i]->config != NULL)
			hit(&s, r->devices[i]);
	for (size_t i = 0; selector && s.count == 0 && i < r->device_count; i++)
		if (is_tty(r->devices[i], selector))
			hit(&s, r->devices[i]);
	if (selector && s.count == 0 && *selector != '/' && search_regex(&s, selector, text, text_size) < 0) {
		free(s.matches);
		return RESOLVE_BAD_REGEX;
	}
	return conclude(&s, ret, ret_matches, ret_count);
}
