#!/bin/sh
# SPDX-License-Identifier: MIT
# What runs jobs in a test guest. Three virtio-serial ports lead to the host (see guest.py):
#   shell   numbers of jobs to run, one a line: the script is in the shared folder
#   events  what happens: "exit JOB CODE", "line JOB TEXT", "udev ..." as udevtail prints it; "udev listening": ready
#   usb     stdin and stdout of usbip_acm
export ASAN_OPTIONS=abort_on_error=0:exitcode=99 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:exitcode=98
JOBS=/mnt/jobs

modprobe -a configfs virtio_console 9pnet_virtio 9p vhci_hcd
udevadm settle
mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 share /mnt
mount -t configfs config /sys/kernel/config
exec 3<>/dev/virtio-ports/shell 4<>/dev/virtio-ports/events 5<>/dev/virtio-ports/usb

usbip_acm <&5 >&5 3<&- 4<&- &
udevtail </dev/null 3<&- 5<&- | while IFS= read -r line; do printf 'udev %s\n' "$line" >&4; done &

# A job in its own process group, with its pid in a file, so that it can be signalled.
run()
{
	if [ -e "$JOBS/$1/stream" ]; then
		{ setsid sh "$JOBS/$1/script"; echo $? >"/run/$1.code"; } </dev/null 3<&- 4<&- 5<&- 2>"$JOBS/$1/err" |
			while IFS= read -r line; do printf 'line %s %s\n' "$1" "$line" >&4; done
		echo "exit $1 $(cat "/run/$1.code")" >&4
	else
		setsid sh "$JOBS/$1/script" </dev/null 3<&- 4<&- 5<&- >"$JOBS/$1/out" 2>"$JOBS/$1/err"
		echo "exit $1 $?" >&4
	fi
}

while read -r job <&3; do
	run "$job" &
done
