# SPDX-License-Identifier: MIT
"""Clients that others wrote. They are not in Debian 12, so this runs where $MCUMGR_FOREIGN is set: to a folder that holds, or
will hold, a virtual environment with the Python package `varlink` (fetched from the package index the first time)."""

import json
import os
import pathlib
import shutil
import subprocess

import pytest
import rack as racks

FOLDER = os.environ.get('MCUMGR_FOREIGN')
VERSION = '31.0.0'

pytestmark = pytest.mark.skipif(not FOLDER, reason='MCUMGR_FOREIGN names no folder for foreign clients')

CLIENT = r'''
import json, sys, varlink
client = varlink.Client.new_with_address("unix:" + sys.argv[1])
result = {"interfaces": client.get_interfaces() and sorted(client._interfaces)}
with client.open("io.mcumgr", namespaced=False) as board:
    result["echo"] = board.Echo(device="a", text="hi")
    result["devices"] = [d["id"] for d in board.List()["devices"]]
    try:
        board.Echo(device="nobody", text="hi")
    except varlink.VarlinkError as e:
        result["error"] = [e.error(), e.parameters()["available"], e.parameters()["message"]]
    try:
        board.Echo(device="a", text="hi", timeoutMs=0)
    except varlink.InvalidParameter as e:
        result["invalid"] = e.parameters()
with client.open("io.mcumgr", namespaced=False) as board:
    events = []
    for reply in board.Watch(_more=True):
        events.append(reply["event"])
        if reply["event"] == "current":
            break
    result["events"] = events
print(json.dumps(result))
'''


def python():
    """An interpreter that has the package."""
    interpreter = pathlib.Path(FOLDER) / 'bin/python'
    has = [interpreter, '-c', f'import importlib.metadata as m; assert m.version("varlink") == "{VERSION}"']
    if not interpreter.exists():
        subprocess.run(['/usr/bin/python3', '-m', 'venv', FOLDER], check=True)
    # An earlier run may have had no network, or been one for another version.
    if subprocess.run(has, capture_output=True, check=False).returncode:
        subprocess.run([interpreter, '-m', 'pip', 'install', '-q', f'varlink=={VERSION}'], check=True)
    return str(interpreter)


def test_python_varlink(shared):
    run = subprocess.run([python(), '-c', CLIENT, shared.socket], capture_output=True, text=True, timeout=racks.SECONDS)
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert result['echo'] == {'text': 'hi'}
    assert result['devices'] == ['a', 'b']
    assert result['error'][:2] == ['io.mcumgr.NoSuchDevice', ['a', 'b']] and 'nobody' in result['error'][2]
    assert result['invalid']['parameter'] == 'timeoutMs'
    assert result['events'] == ['present', 'present', 'current']


def test_python_varlink_command(shared):
    words = [python(), '-m', 'varlink.cli']
    info = subprocess.run([*words, 'info', f'unix:{shared.socket}'], capture_output=True, text=True, timeout=racks.SECONDS)
    assert info.returncode == 0, info.stderr
    assert 'io.mcumgr' in info.stdout
    call = subprocess.run([*words, 'call', f'unix:{shared.socket}/io.mcumgr.Echo', '{"device": "a", "text": "hi"}'],
                          capture_output=True, text=True, timeout=racks.SECONDS)
    assert json.loads(call.stdout) == {'text': 'hi'}, call.stderr


@pytest.mark.skipif(not shutil.which('varlink'), reason='varlink-cli is not installed')
def test_rust_varlink(shared):
    """varlink-cli, written in Rust: it checks the description with a parser of its own."""
    address = f'unix:{shared.socket}'
    shown = subprocess.run(['varlink', 'help', f'{address}/io.mcumgr'], capture_output=True, text=True, timeout=racks.SECONDS)
    assert shown.returncode == 0 and 'method Update(' in shown.stdout, shown.stderr
    call = subprocess.run(['varlink', 'call', f'{address}/io.mcumgr.Echo', '{"device": "a", "text": "hi"}'],
                          capture_output=True, text=True, timeout=racks.SECONDS)
    assert json.loads(call.stdout) == {'text': 'hi'}, call.stderr
    more = subprocess.run(['varlink', 'call', '--more', f'{address}/io.mcumgr.JobWatch', '{"job": "none"}'],
                          capture_output=True, text=True, timeout=racks.SECONDS)
    assert more.returncode != 0 and 'NoSuchJob' in more.stderr + more.stdout
