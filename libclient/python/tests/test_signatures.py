# SPDX-License-Identifier: MIT
"""A script for mcumgr_toolkit runs after changing its import: seed.pyi has its signatures and fields; ours have the same names,
order, kinds, defaults and types. More arguments may follow, if they have defaults."""
import ast
import dataclasses
import datetime
import inspect
import pathlib
import subprocess
import sys
import typing

import pytest

import mcumgrd
from mcumgrd import MCUmgrClient

TREE = ast.parse(pathlib.Path(__file__).with_name("seed.pyi").read_text())
CLASSES = {node.name: node for node in TREE.body if isinstance(node, ast.ClassDef)}
METHODS = {node.name: node for node in CLASSES["MCUmgrClient"].body}
FUNCTIONS = {node.name: node for node in TREE.body if isinstance(node, ast.FunctionDef)}
NAMES = {**vars(typing), **vars(mcumgrd), "datetime": datetime, "NoneType": type(None)}


def plain(hint):
    """A type, written in one way: (origin, arguments)."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is None:
        return type(None)
    if origin is None:
        return {typing.List: list, typing.Dict: dict}.get(hint, hint)
    if origin is typing.Literal:
        return origin, arguments
    parts = tuple(tuple(map(plain, a)) if isinstance(a, list) else plain(a) for a in arguments)
    return origin, frozenset(parts) if origin is typing.Union else parts


def seed_type(node):
    return plain(eval(compile(ast.Expression(node), "seed.pyi", "eval"), NAMES))  # the annotations of our own file


def arguments_of(node):
    """[(name, type, default or the class empty)], without self."""
    arguments = [a for a in node.args.args if a.arg != "self"]
    defaults = [ast.literal_eval(d) for d in node.args.defaults]
    defaults = [inspect.Parameter.empty] * (len(arguments) - len(defaults)) + defaults
    return [(a.arg, seed_type(a.annotation), d) for a, d in zip(arguments, defaults)]


def compare(function, node):
    hints = typing.get_type_hints(function)
    ours = [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
    wanted = arguments_of(node)
    got = [(p.name, plain(hints[p.name]), p.default) for p in ours[:len(wanted)]]
    assert got == wanted
    assert all(p.kind is p.POSITIONAL_OR_KEYWORD for p in ours[:len(wanted)])
    assert all(p.default is not p.empty for p in ours[len(wanted):])
    assert plain(hints["return"]) == seed_type(node.returns)
    assert inspect.getdoc(function), "everything is documented"


def test_the_list_is_whole():
    """So that a reader that skips something is seen."""
    assert (len(METHODS), len(CLASSES), len(FUNCTIONS)) == (37, 12, 1)


@pytest.mark.parametrize("name", METHODS)
def test_method(name):
    function = inspect.getattr_static(MCUmgrClient, name)
    assert isinstance(function, staticmethod) == bool(METHODS[name].decorator_list)
    compare(getattr(MCUmgrClient, name), METHODS[name])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function(name):
    compare(getattr(mcumgrd, name), FUNCTIONS[name])


@pytest.mark.parametrize("name", [name for name in CLASSES if name != "MCUmgrClient"])
def test_fields(name):
    ours, fields = getattr(mcumgrd, name), CLASSES[name].body
    if isinstance(fields[0], ast.Expr):
        assert [member.name for member in ours] == [line.value.id for line in fields]
        return
    wanted = {line.target.id: seed_type(line.annotation) for line in fields}
    hints = typing.get_type_hints(ours)
    assert {field.name: plain(hints[field.name]) for field in dataclasses.fields(ours)} == wanted
    assert inspect.getdoc(ours)


# Later releases of mcumgr_toolkit have these as well.
@pytest.mark.parametrize("name, arguments", [
    ("raw_serial", ["serial", "baud_rate", "timeout_ms"]), ("raw_usb_serial", ["identifier", "baud_rate", "timeout_ms"]),
    ("os_memory_pool_statistics", []), ("settings_read", ["name"]), ("settings_read_ext", ["name", "max_size"]),
    ("settings_write", ["name", "value"]), ("settings_delete", ["name"]), ("settings_commit", []), ("settings_load", []),
    ("settings_save", ["name"])])
def test_what_came_later(name, arguments):
    method = getattr(MCUmgrClient, name)
    assert [p for p in inspect.signature(method).parameters if p != "self"] == arguments and inspect.getdoc(method)


@pytest.mark.parametrize("name, fields", [("MemoryPoolStatistics", ["blksiz", "nblks", "nfree", "min"]), ("SettingData", ["value", "max_size"])])
def test_fields_that_came_later(name, fields):
    assert [field.name for field in dataclasses.fields(getattr(mcumgrd, name))] == fields and name in mcumgrd.types.__all__


def test_errors_are_runtime_errors():
    for name in mcumgrd.errors.__all__:
        assert issubclass(getattr(mcumgrd, name), RuntimeError), name


SOURCES = sorted(pathlib.Path(mcumgrd.__file__).parent.glob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_it_is_python_3_9(path):
    """Its syntax, and no import but the standard library's."""
    tree = ast.parse(path.read_text(), feature_version=(3, 9))
    imported = {name for node in ast.walk(tree) for name in (
        [a.name for a in node.names] if isinstance(node, ast.Import) else
        [node.module] if isinstance(node, ast.ImportFrom) and not node.level else [])}
    assert {name.partition(".")[0] for name in imported} <= sys.stdlib_module_names


USER = """
import asyncio
from mcumgrd import AsyncMCUmgrClient, Connection, Lease, MCUmgrClient, MCUmgrError, devices, mcuboot_get_image_info, watch

def one() -> str:
    with MCUmgrClient.device() as client:
        return client.os_echo("a")

async def many() -> str:
    async with await AsyncMCUmgrClient.device() as client:
        await client.firmware_update(b"", progress=lambda text, at: None)
        async for group in client.enum_iter_group_ids():
            print(group + 1)
        return await client.os_echo("a")
"""


@pytest.mark.slow
def test_a_strict_script_of_a_user(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(USER)
    done = subprocess.run(["/usr/bin/python3", "-m", "mypy", "--strict", "--cache-dir", "/dev/null", script], capture_output=True, text=True,
                          env={"PATH": "/usr/bin", "MYPYPATH": str(pathlib.Path(mcumgrd.__file__).parents[1])})
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.9", "3.11"])
def test_types_are_strict(version):
    package = pathlib.Path(mcumgrd.__file__).parent
    done = subprocess.run(["/usr/bin/python3", "-m", "mypy", "--strict", "--python-version", version, "--cache-dir", "/dev/null", package],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
