# SPDX-License-Identifier: MIT
"""A machine with real USB hotplug: Debian's kernel and udev in QEMU, with simulated boards on its bus."""
