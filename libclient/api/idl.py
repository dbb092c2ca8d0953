# SPDX-License-Identifier: MIT
"""Reads a Varlink interface description with its comments, for what is generated from it. What it does not understand ends
the program with the line."""

import re
import sys
from dataclasses import dataclass, field

TOKEN = re.compile(r"[ \t\n]*(?:#[^\n]*\n[ \t\n]*)*(->|\[string\]|\[\]|[?(),:]|[A-Za-z][A-Za-z0-9_.]*)")


@dataclass
class Type:
    """name: bool, int, float, string, object, bytes (a string that its comment calls base64), a type of the interface, or ''
    with fields or values."""
    nullable: bool = False
    shape: str = ""  # "", "array", "map"
    name: str = ""
    fields: list = field(default_factory=list)  # (name, Type)
    values: list = field(default_factory=list)


@dataclass
class Member:
    kind: str  # type, method, error
    name: str
    comment: list
    fields: list  # of a type or error; parameters of a method
    reply: list
    streams: str = ""  # "", "supports", "requires"


class Reader:
    def __init__(self, text, at=0):
        self.text, self.at = text, at

    def fail(self, what):
        sys.exit(f"line {self.text.count(chr(10), 0, self.at) + 1} of the interface: {what}, at {self.text[self.at:self.at + 30]!r}")

    def next(self):
        match = TOKEN.match(self.text, self.at)
        return match.group(1) if match else None

    def take(self, wanted=None):
        match = TOKEN.match(self.text, self.at)
        if not match or wanted not in (None, match.group(1)):
            self.fail(f"{wanted or 'a word'} expected")
        self.at = match.end()
        return match.group(1)

    def taken(self, token):
        if self.next() != token:
            return False
        self.take()
        return True

    def type(self):
        t = Type(nullable=self.taken("?"))
        t.shape = "array" if self.taken("[]") else "map" if self.taken("[string]") else ""
        if self.next() == "(":
            t.fields, t.values = self.struct()
        else:
            t.name = self.take()
        return t

    def struct(self):
        fields, values = [], []
        self.take("(")
        while not self.taken(")"):
            if fields or values:
                self.take(",")
            name = self.take()
            if self.taken(":"):
                fields.append((name, self.type()))
            else:
                values.append(name)
        return fields, values


def mark_bytes(fields, prose):
    """'NAME: base64' in the comment makes bytes of a string."""
    for name, t in fields:
        if t.name == "string" and re.search(rf"\b{name}: base64\b", prose):
            t.name = "bytes"


def comment_before(text, at):
    lines = text[:at].rstrip("\n").split("\n")
    first = len(lines)
    while first > 0 and lines[first - 1].startswith("#"):
        first -= 1
    return [line[1:].removeprefix(" ") for line in lines[first:]]


def read(text):
    """(name of the interface, its comment, members)"""
    match = re.search(r"^interface ([\w.]+)\n", text, re.M)
    if not match:
        sys.exit("the interface has no name")
    members = []
    head = comment_before(text, match.start())
    for declaration in re.finditer(r"^(type|method|error) (\w+) ?(?=\()", text, re.M):
        reader = Reader(text, declaration.end())
        fields, values = reader.struct()
        if values:
            reader.fail("an enumeration as a type of its own")
        reply = []
        if declaration.group(1) == "method":
            reader.take("->")
            reply, _ = reader.struct()
        comment = comment_before(text, declaration.start())
        flags = [line for line in comment if line.startswith("[")]
        comment = [line for line in comment if not line.startswith("[")]
        streams = "requires" if any("Requires" in f for f in flags) else "supports" if flags else ""
        members.append(Member(declaration.group(1), declaration.group(2), comment, fields, reply, streams))
        for part in (fields, reply):
            mark_bytes(part, " ".join(comment))
    words = len(re.findall(r"^(?:type|method|error)\b", text, re.M))
    if words != len(members):
        sys.exit(f"{words} members begin, {len(members)} were understood")
    return match.group(1), head, members
