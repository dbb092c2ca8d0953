/* SPDX-License-Identifier: MIT */
#pragma once

/* One line an event: to the journal under systemd (JOURNAL_STREAM), with the fields MCUMGRD_DEVICE and MCUMGRD_TOPIC beside the
 * message, else to standard error with the time. device is the board's id or NULL; topic is one word ("usb", "port", "session", "update", "api"). info for changes
 * of state, debug for frames. Text from outside is printed with control bytes escaped. */

#include <stdbool.h>

#include "proto/macro.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

int log_level_parse(const char *name, enum log_level *ret); /* error, warning, info, debug */
void log_set_level(enum log_level level);
void log_write(enum log_level level, const char *device, const char *topic, const char *format, ...) _printf_(4, 5);
int log_enabled(enum log_level level);
bool log_is_journal(void); /* standard error is */

#define log_error(device, topic, ...) log_write(LOG_LEVEL_ERROR, device, topic, __VA_ARGS__)
#define log_warning(device, topic, ...) log_write(LOG_LEVEL_WARNING, device, topic, __VA_ARGS__)
#define log_info(device, topic, ...) log_write(LOG_LEVEL_INFO, device, topic, __VA_ARGS__)
#define log_debug(device, topic, ...)                                                                                  \
	do {                                                                                                           \
		if (log_enabled(LOG_LEVEL_DEBUG))                                                                      \
			log_write(LOG_LEVEL_DEBUG, device, topic, __VA_ARGS__);                                        \
	} while (0)
