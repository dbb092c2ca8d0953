# SPDX-License-Identifier: MIT
"""Every command by every client: the API, C, mcumgrctl in words and with --json, Python. One table, run on the simulated board
(test_everywhere.py here) and on real firmware (tests/zephyr). Whatever the board makes of a command, all must say the same:
a reply of one shape, or one error.

$old and $new are image files: a path for mcumgrctl, bytes for Python, a hash for the API; each client has a $new of its own.
$hash is the hash of the image that was uploaded last, $folder a directory."""

import json
import os
import pathlib
import re
import subprocess
import sys

import c_driver
import evidence
import rack as racks

SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / 'libclient/python'))

import mcumgrd  # noqa: E402

CLIENTS = ('API', 'C', 'mcumgrctl', '--json', 'Python')


class Row:
    """before: a call of the API that makes it possible again. varies: the reply has other values each time."""

    def __init__(self, method, argv, parameters, python, before=None, varies=False, merged=False):
        self.method, self.argv, self.parameters, self.python = method, argv.split(), parameters, python
        self.before, self.varies, self.merged = before, varies, merged

    def __str__(self):
        return self.method


PATH = '/lfs1/everywhere'
WRITE = ('FileWrite', {'path': PATH, 'data': 'aGVsbG8='})
SETTING = ('SettingWrite', {'name': 'sim/e', 'value': 'AAE='})
BRIDGE_OFF = ('TransportDisconnect', {'all': True})
BRIDGE = ('TransportConnect', {'transport': 1})
TIME = '2026-01-02T03:04:05'


def installed(client, data):
    try:
        client.firmware_update(data)
    except mcumgrd.AlreadyInstalled:
        pass


ROWS = [
    Row('Echo', 'os echo hi', {'text': 'hi'}, lambda c, f: c.os_echo('hi')),
    Row('Tasks', 'os task-statistics', {}, lambda c, f: c.os_task_statistics(), varies=True),
    Row('MemoryPools', 'os memory-pool-statistics', {}, lambda c, f: c.os_memory_pool_statistics()),
    Row('SetTime', f'os set-datetime {TIME}', {'time': TIME},
        lambda c, f: c.os_set_datetime(mcumgrd.client._datetime.datetime.fromisoformat(TIME))),
    Row('GetTime', 'os get-datetime', {}, lambda c, f: c.os_get_datetime(), varies=True),
    Row('Parameters', 'os mcumgr-parameters', {}, lambda c, f: c.os_mcumgr_parameters()),
    Row('OsInfo', 'os application-info -s', {'format': 's'}, lambda c, f: c.os_application_info('s')),
    Row('BootloaderInfo', 'os bootloader-info', {}, lambda c, f: c.os_bootloader_info(), merged=True),
    Row('ImageErase', 'image erase', {}, lambda c, f: c.image_erase()),
    Row('ImageUpload', 'image upload $old', {'file': '$old'}, lambda c, f: c.image_upload(f('old')), varies=True),
    Row('ImageTest', 'image set-state --hash $hash', {'hash': '$hash'}, lambda c, f: c.image_set_state(f('hash'))),
    Row('ImageErase', 'image erase 1', {'slot': 1}, lambda c, f: c.image_erase(1)),
    Row('ImageList', 'image get-state', {}, lambda c, f: c.image_get_state()),
    Row('SlotInfo', 'image slot-info', {}, lambda c, f: c.image_slot_info()),
    Row('Update', 'firmware update $new', {'file': '$new'}, lambda c, f: installed(c, f('new')), varies=True),
    Row('ImageConfirm', 'image set-state --confirm', {}, lambda c, f: c.image_set_state(confirm=True)),
    Row('StatGroups', 'stats list-groups', {}, lambda c, f: c.stats_list_groups()),
    Row('StatRead', 'stats get smp_svr_stats', {'group': 'smp_svr_stats'},
        lambda c, f: c.stats_get_group_data('smp_svr_stats'), varies=True),
    Row('SettingWrite', 'settings write sim/e 0001', {'name': 'sim/e', 'value': 'AAE='},
        lambda c, f: c.settings_write('sim/e', b'\0\1')),
    Row('SettingRead', 'settings read sim/e', {'name': 'sim/e'}, lambda c, f: c.settings_read('sim/e')),
    Row('SettingDelete', 'settings delete sim/e', {'name': 'sim/e'}, lambda c, f: c.settings_delete('sim/e'), SETTING),
    Row('SettingsCommit', 'settings commit', {}, lambda c, f: c.settings_commit()),
    Row('SettingsLoad', 'settings load', {}, lambda c, f: c.settings_load()),
    Row('SettingsSave', 'settings save', {}, lambda c, f: c.settings_save()),
    Row('FileWrite', f'fs upload $folder/hello {PATH}', WRITE[1], lambda c, f: c.fs_file_upload(PATH, b'hello'), varies=True),
    Row('FileRead', f'fs download {PATH} $folder/got', {'path': PATH}, lambda c, f: c.fs_file_download(PATH), WRITE, varies=True,
        merged=True),
    Row('FileStatus', f'fs status {PATH}', {'path': PATH}, lambda c, f: c.fs_file_status(PATH)),
    Row('FileHash', f'fs checksum {PATH} sha256', {'path': PATH, 'type': 'sha256'},
        lambda c, f: c.fs_file_checksum(PATH, 'sha256')),
    Row('FileHashTypes', 'fs supported-checksums', {}, lambda c, f: c.fs_supported_checksum_types()),
    Row('FileClose', 'fs close', {}, lambda c, f: c.fs_file_close()),
    Row('ShellExecute', 'shell kernel version', {'arguments': ['kernel', 'version']},
        lambda c, f: c.shell_execute(['kernel', 'version'])),
    Row('GroupCount', 'enum count-groups', {}, lambda c, f: c.enum_get_group_count()),
    Row('GroupIds', 'enum list-groups', {}, lambda c, f: c.enum_get_group_ids()),
    Row('GroupAt', 'enum list-groups --iter', {'index': 0}, lambda c, f: [c.enum_get_group_id(0), *c.enum_iter_group_ids()],
        merged=True),
    Row('Groups', 'enum show-group-details', {}, lambda c, f: c.enum_get_group_details()),
    Row('TransportList', 'transport list', {}, lambda c, f: c.transport_list()),
    Row('TransportModes', 'transport modes 1', {'transport': 1}, lambda c, f: c.transport_modes(1)),
    Row('TransportConnect', 'transport connect 1 --mode 0', {'transport': 1, 'mode': 0}, lambda c, f: c.transport_connect(1, 0),
        BRIDGE_OFF),
    Row('TransportStatus', 'transport status', {}, lambda c, f: c.transport_status()),
    Row('TransportDisconnect', 'transport disconnect 1', {'transport': 1}, lambda c, f: c.transport_disconnect(1), BRIDGE),
    Row('StorageErase', 'zephyr erase-storage', {}, lambda c, f: c.zephyr_erase_storage()),
    Row('Request', 'raw read 0 6', {'operation': 'read', 'group': 0, 'command': 6}, lambda c, f: c.raw_command(False, 0, 6, {})),
    Row('Reset', 'os system-reset', {}, lambda c, f: c.os_system_reset()),
]


