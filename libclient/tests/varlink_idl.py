# SPDX-License-Identifier: MIT
"""Reads a Varlink interface and checks values against it, so that no test can teach the client what the API does not say."""

import re

TOKEN = re.compile(r"\s*(?:#[^\n]*\n\s*)*(->|\[\]|\[string\]|[?(),:]|[A-Za-z_][A-Za-z0-9_.]*)")


class Interface:
    def __init__(self, path):
        self.types, self.methods, self.errors = {}, {}, {}
        self.tokens = TOKEN.findall(open(path, encoding="utf-8").read())
        assert self.take() == "interface"
        self.name = self.take()
        while self.tokens:
            self.member()

    def take(self, expected=None):
        token = self.tokens.pop(0)
        assert expected in (None, token), f"{token} instead of {expected}"
        return token

    def member(self):
        keyword, name = self.take(), self.take()
        first = self.type()
        if keyword == "method":
            self.take("->")
            self.methods[name] = (first, self.type())
        else:
            {"type": self.types, "error": self.errors}[keyword][name] = first

    def type(self):
        token = self.take()
        if token == "?":
            return ("maybe", self.type())
        if token in ("[]", "[string]"):
            return ("array" if token == "[]" else "map", self.type())
        if token != "(":
            return ("name", token)
        return self.struct_or_enum()

    def struct_or_enum(self):
        fields, names = {}, []
        while self.tokens[0] != ")":
            name = self.take()
            names.append(name)
            if self.tokens[0] == ":":
                self.take(":")
                fields[name] = self.type()
            if self.tokens[0] == ",":
                self.take(",")
        self.take(")")
        return ("struct", fields) if fields or not names else ("enum", names)

    def check(self, type_, value, where="value"):
        kind, inner = type_
        if kind == "maybe":
            if value is not None:
                self.check(inner, value, where)
        elif kind == "array":
            assert isinstance(value, list), f"{where} is no array"
            for i, item in enumerate(value):
                self.check(inner, item, f"{where}[{i}]")
        elif kind == "map":
            assert isinstance(value, dict), f"{where} is no map"
            for key, item in value.items():
                self.check(inner, item, f"{where}.{key}")
        elif kind == "enum":
            assert value in inner, f"{where}: {value!r} is none of {inner}"
        elif kind == "struct":
            self.check_struct(inner, value, where)
        else:
            self.check_name(inner, value, where)

    def check_struct(self, fields, value, where):
        assert isinstance(value, dict), f"{where} is no object"
        assert not set(value) - set(fields), f"{where} has unknown members {set(value) - set(fields)}"
        for name, type_ in fields.items():
            assert name in value or type_[0] == "maybe", f"{where}.{name} is missing"
            if name in value:
                self.check(type_, value[name], f"{where}.{name}")

    def check_name(self, name, value, where):
        python = {"string": str, "int": int, "bool": bool, "float": (int, float), "object": dict}.get(name)
        if python is None:
            self.check(self.types[name], value, where)
        elif name == "int" and isinstance(value, str):
            assert value.isdigit() and int(value) > 2**63 - 1, f"{where}: {value!r} is no int"
        else:
            assert isinstance(value, python) and (name == "bool") == isinstance(value, bool), f"{where}: {value!r} is no {name}"
