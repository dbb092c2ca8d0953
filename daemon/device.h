/* SPDX-License-Identifier: MIT */
#pragma once

/* A board: identity, state, what probing found, its port, session and console, and the job that runs on it.
 *
 * State machine (names as in io.mcumgr.Device.state):
 *   absent -> opening -> quiet -> probing -> ready | recovery | unresponsive; opening -> unavailable (tried again).
 * quiet: after attach and after every reset nothing is sent for quiet_ms, because MCUboot stays in its bootloader when a byte
 * reaches it within its wait-for-DFU window; a Zephyr boot banner ends it early. A board found in recovery after a plain
 * reset or attach, unasked, is reset once an attach and given longer (decision 8), never while someone asked for recovery.
 * broken: attached or booted too often within a while (config: broken_count, broken_window_ms); nothing is opened or sent until
 * nothing has happened for as long, or device_reset_state.
 * released: from any state; its ttys are closed, for another program, until device_reclaim.
 * unresponsive boards are probed again with growing pauses (2 s to 60 s) and at once when they print something.
 *
 * Ownership: registry -> device -> port, session, console; the job is counted. Changes are told to the registry. */

#include <stdbool.h>
#include <uv.h>

#include "daemon/config.h"
#include "daemon/console.h"
#include "daemon/job.h"
#include "daemon/port.h"
#include "daemon/session.h"
#include "daemon/usb.h"

#define DEVICE_STATES(X)                                                                                               \
	X(ABSENT, "absent")                                                                                            \
	X(OPENING, "opening")                                                                                          \
	X(QUIET, "quiet")                                                                                              \
	X(PROBING, "probing")                                                                                          \
	X(READY, "ready")                                                                                              \
	X(RECOVERY, "recovery")                                                                                        \
	X(UNRESPONSIVE, "unresponsive")                                                                                \
	X(UNAVAILABLE, "unavailable")                                                                                  \
	X(BROKEN, "broken")                                                                                            \
	X(RELEASED, "released")
enum device_state {
#define X(name, text) DEVICE_##name,
	DEVICE_STATES(X)
#undef X
};
/* "busy" while a job runs on a ready or recovering board. */
const char *device_state_name(const struct device *d);

/* For people, of a command that its bootloader does not have. */
#define DEVICE_RECOVERY_HINT "its bootloader's recovery answers, which knows few commands: os system-reset boots the application"

struct image_slot {
	unsigned int image, slot;
	char version[32];
	uint8_t hash[64];
	size_t hash_size; /* 0: none told */
	bool bootable, pending, confirmed, active, permanent;
};
#define IMAGE_SLOTS_MAX 16

/* What runs. */
struct firmware {
	char version[32]; /* "": not known */
	uint8_t hash[64];
	size_t hash_size; /* 0: none told */
};

/* What probing found; forgotten when the board reboots. */
struct device_info {
	bool has_parameters;
	unsigned int buffer_size, buffer_count;
	char bootloader[32]; /* "" unknown */
	bool has_mode, no_downgrade;
	int64_t mode;
	unsigned int groups[64];
	size_t group_count;
	bool has_images;
	struct image_slot images[IMAGE_SLOTS_MAX];
	size_t image_count;
};

/* Settings of a board that clients changed (method Configure); negative: as configured. Kept until the daemon ends. */
struct device_tuning {
	int frame_size; /* 0: from the board's parameters */
	int timeout_ms, retries;
};

struct registry;
struct device;
bool device_is_plugged(const struct device *d); /* or is a tty of the configuration, there or not */
/* A section of the configuration holds for it. Others are not listed, and nobody is told of them. */
bool device_is_managed(const struct device *d);

struct device {
	char *id; /* [a-z0-9._-]+, given once */
	struct registry *registry;
	const struct config_device *config;
	enum device_state state;
	char *reason;	   /* for people, or NULL */
	uint64_t since_us; /* CLOCK_REALTIME of the last change of state */
	/* identity */
	char *tty, *path, *serial, *manufacturer, *product, *syspath;
	unsigned int vendor_id, product_id; /* 0: not USB */
	int interface;			    /* -1: unknown */
	/* parts */
	struct port *port;
	struct session *session;
	struct console *console; /* of the port that carries the session */
	struct device_console *main, *consoles; /* device-console.h: the same, and all of them */
	struct trace *trace;			/* what went over its line */
	const struct device_marked *marked;	/* while REGISTRY_CONSOLE is told */
	struct job *job; /* running, or NULL; a reference */
	struct device_info info;
	uint64_t boots;		    /* boot banners, re-attachments and resets seen */
	bool recovery_wanted;	    /* somebody asked for boot mode 1 */
	struct device_tuning tuning;
	struct device_private *private;
};

