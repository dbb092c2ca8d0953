/* SPDX-License-Identifier: MIT */
/* The API above a registry and boards that the test plays: readers that are slow, clients that leave, every way a request ends.
 * What real boards answer is tested with the whole daemon. */
#include <stdatomic.h>

#include "daemon/api-private.h"
#include "daemon/device-console.h"
#include "daemon/log.h"
#include "daemon/file-job.h"
#include "daemon/update.h"
#include "proto/json.h"
#include "tests/unit/idl.h"
#include "tests/unit/wire.h"
#include "tests/unit/suite.h"

/* The registry and the boards */

static struct wire wire;
static struct server *server;
static struct api *api;
static struct registry_observer *observers;
static uint64_t number = 100;
static const struct config_device section = { .name = (char *)"bench", .alias = (char *)"red" };
static struct device board = { .id = (char *)"a", .config = &section, .state = DEVICE_READY, .interface = -1 };
static struct request *submitted;
static int submit_result;
static atomic_int submits, cancels, reboots, job_cancels;
static struct job *only_job;
static struct update_options options_seen;

uv_loop_t *registry_loop(struct registry *r _unused_)
{
	return &wire.loop;
}

size_t registry_count(const struct registry *r _unused_)
{
	return 1;
}

struct device *registry_at(struct registry *r _unused_, size_t index _unused_)
{
	return &board;
}

enum resolve_result registry_resolve(struct registry *r _unused_, const char *selector, struct device **ret,
		struct device ***ret_matches _unused_, size_t *ret_count _unused_, char *text _unused_,
		size_t text_size _unused_)
{
	if (selector && strcmp(selector, "a") != 0)
		return RESOLVE_NONE;
	*ret = &board;
	return RESOLVED;
}

int registry_select(struct registry *r _unused_, const char *selector, struct device ***ret_matches, size_t *ret_count,
		char *text _unused_, size_t text_size _unused_)
{
	*ret_matches = calloc(1, sizeof(**ret_matches));
	**ret_matches = &board;
	*ret_count = strcmp(selector, "a") == 0;
	return 0;
}

struct selector {
	char text;
};

int selector_new(const char *text, struct selector **ret, char *reason _unused_, size_t reason_size _unused_)
{
	*ret = calloc(1, sizeof(**ret));
	(*ret)->text = *text;
	return 0;
}

void selector_free(struct selector *s)
{
	free(s);
}

bool selector_matches(const struct selector *s, const struct device *d)
{
	return s->text == *d->id;
}

bool selector_is_exact(const struct selector *s, const struct device *d)
{
	return s->text == *d->id;
}

void registry_observe(struct registry *r _unused_, struct registry_observer *o)
{
	o->next = observers;
	observers = o;
}

void registry_unobserve(struct registry *r _unused_, struct registry_observer *o)
{
	struct registry_observer **p = &observers;

	while (*p != o)
		p = &(*p)->next;
	*p = o->next;
}

uint64_t registry_number(const struct registry *r _unused_)
{
	return number;
}

void registry_tell(struct registry *r _unused_, const struct registry_change *change)
{
	struct registry_change told = *change;

	told.number = ++number;
	for (struct registry_observer *o = observers, *next; o; o = next) {
		next = o->next;
		o->event(o, &told);
	}
}

void registry_changed(struct registry *r, enum registry_event event, struct device *device, struct job *job)
{
	registry_tell(r, &(struct registry_change){ .event = event, .device = device, .job = job });
}

const char *registry_event_name(enum registry_event event)
{
	return event == REGISTRY_CHANGED ? "changed" : "job";
}

int device_release(struct device *d _unused_, const char *to _unused_, void (*done)(void *user) _unused_, void *user _unused_,
		const char **ret_text _unused_)
{
	return -ENOMEM;
}

void device_release_forget(struct device *d _unused_)
{
}

void device_reclaim(struct device *d _unused_)
{
}

/* The book is the real one; what it asks of boards is played. */
static struct lease_book *book;

static enum lease_obstacle no_obstacle(void *user _unused_, const char *id _unused_, bool any _unused_)
{
	return LEASE_FREE;
}

static void lease_changed(void *user _unused_, const char *id _unused_, bool given _unused_)
{
}

static uint64_t lease_wall_us(void *user _unused_)
{
	return 0;
}

struct lease_book *registry_leases(struct registry *r _unused_)
{
	static const struct lease_rack rack = { no_obstacle, lease_changed, lease_wall_us };

