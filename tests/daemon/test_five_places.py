# SPDX-License-Identifier: MIT
"""A command of the table is in five places: the table, the interface, libmcumgr, mcumgrctl and Python. Here their names and types
are held against the interface, one by one, so that none can be missing, too much, or called otherwise. The table itself is held
against the interface by tests/unit/test-commands-idl.c; what the clients say of real replies by test_everywhere.py."""

import ast
import os
import pathlib
import re
import subprocess
import sys

import pytest
import rack as racks
from test_matrix import COMMANDS, METHODS, SOURCE, table

BUILD = pathlib.Path(os.environ.get('MCUMGRD_BUILD', SOURCE / 'build'))
TYPES = racks.INTERFACE.types
COMMON = {'device', 'timeoutMs', 'lease'}


def test_every_row_of_the_table_is_a_method():
    assert table() <= set(METHODS)


# -- C ------------------------------------------------------------------------------------------------------------------------


def snake(name):
    return re.sub(r'(?<!^)(?=[A-Z])', '_', name).lower()


def structs():
    """{tag: {member: declarator}} of the generated header."""
    text = re.sub(r'/\*.*?\*/', '', (BUILD / 'libclient/mcumgr-api.h').read_text(), flags=re.S)
    found = {}
    for tag, body in re.findall(r'^struct (\w+) \{\n(.*?)^\};', text, re.S | re.M):
        found[tag] = {re.search(r'(\w+)$', line)[1]: re.sub(r'\s*\w+$', '', line).strip() for line in body.replace('\n', ' ').split(';')
                      for line in [line.strip()] if line}
    return found


HEADER = structs()


def declarator(optional, shape, inner, comment, name):
    """What a field of the interface must be in C. comment: of its member, which says where a string is base64."""
    if isinstance(inner, list):
        return 'enum'
    base64 = inner == 'string' and re.search(rf'\b{name}: base64\b', comment)
    plain = {'string': 'const char *', 'object': 'json_object *'}.get(inner)
    if shape:
        return {'string': 'const char *const *', 'int': 'const int64_t *'}.get(inner, f'const struct mcumgr_{snake(inner)} *const *')
    if base64:
        return 'struct mcumgr_bytes'
    if inner in ('int', 'bool'):
        return f'struct mcumgr_{inner}' if optional else {'int': 'int64_t', 'bool': 'bool'}[inner]
    return plain or f'const struct mcumgr_{snake(inner)} *'


def comment_of(kind, name):
    text = (SOURCE / 'proto/io.mcumgr.varlink').read_text()
    lines = text[:re.search(rf'^{kind} {name} ?\(', text, re.M).start()].rstrip('\n').split('\n')
    taken = []
    while lines and lines[-1].startswith('#'):
        taken.insert(0, lines.pop().lstrip('# '))
    return ' '.join(taken)


def check_struct(tag, fields, comment, first):
    members = dict(HEADER[tag])
    assert first in members
    del members[first]
    for name, (optional, shape, inner) in fields.items():
        word = snake(name) if snake(name) in members else snake(name) + '_'
        assert word in members, f'{tag} has no {name}'
        wanted = declarator(optional, shape, inner, comment, name)
        got = members.pop(word)
        assert got.startswith('enum mcumgr_') if wanted == 'enum' else got == wanted, f'{tag}.{word} is {got}, not {wanted}'
        if shape:
            assert members.pop(f'n_{word}') == 'size_t'
        if shape == '[string]':
            assert members.pop(f'{word}_names') == 'const char *const *'
    assert not members, f'{tag} has {sorted(members)}, which the interface does not'


@pytest.mark.parametrize('name', TYPES)
def test_a_type_in_c(name):
    check_struct(f'mcumgr_{snake(name)}', TYPES[name][2], comment_of('type', name), 'object')


@pytest.mark.parametrize('method', METHODS)
def test_a_method_in_c(method):
    parameters, reply = METHODS[method]
    comment = comment_of('method', method)
    check_struct(f'mcumgr_{snake(method)}_args', parameters[2] or {}, comment, 'size')
    check_struct(f'mcumgr_{snake(method)}_reply', reply[2] or {}, comment, 'object')


def test_every_method_is_exported():
    lines = subprocess.run(['nm', '-D', '--defined-only', BUILD / 'libclient/libmcumgr.so'], check=True, capture_output=True,
                           text=True).stdout
    there = {line.split()[-1].split('@')[0] for line in lines.splitlines()}
    for method in METHODS:
        word = f'mcumgr_{snake(method)}'
        assert {word, f'{word}_reply_free'} <= there or f'{word}_stream' in there, method
    for command in COMMANDS:
        assert f'mcumgr_{snake(command)}' in there


