/* SPDX-License-Identifier: MIT */

#include "daemon/config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/config-private.h"
#include "daemon/limits.h"
#include "daemon/place.h"
#include "daemon/usb.h"

static const struct config_device defaults = {
	.baud = 115200,
	.timeout_ms = 500,
	.retries = 2,
	.quiet_ms = 1500,
	.line_delay_ms = -1,
	.broken_count = 10,
	.broken_window_ms = 120000,
	.console_lines = LIMIT_CONSOLE_LINES,
	.console_bytes = LIMIT_CONSOLE_BYTES,
	.log_size = 10u << 20,
	.log_count = 4,
};

struct config_device *config_add_device(struct config *c, char *name)
{
	struct config_device *devices = realloc(c->devices, (c->device_count + 1) * sizeof(*devices));
	if (!devices) {
		free(name);
		return NULL;
	}
	c->devices = devices;
	struct config_device *d = &devices[c->device_count++];
	*d = defaults;
	d->name = name;
	return d;
}

static void release_device(struct config_device *d)
{
	regex_free(d->regex);
	free(d->name);
	free(d->file);
	free(d->match);
	free(d->serial);
	free(d->path);
	free(d->tty);
	free(d->alias);
	free(d->tags);
}

void config_free(struct config *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->device_count; i++)
		release_device(&c->devices[i]);
	free(c->devices);
	free(c->file);
	free(c->socket);
	free(c->state_dir);
	free(c->private_dir);
	free(c->log_dir);
	free(c->tty_dir);
	free(c->group);
	free(c->read);
	free(c->change);
	free(c->administer);
	free(c);
}

/* A file name below the directory that an environment variable names; NULL when it is not set to an absolute path. */
static char *below(const char *variable, const char *name)
{
	const char *directory = getenv(variable);
	char *path;
	if (!directory || *directory != '/')
		return NULL;
	size_t length = strcspn(directory, ":"); /* systemd lists several directories that way */
	return asprintf(&path, "%.*s%s", (int)length, directory, name) < 0 ? NULL : path;
}

static char *default_socket(void)
{
	return geteuid() ? below("XDG_RUNTIME_DIR", "/mcumgr/io.mcumgr") : strdup("/run/mcumgr/io.mcumgr");
}

static char *default_state_dir(void)
{
	char *path = below("STATE_DIRECTORY", "");
	if (!path && !geteuid())
		path = strdup("/var/lib/mcumgr");
	if (!path)
		path = below("XDG_STATE_HOME", "/mcumgr");
	return path ? path : below("HOME", "/.local/state/mcumgr");
}

static int read_file(const char *file, char **ret, struct problems *problems)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	_cleanup_free_ char *content = malloc(LIMIT_CONFIG_BYTES + 1);
	size_t size = 0;
	ssize_t n = content ? 1 : -1;
	while (n > 0 && size <= LIMIT_CONFIG_BYTES) {
		n = read(fd, content + size, LIMIT_CONFIG_BYTES + 1 - size);
		size += n > 0 ? (size_t)n : 0;
	}
	int error = n < 0 ? -errno : 0;
	close(fd);
	if (error < 0)
		return error;
	if (size > LIMIT_CONFIG_BYTES) {
		problems_add(problems, "%s: larger than %u bytes", file, LIMIT_CONFIG_BYTES);
		return -EFBIG;
	}
	if (memchr(content, 0, size)) {
		problems_add(problems, "%s: not a text file (it has a zero byte)", file);
		return -EINVAL;
	}
	content[size] = 0;
	*ret = TAKE_PTR(content);
	return 0;
}

static int load(struct config *c, const char *file, bool may_be_missing, bool *ret_written, struct problems *problems)
{
	_cleanup_free_ char *content = NULL;
	int r = read_file(file, &content, problems);
	if (r == -ENOENT && may_be_missing)
		return 0;
	if (r < 0) {
		if (r != -EFBIG && r != -EINVAL)
			problems_add(problems, "%s: cannot be read: %s", file, strerror(-r));
		return r;
	}
	if (!c->file)
		c->file = strdup(file);
	if (!c->file)
		return -ENOMEM;
	if (ret_written)
		*ret_written = content[strspn(content, " \t\r\n")];
	config_parse(c, file, content, problems);
	return problems->text ? -EINVAL : 0;
}

static int is_drop_in(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);
	return *entry->d_name != '.' && length > 5 && !strcmp(entry->d_name + length - 5, ".conf");
}

/* All problems of all files are told at once. */
static int load_drop_ins(struct config *c, const char *file, struct problems *problems)
{
	_cleanup_free_ char *directory = NULL;
	struct dirent **entries;
	int error = 0;

	if (asprintf(&directory, "%s.d", file) < 0)
		return -ENOMEM;
	int count = scandir(directory, &entries, is_drop_in, alphasort);
	if (count < 0 && errno != ENOENT && errno != ENOTDIR) {
		error = -errno;
		problems_add(problems, "%s: cannot be read: %s", directory, strerror(-error));
	}
	for (int i = 0; i < count; i++) {
		_cleanup_free_ char *path = NULL;
		if (asprintf(&path, "%s/%s", directory, entries[i]->d_name) < 0)
			error = -ENOMEM;
		else if (load(c, path, false, NULL, problems) < 0)
			error = -EINVAL;
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return error;
}

static int load_all(struct config *c, const char *file, bool may_be_missing, struct problems *problems)
{
	int r = load(c, file, may_be_missing, &c->written, problems), dropped = load_drop_ins(c, file, problems);

	config_check(c, problems);
	return r < 0 ? r : dropped < 0 ? dropped : problems->text ? -EINVAL : 0;
}

int config_load(const char *file, bool may_be_missing, struct config **ret, char **ret_text)
{
	struct problems problems = { 0 };
	_cleanup_(config_freep) struct config *c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->log_level = LOG_LEVEL_INFO;
	int r = file ? load_all(c, file, may_be_missing, &problems) : 0;
	if (r < 0) {
		*ret_text = problems.text;
		return r;
	}
	if (!c->socket)
		c->socket = default_socket();
	if (!c->state_dir)
		c->state_dir = default_state_dir();
	*ret = TAKE_PTR(c);
	return 0;
}

static bool is_id(const char *name)
{
	return *name && strlen(name) <= 64 && !name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789._-")];
}

/* An id from the last part of the tty's name, as far as its characters allow. */
static char *id_from_tty(const char *tty)
{
	const char *slash = strrchr(tty, '/');
	char *name = strdup(slash ? slash + 1 : tty);
	for (char *s = name; s && *s; s++) {
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s - 'A' + 'a');
		else if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789._-", *s))
			*s = '-';
	}
	return name;
}

