/* SPDX-License-Identifier: MIT */
/* Lists the boards, and asks those that are ready for their bootloader.
 * cc list.c $(pkg-config --cflags --libs mcumgr) -o list */
#include <errno.h>
#include <mcumgr.h>
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
	json_object *parameters = json_object_new_object(), *reply = NULL, *name;
	struct mcumgr_error *error = NULL;
	int r;

	json_object_object_add(parameters, "device", json_object_new_string(id));
	r = mcumgr_call(m, "BootloaderInfo", parameters, &reply, &error);
	if (r == 0 && json_object_object_get_ex(reply, "name", &name))
		printf("  bootloader: %s\n", json_object_get_string(name));
	else if (mcumgr_error_is(error, "NotSupported"))
		printf("  bootloader: the board does not tell\n");
	else
		fail(m, r, error), error = NULL;
	mcumgr_error_free(error);
	json_object_put(reply);
	json_object_put(parameters);
}

int main(void)
{
	struct mcumgr_device *devices;
	struct mcumgr_error *error = NULL;
	struct mcumgr *m;
	size_t count, i;
	int r;

	if (mcumgr_new(&m) < 0)
		return 1;
	mcumgr_set_timeout(m, 30000);
	r = mcumgr_connect(m, NULL);
	if (r == 0)
		r = mcumgr_list(m, &devices, &count, &error);
	if (r < 0) {
		r = fail(m, r, error);
		mcumgr_free(m);
		return r;
	}
	for (i = 0; i < count; i++) {
		printf("%s: %s%s%s\n", devices[i].id, devices[i].state, devices[i].reason ? ": " : "",
			devices[i].reason ? devices[i].reason : "");
		if (devices[i].version)
			printf("  version: %s\n", devices[i].version);
		if (devices[i].version)
			print_bootloader(m, devices[i].id);
	}
	mcumgr_devices_free(devices, count);
	mcumgr_free(m);
	return 0;
}
