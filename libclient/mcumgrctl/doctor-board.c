/* SPDX-License-Identifier: MIT */
/* A board that the daemon manages: by its state, by what it prints, and by an echo. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "libclient/mcumgrctl/doctor.h"
#include "proto/json.h"
#include "proto/macro.h"

#define BUFFER_SMALL 256 /* below, some replies do not fit (task statistics), and uploads crawl */
#define LOOK_AT_LINES 200
#define NOISE_MIN 8	   /* characters */
#define NOISE_PERCENT 25

/* --- what it prints ----------------------------------------------------------------------------------------------- */

struct heard {
	size_t characters, noise; /* noise: no UTF-8, or control bytes */
	char *last;		  /* the last line with something on it */
	char *crash;		  /* the last line that tells of a fatal error */
};

static void hear_line(struct heard *h, json_object *line)
{
	const char *text = member_string(line, "text"), *mark = member_string(line, "mark"), *s;
	size_t length;

	for (s = text; s && *s; s += length) {
		length = json_utf8_length(s, strlen(s));
		length = length ? length : 1;
		h->characters++;
		h->noise += strncmp(s, "\xef\xbf\xbd", 3) == 0;
	}
	if (!text || !*text)
		return;
	free(h->last);
	h->last = format("%s", text);
	if (mark && (strcmp(mark, "fatal") == 0 || strcmp(mark, "assert") == 0)) {
		free(h->crash);
		h->crash = format("%s", text);
	}
}

static void listen_to(struct doctor *d, const char *id, struct heard *h)
{
	_cleanup_json_ json_object *parameters = json_object_new_object(), *reply = NULL;
	size_t i;

	json_object_object_add(parameters, "device", json_object_new_string(id));
	json_object_object_add(parameters, "backlog", json_object_new_int(LOOK_AT_LINES));
	reply = doctor_call(d, "Console", parameters, NULL, NULL);
	for (i = 0; i < member_count(reply, "lines"); i++)
		hear_line(h, member_at(reply, "lines", i));
}

static json_object *section_of(const struct doctor *d, const char *name)
{
	size_t i;

	for (i = 0; name && i < member_count(d->ports, "sections"); i++) {
		json_object *section = member_at(d->ports, "sections", i);
		const char *is = member_string(section, "name");

		if (is && strcmp(is, name) == 0)
			return section;
	}
	return NULL;
}

static void say_noise(struct doctor *d, json_object *device)
{
	json_object *section = section_of(d, member_string(device, "section"));
	int64_t baud = 115200;

	member_int(section, "baud", &baud);
	doctor_say(d, "baud", DOCTOR_PROBLEM, "what it prints is noise: %" PRId64 " baud is probably not its speed", baud);
	doctor_advise(d, "Give [device %s] baud = what the board's firmware has (current-speed in its devicetree),",
		section ? show_key(section, "name") : "NAME");
	doctor_advise(d, "often 115200, 921600 or 1000000; or there is no common ground, or a level shifter is missing.");
}

static void say_console(struct doctor *d, const struct heard *h)
{
	doctor_say(d, "console", DOCTOR_PROBLEM, "it prints, and does not answer SMP: the last line is \"%s\"", show(h->last));
	doctor_advise(d, "This port is its console. SMP is on another one, or is not built in: CONFIG_MCUMGR=y, and");
	doctor_advise(d, "CONFIG_MCUMGR_TRANSPORT_UART=y with zephyr,uart-mcumgr for this UART, or CONFIG_MCUMGR_TRANSPORT_SHELL=y.");
}

static void say_silent(struct doctor *d)
{
	doctor_say(d, "console", DOCTOR_PROBLEM, "it neither answers nor prints");
	doctor_advise(d, "Does firmware with SMP run on it? Are RX and TX crossed, and is it powered?");
	doctor_advise(d, "Firmware with CONFIG_MCUMGR_TRANSPORT_RAW_UART needs framing = raw in its section.");
}

static void check_silence(struct doctor *d, json_object *device)
{
	struct heard h = { 0 };

	listen_to(d, member_string(device, "id"), &h);
	if (h.crash) {
		doctor_say(d, "crash", DOCTOR_PROBLEM, "its firmware has crashed: \"%s\"", show(h.crash));
		doctor_advise(d, "mcumgrctl console -n 50 shows what came before.");
	} else if (h.noise >= NOISE_MIN && h.noise * 100 >= h.characters * NOISE_PERCENT) {
		say_noise(d, device);
	} else if (h.last) {
		say_console(d, &h);
	} else {
		say_silent(d);
	}
	free(h.last);
	free(h.crash);
}

/* --- whether it answers ------------------------------------------------------------------------------------------- */

static bool answers(struct doctor *d, const char *id, char **ret_error)
{
	_cleanup_json_ json_object *parameters = json_object_new_object(), *reply = NULL;

	json_object_object_add(parameters, "device", json_object_new_string(id));
	json_object_object_add(parameters, "text", json_object_new_string("mcumgrctl doctor"));
	reply = doctor_call(d, "Echo", parameters, ret_error, NULL);
	return reply;
}

static void check_buffer(struct doctor *d, json_object *device)
{
	int64_t size, delay;

	if (member_int(device, "bufferSize", &size) && size < BUFFER_SMALL) {
		doctor_say(d, "buffer", DOCTOR_WARNING, "its buffer for SMP has %" PRId64 " bytes: some answers do not fit (rc 7)", size);
		doctor_advise(d, "CONFIG_MCUMGR_TRANSPORT_NETBUF_SIZE=1024 makes uploads faster, too.");
	}
	if (member_int(device, "lineDelayMs", &delay) && delay > 0) {
		doctor_say(d, "pacing", DOCTOR_WARNING, "it loses lines that come at once: %" PRId64 " ms are left between them", delay);
		doctor_advise(d, "CONFIG_UART_MCUMGR_RX_BUF_COUNT=8 makes uploads faster.");
	}
}