def test_what_the_table_calls_bytes_is_bytes_in_c():
    text = (SOURCE / 'proto/commands-table.c').read_text()
    fields = dict(re.findall(r'^FIELDS\((\w+)\) = \{(.*?)^(?:\t?END,? ?)?\};|^FIELDS', text, re.S | re.M))
    checked = 0
    for command, request, reply in re.findall(r'^\t\{ "(\w+)", +\w+, +\w+, \d+, (\w+), (\w+)', text, re.M):
        for rows, part in ((request, 'args'), (reply, 'reply')):
            for name in re.findall(r'\{ "(\w+)", "\w+", FIELD_BASE64', fields.get(rows, '')):
                assert HEADER[f'mcumgr_{snake(command)}_{part}'][snake(name)] == 'struct mcumgr_bytes', (command, name)
                checked += 1
    assert checked >= 2


# -- Python -------------------------------------------------------------------------------------------------------------------

CLIENT = ast.parse((SOURCE / 'libclient/python/mcumgrd/client.py').read_text())


def calls():
    """[(method, keywords, keys that the function around it reads)]"""
    found = []
    for function in ast.walk(CLIENT):
        if not isinstance(function, ast.FunctionDef):
            continue
        read = {n.slice.value for n in ast.walk(function) if isinstance(n, ast.Subscript) and isinstance(n.slice, ast.Constant)}
        read |= {n.args[0].value for n in ast.walk(function) if isinstance(n, ast.Call) and
                 isinstance(n.func, ast.Attribute) and n.func.attr == 'get' and isinstance(n.args[0], ast.Constant)}
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                named = [a.value if isinstance(a, ast.Constant) else getattr(getattr(a, 'right', None), 'value', None)
                         for a in node.args]
                method = next((n for n in named if n in METHODS), None)
                if method:
                    found.append((method, {k.arg for k in node.keywords if k.arg}, read))
    return found


CALLS = calls()
# Parameters and fields of the interface that Python has no use for, and why.
UNUSED_PARAMETERS = {
    ('Update', 'eraseFirst'), ('Update', 'detached'), ('ImageUpload', 'detached'),  # as the toolkit's calls: they wait
}
UNREAD = {
    'splitStatus',  # nothing uses it
    'modeName',     # the toolkit has the number
    'text',         # of OsInfo, where the fields are read
}


def names_of(type_, seen=()):
    """Every field name in a reply, those of its types as well."""
    inner = type_[2]
    if isinstance(inner, str):
        return names_of(TYPES[inner], (*seen, inner)) if inner in TYPES and inner not in seen else set()
    if isinstance(inner, list):
        return set()
    return set(inner).union(*(names_of(t, seen) for t in inner.values()))


@pytest.mark.parametrize('method', COMMANDS)
def test_a_command_in_python(method):
    own = set(METHODS[method][0][2]) - COMMON
    of_method = [call for call in CALLS if call[0] == method]
    assert of_method, 'no call'
    given = set().union(*(keywords for _, keywords, _ in of_method)) - COMMON
    assert given <= own, f'{sorted(given - own)} are no parameters'
    missing = {name for name in own - given if (method, name) not in UNUSED_PARAMETERS}
    assert not missing, f'{sorted(missing)} cannot be given'
    if METHODS[method][1][2] and method in table():
        wanted = names_of(METHODS[method][1])
        read = set().union(*(keys for *_, keys in of_method))
        # A reply of image states is read by a function of its own.
        read |= names_of(('', '', 'ImageSlot')) | {'slots'} if method in ('ImageList', 'ImageTest', 'ImageConfirm') else set()
        assert wanted - read - UNREAD - {'group'} == set(), 'fields that are not read'


# -- mcumgrctl ----------------------------------------------------------------------------------------------------------------

sys.path.insert(0, str(SOURCE / 'libclient/tests'))
import test_verbs  # noqa: E402

# Those that move files have tests of their own (test_jobs.py, test_transfer.py); their parameters are looked for in the code.
BY_FILE = {'Update': 'verb-firmware.c', 'ImageUpload': 'verb-image.c', 'FileRead': 'verb-fs.c', 'FileWrite': 'verb-fs.c'}
# What no option gives, and why.
NO_OPTION = {
    ('BootloaderInfo', 'query'): 'the verb asks for the mode by itself',
    ('GroupAt', 'index'): 'the verb counts by itself',
}


@pytest.mark.parametrize('method', COMMANDS)
def test_a_command_in_mcumgrctl(method):
    """The rows of libclient/tests/test_verbs.py say which options become which parameters; the fake daemon there takes only what
    the interface has."""
    own = set(METHODS[method][0][2]) - COMMON
    sent = [set(parameters) for row in test_verbs.ROWS for name, parameters, *_ in row.values[1] if name == method]
    if method in BY_FILE:
        folder = SOURCE / 'libclient/mcumgrctl'
        verb = (folder / BY_FILE[method]).read_text()
        text = verb + ''.join((folder / name).read_text() for name in ('board.c', 'verb-image.c', 'file.c'))
        assert f'"{method}"' in verb
        sent = [{name for name in own if f'"{name}"' in text}]
    assert sent, 'no row of test_verbs.py calls it'
    given = set().union(*sent) - COMMON
    assert given <= own
    missing = {name for name in own - given if (method, name) not in NO_OPTION}
    assert not missing, f'no option gives {sorted(missing)}'
