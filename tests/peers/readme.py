"""The examples of the README, by the names that stand before them."""

import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def readme_example(name: str) -> str:
    """The fenced block behind `<!-- example: NAME -->`."""
    found = re.search(rf"<!-- example: {re.escape(name)} -->\n```\w*\n(.*?)```", README.read_text(), re.DOTALL)
    assert found, f"the README has no example {name!r}"
    return found[1]
