/* SPDX-License-Identifier: MIT */
/* Lists the boards, and asks those that are ready for their bootloader.
 * cc list.c $(pkg-config --cflags --libs mcumgr) -o list */
#include <errno.h>
#include <mcumgr-api.h>
#include <stdio.h>

static int fail(struct mcumgr *m, int r, struct mcumgr_error *error)
{
	if (r == -EREMOTEIO)
		fprintf(stderr, "%s: %s\n", error->name, error->message);
	else
		fprintf(stderr, "%s\n", mcumgr_message(m));
	mcumgr_error_free(error);
	return 1;
}

/* What boards say may hold anything; mcumgrctl shows how to clean it for a terminal. */
static void print_bootloader(struct mcumgr *m, const char *id)
{
	struct mcumgr_bootloader_info_reply *info;
	struct mcumgr_error *error = NULL;
	int r;

	r = mcumgr_bootloader_info(m, MCUMGR_ARGS(bootloader_info, .device = id), &info, &error);
	if (r == 0) {
		printf("  bootloader: %s\n", info->name ? info->name : "?");
		mcumgr_bootloader_info_reply_free(info);
	} else if (mcumgr_error_code(error) == MCUMGR_ERROR_NOT_SUPPORTED) {
		printf("  bootloader: the board does not tell\n");
		mcumgr_error_free(error);
	} else {
		fail(m, r, error);
	}
}

static void print_device(struct mcumgr *m, const struct mcumgr_device *d)
{
	printf("%s: %s%s%s\n", d->id, mcumgr_device_state_name(d->state), d->reason ? ": " : "", d->reason ? d->reason : "");
	if (!d->version)
		return;
	printf("  version: %s\n", d->version);
	print_bootloader(m, d->id);
}

int main(void)
{
	struct mcumgr_list_reply *list;
	struct mcumgr_error *error = NULL;
	struct mcumgr *m;
	size_t i;
	int r;

	if (mcumgr_new(&m) < 0)
		return 1;
	mcumgr_set_timeout(m, 30000);
	r = mcumgr_connect(m, NULL);
	if (r == 0)
		r = mcumgr_list(m, NULL, &list, &error);
	if (r < 0) {
		r = fail(m, r, error);
		mcumgr_free(m);
		return r;
	}
	for (i = 0; i < list->n_devices; i++)
		print_device(m, list->devices[i]);
	mcumgr_list_reply_free(list);
	mcumgr_free(m);
	return 0;
}
