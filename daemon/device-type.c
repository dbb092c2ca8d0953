/* SPDX-License-Identifier: MIT */

/* Who may type to a board, and when. */

#include <errno.h>

#include "daemon/device-private.h"

int device_type(struct device *d, const uint8_t *data, size_t size, const char **ret_text)
{
	*ret_text = NULL;
	if (d->config && d->config->probe == PROBE_NEVER) {
		*ret_text = "its section says probe = never: nothing is sent to it";
		return -ENODEV;
	}
	if (!d->session || !d->port || !port_is_open(d->port))
		return -ENODEV;
	/* A byte that reaches MCUboot now keeps it in its bootloader, and the reset out of there undoes a test. */
	if (d->job && d->private->expecting) {
		*ret_text = "a job waits for it to boot, and keystrokes might keep it in its bootloader";
		return -ENODEV;
	}
	int r = session_type(d->session, data, size);
	if (r == -EOPNOTSUPP)
		*ret_text = "its section says framing = raw: there is no console on this port";
	if (r == 0 && size)
		trace_event(d->trace, TRACE_TYPED, size, NULL);
	return r == -EOPNOTSUPP || r == -ENOTCONN ? -ENODEV : r;
}
