/* SPDX-License-Identifier: MIT */

/* Groups, return codes and bootloader modes by name (SMP §4, §5.0): the reference as tables. */

#include "proto/smp.h"

struct code {
	uint64_t rc;
	const char *name, *text, *hint;
};

/* clang-format off */
#define PLAIN_CODES(X)                                                                                                 \
	X(0,  EOK,           "success", NULL)                                                                          \
	X(1,  EUNKNOWN,      "unspecified error", NULL)                                                                \
	X(2,  ENOMEM,        "the board has no buffer or memory left", "send fewer requests at once, or a smaller one") \
	X(3,  EINVAL,        "a parameter is missing or invalid", NULL)                                                \
	X(4,  ETIMEOUT,      "the operation timed out on the board", NULL)                                             \
	X(5,  ENOENT,        "not found", NULL)                                                                        \
	X(6,  EBADSTATE,     "not allowed in the current state", NULL)                                                 \
	X(7,  EMSGSIZE,      "the reply does not fit the board's buffer",                                              \
	      "the firmware needs a larger CONFIG_MCUMGR_TRANSPORT_NETBUF_SIZE")                                       \
	X(8,  ENOTSUP,       "the board does not have this command", NULL)                                             \
	X(9,  ECORRUPT,      "the request arrived corrupt or cut short", "the request may be larger than the board's buffer") \
	X(10, EBUSY,         "the board is busy", "try again a little later")                                          \
	X(11, EACCESSDENIED, "the application on the board refuses it", NULL)                                          \
	X(12, UNSUPPORTED_TOO_OLD, "the board no longer speaks this version of SMP", NULL)                             \
	X(13, UNSUPPORTED_TOO_NEW, "the board does not speak this version of SMP yet", NULL)

#define OS_CODES(X)                                                                                                    \
	X(2, INVALID_FORMAT, "the format has an unknown letter", "known letters are s n r v b m p i o a")              \
	X(3, QUERY_YIELDS_NO_ANSWER, "the bootloader does not know this query", NULL)                                  \
	X(4, RTC_NOT_SET, "the clock has not been set", "set it with os set-datetime")                                 \
	X(5, RTC_COMMAND_FAILED, "the clock cannot be used", NULL)                                                     \
	X(6, QUERY_RESPONSE_VALUE_NOT_VALID, "the bootloader gave an invalid answer", NULL)                            \
	X(7, HEAP_STATS_FETCH_FAILED, "the memory pool cannot be read", NULL)

#define IMAGE_CODES(X)                                                                                                 \
	X(2,  FLASH_CONFIG_QUERY_FAIL, "the flash layout cannot be read", NULL)                                        \
	X(3,  NO_IMAGE, "the slot holds no image", NULL)                                                               \
	X(4,  NO_TLVS, "the image in the slot has no TLVs", NULL)                                                      \
	X(5,  INVALID_TLV, "the image in the slot has an invalid TLV", NULL)                                           \
	X(6,  TLV_MULTIPLE_HASHES_FOUND, "the image in the slot has several hashes", NULL)                             \
	X(7,  TLV_INVALID_SIZE, "a TLV of the image in the slot has a wrong size", NULL)                               \
	X(8,  HASH_NOT_FOUND, "no slot holds an image with this hash", "the hash is the image's, not the file's")      \
	X(9,  NO_FREE_SLOT, "no slot is free",                                                                         \
		"the slot's image runs, or one is pending or under test: then confirm it, or reset the board first")   \
	X(10, FLASH_OPEN_FAILED, "the flash area cannot be opened", "slots of the first image are 0 and 1")            \
	X(11, FLASH_READ_FAILED, "the flash cannot be read", NULL)                                                     \
	X(12, FLASH_WRITE_FAILED, "the flash cannot be written", NULL)                                                 \
	X(13, FLASH_ERASE_FAILED, "the flash cannot be erased", NULL)                                                  \
	X(14, INVALID_SLOT, "there is no such slot", "slots of the first image are 0 and 1")                           \
	X(15, NO_FREE_MEMORY, "the board has no memory left", NULL)                                                    \
	X(16, FLASH_CONTEXT_ALREADY_SET, "another upload is under way", "reset the board")                             \
	X(17, FLASH_CONTEXT_NOT_SET, "no upload is under way", NULL)                                                   \
	X(18, FLASH_AREA_DEVICE_NULL, "the flash device is missing", NULL)                                             \
	X(19, INVALID_PAGE_OFFSET, "a flash page offset is invalid", NULL)                                             \
	X(20, INVALID_OFFSET, "the request has no offset", NULL)                                                       \
	X(21, INVALID_LENGTH, "the request has no length", NULL)                                                       \
	X(22, INVALID_IMAGE_HEADER, "the first chunk is shorter than the image header", NULL)                          \
	X(23, INVALID_IMAGE_HEADER_MAGIC, "not an MCUboot image", "send the signed image")                             \
	X(24, INVALID_HASH, "the hash is missing or has a wrong length", NULL)                                         \
	X(25, INVALID_FLASH_ADDRESS, "the image is linked for the other slot", "send the file built for the free slot") \
	X(26, VERSION_GET_FAILED, "the version of the running image cannot be read", NULL)                             \
	X(27, CURRENT_VERSION_IS_NEWER, "the board runs the same or a newer version", "leave out upgrade-only to install it anyway") \
	X(28, IMAGE_ALREADY_PENDING, "an image is already pending or under test", "reset the board, or confirm the running image, first") \
	X(29, INVALID_IMAGE_VECTOR_TABLE, "the image has an invalid vector table", "the image may be linked for another board or slot") \
	X(30, INVALID_IMAGE_TOO_LARGE, "the image is larger than the slot", NULL)                                      \
	X(31, INVALID_IMAGE_DATA_OVERRUN, "a chunk passes the end of the image", NULL)                                 \
	X(32, IMAGE_CONFIRMATION_DENIED, "the board does not let this image be confirmed", NULL)                       \
	X(33, IMAGE_SETTING_TEST_TO_ACTIVE_DENIED, "the running image cannot be marked for test", "it runs already: confirm it instead") \
	X(34, ACTIVE_SLOT_NOT_KNOWN, "the board does not know which slot it runs from", NULL)

