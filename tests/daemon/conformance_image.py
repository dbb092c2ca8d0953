# SPDX-License-Identifier: MIT
"""Images and recovery: the tables of test_conformance.py here (simulated board) and in tests/zephyr (emulated boards, on
which MCUboot swaps images, or loads the higher version to RAM). Unlike those of conformance.py the rows are one story: each
finds the board as the one before left it.

'$old', '$new', '$newer' stand for the SHA-256 of an image file (that is how the API names it), '$new.hash' for the hash in its
TLV, '$new.version' for its version. A board runs old, and has got new and newer by ImagePut."""

from conformance import each, invalid, lacks, number, refused, row, smp

FLAGS = ('bootable', 'pending', 'confirmed', 'active', 'permanent')
NO_STATE = 'its bootloader loads the higher version, and takes no marks'
RAM = 'its bootloader loads the higher version to RAM'


def slot(number, image, flags):
    return {'image': 0, 'slot': number, 'version': f'${image}.version', 'hash': f'${image}.hash',
            **{flag: flag in ('bootable ' + flags).split() for flag in FLAGS}}


def slots(*them):
    return {'slots': [slot(*one) for one in them], 'splitStatus': 0}


def job(kind, outcome, image):
    return {'job': lambda v: v.startswith(kind + '-'), 'step': 'done', 'percent': 100, 'outcome': outcome,
            'hash': f'${image}.hash', 'version': f'${image}.version',
            '?': {'doneBytes': number, 'totalBytes': number, 'message': lambda v: isinstance(v, str)}}


def no_marks():
    return {'mps2': (lacks(1, 0), NO_STATE)}


RUNS_OLD = slots((0, 'old', 'active confirmed'))
UPLOADED = slots((0, 'old', 'active confirmed'), (1, 'new', ''))
PENDING = slots((0, 'old', 'active confirmed'), (1, 'new', 'pending'))
TESTING = slots((0, 'new', 'active'), (1, 'old', 'confirmed'))
CONFIRMED_ALONE = slots((0, 'new', 'active confirmed'))
CONFIRMED = slots((0, 'new', 'active confirmed'), (1, 'old', ''))

CASES = [
    row('ImageList', {}, RUNS_OLD),
    row('SlotInfo', {}, {'images': each(image=0, slots=each(slot=number, size=number))}),
    row('ImageErase', {}, {}),
    row('ImageErase', {'slot': 1}, {}),
    row('ImageErase', {'slot': 0}, smp(9, 'NO_FREE_SLOT', 1)),
    row('ImageErase', {'slot': 77}, smp(10, 'FLASH_OPEN_FAILED', 1)),
    row('ImageTest', {'hash': 'ab' * 31}, smp(24, 'INVALID_HASH', 1), **no_marks()),
    row('ImageTest', {'hash': 'ab' * 32}, smp(8, 'HASH_NOT_FOUND', 1), **no_marks()),
    row('ImageTest', {'hash': '$old.hash'}, smp(33, 'IMAGE_SETTING_TEST_TO_ACTIVE_DENIED', 1), **no_marks()),
    row('ImageConfirm', {'hash': 'ab' * 64}, smp(24, 'INVALID_HASH', 1), **no_marks()),
    row('ImageConfirm', {}, RUNS_OLD, **no_marks()),
    row('ImageUpload', {'file': '00' * 32}, refused('NoSuchImage', 'was put', file='00' * 32)),
    row('ImageUpload', {'file': 'xyz'}, invalid('file', "'file'")),
    row('ImageUpload', {'file': '$new', 'checksum': 'ab' * 32}, refused('BadImage', 'SHA-256', reason='checksum-mismatch')),
    row('ImageUpload', {'file': '$new', 'imageNumber': 9999}, invalid('imageNumber', "'imageNumber'")),
    row('ImageUpload', {'file': '$new'}, job('upload', 'uploaded', 'new')),
    row('ImageList', {}, UPLOADED),
    row('ImageTest', {'hash': '$new.hash'}, PENDING, **no_marks()),
    row('ImageTest', {'hash': '$new.hash'}, PENDING, **no_marks()),
    row('ImageConfirm', {'hash': '$new.hash'}, smp(28, 'IMAGE_ALREADY_PENDING', 1), **no_marks()),
    row('Update', {'file': '$newer'}, refused('UpdateRefused', 'pending in slot 1', reason='pending'), mps2=(None, NO_STATE)),
    row('Reset', {}, {}),
    row('ImageList', {}, TESTING, mps2=(slots((0, 'old', ''), (1, 'new', 'active confirmed')), RAM)),
    row('ImageErase', {'slot': 1}, smp(9, 'NO_FREE_SLOT', 1)),
    row('ImageConfirm', {}, CONFIRMED, cortex_m0=(CONFIRMED_ALONE, 'a confirm takes slot 1 out of the list, for good'), **no_marks()),
    row('Update', {'file': '$new'}, job('update', 'unchanged', 'new')),
    row('Update', {'file': '$newer', 'upgradeOnly': True}, job('update', 'updated', 'newer')),
    row('Update', {'file': '$new', 'upgradeOnly': True}, refused('UpdateRefused', 'not lower', reason='downgrade')),
    row('Update', {'file': '00' * 32}, refused('NoSuchImage', 'was put', file='00' * 32)),
    row('ImageErase', {}, {}),
]
