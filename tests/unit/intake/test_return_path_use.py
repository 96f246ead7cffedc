"""How often return paths may be used."""

from datetime import UTC, datetime

import pytest

from routerd.config.settings import Addresses
from routerd.intake.limits.counts import OwnCounts
from routerd.intake.limits.return_paths import DESK_FLOODED, FLOODED, ReturnPathUse
from routerd.intake.protocol.events import Declined
from routerd.message.address import Address, parse_address
from routerd.message.envelope import Accepted, Envelope, Purpose, QueueId, Recipient, Refused
from routerd.message.key_ring import KeyRing
from routerd.message.srs import issue_srs

DAY = 86_400.0
ACCEPTED = (Accepted(QueueId("Q")),)
SUPPORT = parse_address("support@desk.test")


def wrapped(sender: str, day: int = 1) -> Recipient:
    at = datetime(2026, 1, day, tzinfo=UTC)
    path = issue_srs(sender, SUPPORT, at, Addresses(), KeyRing.begun(b"k" * 32))
    assert path is not None
    return Recipient(parse_address(path), Purpose.WRAPPED, path, original=parse_address(sender))


def token(number: int) -> Recipient:
    return Recipient(Address("support+b.x", "desk.test"), Purpose.RETURN_PATH, "support@desk.test", copy_number=number)


def use(paths: ReturnPathUse, recipient: Recipient, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        assert paths.judge(recipient, "client", now) is recipient
        paths.count(Envelope("", (recipient,)), ACCEPTED, now)


@pytest.mark.parametrize("recipient", [wrapped("anna@klient.pl"), token(7)])
def test_a_return_path_takes_so_many_a_day(recipient: Recipient) -> None:
    """A bounce too many may come tomorrow."""
    paths = ReturnPathUse(OwnCounts(bytes))
    use(paths, recipient, 20)
    assert paths.judge(recipient, "client", 1.0) is FLOODED
    assert paths.judge(recipient, None, 1.0) is FLOODED
    use(paths, recipient, 1, DAY + 1)


def test_a_stranger_is_counted_however_he_was_wrapped() -> None:
    """On another day, in another case: his bounces of one day are counted together, those of others apart."""
    paths = ReturnPathUse(OwnCounts(bytes))
    use(paths, wrapped("anna@klient.pl", day=1), 10)
    use(paths, wrapped("Anna@klient.pl", day=2), 10)
    assert isinstance(paths.judge(wrapped("anna@klient.pl", day=3), "client", 1.0), Declined)
    use(paths, wrapped("ewa@klient.pl"), 1)


def test_what_is_refused_uses_nothing_up() -> None:
    """Who only names an address cannot close it to others."""
    paths = ReturnPathUse(OwnCounts(bytes))
    recipient = wrapped("anna@klient.pl")
    for _ in range(30):
        paths.count(Envelope("", (recipient,)), (Refused(451, "4.3.0", "Later"),), 0.0)
    use(paths, recipient, 1)


def test_addresses_of_the_desk_are_counted_apart() -> None:
    """What is said about a copy closes neither its other addresses nor its return path."""
    paths = ReturnPathUse(OwnCounts(bytes))
    note = Recipient(Address("support+n.x", "desk.test"), Purpose.NOTE, "support@desk.test", copy_number=7)
    use(paths, note, 100)
    assert paths.judge(note, "client", 1.0) is DESK_FLOODED
    use(paths, token(7), 1)
    use(paths, Recipient(note.address, Purpose.ANSWER, note.inbox, copy_number=7), 1)
    without_token = Recipient(Address("support+note", "desk.test"), Purpose.NOTE, "support@desk.test")
    use(paths, without_token, 200)
