"""Scripted dialogues, played to the real daemon, and to Postfix where both support the thing."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dialog_peers import LISTENERS, PostfixDoors, RouterdDoors
from dialog_player import check_messages, play
from dialog_script import Dialog, load_dialog
from peers.machine import open_folder

DIALOGS = [load_dialog(path) for path in sorted(Path(__file__).with_name("dialogs").glob("*.dialog"))]
FOR_POSTFIX = [dialog for dialog in DIALOGS if dialog.postfix != "n/a"]


@pytest.fixture(scope="module")
def routerd_doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RouterdDoors]:
    with RouterdDoors(tmp_path_factory.mktemp("dialogs")) as doors:
        yield doors


@pytest.fixture(scope="module")
def postfix_doors(need: Callable[[str, str], str], need_root: Callable[[str], None]) -> Iterator[PostfixDoors]:
    need("postfix", "postfix")
    need("dovecot", "dovecot-core")
    need_root("postfix")
    with open_folder("dialogs") as folder, PostfixDoors(folder) as doors:
        yield doors


def test_the_dialogues_are_found() -> None:
    """A folder that has moved would test nothing; every kind of listener is spoken to."""
    assert len(DIALOGS) >= 150
    assert len(FOR_POSTFIX) >= 100
    assert {dialog.listener for dialog in DIALOGS} == LISTENERS


@pytest.mark.parametrize("dialog", DIALOGS, ids=lambda dialog: dialog.name.removesuffix(".dialog"))
def test_routerd_says_what_the_dialogue_expects(dialog: Dialog, routerd_doors: RouterdDoors) -> None:
    """However the client's bytes are cut."""
    _play_all_splits(dialog, routerd_doors)


@pytest.mark.parametrize("dialog", FOR_POSTFIX, ids=lambda dialog: dialog.name.removesuffix(".dialog"))
def test_postfix_says_the_same_or_what_is_listed(dialog: Dialog, postfix_doors: PostfixDoors) -> None:
    """A difference that is not listed fails, and so does one that is listed and not there."""
    _play_all_splits(dialog, postfix_doors)


def _play_all_splits(dialog: Dialog, doors: RouterdDoors | PostfixDoors) -> None:
    """The messages are looked for once, behind the last split."""
    door = doors.door(dialog.listener, dialog.client)
    splits = dialog.splits if doors.ours else dialog.postfix_splits
    taken = [play(dialog, split, door, ours=doors.ours) for split in splits]
    delivered = doors.delivered(dialog.listener)
    found = delivered.wait_for((one for ids in taken for one in ids), lambda: doors.log(dialog.listener))
    for ids in taken:
        check_messages(dialog, ids, found, ours=doors.ours)
    assert delivered.untold() == [], "delivered, but nobody was told so"
