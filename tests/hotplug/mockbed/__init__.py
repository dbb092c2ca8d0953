# SPDX-License-Identifier: MIT
"""A mocked USB bus (umockdev) with simulated boards behind its ttys."""
