from datetime import UTC, datetime, timedelta

import pytest

from routerd.config.settings import Settings
from routerd.intake.protocol.events import Declined
from routerd.intake.recipients import Directory
from routerd.message.address import Address, parse_address
from routerd.message.envelope import Purpose, Recipient
from routerd.message.key_ring import KeyRing
from routerd.message.srs import issue_srs
from routerd.message.token import ANSWER, BOUNCE, DRAFT, NOTE, issue_address, issue_return_path, make_token

KEY = KeyRing.begun(b"k" * 32)
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def settings(**more: object) -> Settings:
    return Settings.model_validate(
        {
            "hostname": "mx.desk.test",
            "postmaster": "jan",
            "members": {"jan": {"mailbox": "jan@desk.test"}},
            "inboxes": {
                "Support@desk.test": {"default": "jan", "aliases": ["help@desk.test", "pomoc@pl.test"]},
                "sales+eu@desk.test": {"default": "jan"},
                "abuse@other.test": {"default": "jan"},
            },
            "delivery": [{"domain": "*", "smtp": "next.test:25"}],
            "trusted_networks": ["10.0.0.0/8"],
            **more,
        }
    )


def find(text: str | None, config: Settings | None = None) -> Recipient | Declined:
    address = None if text is None else parse_address(text)
    return Directory(config or settings(), KEY).look_up(address, NOW)


@pytest.mark.parametrize(
    ("address", "inbox", "detail"),
    [
        ("support@desk.test", "support@desk.test", None),
        ("SUPPORT@DESK.TEST", "support@desk.test", None),
        ("support+invoice@desk.test", "support@desk.test", "invoice"),
        ("support+a+b@desk.test", "support@desk.test", "a+b"),
        ("support+@desk.test", "support@desk.test", ""),
        ("support+b.smith@desk.test", "support@desk.test", "b.smith"),
        ("help@desk.test", "support@desk.test", None),
        ("pomoc+x@pl.test", "support@desk.test", "x"),
        ("sales+eu@desk.test", "sales+eu@desk.test", None),
        ("sales+eu+x@desk.test", "sales+eu@desk.test", "x"),
        ("abuse@other.test", "abuse@other.test", None),
    ],
)
def test_an_inbox_is_known_by_all_its_names(address: str, inbox: str, detail: str | None) -> None:
    """Exact, with a detail, by an alias, in any case; the address stays as it was given."""
    found = find(address)
    assert found == Recipient(parse_address(address), Purpose.INBOX, inbox, detail)


@pytest.mark.parametrize(
    "address", ["postmaster@desk.test", "Abuse@desk.test", "postmaster@pl.test", "postmaster@other.test"]
)
def test_postmaster_and_abuse_of_each_domain(address: str) -> None:
    """RFC 5321 4.5.1 and RFC 2142, unless an inbox has that name."""
    found = find(address)
    assert isinstance(found, Recipient)
    assert found.purpose is Purpose.POSTMASTER


def test_postmaster_without_a_domain() -> None:
    """`<Postmaster>` is the postmaster of the first inbox's domain."""
    assert find(None) == Recipient(Address("postmaster", "desk.test"), Purpose.POSTMASTER, "postmaster@desk.test")


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("nobody@desk.test", "5.1.1"),
        ("jan@desk.test", "5.1.1"),
        ("sales@desk.test", "5.1.1"),
        ("+support@desk.test", "5.1.1"),
        ("postmaster+x@desk.test", "5.1.1"),
        ("support@elsewhere.test", "5.7.1"),
        ("support@sub.desk.test", "5.7.1"),
        ("support@[127.0.0.1]", "5.7.1"),
        ("support%far.test@desk.test", "5.7.1"),
        ("someone%far.test@desk.test", "5.7.1"),
        ("support+someone%far.test@desk.test", "5.7.1"),
        ("support+far.test!someone@desk.test", "5.7.1"),
        ("far.test!support@desk.test", "5.7.1"),
        ("far.test!deeper.test!someone@desk.test", "5.7.1"),
        ('"support@far.test"@desk.test', "5.7.1"),
        ('"@far.test:someone@deeper.test"@desk.test', "5.7.1"),
        ('"support@desk.test"@far.test', "5.7.1"),
        ('"support desk"@desk.test', "5.1.1"),
    ],
)
def test_nothing_is_relayed(address: str, status: str) -> None:
    """No other address is taken, whatever it would mean elsewhere; not a member's mailbox either."""
    found = find(address)
    assert isinstance(found, Declined)
    assert (found.code, found.status) == (550, status)