	if (!book)
		ck_assert_int_eq(lease_book_new(&rack, NULL, &book), 0);
	return book;
}

uint64_t registry_wall_us(void)
{
	return 0;
}

uint64_t registry_selectable(const struct registry *r _unused_)
{
	return 1;
}

const struct registry_hub *registry_next_hub(const struct registry *r _unused_, const struct registry_hub *previous _unused_)
{
	return NULL;
}

bool registry_hub_has(const struct registry_hub *hub _unused_, const struct device *d _unused_)
{
	return false;
}

int registry_pool(struct registry *r _unused_, const char *selector _unused_, const char ***ret_ids _unused_,
		size_t *ret_count _unused_, char *text _unused_, size_t text_size _unused_)
{
	return -ENOMEM;
}

struct device *registry_by_id(struct registry *r _unused_, const char *id)
{
	return strcmp(id, board.id) == 0 ? &board : NULL;
}

size_t registry_job_count(const struct registry *r _unused_)
{
	return only_job != NULL;
}

struct job *registry_job_at(const struct registry *r _unused_, size_t index _unused_)
{
	return only_job;
}

struct job *registry_job_find(const struct registry *r _unused_, const char *id)
{
	return only_job && strcmp(only_job->id, id) == 0 ? only_job : NULL;
}

void registry_job_save_then(struct registry *r _unused_, struct job *job _unused_,
		void (*done)(void *user, const char *id), void *user)
{
	done(user, NULL);
}

void registry_job_ended_then(struct registry *r _unused_, void (*done)(void *user, const char *id), void *user)
{
	done(user, NULL);
}

const char *device_state_name(const struct device *d _unused_)
{
	return "ready";
}

struct device_console *device_console_usual(const struct device *d)
{
	return d->main;
}

int device_console_find(struct device *d _unused_, int interface _unused_, bool make _unused_,
		struct device_console **ret _unused_)
{
	return -ENOENT;
}

int device_console_type(struct device_console *dc _unused_, const uint8_t *data _unused_, size_t size _unused_,
		const char **ret_text)
{
	*ret_text = NULL;
	return -ENODEV;
}

int device_submit(struct device *d _unused_, struct request *request)
{
	if (submit_result < 0)
		return submit_result;
	submitted = request;
	atomic_fetch_add(&submits, 1);
	return 0;
}

void device_cancel(struct device *d _unused_, struct request *request)
{
	ck_assert_ptr_eq(request, submitted);
	submitted = NULL;
	atomic_fetch_add(&cancels, 1);
}

void device_expect_reboot(struct device *d _unused_, bool recovery_wanted, bool taken _unused_)
{
	atomic_fetch_add(&reboots, recovery_wanted ? 100 : 1);
}

bool device_is_plugged(const struct device *d)
{
	return d->state != DEVICE_ABSENT;
}

bool device_is_managed(const struct device *d _unused_)
{
	return true;
}

void device_reset_state(struct device *d _unused_)
{
}

void device_learn_parameters(struct device *d _unused_, const struct value *reply _unused_)
{
}

int device_learn_images(struct device *d _unused_, const struct value *reply _unused_)
{
	return 0;
}

void device_learn_window(struct device *d _unused_, unsigned int window _unused_)
{
}

void device_limits(const struct device *d _unused_, struct device_limits *ret)
{
	*ret = (struct device_limits){ .message_max = 380, .window_start = 1 };
}

void device_tune(struct device *d _unused_, const struct device_tuning *tuning _unused_)
{
}

int update_start(struct device *device _unused_, struct blob *blob, const struct update_options *options, struct job **ret,
		const char **ret_text)
{
	ck_assert_uint_eq(blob->size, 3);
	options_seen = *options;
	*ret_text = "update-7";
	if (submit_result < 0)
		return submit_result;
	*ret = job_ref(only_job);
	return 0;
}

/* Files are tested with a board (tests/daemon). */
int file_read_start(struct device *device _unused_, const struct file_options *options _unused_, struct job **ret _unused_,
		const char **ret_text)
{
	*ret_text = "download-7";
	return submit_result < 0 ? submit_result : -EBUSY;
}

int file_write_start(struct device *device _unused_, const struct file_options *options _unused_, uint8_t *data,
		size_t size _unused_, struct job **ret _unused_, const char **ret_text)
{
	free(data);
	*ret_text = "file-7";
	return submit_result < 0 ? submit_result : -EBUSY;
}

const uint8_t *file_job_data(const struct job *job _unused_, size_t *ret_size)
{
	*ret_size = 0;
	return NULL;
}

