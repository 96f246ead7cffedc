"""Reads config and rules anew while the daemon runs: when asked to, and when the folder of the rules changes."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import structlog

from routerd.config.settings import Settings
from routerd.config.yaml_source import Problem
from routerd.credentials import Credentials, CredentialsError, load_credentials
from routerd.delivery.routes import Routes
from routerd.desk.roster import Roster
from routerd.ops import systemd
from routerd.ops.metrics import Metrics
from routerd.ops.watching import Seen, changes_of, look
from routerd.rules.compile import Compiled
from routerd.rules.ruleset import Ruleset
from routerd.rules_in_force import RulesInForce
from routerd.settling import Live

Reload = Callable[[], Coroutine[Any, Any, None]]
Reread = Callable[[], tuple[Settings | None, tuple[Problem, ...]]]

log = structlog.get_logger()


class Reloaded(Protocol):
    """What a reload changes: the daemon."""

    metrics: Metrics
    rules: RulesInForce
    live: Live

    async def take_over(self, live: Live) -> None:
        """From the next message on."""

    def adopt(self, settings: Settings, credentials: Credentials) -> None:
        """All else that a new config changes; its rules were taken over before."""

    def status(self) -> str:
        """For systemd, in one line."""


class Reloads:
    """One after the other; what is bad does not take effect, and what was good stays.

    `reread` gives the config as it is now.
    """

    def __init__(self, reloaded: Reloaded, reread: Reread) -> None:
        self._reloaded = reloaded
        self._reread = reread
        self._asked: asyncio.Queue[Reload] = asyncio.Queue()
        self._waiting: set[Reload] = set()  # what is in that queue

    def ask_for(self, reload: Reload) -> None:
        """One that waits will read what changes until it begins; more would only do the same work again."""
        if reload not in self._waiting:
            self._waiting.add(reload)
            self._asked.put_nowait(reload)

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            reload = await self._asked.get()
            self._waiting.discard(reload)
            systemd.notify_reloading()
            try:
                await reload()
            except Exception:
                self._reloaded.metrics.reloads.labels("error").inc()
                log.exception("reload_failed")
            systemd.notify_ready(self._reloaded.status())

    async def watch_rules(self, seen: Seen) -> None:
        """The folder of the config that runs; a reload that names another one is followed. Until it is cancelled.

        `seen`: what was in it when the rules that run were read.
        """
        while True:
            folder = self._reloaded.live.settings.rules
            async with contextlib.aclosing(changes_of(folder, seen)) as changes:
                async for _ in changes:
                    self.ask_for(self.reload_rules)
                    if self._reloaded.live.settings.rules != folder:
                        break
            seen = await asyncio.to_thread(look, self._reloaded.live.settings.rules)

    async def reload(self) -> None:
        """Config and rules, whole or not at all: all is read, checked and compiled before anything is swapped."""
        settings, problems = await asyncio.to_thread(self._reread)
        if settings is None:
            self._refuse_config(problems)
            return
        try:
            credentials = await asyncio.to_thread(load_credentials, settings)
        except CredentialsError as error:  # a file was changed since the config was read
            self._reloaded.metrics.reloads.labels("error").inc()
            log.error("credentials_refused", reason=str(error))
            return
        compiled = await self._reloaded.rules.read(settings)
        if await self._take_effect(settings, compiled):
            self._reloaded.adopt(settings, credentials)

    def _refuse_config(self, problems: tuple[Problem, ...]) -> None:
        self._reloaded.metrics.reloads.labels("error").inc()
        for problem in problems:
            log.error("config_refused", problem=str(problem))
        log.error("config_kept")

    async def reload_rules(self) -> None:
        """The rules alone, by the config that runs: a half-edited config is nobody's wish."""
        settings = self._reloaded.live.settings
        compiled = await self._reloaded.rules.read(settings)
        if self._reloaded.rules.brought_news:
            await self._take_effect(settings, compiled)

    async def _take_effect(self, settings: Settings, compiled: Compiled) -> bool:
        async def take_over(ruleset: Ruleset) -> None:
            await self._reloaded.take_over(Live(settings, Roster(settings), ruleset, Routes(settings)))

        return await self._reloaded.rules.enact(compiled, take_over)
