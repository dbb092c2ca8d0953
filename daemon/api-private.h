/* SPDX-License-Identifier: MIT */
#pragma once

/* What the files of the API share. A method is a row of a table: its parameters are checked before it starts. */

#include <json-c/json.h>

#include "daemon/api.h"
#include "daemon/lease.h"
#include "daemon/role.h"
#include "proto/commands.h"
#include "proto/json.h"

#define API_INTERFACE "io.mcumgr"

struct api {
	struct registry *registry;
	struct image_store *images;
	struct lease_book *leases; /* the registry's */
	uv_loop_t *loop;
	struct roles *roles;
	struct {
		pid_t pid;
		char device[65];
		uint64_t ms;
	} typist; /* whose keystrokes the log has told */
	struct cancel *cancels; /* on their way to the disk */
	bool stopping;
};

enum api_type { API_STRING, API_HASH /* SHA-256 in hex */, API_BOOL, API_INT, API_OBJECT, API_STRINGS };

struct api_parameter {
	const char *name;
	enum api_type type;
	bool optional;
	int64_t min, max;	/* of an INT; of STRINGS, how many; of a STRING, max: its bytes, if not 0 */
	const char *one, *other; /* a STRING that is one of two words */
};

struct api_method {
	const char *name;
	const struct api_parameter *parameters; /* ends with one without a name */
	void (*start)(struct api *api, struct call *call);
	enum role role; /* that the caller must have */
	bool needs_more;
};

extern const struct api_method api_service_methods[], api_device_methods[], api_command_methods[], api_image_methods[],
	api_job_methods[], api_file_methods[], api_console_methods[], api_trace_methods[], api_port_methods[], api_watch_methods[], api_lock_methods[],
	api_lease_methods[], api_release_methods[];

/* What many methods take. */
#define API_DEVICE { "device", API_STRING, .optional = true }
#define API_TIMEOUT { "timeoutMs", API_INT, .optional = true, .min = 1, .max = LIMIT_TIMEOUT_MS }
#define API_KEEP { "keepMs", API_INT, .optional = true, .min = LIMIT_LEASE_KEEP_MIN_MS, .max = LIMIT_LEASE_KEEP_MS }
#define API_LEASE { "lease", API_STRING, .optional = true }

/* Checks parameters; names in `skip` (NULL-terminated, may be NULL) are somebody else's. false: the call is answered. */
bool api_check(struct call *call, const struct api_parameter *parameters, bool others_are_unknown);

/* Whether the caller has the role. false: the call is answered with PermissionDenied. */
bool api_permitted(struct api *api, struct call *call, enum role role);
/* The role that a method asks for; Request's depends on what is requested. ROLE_UNSET: there is no such method. */
enum role api_role(const char *method);

/* Answers JobCancel of a job that was told, once that, or its end, is on record. */
void api_cancel_later(struct api *api, struct call *call, struct job *job);
bool api_cancel_is_under_way(const struct api *api, const struct job *job);

/* A method of one SMP command (proto/commands.h). */
void api_command_start(struct api *api, struct call *call, const struct smp_command *command);

/* OsInfo without a format: all fields of a board that was found. */
void api_os_info(struct api *api, struct call *call, const struct smp_command *command, struct device *d);

/* Parameters that were checked. */
const char *api_string(const struct call *call, const char *name); /* NULL: absent */
bool api_bool(const struct call *call, const char *name, bool otherwise);
int64_t api_int(const struct call *call, const char *name, int64_t otherwise);

/* The board that a selector names (NULL: the only one), of this parameter of the call. */
bool api_resolve(struct api *api, struct call *call, const char *parameter, const char *selector, struct device **ret);
/* The board that the call names. false: the call is answered with NoSuchDevice or AmbiguousDevice. */
bool api_device(struct api *api, struct call *call, struct device **ret);
/* The same for calls that change a board: somebody else's lease on it is told (DeviceBusy), and a lease that ended. */
bool api_device_to_change(struct api *api, struct call *call, struct device **ret);
/* The same for a board that is known already. */
bool api_may_change(struct api *api, struct call *call, const char *id);
/* Writes who does what to a board to the log. */
void api_audit(const struct call *call, const struct device *device, const char *what);

/* Members of objects; NULL values are left out. Out of memory leaves the member out too. */
void api_put(json_object *o, const char *name, json_object *value);
void api_put_string(json_object *o, const char *name, const char *value);
void api_put_int(json_object *o, const char *name, int64_t value);
void api_put_hex(json_object *o, const char *name, const uint8_t *data, size_t size);
void api_put_time(json_object *o, const char *name, uint64_t time_us); /* RFC 3339 in UTC */

/* --- leases ------------------------------------------------------------------------------------------------------- */

