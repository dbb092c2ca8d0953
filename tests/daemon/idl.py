# SPDX-License-Identifier: MIT
"""Reads the interface description, and holds messages against it: what it does not say is not sent."""

import re


class Interface:
    """Types, methods and errors of one description."""

    def __init__(self, text):
        text = re.sub(r'#[^\n]*', '', text)
        self.tokens = re.findall(r'\[string\]|\[\]|->|[A-Za-z0-9_.]+|[^\sA-Za-z0-9_.]', text)
        self.types, self.methods, self.errors = {}, {}, {}
        assert self.take() == 'interface'
        self.name = self.take()
        while self.tokens:
            self.member()

    def take(self, wanted=None):
        token = self.tokens.pop(0)
        assert wanted in (None, token), f'{token} where {wanted} should be'
        return token

    def member(self):
        kind, name = self.take(), self.take()
        fields = self.type()
        if kind == 'method':
            self.take('->')
            self.methods[name] = fields, self.type()
        else:
            {'type': self.types, 'error': self.errors}[kind][name] = fields

    def type(self):
        """('?' or '', '[]' or '[string]' or '', a name, {field: type} or [enum value])"""
        optional = self.take() if self.tokens[0] == '?' else ''
        shape = self.take() if self.tokens[0] in ('[]', '[string]') else ''
        if self.tokens[0] != '(':
            return optional, shape, self.take()
        self.take('(')
        fields, values = {}, []
        while self.tokens[0] != ')':
            if fields or values:
                self.take(',')
            name = self.take()
            if self.tokens[0] == ':':
                self.take(':')
                fields[name] = self.type()
            else:
                values.append(name)
        self.take(')')
        return optional, shape, values or fields

    def check(self, place, type_, value):
        """Complains unless the value is of the type."""
        optional, shape, inner = type_
        if value is None:
            assert optional, f'{place} is null'
        elif shape == '[]':
            assert isinstance(value, list), f'{place} is no array'
            for i, item in enumerate(value):
                self.check(f'{place}[{i}]', ('', '', inner), item)
        elif shape == '[string]':
            assert isinstance(value, dict), f'{place} is no map'
            for key, item in value.items():
                self.check(f'{place}.{key}', ('', '', inner), item)
        else:
            self.check_plain(place, inner, value)

    def check_plain(self, place, inner, value):
        if isinstance(inner, list):
            assert value in inner, f'{place} is {value}, none of {inner}'
        elif isinstance(inner, dict):
            self.check_fields(place, inner, value)
        elif inner in self.types:
            self.check(place, self.types[inner], value)
        else:
            classes = {'bool': bool, 'int': int, 'float': float, 'string': str, 'object': dict}
            large = inner == 'int' and isinstance(value, str) and value.isdigit() and int(value) >= 2 ** 63
            assert type(value) is classes[inner] or large, f'{place} is {value!r}, no {inner}'

    def check_fields(self, place, fields, value):
        assert isinstance(value, dict), f'{place} is no object'
        for name in value:
            assert name in fields, f'{place}.{name} is not in the description'
        for name, type_ in fields.items():
            if name in value:
                self.check(f'{place}.{name}', type_, value[name])
            else:
                assert type_[0] == '?', f'{place}.{name} is missing'

    def check_reply(self, method, message):
        """A message of the daemon, as an answer to a method."""
        interface, _, name = method.rpartition('.')
        if 'error' in message:
            interface, _, error = message['error'].rpartition('.')
            if interface == self.name:
                self.check(error, self.errors[error], message['parameters'])
        elif interface == self.name:
            self.check(name, self.methods[name][1], message['parameters'])