const char *file_job_verified(const struct job *job _unused_)
{
	return NULL;
}

/* Who calls: NULL: as the kernel says */
static const struct peer *played_peer;

void __real_server_read_peer(int fd, struct peer *ret);
void __wrap_server_read_peer(int fd, struct peer *ret);
void __wrap_server_read_peer(int fd, struct peer *ret)
{
	if (played_peer)
		*ret = *played_peer;
	else
		__real_server_read_peer(fd, ret);
}

/* Test bed */

static void set_roles(void *user)
{
	const struct config none = { 0 };
	struct roles *roles;

	ck_assert_int_eq(roles_new(user ? user : &none, &roles), 0);
	api_set_roles(api, roles);
}

static void open_all(void *user _unused_)
{
	static struct image_store *images;
	char *text;

	ck_assert_int_eq(image_store_new(&wire.loop, NULL, &images), 0);
	ck_assert_int_eq(api_new(NULL, images, &api), 0);
	set_roles(NULL);
	ck_assert_int_eq(server_new(&wire.loop, api_handle, api, &server), 0);
	ck_assert_int_eq(server_open(server, wire.path, NULL, &text), 0);
	wire.loop.data = images;
}

static void close_all(void *user _unused_)
{
	server_stop(server, NULL, NULL);
	image_store_close(wire.loop.data);
}

static void setup(void)
{
	submitted = NULL;
	submit_result = 0;
	played_peer = NULL;
	only_job = NULL;
	atomic_store(&submits, 0);
	atomic_store(&cancels, 0);
	atomic_store(&reboots, 0);
	atomic_store(&job_cancels, 0);
	wire_init(&wire);
	open_all(NULL);
	wire_start(&wire);
}

static void teardown(void)
{
	wire_do(&wire, close_all, NULL);
	wire_end(&wire);
	ck_assert_ptr_null(observers);
	api_free(api);
	lease_book_free(TAKE_PTR(book));
}

static bool is_submitted(void *user)
{
	return atomic_load(&submits) >= *(int *)user;
}

static bool is_cancelled(void *user)
{
	return atomic_load(&cancels) >= *(int *)user;
}

static json_object *hear_json(int fd)
{
	char *text = wire_hear(fd);
	json_object *o = NULL;

	ck_assert_ptr_nonnull(text);
	ck_assert_int_eq(json_parse(text, strlen(text), &o, NULL), 0);
	free(text);
	return o;
}

static json_object *at(json_object *o, const char *key)
{
	return json_object_object_get(json_object_object_get(o, "parameters"), key);
}

/* Watch */

#define CHANGES 50000 /* of 180 bytes: twice what may be unsent */

static void change_much(void *user)
{
	for (int i = 0; i < *(int *)user; i++)
		registry_changed(NULL, REGISTRY_CHANGED, &board, NULL);
}

START_TEST(slow_watchers_are_told_what_they_missed)
{
	int fd = wire_connect(&wire), much = CHANGES, one = 1;
	uint64_t expected = 0, missed = 0, changes = 0;
	bool picture = false;

	wire_say(fd, "{\"method\":\"io.mcumgr.Watch\",\"more\":true}");
	for (int i = 0; i < 2; i++) {
		json_object *o = hear_json(fd);

		expected = json_object_get_uint64(at(o, "number"));
		json_object_put(o);
	}
	wire_do(&wire, change_much, &much);
	while (!picture) {
		json_object *o = hear_json(fd);
		const char *event = json_object_get_string(at(o, "event"));

		if (strcmp(event, "changed") == 0) {
			ck_assert_uint_eq(json_object_get_uint64(at(o, "number")), ++expected);
			ck_assert_ptr_null(at(o, "missed"));
			changes++;
		} else if (strcmp(event, "present") == 0) {
			missed = json_object_get_uint64(at(o, "missed"));
			ck_assert_uint_eq(json_object_get_uint64(at(o, "number")), expected + missed);
		} else {
			ck_assert_str_eq(event, "current");
			ck_assert_ptr_null(at(o, "missed"));
			picture = true;
		}
		json_object_put(o);
	}
	ck_assert_uint_gt(missed, 0);
	ck_assert_uint_gt(changes, 1000);
	ck_assert_uint_eq(changes + missed, CHANGES);
	wire_do(&wire, change_much, &one);
	json_object *o = hear_json(fd);
	ck_assert_str_eq(json_object_get_string(at(o, "event")), "changed");
	ck_assert_uint_eq(json_object_get_uint64(at(o, "number")), expected + missed + 1);
	json_object_put(o);
	close(fd);
}
END_TEST