#define STAT_CODES(X)                                                                                                  \
	X(2, INVALID_GROUP, "there is no such statistics group", NULL)                                                 \
	X(3, INVALID_STAT_NAME, "there is no such statistics group or entry", "stats list-groups tells the names")     \
	X(4, INVALID_STAT_SIZE, "an entry has an invalid size", NULL)                                                  \
	X(5, WALK_ABORTED, "reading the entries was aborted", NULL)

#define SETTINGS_CODES(X)                                                                                              \
	X(2, KEY_TOO_LONG, "the name is too long for the board", "see CONFIG_MCUMGR_GRP_SETTINGS_NAME_LEN of the firmware") \
	X(3, KEY_NOT_FOUND, "there is no such setting", NULL)                                                          \
	X(4, READ_NOT_SUPPORTED, "this setting cannot be read", NULL)                                                  \
	X(5, ROOT_KEY_NOT_FOUND, "there is no such root of settings", NULL)                                            \
	X(6, WRITE_NOT_SUPPORTED, "this setting cannot be written", NULL)                                              \
	X(7, DELETE_NOT_SUPPORTED, "this setting cannot be deleted", NULL)                                             \
	X(8, SAVE_NOT_SUPPORTED, "the settings cannot be saved", NULL)

#define FS_CODES(X)                                                                                                    \
	X(2,  FILE_INVALID_NAME, "the file name is invalid", NULL)                                                     \
	X(3,  FILE_NOT_FOUND, "there is no such file", NULL)                                                           \
	X(4,  FILE_IS_DIRECTORY, "it is a directory", NULL)                                                            \
	X(5,  FILE_OPEN_FAILED, "the file cannot be opened", "the mount point or folder may not exist")                \
	X(6,  FILE_SEEK_FAILED, "the offset cannot be reached", NULL)                                                  \
	X(7,  FILE_READ_FAILED, "the file cannot be read", NULL)                                                       \
	X(8,  FILE_TRUNCATE_FAILED, "the file cannot be truncated", NULL)                                              \
	X(9,  FILE_DELETE_FAILED, "the file cannot be deleted", NULL)                                                  \
	X(10, FILE_WRITE_FAILED, "the file cannot be written", "the file system may be full")                          \
	X(11, FILE_OFFSET_NOT_VALID, "the offset is not the one the board expects", NULL)                              \
	X(12, FILE_OFFSET_LARGER_THAN_FILE, "the offset is beyond the end of the file", NULL)                          \
	X(13, CHECKSUM_HASH_NOT_FOUND, "the board does not have this checksum", "fs supported-checksums tells which it has") \
	X(14, MOUNT_POINT_NOT_FOUND, "there is no such mount point", NULL)                                             \
	X(15, READ_ONLY_FILESYSTEM, "the file system is read-only", NULL)                                              \
	X(16, FILE_EMPTY, "the file is empty", NULL)                                                                   \
	X(17, FILE_CLOSE_FAILED, "the file cannot be closed", NULL)

#define SHELL_CODES(X)                                                                                                 \
	X(2, COMMAND_TOO_LONG, "the command line is too long for the board", NULL)                                     \
	X(3, EMPTY_COMMAND, "the command line is empty", NULL)

