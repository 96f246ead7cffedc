"""A rules folder is watched, however it is changed."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from routerd.ops.watching import changes_of, look

PATIENCE = 30.0


@asynccontextmanager
async def watched(folder: Path) -> AsyncIterator[AsyncGenerator[None]]:
    async with aclosing(changes_of(folder, look(folder))) as changes:
        yield changes


async def seen_after(changes: AsyncGenerator[None], change: Callable[[], object]) -> None:
    await asyncio.to_thread(change)
    await asyncio.wait_for(anext(changes), PATIENCE)


def files_in(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "10-a.yaml").write_text("rules: []\n")
    return folder


async def test_a_file_written_in_place_and_one_replaced_are_seen(tmp_path: Path) -> None:
    """Editors do the one or the other."""
    folder = files_in(tmp_path / "rules.d")
    async with watched(folder) as changes:
        await seen_after(changes, lambda: (folder / "10-a.yaml").write_text("rules: [1]\n"))
        (folder / ".new").write_text("rules: [2]\n")
        await seen_after(changes, lambda: (folder / ".new").replace(folder / "10-a.yaml"))
        await seen_after(changes, (folder / "10-a.yaml").unlink)


async def test_a_list_below_the_folder_is_seen(tmp_path: Path) -> None:
    """What rules name belongs to them."""
    folder = files_in(tmp_path / "rules.d")
    (folder / "lists").mkdir()
    async with watched(folder) as changes:
        await seen_after(changes, lambda: (folder / "lists" / "vip.txt").write_text("anna@klient.pl\n"))


async def test_a_link_to_the_folder_that_is_swapped_is_seen_and_followed(tmp_path: Path) -> None:
    """Releases are put in place so: rules.d -> releases/2."""
    one, two = files_in(tmp_path / "releases" / "1"), files_in(tmp_path / "releases" / "2")
    link, swapped = tmp_path / "rules.d", tmp_path / "next"
    link.symlink_to(one)
    swapped.symlink_to(two)
    async with watched(link) as changes:
        await seen_after(changes, lambda: swapped.replace(link))
        await seen_after(changes, lambda: (two / "20-b.yaml").write_text("rules: []\n"))


async def test_a_mounted_volume_that_swaps_its_data_is_seen(tmp_path: Path) -> None:
    """A ConfigMap is files that are links through one link, ..data, which is replaced."""
    one, two = files_in(tmp_path / "rules.d" / "..1"), files_in(tmp_path / "rules.d" / "..2")
    (two / "10-a.yaml").write_text("rules: [other]\n")
    data, swapped = tmp_path / "rules.d" / "..data", tmp_path / "rules.d" / "..data_tmp"
    data.symlink_to(one.name)
    swapped.symlink_to(two.name)
    (tmp_path / "rules.d" / "10-a.yaml").symlink_to("..data/10-a.yaml")
    async with watched(tmp_path / "rules.d") as changes:
        await seen_after(changes, lambda: swapped.replace(data))


async def test_a_folder_that_goes_and_comes_back_is_seen_both_times(tmp_path: Path) -> None:
    """As a checkout of another branch has it."""
    folder = files_in(tmp_path / "rules.d")
    async with watched(folder) as changes:
        await seen_after(changes, lambda: folder.rename(tmp_path / "gone"))
        await seen_after(changes, lambda: (tmp_path / "gone").rename(folder))
        await seen_after(changes, lambda: (folder / "20-b.yaml").write_text("rules: []\n"))


async def test_a_repository_inside_the_folder_is_none_of_ours(tmp_path: Path) -> None:
    """Files that begin with a dot are no rules: only the one written after them is told."""
    folder = files_in(tmp_path / "rules.d")
    (folder / ".git").mkdir()
    (folder / ".git" / "index").write_text("1")
    (folder / ".10-a.yaml.swp").write_text("1")
    async with watched(folder) as changes:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(changes), 0.05)
    before = look(folder)
    (folder / ".git" / "index").write_text("22")
    (folder / ".10-a.yaml.swp").write_text("22")
    assert look(folder) == before


async def test_where_the_kernel_gives_no_watch_changes_are_seen_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its table of watches may be full."""

    def refused(*_: object, **__: object) -> object:
        raise OSError(28, "no space left on device")

    folder = files_in(tmp_path / "rules.d")
    monkeypatch.setattr("routerd.ops.watching.awatch", refused)
    async with watched(folder) as changes:
        await seen_after(changes, lambda: (folder / "10-a.yaml").write_text("rules: [1]\n"))
