#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What the pages of the documentation point to is there: files, headings, and names of files in the tree."""
import pathlib
import re
import sys

TOP = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else __file__ + "/../..").resolve()
BUILT = {"daemon/mcumgrd", "libclient/mcumgrctl/mcumgrctl", "tests/sim/mcumgr-sim"}  # below the build folder


def without_code(text):
    return re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)


def anchors(page):
    headings = re.findall(r"^#+ (.*)", without_code(page.read_text()), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", h.strip().lower()).replace(" ", "-") for h in headings}


def problems(page):
    text = without_code(page.read_text())
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if re.match(r"https?://", link):
            continue
        if not target.exists():
            yield f"there is no {link}"
        elif anchor and anchor not in anchors(target):
            yield f"{link} has no such heading"
    for name in re.findall(r"`((?:daemon|docs|libclient|proto|script|systemd|tests)/[\w./-]+)`", text):
        if name not in BUILT and not (TOP / name).exists():
            yield f"there is no {name}"


def main():
    pages = [TOP / "README.md", *sorted((TOP / "docs").glob("*.md"))]
    found = [f"{page.relative_to(TOP)}: {problem}" for page in pages for problem in problems(page)]
    print("\n".join(found) or f"{len(pages)} pages")
    return 1 if found or len(pages) < 8 else 0


sys.exit(main())
