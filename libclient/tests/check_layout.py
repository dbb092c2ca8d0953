# SPDX-License-Identifier: MIT
"""check_layout.py LAYOUT.PY INTERFACE LAYOUT: no member of mcumgr-api.h has moved, and layout.py tells when one does."""

import pathlib
import re
import subprocess
import sys
import tempfile

# What is changed in the interface, and what is said then; None: nothing.
CASES = [
    (r"^(method Echo\(.*\) -> \()", r"\1loud: ?bool, ", "struct mcumgr_echo_reply: 'struct mcumgr_bool loud;' stands before 'const char *text;'"),
    (r"^(method Echo\(.*\) -> \(text: string)", r"\1, loud: ?bool", "struct mcumgr_echo_reply: new members that"),
    (r"^(method Echo\(.*\) -> \()text: string", r"\1word: string", "struct mcumgr_echo_reply: 'const char *text;' is gone or of another type"),
    (r"^(method Echo\(.*\) -> \()text: string", r"\1text: ?int", "struct mcumgr_echo_reply: 'const char *text;' is gone or of another type"),
    (r"\(absent, opening", "(absent, early, opening", "enum mcumgr_device_state: 'early' stands before 'opening'"),
    (r"^method Echo", "method Shout", "struct mcumgr_echo_args is gone"),
    # Errors may stand where they belong, and say more: their places are those of the layout.
    (r"^(error NoSuchDevice ?\()", r"error Early (loud: ?bool)\n\n\1", "new members that"),
]


def main(program, interface, layout):
    def run(path, *options, of=layout):
        done = subprocess.run([sys.executable, program, path, of, *options], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    status, said = run(interface)
    print(said, end="")
    if status:
        return 1
    text = pathlib.Path(interface).read_text()
    with tempfile.TemporaryDirectory() as folder:
        changed, written = pathlib.Path(folder) / "interface", pathlib.Path(folder) / "layout"
        for pattern, new, wanted in CASES:
            changed.write_text(re.sub(pattern, new, text, count=1, flags=re.M))
            assert changed.read_text() != text, pattern
            status, said = run(changed)
            assert status == 1 and wanted in said, (pattern, said)
            written.write_text(pathlib.Path(layout).read_text())
            status, said = run(changed, "--write", of=written)
            assert (status == 0) == wanted.endswith("new members that"), (pattern, said)
            assert (status == 0) == (written.read_text() != pathlib.Path(layout).read_text())
            if status == 0:
                assert run(changed, of=written)[0] == 0
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
