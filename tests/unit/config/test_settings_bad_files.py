"""Each bad file says in its first lines what must be found in it, and where."""

import re
from pathlib import Path

import pytest

from routerd.config.load import load_settings

FOLDER = Path(__file__).parents[2] / "golden" / "config"
EXPECT = re.compile(r"# expect: (.*)")
JARGON = re.compile(r"pydantic|type=|input|Error|dict\b|str\b|tuple|NoneType|validation", re.IGNORECASE)


@pytest.mark.parametrize(
    "path", sorted(FOLDER.glob("*.bad.yaml")), ids=lambda path: path.name.removesuffix(".bad.yaml")
)
def test_bad_file_gives_all_its_problems_with_their_places(path: Path) -> None:
    """A bad file gives exactly the problems that its first lines announce, in the order of the file."""
    expected = []
    for line in path.read_text(encoding="utf-8").splitlines():
        found = EXPECT.match(line)
        if not found:
            break
        expected.append(found[1])
    loaded = load_settings(path, machine_name=lambda: "mx1.example.com")
    assert [f"{one.mark.line}:{one.mark.column}: {one.message}" for one in loaded.problems] == expected
    assert loaded.settings is None
    assert all(one.mark.file == str(path) for one in loaded.problems)
    assert not [one.message for one in loaded.problems if JARGON.search(one.message)]
