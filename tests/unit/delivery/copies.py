"""Copies and configs that the delivery tests share."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from routerd.config.settings import Settings
from routerd.desk.changes import Role
from routerd.message.annotation import Annotation
from routerd.message.envelope import CopyId, QueueId
from routerd.store.base import Copy, CopyState

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def a_copy(number: int = 1, **changes: object) -> Copy:
    """An owner's first copy, just committed."""
    copy = Copy(
        number=number,
        id=CopyId(f"01J0000000000000000000{number:04d}-1"),
        queue_id=QueueId(f"01J0000000000000000000{number:04d}"),
        message=number,
        member="ewa",
        mailbox="ewa@example.com",
        destination="smtp:mail.example.com:25",
        role=Role.OWNER,
        sender="anna@klient.test",
        to_return_path=False,
        size_bytes=100,
        team="finance",
        created_at=NOW,
        state=CopyState.QUEUED,
        attempts=0,
        next_attempt_at=NOW,
        reason="",
        annotation=Annotation("01J", "support@desk.test", "ewa@example.com", "Ewa", received="from a by b; now"),
    )
    return replace(copy, **changes)  # type: ignore[arg-type]


def older(copy: Copy, age: timedelta, attempts: int = 60) -> Copy:
    return replace(copy, created_at=NOW - age, attempts=attempts)


def settings_with(*routes: dict[str, object], folder: Path = Path("/nowhere"), **more: object) -> Settings:
    return Settings.model_validate(
        {
            "hostname": "mx.desk.test",
            "state": folder,
            "postmaster": "jan",
            "members": {"ewa": {"mailbox": "ewa@example.com"}, "jan": {"mailbox": "jan@example.com"}},
            "inboxes": {"support@desk.test": {"default": "jan"}},
            "delivery": list(routes),
            **more,
        }
    )