static bool nobody_watches(void *user _unused_)
{
	return !__atomic_load_n(&observers, __ATOMIC_ACQUIRE);
}

START_TEST(watchers_that_leave_are_forgotten)
{
	int fd = wire_connect(&wire);

	wire_say(fd, "{\"method\":\"io.mcumgr.Watch\",\"more\":true}");
	json_object_put(hear_json(fd));
	close(fd);
	ck_assert(wire_wait(nobody_watches, NULL));
}
END_TEST

/* Requests */

START_TEST(leaving_cancels_the_request)
{
	int fd = wire_connect(&wire), one = 1;

	wire_say(fd, "{\"method\":\"io.mcumgr.Echo\",\"parameters\":{\"text\":\"x\"}}");
	ck_assert(wire_wait(is_submitted, &one));
	close(fd);
	ck_assert(wire_wait(is_cancelled, &one));
}
END_TEST

static struct answer answer;

static void finish(void *user _unused_)
{
	struct request *r = submitted;

	submitted = NULL;
	r->done(r, &answer);
}

static const struct {
	struct answer answer;
	const char *error, *parameters;
} answers[] = {
	{ { .error = -EREMOTEIO, .status = { .failed = true, .group = -1, .rc = 3 } }, "DeviceError",
		"\"device\":\"a\",\"group\":null,\"rc\":3,\"name\":\"EINVAL\",\"message\":\"a answered with error 3 EINVAL" },
	{ { .error = -EREMOTEIO, .status = { .failed = true, .group = -1, .rc = 5, .reason = (char *)"no such \"thing\"" } },
		"DeviceError", "\"name\":\"ENOENT\",\"reason\":\"no such \\\"thing\\\"\",\"message\":" },
	{ { .error = -EREMOTEIO, .status = { .failed = true, .group = 1, .rc = 27 } }, "DeviceError",
		"\"group\":1,\"groupName\":\"image\",\"rc\":27,\"name\":" },
	{ { .error = -EREMOTEIO, .status = { .failed = true, .group = 77, .rc = 99 } }, "DeviceError",
		"\"device\":\"a\",\"group\":77,\"rc\":99,\"message\":\"a answered with error 99\",\"hint\":" },
	{ { .error = -EREMOTEIO, .status = { .failed = true, .group = -1, .rc = UINT64_MAX } }, "DeviceError",
		"\"rc\":\"18446744073709551615\",\"message\":\"a answered with error 18446744073709551615\"" },
	{ { .error = -EREMOTEIO, .status = { .failed = true, .group = -1, .rc = 8 } }, "NotSupported",
		"{\"device\":\"a\",\"group\":0,\"command\":0,\"message\":\"a does not have command 0 of group 0 (OS)\",\"hint\":" },
	{ { .error = -ETIMEDOUT, .text = "3 attempts in 1.5 s" }, "TimedOut",
		"{\"device\":\"a\",\"message\":\"a did not answer: 3 attempts in 1.5 s\",\"hint\":" },
	{ { .error = -EAGAIN }, "TimedOut", "\"message\":\"the request waited behind a job of a until its deadline\",\"hint\":" },
	{ { .error = -ENODEV, .text = "unplugged" }, "DeviceGone", "\"message\":\"a went away: unplugged\",\"hint\":" },
	{ { .error = -EBADMSG, .text = "CBOR ends early" }, "ProtocolError",
		"{\"device\":\"a\",\"reason\":\"CBOR ends early\",\"message\":\"the answer of a breaks the protocol: CBOR ends "
		"early\",\"hint\":" },
	{ { .error = -EBUSY }, "LimitExceeded", "{\"limit\":\"queue\",\"maximum\":64,\"message\":" },
	{ { .error = -EMSGSIZE }, "LimitExceeded", "{\"limit\":\"request\",\"maximum\":0,\"message\":" },
};

START_TEST(every_end_of_a_request_has_its_error)
{
	int fd = wire_connect(&wire), one = 1;
	char *text, head[80];

	wire_say(fd, "{\"method\":\"io.mcumgr.Echo\",\"parameters\":{\"text\":\"x\"}}");
	ck_assert(wire_wait(is_submitted, &one));
	answer = answers[_i].answer;
	wire_do(&wire, finish, NULL);
	text = wire_hear(fd);
	snprintf(head, sizeof(head), "{\"error\":\"io.mcumgr.%s\",\"parameters\":{", answers[_i].error);
	ck_assert_msg(strncmp(text, head, strlen(head)) == 0, "%s", text);
	ck_assert_msg(strstr(text, answers[_i].parameters) != NULL, "%s", text);
	ck_assert_msg(strstr(text, "\"message\":\"") && strstr(text, "\"hint\":\""), "%s", text);
	free(text);
	close(fd);
}
END_TEST

