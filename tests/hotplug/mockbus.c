/* SPDX-License-Identifier: MIT */

/*
 * mockbus: a USB bus that exists only for programs which run with libumockdev-preload and the root
 * folder that is printed first ("root PATH", to be given to them as UMOCKDEV_DIR). Must itself run
 * with that preload.
 *
 * Commands are lines on stdin, each answered by "ok" or "error: TEXT". End of input takes all away.
 *
 *   add NODE path=HUBPATH vid=HEX pid=HEX [serial=S] [iface=N] [tty=PATH] [driver=D] [KEY=VALUE]...
 *       A tty (NODE: ttyACM0) of the board in hub port HUBPATH (1-2, 1-2.4); its device node leads to
 *       PATH, a pty. Interfaces of one board have the same path. A KEY in capitals sets a udev
 *       property, or with an empty value leaves it out. %XX stands for any byte.
 *   node NODE [tty=PATH]     where its device node leads from now on, without an event
 *   event NODE action=A      the event (change, or add once more) and nothing else
 *   remove NODE
 *   hub HUBPATH [type=9/0/1] [ID_PATH=]    a hub in that hub port; boards that come are below it
 *   unhub HUBPATH            when nothing is below it any more
 */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <umockdev.h>
#include <unistd.h>

#define EVENT_GAP_NS (2 * 1000 * 1000) /* the mock's event socket holds ten events */

struct board {
	char *path, *syspath;
	unsigned int ports;
};

struct port {
	char *node, *syspath, *interface;
	struct board *board;
};

struct bus {
	UMockdevTestbed *testbed;
	char *root;
	GHashTable *boards, *ports; /* by path, by node */
	GHashTable *hubs;	    /* by path: syspath */
	UMockdevIoctlBase *ioctls;
	GHashTable *passed_on; /* device nodes that it looks after */
};

/* The words of an `add`, by key; all of them strings. */
static const char *word(GHashTable *words, const char *key, const char *otherwise)
{
	const char *value = g_hash_table_lookup(words, key);

	return value ? value : otherwise;
}

/* NULL: a word is not KEY=VALUE. */
static GHashTable *parse_words(char *text)
{
	GHashTable *words = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	char *entry;

	while ((entry = strsep(&text, " "))) {
		char *value = strchr(entry, '=');

		if (!*entry)
			continue;
		if (!value) {
			g_hash_table_unref(words);
			return NULL;
		}
		*value++ = '\0';
		g_hash_table_insert(words, g_strdup(entry), g_uri_unescape_string(value, NULL));
	}
	return words;
}

static void leave_gap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = EVENT_GAP_NS}, NULL);
}

static void send_event(struct bus *bus, const char *syspath, const char *action)
{
	leave_gap();
	umockdev_testbed_uevent(bus->testbed, syspath, action);
}

/* Sends the "add" event, too. The caller frees the path. */
static char *add_device(struct bus *bus, const char *subsystem, const char *name, const char *parent,
	const char *const *attributes, const char *const *properties)
{
	leave_gap();
	return umockdev_testbed_add_devicev(
		bus->testbed, subsystem, name, parent, (char **)attributes, (char **)properties);
}

static char *node_file(const struct bus *bus, const char *node)
{
	return g_build_filename(bus->root, "dev", node, NULL);
}

/* To the preload in the program: do it yourself. */
#define UNHANDLED (-100)

static gboolean on_ioctl(UMockdevIoctlBase *handler, UMockdevIoctlClient *client, void *user)
{
	(void)handler;
	(void)user;
	umockdev_ioctl_client_complete(client, UNHANDLED, 0);
	return TRUE;
}

/* A device of the mock would answer ioctls itself, and knows none of a tty: let them reach the pty. */
static void pass_ioctls_on(struct bus *bus, const char *node)
{
	g_autofree char *devname = g_strdup_printf("/dev/%s", node);
	g_autoptr(GError) error = NULL;

	if (!g_hash_table_add(bus->passed_on, g_strdup(devname)))
		return;
	if (!umockdev_testbed_attach_ioctl(bus->testbed, devname, bus->ioctls, &error))
		g_printerr("mockbus: %s: %s\n", devname, error->message);
}

static void set_node(const struct bus *bus, const char *node, const char *target)
{
	g_autofree char *file = node_file(bus, node);

	unlink(file);
	if (target && symlink(target, file) < 0)
		g_printerr("mockbus: %s: %m\n", file);
}

struct properties {
	GPtrArray *list; /* key, value, key, value, NULL */
	GHashTable *given;
};

/* A property that the command line has not given otherwise; NULL and "" mean none. */
static void property(struct properties *properties, const char *key, const char *value)
{
	const char *given = g_hash_table_lookup(properties->given, key);

	value = given ? given : value;
	if (!value || !*value)
		return;
	g_ptr_array_add(properties->list, g_strdup(key));
	g_ptr_array_add(properties->list, g_strdup(value));
}

