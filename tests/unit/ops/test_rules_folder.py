"""The rules folder as a daemon and its commands read it."""

import os
from pathlib import Path

import pytest

from routerd.config.load import load_settings
from routerd.config.settings import Settings
from routerd.ops import rules_folder
from routerd.ops.rules_folder import FolderReader, compile_folder
from routerd.ops.watching import look

GOOD = "rules:\n  - {name: a, when: {subject: faktura}, then: {label: x}}\n"
CONFIG = """
hostname: mx.example.com
postmaster: jan
members: {jan: {mailbox: jan@example.com}}
inboxes: {support@example.com: {default: jan}}
delivery: [{domain: "*", smtp: "mail.example.com:25"}]
"""
LISTED = "rules:\n  - {name: b, when: {subject: {in: lists/words.txt}}, then: {label: y}}\n"


def settings_of(folder: Path) -> Settings:
    config = folder.parent / "routerd.yaml"
    config.write_text(f"{CONFIG}rules: {folder}\n")
    settings = load_settings(config).settings
    assert settings is not None
    return settings


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "rules.d"
    (path / "lists").mkdir(parents=True)
    (path / "10-a.yaml").write_text(GOOD)
    return path


def wrong_with(folder: Path) -> list[str]:
    return [str(problem) for problem in compile_folder(settings_of(folder)).problems]


def test_a_list_whose_links_go_round_in_circles_is_a_problem_with_its_place(folder: Path) -> None:
    """As is every list that cannot be had; nothing is raised."""
    (folder / "20-b.yaml").write_text(LISTED)
    (folder / "lists" / "words.txt").symlink_to("words.txt")
    [problem] = wrong_with(folder)
    assert problem.startswith(f"{folder}/20-b.yaml:2:")
    assert "round in circles" in problem


def test_pipes_devices_folders_and_links_out_are_problems(folder: Path) -> None:
    """Neither waited for nor read, whether they stand for rule files or for lists; what they hold is not shown."""
    secret = folder.parent / "secret"
    secret.write_text("hunter2\n")
    (folder / "20-out.yaml").symlink_to(secret)
    (folder / "30-loop.yaml").symlink_to("30-loop.yaml")
    os.mkfifo(folder / "40-pipe.yaml")
    (folder / "50-b.yaml").write_text(LISTED)
    (folder / "lists" / "words.txt").symlink_to("/dev/zero")
    found = wrong_with(folder)
    assert [problem.partition(": ")[0].rpartition("/")[2] for problem in found] == [
        "20-out.yaml",
        "30-loop.yaml",
        "40-pipe.yaml",
        "50-b.yaml:2:36",
    ]
    assert not any("hunter2" in problem for problem in found)


def test_a_folder_that_is_a_loop_is_a_problem(tmp_path: Path) -> None:
    """Of it nothing can be read, and nothing watched."""
    (tmp_path / "rules.d").symlink_to("rules.d")
    assert wrong_with(tmp_path / "rules.d")
    assert look(tmp_path / "rules.d").real is None


async def test_a_bad_file_that_goes_away_is_news(folder: Path) -> None:
    """Though the files that could be read are the same as before."""
    reader = FolderReader()
    settings = settings_of(folder)
    assert (await reader.read(settings)).ruleset is not None
    (folder / "20-b.yaml").symlink_to("nowhere")
    assert (await reader.read(settings)).ruleset is None
    assert reader.brought_news
    await reader.read(settings)
    assert not reader.brought_news
    (folder / "20-b.yaml").unlink()
    assert (await reader.read(settings)).ruleset is not None
    assert reader.brought_news


def test_a_folder_swapped_while_it_is_read_is_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No set is half of one checkout and half of another."""
    link, other = folder.parent / "current", folder.parent / "other"
    (other / "lists").mkdir(parents=True)
    (other / "10-a.yaml").write_text(LISTED)
    (other / "lists" / "words.txt").write_text("faktura\n")
    link.symlink_to(folder)
    read = rules_folder.load_rule_files

    def read_and_swap(path: Path) -> object:
        found = read(path)
        if link.readlink() == folder:
            link.unlink()
            link.symlink_to(other)
        return found

    monkeypatch.setattr(rules_folder, "load_rule_files", read_and_swap)
    compiled = compile_folder(settings_of(link))
    assert sorted(compiled.files) == ["10-a.yaml", "lists/words.txt"]
    assert compiled.ruleset is not None


def test_a_folder_that_never_rests_is_a_problem(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not read for ever."""
    read = rules_folder.load_rule_files

    def read_and_write(path: Path) -> object:
        (folder / "10-a.yaml").write_text((folder / "10-a.yaml").read_text() + "#\n")
        return read(path)

    monkeypatch.setattr(rules_folder, "load_rule_files", read_and_write)
    assert "changed" in wrong_with(folder)[-1]


def test_links_to_folders_elsewhere_are_not_looked_through(folder: Path, tmp_path: Path) -> None:
    """A link to /usr in the rules folder must not cost a walk over all of it."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (folder / "lists" / "x").symlink_to(elsewhere)
    before = look(folder)
    (elsewhere / "more.txt").write_text("x")
    assert look(folder) == before


async def test_a_fault_while_reading_is_a_problem_like_any_other(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a daemon starts with the last good rules, and a running one keeps its own."""

    def fails(*_: object, **__: object) -> object:
        raise RuntimeError("a fault")

    monkeypatch.setattr(rules_folder, "load_rule_files", fails)
    compiled = await FolderReader().read(settings_of(folder))
    assert compiled.ruleset is None
    assert "RuntimeError: a fault" in str(compiled.problems[0])
