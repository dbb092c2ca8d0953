# SPDX-License-Identifier: MIT
"""A USB bus in a network and a mount namespace of its own, where programs use the libudev and the kernel's netlink as they are.

Nothing is preloaded, so there is no limit to ports and open files, and events can be lost as on a real machine. Needs root,
or a kernel that lets users make namespaces.
"""

import os
import subprocess
import sys
from pathlib import Path

from .process import LineProcess
from .testbed import Bus

SERVER = Path(__file__).with_name('namespace_bus.py')
USER = [] if os.geteuid() == 0 else ['--user', '--map-root-user']


class Unavailable(Exception):
    """No such namespaces on this machine; says why."""


class NamespaceBed(Bus):
    """What runs with `prefix` before its command sees the bus."""

    __test__ = False

    def __init__(self, folder):
        may = subprocess.run(['unshare', *USER, '--net', '--mount', 'true'], capture_output=True, text=True, check=False)
        if may.returncode:
            raise Unavailable(f'no namespaces for a bus: {may.stderr.strip()}')
        command = ['unshare', *USER, '--net', '--mount', sys.executable, SERVER]
        process = LineProcess(command, Path(folder) / 'bus.log', stdin=subprocess.PIPE)
        super().__init__(process)
        refused = process.wait_line('^ready$|^unavailable: (.*)$')[1]
        if refused:
            process.end()
            raise Unavailable(f'no namespaces for a bus: {refused}')
        # without --fork unshare becomes its command, so that this is the process in the namespaces
        self.prefix = ['nsenter', '--target', str(process.process.pid), '--net', '--mount',
                       *(['--user', '--preserve-credentials'] if USER else [])]

    @staticmethod
    def environment(_program, **variables):
        """libudev asks for a sysfs of the kernel, unless it is told otherwise."""
        return dict(os.environ, SYSTEMD_DEVICE_VERIFY_SYSFS='0', **variables)

    def flood(self, node, count):
        """So many events of one tty, which change nothing; returns once they are sent."""
        self._command('flood', node, f'count={count}')
