"""What `routerd init` writes and `routerd demo` runs."""

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

_RULES = "rules.d"


def starter_files() -> Mapping[str, bytes]:
    """Relative path → bytes: `routerd.yaml`, and the sample rules as `rules.d/NAME.yaml`."""
    here = files(__name__)
    rules = sorted((entry.name, entry) for entry in _sample_rules(here).iterdir() if entry.name.endswith(".yaml"))
    return {
        "routerd.yaml": (here / "routerd.yaml").read_bytes(),
        **{f"{_RULES}/{name}": entry.read_bytes() for name, entry in rules},
    }


def _sample_rules(here: Traversable) -> Traversable:
    """The folder of sample rules. The wheel carries it in here; an editable checkout has it at the top."""
    carried = here / _RULES
    return carried if carried.is_dir() else Path(__file__).parent.parent.parent / _RULES
