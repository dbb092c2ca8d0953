/* SPDX-License-Identifier: MIT */
#include "proto/commands.h"

#include "proto/commands-private.h"

/* Fields and rows in the order of the groups (SMP §5). */

#define FIELDS(name) static const struct smp_field name[]
#define END                                                                                                            \
	{                                                                                                              \
		NULL                                                                                                   \
	}

/* Times that a board may need beyond the wire (SMP §6.3, §9). */
#define FLASH_MS 5000	      /* looks at slots, writes a flag or a setting */
#define STORE_MS 10000	      /* writes all settings */
#define SHELL_MS 10000	      /* a command runs as long as it likes; more by timeoutMs */
#define FILE_SUM_MS 30000     /* reads a whole file */
#define ERASE_MS 60000

/* OS (group 0) */

FIELDS(echo_request) = { { "text", "d", FIELD_TEXT }, END };
FIELDS(echo_reply) = { { "text", "r", FIELD_TEXT }, END };

FIELDS(task) = {
	{ "name", NULL, FIELD_TEXT },
	{ "priority", "prio", FIELD_INT },
	{ "identifier", "tid", FIELD_UINT },
	{ "state", "state", FIELD_UINT },
	{ "stackUsed", "stkuse", FIELD_UINT, .optional = true, .scale = 4 }, /* words of 4 bytes */
	{ "stackSize", "stksiz", FIELD_UINT, .optional = true, .scale = 4 },
	{ "contextSwitches", "cswcnt", FIELD_UINT, .optional = true },
	{ "runtime", "runtime", FIELD_UINT, .optional = true },
	END,
};
FIELDS(tasks_reply) = { { "tasks", "tasks", FIELD_NAMED_LIST, .fields = task }, END };

const struct smp_field smp_memory_pool_fields[] = {
	{ "name", NULL, FIELD_TEXT },
	{ "blockSize", "blksiz", FIELD_UINT, .optional = true },
	{ "blocks", "nblks", FIELD_UINT },
	{ "free", "nfree", FIELD_UINT },
	{ "minimumFree", "min", FIELD_UINT, .optional = true },
	END,
};
FIELDS(pools_reply) = { { "pools", "tasks", FIELD_NAMED_LIST, .fields = smp_memory_pool_fields }, END };

FIELDS(get_time_reply) = { { "time", "datetime", FIELD_TEXT }, END };
FIELDS(set_time_request) = { { "time", "datetime", FIELD_TIME }, END };

FIELDS(reset_request) = {
	{ "force", "force", FIELD_BOOL, .optional = true },
	{ "bootMode", "boot_mode", FIELD_UINT, .optional = true, .max = UINT8_MAX },
	END,
};

FIELDS(parameters_reply) = {
	{ "bufferSize", "buf_size", FIELD_UINT },
	{ "bufferCount", "buf_count", FIELD_UINT },
	END,
};

FIELDS(info_request) = { { "format", "format", FIELD_TEXT, .optional = true }, END };
/* Without a format the daemon asks for the fields one by one, in the order of the letters s n r v b m p i o (SMP §5.0). */
FIELDS(info_reply) = {
	{ "text", "output", FIELD_TEXT },
	{ "kernelName", NULL, FIELD_TEXT, .optional = true },
	{ "nodeName", NULL, FIELD_TEXT, .optional = true },
	{ "kernelRelease", NULL, FIELD_TEXT, .optional = true },
	{ "kernelVersion", NULL, FIELD_TEXT, .optional = true },
	{ "buildTime", NULL, FIELD_TEXT, .optional = true },
	{ "machine", NULL, FIELD_TEXT, .optional = true },
	{ "processor", NULL, FIELD_TEXT, .optional = true },
	{ "hardwarePlatform", NULL, FIELD_TEXT, .optional = true },
	{ "operatingSystem", NULL, FIELD_TEXT, .optional = true },
	END,
};

FIELDS(bootloader_request) = { { "query", "query", FIELD_TEXT, .optional = true }, END };
FIELDS(bootloader_reply) = {
	{ "name", "bootloader", FIELD_TEXT, .optional = true },
	{ "mode", "mode", FIELD_INT, .optional = true },
	{ "noDowngrade", "no-downgrade", FIELD_BOOL, .optional = true },
	{ "modeName", NULL, FIELD_TEXT, .optional = true },
	END,
};

/* Image (group 1). One image: servers leave its number out. Frugal ones send only the flags that are true. */

