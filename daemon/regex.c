/* SPDX-License-Identifier: MIT */

#define PCRE2_CODE_UNIT_WIDTH 8

#include <errno.h>
#include <pcre2.h>
#include <stdio.h>
#include <string.h>

#include "daemon/config.h"
#include "daemon/limits.h"

struct regex {
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *context;
};

/* \K would move the start of the match away from where it is anchored. */
static const char *find_reset(const char *pattern)
{
	for (const char *s = pattern; *s; s++) {
		if (*s != '\\' || !s[1])
			continue;
		if (s[1] == 'K')
			return s;
		s++;
	}
	return NULL;
}

static int compile(const char *pattern, struct regex *r, char *text, size_t text_size)
{
	int code;
	PCRE2_SIZE at;
	r->code = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED,
			PCRE2_CASELESS | PCRE2_ANCHORED | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
	if (!r->code) {
		char reason[128];
		pcre2_get_error_message(code, (PCRE2_UCHAR *)reason, sizeof(reason));
		snprintf(text, text_size, "bad regular expression at character %zu: %s", (size_t)at + 1, reason);
		return -EINVAL;
	}
	r->data = pcre2_match_data_create(1, NULL);
	r->context = pcre2_match_context_create(NULL);
	if (!r->data || !r->context) {
		snprintf(text, text_size, "out of memory");
		return -ENOMEM;
	}
	pcre2_set_match_limit(r->context, LIMIT_REGEX_MATCH);
	pcre2_set_depth_limit(r->context, LIMIT_REGEX_MATCH);
	return 0;
}

int regex_compile(const char *pattern, struct regex **ret, char *text, size_t text_size)
{
	size_t length = strlen(pattern);
	if (!length || length > LIMIT_REGEX_BYTES) {
		snprintf(text, text_size, "a regular expression has 1 to %u bytes, this one %zu", LIMIT_REGEX_BYTES, length);
		return -EINVAL;
	}
	const char *reset = find_reset(pattern);
	if (reset) {
		snprintf(text, text_size, "bad regular expression at character %zu: \\K is not supported",
				(size_t)(reset - pattern) + 1);
		return -EINVAL;
	}
	_cleanup_(regex_freep) struct regex *r = calloc(1, sizeof(*r));
	if (!r)
		return -ENOMEM;
	int error = compile(pattern, r, text, text_size);
	if (error < 0)
		return error;
	*ret = TAKE_PTR(r);
	return 0;
}

bool regex_matches(const struct regex *r, const char *subject)
{
	return pcre2_match(r->code, (PCRE2_SPTR)subject, strlen(subject), 0, 0, r->data, r->context) >= 0;
}

void regex_free(struct regex *r)
{
	if (!r)
		return;
	pcre2_match_context_free(r->context);
	pcre2_match_data_free(r->data);
	pcre2_code_free(r->code);
	free(r);
}