/* What a connection holds and uses (api-client.c): tokens of leases whose holder it counts as. */
struct api_client {
	struct connection_state state;
	struct api *api;
	char (*tokens)[LEASE_TOKEN_SIZE];
	size_t token_count;
	char **released; /* ids of boards whose ttys it has */
	size_t released_count;
};
/* Of the call's connection; made when there is none yet. NULL: out of memory. */
struct api_client *api_client(struct api *api, const struct call *call);
/* 0; -ENOBUFS: LIMIT_LEASES_CONNECTION; -ENOMEM. */
int api_client_use(struct api_client *c, const char *token);
void api_client_forget(struct api_client *c, const char *token);
void api_client_forget_ended(struct api_client *c);
/* The first of its leases that is still there, or NULL. */
struct lease *api_client_lease(const struct api_client *c);
bool api_client_uses(const struct api_client *c, const struct lease *lease);

/* The boards that the connection has released are the daemon's again (api-release.c). */
void api_client_reclaim(struct api_client *c);

/* What a lease lasts as long as, besides unlocking (api-lease-bond.c): its connection, a process, a time. */
struct lease_bond;
/* pid 0: none; keep_ms 0: none. client: whose connection it is bound to, or NULL. -ESRCH; -ENOSYS or -EPERM: processes cannot be
 * watched here. */
int lease_bond_new(struct api *api, struct api_client *client, pid_t pid, uint64_t keep_ms, struct lease_bond **ret);
void lease_bond_free(struct lease_bond *b); /* of no lease */
void lease_bond_tie(struct lease_bond *b, struct lease *lease);
void lease_bond_keep(struct lease *lease, uint64_t keep_ms); /* a sign of its holder; 0: the time as before */
bool lease_bond_timed(const struct lease *lease);
struct api_client *lease_bond_client(const struct lease *lease);

json_object *api_lease_json(struct registry *registry, const struct lease *lease);
/* token: of a lease that is not there (any more); NULL: none was named. */
void api_fail_no_lease(struct api *api, struct call *call, const char *token);
#define API_HINT_WAIT "mcumgrctl lock --wait waits in line for it"
#define API_HINT_HELD API_HINT_WAIT "; mcumgrctl unlock --force takes it away from its holder"
void api_fail_held(struct api *api, struct call *call, const char *id, const struct lease *lease);

json_object *api_device_json(const struct device *d);
json_object *api_hub_json(struct registry *r, const struct registry_hub *hub);
/* A line, or a piece of one, as the API shows it. */
json_object *api_console_line_json(const struct console_piece *p);
json_object *api_trace_json(const struct trace_entry *e);
json_object *api_job_json(const struct job *job);
json_object *api_image_json(const struct mcuboot_image *image, const uint8_t *data, const char *file_hash);

/* A stream that follows something of a board (api-stream.c); the first member of its owner, and freed with it. */
struct api_stream {
	struct call *call; /* NULL once it has ended */
	char *device;
	uv_timer_t timer; /* its data is the stream */
};
/* An owner of this size, zeroed but for the stream, which is the call's user. NULL: the call has failed. */
void *api_stream_new(struct api *api, struct call *call, const struct device *d, size_t size);
void api_stream_end(struct api_stream *s);  /* when its call has */
void api_stream_gone(struct api_stream *s); /* its board has: ends the call, too */

/* Errors (api-error.c). Each ends the call. */
void api_invalid(struct call *call, const char *parameter, const char *format, ...) _printf_(3, 4);
/* A selector that is neither a name nor an expression; problem: what regex_compile() says of it. */
void api_fail_selector(struct call *call, const char *parameter, const char *selector, const char *problem);
/* name: without the interface; parameters are taken over and completed. hint may be NULL. */
void api_fail(struct call *call, const char *name, json_object *parameters, const char *hint, const char *format, ...)
	_printf_(5, 6);
void api_fail_limit(struct call *call, const char *limit, int64_t maximum, const char *hint, const char *message);
/* selector: what nothing goes by; NULL: nothing was named. */
void api_fail_no_device(struct api *api, struct call *call, const char *selector);
void api_fail_ambiguous(struct call *call, const char *selector, struct device *const *matches, size_t count);
/* reason: NULL: the board's own. */
void api_fail_unavailable(struct call *call, const struct device *d, const char *reason);
void api_fail_stopping(struct call *call);
void api_fail_role(struct call *call, enum role needed, enum role has);

/* A request as its error needs it. */
struct api_request {
	const char *device; /* its id */
	unsigned int group, command;
	size_t message_max;
	bool recovery; /* its bootloader answers */
};
/* By what became of a request (session.h). */
void api_fail_answer(struct call *call, const struct api_request *request, const struct answer *answer);
/* By what device_submit said. */
void api_fail_submit(struct call *call, const struct device *d, int error);
/* By what starting a job said: -ENODEV (text: why), -EBUSY (text: the id of the one that runs), or as device_submit. */
void api_fail_job_start(struct call *call, struct device *d, int error, const char *text);
/* As a job failed. */
void api_fail_failure(struct call *call, const struct failure *failure);
