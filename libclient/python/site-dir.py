#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Where this interpreter looks for packages below a prefix: site-dir.py PREFIX. meson 1.0 takes Debian's scheme for the wrong
one of two: below /usr/local that folder is not on the path of Debian's python3."""
import pathlib
import site
import sys
import sysconfig


def folder(prefix):
    below = [p for p in [*site.getsitepackages(), *sys.path] if pathlib.Path(prefix) in pathlib.Path(p).parents]
    packages = [p for p in below if pathlib.Path(p).name in ("site-packages", "dist-packages") and p in sys.path]
    # /usr is also the parent of /usr/local.
    near = [p for p in packages if prefix != "/usr" or not p.startswith("/usr/local/")]
    if near:
        return near[0]
    return sysconfig.get_path("purelib", "posix_prefix", {"base": prefix, "platbase": prefix})


if __name__ == "__main__":
    print(folder(sys.argv[1].rstrip("/") or "/"))
