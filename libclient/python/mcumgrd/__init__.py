# SPDX-License-Identifier: MIT
"""Talk to Zephyr and MCUboot boards through mcumgrd, with the calls of mcumgr_toolkit.

    from mcumgrd import MCUmgrClient

    with MCUmgrClient.serial("/dev/ttyACM0") as client:
        client.use_auto_frame_size()
        print(client.os_echo("Hello world!"))

To await, AsyncMCUmgrClient has the same calls:

    async with await AsyncMCUmgrClient.serial("/dev/ttyACM0") as client:
        print(await client.os_echo("Hello world!"))
"""
# "as" says to type checkers that these names are for users.
from .aio import AsyncMCUmgrClient as AsyncMCUmgrClient
from .client import MCUmgrClient as MCUmgrClient, devices as devices, watch as watch
from .errors import *  # noqa: F401,F403
from .image import mcuboot_get_image_info as mcuboot_get_image_info
from .lease import Lease as Lease
from .types import *  # noqa: F401,F403
from .varlink import Connection as Connection

__version__ = "0.1.0"
