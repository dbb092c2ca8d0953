# SPDX-License-Identifier: MIT
"""Where the time of a storm goes: to the kernel and udev until they tell of a tty, or to the daemon until the board is ready."""

import re

GROUPS = (('mcumgrd', 'mcumgrd'), ('mcumgrctl', 'mcumgrctl watch'), ('mcumgr-sim', 'boards'), ('usbip_acm', 'boards'), ('udevtail', 'udev'),
          (r'\(?udev|systemd-udevd', 'udev'), (r'kworker|ksoftirqd|khubd|usb|vhci|stub', 'kernel threads'))


def processor_seconds(guest):
    """By who has used them since the guest was started."""
    used = {}
    ticks = int(guest.run('getconf CLK_TCK 2>/dev/null || echo 100').out)
    for line in guest.run('cat /proc/[0-9]*/stat 2>/dev/null', check=False).out.splitlines():
        name, rest = re.fullmatch(r'\d+ \((.*)\) \S (.*)', line).groups()
        group = next((group for pattern, group in GROUPS if re.match(pattern, name)), 'others')
        used[group] = used.get(group, 0) + sum(map(int, rest.split()[10:14])) / ticks
    return used


def seconds(time):
    hours, minutes, rest = time.split(':')
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)


class Split:
    """From here on until told()."""

    def __init__(self, guest, rack):
        self._guest, self._rack, self._used, self._from = guest, rack, processor_seconds(guest), len(rack.log())
        self._began = seconds(guest.run('touch /run/now; stat -c %y /run/now').out.split()[1])

    def told(self, names):
        log = self._rack.log()[self._from:]
        heard = {name: seconds(at) for at, name in re.findall(r'^(\S+) info: usb: .* serial number (\S+),', log, re.M)}
        ready = {name: seconds(at) for at, name in re.findall(r'^(\S+) info: (\S+) device: ready', log, re.M)}
        took = sorted(ready[name] - heard[name] for name in names)
        used = {group: total - self._used.get(group, 0) for group, total in processor_seconds(self._guest).items()}
        return (f'the last tty was told of {max(heard[n] for n in names) - self._began:.1f} s after the plug, the last board was '
                f'ready {max(ready[n] for n in names) - max(heard[n] for n in names):.1f} s later; a board was ready '
                f'{took[len(took) // 2]:.1f} s (at most {took[-1]:.1f} s) after its tty was told of; processor seconds: '
                + ', '.join(f'{group} {spent:.1f}' for group, spent in sorted(used.items(), key=lambda entry: -entry[1])))