static void other_properties(struct properties *properties)
{
	GHashTableIter iter;
	gpointer key, value;

	g_hash_table_iter_init(&iter, properties->given);
	while (g_hash_table_iter_next(&iter, &key, &value)) {
		bool known = false;

		for (guint i = 0; i < properties->list->len; i += 2)
			known |= strcmp(properties->list->pdata[i], key) == 0;
		if (g_ascii_isupper(*(char *)key) && !known)
			property(properties, key, NULL);
	}
}

/* Hub port 1-2.4 as udev's path_id says it: pci-0000:00:14.0-usb-0:2.4, then the interface. */
static char *path_id(const char *path, const char *interface)
{
	return g_strdup_printf("pci-0000:00:14.0-usb-0:%s%s%s", strchr(path, '-') + 1, interface ? ":1." : "",
		interface ? interface : "");
}

/* The nearest hub above a place; NULL: the bus. */
static const char *hub_above(struct bus *bus, const char *path)
{
	g_autofree char *above = g_strdup(path);
	char *dot;

	while ((dot = strrchr(above, '.'))) {
		*dot = '\0';
		const char *hub = g_hash_table_lookup(bus->hubs, above);
		if (hub)
			return hub;
	}
	return NULL;
}

static const char *add_hub(struct bus *bus, const char *path, GHashTable *words)
{
	g_autofree char *id_path = path_id(path, NULL);
	const char *attributes[] = {"bDeviceClass", "09", NULL};
	const char *properties[] = {"DEVTYPE", "usb_device", "TYPE", word(words, "type", "9/0/1"), "ID_PATH",
		word(words, "ID_PATH", id_path), NULL};

	if (!strchr(path, '-') || g_hash_table_contains(bus->hubs, path))
		return "a hub port without a hub is needed";
	if (!*properties[5])
		properties[4] = NULL;
	g_hash_table_insert(bus->hubs, g_strdup(path),
		add_device(bus, "usb", path, hub_above(bus, path), attributes, properties));
	return NULL;
}

static const char *remove_hub(struct bus *bus, const char *path)
{
	const char *syspath = g_hash_table_lookup(bus->hubs, path);

	if (!syspath)
		return "no such hub";
	send_event(bus, syspath, "remove");
	umockdev_testbed_remove_device(bus->testbed, syspath);
	g_hash_table_remove(bus->hubs, path);
	return NULL;
}

static struct board *board_of(struct bus *bus, GHashTable *words)
{
	const char *path = word(words, "path", NULL), *vid = word(words, "vid", ""), *pid = word(words, "pid", "");
	const char *serial = word(words, "serial", NULL);
	struct board *board = g_hash_table_lookup(bus->boards, path);
	const char *attributes[] = {"idVendor", vid, "idProduct", pid, serial ? "serial" : NULL, serial, NULL};
	g_autofree char *id_path = path_id(path, NULL);
	const char *properties[] = {"DEVTYPE", "usb_device", "ID_BUS", "usb", "ID_VENDOR_ID", vid, "ID_MODEL_ID", pid,
		"ID_PATH", id_path, serial ? "ID_SERIAL_SHORT" : NULL, serial, NULL};

	if (board)
		return board;
	board = g_new0(struct board, 1);
	board->path = g_strdup(path);
	board->syspath = add_device(bus, "usb", path, hub_above(bus, path), attributes, properties);
	g_hash_table_insert(bus->boards, board->path, board);
	return board;
}

static GPtrArray *tty_properties(const char *node, GHashTable *words, const char *interface_hex)
{
	struct properties properties = {g_ptr_array_new_with_free_func(g_free), words};
	const char *serial = word(words, "serial", NULL);
	g_autofree char *devname = g_strdup_printf("/dev/%s", node);
	g_autofree char *id_path = path_id(word(words, "path", NULL), word(words, "iface", "0"));
	g_autofree char *id_serial = g_strdup_printf("mcumgrd_Mock_board%s%s", serial ? "_" : "", serial ? serial : "");
	g_autofree char *links = g_strdup_printf(
		"/dev/serial/by-id/usb-%s-if%s /dev/serial/by-path/%s", id_serial, interface_hex, id_path);

	property(&properties, "DEVNAME", devname);
	property(&properties, "DEVLINKS", links);
	property(&properties, "MAJOR", "166");
	property(&properties, "MINOR", node + strcspn(node, "0123456789"));
	property(&properties, "ID_BUS", "usb");
	property(&properties, "ID_VENDOR", "mcumgrd");
	property(&properties, "ID_VENDOR_ID", word(words, "vid", NULL));
	property(&properties, "ID_MODEL", "Mock_board");
	property(&properties, "ID_MODEL_ID", word(words, "pid", NULL));
	property(&properties, "ID_SERIAL", id_serial);
	property(&properties, "ID_SERIAL_SHORT", serial);
	property(&properties, "ID_USB_INTERFACE_NUM", interface_hex);
	property(&properties, "ID_USB_DRIVER", word(words, "driver", "cdc_acm"));
	property(&properties, "ID_PATH", id_path);
	other_properties(&properties);
	g_ptr_array_add(properties.list, NULL);
	return properties.list;
}

