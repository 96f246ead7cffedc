"""`unused-list`: a file among the lists that no rule reads."""

from collections.abc import Collection, Iterable, Iterator

from routerd.config.yaml_source import Mark
from routerd.rules.finding import Finding


def find_unused_lists(beside: Iterable[str], read: Collection[str], folder_label: str) -> Iterator[Finding]:
    """`beside`: what lies in the folder of lists, `read`: what rules and tests name; paths inside the rules folder."""
    label = f"{folder_label.rstrip('/')}/" if folder_label else ""
    for path in sorted(beside):
        if path not in read:
            yield Finding("unused-list", Mark(label + path, 0, 0), f"no rule reads {path}; name it, or remove it")