FIELDS(image_slot) = {
	{ "image", "image", FIELD_UINT, .default_zero = true },
	{ "slot", "slot", FIELD_UINT },
	{ "version", "version", FIELD_TEXT },
	{ "hash", "hash", FIELD_HEX, .optional = true },
	{ "bootable", "bootable", FIELD_BOOL, .default_false = true },
	{ "pending", "pending", FIELD_BOOL, .default_false = true },
	{ "confirmed", "confirmed", FIELD_BOOL, .default_false = true },
	{ "active", "active", FIELD_BOOL, .default_false = true },
	{ "permanent", "permanent", FIELD_BOOL, .default_false = true },
	END,
};
FIELDS(image_state_reply) = {
	{ "slots", "images", FIELD_LIST, .fields = image_slot },
	{ "splitStatus", "splitStatus", FIELD_INT, .optional = true },
	END,
};
FIELDS(image_test_request) = {
	{ "hash", "hash", FIELD_HEX, .max = 64 },
	{ "", "confirm", FIELD_FALSE },
	END,
};
FIELDS(image_confirm_request) = {
	{ "hash", "hash", FIELD_HEX, .optional = true, .max = 64 },
	{ "", "confirm", FIELD_TRUE },
	END,
};
FIELDS(image_erase_request) = { { "slot", "slot", FIELD_UINT, .optional = true, .max = UINT32_MAX }, END };

FIELDS(slot_size) = {
	{ "slot", "slot", FIELD_UINT },
	{ "size", "size", FIELD_UINT, .optional = true }, /* absent beside a slot's own rc */
	{ "uploadImageId", "upload_image_id", FIELD_UINT, .optional = true },
	END,
};
FIELDS(slot_info) = {
	{ "image", "image", FIELD_UINT, .default_zero = true },
	{ "slots", "slots", FIELD_LIST, .fields = slot_size },
	{ "maxImageSize", "max_image_size", FIELD_UINT, .optional = true },
	END,
};
FIELDS(slot_info_reply) = { { "images", "images", FIELD_LIST, .fields = slot_info }, END };

/* Stat (group 2) */

FIELDS(stat_groups_reply) = { { "groups", "stat_list", FIELD_TEXTS }, END };
FIELDS(stat_request) = { { "group", "name", FIELD_TEXT }, END };
FIELDS(stat) = { { "name", NULL, FIELD_TEXT }, { "value", NULL, FIELD_UINT }, END };
FIELDS(stat_reply) = {
	{ "group", "name", FIELD_TEXT },
	{ "values", "fields", FIELD_NAMED_INTS, .fields = stat },
	END,
};

/* Settings (group 3) */

FIELDS(setting_name) = { { "name", "name", FIELD_TEXT }, END };
FIELDS(setting_read_request) = {
	{ "name", "name", FIELD_TEXT },
	{ "maxSize", "max_size", FIELD_UINT, .optional = true, .max = UINT32_MAX },
	END,
};
FIELDS(setting_read_reply) = {
	{ "value", "val", FIELD_BASE64 },
	{ "maxSize", "max_size", FIELD_UINT, .optional = true },
	END,
};
FIELDS(setting_write_request) = {
	{ "name", "name", FIELD_TEXT },
	{ "value", "val", FIELD_BASE64, .max = UINT16_MAX },
	END,
};
FIELDS(settings_save_request) = { { "name", "name", FIELD_TEXT, .optional = true }, END };

/* Files (group 8) */

FIELDS(file_status_request) = { { "path", "name", FIELD_TEXT }, END };
FIELDS(file_status_reply) = { { "size", "len", FIELD_UINT }, END };
FIELDS(file_hash_request) = {
	{ "path", "name", FIELD_TEXT },
	{ "type", "type", FIELD_TEXT, .optional = true },
	{ "offset", "off", FIELD_UINT, .optional = true },
	{ "length", "len", FIELD_UINT, .optional = true },
	END,
};
FIELDS(file_hash_reply) = {
	{ "type", "type", FIELD_TEXT },
	{ "offset", "off", FIELD_UINT, .optional = true },
	{ "length", "len", FIELD_UINT },
	{ "number", "output", FIELD_UINT, .optional = true },
	{ "hash", "output", FIELD_HEX, .optional = true },
	END,
};
FIELDS(checksum_type) = { { "format", "format", FIELD_UINT }, { "size", "size", FIELD_UINT }, END };
FIELDS(file_hash_types_reply) = { { "types", "types", FIELD_MAP, .fields = checksum_type }, END };