def test_a_listed_address_may_hold_a_percent_sign() -> None:
    """What the config names is an inbox, whatever its letters: nothing is read into it."""
    config = settings(inboxes={"50%off@desk.test": {"default": "jan"}, "ho!ho@desk.test": {"default": "jan"}})
    for address in ("50%off@desk.test", "50%OFF@desk.test", "ho!ho@desk.test"):
        assert isinstance(find(address, config), Recipient)
    assert isinstance(find("50%off+far.test@desk.test", config), Declined)


@pytest.mark.parametrize("addresses", [{}, {"style": "domain", "domain": "Bounce.desk.test"}])
def test_a_return_path_is_known_by_its_token(addresses: dict[str, str]) -> None:
    """What routerd issued comes back, in any case, for 14 days."""
    config = settings(addresses=addresses)
    for age, taken in ((timedelta(0), True), (timedelta(days=13), True), (timedelta(days=16), False)):
        path = issue_return_path(parse_address("support@desk.test"), 4711, NOW - age, config.addresses, KEY).upper()
        found = find(path, config)
        if taken:
            assert isinstance(found, Recipient)
            assert (found.purpose, found.copy_number) == (Purpose.RETURN_PATH, 4711)
            assert found.inbox == "support@desk.test"
        else:
            assert isinstance(found, Declined)
            assert found.reason == "expired_token"


@pytest.mark.parametrize("addresses", [{}, {"delimiter": "-"}, {"style": "domain", "domain": "Talk.desk.test"}])
@pytest.mark.parametrize(
    ("letter", "purpose"), [(ANSWER, Purpose.ANSWER), (NOTE, Purpose.NOTE), (DRAFT, Purpose.DRAFT)]
)
def test_addresses_of_the_desk_name_a_copy(letter: str, purpose: Purpose, addresses: dict[str, str]) -> None:
    """What a member's mail to them is about is known by the copy, in any case of letters, as long as history is."""
    config = settings(addresses=addresses, retain={"events": "30d"})
    for age, taken in ((timedelta(0), True), (timedelta(days=29), True), (timedelta(days=32), False)):
        address = issue_address(letter, parse_address("support@desk.test"), 4711, NOW - age, config.addresses, KEY)
        found = find(address.upper(), config)
        if taken:
            assert isinstance(found, Recipient)
            assert (found.purpose, found.copy_number, found.inbox) == (purpose, 4711, "support@desk.test")
        else:
            assert isinstance(found, Declined)
            assert found.reason == "expired_token"


@pytest.mark.parametrize(
    ("word", "purpose"), [("note", Purpose.NOTE), ("Draft", Purpose.DRAFT), ("NOTE", Purpose.NOTE)]
)
def test_notes_and_drafts_without_a_token(word: str, purpose: Purpose) -> None:
    """They find their conversation by References; an alias has them as well, and so has the domain of our own."""
    for address in (f"support+{word}@desk.test", f"help+{word}@desk.test", f"sales+eu+{word}@desk.test"):
        found = find(address)
        assert isinstance(found, Recipient)
        assert (found.purpose, found.copy_number, found.detail) == (purpose, None, None)
    own = settings(addresses={"style": "domain", "domain": "talk.desk.test"})
    found = find(f"support+{word}@talk.desk.test", own)
    assert isinstance(found, Recipient)
    assert (found.purpose, found.inbox) == (purpose, "support@desk.test")


def test_no_other_detail_is_of_the_desk() -> None:
    """What has not that shape is mail to the inbox; at the domain of our own addresses it is nobody."""
    own = settings(addresses={"style": "domain", "domain": "talk.desk.test"})
    for detail in ("c.smith", "n", "notes", "drafts", "note.x", "c", "", "x.note"):
        found = find(f"support+{detail}@desk.test", own)
        assert isinstance(found, Recipient)
        assert (found.purpose, found.detail) == (Purpose.INBOX, detail)
        assert isinstance(find(f"support+{detail}@talk.desk.test", own), Declined)
    assert isinstance(find("support@talk.desk.test", own), Declined)


@pytest.mark.parametrize("letter", [ANSWER, NOTE, DRAFT])
def test_a_token_of_the_desk_holds_for_its_address_alone(letter: str) -> None:
    """Another key, another purpose, another inbox, another case of the inbox's name: only the last is ours."""
    inbox, addresses = parse_address("support@desk.test"), settings().addresses
    own = issue_address(letter, inbox, 4711, NOW, addresses, KEY)
    others = [other for other in (ANSWER, NOTE, DRAFT, BOUNCE) if other != letter]
    forged = [
        issue_address(letter, inbox, 4711, NOW, addresses, KeyRing.begun(b"x" * 32)),
        own.replace("support+", "sales+eu+"),
        own.replace("support+", "help+"),
        *(own.replace(f"+{letter}.", f"+{other}.") for other in others),
    ]
    for address in forged:
        found = find(address)
        assert isinstance(found, Declined), address
        assert found.reason == "forged_token"
    bare = {ANSWER: "support@desk.test", NOTE: "support+note@desk.test", DRAFT: "support+draft@desk.test"}[letter]
    found = find(forged[0])
    assert isinstance(found, Declined)
    assert found.text == f"Not an address that we gave out; write to {bare} instead"
    assert isinstance(find(own.replace("support+", "Support+")), Recipient)


