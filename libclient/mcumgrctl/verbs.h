/* SPDX-License-Identifier: MIT */
#pragma once

/* The rows, a file a group. */

#include "libclient/mcumgrctl/verb.h"

extern const struct verb device_verbs[], lease_verbs[], setup_verbs[], doctor_verbs[], console_verbs[], trace_verbs[], job_verbs[], firmware_verbs[], image_verbs[], os_verbs[],
	stats_verbs[], settings_verbs[], fs_verbs[], shell_verbs[], enum_verbs[], transport_verbs[], zephyr_verbs[], raw_verbs[];

/* With more to them than a row. */
extern const struct arg list_ports_options[];
enum next list_next(struct board *b, json_object *reply, const struct mcumgr_error *error);
char *device_state(json_object *device); /* with what belongs to it; malloc'd */
int wait_prepare(struct ctl *ctl, json_object *parameters);
void wait_event(struct board *b, json_object *reply);
void wait_expired(struct board *b);
char *lease_holder(json_object *lease); /* "alice, 123"; malloc'd */
int lease_lock(struct ctl *ctl);
int lease_release(struct ctl *ctl);
/* The boards that are named as words, by an option or with --all, as `devices`. 0, or an exit code. */
int lease_devices(struct ctl *ctl, json_object *parameters);
int firmware_image_info(struct ctl *ctl);
void os_print_tasks(struct board *b, json_object *reply);
void os_print_pools(struct board *b, json_object *reply);
enum next os_reset_next(struct board *b, json_object *reply, const struct mcumgr_error *error);
void os_reset_event(struct board *b, json_object *reply);
void os_reset_overdue(struct board *b);
int os_prepare_reset(struct ctl *ctl, json_object *parameters);
int os_prepare_set_datetime(struct ctl *ctl, json_object *parameters);
int os_prepare_application_info(struct ctl *ctl, json_object *parameters);
void os_print_application_info(struct board *b, json_object *reply);

/* Reads FILE or - into the daemon and names it in the parameters: `prepare` of verbs with an image file. */
int image_file_put(struct ctl *ctl, json_object *parameters);