/* Shell (group 9) */

FIELDS(shell_request) = { { "arguments", "argv", FIELD_TEXTS }, END };
FIELDS(shell_reply) = { { "output", "o", FIELD_TEXT }, { "status", "ret", FIELD_INT }, END };

/* Enumeration (group 10) */

FIELDS(group_count_reply) = { { "count", "count", FIELD_UINT }, END };
FIELDS(group_ids_reply) = { { "groups", "groups", FIELD_UINTS }, END };
FIELDS(group_at_request) = { { "index", "index", FIELD_UINT, .optional = true, .max = UINT16_MAX }, END };
FIELDS(group_at_reply) = {
	{ "group", "group", FIELD_UINT },
	{ "end", "end", FIELD_BOOL, .optional = true },
	END,
};
FIELDS(groups_request) = { { "groups", "groups", FIELD_UINTS, .optional = true, .max = UINT16_MAX }, END };
FIELDS(group) = {
	{ "group", "group", FIELD_UINT },
	{ "name", "name", FIELD_TEXT, .optional = true },
	{ "handlers", "handlers", FIELD_UINT, .optional = true },
	END,
};
FIELDS(groups_reply) = { { "groups", "groups", FIELD_LIST, .fields = group }, END };

/* Transport (group 11; Zephyr 4.5, and still moving). What connect takes besides is each transport's own. */

FIELDS(transport_status_reply) = {
	{ "supported", "supported", FIELD_UINT },
	{ "active", "active", FIELD_UINT },
	{ "bridged", "bridged", FIELD_BOOL, .default_false = true },
	{ "transport", "transport", FIELD_UINT, .optional = true },
	END,
};
FIELDS(transport) = { { "id", "id", FIELD_UINT }, { "name", "name", FIELD_TEXT, .optional = true }, END };
FIELDS(transports_reply) = { { "transports", "transports", FIELD_LIST, .fields = transport }, END };
FIELDS(transport_modes_request) = { { "transport", "transport", FIELD_UINT, .max = UINT32_MAX }, END };
FIELDS(transport_mode) = {
	{ "id", "id", FIELD_UINT },
	{ "description", "description", FIELD_TEXT, .optional = true },
	{ "incoming", "incoming", FIELD_BOOL, .default_false = true },
	{ "outgoing", "outgoing", FIELD_BOOL, .default_false = true },
	END,
};
FIELDS(transport_modes_reply) = { { "modes", "modes", FIELD_LIST, .fields = transport_mode }, END };
FIELDS(transport_connect_request) = {
	{ "transport", "transport", FIELD_UINT, .max = UINT32_MAX },
	{ "mode", "mode", FIELD_UINT, .optional = true, .max = UINT32_MAX },
	END,
};
FIELDS(transport_disconnect_request) = {
	{ "transport", "transport", FIELD_UINT, .optional = true, .max = UINT32_MAX },
	{ "all", "all", FIELD_BOOL, .optional = true },
	END,
};

