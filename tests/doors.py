#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Doors open one way: who may include what (docs/architecture.md). Also: every source file says its licence."""
import pathlib
import re
import sys

TOP = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__ + "/../..").resolve()

# A header, by what it matches, and the files that may see it.
ONLY = [
    (r"<termios\.h>|<asm/termbits\.h>|<asm/termios\.h>", r"daemon/port[a-z-]*\.[ch]|tests/|libclient/mcumgrctl/"),
    (r"<libudev\.h>", r"daemon/usb[a-z-]*\.[ch]|tests/"),
    (r"<uv\.h>", r"daemon/|tests/"),
    (r"<cbor\.h>", r"proto/value[a-z-]*\.[ch]|tests/"),
    (r"<json-c/", r"proto/(varlink|json|commands|cbor-json)[a-z-]*\.[ch]|daemon/(server|api|image-store|update|state|job|registry-jobs)[a-z-]*\.[ch]|libclient/|tests/|docs/examples/"),
    (r'"daemon/', r"daemon/|tests/"),
    (r'"libclient/|<mcumgr\.h>', r"libclient/|tests/|docs/examples/"),
    (r'"daemon/(server|api)', r"daemon/(server|api|main)[a-z-]*\.[ch]|tests/"),
    (r'"daemon/(registry)\.h', r"daemon/(registry|device|update|job|file-job|api|server|main|state|transfer-run|dry-run)[a-z-]*\.[ch]|tests/"),
    (r'"daemon/(device|job|update|image-store)', r"daemon/(registry|device|job|file-job|update|transfer-run|state|api|server|main|image-store)[a-z-]*\.[ch]|tests/"),
]
# proto/ is Sans-I/O: no clock, no descriptors, no logging.
SANS_IO = re.compile(r"<(unistd|fcntl|poll|sys/socket|sys/ioctl|time|sys/time|signal|pthread)\.h>|daemon/log\.h")


def main():
    bad = []
    files = [p for d in ("proto", "daemon", "libclient", "tests", "docs") for p in sorted((TOP / d).rglob("*.[ch]"))]
    for path in files:
        name = path.relative_to(TOP).as_posix()
        lines = path.read_text(encoding="utf-8").splitlines()
        if not any("SPDX-License-Identifier: MIT" in line for line in lines[:3]):
            bad.append(f"{name}:1: no SPDX-License-Identifier line")
        for number, line in enumerate(lines, 1):
            if not line.startswith("#include"):
                continue
            for what, allowed in ONLY:
                if re.search(what, line) and not re.match(allowed, name):
                    bad.append(f"{name}:{number}: may not include {line.split(None, 1)[1]}")
            if name.startswith("proto/") and SANS_IO.search(line):
                bad.append(f"{name}:{number}: proto/ does no I/O: {line}")
    print("\n".join(bad) or f"{len(files)} files: every door opens the right way")
    return 1 if bad or not files else 0


sys.exit(main())
