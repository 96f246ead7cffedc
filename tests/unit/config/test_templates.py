"""The folder of templates."""

from pathlib import Path

import pytest

from routerd.config.regular_file import FileProblemsError
from routerd.config.templates import read_templates

GOOD = "Subject: Thank you\n\nWe have your mail.\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "received.txt").write_text(GOOD)
    return tmp_path


def problems_in(folder: Path) -> list[str]:
    with pytest.raises(FileProblemsError) as raised:
        read_templates(folder, "templates")
    return [str(problem) for problem in raised.value.problems]


def test_the_customers_language_goes_before_any(folder: Path) -> None:
    (folder / "received.pl.txt").write_text("\ufeffSubject: Dziękujemy\n\nMamy.\n")
    (folder / "notes.md").write_text("none of ours")
    (folder / ".received.txt.swp").write_bytes(b"\xff")
    templates = read_templates(folder, "templates")
    assert templates.names == ("received",)
    found = [templates.get("received", language) for language in ("pl", "de", None)]
    assert [template.subject for template in found if template] == ["Dziękujemy", "Thank you", "Thank you"]
    assert templates.get("other", None) is None


def test_every_problem_of_every_file_is_told(folder: Path) -> None:
    (folder / "a b.txt").write_text(GOOD)
    (folder / "broken.txt").write_text("Subject: x\n\nHello {{nobody}}\n")
    (folder / "latin.txt").write_bytes(b"Subject: x\n\ndzi\xeakujemy\n")
    assert [problem.partition(": ")[0] for problem in problems_in(folder)] == [
        "templates/a b.txt:1:1",
        "templates/broken.txt:3:7",
        "templates/latin.txt:3:1",
    ]


def test_one_for_a_language_needs_one_for_all_others(folder: Path) -> None:
    (folder / "late.pl.txt").write_text(GOOD)
    assert problems_in(folder) == [
        "templates/late.pl.txt:1:1: late.txt, for customers of any other language, is not there"
    ]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read: No such file or directory; name a folder"):
        read_templates(tmp_path / "none", "none")