#define ENUM_CODES(X)                                                                                                  \
	X(2, TOO_MANY_GROUP_ENTRIES, "the board has too many groups for the request", NULL)                            \
	X(3, INSUFFICIENT_HEAP_FOR_ENTRIES, "the board has no memory left", NULL)                                      \
	X(4, INDEX_TOO_LARGE, "the index is beyond the last group", NULL)

#define TRANSPORT_CODES(X)                                                                                             \
	X(2, MISSING_REQUIRED_FUNCTIONS, "the transport cannot be bridged", NULL)                                      \
	X(3, MISSING_INFO_FUNCTIONS, "the transport gives no information", NULL)                                       \
	X(4, INVALID_TRANSPORT, "there is no such transport", NULL)                                                    \
	X(5, INVALID_MODE, "there is no such mode", NULL)                                                              \
	X(6, ALL_CONTEXTS_USED, "all bridges are in use", NULL)                                                        \
	X(7, BOTH_TRANSPORT_AND_ALL, "name a transport or all, not both", NULL)                                        \
	X(8, NOT_BRIDGED, "the transport is not bridged", NULL)                                                        \
	X(9, SAME_DEVICE_DISALLOWED, "a transport cannot be bridged to itself", NULL)                                  \
	X(10, INGOING_NOT_SUPPORTED, "the transport that is asked cannot pass requests on", NULL)                      \
	X(11, OUTGOING_NOT_SUPPORTED, "the transport cannot be what requests are passed on to", NULL)                  \
	X(12, INCOMING_ALREADY_BRIDGED, "the transport that is asked is bridged already", "transport disconnect ends the bridge") \
	X(13, OUTGOING_ALREADY_BRIDGED, "the transport is bridged already", "transport disconnect ends the bridge")

#define ZEPHYR_CODES(X)                                                                                                \
	X(2, FLASH_OPEN_FAILED, "the storage partition cannot be opened", NULL)                                        \
	X(3, FLASH_CONFIG_QUERY_FAIL, "the flash layout cannot be read", NULL)                                         \
	X(4, FLASH_ERASE_FAILED, "the storage partition cannot be erased", NULL)

/* In every group. */
#define COMMON_CODES(X)                                                                                                \
	X(0, OK, "success", NULL)                                                                                      \
	X(1, UNKNOWN, "unspecified error", NULL)

#define NO_CODES(X)

/* id, identifier, name, codes, what ENOTSUP hints at */
#define GROUPS(X)                                                                                                      \
	X(SMP_OS, os, "OS", OS_CODES, "the firmware needs CONFIG_MCUMGR_GRP_OS")                                                          \
	X(SMP_IMAGE, image, "image", IMAGE_CODES, "the firmware needs CONFIG_MCUMGR_GRP_IMG")                                             \
	X(SMP_STAT, stat, "statistics", STAT_CODES, "the firmware needs CONFIG_MCUMGR_GRP_STAT")                                          \
	X(SMP_SETTINGS, settings, "settings", SETTINGS_CODES, "the firmware needs CONFIG_MCUMGR_GRP_SETTINGS")                            \
	X(SMP_LOG, log, "log", NO_CODES, NULL)                                                                         \
	X(SMP_CRASH, crash, "crash", NO_CODES, NULL)                                                                   \
	X(SMP_SPLIT, split, "split image", NO_CODES, NULL)                                                             \
	X(SMP_RUN, run, "run", NO_CODES, NULL)                                                                         \
	X(SMP_FS, fs, "file system", FS_CODES, "the firmware needs CONFIG_MCUMGR_GRP_FS")                                                 \
	X(SMP_SHELL, shell, "shell", SHELL_CODES, "the firmware needs CONFIG_MCUMGR_GRP_SHELL")                                           \
	X(SMP_ENUM, enumeration, "enumeration", ENUM_CODES, "the firmware needs CONFIG_MCUMGR_GRP_ENUM")                                  \
	X(SMP_TRANSPORT, transport, "transport", TRANSPORT_CODES, "the firmware needs Zephyr 4.5 and CONFIG_MCUMGR_GRP_TRANSPORT")                                                \
	X(SMP_ZEPHYR, zephyr, "Zephyr basic", ZEPHYR_CODES, "the firmware needs CONFIG_MCUMGR_GRP_ZBASIC")

#define MODES(X)                                                                                                       \
	X(-1, "unknown")                                                                                               \
	X(0, "single slot")                                                                                            \
	X(1, "swap using scratch")                                                                                     \
	X(2, "overwrite only")                                                                                         \
	X(3, "swap using move")                                                                                        \
	X(4, "direct-XIP")                                                                                             \
	X(5, "direct-XIP with revert")                                                                                 \
	X(6, "RAM load")                                                                                               \
	X(7, "firmware loader")                                                                                        \
	X(8, "single slot RAM load")                                                                                   \
	X(9, "swap using offset")
