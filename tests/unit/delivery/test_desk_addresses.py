"""By which addresses members speak to the desk."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from copies import NOW, a_copy, settings_with

from routerd.auth.dkim_signing import Signer
from routerd.auth.signers import Signers
from routerd.delivery.desk_addresses import DeskAddresses
from routerd.delivery.letter import content_of
from routerd.desk.changes import Role
from routerd.intake.recipients import Directory
from routerd.message.address import parse_address
from routerd.message.address_list import Mailbox
from routerd.message.desk_fields import NO_DESK_FIELDS, DeskFields
from routerd.message.dkim_keys import KeyKind, new_private_key, parse_private_key
from routerd.message.envelope import Purpose, Recipient
from routerd.message.key_ring import KeyRing
from routerd.store.base import Copy

KEY = KeyRing.begun(b"k" * 32)
ROUTE: dict[str, object] = {"domain": "*", "smtp": "mail.example.com:25"}
SUPPORT = "support@desk.test"
MEMBERS = (Role.OWNER, Role.WATCHER, Role.TEAMMATE)
RAW = b"From: Anna <anna@klient.test>\r\nReply-To: b@klient.test\r\nSubject: Re: parcel\r\n\r\nWhere is it?\r\n"


def of_anna(role: Role = Role.OWNER) -> Copy:
    annotation = replace(a_copy().annotation, reply_name="Anna", labels=("urgent",))
    return a_copy(role=role, annotation=annotation, number=4711)


def fields(
    role: Role = Role.OWNER, *, trusts_us: bool = True, inbox: Mapping[str, object] | None = None, **settings: Any
) -> DeskFields:
    inboxes = {SUPPORT: {"default": "jan", **(inbox or {})}}
    made = settings_with(ROUTE, inboxes=inboxes, **settings)
    return DeskAddresses(made, KEY).fields_of(of_anna(role), trusts_us=trusts_us)


def taken_for(address: str, **settings: Any) -> tuple[Purpose, int | None]:
    found = Directory(settings_with(ROUTE, **settings), KEY).look_up(parse_address(address), NOW + timedelta(days=700))
    assert isinstance(found, Recipient)
    return found.purpose, found.copy_number


@pytest.mark.parametrize("addresses", [{}, {"delimiter": "-"}, {"style": "domain", "domain": "talk.desk.test"}])
@pytest.mark.parametrize("role", MEMBERS)
def test_addresses_come_back_as_the_copy(role: Role, addresses: dict[str, str]) -> None:
    """What a copy names is taken for that copy, as long as history is kept."""
    made = fields(role, addresses=addresses)
    assert taken_for(made.note, addresses=addresses) == (Purpose.NOTE, 4711)
    assert taken_for(made.draft, addresses=addresses) == (Purpose.DRAFT, 4711)
    assert made.reply_to is not None
    assert made.reply_to.name == "Anna via Support"
    assert taken_for(made.reply_to.address, addresses=addresses) == (Purpose.ANSWER, 4711)
    assert made.sender is None


@pytest.mark.parametrize("role", [Role.FORWARD, Role.ANSWER])
@pytest.mark.parametrize("inbox", [{}, {"replies": "through", "from_via": True}])
def test_what_goes_outside_names_none(role: Role, inbox: dict[str, object]) -> None:
    """No token leaves the house."""
    for trusts_us in (False, True):
        made = fields(role, trusts_us=trusts_us, inbox=inbox, members={"jan": {"mailbox": "jan@example.com"}})
        assert made is NO_DESK_FIELDS


@pytest.mark.parametrize(
    ("inbox", "trusts_us", "through", "via"),
    [
        ({}, True, True, False),
        ({}, False, False, False),
        ({"replies": "observe"}, True, False, False),
        ({"replies": "through"}, True, True, False),
        ({"replies": "through"}, False, False, False),
        ({"replies": "through", "from_via": True}, True, True, False),
        ({"replies": "through", "from_via": True}, False, True, True),
    ],
)
def test_when_answers_come_through_us(inbox: dict[str, object], trusts_us: bool, through: bool, via: bool) -> None:
    """A Reply-To is set only where the mailbox's server trusts us, or From is ours, too."""
    made = fields(trusts_us=trusts_us, inbox=inbox)
    assert (made.reply_to is not None, made.sender is not None) == (through, via)
    if made.sender:
        assert (made.sender.name, made.sender.address) == ("Anna via Support", SUPPORT)
    assert made.note


