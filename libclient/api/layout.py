#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""layout.py INTERFACE LAYOUT [--write | --rewrite]: holds the structs and enumerations of mcumgr-api.h against LAYOUT.

Programs were built with the members at their places: what LAYOUT lists stays, in its order, and new members follow. --write
adds what is new to LAYOUT. --rewrite makes it anew, for a library that old programs cannot load (a new soname)."""

import sys

sys.dont_write_bytecode = True  # the source may be read-only
import generate  # noqa: E402

HEAD = """# SPDX-License-Identifier: MIT
# The members of every struct and enumeration of mcumgr-api.h, in order: the places at which programs look for them. Written by
# libclient/api/layout.py, and held by the test `layout`. New members follow the old ones.
"""


def layout_of(api):
    """{'struct mcumgr_x': [declarations], 'enum mcumgr_x': [words]} as the header has them."""
    structs = [s for _, s in api.types] + [s for m in api.methods for s in (m.args, m.reply)] + [api.info]
    layout = {f"struct {s.tag}": [line.split(" /*")[0] for d in s.declarations() for line in d.split("\n\t")] for s in structs}
    layout.update({f"enum {tag}": list(values) for tag, values in api.enums})
    layout["enum mcumgr_error_code"] = [name for name, *_ in generate.VARLINK_ERRORS] + [e.name for e in api.errors]
    return layout


def render(layout):
    return HEAD + "".join(f"{name}\n" + "".join(f"\t{m}\n" for m in members) for name, members in sorted(layout.items()))


def moved(known, now):
    """Sentences on what programs would no longer find at its place."""
    for name, members in known.items():
        have = now.get(name)
        if have is None:
            yield f"{name} is gone: programs use it"
            continue
        for at, member in enumerate(members):
            if have[at:at + 1] == [member]:
                continue
            if member not in have:
                yield f"{name}: '{member}' is gone or of another type: programs look for it"
            else:
                yield (f"{name}: '{have[at]}' stands before '{member}', where programs built earlier look for that: "
                       f"put what is new at the end of it in io.mcumgr.varlink")
            break


def main(interface, path, *options):
    with open(interface, encoding="utf-8") as i, open(path, encoding="utf-8") as p:
        known = generate.read_layout(p.read())
        now = layout_of(generate.Api(i.read(), known))
    wrong = [] if "--rewrite" in options else list(moved(known, now))
    if not wrong and options:
        with open(path, "w", encoding="utf-8") as f:
            f.write(render(now))
    elif not wrong and known != now:
        new = [name for name in now if now[name] != known.get(name)]
        wrong.append(f"{', '.join(new)}: new members that {path} does not list yet: run libclient/api/layout.py {interface} {path} --write")
    print("\n".join(wrong) or f"{len(now)} structs and enumerations have their members where they were")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