static struct config_device *find_port_by_name(struct config *c, const char *name)
{
	for (size_t i = 0; i < c->device_count; i++)
		if (c->devices[i].tty && !strcmp(c->devices[i].name, name))
			return &c->devices[i];
	return NULL;
}

static bool set_port_key(struct config_device *d, char *item, char *text, size_t text_size)
{
	char *equals = strchr(item, '=');
	if (!equals) {
		snprintf(text, text_size, "'%s': expected KEY=VALUE", item);
		return false;
	}
	*equals = 0;
	if (!strcmp(item, "match") || !strcmp(item, "serial") || !strcmp(item, "path")) {
		snprintf(text, text_size, "'%s' is for boards on USB; a tty is named here", item);
		return false;
	}
	if (strcmp(item, "name"))
		return config_set_port(d, item, equals + 1, text, text_size);
	if (!is_id(equals + 1)) {
		snprintf(text, text_size, "bad name '%s'; allowed: 1 to 64 of a-z, 0-9, '.', '_' and '-'", equals + 1);
		return false;
	}
	free(d->name);
	d->name = strdup(equals + 1);
	return d->name;
}

static bool fill_port(struct config_device *d, const char *argument, char *text, size_t text_size)
{
	_cleanup_free_ char *copy = strdup(argument);
	char *rest = copy, *tty = strsep(&rest, ",");
	if (!tty)
		return false;
	if (!strncmp(tty, "udp:", 4) || !strncmp(tty, "ble:", 4)) {
		snprintf(text, text_size, "boards over UDP and Bluetooth are not supported, serial ports only");
		return false;
	}
	if (*tty != '/') {
		snprintf(text, text_size, "'%s': a tty is named by its absolute path, such as /dev/ttyS0", tty);
		return false;
	}
	d->tty = strdup(tty);
	d->name = id_from_tty(tty);
	for (char *item; d->tty && d->name && (item = strsep(&rest, ","));)
		if (!set_port_key(d, item, text, text_size))
			return false;
	return d->tty && d->name;
}

int config_add_port(struct config *c, const char *argument, char **ret_text)
{
	struct problems problems = { 0 };
	char text[640] = "out of memory";
	struct config_device d = defaults;
	bool good = fill_port(&d, argument, text, sizeof(text));
	const struct config_device *other = good ? find_port_by_name(c, d.name) : NULL;
	if (other) {
		snprintf(text, sizeof(text), "'%s' is the name of %s already; give another with name=", d.name, other->tty);
		good = false;
	}
	struct config_device *added = good ? config_add_device(c, NULL) : NULL;
	if (!added) {
		release_device(&d);
		problems_add(&problems, "--port %s: %s", argument, text);
		*ret_text = problems.text;
		return -EINVAL;
	}
	*added = d;
	return 0;
}

static enum place_fit at_path(const struct config_device *d, const struct usb_port *port)
{
	enum place_fit by_id_path = place_fits(d->path, port->path), by_bus = place_fits(d->path, port->bus_path);
	return by_id_path > by_bus ? by_id_path : by_bus;
}

/* How well a section fits a port; 0: it does not. */
enum rank { RANK_NONE, RANK_CLASS, RANK_HUB, RANK_PINNED = UINT16_MAX };

static unsigned int rank(const struct config_device *d, const struct usb_port *port, const char *identifier)
{
	enum place_fit place = d->path ? at_path(d, port) : PLACE_ELSEWHERE;

	if (d->tty || (!d->serial && !d->path && !d->regex))
		return RANK_NONE;
	if (d->serial && (!port->serial || strcmp(d->serial, port->serial)))
		return RANK_NONE;
	if ((d->path && place == PLACE_ELSEWHERE) || (d->regex && !regex_matches(d->regex, identifier)))
		return RANK_NONE;
	if (d->serial || place == PLACE_EXACT)
		return RANK_PINNED;
	return place == PLACE_BELOW ? RANK_HUB + place_depth(d->path) : RANK_CLASS;
}

bool config_has_tag(const struct config_device *d, const char *tag)
{
	size_t length = strlen(tag);

	for (const char *s = d->tags; s && *s; s += strcspn(s, " "), s += strspn(s, " "))
		if (strcspn(s, " ") == length && strncmp(s, tag, length) == 0)
			return true;
	return false;
}

const struct config_device *config_find(const struct config *c, const struct usb_port *port)
{
	char identifier[64];
	usb_port_identifier(port, identifier, sizeof(identifier));
	const struct config_device *best = NULL;
	unsigned int best_rank = RANK_NONE;
	for (size_t i = 0; i < c->device_count; i++) {
		unsigned int r = rank(&c->devices[i], port, identifier);
		if (r > best_rank) {
			best = &c->devices[i];
			best_rank = r;
		}
	}
	return best;
}
