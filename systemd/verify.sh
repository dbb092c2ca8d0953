#!/bin/sh
# SPDX-License-Identifier: MIT
# verify.sh SERVICE BINARY INSTALLED SOCKET: systemd-analyze over the units, with the binary of the build in the place of the
# one that will be installed. Any output is a failure: an unknown key is only a warning there.
set -eu
command -v systemd-analyze >/dev/null || exit 77
# Where systemd has never run, as in a container, only root can make the folder that systemd-analyze wants.
[ -d /run/systemd ] || [ -w /run ] || exit 77
binary=$(realpath "$2")
units=$(mktemp -d)
trap 'rm -rf "$units"' EXIT
# A name without a space or a '|', wherever the build is.
ln -s "$binary" "$units/mcumgrd"
sed "s|^\(Exec[A-Za-z]*\)=$3|\1=\"$units/mcumgrd\"|" "$1" >"$units/mcumgrd.service"
grep -q "^ExecStart=\"$units/mcumgrd\"" "$units/mcumgrd.service"
cp "$4" "$units"
output=$(SYSTEMD_UNIT_PATH="$units:" systemd-analyze verify --man=no "$units/mcumgrd.service" "$units/mcumgrd.socket" 2>&1) || {
	echo "$output"
	exit 1
}
[ -z "$output" ] || { echo "$output"; exit 1; }
# 1.2: fchown, for the terminals of boards; a line that falls out of the sandbox costs more.
systemd-analyze security --offline=yes --threshold=12 "$units/mcumgrd.service" >"$units/report" 2>&1 || {
	cat "$units/report"
	exit 1
}
