#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""embed.py SYMBOL INPUT OUTPUT.c OUTPUT.h: a text file as a C string."""

import sys


def literal(line: bytes) -> str:
    """One line as a C string literal. Octal escapes end after three digits, so nothing can run into them."""
    plain = "".join(chr(b) if 0x20 <= b < 0x7F and b not in b'"\\?' else f"\\{b:03o}" for b in line)
    return f'\t"{plain}"'


def main() -> None:
    symbol, source, c_file, h_file = sys.argv[1:]
    with open(source, "rb") as f:
        lines = f.read().splitlines(keepends=True)
    with open(h_file, "w", encoding="ascii") as f:
        f.write(f"#pragma once\n\nextern const char {symbol}[];\n")
    with open(c_file, "w", encoding="ascii") as f:
        name = h_file.rsplit("/", 1)[-1]
        f.write(f'#include "{name}"\n\nconst char {symbol}[] =\n' + "\n".join(literal(x) for x in lines or [b""]) + ";\n")


if __name__ == "__main__":
    main()
