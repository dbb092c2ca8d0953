/* SPDX-License-Identifier: MIT */
#include "mkimage.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "image.h"
#include "sim.h"
#include "util.h"

static const struct option options[] = {
	{ "version", required_argument, NULL, 'v' }, { "size", required_argument, NULL, 's' },
	{ "seed", required_argument, NULL, 'r' },    { "hash", required_argument, NULL, 'h' },
	{ "pad", required_argument, NULL, 'p' },     { "broken", required_argument, NULL, 'b' },
	{ "protected", no_argument, NULL, 'P' },     { "confirm", no_argument, NULL, 'c' },
	{ "rom-address", required_argument, NULL, 'a' },
	{ "help", no_argument, NULL, 'H' },          { NULL, 0, NULL, 0 },
};

static void usage(FILE *f)
{
	fprintf(f,
		"usage: mcumgr-sim image --version M.m.r[.b] -o FILE [--size BYTES] [--seed N]\n"
		"       [--hash sha256|sha384|sha512] [--protected] [--pad SLOT_SIZE [--confirm]]\n"
		"       [--rom-address N] [--broken KIND]\n"
		"KIND is one of: %s\n",
		image_break_names());
}

static bool number(const char *text, uint64_t max, uint64_t *ret)
{
	char *end;
	unsigned long long v = strtoull(text, &end, 0);

	for (; end != text && (*end == 'K' || *end == 'M'); end++)
		v *= *end == 'K' ? 1024 : 1048576;
	if (end == text || *end || v > max)
		return false;
	*ret = v;
	return true;
}

static bool hash_parse(const char *text, struct image_recipe *r)
{
	unsigned int bits;

	if (sscanf(text, "sha%u", &bits) != 1 || (bits != 256 && bits != 384 && bits != 512))
		return false;
	r->hash_bits = bits;
	return true;
}

/* Takes one option. False when its value is no good. */
static bool option_take(int c, struct image_recipe *r)
{
	uint64_t n = 0;

	switch (c) {
	case 'v':
		return !image_version_parse(optarg, &r->version);
	case 's':
		if (!number(optarg, 1 << 28, &n))
			return false;
		r->size = n;
		return true;
	case 'r':
		return number(optarg, UINT64_MAX, &r->seed);
	case 'h':
		return hash_parse(optarg, r);
	case 'p':
		if (!number(optarg, 1 << 28, &n) || !n || n % FLASH_SECTOR)
			return false;
		r->slot_size = n;
		return true;
	case 'P':
		r->protected_tlvs = true;
		return true;
	case 'c':
		r->confirmed = true;
		return true;
	case 'a':
		r->rom_fixed = true;
		if (!number(optarg, UINT32_MAX, &n))
			return false;
		r->rom_address = (uint32_t)n;
		return true;
	case 'b':
		return !image_break_parse(optarg, &r->broken);
	default:
		return false;
	}
}

static int make(const struct image_recipe *recipe, const char *path)
{
	_cleanup_(freep) uint8_t *file = NULL;
	char version[IMAGE_VERSION_MAX];
	uint8_t hash[64];
	size_t len, hash_len;
	int r = image_make(recipe, &file, &len, hash, &hash_len);

	if (r == -EINVAL) {
		size_t size = recipe->size ? recipe->size : 32768;

		if (recipe->slot_size && size > recipe->slot_size)
			fprintf(stderr, "mcumgr-sim image: --pad: a slot of %zu bytes cannot hold an image of %zu (--size)\n",
				recipe->slot_size, size);
		else
			fprintf(stderr, "mcumgr-sim image: --size: %zu bytes cannot hold header and TLVs\n", size);
		return 2;
	}
	if (!r)
		r = file_write(path, file, len);
	if (r < 0) {
		fprintf(stderr, "mcumgr-sim image: %s: %s\n", path, strerror(-r));
		return 1;
	}
	image_version_format(&recipe->version, version);
	printf("%s ", version);
	for (size_t i = 0; i < hash_len; i++)
		printf("%02x", hash[i]);
	printf("\n");
	return 0;
}

int mkimage_main(int argc, char **argv)
{
	struct image_recipe recipe = { .version = { 1, 0, 0, 0 }, .seed = 1 };
	const char *path = NULL;
	int c, index = 0;

	while ((c = getopt_long(argc, argv, "o:", options, &index)) != -1) {
		if (c == 'o') {
			path = optarg;
		} else if (c == 'H') {
			usage(stdout);
			return 0;
		} else if (!option_take(c, &recipe)) {
			if (c != '?')
				fprintf(stderr, "mcumgr-sim image: --%s: bad value %s\n",
					options[index].name, optarg);
			usage(stderr);
			return 2;
		}
	}
	if (!path || optind != argc) {
		usage(stderr);
		return 2;
	}
	return make(&recipe, path);
}
