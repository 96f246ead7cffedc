"""`routerd keys`: lists what signs, never its secrets; renews; revokes after a question."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click.testing
import pytest
from desk_at_work import DeskAtWork

from routerd.cli.main import routerd
from routerd.message.token import BOUNCE, TRACE
from routerd.store.queue_view import QueueView
from routerd.store.signing_keys import RINGS
from routerd.store.sqlite import open_store


class Desk(DeskAtWork):
    def run(self, *arguments: str) -> click.testing.Result:
        return click.testing.CliRunner().invoke(routerd, [*arguments, "-c", str(self.config)], catch_exceptions=False)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A state that has keys, and others are to come."""
    desk = Desk(tmp_path)
    store = open_store(desk.state)
    for purpose in RINGS:
        store.keys(purpose)
    store.close_and_wait()
    assert desk.run("keys", "renew").exit_code == 0
    return desk


def secrets_of(desk: Desk) -> list[bytes]:
    with QueueView.open(desk.state) as view:
        rings = [view.keys(purpose) for purpose in (BOUNCE, TRACE)]
    return [key.secret for ring in rings if ring is not None for key in ring.keys]


def test_keys_are_listed_without_their_secrets(desk: Desk) -> None:
    today, ahead = (str((datetime.now(UTC) + timedelta(days=days)).date()) for days in (0, 2))
    listed = json.loads(desk.run("keys", "list", "--json").stdout)
    assert [(one["signs"], one["number"], one["from"], one["state"]) for one in listed] == [
        ("addresses", 1, today, "signs"),
        ("addresses", 2, ahead, "is to come"),
        ("traces", 1, today, "signs"),
        ("traces", 2, ahead, "is to come"),
    ]
    shown = desk.run("keys", "list")
    assert shown.exit_code == 0
    assert shown.stdout.splitlines()[0].split() == ["signs", "number", "from", "until", "state"]
    said = shown.stdout + desk.run("keys", "list", "--json").stdout
    assert not any(secret.hex() in said or repr(secret)[2:-1] in said for secret in secrets_of(desk))


def test_new_keys_are_not_made_without_a_word_about_the_old(desk: Desk) -> None:
    """Nothing breaks, so it does not ask; and says that a leaked one is good for something until then."""
    result = desk.run("keys", "renew")
    assert result.exit_code == 0
    assert "who has it can make some" in result.stderr
    assert "is to come" in result.stdout


def test_without_a_yes_nothing_is_revoked(desk: Desk) -> None:
    before = secrets_of(desk)
    result = desk.run("keys", "renew", "--revoke")
    assert result.exit_code == 1
    assert "what members answer, note or draft to the addresses in mail they have already is refused" in result.stderr
    assert "nothing was revoked (--yes revokes without a question)" in result.stderr
    assert secrets_of(desk) == before


def test_a_leaked_key_is_gone(desk: Desk) -> None:
    """Those of traces stay: mail that goes in circles is known by them."""
    before = secrets_of(desk)
    listed = json.loads(desk.run("keys", "renew", "--revoke", "--yes", "--json").stdout)
    assert [(one["signs"], one["number"], one["state"]) for one in listed] == [
        ("addresses", 3, "signs"),
        ("traces", 1, "signs"),
        ("traces", 3, "is to come"),
    ]
    after = secrets_of(desk)
    assert not {*before[:2]} & {*after}
    assert before[2] in after


def test_no_state_has_no_keys(tmp_path: Path) -> None:
    """And gets none by a command."""
    desk = Desk(tmp_path)
    for command in ("list", "renew"):
        result = desk.run("keys", command)
        assert result.exit_code == 1
        assert "the daemon has not run here" in result.stderr
    assert not desk.state.exists()
