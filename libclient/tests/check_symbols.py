# SPDX-License-Identifier: MIT
"""Holds the functions of mcumgr.h and mcumgr-api.h, the symbols of libmcumgr.map and those of the built library against each
other."""

import re
import subprocess
import sys


def declared(header):
    text = re.sub(r"/\*.*?\*/", "", open(header).read(), flags=re.S)
    text = re.sub(r"^typedef .*?;", "", text, flags=re.S | re.M)
    text = re.sub(r"^#define (?:[^\n]*\\\n)*[^\n]*", "", text, flags=re.M)
    return set(re.findall(r"\b(mcumgr_\w+)\([^*]", text))


def mapped(symbols):
    return set(re.findall(r"^\t(mcumgr_\w+);$", open(symbols).read(), flags=re.M))


def exported(library):
    lines = subprocess.run(["nm", "-D", "--defined-only", library], check=True, capture_output=True, text=True).stdout.splitlines()
    names = [line.split()[-1] for line in lines if line.split()[-2] not in "A"]
    return {name.split("@")[0] for name in names}


def main(header, api, symbols, library):
    sets = {"a header": declared(header) | declared(api), symbols: mapped(symbols), library: exported(library)}
    assert not declared(header) & declared(api)
    union = set().union(*sets.values())
    bad = [f"{name} is not in {where}" for where, have in sets.items() for name in sorted(union - have)]
    if not union:
        bad.append("no symbols at all")
    print("\n".join(bad) or f"{len(union)} symbols agree")
    return bool(bad)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