def test_a_token_of_an_inbox_that_is_gone_is_nobodys() -> None:
    """Its conversations are answered by nobody any more; as an alias of another inbox it still is one."""
    address = issue_address(ANSWER, parse_address("old@desk.test"), 4711, NOW, settings().addresses, KEY)
    assert find(address) == find("old@desk.test")
    moved = settings(inboxes={"new@desk.test": {"default": "jan", "aliases": ["old@desk.test"]}})
    found = find(address, moved)
    assert isinstance(found, Recipient)
    assert found.inbox == "new@desk.test"


def test_a_forged_token_is_refused() -> None:
    """Another key, another purpose, another inbox's: not ours."""
    inbox, addresses = parse_address("support@desk.test"), settings().addresses
    of_another_key = issue_return_path(inbox, 4711, NOW, addresses, KeyRing.begun(b"x" * 32))
    of_another_purpose = f"support+b.{make_token(4711, NOW, 'r', KEY)}@desk.test"
    of_another_inbox = issue_return_path(inbox, 4711, NOW, addresses, KEY).replace("support+", "billing+")
    for forged in (of_another_key, of_another_purpose, of_another_inbox):
        found = find(forged)
        assert isinstance(found, Declined)
        assert found.reason == "forged_token"


@pytest.mark.parametrize("addresses", [{}, {"style": "domain", "domain": "Bounce.desk.test"}])
def test_a_wrapped_sender_is_known_by_its_hash(addresses: dict[str, str]) -> None:
    """What routerd issued comes back, in any case, for 14 days; also where it no longer issues them."""
    config = settings(addresses=addresses)
    for age, taken in ((timedelta(0), True), (timedelta(days=14), True), (timedelta(days=15), False)):
        path = issue_srs("50%off@klient.pl", parse_address("support@desk.test"), NOW - age, config.addresses, KEY)
        assert path is not None
        for spelling in (path, path.lower()):
            found = find(spelling, config)
            if taken:
                assert isinstance(found, Recipient)
                assert (found.purpose, found.original) == (Purpose.WRAPPED, parse_address("50%off@klient.pl"))
            else:
                assert isinstance(found, Declined)
                assert (found.code, found.reason) == (550, "expired_token")


@pytest.mark.parametrize(
    "local",
    [
        "SRS0=AAAAAAAA=AA=far.test=someone",
        "SRS0=AAAA=AA=far.test=someone",
        "SRS0+AAAAAAAA=AA=far.test=someone",
        "srs0=aaaaaaaa=aa=far.test=some%deeper.test",
        "SRS1=AAAAAAAA=far.test==opaque",
    ],
)
def test_a_forged_wrapping_is_refused(local: str) -> None:
    """Whoever can write such an address may not send by us to whom it names."""
    found = find(f"{local}@desk.test")
    assert isinstance(found, Declined)
    assert (found.code, found.status, found.reason) == (550, "5.7.1", "forged_token")


def test_a_wrapping_of_another_key_or_domain_is_forged() -> None:
    """Another daemon's, and ours for another inbox's domain."""
    inbox, addresses = parse_address("support@desk.test"), settings().addresses
    of_another_key = issue_srs("anna@klient.pl", inbox, NOW, addresses, KeyRing.begun(b"x" * 32))
    of_another_domain = issue_srs("anna@klient.pl", inbox, NOW, addresses, KEY)
    assert of_another_key is not None
    assert of_another_domain is not None
    for forged in (of_another_key, of_another_domain.replace("@desk.test", "@other.test")):
        found = find(forged)
        assert isinstance(found, Declined)
        assert found.reason == "forged_token"


@pytest.mark.parametrize(
    ("local", "taken"), [("SRS0", True), ("srs0+x", True), ("srs0+abcd=aa=b", True), ("SRS0=x", False)]
)
def test_an_inbox_may_be_called_as_the_scheme_is(local: str, taken: bool) -> None:
    """Only what is whole is read as a wrapped sender."""
    config = settings(inboxes={"srs0@desk.test": {"default": "jan"}})
    assert isinstance(find(f"{local}@desk.test", config), Recipient) is taken


def test_a_late_bounce_for_an_inbox_that_is_gone() -> None:
    """The token is the proof; the config may have changed since."""
    path = issue_return_path(parse_address("formerly@desk.test"), 1, NOW, settings().addresses, KEY)
    assert find(path) == Recipient(parse_address(path), Purpose.RETURN_PATH, "formerly@desk.test", copy_number=1)
