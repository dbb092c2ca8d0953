# SPDX-License-Identifier: MIT
"""mcumgrd against real Zephyr firmware: native processes and emulated boards."""
