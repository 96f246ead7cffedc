"""The examples of the README, by the names that stand before them."""

import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def readme_example(name: str) -> str:
    """The fenced block behind `<!-- example: NAME -->`."""
    found = re.search(rf"<!-- example: {re.escape(name)} -->\n```\w*\n(.*?)```", README.read_text(), re.DOTALL)
    assert found, f"the README has no example {name!r}"
    return found[1]


def readme_examples(begin: str) -> list[str]:
    """The names of all examples that begin so."""
    names = re.findall(r"<!-- example: (.*?) -->", README.read_text())
    return [name for name in names if name.startswith(begin)]
