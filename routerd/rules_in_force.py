"""Which ruleset is in force: what the folder says, or the last good one that the store has kept."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime

import structlog

from routerd.config.settings import Settings
from routerd.config.yaml_source import Problem
from routerd.ops.metrics import Metrics
from routerd.ops.rules_folder import FolderReader, compile_saved
from routerd.rules.compile import Compiled
from routerd.rules.ruleset import Ruleset
from routerd.store.base import SavedRuleset, StoreFullError
from routerd.store.protocol import Store

log = structlog.get_logger()


class NoRulesError(Exception):
    """There is no ruleset that could be in force; each line of the message is one reason."""


class RulesInForce:
    """A bad file never takes effect: the last good ruleset stays, over a restart too, and metric and log say so."""

    def __init__(self, store: Store, metrics: Metrics, now: Callable[[], datetime]) -> None:
        self._store = store
        self._metrics = metrics
        self._now = now
        self._folder = FolderReader()
        self._revision = ""
        self.files: Mapping[str, bytes] = {}  # of what is in force, as `SavedRuleset` has them

    async def begin(self, settings: Settings, first: Compiled | None = None) -> Ruleset:
        """The present files, or the last good ones where those are bad. Raises NoRulesError where there are none.

        `first`: the folder as it was read just now.
        """
        compiled = await self.read(settings) if first is None else self._folder.note(first)
        ruleset, problems = compiled.ruleset, compiled.problems
        if ruleset is not None:
            try:
                await self._save(ruleset, compiled)
            except StoreFullError as error:  # what waits can be delivered all the same, and that makes room
                log.error("ruleset_unsaved", revision=ruleset.revision, reason=str(error))
            self._count(ruleset)
            self.files = compiled.files
            return ruleset
        self._metrics.reloads.labels("error").inc()
        saved = await self._store.last_ruleset()
        if saved is None:
            raise NoRulesError("\n".join(str(problem) for problem in problems))
        old = await asyncio.to_thread(compile_saved, settings, saved.files, f"last good {saved.revision}")
        if old.ruleset is None:
            raise NoRulesError("\n".join(str(problem) for problem in (*problems, *old.problems)))
        for problem in problems:
            log.error("ruleset_refused", problem=str(problem))
        log.error("ruleset_kept", revision=saved.revision, saved_at=saved.saved_at.isoformat())
        self._count(old.ruleset)
        self.files = saved.files
        return old.ruleset

    async def read(self, settings: Settings) -> Compiled:
        """The folder as it is now; never raises."""
        return await self._folder.read(settings)

    @property
    def brought_news(self) -> bool:
        """Whether the latest reading found other files than the one before, or other things wrong with them."""
        return self._folder.brought_news

    async def enact(self, compiled: Compiled, take_over: Callable[[Ruleset], Awaitable[None]]) -> bool:
        """Keeps a good ruleset for the next start and has it taken over; False: it is bad, and refused."""
        ruleset = compiled.ruleset
        if ruleset is None:
            self._refuse(compiled.problems)
            return False
        await self._save(ruleset, compiled)
        self.files = compiled.files
        await take_over(ruleset)
        self._count(ruleset)
        self._metrics.reloads.labels("ok").inc()
        log.info("ruleset_reloaded", revision=ruleset.revision, rules=ruleset.rules)
        return True

    def _refuse(self, problems: Sequence[Problem]) -> None:
        """What was read anew does not take effect."""
        self._metrics.reloads.labels("error").inc()
        for problem in problems:
            log.error("ruleset_refused", problem=str(problem))
        log.error("ruleset_kept", revision=self._revision)

    async def _save(self, ruleset: Ruleset, compiled: Compiled) -> None:
        await self._store.save_ruleset(SavedRuleset(ruleset.revision, compiled.files, self._now()))

    def _count(self, ruleset: Ruleset) -> None:
        self._revision = ruleset.revision
        self._metrics.ruleset_info.clear()
        self._metrics.ruleset_info.labels(ruleset.revision).set(1)
        self._metrics.ruleset_rules.set(ruleset.rules)