/* Submits a request of the API or of a job. Requests to boards in opening, quiet or probing wait until that settles; unresponsive
 * boards get one attempt. 0, or: -ENODEV (absent, unavailable, broken), -EBUSY (queue full), -EMSGSIZE. */
int device_submit(struct device *d, struct request *request);
void device_cancel(struct device *d, struct request *request);

/* Keystrokes for its shell. 0; -ENODEV (ret_text: why not, or NULL: its state says so); -ENOBUFS. */
int device_type(struct device *d, const uint8_t *data, size_t size, const char **ret_text);

/* A reset was sent (by anybody): hold the session for the quiet time, forget what was probed, probe afterwards. taken: the
 * board said that it will. */
void device_expect_reboot(struct device *d, bool recovery_wanted, bool taken);
/* It may have booted unseen: before anything else is sent, it is asked who it is, and brought out of its bootloader if need be. */
void device_identify(struct device *d);
/* The next boot exchanges images of this many bytes (0: no more): the quiet time grows accordingly, because a byte that
 * reaches MCUboot meanwhile keeps it in its bootloader, and the reset out of there undoes a test. Before expect_reboot. */
void device_expect_swap(struct device *d, uint64_t bytes);

/* What a transfer may use: the largest message, and how many requests may be in flight at most and to begin with. */
struct device_limits {
	size_t message_max;
	unsigned int window_max, window_start;
	bool window_known; /* window_start was learnt by a transfer before */
};
void device_limits(const struct device *d, struct device_limits *ret);
/* NULL: it has none, and nothing can be waited for. */
uv_loop_t *device_loop(const struct device *d);
unsigned int device_on_cable(const struct device *d); /* session_on_cable */
/* Whether the loss of a watched request would be noticed before its deadline (session_watches). */
bool device_watches(const struct device *d);
/* What a transfer that succeeded says of the board's window (transfer_window_learnt; 0: nothing); kept in the state directory. */
void device_learn_window(struct device *d, unsigned int window);
/* Requests in flight from now on. */
void device_set_window(struct device *d, unsigned int window);

/* Image state as decoded from any reply of 1/0; keeps the copy that List shows. 0, -EBADMSG. */
int device_learn_images(struct device *d, const struct value *reply);
/* Parameters as in a reply of 0/6: the session and device_limits go by them. */
void device_learn_parameters(struct device *d, const struct value *reply);
/* The replies of 0/8, without a query and to that of the mode. What is no printable ASCII is replaced. */
void device_info_take_bootloader(struct device_info *info, const struct value *reply);
void device_info_take_mode(struct device_info *info, const struct value *reply);
int image_slots_decode(const struct value *reply, struct image_slot *slots, size_t max, size_t *ret_count);

/* Forgets what made it broken, and looks at once at a board that is not looked at now. */
void device_reset_state(struct device *d);

/* Changes what is not negative in tuning, for all clients of the board. */
void device_tune(struct device *d, const struct device_tuning *tuning);

/* Whether a job may begin now: 0; -EBUSY (ret_text: the id of the one that runs); -ENODEV (ret_text: why not). */
int device_job_possible(const struct device *d, const char **ret_text);
/* One job at a time. 0, -EBUSY. finished by device_job_ended from the job's owner. */
int device_job_begin(struct device *d, struct job *job);
void device_job_ended(struct device *d);

/* Called by the update while the board is away: fires each time the board is found answering after a (re)boot or attach. */
void device_await(struct device *d, void (*back)(void *user), void *user);
void device_await_cancel(struct device *d);

/* Lets go of its tty, which is not opened again before device_reclaim, wherever the board goes meanwhile. to: who has it now, for
 * people. done (on the loop, later): others may open it. 0; -EBUSY (a job runs: ret_text is its id); -EALREADY; -ENOMEM. */
int device_release(struct device *d, const char *to, void (*done)(void *user), void *user, const char **ret_text);
/* done is not called any more. */
void device_release_forget(struct device *d);
void device_reclaim(struct device *d);
