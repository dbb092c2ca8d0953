/* SPDX-License-Identifier: MIT */

/* The update's failures in words: what happened, and in which state the board is now. */

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "daemon/update-private.h"
#include "proto/hex.h"

static const char *const phase_names[] = {
#define X(name, text) text,
	UPDATE_PHASES(X)
#undef X
};

const char *update_phase_name(enum update_phase phase)
{
	return phase_names[phase];
}

static char *where_recovery(const struct update *u)
{
	/* Cut short before anything was answered, or with an earlier daemon: the old application may be whole. */
	if (u->phase == PHASE_UPLOADING && !u->wrote)
		return strdup("The application's slot may be written in part: then the board stays in its bootloader until an upload "
			      "is complete.");
	if (u->phase == PHASE_UPLOADING)
		return strdup("The application's slot is written in part: the board stays in its bootloader until an upload is "
			      "complete.");
	return strdup("The image is written to the application's slot: a reset boots it.");
}

char *update_where(const struct update *u)
{
	const char *old = u->old_version[0] ? u->old_version : "the image it ran before";
	const char *version = u->job.version[0] ? u->job.version : "the file";
	bool may_boot = u->flagless || !u->has_marks;
	_cleanup_free_ char *runs = NULL;
	char *text = NULL;
	int n = 0;

	if (u->recovery && (u->phase == PHASE_UPLOADING || u->phase == PHASE_UPLOADED))
		return where_recovery(u);
	/* What went may have been reset, and be up again with another image. */
	if (asprintf(&runs, u->gone ? "The board ran %s when it was last seen" : "The board runs %s", old) < 0)
		return NULL;
	switch (u->phase) {
	case PHASE_BEFORE:
		return strdup("Nothing was changed on the board.");
	case PHASE_UPLOADING:
		/* Its last chunk may be under way, or only the answer to it. */
		n = asprintf(&text, "%s; the upload to its other slot is incomplete%s.", runs,
				may_boot ? "; if its end arrived all the same, a reset may boot it" : ", and a reset does not boot it");
		break;
	case PHASE_UPLOADED:
		n = asprintf(&text, "%s; %s is in its other slot, %s.", runs, version,
				may_boot ? "and a reset may boot it" : "not marked: a reset does not boot it");
		break;
	case PHASE_MARKING:
		n = asprintf(&text, "%s; %s is in its other slot and may be marked%s.", runs, version,
				may_boot ? "; a reset may boot it" : ": if so, the next reset boots it");
		break;
	case PHASE_MARKED:
		n = asprintf(&text, "%s; %s is marked%s: the next reset boots it.", runs, version,
				u->options.force_confirm ? "" : " for test");
		break;
	case PHASE_RESET:
		n = asprintf(&text, "The reset was sent: whether the board runs %s or %s is not known.", old, version);
		break;
	case PHASE_BOOTED:
		n = asprintf(&text, u->confirming ? "The board ran %s when it was last seen, and may be confirmed: if not, a reset goes "
						   "back to %s."
						 : "The board ran %s when it was last seen, not confirmed: a reset goes back to %s.",
				version, old);
		break;
	case PHASE_CONFIRMED:
		n = asprintf(&text, "The board runs %s, confirmed.", version);
		break;
	}
	return n < 0 ? NULL : text;
}

/* device, step and message, which all failures have; the sentence about the board ends the message. */
static void common(struct update *u, struct parameters *p, const char *what)
{
	_cleanup_free_ char *where = update_where(u);

	parameters_text(p, "device", u->job.device_id);
	parameters_text(p, "step", u->job.step->name);
	parameters_format(p, "message", "%s. %s", what, where ? where : "");
}

int update_fail_remote(struct update *u, const struct smp_status *status, uint16_t group, uint8_t id)
{
	const char *group_name = status->group >= 0 ? smp_group_name((unsigned int)status->group) : NULL;
	const char *name = smp_rc_name(status->group, status->rc), *text = smp_rc_text(status->group, status->rc);
	_cleanup_free_ char *what = NULL;
	struct parameters p = {0};

	if (asprintf(&what, "The board answered %s%s%s (rc %" PRIu64 "): %s", group_name ? group_name : "",
			    group_name ? " " : "", name ? name : "an unknown code", status->rc,
			    status->reason ? status->reason
				    : text ? text
					   : "no reason given") < 0)
		what = NULL;
	if (status->group >= 0)
		parameters_int(&p, "group", status->group);
	parameters_text(&p, "groupName", group_name);
	parameters_uint(&p, "rc", status->rc);
	parameters_text(&p, "name", name);
	parameters_text(&p, "reason", status->reason);
	common(u, &p, what ? what : "The board answered with an error");
	parameters_text(&p, "hint",
			group == SMP_OS && id == 5 ? "its application refuses the reset now; os system-reset --force insists"
						   : smp_rc_hint(status->group, status->rc, group, id));
	return job_fail(&u->job, -EREMOTEIO, "DeviceError", parameters_finish(&p));
}