static const struct {
	int result;
	const char *text;
} submit_errors[] = {
	{ -ENODEV, "{\"error\":\"io.mcumgr.DeviceUnavailable\",\"parameters\":{\"device\":\"a\",\"state\":\"ready\",\"message\":" },
	{ -EBUSY, "{\"error\":\"io.mcumgr.LimitExceeded\",\"parameters\":{\"limit\":\"queue\",\"maximum\":64," },
	{ -EMSGSIZE, "{\"error\":\"io.mcumgr.LimitExceeded\",\"parameters\":{\"limit\":\"request\"," },
	{ -ENOMEM, "{\"error\":\"io.mcumgr.LimitExceeded\",\"parameters\":{\"limit\":\"memory\"," },
};

START_TEST(every_refusal_of_a_request_has_its_error)
{
	int fd = wire_connect(&wire);
	char *text;

	submit_result = submit_errors[_i].result;
	wire_say(fd, "{\"method\":\"io.mcumgr.Echo\",\"parameters\":{\"text\":\"x\"}}");
	text = wire_hear(fd);
	ck_assert_msg(strstr(text, submit_errors[_i].text) == text, "%s", text);
	free(text);
	close(fd);
}
END_TEST

/* How a call becomes a request, and what the daemon makes of its end. */
static const struct {
	const char *call;
	enum request_class class;
	uint8_t op;
	uint16_t group;
	uint8_t id;
	enum smp_repeat repeat;
	unsigned int answer_ms, timeout_ms;
	int error, reboots; /* 100: into the bootloader */
} requests[] = {
	{ "Echo\",\"parameters\":{\"text\":\"\",\"timeoutMs\":77}", REQUEST_READ, SMP_WRITE, 0, 0, REPEAT_HARMLESS, 0, 77, -EIO, 0 },
	{ "Reset\"", REQUEST_WRITE, SMP_WRITE, 0, 5, REPEAT_NEVER, 0, 0, 0, 1 },
	{ "Reset\"", REQUEST_WRITE, SMP_WRITE, 0, 5, REPEAT_NEVER, 0, 0, -ETIMEDOUT, 1 },
	{ "Reset\"", REQUEST_WRITE, SMP_WRITE, 0, 5, REPEAT_NEVER, 0, 0, -EREMOTEIO, 0 },
	{ "Reset\",\"parameters\":{\"bootMode\":1}", REQUEST_WRITE, SMP_WRITE, 0, 5, REPEAT_NEVER, 0, 0, 0, 100 },
	{ "ImageErase\"", REQUEST_WRITE, SMP_WRITE, 1, 5, REPEAT_NEVER, 60000, 0, 0, 0 },
	{ "SettingsLoad\"", REQUEST_WRITE, SMP_READ, 3, 3, REPEAT_NEVER, 10000, 0, 0, 0 },
	{ "Request\",\"parameters\":{\"operation\":\"read\",\"group\":1,\"command\":0}", REQUEST_READ, SMP_READ, 1, 0, REPEAT_NEVER,
		5000, 0, -EIO, 0 },
	{ "Request\",\"parameters\":{\"operation\":\"write\",\"group\":0,\"command\":0}", REQUEST_READ, SMP_WRITE, 0, 0,
		REPEAT_NEVER, 0, 0, -EIO, 0 },
	{ "Request\",\"parameters\":{\"operation\":\"write\",\"group\":64,\"command\":9}", REQUEST_WRITE, SMP_WRITE, 64, 9,
		REPEAT_NEVER, 0, 0, -EIO, 0 },
	{ "Request\",\"parameters\":{\"operation\":\"write\",\"group\":0,\"command\":5,\"payload\":{\"boot_mode\":1}}", REQUEST_WRITE,
		SMP_WRITE, 0, 5, REPEAT_NEVER, 0, 0, 0, 100 },
};

