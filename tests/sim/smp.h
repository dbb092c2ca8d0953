/* SPDX-License-Identifier: MIT */
#pragma once

/*
 * The SMP server of the app: header, versions, errors, and the table of
 * commands (SMP §1, §4, §5). A handler reads the request's fields with
 * request_get(), writes its reply's keys to `reply->w`, and returns 0 or an SMP
 * level rc, which replaces whatever it wrote. A group error is said with
 * reply_error(), after which the handler returns 0.
 */

#include "board.h"
#include "smp-codes.h"

#define SMP_HEADER_LEN 8
#define SMP_OP_READ 0
#define SMP_OP_WRITE 2

struct request {
	uint8_t op, version, seq, id;
	uint16_t group;
	const uint8_t *payload;
	size_t len;
	struct payload map;
	bool has_map;
	struct fault_context where;
};

struct reply {
	struct writer w;
	bool v1;          /* group errors become an rc */
	bool failed;
	uint16_t err_group;
	int err_rc;
	uint64_t cost_us; /* how long the board works on it */
};

typedef int (*smp_handler)(struct board *b, const struct request *req, struct reply *reply);

/* Parses header and payload. False when `len` is less than a header. */
bool request_parse(const uint8_t *msg, size_t len, struct request *ret);
/* RC_INVAL when there is no map, a field is of the wrong type, or is there twice. */
int request_get(const struct request *req, struct payload_want *want, size_t n_want);

void reply_error(struct reply *reply, uint16_t group, int rc);

/* A complete message for the app. */
void smp_message(struct board *b, const uint8_t *msg, size_t len);
/* A complete message for serial recovery. */
void recovery_message(struct board *b, const uint8_t *msg, size_t len);

/* Writes a reply's header in front of its payload, and puts it into ram.replies. */
void reply_finish(struct board *b, const struct request *req, uint8_t version, uint8_t *msg,
		  size_t payload_len);

/* Groups in the order a Zephyr build registers them (SMP §5.10). */
struct smp_group_info {
	uint16_t group;
	const char *name;
	unsigned int handlers; /* highest command id + 1 */
};

size_t smp_groups(const struct board *b, struct smp_group_info *ret, size_t cap);

#define WANT_UINT(k, v) { .key = k, .kind = KIND_UINT, .value = v }
#define WANT_BOOL(k, v) { .key = k, .kind = KIND_BOOL, .value = v }
#define WANT_TEXT(k, v) { .key = k, .kind = KIND_TEXT, .value = v }
#define WANT_BYTES(k, v) { .key = k, .kind = KIND_BYTES, .value = v }

/* The handlers, by file */
int os_echo(struct board *b, const struct request *req, struct reply *reply);
int os_taskstat(struct board *b, const struct request *req, struct reply *reply);
int os_mpstat(struct board *b, const struct request *req, struct reply *reply);
int os_datetime_read(struct board *b, const struct request *req, struct reply *reply);
int os_datetime_write(struct board *b, const struct request *req, struct reply *reply);
int os_reset(struct board *b, const struct request *req, struct reply *reply);
int os_params(struct board *b, const struct request *req, struct reply *reply);
int os_info(struct board *b, const struct request *req, struct reply *reply);
int os_bootloader(struct board *b, const struct request *req, struct reply *reply);

int img_state_read(struct board *b, const struct request *req, struct reply *reply);
int img_state_write(struct board *b, const struct request *req, struct reply *reply);
int img_upload(struct board *b, const struct request *req, struct reply *reply);
int img_erase(struct board *b, const struct request *req, struct reply *reply);
int img_slot_info(struct board *b, const struct request *req, struct reply *reply);

int stat_show(struct board *b, const struct request *req, struct reply *reply);
int stat_list(struct board *b, const struct request *req, struct reply *reply);
int settings_read(struct board *b, const struct request *req, struct reply *reply);
int settings_write(struct board *b, const struct request *req, struct reply *reply);
int settings_delete(struct board *b, const struct request *req, struct reply *reply);
int settings_commit(struct board *b, const struct request *req, struct reply *reply);
int settings_load(struct board *b, const struct request *req, struct reply *reply);
int settings_save(struct board *b, const struct request *req, struct reply *reply);
int shell_exec(struct board *b, const struct request *req, struct reply *reply);
int enum_count(struct board *b, const struct request *req, struct reply *reply);
int enum_list(struct board *b, const struct request *req, struct reply *reply);
int enum_single(struct board *b, const struct request *req, struct reply *reply);
int enum_details(struct board *b, const struct request *req, struct reply *reply);
int transport_connect(struct board *b, const struct request *req, struct reply *reply);
int transport_disconnect(struct board *b, const struct request *req, struct reply *reply);
int transport_status(struct board *b, const struct request *req, struct reply *reply);
int transport_list(struct board *b, const struct request *req, struct reply *reply);
int transport_modes(struct board *b, const struct request *req, struct reply *reply);
int zephyr_erase_storage(struct board *b, const struct request *req, struct reply *reply);

int fs_download(struct board *b, const struct request *req, struct reply *reply);
int fs_upload(struct board *b, const struct request *req, struct reply *reply);
int fs_status(struct board *b, const struct request *req, struct reply *reply);
int fs_checksum(struct board *b, const struct request *req, struct reply *reply);
int fs_types(struct board *b, const struct request *req, struct reply *reply);
int fs_close(struct board *b, const struct request *req, struct reply *reply);
