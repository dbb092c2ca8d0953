/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/ctl.h"
#include "libclient/mcumgrctl/text.h"
#include "proto/macro.h"

#define HASH_SHOWN 8

/* "1.2.3 (ab12cd34)", as far as it is known. */
static char *image_name(json_object *reply)
{
	const char *version = member_string(reply, "version"), *hash = member_string(reply, "hash");

	if (version && hash)
		return format("%s (%.*s)", show(version), HASH_SHOWN, show(hash));
	if (version || hash)
		return format("%.*s", version ? 64 : HASH_SHOWN, show(version ? version : hash));
	return format("the image");
}

char *outcome_sentence(json_object *reply)
{
	static const struct {
		const char *outcome, *format;
	} sentences[] = {
		{ "updated", "Updated: %s is active and confirmed." },
		{ "testing",
			"%s is active, but not confirmed: the next reset brings the old image back, unless you confirm it." },
		{ "unchanged", "Nothing to do: %s is active and confirmed already." },
		{ "confirmed", "%s was active already and is confirmed now." },
		{ "marked", "%s is marked and boots at the next reset." },
		{ "uploaded", "Uploaded: %s." },
	};
	_cleanup_free_ char *name = image_name(reply);
	const char *outcome = member_string(reply, "outcome");
	size_t i;

	for (i = 0; outcome && i < ARRAY_SIZE(sentences); i++)
		if (strcmp(outcome, sentences[i].outcome) == 0) {
			char *text;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			text = format(sentences[i].format, name);
#pragma GCC diagnostic pop
			return text;
		}
	return outcome ? format("Done: %s (%s).", show(outcome), name) : format("Done.");
}

char *outcome_word(json_object *reply)
{
	const char *outcome = member_string(reply, "outcome");

	return text_clean(outcome ? outcome : "done");
}