int update_fail_protocol(struct update *u, const char *reason, const char *hint)
{
	struct parameters p = {0};

	parameters_text(&p, "reason", reason);
	common(u, &p, reason);
	parameters_text(&p, "hint", hint);
	return job_fail(&u->job, -EPROTO, "ProtocolError", parameters_finish(&p));
}

int update_fail_answer(struct update *u, int error)
{
	const struct answer *answer = u->answer;
	struct parameters p = {0};

	switch (error) {
	case -EREMOTEIO:
		if (answer)
			return update_fail_remote(u, &answer->status, u->request.group, u->request.id);
		break;
	case -ETIMEDOUT:
	case -EAGAIN:
		common(u, &p, answer && answer->text ? answer->text : "The board did not answer");
		return job_fail(&u->job, error, "TimedOut", parameters_finish(&p));
	case -EBADMSG:
		if (!answer || !answer->text)
			return update_fail_protocol(u, "the board's list of images is malformed", NULL);
		break;
	case -ENODEV:
		u->gone = true;
		common(u, &p, answer && answer->text ? answer->text : "The board went away");
		return job_fail(&u->job, error, "DeviceGone", parameters_finish(&p));
	}
	return update_fail_protocol(u, answer && answer->text ? answer->text : strerror(-error), NULL);
}

static int fail_format(struct update *u, int error, const char *name, const char *reason, const char *hint,
		const char *format, va_list args)
{
	_cleanup_free_ char *what = NULL, *where = update_where(u);
	struct parameters p = {0};

	if (vasprintf(&what, format, args) < 0)
		what = NULL;
	if (strcmp(name, "BadImage") != 0)
		parameters_text(&p, "device", u->job.device_id);
	parameters_text(&p, "reason", reason);
	parameters_format(&p, "message", "%s. %s", what ? what : reason, where ? where : "");
	parameters_text(&p, "hint", hint);
	return job_fail(&u->job, error, name, parameters_finish(&p));
}

int update_fail_image(struct update *u, const char *reason, const char *hint, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int r = fail_format(u, -EINVAL, "BadImage", reason, hint, format, args);
	va_end(args);
	return r;
}

int update_refuse(struct update *u, const char *reason, const char *hint, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int r = fail_format(u, -EPERM, "UpdateRefused", reason, hint, format, args);
	va_end(args);
	return r;
}

int update_not_booted(struct update *u, const char *reason, const char *hint, const char *format, ...)
{
	/* What runs is known when the board was seen, and only then. */
	bool known = strcmp(reason, "silent") != 0 && u->sight != SIGHT_STUCK;
	const struct image_slot *active = known ? update_active(u) : NULL;
	char running[2 * MCUBOOT_HASH_MAX + 1] = "";
	_cleanup_free_ char *what = NULL;
	struct parameters p = {0};
	va_list args;

	va_start(args, format);
	if (vasprintf(&what, format, args) < 0)
		what = NULL;
	va_end(args);
	if (active)
		hex_text(active->hash, active->hash_size, running);
	parameters_text(&p, "device", u->job.device_id);
	parameters_text(&p, "reason", reason);
	parameters_text(&p, "expected", u->job.hash);
	parameters_text(&p, "running", running[0] ? running : NULL);
	parameters_text(&p, "message", what ? what : reason);
	parameters_text(&p, "hint", hint);
	return job_fail(&u->job, -ESTALE, "NotBooted", parameters_finish(&p));
}

void update_explain(struct job *job, int error)
{
	struct update *u = update_of(job);
	struct parameters p = {0};

	if (error == -ECANCELED) {
		common(u, &p, u->resumed || u->only_look ? "The daemon ended in the middle of it" : "It was cancelled");
		job_fail(job, error, "Cancelled", parameters_finish(&p));
	} else {
		update_fail_answer(u, error);
	}
}