static void check_ready(struct doctor *d, json_object *device)
{
	_cleanup_free_ char *error = NULL;
	int64_t version;

	/* Its section says that nothing is sent unasked, or ever. */
	if (!member_int(device, "smpVersion", &version) && member_string(device, "reason")) {
		doctor_say(d, "answer", DOCTOR_UNKNOWN, "%s", show_key(device, "reason"));
		return;
	}
	if (answers(d, member_string(device, "id"), &error)) {
		doctor_say(d, "answer", DOCTOR_OK, "it answers%s%s", member_string(device, "version") ? ", and runs " : "",
			show_key(device, "version"));
	} else {
		doctor_say(d, "answer", DOCTOR_PROBLEM, "it answered a while ago, and does not now: %s", show(error));
		check_silence(d, device);
	}
	check_buffer(d, device);
}

/* --- by its state ------------------------------------------------------------------------------------------------- */

static void say_reason(struct doctor *d, json_object *device, const char *check, const char *what)
{
	const char *reason = member_string(device, "reason");

	if (reason && strcmp(reason, what) == 0)
		reason = NULL;
	doctor_say(d, check, DOCTOR_PROBLEM, "%s since %s%s%s", what, show_key(device, "since"), reason ? ": " : "",
		reason ? show(reason) : "");
}

/* Where it was, or is expected. */
static void check_absent(struct doctor *d, json_object *device)
{
	const char *serial = member_string(device, "serial"), *path = member_string(device, "path");

	say_reason(d, device, "plugged", "not plugged in");
	doctor_advise(d, "%s%s%s%s%s%sIs the cable one with data lines, is the board powered?",
		serial || path ? "It is the board" : "", serial ? " with serial number " : "", serial ? show(serial) : "",
		path ? " in " : "", path ? show(path) : "", serial || path ? ". " : "");
}

static void check_unavailable(struct doctor *d, json_object *device)
{
	say_reason(d, device, "port", "its tty cannot be opened");
	doctor_advise(d, "The daemon tries again, and at once when the port changes.");
}

static void check_recovery(struct doctor *d, json_object *device)
{
	say_reason(d, device, "bootloader", "its bootloader answers (MCUboot serial recovery), not its firmware");
	doctor_advise(d, "No image that boots: mcumgrctl firmware update FILE works there, too.");
	doctor_advise(d, "Or something keeps it there: a button, a pin, a byte during the boot (quiet_ms of its section is");
	doctor_advise(d, "longer than MCUboot waits?). mcumgrctl os system-reset leaves it.");
}

static void check_broken(struct doctor *d, json_object *device)
{
	say_reason(d, device, "flapping", "it is left alone");
	doctor_advise(d, "Cable, hub or power, or firmware that crashes as it starts: mcumgrctl console shows what it printed.");
	doctor_advise(d, "It is tried again when it is quiet, or at once: mcumgrctl reset-state");
}

static void check_unresponsive(struct doctor *d, json_object *device)
{
	say_reason(d, device, "answer", "it does not answer");
	check_silence(d, device);
}

static void check_starting(struct doctor *d, json_object *device)
{
	doctor_say(d, "answer", DOCTOR_UNKNOWN, "it is being looked at (%s)", show_key(device, "state"));
	doctor_advise(d, "A few seconds more: mcumgrctl wait-for");
}

static void check_busy(struct doctor *d, json_object *device)
{
	json_object *job = json_object_object_get(device, "job");

	doctor_say(d, "answer", DOCTOR_OK, "it is busy with job %s (%s)", show_key(job, "id"), show_key(job, "kind"));
	check_buffer(d, device);
}

static void check_released(struct doctor *d, json_object *device)
{
	doctor_say(d, "answer", DOCTOR_UNKNOWN, "%s", show_key(device, "reason"));
	doctor_advise(d, "When that has ended, the daemon opens it again; then it answers others.");
}

static const struct {
	const char *state;
	void (*check)(struct doctor *d, json_object *device);
} checks[] = {
	{ "absent", check_absent },
	{ "opening", check_starting },
	{ "quiet", check_starting },
	{ "probing", check_starting },
	{ "ready", check_ready },
	{ "busy", check_busy },
	{ "recovery", check_recovery },
	{ "unresponsive", check_unresponsive },
	{ "unavailable", check_unavailable },
	{ "broken", check_broken },
	{ "released", check_released },
};

static void check_lease(struct doctor *d, json_object *device)
{
	json_object *lease = json_object_object_get(device, "lease");

	if (!lease)
		return;
	doctor_say(d, "lease", DOCTOR_WARNING, "%s (%s) has it alone since %s", show_key(lease, "user"), show_key(lease, "command"),
		show_key(lease, "since"));
	doctor_advise(d, "Until it is given back, others may look at the board, and change nothing.");
}

void doctor_board(struct doctor *d, json_object *device)
{
	const char *state = member_string(device, "state");
	size_t i;

	for (i = 0; state && i < ARRAY_SIZE(checks); i++)
		if (strcmp(checks[i].state, state) == 0)
			checks[i].check(d, device);
	check_lease(d, device);
}