/* clang-format on */

#define CODE_ROW(rc, name, text, hint) {rc, #name, text, hint},
#define CODE_TABLE(id, ident, label, codes, hint)                                                                      \
	static const struct code ident##_codes[] = {COMMON_CODES(CODE_ROW) codes(CODE_ROW){0}};

static const struct code plain_codes[] = {PLAIN_CODES(CODE_ROW){0}};
GROUPS(CODE_TABLE)

#define GROUP_ROW(id, ident, label, codes, hint) {id, label, ident##_codes, hint},

static const struct group {
	unsigned int id;
	const char *name;
	const struct code *codes;
	const char *hint;
} groups[] = {GROUPS(GROUP_ROW)};

static const struct group *find_group(unsigned int id)
{
	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (groups[i].id == id)
			return &groups[i];
	return NULL;
}

static const struct code *find_code(int group, uint64_t rc)
{
	const struct group *g = group < 0 ? NULL : find_group((unsigned int)group);
	const struct code *c = group == -1 ? plain_codes : g ? g->codes : NULL;
	for (; c && c->name; c++)
		if (c->rc == rc)
			return c;
	return NULL;
}

const char *smp_group_name(unsigned int group)
{
	const struct group *g = find_group(group);
	return g ? g->name : NULL;
}

const char *smp_rc_name(int group, uint64_t rc)
{
	const struct code *c = find_code(group, rc);
	return c ? c->name : NULL;
}

const char *smp_rc_text(int group, uint64_t rc)
{
	const struct code *c = find_code(group, rc);
	return c ? c->text : NULL;
}

#define ANY_ID UINT32_MAX

/* What a plain code means for one command. */
static const struct hint {
	uint64_t rc;
	unsigned int group, id;
	const char *text;
} hints[] = {
	{SMP_ENOTSUP, SMP_OS, 0, "a bootloader in recovery has no echo unless it was built with it"},
	{SMP_ENOTSUP, SMP_OS, 2, "the firmware needs CONFIG_MCUMGR_GRP_OS_TASKSTAT"},
	{SMP_ENOTSUP, SMP_OS, 3, "the firmware needs CONFIG_MCUMGR_GRP_OS_MPSTAT"},
	{SMP_ENOTSUP, SMP_OS, 4, "the firmware needs CONFIG_MCUMGR_GRP_OS_DATETIME"},
	{SMP_ENOTSUP, SMP_OS, 6, "the firmware needs CONFIG_MCUMGR_GRP_OS_MCUMGR_PARAMS"},
	{SMP_ENOTSUP, SMP_OS, 7, "the firmware needs CONFIG_MCUMGR_GRP_OS_INFO"},
	{SMP_ENOTSUP, SMP_OS, 8, "the firmware needs CONFIG_MCUMGR_GRP_OS_BOOTLOADER_INFO; recovery does not have it"},
	{SMP_ENOTSUP, SMP_IMAGE, 0,
		"the firmware needs CONFIG_MCUMGR_GRP_IMG; test and confirm also a bootloader that swaps (not RAM load, not "
		"direct-XIP without revert, not recovery: there a reset boots the image)"},
	{SMP_ENOTSUP, SMP_IMAGE, 5, "recovery has no erase: an upload erases the slot"},
	{SMP_EBADSTATE, SMP_IMAGE, ANY_ID,
		"an image may be pending or under test: confirm it, or reset the board first"},
	{SMP_EBUSY, SMP_OS, 5, "the application defers the reset: try again, or use force"},
};

const char *smp_rc_hint(int group, uint64_t rc, unsigned int request_group, unsigned int request_id)
{
	for (size_t i = 0; group == -1 && i < ARRAY_SIZE(hints); i++) {
		const struct hint *h = &hints[i];
		if (h->rc == rc && h->group == request_group && (h->id == ANY_ID || h->id == request_id))
			return h->text;
	}
	if (group == -1 && rc == SMP_ENOTSUP) {
		const struct group *g = find_group(request_group);
		return g ? g->hint : NULL;
	}
	const struct code *c = find_code(group, rc);
	return c ? c->hint : NULL;
}

const char *smp_bootloader_mode_name(int64_t mode)
{
	static const struct {
		int64_t mode;
		const char *name;
	} modes[] = {
#define MODE_ROW(mode, name) {mode, name},
		MODES(MODE_ROW)};
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (modes[i].mode == mode)
			return modes[i].name;
	return NULL;
}
