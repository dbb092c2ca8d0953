/* SPDX-License-Identifier: MIT */

#include <check.h>
#include <stdlib.h>

#include "daemon/place.h"
#include "proto/macro.h"
#include "tests/unit/suite.h"

#define PCI "pci-0000:00:14.0-usb-0:"

static const struct fit {
	const char *wanted, *place;
	enum place_fit fit;
} fits[] = {
	{ PCI "1.4", PCI "1.4", PLACE_EXACT },
	{ PCI "1.4", PCI "1.4:1.0", PLACE_EXACT },
	{ PCI "1.4", PCI "1.4:1.12", PLACE_EXACT },
	{ PCI "1.4", PCI "1.4.2:1.0", PLACE_BELOW },
	{ PCI "1.4", PCI "1.4.2.3.1:1.0", PLACE_BELOW },
	{ PCI "1.4", PCI "1.4.2", PLACE_BELOW }, /* a hub below it */
	{ PCI "1.4", PCI "1.40:1.0", PLACE_ELSEWHERE },
	{ PCI "1.4", PCI "1.40.1:1.0", PLACE_ELSEWHERE },
	{ PCI "1.4", PCI "1:1.4", PLACE_ELSEWHERE },
	{ PCI "1.4.2", PCI "1.4:1.0", PLACE_ELSEWHERE },
	{ PCI "1", PCI "1.4:1.0", PLACE_BELOW },
	{ PCI "1", PCI "11:1.0", PLACE_ELSEWHERE },
	{ PCI "1.4:1.2", PCI "1.4:1.2", PLACE_EXACT },
	{ PCI "1.4:1.2", PCI "1.4:1.20", PLACE_ELSEWHERE },
	{ PCI "1.4:1.2", PCI "1.4:1.2.1", PLACE_ELSEWHERE },
	{ PCI "1.4", PCI "1.4:1", PLACE_ELSEWHERE },
	{ PCI "1.4", PCI "1.4:1.0-x", PLACE_ELSEWHERE },
	{ PCI "1.4", PCI "1.4.", PLACE_ELSEWHERE },
	{ PCI "1.4", PCI "1.4.x", PLACE_ELSEWHERE },
	{ PCI "1.4", "pci-0000:00:15.0-usb-0:1.4.1:1.0", PLACE_ELSEWHERE },
	{ "pci-0000:00:14.0", PCI "1.4:1.0", PLACE_BELOW },
	{ "pci-0000:00:14", PCI "1.4:1.0", PLACE_ELSEWHERE },
	{ "pci-0000:00:14.0-usb-0", PCI "1.4:1.0", PLACE_ELSEWHERE },
	{ "platform-xhci-hcd.0.auto-usb-0:1", "platform-xhci-hcd.0.auto-usb-0:1.3:1.0", PLACE_BELOW },
	{ "1-1.4", "1-1.4:1.0", PLACE_EXACT },
	{ "1-1.4", "1-1.4.2:1.0", PLACE_BELOW },
	{ "1-1.4", "1-1.40:1.0", PLACE_ELSEWHERE },
	{ "1-1.4", "11-1.4:1.0", PLACE_ELSEWHERE },
	{ "1-1", "1-1.4:1.0", PLACE_BELOW },
	{ "1-1:1.0", "1-1:1.0", PLACE_EXACT },
	{ "1-1:1.0", "1-1:1.0.1", PLACE_ELSEWHERE },
	{ "usb1", "1-1.4:1.0", PLACE_BELOW },
	{ "usb1", "11-1.4:1.0", PLACE_ELSEWHERE },
	{ "usb1", "usb1", PLACE_EXACT },
	{ "usb", "1-1", PLACE_ELSEWHERE },
	{ "anything", "anything", PLACE_EXACT },
	{ "anything", "anything.1", PLACE_ELSEWHERE },
	{ "anything", "anything:1.0", PLACE_EXACT },
	{ "", "1-1", PLACE_ELSEWHERE },
	{ "1-1", NULL, PLACE_ELSEWHERE },
};

START_TEST(one_fit)
{
	ck_assert_msg(place_fits(fits[_i].wanted, fits[_i].place) == fits[_i].fit, "%s, %s", fits[_i].wanted, fits[_i].place);
}
END_TEST

START_TEST(depths)
{
	static const struct {
		const char *place;
		unsigned int depth;
		bool hub;
	} places[] = {
		{ PCI "1.4.2:1.0", 3, false }, { PCI "1.4.2", 3, true }, { PCI "12", 1, true }, { "pci-0000:00:14.0", 0, true },
		{ "usb1", 0, true }, { "3-2", 1, true }, { "3-2.11", 2, true }, { "3-2.11:1.0", 2, false }, { "3-", 0, true },
		{ "", 0, true },
	};
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		ck_assert_msg(place_depth(places[i].place) == places[i].depth, "%s", places[i].place);
		ck_assert_msg(place_may_be_hub(places[i].place) == places[i].hub, "%s", places[i].place);
	}
}
END_TEST

START_TEST(whole_buses)
{
	static const char *const buses[] = { "usb1", "pci-0000:00:14.0" };
	static const char *const others[] = { "usb", "usbx", "1-1", "pci-0000:00:14.0-usb-0:1", "anything", "" };
	for (size_t i = 0; i < ARRAY_SIZE(buses); i++)
		ck_assert_msg(place_is_bus(buses[i]), "%s", buses[i]);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		ck_assert_msg(!place_is_bus(others[i]), "%s", others[i]);
}
END_TEST

START_TEST(bus_paths)
{
	static const char *const paths[][2] = {
		{ "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1.4/1-1.4:1.2/tty/ttyACM0", "1-1.4:1.2" },
		{ "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-1/1-1.4/1-1.4:1.0/ttyUSB0/tty/ttyUSB0", "1-1.4:1.0" },
		{ "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-1", "1-1" },
		{ "/sys/devices/pci0000:00/0000:00:14.0/usb12", "usb12" },
		{ "/sys/devices/platform/serial8250/tty/ttyS0", NULL },
		{ "/sys/devices/pci0000:00/0000:00:14.0/usb", NULL },
		{ "1-", NULL }, { "", NULL }, { NULL, NULL },
	};
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		_cleanup_free_ char *bus = place_bus_path(paths[i][0]);
		ck_assert_pstr_eq(bus, paths[i][1]);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("place");
	TCase *tcase = tcase_create("place");
	tcase_add_loop_test(tcase, one_fit, 0, (int)ARRAY_SIZE(fits));
	tcase_add_test(tcase, depths);
	tcase_add_test(tcase, whole_buses);
	tcase_add_test(tcase, bus_paths);
	suite_add_tcase(suite, tcase);
	return suite_run(suite);
}
