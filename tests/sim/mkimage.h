/* SPDX-License-Identifier: MIT */
#pragma once

/* `mcumgr-sim image …`: writes an image file. Returns an exit code. */
int mkimage_main(int argc, char **argv);