def shape(value):
    """A JSON value without what varies."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return type(value).__name__


class Everywhere:
    """The clients of one board. call(method, parameters) is as in conformance.check; files: {client: path of its $new}."""

    def __init__(self, socket, device, call, folder, old, files, put, image_hash):
        self.driver = c_driver.Driver(socket)
        self.socket, self.device, self.call, self.folder = socket, device, call, folder
        self.old, self.files, self.put, self.image_hash = old, files, put, image_hash
        (folder / 'hello').write_bytes(b'hello')
        self.program = os.environ.get('MCUMGRCTL') or str(
            pathlib.Path(os.environ.get('MCUMGRD_BUILD', SOURCE / 'build')) / 'libclient/mcumgrctl/mcumgrctl')

    def fact(self, client, name):
        """What $name is for a client."""
        if name in ('hash', 'folder'):
            return self.image_hash(self.old) if name == 'hash' else self.folder
        path = self.old if name == 'old' else self.files[client]
        return path if client in ('mcumgrctl', '--json') else path.read_bytes() if client == 'Python' else \
            self.put(path.read_bytes())

    def run(self, row, client):
        """('reply', JSON or None) or (error, parameters)"""
        if row.before:
            self.call(*row.before)
        return {'API': self.api, 'C': self.c, 'Python': self.python}.get(client, self.command)(row, client)

    def parameters(self, row, client):
        return {k: self.fact(client, v[1:]) if str(v).startswith('$') else v for k, v in row.parameters.items()}

    def api(self, row, client):
        return self.call(row.method, self.parameters(row, client))

    def c(self, row, client):
        return self.driver.call(row.method, {'device': self.device, **self.parameters(row, client)})

    def command(self, row, client):
        argv = [self.program, '--socket', str(self.socket), '-d', self.device, *(['--json'] if client == '--json' else []),
                *(re.sub(r'\$(\w+)', lambda m: str(self.fact(client, m[1])), word) for word in row.argv)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=racks.SECONDS * 2, stdin=subprocess.DEVNULL)
        assert 'Sanitizer' not in done.stderr and 'runtime error' not in done.stderr, done.stderr
        if client != '--json':
            assert done.returncode in (0, 6), (argv, done)
            return 'reply' if done.returncode == 0 else 'error', None
        lines = done.stdout.splitlines() or ['{}']
        last = json.loads(lines[-1] if len(lines) > 1 and lines[-1].startswith('{') and lines[0].startswith('{') and
                          lines[0] != '{' else done.stdout or '{}')
        if 'error' in last:
            return last['error'].rpartition('.')[2], last['parameters']
        return 'reply', last

    def python(self, row, client):
        try:
            with mcumgrd.MCUmgrClient.device(self.device, str(self.socket)) as board:
                row.python(board, lambda name: self.fact(client, name))
        except mcumgrd.MCUmgrError as error:
            return error.code.rpartition('.')[2], error.parameters
        return 'reply', None


def run(rows, everywhere, settle):
    """All rows, in order, in one process. settle() waits for the board, after a client's turn. Returns the columns of
    evidence; fails with every row that differs."""
    columns = {client: evidence.Column(client) for client in CLIENTS}
    wrong = []
    for row in rows:
        try:
            check(row, everywhere, settle, lambda client, *seen: columns[client].record(*seen))
        except AssertionError as error:
            wrong.append(f'{row}: {error}')
    everywhere.driver.close()
    assert not wrong, '\n'.join(wrong)
    return columns


def check(row, everywhere, settle, record):
    wanted = None
    for client in CLIENTS:
        name, got = everywhere.run(row, client)
        settle()
        record(client, row.method, 'served' if name == 'reply' else name)
        if wanted is None:
            wanted = name, got
            continue
        if client == 'mcumgrctl':
            assert (name == 'reply') == (wanted[0] == 'reply'), (client, name, wanted)
        else:
            assert name == wanted[0], (client, name, got, wanted)
        if client == 'C' or client == '--json' and not row.merged:
            same = shape if row.varies else lambda value: value
            assert same(got) == same(wanted[1]), (got, wanted[1])
        elif client == 'Python' and name != 'reply':
            assert got.get('rc') == wanted[1].get('rc') and got.get('group') == wanted[1].get('group'), (got, wanted)