START_TEST(calls_become_requests)
{
	static const struct value empty = { .kind = VALUE_MAP };
	int fd = wire_connect(&wire), one = 1;
	char call[200];

	snprintf(call, sizeof(call), "{\"method\":\"io.mcumgr.%s}", requests[_i].call);
	wire_say(fd, call);
	ck_assert(wire_wait(is_submitted, &one));
	ck_assert_int_eq(submitted->class, requests[_i].class);
	ck_assert_uint_eq(submitted->op, requests[_i].op);
	ck_assert_uint_eq(submitted->group, requests[_i].group);
	ck_assert_uint_eq(submitted->id, requests[_i].id);
	ck_assert_int_eq(submitted->repeat, requests[_i].repeat);
	ck_assert_uint_eq(submitted->answer_ms, requests[_i].answer_ms);
	ck_assert_uint_eq(submitted->timeout_ms, requests[_i].timeout_ms);
	answer = (struct answer){ .error = requests[_i].error, .payload = &empty };
	wire_do(&wire, finish, NULL);
	free(wire_hear(fd));
	ck_assert_int_eq(atomic_load(&reboots), requests[_i].reboots);
	close(fd);
}
END_TEST

/* Jobs */

static int step_begin(struct job *job _unused_)
{
	return JOB_WAIT;
}

static const struct job_step steps[] = { { "check", step_begin }, { "upload", step_begin }, { NULL } };

static void job_armed(struct job *job _unused_, unsigned int ms _unused_)
{
}

static void job_told(struct job *job)
{
	registry_changed(NULL, REGISTRY_JOB, &board, job);
}

static uint64_t job_now(struct job *job _unused_)
{
	return uv_now(&wire.loop);
}

static void job_explain(struct job *job, int error)
{
	if (error == -ECANCELED)
		atomic_fetch_add(&job_cancels, 1);
	job_fail(job, error, error == -ECANCELED ? "Cancelled" : "NotBooted", strdup("{\"device\":\"a\",\"message\":\"so\"}"));
}

static void job_destroy(struct job *job)
{
	free(job);
	only_job = NULL;
}

static const struct job_owner owner = { job_armed, job_told, job_told, job_now };

static void new_job(void *user)
{
	struct job *job = calloc(1, sizeof(*job));

	job_init(job, "update", steps, &owner, NULL);
	strcpy(job->id, "update-7");
	job->device_id = strdup("a");
	job->destroy = job_destroy;
	job->explain = job_explain;
	job->detached = user != NULL;
	only_job = job;
	job_start(job);
}

static void end_job(void *user)
{
	job_complete(only_job, user ? -EIO : 0);
}

static void drop_job(void *user _unused_)
{
	job_unref(only_job);
}

static void put_file(int fd)
{
	wire_say(fd, "{\"method\":\"io.mcumgr.ImagePut\",\"parameters\":{\"data\":\"YWJj\",\"any\":true}}");
	wire_expect(fd, "{\"parameters\":{\"hash\":\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}}");
}

#define UPDATE(more)                                                                                                   \
	"{\"method\":\"io.mcumgr.Update\",\"more\":" more ",\"parameters\":{"                                          \
	"\"file\":\"BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\",\"confirm\":false,"             \
	"\"imageNumber\":1,\"eraseFirst\":true,\"bootTimeoutMs\":5000}}"

START_TEST(updates_are_followed)
{
	int fd = wire_connect(&wire);
	char *text;

	wire_do(&wire, new_job, NULL);
	put_file(fd);
	wire_say(fd, UPDATE("true"));
	wire_expect(fd, "{\"parameters\":{\"job\":\"update-7\",\"step\":\"check\",\"percent\":0},\"continues\":true}");
	ck_assert(options_seen.no_confirm && options_seen.has_image && options_seen.image == 1 && options_seen.erase_first);
	ck_assert(!options_seen.force_confirm && !options_seen.upload_only && options_seen.boot_timeout_ms == 5000);
	wire_do(&wire, end_job, NULL);
	text = wire_hear(fd);
	ck_assert_msg(strstr(text, "\"step\":\"upload\"") != NULL, "%s", text);
	free(text);
	wire_do(&wire, end_job, &wire); /* it fails */
	wire_expect(fd, "{\"error\":\"io.mcumgr.NotBooted\",\"parameters\":{\"device\":\"a\",\"message\":\"so\"}}");
	wire_say(fd, "{\"method\":\"io.mcumgr.JobWatch\",\"more\":true,\"parameters\":{\"job\":\"update-7\"}}");
	text = wire_hear(fd);
	ck_assert_msg(strstr(text, "\"state\":\"failed\"") && !strstr(text, "continues"), "%s", text);
	ck_assert_ptr_nonnull(strstr(text, "\"error\":{\"error\":\"io.mcumgr.NotBooted\",\"parameters\":{\"device\":\"a\""));
	free(text);
	close(fd);
	wire_do(&wire, drop_job, NULL);
}
END_TEST

