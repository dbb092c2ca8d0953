/* SPDX-License-Identifier: MIT */
#pragma once

/* Inside a device, and what the registry needs of it.
 *
 *     device         the object: identity, state, requests, its job
 *     device-port    opening, losing and awaiting its tty
 *     device-plug    the ports that it is plugged in with, and which of them carries the session
 *     device-release its tty handed over to another program
 *     device-boot    the quiet times and the reset out of an unasked recovery
 *     device-event   what is told of it: boots, states, another firmware
 *     device-trouble boards that do not come to rest: broken
 *     device-resume  going on where the daemon before left
 *     device-probe   who answers: parameters, bootloader, groups, images; application or recovery
 *     device-console what its ports print: rings, marks
 *     device-info    what boards say of themselves, decoded
 *
 * One timer serves the state machine, because in every state at most one thing is waited for. */

#include "daemon/device.h"
#include "daemon/limits.h"
#include "daemon/record.h"
#include "daemon/registry.h"

#define DEVICE_CANDIDATES_MAX 8

/* A port that the board was found with. A composite device has several; one carries the session. */
struct device_candidate {
	char *node, *syspath, *path;
	unsigned int vendor_id, product_id;
	int interface;
	const struct config_device *config;
};

enum probe_step {
	PROBE_PARAMETERS,
	PROBE_IMAGES,
	PROBE_VERSION_1,	/* parameters, as SMP version 1 */
	PROBE_PARAMETERS_AGAIN, /* the first request may have met the end of a half line */
	PROBE_BOOTLOADER,
	PROBE_MODE,
	PROBE_GROUPS,
	PROBE_CONSOLE_ECHO, /* what only MCUboot's recovery has */
	PROBE_PACING,
	PROBE_END,
};

struct probe {
	struct request request;
	bool pending;
	enum probe_step step;
	bool alive;	/* something answered */
	unsigned int silent; /* requests in a row that nothing answered */
	bool no_parameters, no_bootloader, no_groups, no_images; /* said so: rc 8 */
	bool split_status, recovery;
};

/* When something happened lately. */
struct history {
	uint64_t at_ms[LIMIT_BROKEN_COUNT];
	unsigned int count;
};
struct trouble {
	struct history attached, booted;
	unsigned int own; /* that the reset under way may still cause */
};

/* What experience taught about a board; kept in the state directory. */
struct device_learnt {
	int line_delay; /* ms; -1: not known yet */
	unsigned int window;   /* of transfers; 0: not known yet */
	unsigned int quiet_ms; /* 0: the configured one does */
	bool banner;	       /* its console is on this port: a boot is seen */
	struct firmware firmware; /* that ran when it was last asked */
	unsigned int interface;	  /* of several, the one that answers SMP, counted from 1; 0: not known */
	unsigned int usb;	  /* ... of the firmware with these vendor and product ids; 0: not known */
};

/* The boot under way. */
enum boot_stage { BOOT_NONE, BOOT_EARLY, BOOT_LOADER, BOOT_APPLICATION };
enum boot_sign {
	BOOT_SIGN_LOADER, /* a line of MCUboot */
	BOOT_SIGN_ZEPHYR, /* Zephyr's line */
	BOOT_SIGN_BACK,	  /* after a reset of ours the port came back */
	BOOT_SIGN_AWAY,	  /* ... nothing answers */
	BOOT_SIGN_TAKEN,  /* ... it answers again, having said that it would reset */
};
struct boot {
	enum boot_stage stage;
	uint64_t loader_ms;
	bool told;
};

struct device_private {
	uv_loop_t *loop;
	uv_timer_t timer;	/* of the state */
	uv_timer_t watchdog;	/* requests that nobody answers any more */
	uv_fs_event_t watch;	/* the directory of a tty that is not there */
	unsigned int handles;
	bool watching, watch_closing, closing;
	void (*closed)(void *user);
	void *closed_user;

	bool announced; /* observers have been told that it is there */
	bool manual; /* a tty of the configuration, not USB */
	struct device_candidate candidates[DEVICE_CANDIDATES_MAX];
	size_t candidate_count, candidate;
	bool awaiting; /* the port that answered the last time; the session has none meanwhile */

	unsigned int open_pause_ms, probe_pause_ms, text_pause_ms;
	uint64_t probed_ms; /* end of the last probe */
	uint64_t since_ms;  /* of the last change of state, by a clock that only goes forward */
	uint64_t timeouts_seen, answers_seen;

