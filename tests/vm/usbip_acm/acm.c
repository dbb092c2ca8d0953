/* SPDX-License-Identifier: MIT */

#include <string.h>

#include "acm.h"

#define LOW(word) ((uint8_t)((word)&0xff))
#define HIGH(word) ((uint8_t)((word) >> 8))

enum {
	GET_STATUS = 0x00,
	GET_DESCRIPTOR = 0x06,
	SET_LINE_CODING = 0x20,
	GET_LINE_CODING = 0x21,
	SET_CONTROL_LINE_STATE = 0x22,
	SEND_BREAK = 0x23,
};

enum { DEVICE = 1, CONFIGURATION = 2, STRING = 3 };
enum { MANUFACTURER = 1, PRODUCT = 2, SERIAL = 3 };

static int device_descriptor(const struct acm *acm, uint8_t *out)
{
	const uint8_t descriptor[] = {
		18,
		DEVICE,
		0x00,
		0x02, /* USB 2.0 */
		0xef,
		2,
		1,  /* functions are grouped by association */
		64, /* bytes a packet on endpoint 0 */
		LOW(acm->vid),
		HIGH(acm->vid),
		LOW(acm->pid),
		HIGH(acm->pid),
		0x00,
		0x01,
		MANUFACTURER,
		PRODUCT,
		acm->serial[0] ? SERIAL : 0,
		1,
	};

	memcpy(out, descriptor, sizeof(descriptor));
	return sizeof(descriptor);
}

static size_t function_descriptors(unsigned i, uint8_t *out)
{
	const uint8_t control = (uint8_t)(2 * i), data = (uint8_t)(2 * i + 1);
	const uint8_t interrupt = (uint8_t)(0x80 | (2 * i + 1)), bulk = (uint8_t)(2 * i + 2);
	const uint8_t descriptors[] = {
		8,
		11,
		control,
		2,
		2,
		2,
		1,
		0, /* association: two interfaces, ACM */
		9,
		4,
		control,
		0,
		1,
		2,
		2,
		1,
		0, /* control interface */
		5,
		0x24,
		0x00,
		0x10,
		0x01, /* CDC 1.10 */
		5,
		0x24,
		0x01,
		0x00,
		data, /* call management: none */
		4,
		0x24,
		0x02,
		0x06, /* line coding, line state and break */
		5,
		0x24,
		0x06,
		control,
		data, /* union */
		7,
		5,
		interrupt,
		3,
		16,
		0,
		9,
		9,
		4,
		data,
		0,
		2,
		10,
		0,
		0,
		0, /* data interface */
		7,
		5,
		bulk,
		2,
		0x00,
		0x02,
		0, /* 512 bytes a packet: high speed */
		7,
		5,
		(uint8_t)(0x80 | bulk),
		2,
		0x00,
		0x02,
		0,
	};

	memcpy(out, descriptors, sizeof(descriptors));
	return sizeof(descriptors);
}

static int configuration_descriptor(const struct acm *acm, uint8_t *out)
{
	size_t length = 9;

	for (unsigned i = 0; i < acm->functions; i++)
		length += function_descriptors(i, out + length);

	const uint8_t head[] = {
		9,
		CONFIGURATION,
		LOW(length),
		HIGH(length),
		(uint8_t)(2 * acm->functions),
		1,
		0,
		0xc0,
		50,
	};

	memcpy(out, head, sizeof(head));
	return (int)length;
}

static int string_descriptor(const struct acm *acm, unsigned index, uint8_t *out)
{
	const char *text;
	size_t length;

	switch (index) {
	case 0: /* the languages: US English */
		memcpy(out, (const uint8_t[]){4, STRING, 0x09, 0x04}, 4);
		return 4;
	case MANUFACTURER:
		text = "mcumgrd";
		break;
	case PRODUCT:
		text = "Simulated board";
		break;
	case SERIAL:
		text = acm->serial;
		break;
	default:
		return -1;
	}
	length = strlen(text);
	out[0] = (uint8_t)(2 + 2 * length);
	out[1] = STRING;
	for (size_t i = 0; i < length; i++) {
		out[2 + 2 * i] = (uint8_t)text[i];
		out[3 + 2 * i] = 0;
	}
	return out[0];
}

static int standard_request(const struct acm *acm, const uint8_t setup[static 8], uint8_t *reply)
{
	if (!(setup[0] & 0x80))
		return 0; /* set configuration, set interface, clear halt: agreed */
	if (setup[1] == GET_STATUS) {
		reply[0] = reply[1] = 0;
		return 2;
	}
	if (setup[1] != GET_DESCRIPTOR)
		return -1;
	switch (setup[3]) {
	case DEVICE:
		return device_descriptor(acm, reply);
	case CONFIGURATION:
		return configuration_descriptor(acm, reply);
	case STRING:
		return string_descriptor(acm, setup[2], reply);
	default:
		return -1;
	}
}

static void read_line_coding(struct acm_line *line, const uint8_t data[static 7])
{
	line->baud = (uint32_t)data[0] | (uint32_t)data[1] << 8 | (uint32_t)data[2] << 16 | (uint32_t)data[3] << 24;
	line->stop = data[4];
	line->parity = data[5];
	line->bits = data[6];
}

static int write_line_coding(const struct acm_line *line, uint8_t *out)
{
	for (int i = 0; i < 4; i++)
		out[i] = (uint8_t)(line->baud >> 8 * i);
	out[4] = line->stop;
	out[5] = line->parity;
	out[6] = line->bits;
	return 7;
}

static int class_request(struct acm_line *line, const uint8_t setup[static 8], const uint8_t *data, size_t length,
	uint8_t *reply, enum acm_event *ret_event)
{
	switch (setup[1]) {
	case SET_LINE_CODING:
		if (length < 7)
			return -1;
		read_line_coding(line, data);
		*ret_event = ACM_LINE_CODING;
		return 0;
	case GET_LINE_CODING:
		return write_line_coding(line, reply);
	case SET_CONTROL_LINE_STATE:
		line->dtr = setup[2] & 1;
		line->rts = setup[2] & 2;
		*ret_event = ACM_LINE_STATE;
		return 0;
	case SEND_BREAK:
		*ret_event = ACM_BREAK;
		return 0;
	default:
		return -1;
	}
}

int acm_control(struct acm *acm, const uint8_t setup[static 8], const uint8_t *data, size_t length, uint8_t *reply,
	enum acm_event *ret_event, unsigned *ret_function)
{
	const unsigned function = setup[4] / 2u;

	*ret_event = ACM_NOTHING;
	*ret_function = function;
	if ((setup[0] & 0x60) == 0)
		return standard_request(acm, setup, reply);
	if (!acm_is_class_request(setup) || function >= acm->functions)
		return -1;
	return class_request(&acm->line[function], setup, data, length, reply, ret_event);
}