START_TEST(updates_without_more_answer_once)
{
	int fd = wire_connect(&wire);
	char *text;

	wire_do(&wire, new_job, NULL);
	put_file(fd);
	wire_say(fd, UPDATE("false"));
	wire_say(fd, "{\"method\":\"io.mcumgr.Nope\"}");
	while (nobody_watches(NULL))
		poll(NULL, 0, 1);
	wire_do(&wire, end_job, NULL);
	wire_do(&wire, end_job, NULL);
	text = wire_hear(fd);
	ck_assert_msg(strstr(text, "\"step\":\"done\"") && !strstr(text, "continues"), "%s", text);
	free(text);
	text = wire_hear(fd);
	ck_assert_ptr_nonnull(strstr(text, "MethodNotFound"));
	free(text);
	close(fd);
	wire_do(&wire, drop_job, NULL);
}
END_TEST

static bool is_job_cancelled(void *user _unused_)
{
	return atomic_load(&job_cancels) == 1;
}

START_TEST(leaving_cancels_the_job_unless_it_is_detached)
{
	bool detached = _i == 1;
	int fd = wire_connect(&wire), other = wire_connect(&wire);
	char *text;

	wire_do(&wire, new_job, detached ? &wire : NULL);
	put_file(fd);
	wire_say(fd, UPDATE("true"));
	free(wire_hear(fd));
	wire_say(other, "{\"method\":\"io.mcumgr.JobWatch\",\"more\":true,\"parameters\":{\"job\":\"update-7\"}}");
	free(wire_hear(other));
	close(fd);
	if (!detached) {
		text = wire_hear(other);
		ck_assert_msg(strstr(text, "\"state\":\"cancelled\"") != NULL, "%s", text);
		free(text);
		ck_assert(wire_wait(is_job_cancelled, NULL));
	} else {
		wire_do(&wire, end_job, NULL);
		wire_do(&wire, end_job, NULL);
		do {
			text = wire_hear(other);
			ck_assert_ptr_null(strstr(text, "cancelled"));
			detached = strstr(text, "\"state\":\"done\"") == NULL;
			free(text);
		} while (detached);
		ck_assert_int_eq(atomic_load(&job_cancels), 0);
	}
	close(other);
	wire_do(&wire, drop_job, NULL);
}
END_TEST

START_TEST(a_busy_board_refuses_a_second_job)
{
	int fd = wire_connect(&wire);
	char *text;

	put_file(fd);
	submit_result = -EBUSY;
	wire_say(fd, UPDATE("true"));
	text = wire_hear(fd);
	ck_assert_msg(strstr(text, "{\"error\":\"io.mcumgr.UpdateRefused\",\"parameters\":{\"device\":\"a\",\"reason\":\"job\","
				    "\"message\":\"the job update-7 runs on a\"") == text, "%s", text);
	free(text);
	close(fd);
}
END_TEST

/* Roles */

static const struct {
	uid_t uid;
	const char *method, *parameters, *missing; /* NULL: allowed */
} permissions[] = {
	{ 3, "org.varlink.service.GetInfo", "{}", NULL },
	{ 3, "io.mcumgr.List", "{}", "read" },
	{ 3, "io.mcumgr.Echo", "{\"text\":\"x\"}", "read" },
	{ 10, "io.mcumgr.List", "{}", NULL },
	{ 10, "io.mcumgr.Jobs", "{}", NULL },
	{ 10, "io.mcumgr.Tasks", "{}", NULL },
	{ 10, "io.mcumgr.Echo", "{\"text\":\"x\"}", NULL },
	{ 10, "io.mcumgr.Reset", "{}", "change" },
	{ 10, "io.mcumgr.Reset", "{\"nonsense\":1}", "change" },
	{ 10, "io.mcumgr.Configure", "{\"retries\":1}", "change" },
	{ 10, "io.mcumgr.ImagePut", "{\"data\":\"\"}", "change" },
	{ 10, "io.mcumgr.JobCancel", "{\"job\":\"x\"}", "change" },
	{ 10, "io.mcumgr.Request", "{\"operation\":\"read\",\"group\":64,\"command\":1}", NULL },
	{ 10, "io.mcumgr.Request", "{\"operation\":\"write\",\"group\":64,\"command\":1}", "change" },
	{ 10, "io.mcumgr.Request", "{\"operation\":\"write\",\"group\":0,\"command\":5}", "change" },
	{ 10, "io.mcumgr.Request", "{\"operation\":\"write\",\"group\":0,\"command\":0}", NULL },
	{ 20, "io.mcumgr.Reset", "{}", NULL },
	{ 20, "io.mcumgr.Request", "{\"operation\":\"write\",\"group\":64,\"command\":1}", NULL },
	{ 30, "io.mcumgr.Reset", "{}", NULL },
};

