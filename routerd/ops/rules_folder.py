"""The rules folder on disk: read and compiled as one, for the daemon and for every command alike."""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from routerd.config.rule_files import RuleFiles, load_rule_files, split_saved
from routerd.config.settings import Settings
from routerd.rules.compile import Compiled, compile_ruleset


def compile_folder(settings: Settings, *, folder: Path | None = None, label: str | None = None) -> Compiled:
    """The rules of `folder` (default: that of `settings`); never raises. Places begin with `label`, or the folder."""
    folder = folder or settings.rules
    return _compiled(load_rule_files(folder), settings, str(folder) if label is None else label)


def compile_saved(settings: Settings, saved: Mapping[str, bytes], label: str) -> Compiled:
    """Rule files and their lists as the state has kept them."""
    return _compiled(split_saved(saved), settings, label)


def _compiled(read: RuleFiles, settings: Settings, label: str) -> Compiled:
    with _collector_at_rest():
        compiled = compile_ruleset(read.files, settings, read_beside=read.read_beside, folder_label=label)
    if not read.problems:
        return compiled
    problems = (*read.problems, *compiled.problems)
    return Compiled(None, problems, compiled.cases, compiled.files)


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Of what is made here all is kept: to look it over for garbage again and again costs a third of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
