#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes docs/api.md from proto/io.mcumgr.varlink: api-page.py IDL [--check PAGE]. The IDL's comments are the documentation."""
import re
import sys

HEAD = r"""<!-- Made by docs/api-page.py from proto/io.mcumgr.varlink: change that file, then run it again. -->
# The API of mcumgrd

JSON over a Unix socket, by the [Varlink](https://varlink.org) convention: a call is one NUL-terminated JSON object
`{"method": "io.mcumgr.Echo", "parameters": {"device": "amber", "text": "hi"}}`, the answer another,
`{"parameters": {"text": "hi"}}` or `{"error": "io.mcumgr.TimedOut", "parameters": {...}}`. With `"more": true` a method that
streams answers many times, `"continues": true` in all but the last.

    printf '{"method": "io.mcumgr.List"}\0' | socat -t 5 - UNIX:/run/mcumgr/io.mcumgr | tr '\0' '\n'
    varlinkctl call /run/mcumgr/io.mcumgr io.mcumgr.Echo '{"device": "amber", "text": "hi"}'    # of systemd 255 and later

Every error below carries `message`, a sentence, and most a `hint`: what to do about it. Beside them there are Varlink's own,
`org.varlink.service.InvalidParameter` (`parameter`, and a `message`), `MethodNotFound`, `InterfaceNotFound`, and `ExpectedMore` from
what is answered with `"more": true` only. What is no call at all ends the connection.
"""


def blocks(text):
    """(comment lines, kind, name, declaration) of each member; kind is interface, type, method or error."""
    comment, declaration, depth = [], [], 0
    for line in text.splitlines():
        if not declaration:
            if line.startswith("#"):
                comment.append(line[1:].removeprefix(" "))
                continue
            if not line.strip():
                comment = [] if not declaration else comment
                continue
        declaration.append(line)
        depth += line.count("(") - line.count(")")
        if depth == 0 and not line.rstrip().endswith("->"):
            joined = "\n".join(declaration)
            match = re.match(r"(interface|type|method|error)\s+([\w.]+)", joined)
            yield comment, match.group(1), match.group(2), joined
            comment, declaration = [], []


def page(text):
    out = [HEAD]
    members = list(blocks(text))
    out.append("\n".join(l if not l.startswith("- ") else l for l in members[0][0]) + "\n")
    for kind, title in (("method", "Methods"), ("error", "Errors"), ("type", "Types")):
        out.append(f"## {title}\n")
        for comment, what, name, declaration in members:
            if what == kind:
                streams = [c for c in comment if c.startswith("[")]
                prose = [c for c in comment if not c.startswith("[")]
                out.append(f"### {name}\n")
                if prose:
                    out.append("\n".join(prose) + "\n")
                if streams:
                    out.append("Streams: " + " ".join(s.strip("[]") for s in streams) + ".\n")
                out.append("```varlink\n" + declaration + "\n```\n")
    return "\n".join(out)


def main():
    made = page(open(sys.argv[1], encoding="utf-8").read())
    if len(sys.argv) > 3 and sys.argv[2] == "--check":
        if open(sys.argv[3], encoding="utf-8").read() != made:
            sys.exit("docs/api.md is not what the IDL says: run docs/api-page.py proto/io.mcumgr.varlink >docs/api.md")
    else:
        sys.stdout.write(made)


main()
