/* SPDX-License-Identifier: MIT */
#pragma once

/* The parameters of an API error as JSON text, built where no JSON library belongs (jobs and what they run).
 *
 *     struct parameters p = {};
 *     parameters_text(&p, "device", id);
 *     parameters_int(&p, "rc", 8);
 *     return job_fail(job, -EREMOTEIO, "DeviceError", parameters_finish(&p));
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/macro.h"

struct parameters {
	char *data;
	size_t size, capacity;
	bool failed; /* out of memory: finish gives NULL */
};

/* value: control characters are escaped, what is no UTF-8 becomes U+FFFD; NULL: the parameter is left out. key: plain ASCII. */
void parameters_text(struct parameters *p, const char *key, const char *value);
void parameters_format(struct parameters *p, const char *key, const char *format, ...) _printf_(3, 4);
void parameters_int(struct parameters *p, const char *key, int64_t value);
/* Beyond 2^63-1 a decimal string, as everywhere in the API. */
void parameters_uint(struct parameters *p, const char *key, uint64_t value);

/* The JSON object, malloc'd; NULL when memory ran out. p is empty afterwards. */
char *parameters_finish(struct parameters *p);