def test_a_note_is_answered_by_a_note() -> None:
    """Whatever the inbox says of customers' mail, and whoever serves the mailbox."""
    for trusts_us in (False, True):
        made = fields(Role.DESK, trusts_us=trusts_us, inbox={"replies": "observe"})
        assert made.reply_to is not None
        assert made.reply_to.address == made.note


def test_a_colleagues_answer_is_answered_by_a_note() -> None:
    """Where a Reply-To breaks no signature, or From is ours, too, and the inbox takes answers; what goes outside says
    nothing of it."""
    annotation = replace(a_copy().annotation, answered_by="ewa")
    for role in (*MEMBERS, Role.ANSWER, Role.FORWARD):
        copy = a_copy(role=role, annotation=annotation, number=4711)
        for trusts_us, inbox, is_led in (
            (True, {}, True),
            (False, {}, False),
            (False, {"replies": "through", "from_via": True}, True),
            (True, {"replies": "observe"}, False),
        ):
            made = settings_with(ROUTE, inboxes={SUPPORT: {"default": "jan", **inbox}})
            found = DeskAddresses(made, KEY).fields_of(copy, trusts_us=trusts_us)
            assert (found.reply_to is not None) == (is_led and role in MEMBERS)
            if found.reply_to is not None:
                assert (found.reply_to.name, found.reply_to.address) == ("Support (note)", found.note)
                assert found.sender == (None if trusts_us else Mailbox("ewa via Support", SUPPORT))


def test_what_nobody_outside_is_answered_to_keeps_its_reply_to() -> None:
    """List mail, members' own mail, bounces; a mail to the postmaster has no note either."""
    settings = settings_with(ROUTE)
    addresses = DeskAddresses(settings, KEY)
    made = addresses.fields_of(a_copy(), trusts_us=True)
    assert made.reply_to is None
    assert made.note
    to_postmaster = a_copy(annotation=replace(a_copy().annotation, inbox="postmaster@desk.test"))
    assert addresses.fields_of(to_postmaster, trusts_us=True) is NO_DESK_FIELDS


def test_labels_on_top_of_subjects_are_for_who_wants_them() -> None:
    """And only where that breaks no signature that counts."""
    members = {"ewa": {"mailbox": "ewa@example.com", "show": {"subject_tag": True}}, "jan": {"mailbox": "jan@a.test"}}
    assert fields(members=members).tag == "[[urgent]]"
    assert fields(members=members, trusts_us=False).tag == ""
    via = {"replies": "through", "from_via": True}
    assert fields(members=members, trusts_us=False, inbox=via).tag == "[[urgent]]"
    assert fields().tag == ""


def whole_copy(raw: bytes, *, labels: tuple[str, ...] = (), trusts_us: bool = True, tags: bool = True) -> bytes:
    """Of Ewa, who has labels on top of subjects (`tags`)."""
    members = {"ewa": {"mailbox": "ewa@example.com", "show": {"subject_tag": tags}}, "jan": {"mailbox": "jan@a.test"}}
    made = DeskAddresses(settings_with(ROUTE, inboxes={SUPPORT: {"default": "jan"}}, members=members), KEY)
    copy = replace(of_anna(), annotation=replace(of_anna().annotation, labels=labels))
    content, fault = content_of(copy, raw, trusts_us=trusts_us, desk=made.fields_of(copy, trusts_us=trusts_us))
    assert fault is None
    return b"".join(content.pieces())


