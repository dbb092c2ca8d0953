# SPDX-License-Identifier: MIT
"""A machine made of files, for programs that look at /sys, /proc, /dev, /etc and /run below $MCUMGRCTL_ROOT."""


class Machine:
    def __init__(self, root):
        self.root, self._next_pid = root, 100
        for folder in ("proc", "dev", "etc", "sys/class/tty", "sys/bus/usb/devices", "run/udev/data"):
            (root / folder).mkdir(parents=True)

    def file(self, path, text=""):
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    def interface(self, usb, number=0, ids="2fe3:0100", driver="cdc_acm", kind=("02", "02"), serial=None, product=None):
        """An interface of a board on USB; driver None: nobody has taken it."""
        vendor, product_id = ids.split(":")
        board = f"sys/devices/pci0000:00/usb1/{usb}"
        for name, value in (("idVendor", vendor), ("idProduct", product_id), ("serial", serial), ("product", product),
                            ("dev", f"189:{len(usb)}")):
            if value is not None:
                self.file(f"{board}/{name}", value + "\n")
        directory = f"{board}/{usb}:1.{number}"
        for name, value in (("bInterfaceNumber", f"{number:02x}"), ("bInterfaceClass", kind[0]),
                            ("bInterfaceSubClass", kind[1])):
            self.file(f"{directory}/{name}", value + "\n")
        if driver:
            (self.root / directory / "driver").symlink_to(f"../../../../bus/usb/drivers/{driver}")
        for name in (usb, f"{usb}:1.{number}"):
            link = self.root / "sys/bus/usb/devices" / name
            if not link.is_symlink():
                inside = f"{usb}/{name}" if ":" in name else usb
                link.symlink_to(f"../../../devices/pci0000:00/usb1/{inside}")
        return directory

    def tty(self, name, usb="1-1", number=0, properties=(), **more):
        directory = f"{self.interface(usb, number, **more)}/tty/{name}"
        self.file(f"{directory}/dev", f"166:{number}\n")
        (self.root / "sys/class/tty" / name).symlink_to(f"../../../{directory}")
        self.file(f"run/udev/data/c166:{number}", "".join(f"E:{line}\n" for line in properties))
        return self.file(f"dev/{name}")

    def process(self, name, *files):
        """A process with files open."""
        pid, self._next_pid = self._next_pid, self._next_pid + 1
        self.file(f"proc/{pid}/comm", name[:15] + "\n")
        (self.root / f"proc/{pid}/fd").mkdir()
        for i, path in enumerate(("/dev/null", *files)):
            (self.root / f"proc/{pid}/fd/{i}").symlink_to(path)
        return pid
