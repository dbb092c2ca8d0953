# SPDX-License-Identifier: MIT
"""What the service manager is told, when it has much else to listen to."""

import os
import signal
import socket
import subprocess

import rack as racks


def fill(notify, address):
    """Until the queue takes no more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as others:
        others.setblocking(False)
        try:
            while True:
                others.sendto(b'STATUS=of another service', address)
        except BlockingIOError:
            pass


def test_ready_waits_for_a_busy_service_manager(tmp_path):
    """Without that word the service would be stopped after a while as one that does not start. Forty boards are expected."""
    config, address = tmp_path / 'conf', str(tmp_path / 'notify')
    config.write_text(''.join(f'[device b{i}]\nserial = B{i}\n' for i in range(40)))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, socket.socket(socket.AF_UNIX) as client:
        notify.bind(address)
        notify.settimeout(60)
        fill(notify, address)
        process = subprocess.Popen([racks.program(), '-c', config, '--socket', tmp_path / 'socket', '--state-dir', tmp_path / 'state'],
                                   stderr=subprocess.PIPE, env={**os.environ, 'NOTIFY_SOCKET': address})
        try:
            while b'listens on' not in process.stderr.readline():
                assert process.poll() is None
            client.connect(str(tmp_path / 'socket'))
            client.settimeout(1)
            client.sendall(b'{"method": "io.mcumgr.Ports"}\0')
            try:
                client.recv(4096)  # it is past the start, and has said what it has to say
            except TimeoutError:
                pass  # it waits
            told = notify.recv(4096)
            while b'READY=1' not in told:
                told = notify.recv(4096)
            assert told == b'READY=1\nSTATUS=40 boards'
        finally:
            process.send_signal(signal.SIGTERM)
            process.stderr.read()
            process.wait(30)
