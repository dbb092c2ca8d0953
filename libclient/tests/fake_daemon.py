# SPDX-License-Identifier: MIT
"""A Varlink server that plays what a test wrote down, notes every call, and lets nothing pass that the interface forbids."""

import json
import socket
import threading
import traceback

PREFIX = "io.mcumgr."
DEADLINE = 60


class Error:
    """An error reply."""

    def __init__(self, name, **parameters):
        self.name = name if "." in name else PREFIX + name
        self.parameters = parameters


class Raw:
    """Bytes as they are: garbage."""

    def __init__(self, data):
        self.data = data


class Close:
    """Ends the connection."""


class Open:
    """At the end: the stream has no last reply."""


class Later:
    """Waits until a method was called (by whomever), then goes on."""

    def __init__(self, method, count=1):
        self.method, self.count = method, count


class FakeDaemon:
    def __init__(self, path, interface):
        self.path, self.interface = str(path), interface
        self.script, self.calls, self.trouble = {}, [], []
        self.connections = 0
        self.changed = threading.Condition()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.close()
        assert not self.trouble, "\n".join(self.trouble)

    def on(self, method, *replies):
        """What to answer: replies one after the other (all but the last continue), or a function of the parameters that
        returns such a list. Without: the call is left without an answer."""
        self.script[method] = replies
        return self

    def methods(self):
        return [method for method, _, _ in self.calls]

    def wait(self, condition, what):
        with self.changed:
            assert self.changed.wait_for(lambda: condition() or self.trouble, DEADLINE), f"waited for {what}; calls: {self.calls}"

    def wait_call(self, method, count=1):
        self.wait(lambda: self.methods().count(method) >= count, f"{count} calls of {method}")

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with self.changed:
            self.connections += 1
            self.changed.notify_all()
        try:
            self.serve_calls(connection)
        except (BrokenPipeError, ConnectionResetError):
            pass
        except Exception:
            self.trouble.append(traceback.format_exc())
        finally:
            connection.close()
            with self.changed:
                self.connections -= 1
                self.changed.notify_all()

    def serve_calls(self, connection):
        buffer = b""
        while True:
            data = connection.recv(65536)
            if not data:
                assert not buffer, f"half a message: {buffer!r}"
                return
            *messages, buffer = (buffer + data).split(b"\0")
            for message in messages:
                if not self.answer(connection, json.loads(message)):
                    return

    def answer(self, connection, call):
        assert set(call) <= {"method", "parameters", "more"}, call
        assert call["method"].startswith(PREFIX), call
        method, parameters, more = call["method"][len(PREFIX):], call.get("parameters", {}), call.get("more", False)
        self.interface.check(self.interface.methods[method][0], parameters, method)
        with self.changed:
            self.calls.append((method, parameters, more))
            self.changed.notify_all()
        replies = self.script.get(method)
        if replies is None:
            return True
        if len(replies) == 1 and callable(replies[0]):
            replies = replies[0](parameters)
        return self.play(connection, method, list(replies), more)

    def play(self, connection, method, replies, more):
        unending = bool(replies) and isinstance(replies[-1], (Open, Close, Raw))
        for i, reply in enumerate(replies):
            last = not any(isinstance(later, (dict, Error)) for later in replies[i + 1:]) and not (more and unending)
            if isinstance(reply, Close):
                return False
            if isinstance(reply, Open):
                continue
            if isinstance(reply, Later):
                self.wait_call(reply.method, reply.count)
            elif isinstance(reply, Raw):
                connection.sendall(reply.data)
            else:
                connection.sendall(self.encode(method, reply, not last))
                assert last or more, f"a stream of replies, but {method} was called without 'more'"
        return True

    def encode(self, method, reply, continues):
        if isinstance(reply, Error):
            if reply.name.startswith(PREFIX):
                self.interface.check(self.interface.errors[reply.name[len(PREFIX):]], reply.parameters, reply.name)
            message = {"error": reply.name, "parameters": reply.parameters}
        else:
            self.interface.check(self.interface.methods[method][1], reply, method)
            message = {"parameters": reply, **({"continues": True} if continues else {})}
        return json.dumps(message, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\0"
