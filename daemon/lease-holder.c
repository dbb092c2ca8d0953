/* SPDX-License-Identifier: MIT */

/* Who holds a lease, in words. */

#include <stdio.h>

#include "daemon/lease.h"

void lease_holder_release(struct lease_holder *h)
{
	free(h->user);
	free(h->command);
	free(h->reason);
	*h = (struct lease_holder){0};
}

static void print_user(FILE *f, const struct lease_holder *h)
{
	if (h->unmapped)
		fputs("a user of another user namespace", f);
	else if (h->user)
		fputs(h->user, f);
	else
		fprintf(f, "user %u", (unsigned int)h->uid);
}

char *lease_holder_text(const struct lease_holder *h)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	print_user(f, h);
	if (h->pid > 0)
		fprintf(f, ", process %d", (int)h->pid);
	else
		fputs(", a process of another pid namespace", f);
	if (h->command)
		fprintf(f, " (%s)", h->command);
	if (h->reason)
		fprintf(f, ": %s", h->reason);
	if (fclose(f) == 0)
		return text;
	free(text);
	return NULL;
}
