"""Reloads that wait for their turn."""

from pathlib import Path

import pytest

from routerd.config.settings import Settings
from routerd.daemon import Daemon

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
                daemon.reload()
                daemon._ask_for(reload_rules)

    async def reload_rules() -> None:
        done.append("rules")
        raise _EnoughError

    daemon = Daemon(tmp_path / "routerd.yaml", SETTINGS)
    daemon._reload = reload  # type: ignore[method-assign]
    daemon._status = str  # type: ignore[method-assign]
    daemon.reload()
    with pytest.raises(_EnoughError):
        await daemon._reload_when_asked()
    assert done == ["config", "config", "rules"]
