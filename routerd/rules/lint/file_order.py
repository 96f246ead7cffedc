"""`order`: file names that a person would sort in another way than they are read."""

import re
from collections.abc import Iterable, Iterator

from routerd.config.yaml_source import Mark
from routerd.rules.finding import Finding

_NUMBER = re.compile(r"[0-9]{1,9}")


def find_order(names: Iterable[str], folder_label: str) -> Iterator[Finding]:
    """`names` of the rule files; they are read in the order of their code points."""
    last_number, last = -1, ""
    for name in sorted(names):
        number = _NUMBER.match(name)
        if number is None:
            continue
        if int(number[0]) < last_number:
            label = f"{folder_label.rstrip('/')}/" if folder_label else ""
            width = len(str(last_number))
            better = number[0].lstrip("0").zfill(width) + name[number.end() :]
            yield Finding(
                "order",
                Mark(label + name, 0, 0),
                f"{name} is read after {last}: names are compared letter by letter; call it {better}",
            )
        else:
            last_number, last = int(number[0]), name
