"""The rules folder on disk: read and compiled as one, for the daemon and for every command alike."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import structlog

from routerd.config.rule_files import RuleFiles, load_rule_files, split_saved
from routerd.config.settings import Settings
from routerd.config.yaml_source import Mark, Problem
from routerd.ops.collector import collector_at_rest
from routerd.ops.watching import look
from routerd.rules.compile import Compiled, compile_ruleset

MAX_READINGS = 5

log = structlog.get_logger()


def compile_folder(settings: Settings, *, folder: Path | None = None, label: str | None = None) -> Compiled:
    """The rules of `folder` (default: that of `settings`); never raises. Places begin with `label`, or the folder.

    What changes while it is read is read again, so that no set is half of one checkout and half of another.
    """
    folder = folder or settings.rules
    label = str(folder) if label is None else label
    for _ in range(MAX_READINGS):
        before = look(folder)
        compiled = _compiled(load_rule_files(folder), settings, label)
        if look(folder) == before:
            return compiled
    place = Mark(label, 0, 0)
    restless = Problem(place, f"it changed each of the {MAX_READINGS} times that it was read; wait until it rests")
    return replace(compiled, ruleset=None, problems=(*compiled.problems, restless))


def compile_saved(settings: Settings, saved: Mapping[str, bytes], label: str) -> Compiled:
    """Rule files and their lists as the state has kept them."""
    return _compiled(split_saved(saved), settings, label)


def compile_safely(settings: Settings) -> Compiled:
    """Never raises: a fault of our own is taken for a bad file, so that what is in force stays so."""
    try:
        return compile_folder(settings)
    except Exception as error:
        log.exception("ruleset_unread", folder=settings.rules)
        wrong = f"routerd could not read it, by a fault of its own: {type(error).__name__}: {error}"
        return Compiled(None, (Problem(Mark(str(settings.rules), 0, 0), wrong),))


class FolderReader:
    """Reads the folder for a daemon, off its loop, and tells whether that was anything new."""

    def __init__(self) -> None:
        self._last: tuple[str, tuple[Problem, ...]] | None = None
        self.brought_news = False  # by the latest reading: other files than before, or other things wrong with them

    async def read(self, settings: Settings) -> Compiled:
        """Never raises."""
        return self.note(await asyncio.to_thread(compile_safely, settings))

    def note(self, compiled: Compiled) -> Compiled:
        """As the latest reading, wherever that was done."""
        now = compiled.revision, compiled.problems
        self.brought_news, self._last = now != self._last, now
        return compiled


def _compiled(read: RuleFiles, settings: Settings, label: str) -> Compiled:
    with collector_at_rest():
        compiled = compile_ruleset(read.files, settings, read_beside=read.read_beside, folder_label=label)
    if not read.problems:
        return compiled
    return replace(compiled, ruleset=None, problems=(*read.problems, *compiled.problems))