/* clang-format off */
const struct smp_command smp_commands[] = {
	{ "Echo",           SMP_WRITE, SMP_OS, 0, echo_request, echo_reply },
	{ "Tasks",          SMP_READ,  SMP_OS, 2, NULL, tasks_reply, .fix_reply = smp_fix_tasks },
	{ "MemoryPools",    SMP_READ,  SMP_OS, 3, NULL, pools_reply, .fix_reply = smp_fix_memory_pools },
	{ "GetTime",        SMP_READ,  SMP_OS, 4, NULL, get_time_reply, .fix_reply = smp_fix_time },
	{ "SetTime",        SMP_WRITE, SMP_OS, 4, set_time_request, NULL, .changes = true },
	{ "Reset",          SMP_WRITE, SMP_OS, 5, reset_request, NULL, REPEAT_NEVER, .changes = true, .restarts = true },
	{ "Parameters",     SMP_READ,  SMP_OS, 6, NULL, parameters_reply },
	{ "OsInfo",         SMP_READ,  SMP_OS, 7, info_request, info_reply },
	{ "BootloaderInfo", SMP_READ,  SMP_OS, 8, bootloader_request, bootloader_reply,
	  .fix_reply = smp_fix_bootloader },

	/* A second test or confirm of the same image is answered as the first (SMP §5.1). */
	{ "ImageList",      SMP_READ,  SMP_IMAGE, 0, NULL, image_state_reply, .deadline_ms = FLASH_MS },
	{ "ImageTest",      SMP_WRITE, SMP_IMAGE, 0, image_test_request, image_state_reply,
	  .changes = true, .deadline_ms = FLASH_MS },
	{ "ImageConfirm",   SMP_WRITE, SMP_IMAGE, 0, image_confirm_request, image_state_reply,
	  .changes = true, .deadline_ms = FLASH_MS },
	{ "ImageErase",     SMP_WRITE, SMP_IMAGE, 5, image_erase_request, NULL, REPEAT_NEVER,
	  .changes = true, .deadline_ms = ERASE_MS },
	{ "SlotInfo",       SMP_READ,  SMP_IMAGE, 6, NULL, slot_info_reply, .deadline_ms = FLASH_MS },

	{ "StatRead",       SMP_READ,  SMP_STAT, 0, stat_request, stat_reply },
	{ "StatGroups",     SMP_READ,  SMP_STAT, 1, NULL, stat_groups_reply },

	/* A second delete finds no such key; commit and load run the application's handlers again, and load is a read by op. */
	{ "SettingRead",    SMP_READ,  SMP_SETTINGS, 0, setting_read_request, setting_read_reply },
	{ "SettingWrite",   SMP_WRITE, SMP_SETTINGS, 0, setting_write_request, NULL,
	  .changes = true, .deadline_ms = FLASH_MS },
	{ "SettingDelete",  SMP_WRITE, SMP_SETTINGS, 1, setting_name, NULL, REPEAT_NEVER,
	  .changes = true, .deadline_ms = FLASH_MS },
	{ "SettingsCommit", SMP_WRITE, SMP_SETTINGS, 2, NULL, NULL, REPEAT_NEVER,
	  .changes = true, .deadline_ms = FLASH_MS },
	{ "SettingsLoad",   SMP_READ,  SMP_SETTINGS, 3, NULL, NULL, REPEAT_NEVER,
	  .changes = true, .deadline_ms = STORE_MS },
	{ "SettingsSave",   SMP_WRITE, SMP_SETTINGS, 3, settings_save_request, NULL,
	  .changes = true, .deadline_ms = STORE_MS },

	{ "FileStatus",     SMP_READ,  SMP_FS, 1, file_status_request, file_status_reply, .deadline_ms = FLASH_MS },
	{ "FileHash",       SMP_READ,  SMP_FS, 2, file_hash_request, file_hash_reply,
	  .deadline_ms = FILE_SUM_MS },
	{ "FileHashTypes",  SMP_READ,  SMP_FS, 3, NULL, file_hash_types_reply },
	{ "FileClose",      SMP_WRITE, SMP_FS, 4, NULL, NULL, .changes = true, .deadline_ms = FLASH_MS },

	{ "ShellExecute",   SMP_WRITE, SMP_SHELL, 0, shell_request, shell_reply, REPEAT_NEVER,
	  .may_repeat = true, .changes = true, .deadline_ms = SHELL_MS, .fix_reply = smp_fix_shell },

	{ "GroupCount",     SMP_READ,  SMP_ENUM, 0, NULL, group_count_reply },
	{ "GroupIds",       SMP_READ,  SMP_ENUM, 1, NULL, group_ids_reply },
	{ "GroupAt",        SMP_READ,  SMP_ENUM, 2, group_at_request, group_at_reply },
	{ "Groups",         SMP_READ,  SMP_ENUM, 3, groups_request, groups_reply },

	{ "TransportConnect",    SMP_WRITE, SMP_TRANSPORT, 0, transport_connect_request, NULL, REPEAT_NEVER,
	  .changes = true, .deadline_ms = FLASH_MS },
	{ "TransportDisconnect", SMP_WRITE, SMP_TRANSPORT, 1, transport_disconnect_request, NULL, REPEAT_NEVER,
	  .changes = true, .deadline_ms = FLASH_MS },
	{ "TransportStatus",     SMP_READ,  SMP_TRANSPORT, 2, NULL, transport_status_reply },
	{ "TransportList",       SMP_READ,  SMP_TRANSPORT, 6, NULL, transports_reply },
	{ "TransportModes",      SMP_READ,  SMP_TRANSPORT, 7, transport_modes_request, transport_modes_reply },

	{ "StorageErase",   SMP_WRITE, SMP_ZEPHYR, 0, NULL, NULL, REPEAT_NEVER,
	  .changes = true, .deadline_ms = ERASE_MS },
	{ NULL },
};
/* clang-format on */
