"""The rules folder as name → bytes."""

import os
from pathlib import Path

from routerd.config import rule_files
from routerd.config.rule_files import load_rule_files


def test_files_are_read_in_the_order_of_code_points(tmp_path: Path) -> None:
    """`10-` comes before `9-`, and capitals before small letters."""
    for name in ("9-a.yaml", "10-b.yml", "a.yaml", "Z.yaml"):
        (tmp_path / name).write_bytes(name.encode())
    loaded = load_rule_files(tmp_path)
    assert list(loaded.files) == ["10-b.yml", "9-a.yaml", "Z.yaml", "a.yaml"]
    assert loaded.files["9-a.yaml"] == b"9-a.yaml"
    assert loaded.problems == ()


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    """Dotfiles, back-ups, other endings and what lies in subfolders are no rule files."""
    for name in (".10-a.yaml", "10-a.yaml~", "README.md", "10-a.yaml.bak"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "vip.yaml").write_bytes(b"x")
    assert load_rule_files(tmp_path).files == {}
    assert load_rule_files(tmp_path).problems == ()


def test_a_missing_folder_is_a_problem(tmp_path: Path) -> None:
    """A folder that is not there is said with its path."""
    loaded = load_rule_files(tmp_path / "rules.d")
    assert [str(one) for one in loaded.problems] == [f"{tmp_path}/rules.d: there is no such folder of rules"]


def test_an_unreadable_file_does_not_hide_the_others(tmp_path: Path) -> None:
    """A dangling link, a pipe and a name that is not UTF-8 are problems; the rest is read and nothing blocks."""
    (tmp_path / "10-dangling.yaml").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "20-pipe.yaml")
    (tmp_path / "30-good.yaml").write_bytes(b"rules: []\n")
    with open(os.fsencode(tmp_path) + b"/40-\xff.yaml", "wb"):  # noqa: PTH123
        pass
    loaded = load_rule_files(tmp_path)
    assert list(loaded.files) == ["30-good.yaml"]
    assert [Path(one.mark.file).name for one in loaded.problems] == [
        "10-dangling.yaml",
        "20-pipe.yaml",
        "40-\\udcff.yaml",
    ]
    assert all(str(one).isprintable() for one in loaded.problems)


def test_sizes_and_numbers_are_bounded(tmp_path: Path, monkeypatch) -> None:
    """One file, all together, and how many there are: each has a limit that is said."""
    monkeypatch.setattr(rule_files, "MAX_BYTES", 10)
    monkeypatch.setattr(rule_files, "MAX_TOTAL_BYTES", 15)
    (tmp_path / "1.yaml").write_bytes(b"x" * 11)
    (tmp_path / "2.yaml").write_bytes(b"x" * 10)
    (tmp_path / "3.yaml").write_bytes(b"x" * 10)
    loaded = load_rule_files(tmp_path)
    assert list(loaded.files) == ["2.yaml"]
    assert [one.message for one in loaded.problems] == [
        f"cannot be read: it is larger than {most} bytes" for most in (10, 5)
    ]
    monkeypatch.setattr(rule_files, "MAX_FILES", 2)
    assert [one.message for one in load_rule_files(tmp_path).problems] == ["holds more than 2 rule files"]
