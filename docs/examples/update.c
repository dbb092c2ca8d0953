/* SPDX-License-Identifier: MIT */
/* Updates a board and shows how far it is.
 * cc update.c $(pkg-config --cflags --libs mcumgr) -o update; ./update zephyr.signed.bin [DEVICE] */
#include <errno.h>
#include <mcumgr-api.h>
#include <stdio.h>
#include <stdlib.h>

static int on_progress(struct mcumgr *m, const struct mcumgr_update_reply *p, void *user)
{
	(void)m;
	(void)user;
	printf("%3d %%  %s\n", (int)p->percent, mcumgr_update_step_name(p->step));
	if (p->outcome)
		printf("%s\n", p->outcome);
	return 0; /* anything else stops the update */
}

static int update(struct mcumgr *m, const void *data, size_t size, const char *device, struct mcumgr_error **error)
{
	struct mcumgr_image_put_reply *put;
	int r;

	r = mcumgr_image_put(m, MCUMGR_ARGS(image_put, .data = { data, size }), &put, error);
	if (r < 0)
		return r;
	r = mcumgr_update_stream(m, MCUMGR_ARGS(update, .device = device, .file = put->hash), on_progress, NULL, error);
	mcumgr_image_put_reply_free(put);
	return r;
}

int main(int argc, char **argv)
{
	static unsigned char data[8 << 20];
	struct mcumgr_error *error = NULL;
	struct mcumgr *m;
	size_t size;
	FILE *f;
	int r;

	if (argc < 2) {
		fprintf(stderr, "usage: update FILE [DEVICE]\n");
		return 2;
	}
	f = fopen(argv[1], "rb");
	size = f ? fread(data, 1, sizeof(data), f) : 0;
	if (!f || ferror(f)) {
		perror(argv[1]);
		return 1;
	}
	fclose(f);
	if (mcumgr_new(&m) < 0)
		return 1;
	r = mcumgr_connect(m, NULL);
	if (r == 0)
		r = update(m, data, size, argv[2], &error);
	if (r == -EREMOTEIO)
		fprintf(stderr, "%s\n%s%s", error->message, error->hint ? error->hint : "", error->hint ? "\n" : "");
	else if (r < 0)
		fprintf(stderr, "%s\n", mcumgr_message(m));
	mcumgr_error_free(error);
	mcumgr_free(m);
	return r ? 1 : 0;
}
