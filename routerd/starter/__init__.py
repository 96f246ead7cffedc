"""What `routerd init` writes and `routerd demo` runs."""

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from routerd.config.rule_files import LISTS

_RULES = "rules.d"


def starter_files() -> Mapping[str, bytes]:
    """Relative path → bytes: `routerd.yaml`, the sample rules as `rules.d/NAME.yaml`, and the lists that they name."""
    here = files(__name__)
    samples = _sample_rules(here)
    return {
        "routerd.yaml": (here / "routerd.yaml").read_bytes(),
        **_read(samples, _RULES, ".yaml"),
        **_read(samples / LISTS, f"{_RULES}/{LISTS}", ".txt"),
    }


def _read(folder: Traversable, name: str, suffix: str) -> dict[str, bytes]:
    entries = sorted((entry.name, entry) for entry in folder.iterdir() if entry.name.endswith(suffix))
    return {f"{name}/{entry_name}": entry.read_bytes() for entry_name, entry in entries}


def _sample_rules(here: Traversable) -> Traversable:
    """The folder of sample rules. The wheel carries it in here; an editable checkout has it at the top."""
    carried = here / _RULES
    return carried if carried.is_dir() else Path(__file__).parent.parent.parent / _RULES
