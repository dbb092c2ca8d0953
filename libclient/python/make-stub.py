#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""make-stub.py [--check]: writes mcumgrd/aio.pyi, the types of AsyncMCUmgrClient, from the signatures in mcumgrd/client.py."""

import ast
import pathlib
import sys

PACKAGE = pathlib.Path(__file__).parent / "mcumgrd"
HEAD = """# SPDX-License-Identifier: MIT
# Written by libclient/python/make-stub.py.
import datetime as _datetime
from typing import Any, AsyncIterator, Dict, List, Literal, Optional, Sequence, Union

from .client import MCUmgrClient, _Checksum, _Progress, _StepProgress
from .lease import Lease
from .types import *

__all__ = ["AsyncMCUmgrClient"]

class AsyncMCUmgrClient:
    def __init__(self, client: MCUmgrClient) -> None: ...
    async def __aenter__(self) -> AsyncMCUmgrClient: ...
    async def __aexit__(self, *_: object) -> None: ...
"""


def stub():
    tree = ast.parse((PACKAGE / "client.py").read_text(encoding="utf-8"))
    (client,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "MCUmgrClient"]
    text = HEAD
    for node in client.body:
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("_"):
            continue
        result, word = ast.unparse(node.returns), "async def"
        if node.decorator_list:
            text, result = text + "    @staticmethod\n", "AsyncMCUmgrClient"
        elif result.startswith("Iterator"):
            result, word = "Async" + result, "def"
        text += f"    {word} {node.name}({ast.unparse(node.args)}) -> {result}: ...\n"
    return text


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit((PACKAGE / "aio.pyi").read_text(encoding="utf-8") != stub() and "aio.pyi is old: run libclient/python/make-stub.py")
    (PACKAGE / "aio.pyi").write_text(stub(), encoding="utf-8")
