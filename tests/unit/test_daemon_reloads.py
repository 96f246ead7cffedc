"""Reloads that wait for their turn."""

from pathlib import Path

import pytest

from routerd.config.settings import Settings
from routerd.daemon import Daemon
from routerd.reloads import Reloads

SETTINGS = Settings.model_validate(
    {
        "hostname": "mx1.example.com",
        "postmaster": "jan",
        "members": {"jan": {"mailbox": "jan@example.com"}},
        "inboxes": {"support@example.com": {"default": "jan"}},
        "delivery": [{"domain": "*", "smtp": "mail.example.com:25"}],
    }
)


class _EnoughError(BaseException):
    """Ends what would go on for ever."""


async def test_one_waiting_reload_of_a_kind_is_enough(tmp_path: Path) -> None:
    """Who asks a thousand times while one is under way gets one more, which sees all that was written before it."""
    done: list[str] = []

    async def reload() -> None:
        done.append("config")
        if len(done) == 1:
            for _ in range(1000):
                reloads.ask_for(reload)
                reloads.ask_for(reload_rules)

    async def reload_rules() -> None:
        done.append("rules")
        raise _EnoughError

    reloads = Reloads(Daemon(tmp_path / "routerd.yaml", SETTINGS), lambda: (None, ()))
    reloads._reloaded.status = str  # type: ignore[method-assign]
    reloads.ask_for(reload)
    with pytest.raises(_EnoughError):
        await reloads.run()
    assert done == ["config", "config", "rules"]