static const char *add(struct bus *bus, const char *node, GHashTable *words)
{
	const char *path = word(words, "path", "");
	g_autofree char *interface_hex = g_strdup_printf("%02x", (unsigned int)atoi(word(words, "iface", "0")));
	g_autofree char *interface_name = g_strdup_printf("%s:1.%d", path, atoi(word(words, "iface", "0")));
	const char *attributes[] = {"bInterfaceNumber", interface_hex, NULL};
	const char *properties[] = {"DEVTYPE", "usb_interface", "DRIVER", word(words, "driver", "cdc_acm"), NULL};
	const char *dev[] = {"dev", "166:0", NULL};
	g_autoptr(GPtrArray) tty = NULL;
	struct port *port;

	if (g_hash_table_contains(bus->ports, node))
		return "there is one of that name";
	if (!strchr(path, '-'))
		return "path=BUS-PORT is needed";
	port = g_new0(struct port, 1);
	port->node = g_strdup(node);
	port->board = board_of(bus, words);
	port->board->ports++;
	port->interface = add_device(bus, "usb", interface_name, port->board->syspath, attributes, properties);
	pass_ioctls_on(bus, node);
	set_node(bus, node, word(words, "tty", NULL)); /* before anybody hears of it */
	tty = tty_properties(node, words, interface_hex);
	port->syspath = add_device(bus, "tty", node, port->interface, dev, (const char *const *)tty->pdata);
	g_hash_table_insert(bus->ports, port->node, port);
	return NULL;
}

static void remove_port(struct bus *bus, struct port *port)
{
	struct board *board = port->board;

	set_node(bus, port->node, NULL);
	send_event(bus, port->syspath, "remove");
	umockdev_testbed_remove_device(bus->testbed, port->syspath);
	umockdev_testbed_remove_device(bus->testbed, port->interface);
	g_hash_table_remove(bus->ports, port->node);
	g_free(port->node);
	g_free(port->syspath);
	g_free(port->interface);
	g_free(port);
	if (--board->ports > 0)
		return;
	send_event(bus, board->syspath, "remove");
	umockdev_testbed_remove_device(bus->testbed, board->syspath);
	g_hash_table_remove(bus->boards, board->path);
	g_free(board->path);
	g_free(board->syspath);
	g_free(board);
}

/* Returns what is wrong, or NULL. */
static const char *run(struct bus *bus, const char *verb, const char *node, GHashTable *words)
{
	struct port *port;

	if (strcmp(verb, "add") == 0)
		return add(bus, node, words);
	if (strcmp(verb, "hub") == 0)
		return add_hub(bus, node, words);
	if (strcmp(verb, "unhub") == 0)
		return remove_hub(bus, node);
	port = g_hash_table_lookup(bus->ports, node);
	if (!port)
		return "no such port";
	if (strcmp(verb, "remove") == 0)
		remove_port(bus, port);
	else if (strcmp(verb, "event") == 0)
		send_event(bus, port->syspath, word(words, "action", "change"));
	else if (strcmp(verb, "node") == 0)
		set_node(bus, node, word(words, "tty", NULL));
	else
		return "add, node, event, remove, hub or unhub";
	return NULL;
}

static void run_line(struct bus *bus, char *line)
{
	char *verb = strsep(&line, " "), *node = strsep(&line, " ");
	g_autoptr(GHashTable) words = parse_words(line);
	const char *wrong = node && words ? run(bus, verb, node, words) : "VERB NODE KEY=VALUE...";

	if (wrong)
		printf("error: %s\n", wrong);
	else
		puts("ok");
}

int main(void)
{
	struct bus bus = {.testbed = umockdev_testbed_new()};
	g_autofree char *dev = NULL;
	char line[4096];

	setvbuf(stdout, NULL, _IOLBF, 4096);
	bus.root = umockdev_testbed_get_root_dir(bus.testbed);
	bus.boards = g_hash_table_new(g_str_hash, g_str_equal);
	bus.ports = g_hash_table_new(g_str_hash, g_str_equal);
	bus.hubs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	bus.ioctls = umockdev_ioctl_base_new();
	g_signal_connect(bus.ioctls, "handle-ioctl", G_CALLBACK(on_ioctl), NULL);
	bus.passed_on = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	dev = g_build_filename(bus.root, "dev", NULL);
	g_mkdir_with_parents(dev, 0755);
	printf("root %s\n", bus.root);
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		run_line(&bus, line);
	}
	g_hash_table_unref(bus.ports);
	g_hash_table_unref(bus.boards);
	g_hash_table_unref(bus.hubs);
	g_hash_table_unref(bus.passed_on);
	g_free(bus.root);
	g_object_unref(bus.testbed);
	g_object_unref(bus.ioctls);
	return 0;
}
