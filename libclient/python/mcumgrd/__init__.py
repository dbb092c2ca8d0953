# SPDX-License-Identifier: MIT
"""Talk to Zephyr and MCUboot boards through mcumgrd, with the calls of mcumgr_toolkit.

    from mcumgrd import MCUmgrClient

    with MCUmgrClient.serial("/dev/ttyACM0") as client:
        client.use_auto_frame_size()
        print(client.os_echo("Hello world!"))
"""
from .client import MCUmgrClient, devices, watch
from .errors import *  # noqa: F401,F403
from .image import mcuboot_get_image_info
from .lease import Lease
from .types import *  # noqa: F401,F403
from .varlink import Connection

__version__ = "0.1.0"