/* Permitted calls wait for a board that never answers, or are answered with another error. */
START_TEST(calls_need_roles)
{
	struct config config = { .read = (char *)"user:10", .change = (char *)"user:20", .administer = (char *)"user:30" };
	const struct peer peer = { .pid = 1, .uid = permissions[_i].uid, .gid = 1 };
	const char *missing = permissions[_i].missing;
	char text[300];
	int fd, one = 1;

	wire_do(&wire, set_roles, &config);
	played_peer = &peer;
	fd = wire_connect(&wire);
	snprintf(text, sizeof(text), "{\"method\":\"%s\",\"parameters\":%s}", permissions[_i].method, permissions[_i].parameters);
	wire_say(fd, text);
	if (!missing && strstr(permissions[_i].method, "mcumgr.") && !strstr(permissions[_i].method, "List") &&
		!strstr(permissions[_i].method, "Jobs")) {
		ck_assert(wire_wait(is_submitted, &one));
	} else {
		json_object *o = hear_json(fd), *error = json_object_object_get(o, "error");

		if (missing) {
			ck_assert_str_eq(json_object_get_string(error), "io.mcumgr.PermissionDenied");
			ck_assert_str_eq(json_object_get_string(at(o, "role")), missing);
			ck_assert_ptr_nonnull(strstr(json_object_get_string(at(o, "message")), missing));
			ck_assert_int_eq(atomic_load(&submits), 0);
		} else {
			ck_assert_ptr_null(error);
		}
		json_object_put(o);
	}
	close(fd);
}
END_TEST

static const struct idl *idl;

/* What takes a lease changes something, and what else does is named here. */
START_TEST(every_method_has_a_role)
{
	static const char *const changing[] = { "ImagePut", "Lock", "Reclaim" };

	for (size_t i = 0; i < idl->count; i++) {
		const struct idl_member *m = &idl->members[i];
		bool changes = idl_field(&m->in, "lease") != NULL;
		enum role role;

		if (strcmp(m->kind, "method") != 0)
			continue;
		role = api_role(m->name);
		for (size_t k = 0; k < ARRAY_SIZE(changing); k++)
			changes |= strcmp(m->name, changing[k]) == 0;
		ck_assert_msg(role != ROLE_UNSET, "%s: its row of the method table has no role", m->name);
		if (strcmp(m->name, "Request") != 0)
			ck_assert_msg((role >= ROLE_CHANGE) == changes, "%s: role %s, but %s", m->name, role_name(role),
				changes ? "it changes something" : "it takes no lease");
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("api");
	TCase *c = tcase_create("api");
	const char *root = getenv("SOURCE_ROOT");
	char path[4096], *text;

	snprintf(path, sizeof(path), "%s/proto/io.mcumgr.varlink", root ? root : ".");
	text = idl_file(path);
	idl = idl_read(text);
	free(text);
	log_set_level(LOG_LEVEL_ERROR);
	tcase_add_loop_test(c, calls_need_roles, 0, ARRAY_SIZE(permissions));
	tcase_add_test(c, every_method_has_a_role);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, slow_watchers_are_told_what_they_missed);
	tcase_add_test(c, watchers_that_leave_are_forgotten);
	tcase_add_test(c, leaving_cancels_the_request);
	tcase_add_loop_test(c, every_end_of_a_request_has_its_error, 0, ARRAY_SIZE(answers));
	tcase_add_loop_test(c, every_refusal_of_a_request_has_its_error, 0, ARRAY_SIZE(submit_errors));
	tcase_add_loop_test(c, calls_become_requests, 0, ARRAY_SIZE(requests));
	tcase_add_test(c, updates_are_followed);
	tcase_add_test(c, updates_without_more_answer_once);
	tcase_add_loop_test(c, leaving_cancels_the_job_unless_it_is_detached, 0, 2);
	tcase_add_test(c, a_busy_board_refuses_a_second_job);
	suite_add_tcase(s, c);
	return suite_run(s);
}
