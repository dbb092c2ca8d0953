# SPDX-License-Identifier: MIT
"""A script for mcumgr_toolkit runs after changing its import: same names, arguments, order and defaults; same fields."""
import dataclasses
import inspect

import pytest

import mcumgrd
from mcumgrd import MCUmgrClient

REQUIRED = inspect.Parameter.empty

METHODS = {
    "serial": [("serial", REQUIRED), ("baud_rate", 115200), ("timeout_ms", 500)],
    "usb_serial": [("identifier", REQUIRED), ("baud_rate", 115200), ("timeout_ms", 500)],
    "raw_usb_serial": [("identifier", REQUIRED), ("baud_rate", 115200), ("timeout_ms", 500)],
    "raw_serial": [("serial", REQUIRED), ("baud_rate", 115200), ("timeout_ms", 500)],
    "set_frame_size": [("smp_frame_size", REQUIRED)],
    "use_auto_frame_size": [],
    "set_timeout_ms": [("timeout_ms", REQUIRED)],
    "set_retries": [("retries", REQUIRED)],
    "check_connection": [],
    "firmware_update": [("firmware", REQUIRED), ("checksum", None), ("bootloader_type", None), ("skip_reboot", False),
                        ("force_confirm", False), ("upgrade_only", False), ("progress", None)],
    "os_echo": [("msg", REQUIRED)],
    "os_task_statistics": [],
    "os_memory_pool_statistics": [],
    "os_set_datetime": [("datetime", REQUIRED)],
    "os_get_datetime": [],
    "os_system_reset": [("force", False), ("boot_mode", None)],
    "os_mcumgr_parameters": [],
    "os_application_info": [("format", None)],
    "os_bootloader_info": [],
    "image_get_state": [],
    "image_set_state": [("hash", None), ("confirm", False)],
    "image_upload": [("data", REQUIRED), ("image", None), ("checksum", None), ("upgrade_only", False), ("progress", None)],
    "image_erase": [("slot", None)],
    "image_slot_info": [],
    "stats_get_group_data": [("name", REQUIRED)],
    "stats_list_groups": [],
    "settings_read": [("name", REQUIRED)],
    "settings_read_ext": [("name", REQUIRED), ("max_size", None)],
    "settings_write": [("name", REQUIRED), ("value", REQUIRED)],
    "settings_delete": [("name", REQUIRED)],
    "settings_commit": [],
    "settings_load": [],
    "settings_save": [("name", None)],
    "fs_file_download": [("name", REQUIRED), ("progress", None)],
    "fs_file_upload": [("name", REQUIRED), ("data", REQUIRED), ("progress", None)],
    "fs_file_status": [("name", REQUIRED)],
    "fs_file_checksum": [("name", REQUIRED), ("algorithm", None), ("offset", 0), ("length", None)],
    "fs_supported_checksum_types": [],
    "fs_file_close": [],
    "shell_execute": [("argv", REQUIRED), ("use_retries", True)],
    "enum_get_group_count": [],
    "enum_get_group_ids": [],
    "enum_get_group_id": [("index", REQUIRED)],
    "enum_iter_group_ids": [],
    "enum_get_group_details": [("groups", None)],
    "zephyr_erase_storage": [],
    "raw_command": [("write_operation", REQUIRED), ("group_id", REQUIRED), ("command_id", REQUIRED), ("data", REQUIRED)],
}

FIELDS = {
    "FileChecksum": {"output", "offset", "type", "length"},
    "FileChecksumProperties": {"format", "size"},
    "FileStatus": {"length"},
    "GroupDetails": {"group", "name", "handlers"},
    "ImageState": {"active", "image", "slot", "pending", "version", "hash", "bootable", "permanent", "confirmed"},
    "MCUmgrParameters": {"buf_size", "buf_count"},
    "SlotInfoImage": {"slots", "image", "max_image_size"},
    "SlotInfoImageSlot": {"slot", "size", "upload_image_id"},
    "TaskStatistics": {"runtime", "tid", "prio", "stkuse", "stksiz", "cswcnt", "state"},
    "McubootImageInfo": {"hash", "version"},
}


@pytest.mark.parametrize("name", METHODS)
def test_method(name):
    method = getattr(MCUmgrClient, name)
    parameters = [(p.name, p.default) for p in inspect.signature(method).parameters.values() if p.name != "self"]
    assert parameters[:len(METHODS[name])] == METHODS[name]
    assert all(default is not REQUIRED for _, default in parameters[len(METHODS[name]):])
    assert inspect.getdoc(method), "every method is documented"


@pytest.mark.parametrize("name", FIELDS)
def test_fields(name):
    assert {f.name for f in dataclasses.fields(getattr(mcumgrd, name))} == FIELDS[name]


def test_errors_are_runtime_errors():
    for name in mcumgrd.errors.__all__:
        assert issubclass(getattr(mcumgrd, name), RuntimeError), name
