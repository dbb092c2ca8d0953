/* SPDX-License-Identifier: MIT */

/* Files that are taken for MCUboot images. What is accepted must lie in the file. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/mcuboot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_image(const struct mcuboot_image *m, size_t size)
{
	if (m->file_size != size || m->total_size > size || m->tlv_count > MCUBOOT_TLV_MAX || m->tlv_count == 0 || !m->hash_type)
		abort();
	for (size_t i = 0; i < m->tlv_count; i++) {
		if (m->tlvs[i].offset + m->tlvs[i].size > m->total_size)
			abort();
		mcuboot_tlv_name(m->tlvs[i].type);
	}
	if (mcuboot_version_compare(m, m->version) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mcuboot_image image;
	enum mcuboot_problem problem;
	char text[200] = "";
	if (mcuboot_parse(data, size, &image, &problem, text, sizeof(text)) == 0)
		check_image(&image, size);
	else if (problem == MCUBOOT_OK || text[0] == '\0' || !memchr(text, '\0', sizeof(text)))
		abort();

	/* a fuzzer does not hit a hash: once more as an encrypted image, which is not hashed */
	if (size <= 16 || size > 1 << 16)
		return 0;
	uint8_t *copy = malloc(size);
	memcpy(copy, data, size);
	copy[16] |= 4;
	if (mcuboot_parse(copy, size, &image, &problem, text, sizeof(text)) == 0)
		check_image(&image, size);
	free(copy);
	return 0;
}