@pytest.mark.parametrize(
    ("subject", "plain"),
    [
        (b"[[urgent]] Pay", b"[urgent] Pay"),
        (b"Re: [[[vip, urgent]]]", b"Re: [vip, urgent]"),
        (b"[[urgent", b"[urgent"),
        (b"=?utf-8?q?=5B?=\r\n =?utf-8?q?=5Burgent=5D=5D?= Pay", b"[urgent] Pay"),
        (b"[urgent] =?utf-8?q?=C4=99?=", b"[urgent] =?utf-8?q?=C4=99?="),
        (b"[invoice]  Pay", b"[invoice]  Pay"),
    ],
)
def test_nobody_outside_writes_a_tag_like_ours(subject: bytes, plain: bytes) -> None:
    """Where the member's client goes by them, whether there are labels or not; all that it says stays to be read."""
    raw = RAW.replace(b"Re: parcel", subject)
    assert b"\r\nSubject: " + plain + b"\r\n" in whole_copy(raw)
    assert b"\r\nSubject: [[late]] " + plain + b"\r\n" in whole_copy(raw, labels=("late",))
    twice = whole_copy(b"Subject: " + subject + b"\r\n" + raw)
    assert twice.count(b"Subject: " + plain + b"\r\n") == 2
    for as_it_came in (whole_copy(raw, trusts_us=False), whole_copy(raw, tags=False)):
        assert b"\r\nSubject: " + subject + b"\r\n" in as_it_came


@pytest.mark.parametrize(
    "forged",
    [
        b"X-Original-Reply-To: boss@desk.test\r\n",
        b"x-original-reply-to : a\r\n b\r\n",
        b"X-Original-\x00Reply-To: a\r\n",
    ],
)
def test_what_has_given_way_stands_alone_under_its_name(forged: bytes) -> None:
    """Nobody outside says who was to be answered; where nothing gives way, all stays as it is."""
    kept = whole_copy(forged + RAW)
    assert kept.lower().count(b"x-original-") == 1
    assert b"\r\nX-Original-Reply-To: b@klient.test\r\n" in kept
    assert forged in whole_copy(forged + RAW, trusts_us=False)
    assert b"X-Original-From: a@list.test" in whole_copy(b"X-Original-From: a@list.test\r\n" + RAW)


def test_each_attempt_gives_the_same_bytes() -> None:
    """However long a copy waits: its addresses are those of the day it was made on."""
    copy = of_anna()
    first, later = (
        content_of(
            copy, RAW, trusts_us=True, desk=DeskAddresses(settings_with(ROUTE), KEY).fields_of(one, trusts_us=True)
        )
        for one in (copy, replace(copy, attempts=7, next_attempt_at=NOW + timedelta(days=3)))
    )
    assert first == later
    whole = b"".join(first[0].pieces())
    assert whole.count(b"\r\nReply-To: Anna via Support <support+c.") == 1
    assert b"\r\nX-Original-Reply-To: b@klient.test\r\n" in whole
    assert re.search(rb"\r\nX-Routerd-Note: <mailto:support\+n\.[a-z2-7]{29}@desk\.test>\r\n", whole)


def test_a_sender_of_ours_is_signed_by_us() -> None:
    """The stranger's own stands beside it, and no longer proves anything."""
    signers = Signers([Signer("desk.test", "s2026", parse_private_key(new_private_key(KeyKind.ED25519)))])
    via = {"replies": "through", "from_via": True}
    desk = fields(trusts_us=False, inbox=via)
    content, fault = content_of(of_anna(), RAW, trusts_us=False, desk=desk, signers=signers)
    whole = b"".join(content.pieces())
    assert fault is None
    assert whole.startswith(b"DKIM-Signature: v=1;")
    assert whole.count(b"\r\nFrom: ") == 1
    assert b"\r\nFrom: Anna via Support <support@desk.test>\r\n" in whole
    assert b"\r\nX-Original-From: Anna <anna@klient.test>\r\n" in whole