	struct probe probe;
	struct request reset; /* out of recovery */
	bool resetting;
	bool recovery_reset; /* done since the application was last seen */
	bool text_heard; /* since the last probe: another one is due for it */
	bool expecting;	 /* a reset of ours is under way */
	bool reset_taken; /* ... and the board said that it will */
	struct boot boot;
	struct trouble trouble;
	uint64_t swap_bytes;
	uint64_t fault_told_ms;
	unsigned int faults_untold; /* since then */
	bool stale;	 /* a new configuration waits for the end of the job */
	struct device_learnt learnt;

	struct device_released *released; /* while its tty closes for somebody */
	void (*back)(void *user);
	void *back_user;
};

/* For the registry. learnt may be NULL. The device starts absent. */
int device_new(struct registry *registry, uv_loop_t *loop, const char *id, const struct device_learnt *learnt,
		struct device **ret);
/* A tty of the configuration: opened when it is there, whenever that is. */
int device_set_tty(struct device *d, const struct config_device *config);
/* A USB port of this board came or went. */
void device_plugged(struct device *d, const struct usb_port *port, const struct config_device *config);
void device_unplugged(struct device *d, const char *syspath);
void device_forget_section(struct device *d); /* of one that has no port: it goes by no section any more */
bool device_is_wanted(const struct device *d); /* with a port that a section manages, the one that stands for it */
/* Ends everything; closed() when the device's handles are closed and it is freed. A job must have ended before. */
void device_close(struct device *d, void (*closed)(void *user), void *user);

/* device.c */
void device_set_state(struct device *d, enum device_state state, const char *format, ...) _printf_(3, 4);
void device_arm(struct device *d, unsigned int ms); /* the state's timer: device_timeout; 0 stops it */
void device_forget(struct device *d);		    /* what probing found */
void device_found(struct device *d, enum device_state state); /* ready or recovery: lets requests go, tells who waits */
void device_learned(struct device *d);			      /* something for the state directory */
int device_new_session(struct device *d);		      /* by the section; ends the one of before */
void device_add_handle(struct device *d, uv_handle_t *handle); /* of the device: data is d, closed with device_handle_closed */
void device_handle_closed(uv_handle_t *handle);
bool device_sends(const struct device *d);		      /* its section lets it be probed */

/* device-port.c */
void device_open(struct device *d);
void device_port_timeout(struct device *d);
void device_look_again(struct device *d); /* at a board that was broken: opens what it has, or says that it is absent */
void device_close_port(struct device *d, const char *reason); /* also ends what is in flight */
struct port *device_take_port(struct device *d, const char *reason); /* the same, but the port is the caller's to close; or NULL */
void device_release_candidates(struct device *d);
void device_set_text(char **to, const char *text); /* a copy, or NULL */
bool device_await_over(struct device *d); /* nobody comes: false: nobody was waited for */
bool device_open_other(struct device *d); /* another managed port; false: there is none that might answer */
void device_stop_watching(struct device *d);
bool device_next_candidate(struct device *d); /* tries another port of the board that does not answer; false: has one only */

/* device-resume.c. save: -ENOENT: it is not at rest. resume: false: it is to be treated as freshly attached. */
int device_save_resume(const struct device *d, struct record **ret);
bool device_resume(struct device *d, const struct record *r);
/* registry-resume.c; the caller's, once */
struct record *registry_resume_take(struct registry *r, const char *id);

/* device-boot.c */
unsigned int device_quiet_ms(const struct device *d); /* after an attach */
void device_quiet(struct device *d, unsigned int ms);
void device_foresee_swap(struct device *d); /* by the list of images */
void device_boot_mark(struct device *d, enum console_mark mark);
void device_text(struct device *d);
void device_found_recovery(struct device *d);
void device_boot_cancel(struct device *d);

/* device-event.c */
enum registry_event device_state_event(enum device_state before, enum device_state after);
bool device_boot_seen(struct device *d, enum boot_sign sign); /* false: of a boot that was told already */

/* device-trouble.c: what happened without being asked for; true: the board is broken, and left alone */
bool device_trouble_attached(struct device *d);
bool device_trouble_booted(struct device *d);
void device_trouble_expected(struct device *d); /* a reset of ours causes what comes now */
void device_trouble_over(struct device *d);
void device_trouble_forget(struct device *d);
struct trouble *device_trouble_copy(const struct device *d); /* malloc'd; NULL: nothing to remember */

/* device-probe.c: ends in device_probed */
void device_probe(struct device *d);
void device_probe_cancel(struct device *d);
/* device-boot.c */
void device_probed(struct device *d, bool alive, bool recovery);
